"""Controls for the grid and their alarms; batteries that were swapped."""

from __future__ import annotations

from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers

from accounts.api.base import TenantViewSet
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.choices import BatterySwapState, DerControlState, DerEventKind
from chargepoints.models import BatterySwap, DerControl, DerEvent, SwappedBattery
from csms_project.common.api.filters import AfterFilter, BeforeFilter, IntegerFilter, TextFilter, TruthFilter
from csms_project.common.api.pagination import ReceivedPages


class DerControlSerializer(serializers.ModelSerializer[DerControl]):
    """A control that the charger holds or has held, as far as we know."""

    content = serializers.DictField(
        read_only=True, help_text="Its parameters, named as the arguments of the commands `set_der_…`."
    )

    class Meta:
        model = DerControl
        fields = [
            "id",
            "control_id",
            "control_type",
            "is_default",
            "priority",
            "starts_at",
            "duration_s",
            "content",
            "is_superseded",
            "status",
            "accepted_at",
            "started_at",
            "ended_at",
            "reported_at",
        ]
        read_only_fields = fields


class DerEventSerializer(serializers.ModelSerializer[DerEvent]):
    """An alarm or its end, a control that began or ended; `at` is the charger's clock."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    superseded_ids = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = DerEvent
        fields = [
            "id",
            "charge_point",
            "received_at",
            "kind",
            "control_type",
            "control_id",
            "fault",
            "info",
            "superseded_ids",
            "at",
            "is_open",
        ]
        read_only_fields = fields


class BatterySerializer(serializers.ModelSerializer[SwappedBattery]):
    class Meta:
        model = SwappedBattery
        fields = [
            "direction",
            "evse_number",
            "serial_number",
            "soc",
            "soh",
            "produced_on",
            "vendor_info",
            "at",
        ]
        read_only_fields = fields


class BatterySwapSerializer(serializers.ModelSerializer[BatterySwap]):
    """A swap; `authorization` is what was known of the tag when the first batteries moved."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    batteries = BatterySerializer(many=True, read_only=True)

    class Meta:
        model = BatterySwap
        fields = [
            "id",
            "charge_point",
            "request_id",
            "status",
            "id_token_value",
            "id_token_type",
            "authorization",
            "command",
            "in_at",
            "out_at",
            "last_event_at",
            "batteries",
        ]
        read_only_fields = fields


class DerControlFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=DerControlState.choices)
    control_type = TextFilter()
    is_default = filters.BooleanFilter()


class DerEventFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    kind = filters.ChoiceFilter(choices=DerEventKind.choices)
    open = TruthFilter(field_name="is_open")
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")


class BatterySwapFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    status = filters.ChoiceFilter(choices=BatterySwapState.choices)
    id_token = TextFilter(field_name="id_token_value")
    request_id = IntegerFilter()
    serial_number = TextFilter(field_name="batteries__serial_number", distinct=True)
    after = AfterFilter(field_name="last_event_at")
    before = BeforeFilter(field_name="last_event_at")


@extend_schema(tags=["charge-points"])
class DerControlViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Controls for the grid of one charger; set and removed by commands."""

    queryset = DerControl.objects.all()
    serializer_class = DerControlSerializer
    filterset_class = DerControlFilter
    permission_area = "der"
    ordering_fields = ["id", "control_type", "priority", "starts_at"]
    ordering = ["control_type", "-is_default", "priority", "pk"]


class DerEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Alarms of chargers about the grid, and controls that began or ended, the newest first."""

    queryset = DerEvent.objects.select_related("charge_point")
    serializer_class = DerEventSerializer
    filterset_class = DerEventFilter
    permission_area = "der"
    pagination_class = ReceivedPages
    quick_filters = ("received_after", "received_before", "charge_point", "open")
    # The cursor decides the order.
    filter_backends = (DjangoFilterBackend,)


class BatterySwapViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Batteries that stations have swapped, the newest first."""

    queryset = BatterySwap.objects.select_related("charge_point").prefetch_related("batteries")
    serializer_class = BatterySwapSerializer
    filterset_class = BatterySwapFilter
    permission_area = "battery_swaps"
    ordering_fields = ["id", "last_event_at", "status"]
    ordering = ["-id"]
