"""Filters of people, tokens and events."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from accounts.api.authentication import actor_of
from accounts.choices import Role, TokenStatus
from accounts.models import Membership
from csms_project.common.api.filters import AfterFilter, BeforeFilter, IdFilter, TextFilter, TruthFilter


class UserFilter(filters.FilterSet):
    username = TextFilter()
    email = TextFilter()
    is_active = TruthFilter()
    role = filters.ChoiceFilter(choices=Role.choices, method="with_role")

    def with_role(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        tenant = actor_of(self.request).tenant
        memberships = Membership.objects.filter(role=value)
        if tenant is not None:  # what a user is elsewhere is nobody's business here
            memberships = memberships.filter(tenant=tenant)
        return rows.filter(pk__in=memberships.values("user"))


class DriverFilter(filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    email = TextFilter()
    external_id = filters.CharFilter()
    is_active = TruthFilter()


class TokenGroupFilter(filters.FilterSet):
    name = TextFilter()
    status = filters.ChoiceFilter(choices=TokenStatus.choices)


class IdTokenFilter(filters.FilterSet):
    value = filters.CharFilter(method="with_value")
    type = filters.CharFilter()
    status = filters.ChoiceFilter(choices=TokenStatus.choices)
    group = TextFilter(field_name="group__name")
    driver = IdFilter(field_name="driver_id")
    expires_after = AfterFilter(field_name="expires_at")
    expires_before = BeforeFilter(field_name="expires_at")

    def with_value(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(value_key=value.casefold())


class EventFilter(filters.FilterSet):
    kind = filters.CharFilter()
    object_type = filters.CharFilter()
    object_id = filters.CharFilter()
    charge_point = TextFilter()
    created_after = AfterFilter(field_name="created_at")
    created_before = BeforeFilter(field_name="created_at")
