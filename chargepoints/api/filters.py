"""Filters of locations, charge points, and what they report."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters

from chargepoints.choices import (
    CampaignState,
    CommandStatus,
    ConnectorStatus,
    DeviceReportBase,
    DeviceReportStatus,
    FirmwareState,
    FleetTaskState,
    LocalListState,
    LogKind,
    LogState,
    RefusalReason,
    RegistrationStatus,
    ReservationStatus,
    SecurityProfile,
    SignatureState,
    VariableChangeKind,
    VariableSource,
)
from chargepoints.selectors import following
from chargepoints.variable_names import canonical, names_to_look_for
from csms_project.common.api.filters import (
    AfterFilter,
    BeforeFilter,
    IdFilter,
    IntegerFilter,
    TextFilter,
    TruthFilter,
)


class LocationFilter(filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    city = TextFilter()
    country = TextFilter()


class ChargePointFilter(filters.FilterSet):
    identity = filters.CharFilter(method="with_identity")
    name = TextFilter(lookup_expr="icontains")
    location = IdFilter(field_name="location_id")
    registration_status = filters.ChoiceFilter(choices=RegistrationStatus.choices)
    security_profile = filters.ChoiceFilter(choices=SecurityProfile.choices)
    status = filters.ChoiceFilter(choices=ConnectorStatus.choices)
    connector_status = filters.ChoiceFilter(choices=ConnectorStatus.choices, method="with_connector_status")
    online = TruthFilter(field_name="is_online")
    archived = TruthFilter(field_name="archived_at", lookup_expr="isnull", exclude=True)
    vendor = TextFilter()
    model = TextFilter()
    serial_number = TextFilter()
    ocpp_version = filters.CharFilter()

    def with_identity(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(identity_key=value.casefold())

    def with_connector_status(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(connectors__status=value).distinct()


class ConnectionFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    ocpp_version = filters.CharFilter()


class RefusedConnectionFilter(filters.FilterSet):
    identity = TextFilter()
    reason = filters.ChoiceFilter(choices=RefusalReason.choices)
    last_after = AfterFilter(field_name="last_at")


class MessageFilter(filters.FilterSet):
    action = TextFilter()
    message_id = filters.CharFilter()
    sent_by = filters.ChoiceFilter(choices=[("charger", "charger"), ("csms", "csms")], method="from_sender")
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")
    errors = TruthFilter(method="with_errors")

    def from_sender(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(sent_by_charger=value == "charger")

    def with_errors(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.exclude(error_code="") if value else rows.filter(error_code="")


class StatusEventFilter(filters.FilterSet):
    connector_id = IntegerFilter(field_name="connector_number")
    status = filters.CharFilter()
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")


class VariableFilter(filters.FilterSet):
    key = filters.CharFilter(method="filter_key", label="Full name; a key of 1.6 finds its variable as well.")
    name = TextFilter()
    component = TextFilter()
    instance = TextFilter()
    attribute = TextFilter()
    evse = IntegerFilter(field_name="evse_number")
    connector = IntegerFilter(field_name="connector_number")
    search = filters.CharFilter(method="filter_search", label="Part of component, name or instance.")
    data_type = TextFilter()
    supports_monitoring = TruthFilter()
    set_status = TextFilter()
    writable = TruthFilter(method="filter_writable")
    is_readonly = TruthFilter()
    is_unknown = TruthFilter()
    reboot_required = TruthFilter()
    gone = TruthFilter(field_name="gone_at", lookup_expr="isnull", exclude=True)

    def filter_key(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        wanted = canonical(value)
        named = rows.filter(name_key__in=names_to_look_for(value))
        return rows.filter(pk__in=[row.pk for row in named if canonical(row.key) == wanted])

    def filter_search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        columns = ("component", "component_instance", "name", "instance")
        found = Q()
        for column in columns:
            found |= Q(**{f"{column}__icontains": value})
        return rows.filter(found)

    def filter_writable(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        fixed = Q(is_readonly=True) | Q(is_unknown=True) | Q(is_constant=True)
        return rows.exclude(fixed) if value else rows.filter(fixed)


class DeviceReportFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=DeviceReportStatus.choices)
    base = filters.ChoiceFilter(choices=DeviceReportBase.choices)
    request_id = IntegerFilter()


class VariableChangeFilter(filters.FilterSet):
    name = TextFilter()
    kind = filters.ChoiceFilter(choices=VariableChangeKind.choices)
    source = filters.ChoiceFilter(choices=VariableSource.choices)
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")


class ConfigurationTemplateFilter(filters.FilterSet):
    name = TextFilter()
    is_active = TruthFilter()
    apply_at_boot = TruthFilter()
    location = IdFilter(field_name="location_id")
    key = TextFilter(field_name="entries__name_key")


class CommandFilter(filters.FilterSet):
    action = filters.CharFilter()
    status = filters.ChoiceFilter(choices=CommandStatus.choices)
    created_after = AfterFilter(field_name="created_at")
    created_before = BeforeFilter(field_name="created_at")


class ReservationFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    id_token = TextFilter(field_name="id_token_value")
    reservation_id = IntegerFilter()
    status = filters.ChoiceFilter(choices=ReservationStatus.choices)


class FleetTaskFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=FleetTaskState.choices)
    open = TruthFilter(field_name="ended_at", lookup_expr="isnull")
    title = TextFilter(lookup_expr="icontains")
    requested_by = TextFilter(field_name="requested_by_name")
    created_after = AfterFilter(field_name="created_at")
    created_before = BeforeFilter(field_name="created_at")


class LocalListFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    state = filters.ChoiceFilter(choices=LocalListState.choices)
    kept = TruthFilter(method="with_kept", label="Whether it follows the tags by itself.")

    def with_kept(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.filter(following()) if value else rows.exclude(following())


class FirmwareFileFilter(filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    vendor = TextFilter()
    model = TextFilter()
    version = TextFilter()
    signature_state = filters.ChoiceFilter(choices=[row for row in SignatureState.choices if row[0]])


class FirmwareCampaignFilter(filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    state = filters.ChoiceFilter(choices=CampaignState.choices)
    file = IdFilter(field_name="file_id")


class FirmwareUpdateFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=FirmwareState.choices)


class LogRequestFilter(filters.FilterSet):
    kind = filters.ChoiceFilter(choices=LogKind.choices)
    state = filters.ChoiceFilter(choices=LogState.choices)
    has_file = TruthFilter(method="with_file")

    def with_file(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.exclude(stored_as="") if value else rows.filter(stored_as="")
