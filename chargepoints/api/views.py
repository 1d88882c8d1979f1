"""Locations, charge points, who is connected and who was refused."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.transaction import atomic
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.base import TenantViewSet
from accounts.api.views import EditableViewSet
from chargepoints.api import filters, serializers, waiting
from chargepoints.api.base import IDENTITY, IDENTITY_REGEX, get_charge_point
from chargepoints.choices import RegistrationStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Connection, Location, RefusedConnection, Reservation
from chargepoints.selectors import charge_points_with_status, list_connections, refusals_for
from chargepoints.services import locations, reservations, stations
from csms_project.common.api.idempotency import key_of

_SET_REGISTRATION = {
    RegistrationStatus.ACCEPTED: stations.accept,
    RegistrationStatus.PENDING: stations.hold,
    RegistrationStatus.REJECTED: stations.reject,
}


class LocationViewSet(EditableViewSet):
    """Sites with chargers."""

    queryset = Location.objects.all()
    serializer_class = serializers.LocationSerializer
    filterset_class = filters.LocationFilter
    permission_area = "locations"
    ordering_fields = ["id", "name", "city", "created_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[Location]) -> None:
        serializer.instance = locations.create_location(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[Location]) -> None:
        assert serializer.instance is not None
        locations.update_location(actor=self.actor, location=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: Location) -> None:
        locations.delete_location(actor=self.actor, location=instance)


def registered_response(view: TenantViewSet, registered: stations.Registered) -> Response:
    """201 with the new charge point; a generated key is in it, this once."""
    row = charge_points_with_status(None).get(pk=registered.charge_point.pk)
    shown = dict(serializers.ChargePointSerializer(row, context=view.get_serializer_context()).data)
    if registered.key is not None:
        shown["authorization_key"] = registered.key
    return Response(shown, status=status.HTTP_201_CREATED)


def _to_register(validated: dict[str, Any]) -> dict[str, Any]:
    given = dict(validated)
    if (count := given.pop("connector_count", None)) is not None:
        given["connectors"] = count
    return given


@extend_schema_view(
    retrieve=extend_schema(parameters=[IDENTITY]),
    destroy=extend_schema(
        parameters=[IDENTITY], description="Delete a charge point that never had a session; else 409."
    ),
    partial_update=extend_schema(parameters=[IDENTITY]),
    create=extend_schema(
        request=serializers.ChargePointCreateSerializer, responses={201: serializers.RegisteredSerializer}
    ),
)
class ChargePointViewSet(EditableViewSet):
    """Charge points with their EVSEs, connectors and live status."""

    queryset = ChargePoint.objects.all()
    serializer_class = serializers.ChargePointSerializer
    filterset_class = filters.ChargePointFilter
    permission_area = "charge_points"
    permission_overrides = {
        "destroy": "charge_points.archive",
        "archive": "charge_points.archive",
        "unarchive": "charge_points.archive",
    }
    lookup_field = "identity"
    lookup_value_regex = IDENTITY_REGEX
    ordering_fields = ["identity", "name", "status", "registration_status", "last_seen_at", "created_at"]
    ordering = ["identity", "pk"]

    def get_queryset(self) -> QuerySet[ChargePoint]:
        if getattr(self, "swagger_fake_view", False):
            return ChargePoint.objects.none()
        return charge_points_with_status(self.actor.tenant)

    def get_object(self) -> ChargePoint:
        found = get_charge_point(self.get_queryset(), self.kwargs["identity"])
        self.check_object_permissions(self.request, found)
        return found

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Register a charge point."""
        serializer = serializers.ChargePointCreateSerializer(
            data=request.data, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        given = _to_register(serializer.validated_data)
        registered = stations.register_charge_point(actor=self.actor, tenant=self.tenant, **given)
        return registered_response(self, registered)

    @atomic
    def perform_update(self, serializer: BaseSerializer[ChargePoint]) -> None:
        given, row = dict(serializer.validated_data), serializer.instance
        assert row is not None
        registration = given.pop("registration_status", None)
        if given:
            stations.update_charge_point(actor=self.actor, charge_point=row, **given)
        if registration is not None:
            _SET_REGISTRATION[registration](actor=self.actor, charge_point=row)
        serializer.instance = self.get_queryset().get(pk=row.pk)

    def perform_destroy(self, instance: ChargePoint) -> None:
        stations.delete_charge_point(actor=self.actor, charge_point=instance)

    @extend_schema(parameters=[IDENTITY], request=None, responses=serializers.ChargePointSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let the charge point serve: its next boot is answered Accepted."""
        return self._shown(stations.accept(actor=self.actor, charge_point=self.get_object()))

    @extend_schema(parameters=[IDENTITY], request=None, responses=serializers.ChargePointSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Turn the charge point away: its next boot is answered Rejected."""
        return self._shown(stations.reject(actor=self.actor, charge_point=self.get_object()))

    @extend_schema(parameters=[IDENTITY], request=None, responses=serializers.ChargePointSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take the charge point out of use; its sessions stay."""
        return self._shown(stations.archive(actor=self.actor, charge_point=self.get_object()))

    @extend_schema(parameters=[IDENTITY], request=None, responses=serializers.ChargePointSerializer)
    @action(detail=True, methods=["post"])
    def unarchive(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take an archived charge point back into use."""
        return self._shown(stations.unarchive(actor=self.actor, charge_point=self.get_object()))

    @extend_schema(parameters=[IDENTITY], request=None, responses=serializers.NewKeySerializer)
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Generate a new authorization key, shown once; the old one ends at once."""
        key = stations.rotate_key(actor=self.actor, charge_point=self.get_object())
        return Response({"authorization_key": key})

    def _shown(self, row: ChargePoint) -> Response:
        fresh = self.get_queryset().get(pk=row.pk)
        return Response(self.get_serializer(fresh).data)


class ConnectionViewSet(mixins.ListModelMixin, TenantViewSet):
    """Who is connected now, since when and with which OCPP version."""

    queryset = Connection.objects.all()
    serializer_class = serializers.ConnectionSerializer
    filterset_class = filters.ConnectionFilter
    permission_area = "connections"
    ordering_fields = ["connected_at", "last_frame_at"]
    ordering = ["-connected_at", "pk"]

    def get_queryset(self) -> QuerySet[Connection]:
        if getattr(self, "swagger_fake_view", False):
            return Connection.objects.none()
        return list_connections(self.actor.tenant)


class RefusedConnectionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Handshakes that were refused, and why."""

    queryset = RefusedConnection.objects.all()
    serializer_class = serializers.RefusedConnectionSerializer
    filterset_class = filters.RefusedConnectionFilter
    permission_area = "refusals"
    ordering_fields = ["id", "identity", "count", "first_at", "last_at"]
    ordering = ["-last_at", "pk"]

    def get_queryset(self) -> QuerySet[RefusedConnection]:
        if getattr(self, "swagger_fake_view", False):
            return RefusedConnection.objects.none()
        return refusals_for(self.actor)

    @extend_schema(request=serializers.RegisterSerializer, responses={201: serializers.RegisteredSerializer})
    @action(detail=True, methods=["post"])
    def register(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Register the charger that was refused as unknown."""
        refused = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        serializer = serializers.RegisterSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        registered = stations.register_refused(
            actor=self.actor, refused=refused, tenant=self.tenant, **_to_register(serializer.validated_data)
        )
        return registered_response(self, registered)


@extend_schema_view(
    create=extend_schema(
        description=(
            "Ask a charger to hold a connector. Answered at once with the reservation as `requested`, or after "
            "up to `wait` seconds with what the charger said. While it is offline: 409, unless `expires_in` is "
            "given."
        ),
        parameters=[waiting.WAIT],
        request=serializers.ReserveSerializer,
        responses={201: serializers.ReservationSerializer},
    )
)
class ReservationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Connectors held for a token."""

    queryset = Reservation.objects.select_related("charge_point", "connector")
    serializer_class = serializers.ReservationSerializer
    filterset_class = filters.ReservationFilter
    permission_area = "reservations"
    permission_overrides = {"create": "commands.send", "cancel": "commands.send"}
    own_idempotency = frozenset({"create"})
    ordering_fields = ["id", "expires_at", "created_at", "status"]
    ordering = ["-id"]

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        seconds, key = waiting.seconds_of(request), key_of(request)
        serializer = serializers.ReserveSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        try:
            made = reservations.reserve(actor=self.actor, idempotency_key=key, **serializer.validated_data)
        except InvalidPayload as error:
            names = {"connector": "connector_id", "payload": "non_field_errors"}
            raise ValidationError(
                {names.get(name, name): [text] for name, text in error.errors.items()}
            ) from error
        waiting.wait_for(made.command, seconds)
        fresh = self.get_queryset().get(pk=made.reservation.pk)
        return Response(self.get_serializer(fresh).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=serializers.ReservationSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Call the reservation off: cancelled at once if the charger was not asked yet, else when it has agreed."""
        reservation = self.get_object()
        reservations.cancel(actor=self.actor, reservation=reservation)
        return Response(self.get_serializer(self.get_queryset().get(pk=reservation.pk)).data)
