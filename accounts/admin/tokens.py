"""RFID tags and their groups."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from import_export.admin import ImportExportModelAdmin
from import_export.formats.base_formats import CSV
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin_base import (
    ScopedAutocompleteFilter,
    ScopedFilter,
    TenantModelAdmin,
    actor_of,
    changed_values,
    register,
    require,
    take_over,
)
from accounts.choices import AuthorizationStatus, TokenStatus, TokenType
from accounts.models import IdToken, TokenGroup
from accounts.resources import IdTokenResource, SignedTempStorage
from accounts.services import rows, tokens
from csms_project.common.admin import OptionFilter, chip
from csms_project.common.big_tables import read_all
from csms_project.common.csv_files import csv_response

#: More tags than this are for the API.
MAX_EXPORT = 200_000

_TONES = {
    AuthorizationStatus.ACCEPTED: "ok",
    AuthorizationStatus.BLOCKED: "bad",
    AuthorizationStatus.EXPIRED: "warn",
    AuthorizationStatus.NO_CREDIT: "warn",
}


class StateFilter(OptionFilter):
    """Accepted, blocked, or derived from the day: expired."""

    title = "state"
    parameter_name = "state"
    options = (("accepted", "Accepted"), ("blocked", "Blocked"), ("expired", "Expired"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        expired = Q(expires_at__lte=timezone.now())
        match self.value():
            case "accepted":
                return queryset.filter(status=TokenStatus.ACCEPTED).exclude(expired)
            case "blocked":
                return queryset.filter(status=TokenStatus.BLOCKED)
            case "expired":
                return queryset.filter(expired)
        return queryset


class TypeFilter(OptionFilter):
    """Those that have a meaning; others are found by the search."""

    title = "type"
    parameter_name = "type"
    options = tuple((str(value), str(label)) for value, label in TokenType.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class TypeWidget(UnfoldAdminTextInputWidget):
    """Text with the known types as suggestions."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, {**(attrs or {}), "list": "token-types"}, renderer)
        options = format_html_join("", '<option value="{}">{}</option>', TokenType.choices)
        return format_html('{}<datalist id="token-types">{}</datalist>', field, options)


