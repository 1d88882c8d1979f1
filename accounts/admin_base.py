"""The base of every admin page: scoped to the current tenant, guarded by the permission table, audited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, PermissionDenied, ValidationError
from django.db import models
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.forms import Form, ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RelatedDropdownFilter

from accounts.errors import AccountsError
from accounts.models import Tenant
from accounts.permissions import PERMISSIONS, Actor, may
from accounts.services import rows
from csms_project.common.models import AuditEntry


def actor_of(request: HttpRequest) -> Actor:
    """Who acts (set by `accounts.middleware.TenantMiddleware`)."""
    return cast(Actor, request.actor)  # type: ignore[attr-defined]


def allowed(request: HttpRequest, action: str, obj: object | None = None) -> bool:
    """Whether the signed-in user may do this."""
    return may(actor_of(request), action, obj)


def require(request: HttpRequest, action: str, obj: object | None = None) -> None:
    """Answer 403 unless the signed-in user may do this."""
    if not allowed(request, action, obj):
        raise PermissionDenied


def scope(queryset: QuerySet[Any], tenant: Tenant | None) -> QuerySet[Any]:
    """Only the tenant's rows, whatever the model; rows without a tenant are for those who see all tenants."""
    if tenant is None:
        return queryset
    if queryset.model is Tenant:
        return queryset.filter(pk=tenant.pk)
    try:
        queryset.model._meta.get_field("tenant")
    except FieldDoesNotExist:
        return queryset
    return queryset.filter(tenant=tenant)


class TenantForm(ModelForm):  # type: ignore[type-arg]
    """Knows the tenant of the row, so that constraints over it are checked before saving."""

    tenant: Tenant | None = None
    #: Fields that the form does not show and constraints need.
    constrained = ("tenant", "value_key", "name_key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (
            self.tenant is not None
            and hasattr(self.instance, "tenant_id")
            and self.instance.tenant_id is None
        ):
            self.instance.tenant = self.tenant

    def _get_validation_exclusions(self) -> set[str]:
        return cast("set[str]", super()._get_validation_exclusions()) - set(self.constrained)  # type: ignore[misc]


class OwnRowsForm(TenantForm):
    """A form that writes columns of its row which are no fields of it, such as rows of a table in the form."""

    def _update_errors(self, errors: ValidationError) -> None:
        # The row's own check names columns that are not fields here; `clean` has said it in place already.
        if hasattr(errors, "error_dict"):
            errors.error_dict = {
                name: found
                for name, found in errors.error_dict.items()
                if name in self.fields or name == NON_FIELD_ERRORS
            }
        super()._update_errors(errors)  # type: ignore[misc]  # the stubs leave it out


