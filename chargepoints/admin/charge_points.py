"""Charge points: the list, its filters and actions, and the form of what an operator sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold import widgets
from unfold.views import ChangeList

from accounts.admin_base import (
    ScopedFilter,
    TenantForm,
    TenantTabularInline,
    actor_of,
    allowed,
    changed_values,
    register,
    take_over,
)
from chargepoints import keys
from chargepoints.admin.charge_point_page import ChargePointPages
from chargepoints.admin.fleet_actions import actions_for
from chargepoints.admin.local_lists import keep_for_many
from chargepoints.admin.profile_upgrade import ProfileUpgradePages
from chargepoints.admin.refusals import shown_once
from chargepoints.admin.shared import (
    ERRORS,
    REGISTRATION_TONES,
    ago,
    connector_chip,
    online_dot,
    own_status_chip,
    usual_profile,
)
from chargepoints.choices import OPEN_UPGRADE_STATUSES, ConnectorStatus, RegistrationStatus, UpgradeStatus
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import ChargePoint, Connector, SecurityProfileUpgrade
from chargepoints.selectors import charge_points_with_status, profile_of
from chargepoints.services import stations
from csms_project.common import audit, panels
from csms_project.common.admin import OptionFilter, chip


class ChargePointForm(TenantForm):
    connectors = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=1,
        widget=widgets.UnfoldAdminIntegerFieldWidget,
        help_text="More are added when the charger reports them.",
    )
    lower_anyway = forms.BooleanField(
        label="Lower it anyway",
        required=False,
        widget=widgets.UnfoldBooleanSwitchWidget,
        help_text="Needed to set a lower security profile than the charger has.",
    )
    authorization_key = forms.CharField(
        label="Authorization key",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Only a new one is told how many; later the charger says it.
            self.fields.pop("connectors", None)
        if not self.instance.pk:
            self.fields.pop("lower_anyway", None)
        if "authorization_key" in self.fields:
            self.fields["authorization_key"].help_text = (
                "Empty: the key stays as it is."
                if self.instance.pk
                else "Empty: one is generated and shown once."
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        wanted, before = cleaned.get("security_profile"), self.initial.get("security_profile")
        confirmed = cleaned.pop("lower_anyway", False)
        if (
            self.instance.pk
            and wanted is not None
            and before is not None
            and wanted < before
            and not confirmed
        ):
            self.add_error(
                "security_profile",
                f"This lowers the security from profile {before}: whoever knows less may then connect as this "
                "charger. Tick “Lower it anyway” if the charger itself was set back, too.",
            )
        return cleaned

    def clean_authorization_key(self) -> str | None:
        key: str = self.cleaned_data["authorization_key"]
        if not key:
            return None
        try:
            keys.check_key(key)
        except keys.UnusableKey as error:
            raise forms.ValidationError(str(error)) from error
        return key


class OnlineFilter(OptionFilter):
    title = "connection"
    parameter_name = "online"
    options = (("yes", "Online"), ("no", "Offline"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(is_online=self.value() == "yes") if self.value() else queryset


class StatusFilter(OptionFilter):
    """Of the charger or any of its connectors."""

    title = "status"
    parameter_name = "status"
    options = tuple(choice for choice in ConnectorStatus.choices if choice[0])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        having = Connector.objects.filter(status=self.value()).values("charge_point")
        return queryset.filter(Q(status=self.value()) | Q(pk__in=having))


class ModelFilter(admin.SimpleListFilter):
    """Models that the tenant has."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = ChargePoint.objects.for_tenant(actor_of(request).tenant).exclude(model="")
        found = rows.order_by("vendor", "model").values_list("vendor", "model").distinct()[:100]
        return [(model, f"{vendor} {model}".strip()) for vendor, model in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(model=self.value()) if self.value() else queryset


class UpgradeFilter(OptionFilter):
    title = "security upgrade"
    parameter_name = "upgrade"
    options = (("open", "Under way"), ("fell_back", "Came back with the old profile"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        wanted = OPEN_UPGRADE_STATUSES if self.value() == "open" else {UpgradeStatus.FELL_BACK}
        rows = SecurityProfileUpgrade.objects.filter(status__in=wanted)
        return queryset.filter(pk__in=rows.values("charge_point"))


class ArchivedFilter(OptionFilter):
    title = "archive"
    parameter_name = "archived"
    options = (("only", "Archived only"), ("all", "Together with archived"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(archived_at__isnull=self.value() != "only")


class ChargePointList(ChangeList):
    """The list, with the columns that upper apps have added."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        for row in rows:
            row.added_columns = {}
        for column in panels.columns_of(panels.CHARGE_POINT):
            if allowed(request, column.permission):
                values = column.values(request, rows)
                for row in rows:
                    row.added_columns[column.name] = values.get(row.pk, "–")
        self.result_list = rows


class ConnectorInline(TenantTabularInline):
    """What the operator knows about the sockets; their state is the charger's."""

    model = Connector
    permission_area = "charge_points"
    may_add = False
    may_delete = False
    fields = ("ocpp_number", "standard", "max_power_w", "status")
    readonly_fields = ("ocpp_number", "status")


@register(ChargePoint)
class ChargePointAdmin(ProfileUpgradePages, ChargePointPages):
    permission_area = "charge_points"
    domain_errors = ERRORS
    form = ChargePointForm
    inlines = (ConnectorInline,)
    list_display = ("identity_column", "connectors_column", "location", "seen", "device", "registration")
    list_display_links = ("identity_column",)
    list_filter = (
        OnlineFilter,
        StatusFilter,
        ("location", ScopedFilter),
        "registration_status",
        "security_profile",
        UpgradeFilter,
        ModelFilter,
        ArchivedFilter,
    )
    search_fields = ("identity", "name", "serial_number", "location__name", "model")
    autocomplete_fields = ("location", "tariff")
    actions = ("accept", "reject", "archive", "unarchive", "set_charging_profile", "update_firmware")
    add_fieldsets = (
        (None, {"fields": ("identity", "name", "location", "connectors")}),
        ("Security", {"fields": ("security_profile", "authorization_key")}),
    )
    fieldsets = (
        (None, {"fields": ("identity", "name", "location", "note")}),
        (
            "Security",
            {"fields": ("security_profile", "lower_anyway", "authorization_key", "certificate_name")},
        ),
        (
            "Behaviour",
            {
                "fields": (
                    "auto_configure",
                    "heartbeat_interval_s",
                    "strict_schema",
                    "accepted_vendor_ids",
                    "authorization_mode",
                )
            },
        ),
        ("Price", {"fields": ("tariff", "pricing_mode", "cost_display")}),
    )

    # ------------------------------------------------------------ list

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChargePoint]:
        rows = charge_points_with_status(actor_of(request).tenant)
        return rows.prefetch_related(None).prefetch_related("connectors")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChargePointList

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        added = [
            _column(column)
            for column in panels.columns_of(panels.CHARGE_POINT)
            if allowed(request, column.permission)
        ]
        columns = list(super().get_list_display(request))
        return [*columns[:2], *added, *columns[2:]]

    @display(description="Charge point", ordering="identity")
    def identity_column(self, obj: Any) -> str:
        name = format_html('<span class="cs-sub">{}</span>', obj.name) if obj.name else ""
        archived = chip("archived") if obj.archived_at else ""
        return format_html(
            '<span class="cs-nowrap">{} {} {} {}</span>',
            online_dot(obj.is_online),
            obj.identity,
            name,
            archived,
        )

    @display(description="Connectors")
    def connectors_column(self, obj: Any) -> str:
        chips: list[Any] = [
            connector_chip(
                c.label,
                c.status,
                error_code=c.error_code,
                info=_meaning(obj, c) or c.status_info,
            )
            for c in obj.connectors.all()
        ]
        if own := own_status_chip(obj):
            chips.insert(0, own)
        shown = format_html_join(" ", "{}", ((item,) for item in chips[:6]))
        more = format_html(" +{}", len(chips) - 6) if len(chips) > 6 else ""
        return format_html(
            '<span class="cs-chips{}">{}{}</span>', "" if obj.is_online else " cs-stale", shown, more
        )

    @display(description="Last seen", ordering="last_seen_at")
    def seen(self, obj: Any) -> str:
        return "now" if obj.is_online else ago(obj.last_seen_at)

    @display(description="Model and firmware", ordering="model")
    def device(self, obj: ChargePoint) -> str:
        model = f"{obj.vendor} {obj.model}".strip() or "–"
        return format_html('{} <span class="cs-sub">{}</span>', model, obj.firmware_version)

    @display(description="Registration", ordering="registration_status")
    def registration(self, obj: ChargePoint) -> str:
        tone = REGISTRATION_TONES[RegistrationStatus(obj.registration_status)]
        return chip(obj.get_registration_status_display(), tone)

    # ------------------------------------------------------------ form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allowed(request, "charge_points.archive", obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # What goes with a charger may be thousands of log rows; sessions are protected by the service.
        return [str(obj) for obj in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: ChargePoint) -> None:
        stations.delete_charge_point(actor=actor_of(request), charge_point=obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"security_profile": usual_profile(request), **super().get_changeform_initial_data(request)}

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [] if obj is None else list(self.inlines)

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            stored = ChargePoint.objects.get(pk=obj.pk)
            stations.update_charge_point(actor=actor, charge_point=stored, **changed_values(form))
            return
        values = {**form.cleaned_data}
        registered = stations.register_charge_point(actor=actor, tenant=obj.tenant, **values)
        take_over(obj, registered.charge_point)
        obj.plain_key = registered.key

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        for connector, names in formset.changed_objects:
            changes = {name: [None, getattr(connector, name)] for name in names}
            audit.record(actor_of(request), "charge_points.change_connector", connector, changes=changes)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return shown_once(self, request, obj, obj.plain_key)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, f"{obj} was changed.")
        url = reverse("admin:chargepoints_chargepoint_change", args=[obj.pk])
        return HttpResponseRedirect(f"{url}?tab=settings" if "_continue" in request.POST else url)

    # ------------------------------------------------------------ actions on many

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = {**super().get_actions(request), **actions_for(request)}
        if allowed(request, "local_lists.change"):
            actions["keep_local_lists"] = (keep_for_many, "keep_local_lists", "Keep local lists…")
        return actions

    @admin.action(description="Set a charging profile…", permissions=["send_dangerous"])
    def set_charging_profile(
        self, request: HttpRequest, queryset: QuerySet[ChargePoint]
    ) -> HttpResponseRedirect:
        chosen = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True)[:500])
        url = reverse("admin:chargepoints_chargingprofile_set")
        return HttpResponseRedirect(f"{url}?charge_points={chosen}")

    def has_send_dangerous_permission(self, request: HttpRequest) -> bool:
        return allowed(request, SEND_DANGEROUS)

    def has_archive_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "archive")

    @admin.action(description="Accept (registration)", permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet[ChargePoint]) -> None:
        self._each(request, queryset, stations.accept, "{count} accepted.")

    @admin.action(description="Reject (registration)…", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[ChargePoint]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            question = "The next boot of these chargers is answered Rejected: they can no longer charge."
            return self.confirm(request, queryset, title="Reject", question=question, is_dangerous=True)
        self._each(request, queryset, stations.reject, "{count} rejected.")
        return None

    def has_firmware_permission(self, request: HttpRequest) -> bool:
        return allowed(request, "firmware.change")

    @admin.action(description="Update the firmware by a campaign…", permissions=["firmware"])
    def update_firmware(self, request: HttpRequest, queryset: QuerySet[ChargePoint]) -> HttpResponse | None:
        keys = [str(pk) for pk in queryset.filter(archived_at=None).values_list("pk", flat=True)[:501]]
        if len(keys) > 500:
            messages.warning(request, "Choose so many by location, vendor and model in the campaign's form.")
            return HttpResponseRedirect(reverse("admin:chargepoints_firmwarecampaign_add"))
        path = reverse("admin:chargepoints_firmwarecampaign_add")
        return HttpResponseRedirect(f"{path}?charge_points={','.join(keys)}")

    @admin.action(description="Archive…", permissions=["archive"])
    def archive(self, request: HttpRequest, queryset: QuerySet[ChargePoint]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            question = "These chargers can no longer connect. Their sessions stay."
            return self.confirm(request, queryset, title="Archive", question=question, is_dangerous=True)
        self._each(request, queryset, stations.archive, "{count} archived.")
        return None

    @admin.action(description="Take out of the archive", permissions=["archive"])
    def unarchive(self, request: HttpRequest, queryset: QuerySet[ChargePoint]) -> None:
        self._each(request, queryset, stations.unarchive, "{count} back in use.")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[ChargePoint], act: Callable[..., Any], done: str
    ) -> None:
        actor = actor_of(request)
        self.attempt_all(request, list(queryset), lambda row: act(actor=actor, charge_point=row), done=done)


def _meaning(obj: ChargePoint, connector: Connector) -> str:
    """What the model's profile says about a connector's error; nothing is looked up while there is none."""
    if not (connector.vendor_error_code or connector.status_info):
        return ""
    return profile_of(obj).error_text(connector.vendor_error_code, connector.status_info)


def _column(column: panels.Column) -> Callable[[Any], Any]:
    def show(obj: Any) -> Any:
        return obj.added_columns[column.name]

    show.short_description = column.title  # type: ignore[attr-defined]
    show.__name__ = column.name
    return show
