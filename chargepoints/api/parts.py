"""What hangs on a charge point: connectors, status events, the message log."""

from __future__ import annotations

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import mixins

from chargepoints.api import filters, serializers
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.models import Connector, OcppMessage, StatusEvent
from csms_project.common.api.pagination import ReceivedPages


@extend_schema(tags=["charge-points"])
class ConnectorViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Connectors with their live status."""

    queryset = Connector.objects.select_related("evse")
    serializer_class = serializers.ConnectorSerializer
    permission_area = "charge_points"
    ordering_fields = ["ocpp_number"]
    ordering = ["ocpp_number", "pk"]


@extend_schema(tags=["charge-points"])
class StatusEventViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Status notifications, the newest first."""

    queryset = StatusEvent.objects.all()
    serializer_class = serializers.StatusEventSerializer
    filterset_class = filters.StatusEventFilter
    permission_area = "charge_points"
    ordering_fields = ["id", "at", "received_at"]
    ordering = ["-received_at", "-id"]


@extend_schema(tags=["charge-points"])
class MessageViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Everything that was said on the wire, the newest first."""

    queryset = OcppMessage.objects.all()
    serializer_class = serializers.MessageSerializer
    filterset_class = filters.MessageFilter
    pagination_class = ReceivedPages
    quick_filters = ("received_after", "received_before")
    # The cursor decides the order.
    filter_backends = (DjangoFilterBackend,)
    permission_area = "messages"
