"""Configurations as chargers reported them, what changed in them, and two of them side by side."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from chargepoints.api import configuration_shapes as shapes
from chargepoints.api import filters
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.template_shapes import WantedSerializer
from chargepoints.comparing import compare
from chargepoints.models import ConfigurationState, DeviceReport, Variable, VariableChange
from chargepoints.selectors import find_charge_point, find_configuration_state, variables_of
from chargepoints.services import drift

_WITH = OpenApiParameter("with", str, required=True, description="Identity of the other charge point.")
_ALL = OpenApiParameter("all", bool, description="true: also the keys in which they do not differ.")


@extend_schema(tags=["charge-points"])
class VariableViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Configuration as the charger last reported it."""

    queryset = Variable.objects.all()
    serializer_class = shapes.VariableSerializer
    filterset_class = filters.VariableFilter
    permission_area = "variables"
    permission_overrides = {"wanted": "configuration_templates.view"}
    ordering_fields = ["name", "component", "updated_at", "read_at"]
    ordering = ["component", "evse_number", "connector_number", "name_key", "pk"]

    @extend_schema(responses=shapes.ConfigurationStateSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def state(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """When all keys were last read, and when some were."""
        found = find_configuration_state(self.charge_point) or ConfigurationState()
        return Response(shapes.ConfigurationStateSerializer(found).data)

    @extend_schema(responses=WantedSerializer(many=True), filters=False)
    @action(detail=False, pagination_class=None)
    def wanted(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What its templates want of this charge point, and which template gives which value."""
        wanted, _ = drift.wanted_of(self.charge_point)
        return Response(WantedSerializer([wanted[key] for key in sorted(wanted)], many=True).data)

    @extend_schema(parameters=[_WITH, _ALL], responses=shapes.ComparisonSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def compare(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The keys of two charge points side by side: those that differ, or all."""
        left = self.charge_point
        right = find_charge_point(self.actor.tenant, request.query_params.get("with", ""))
        if right is None:
            raise ValidationError({"with": "There is no such charge point."})
        everything = request.query_params.get("all", "").casefold() in ("true", "1")
        lines = compare(variables_of(left), variables_of(right), only_different=not everything)
        shown = {"left": left.identity, "right": right.identity, "keys": lines}
        return Response(shapes.ComparisonSerializer(shown).data)


@extend_schema(tags=["charge-points"])
class DeviceReportViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Reports of the device model that the charger has sent, or is sending, the newest first."""

    queryset = DeviceReport.objects.all()
    serializer_class = shapes.DeviceReportSerializer
    filterset_class = filters.DeviceReportFilter
    permission_area = "variables"
    ordering_fields = ["id", "started_at"]
    ordering = ["-started_at", "-id"]


@extend_schema(tags=["charge-points"])
class VariableChangeViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Configuration keys whose values became others, the newest first."""

    queryset = VariableChange.objects.all()
    serializer_class = shapes.VariableChangeSerializer
    filterset_class = filters.VariableChangeFilter
    permission_area = "variables"
    ordering_fields = ["id", "received_at"]
    ordering = ["-received_at", "-id"]