class ScopedChoices:
    """Mixin of ModelAdmin and inlines: choices of foreign keys end at the tenant."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        target = db_field.remote_field.model
        queryset = kwargs.get("queryset")
        if queryset is None:
            queryset = target._default_manager.all()
        kwargs["queryset"] = scope(
            queryset, getattr(request, "form_tenant", None) or actor_of(request).tenant
        )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


class Guarded(ScopedChoices):
    """Mixin of ModelAdmin and inlines: every permission hook asks the permission table.

    permission_area   area of `accounts.permissions.PERMISSIONS`
    may_add, may_delete  whether the page offers it at all
    """

    permission_area = ""
    change_verb = "change"
    may_add = True
    may_change = True
    may_delete = True

    def may(self, request: HttpRequest, verb: str, obj: object | None = None) -> bool:
        action = f"{self.permission_area}.{verb}"
        return action in PERMISSIONS and allowed(request, action, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view", obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change and self.may(request, self.change_verb, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_add and self.may(request, self.change_verb)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_delete and self.may(request, self.change_verb, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


class TenantModelAdmin(Guarded, ModelAdmin):
    """A page of rows that belong to a tenant.

    domain_errors  exceptions of services that are shown as a message
    needs_tenant   a new row belongs to the current tenant
    """

    form = TenantForm
    exclude: Sequence[str] | None = ("tenant",)
    list_per_page = 50
    list_filter_submit = True
    show_full_result_count = False
    warn_unsaved_form = True
    needs_tenant = True
    compressed_fields = True
    domain_errors: tuple[type[Exception], ...] = (AccountsError,)

    # ------------------------------------------------------------ what is seen

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return scope(super().get_queryset(request), actor_of(request).tenant)

    def get_list_select_related(self, request: HttpRequest) -> Sequence[str] | bool:
        given = super().get_list_select_related(request)
        if not self._shows_tenant(request):
            return cast("Sequence[str] | bool", given)
        # Django's own choice follows no key that may be empty, as some tenants are.
        shown = {field.name for field in self.model._meta.fields if field.many_to_one} & {*self.list_display}
        return [*(shown if isinstance(given, bool) else given), "tenant"]

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        columns = list(super().get_list_display(request))
        return [*columns, "tenant"] if self._shows_tenant(request) else columns

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        title = str(self.opts.verbose_name_plural)
        return super().changelist_view(
            request, {"title": title[:1].upper() + title[1:], **(extra_context or {})}
        )

    def sees_all_tenants(self, request: HttpRequest) -> bool:
        """Whether the list is of every tenant."""
        return actor_of(request).tenant is None

    def _shows_tenant(self, request: HttpRequest) -> bool:
        has_tenant = any(field.name == "tenant" for field in self.model._meta.fields)
        return has_tenant and actor_of(request).tenant is None

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return cast("dict[str, Any]", actions)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: Any) -> Any:
        raise Http404("There is no such object.")

    def find_or_404(self, request: HttpRequest, object_id: Any) -> Any:
        """The row, if it is the tenant's and may be seen."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404("There is no such object.")
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        return obj

    # ------------------------------------------------------------ forms

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        if self.needs_tenant and actor_of(request).tenant is None and self.has_add_permission(request):
            return self.choose_tenant(request)
        return super().add_view(request, form_url, extra_context)

    def choose_tenant(self, request: HttpRequest) -> TemplateResponse:
        """A new row belongs to a tenant: who sees all of them chooses one first."""
        name = self.opts.verbose_name
        return self.page(
            request, "admin/choose_tenant.html", {"title": f"Add {name}: for which organisation?"}
        )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        owner = obj if isinstance(obj, Tenant) else getattr(obj, "tenant", None)
        tenant = owner or actor_of(request).tenant
        request.form_tenant = tenant  # type: ignore[attr-defined]
        form = super().get_form(request, obj, change, **kwargs)
        form.tenant = tenant
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except self.domain_errors as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except self.domain_errors as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    # ------------------------------------------------------------ writes and their trail

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        self.write(request, obj, form, change=change)

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        """Store the row; overridden where a service of its own does."""
        actor, permission = actor_of(request), f"{self.permission_area}.{self.change_verb}"
        if change:
            stored = self.model._default_manager.get(pk=obj.pk)
            rows.update_row(actor=actor, row=stored, permission=permission, changes=changed_values(form))
        else:
            rows.create_row(actor=actor, row=obj, permission=permission)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        rows.delete_row(
            actor=actor_of(request), row=obj, permission=f"{self.permission_area}.{self.change_verb}"
        )

    # The trail is written with the act, by services too; Django's own log would know only this site.
    def log_addition(self, *args: Any) -> None:
        """Nothing: see `write`."""

    def log_change(self, *args: Any) -> None:
        """Nothing: see `write`."""

    def log_deletions(self, *args: Any) -> None:
        """Nothing: see `delete_model`."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        obj = self.find_or_404(request, object_id)
        require(request, "audit.view")
        entries = AuditEntry.objects.filter(object_type=self.model._meta.model_name, object_id=str(obj.pk))[
            :200
        ]
        context = {"title": f"History of {obj}", "object": obj, "entries": entries}
        return self.page(request, "admin/history.html", context)

    # ------------------------------------------------------------ pages and actions

    def page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> TemplateResponse:
        """A page of our own in the frame of the admin."""
        request.current_app = self.admin_site.name
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**frame, **context}, status=status)

    def confirm(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        title: str,
        question: str,
        form: Form | None = None,
        is_dangerous: bool = False,
    ) -> TemplateResponse:
        """Ask before an action on many; the answer comes back to the same action with `confirmed`."""
        context = {
            "title": title,
            "question": question,
            "objects": list(queryset[:101]),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "action": request.POST.get("action", ""),
            "form": form,
            "is_dangerous": is_dangerous,
        }
        return self.page(request, "admin/confirm.html", context)

    def attempt(self, request: HttpRequest, act: Callable[[], Any], done: str) -> bool:
        """Run one act and say how it went."""
        try:
            with atomic():
                act()
        except self.domain_errors as error:
            messages.error(request, str(error))
            return False
        messages.success(request, done)
        return True

    def attempt_all(
        self, request: HttpRequest, rows: Sequence[Any], act: Callable[[Any], Any], *, done: str
    ) -> None:
        """Run an act for each row; refusals are told by reason and name, the others are done.

        done  what was done, with {count}
        """
        refused: dict[str, list[str]] = {}
        for row in rows:
            try:
                with atomic():
                    act(row)
            except self.domain_errors as error:
                refused.setdefault(str(error), []).append(str(row))
        count = len(rows) - sum(len(names) for names in refused.values())
        if count:
            messages.success(request, done.format(count=count))
        for reason, names in refused.items():
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            messages.warning(request, f"{shown}: {reason}")


class ReadOnlyAdmin(TenantModelAdmin):
    """Rows that others write: chargers, the gateway, services."""

    may_add = False
    may_change = False
    may_delete = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:
        return [field.name for field in self.model._meta.fields if field.editable or obj is not None]


class TenantTabularInline(Guarded, TabularInline):
    """Rows of a table inside another row's page."""

    extra = 0

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            # The head of the column is no label of the cell.
            field.widget.attrs.setdefault("aria-label", str(field.label))
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return scope(super().get_queryset(request), actor_of(request).tenant)


class ScopedFilter(RelatedDropdownFilter):
    """Choices of a foreign key, only the tenant's."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        rows = scope(field.remote_field.model._default_manager.all(), actor_of(request).tenant)
        return [(row.pk, str(row)) for row in rows[:500]]


class ScopedAutocompleteFilter(AutocompleteSelectFilter):
    """A foreign key with many rows, searched while typing; names of other tenants stay hidden."""

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            for field in choice["form"].fields.values():
                field.queryset = scope(field.queryset.all(), actor_of(self.request).tenant)
            yield choice


def changed_values(form: Any) -> dict[str, Any]:
    """What the form really changed, as a service takes it."""
    return {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}


def take_over(obj: models.Model, made: models.Model) -> None:
    """Let the form's row be the one that a service has made."""
    obj.__dict__.update(made.__dict__)


def register(*model: type[models.Model]) -> Callable[[type[Any]], type[Any]]:
    """`admin.register` without its need for the types of the untyped base."""
    return cast("Callable[[type[Any]], type[Any]]", admin.register(*model))
