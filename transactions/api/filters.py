"""Filters of sessions and tariffs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from csms_project.common.api.filters import (
    AfterFilter,
    BeforeFilter,
    IdFilter,
    IntegerFilter,
    TextFilter,
    TruthFilter,
)
from transactions.choices import EndKind, EventKind, LedgerKind, TransactionState


class TransactionFilter(filters.FilterSet):
    charge_point = filters.CharFilter(method="with_charge_point", label="Identity of the charge point.")
    location = IdFilter(field_name="charge_point__location_id")
    connector_id = IntegerFilter(field_name="connector_number")
    ocpp_id = filters.CharFilter()
    id_token = TextFilter(field_name="id_token_value")
    status = filters.ChoiceFilter(field_name="state", choices=TransactionState.choices)
    end_kind = filters.ChoiceFilter(choices=EndKind.choices)
    stop_reason = filters.CharFilter()
    flagged = TruthFilter(method="with_flags")
    started_after = AfterFilter(field_name="started_at")
    started_before = BeforeFilter(field_name="started_at")
    ended_after = AfterFilter(field_name="ended_at")
    ended_before = BeforeFilter(field_name="ended_at")

    def with_charge_point(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(charge_point__identity_key=value.casefold())

    def with_flags(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.exclude(flags=[]) if value else rows.filter(flags=[])


class MeterValueFilter(filters.FilterSet):
    sampled_after = AfterFilter(field_name="sampled_at")
    sampled_before = BeforeFilter(field_name="sampled_at")


class TransactionEventFilter(filters.FilterSet):
    kind = filters.ChoiceFilter(choices=EventKind.choices)
    trigger = filters.CharFilter()
    is_offline = TruthFilter()


class LedgerFilter(filters.FilterSet):
    kind = filters.ChoiceFilter(choices=LedgerKind.choices)


class TariffFilter(filters.FilterSet):
    name = TextFilter()
    currency = TextFilter()
    is_active = TruthFilter()