@register(IdToken)
class IdTokenAdmin(TenantModelAdmin, ImportExportModelAdmin):
    permission_area = "id_tokens"
    resource_classes = (IdTokenResource,)
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = (CSV,)
    tmp_storage_class = SignedTempStorage
    skip_admin_log = True
    skip_export_form = True
    import_error_display = ("message", "row")
    list_display = ("shown", "state", "kind", "driver", "group", "expires_at", "note")
    list_filter = (StateFilter, TypeFilter, ("group", ScopedFilter), ("driver", ScopedAutocompleteFilter))
    list_select_related = ("driver", "group")
    search_fields = ("value_key", "note", "driver__name", "group__name")
    autocomplete_fields = ("driver", "group", "tariff")
    actions = ("block", "unblock")
    fieldsets = (
        (None, {"fields": ("value", "type", "status", "expires_at", "driver", "group", "note")}),
        ("Limits and price", {"fields": ("tariff", "max_active_sessions", "balance")}),
        (
            "At chargers of OCPP 2.x",
            {"fields": ("language1", "language2", "personal_message", "charging_priority")},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: IdToken | None = None) -> Any:
        """A key code is not shown again (2.0.1 C04.FR.04); to change it, make a new tag."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not obj.is_secret:
            return found
        (title, first), *others = found
        return [(title, {**first, "fields": tuple(n for n in first["fields"] if n != "value")}), *others]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "type":
            kwargs["widget"] = TypeWidget()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description="Value", ordering="value")
    def shown(self, obj: IdToken) -> str:
        return obj.shown_value

    @display(description="Type", ordering="type")
    def kind(self, obj: IdToken) -> str:
        return obj.type_label

    @display(description="State", ordering="status")
    def state(self, obj: IdToken) -> str:
        status = obj.status_at(timezone.now())
        return chip(status.label, _TONES.get(status, "neutral"))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return super().get_search_results(request, queryset, search_term.casefold())

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            tokens.update_token(actor=actor, token=IdToken.objects.get(pk=obj.pk), **changed_values(form))
        else:
            take_over(obj, tokens.create_token(actor=actor, tenant=obj.tenant, **form.cleaned_data))

    @admin.action(description="Block…", permissions=["change"])
    def block(self, request: HttpRequest, queryset: QuerySet[IdToken]) -> HttpResponse | None:
        require(request, "id_tokens.change")
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                title="Block tags",
                question="Chargers refuse these tags from now on.",
                is_dangerous=True,
            )
        chosen = list(queryset)
        actor = actor_of(request)
        self.attempt(
            request, lambda: tokens.block_tokens(actor=actor, tokens=chosen), f"{len(chosen)} blocked."
        )
        return None

    @admin.action(description="Unblock…", permissions=["change"])
    def unblock(self, request: HttpRequest, queryset: QuerySet[IdToken]) -> HttpResponse | None:
        require(request, "id_tokens.change")
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                title="Unblock tags",
                question="Chargers accept these tags again, unless they have expired.",
            )
        chosen = list(queryset)
        actor = actor_of(request)
        self.attempt(
            request, lambda: tokens.unblock_tokens(actor=actor, tokens=chosen), f"{len(chosen)} unblocked."
        )
        return None

    # ------------------------------------------------------------ CSV

    def import_action(self, request: HttpRequest, **kwargs: Any) -> Any:
        if actor_of(request).tenant is None and self.has_import_permission(request):
            return self.choose_tenant(request)
        return super().import_action(request, **kwargs)

    def process_import(self, request: HttpRequest, **kwargs: Any) -> Any:
        try:
            return super().process_import(request, **kwargs)
        except FileNotFoundError:
            # Confirmed twice, or previewed by a process on another machine.
            messages.error(request, "The file is no longer there; send it again.")
            return HttpResponseRedirect(reverse("admin:accounts_idtoken_import"))

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {"actor": actor_of(request)}

    def export_action(self, request: HttpRequest) -> StreamingHttpResponse:
        """The tags of the list's filters as CSV, sent while it is made."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        resource = IdTokenResource(actor=actor_of(request))
        fields = resource.get_export_fields()
        rows = self.get_export_queryset(request).select_related("group", "driver")
        lines = (
            [resource.export_field(field, row) for field in fields] for row in read_all(rows, MAX_EXPORT)
        )
        return csv_response(request, "tags.csv", [field.column_name for field in fields], lines)

    def get_export_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {"actor": actor_of(request)}


@register(TokenGroup)
class TokenGroupAdmin(TenantModelAdmin):
    permission_area = "id_tokens"
    list_display = ("name", "state", "size", "is_master_pass")
    list_filter = ("status",)
    search_fields = ("name",)
    fields = ("name", "status", "type", "is_master_pass")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenGroup]:
        groups: QuerySet[TokenGroup] = super().get_queryset(request)
        return groups.annotate(token_count=Count("tokens")).order_by("name", "pk")

    @display(description="State", ordering="status")
    def state(self, obj: TokenGroup) -> str:
        return chip(obj.get_status_display(), "ok" if obj.status == TokenStatus.ACCEPTED else "bad")

    @display(description="Tags", ordering="token_count")
    def size(self, obj: Any) -> int:
        return int(obj.token_count)

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        if not change:
            super().write(request, obj, form, change=change)
            return
        actor = actor_of(request)
        stored = TokenGroup.objects.select_related("tenant").get(pk=obj.pk)
        plain = {name: getattr(obj, name) for name in form.changed_data if name != "status"}
        if plain:
            rows.update_row(actor=actor, row=stored, permission="id_tokens.change", changes=plain)
        # An act of its own: it is told to who listens.
        tokens.set_group_status(actor=actor, group=stored, status=form.cleaned_data["status"])
