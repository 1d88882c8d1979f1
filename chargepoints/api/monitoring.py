"""Monitors, events, event streams and customers' data of chargers (OCPP 2.x, block N)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.transaction import atomic
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import TenantViewSet
from chargepoints.api import monitoring_serializers as shapes
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.models import (
    ChargePoint,
    ChargerEvent,
    Command,
    CustomerInformation,
    EventStream,
    Monitor,
    MonitorResult,
    StreamValues,
)
from chargepoints.monitoring_choices import EventState, MonitorKind, MonitorType, ReportState
from chargepoints.services import charger_events, customer_information, event_streams, monitoring
from csms_project.common.api.filters import AfterFilter, BeforeFilter, IntegerFilter, TextFilter, TruthFilter
from csms_project.common.api.pagination import CursorPages, ReceivedPages


class MonitorFilter(filters.FilterSet):
    component = TextFilter()
    variable = TextFilter()
    type = filters.ChoiceFilter(choices=MonitorType.choices)
    kind = filters.ChoiceFilter(choices=[choice for choice in MonitorKind.choices if choice[0]])
    evse = IntegerFilter(field_name="evse_number")
    severity = IntegerFilter()


def _ordered(made: Sequence[Command]) -> Response:
    shown = shapes.OrderedSerializer({"commands": [command.pk for command in made]})
    return Response(shown.data, status=status.HTTP_201_CREATED)


@extend_schema_view(
    create=extend_schema(request=shapes.SetMonitorsSerializer, responses={201: shapes.OrderedSerializer})
)
@extend_schema(tags=["charge-points"])
class MonitorViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Monitors of one charger as it reported them, or took them from us; `id` is the charger's own number."""

    queryset = Monitor.objects.all()
    serializer_class = shapes.MonitorSerializer
    filterset_class = MonitorFilter
    permission_area = "monitors"
    permission_overrides = {
        "create": "commands.send",
        "clear": "commands.send_dangerous",
        "read": "commands.send",
    }
    lookup_field = "monitor_id"
    lookup_url_kwarg = "id"
    ordering_fields = ["monitor_id", "severity", "component"]
    ordering = ["monitor_id"]

    @atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let the charger watch variables: one command, or several where its limits want that."""
        station = self.charge_point
        serializer = shapes.SetMonitorsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = monitoring.set_monitors(actor=self.actor, charge_point=station, **serializer.validated_data)
        return _ordered(made)

    @extend_schema(request=shapes.ClearMonitorsSerializer, responses={201: shapes.OrderedSerializer})
    @action(detail=False, methods=["post"])
    def clear(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove monitors by their numbers: one command, or several where the charger's limits want that."""
        station = self.charge_point
        serializer = shapes.ClearMonitorsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = monitoring.clear_monitors(actor=self.actor, charge_point=station, **serializer.validated_data)
        return _ordered(made)

    @extend_schema(responses=shapes.MonitoringSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def state(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What the charger was told about its monitors as a whole, and how far they are known."""
        station = self.charge_point
        known = monitoring.state_of(station)
        shown = {
            **{
                name: getattr(known, name, None)
                for name in ("base", "base_set_at", "level", "level_set_at", "read_at")
            },
            "is_doubtful": monitoring.are_doubtful(station, known),
        }
        return Response(shapes.MonitoringSerializer(shown).data)


@extend_schema(tags=["charge-points"])
class MonitorResultViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """What the charger answered about each monitor that it was asked to set, the newest first."""

    queryset = MonitorResult.objects.all()
    serializer_class = shapes.MonitorResultSerializer
    permission_area = "monitors"
    ordering_fields = ["id", "received_at"]
    ordering = ["-received_at", "-id"]


class ChargerEventFilter(filters.FilterSet):
    charge_point = filters.CharFilter(method="of_charge_point")
    component = TextFilter()
    variable = TextFilter()
    trigger = filters.ChoiceFilter(choices=[(name, name) for name in ("Alerting", "Delta", "Periodic")])
    state = filters.ChoiceFilter(choices=EventState.choices)
    severity = IntegerFilter(lookup_expr="lte", help_text="This severity and graver ones.")
    alert = TruthFilter(field_name="is_alert")
    open = TruthFilter(method="which_wait", help_text="Alerts that nobody has acknowledged.")
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")

    def of_charge_point(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # By its key, which the index begins with.
        found = ChargePoint.objects.filter(identity_key=value.casefold()).values_list("pk", flat=True).first()
        return rows.filter(charge_point_id=found) if found is not None else rows.none()

    def which_wait(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        waits = Q(is_alert=True, acknowledged_at=None)
        return rows.filter(waits if value else ~waits)


class ChargerEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """What chargers report of their variables (NotifyEvent of OCPP 2.x), the newest first."""

    queryset = ChargerEvent.objects.select_related("charge_point")
    serializer_class = shapes.ChargerEventSerializer
    filterset_class = ChargerEventFilter
    pagination_class = ReceivedPages
    quick_filters = ("received_after", "received_before", "charge_point", "open")
    # The cursor decides the order.
    filter_backends = (DjangoFilterBackend,)
    permission_area = "charger_events"
    permission_overrides = {
        "acknowledge": charger_events.ACKNOWLEDGE,
        "end": charger_events.ACKNOWLEDGE,
    }

    @extend_schema(request=None, responses=shapes.ChargerEventSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Note that somebody has looked at the event; an alert ends with that."""
        done = charger_events.acknowledge(actor=self.actor, event=self.get_object())
        return Response(self.get_serializer(done).data)

    @extend_schema(request=None, responses=shapes.ChargerEventSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Note that what the event reported is over: chargers do not clear what no monitor watches."""
        done = charger_events.end(actor=self.actor, event=self.get_object())
        return Response(self.get_serializer(done).data)


class ValuesPages(CursorPages):
    """Newest message first."""

    ordering = ("-received_at", "-id")


@extend_schema(tags=["charge-points"])
class EventStreamViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Periodic event streams of one charger (OCPP 2.1), the newest first; `stream_id` is the charger's number."""

    queryset = EventStream.objects.all()
    serializer_class = shapes.EventStreamSerializer
    permission_area = "monitors"
    permission_overrides = {"values": "monitors.view"}
    ordering_fields = ["id", "opened_at", "closed_at", "stream_id"]
    ordering = ["-opened_at", "-id"]

    @extend_schema(responses=shapes.StreamValuesSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=ValuesPages, filter_backends=())
    def values(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The values of the stream, message by message, the newest message first."""
        rows: QuerySet[StreamValues] = event_streams.messages_of(self.get_object())
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(shapes.StreamValuesSerializer(page, many=True).data)


class CustomerInformationFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=ReportState.choices)


@extend_schema_view(
    create=extend_schema(
        request=shapes.AskCustomerSerializer, responses={201: shapes.CustomerInformationSerializer}
    )
)
@extend_schema(tags=["charge-points"])
class CustomerInformationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """What one charger was asked about customers, and what it reported: personal data."""

    queryset = CustomerInformation.objects.all()
    serializer_class = shapes.CustomerInformationSerializer
    filterset_class = CustomerInformationFilter
    permission_area = "customer_information"
    permission_overrides = {"forget": "customer_information.change"}
    ordering_fields = ["id", "created_at", "ended_at"]
    ordering = ["-id"]

    @atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the charger what it knows of a customer, let it delete that, or both; name exactly one customer."""
        station = self.charge_point
        serializer = shapes.AskCustomerSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        made = customer_information.ask(
            actor=self.actor, charge_point=station, expires_in=given.pop("expires_in", None), payload=given
        )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=shapes.CustomerInformationSerializer)
    @action(detail=True, methods=["post"])
    def forget(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Throw away what was reported; that it was asked for stays."""
        row = customer_information.forget(actor=self.actor, row=self.get_object())
        return Response(self.get_serializer(row).data)
