"""Users with their roles, and drivers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from accounts.admin_base import (
    TenantForm,
    TenantModelAdmin,
    TenantTabularInline,
    actor_of,
    changed_values,
    register,
    require,
    take_over,
)
from accounts.choices import Role
from accounts.errors import NoMembership
from accounts.models import Driver, Membership, User
from accounts.selectors import members_of
from accounts.services import people
from csms_project.common.admin import chip

if admin.site.is_registered(Group):
    # Rights come from roles; groups of Django would be a second, unread place for them.
    admin.site.unregister(Group)

_NAMES = ("email", "first_name", "last_name", "is_active")


class UserForm(TenantForm):
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER, widget=UnfoldAdminSelectWidget)
    new_password = forms.CharField(
        label="New password",
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Empty: stays as it is; a new user without one cannot sign in.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.tenant is None:
            self.fields.pop("role", None)
        elif self.instance.pk and "role" in self.fields:
            membership = Membership.objects.filter(tenant=self.tenant, user=self.instance).first()
            self.initial["role"] = membership.role if membership else Role.VIEWER

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        if password:
            validate_password(password, self.instance)
        return password


class MembershipInline(TenantTabularInline):
    """For who sees all tenants; inside one tenant the form has the role."""

    model = Membership
    permission_area = "users"
    fields = ("tenant", "role")
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_superuser


@register(User)
class UserAdmin(TenantModelAdmin):
    permission_area = "users"
    may_delete = False
    exclude = None
    form = UserForm
    list_display = ("username", "full_name", "email", "roles", "is_active", "last_login")
    list_filter = ("is_active", "memberships__role")
    search_fields = ("username", "email", "first_name", "last_name")
    actions = ("remove_from_tenant",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        actor = actor_of(request)
        memberships = Membership.objects.select_related("tenant").order_by("tenant__name")
        if actor.tenant is not None:
            memberships = memberships.filter(tenant=actor.tenant)
        shown = Prefetch("memberships", queryset=memberships, to_attr="shown_memberships")
        return members_of(actor.tenant).order_by("username").prefetch_related(shown)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A user has no tenant of its own: who is in the queryset is a member.
        return self.may(request, "view")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "change")

    @display(description="Name")
    def full_name(self, obj: User) -> str:
        return obj.get_full_name() or "–"

    @display(description="Role")
    def roles(self, obj: Any) -> str:
        found = obj.shown_memberships
        if obj.is_superuser:
            return chip("Administrator of the installation", "info")
        names = [
            m.get_role_display() if len(found) == 1 else f"{m.tenant}: {m.get_role_display()}" for m in found
        ]
        return ", ".join(names) or "–"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        role = (
            ("role",)
            if actor_of(request).tenant is not None and not getattr(obj, "is_superuser", False)
            else ()
        )
        return ((None, {"fields": ("username", *_NAMES, *role, "new_password")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("username",) if obj is not None else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [MembershipInline] if obj is not None and actor_of(request).tenant is None else []

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        values = {name: form.cleaned_data[name] for name in form.changed_data if name in _NAMES}
        password = form.cleaned_data.get("new_password") or None
        if not change:
            assert actor.tenant is not None
            values.pop("is_active", None)
            user = people.create_user(
                actor=actor,
                tenant=actor.tenant,
                username=form.cleaned_data["username"],
                password=password,
                role=form.cleaned_data["role"],
                **values,
            )
            take_over(obj, user)
            return
        stored = User.objects.get(pk=obj.pk)
        if password:
            values["password"] = password
        if actor.tenant is None:
            first = Membership.objects.filter(user=stored).select_related("tenant").first()
            if values and first is None:
                raise NoMembership(f"{stored} is not a member of any tenant.")
            tenant = first.tenant if first is not None else None
        else:
            tenant = actor.tenant
        if values and tenant is not None:
            people.update_user(actor=actor, tenant=tenant, user=stored, **values)
        if actor.tenant is not None and "role" in form.changed_data:
            people.set_role(actor=actor, tenant=actor.tenant, user=stored, role=form.cleaned_data["role"])

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        actor = actor_of(request)
        for gone in formset.deleted_objects:
            people.remove_member(actor=actor, tenant=gone.tenant, user=form.instance)
        rows = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
        for row in rows:
            people.set_role(actor=actor, tenant=row.tenant, user=form.instance, role=row.role)

    @admin.action(description="Remove from this organisation…", permissions=["remove"])
    def remove_from_tenant(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        actor = actor_of(request)
        tenant = actor.tenant
        require(request, "users.change", tenant)
        assert tenant is not None
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                title=f"Remove from {tenant}",
                question=f"They lose their access to {tenant}. What they did stays in the audit trail.",
                is_dangerous=True,
            )
        self.attempt_all(
            request,
            list(queryset),
            lambda user: people.remove_member(actor=actor, tenant=tenant, user=user),
            done="{count} removed.",
        )
        return None

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).tenant is not None and self.may(request, "change")


@register(Driver)
class DriverAdmin(TenantModelAdmin):
    permission_area = "drivers"
    list_display = ("name", "email", "phone", "external_id", "tag_values", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "email", "external_id", "tokens__value_key")
    fields = ("name", "email", "phone", "external_id", "is_active", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Driver]:
        return super().get_queryset(request).prefetch_related("tokens")

    @display(description="Tags")
    def tag_values(self, obj: Driver) -> str:
        values = [token.shown_value for token in obj.tokens.all()]
        return ", ".join(values[:3]) + (f" +{len(values) - 3}" if len(values) > 3 else "") or "–"

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            people.update_driver(actor=actor, driver=Driver.objects.get(pk=obj.pk), **changed_values(form))
        else:
            take_over(obj, people.create_driver(actor=actor, tenant=obj.tenant, **form.cleaned_data))
