"""Sessions with their samples and ledgers, and tariffs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.base import TenantViewSet
from accounts.api.views import EditableViewSet
from chargepoints.api import waiting
from chargepoints.api.charging import AssignedSerializer, AssignmentSerializer
from chargepoints.api.commands import CommandSerializer, QueuedCommandSerializer, created
from csms_project.common.api.idempotency import key_of
from csms_project.common.api.pagination import SampledPages
from transactions.api import (
    filters,
    problems,  # noqa: F401  the statuses of our exceptions
    serializers,
)
from transactions.models import LedgerEntry, MeterValue, Tariff, Transaction, TransactionEvent
from transactions.selectors import expand_meter_values, list_transactions, running_costs
from transactions.services import closing, control, limits, price_lists, session_limits
from transactions.services.recompute import recompute


class TransactionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Charging sessions, the newest first."""

    queryset = Transaction.objects.all()
    serializer_class = serializers.TransactionSerializer
    filterset_class = filters.TransactionFilter
    permission_area = "transactions"
    permission_overrides = {
        "stop": "transactions.stop",
        "close": "transactions.close",
        "recompute": "transactions.recompute",
        "limit": "commands.send_dangerous",
        "remove_limit": "commands.send_dangerous",
        "session_limits": session_limits.PERMISSION,
    }
    own_idempotency = frozenset({"stop", "limit"})
    is_big = True
    anchors = ("charge_point", "location")
    ordering_fields = ["id", "started_at", "ended_at", "energy_wh"]
    # An index of the energy would be written with every sample.
    costly_ordering = {"energy_wh": "started_after and started_before"}

    @property
    def ordering(self) -> list[str]:
        """By the start, or by the end where that is what was asked for: the index that serves the filter."""
        by_end = any(self.request.query_params.get(name) for name in ("ended_after", "ended_before"))
        return ["-ended_at", "-id"] if by_end else ["-started_at", "-id"]

    def get_queryset(self) -> QuerySet[Transaction]:
        if getattr(self, "swagger_fake_view", False):
            return Transaction.objects.none()
        return list_transactions(self.actor.tenant)

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        running_costs(page or [])
        return page

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self._shown(self.get_object()))

    @extend_schema(request=None, parameters=[waiting.WAIT], responses={201: QueuedCommandSerializer})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the charger to end the session; it ends when the charger's stop arrives."""
        seconds, key = waiting.seconds_of(request), key_of(request)
        command = control.request_stop(actor=self.actor, transaction=self.get_object(), idempotency_key=key)
        return created(command, seconds, self.get_serializer_context())

    @extend_schema(
        request=serializers.LimitSerializer, parameters=[waiting.WAIT], responses={201: AssignedSerializer}
    )
    @action(detail=True, methods=["post"])
    def limit(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Limit the running session: by one value, or by a charging profile. It ends with the session."""
        row, seconds, key = self.get_object(), waiting.seconds_of(request), key_of(request)
        given = serializers.LimitSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        done = limits.limit(
            actor=self.actor,
            transaction=row,
            plan=given.validated_data["plan"],
            expires_in=given.validated_data.get("expires_in"),
            idempotency_key=key,
        )
        waiting.wait_for(done.command, seconds)
        done.assignment.refresh_from_db()
        shown = AssignmentSerializer(done.assignment, context=self.get_serializer_context()).data
        return Response({**shown, "warnings": done.warnings}, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[waiting.WAIT], responses={200: CommandSerializer})
    @limit.mapping.delete
    def remove_limit(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back the limit that the session has of its own; answered with the command."""
        seconds = waiting.seconds_of(request)
        command = limits.remove_limit(actor=self.actor, transaction=self.get_object())
        shown = CommandSerializer(waiting.wait_for(command, seconds), context=self.get_serializer_context())
        return Response(shown.data)

    @extend_schema(request=serializers.SessionLimitsSerializer, responses=serializers.TransactionSerializer)
    @action(detail=True, methods=["post"], url_path="session-limits")
    def session_limits(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Limit what the running session may cost, take or last; told to the charger with its next answer (2.1)."""
        row = self.get_object()
        given = serializers.SessionLimitsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        session_limits.set_limits(actor=self.actor, transaction=row, limits=given.limits())
        row.refresh_from_db()
        return Response(self._shown(row))

    @extend_schema(request=serializers.CloseSerializer, responses=serializers.TransactionSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Close an open session by hand, with the energy of its samples."""
        row = self.get_object()
        given = serializers.CloseSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        closing.close_transaction(actor=self.actor, transaction=row, **given.validated_data)
        return Response(self._shown(row))

    @extend_schema(request=None, responses=serializers.RecomputedSerializer)
    @action(detail=True, methods=["post"])
    def recompute(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Compute energy and cost again from what is stored."""
        done = recompute(actor=self.actor, transaction=self.get_object())
        return Response({"changed": done.changed, "transaction": self._shown(done.transaction)})

    def _shown(self, row: Transaction) -> dict[str, Any]:
        running_costs([row])
        shown: dict[str, Any] = self.get_serializer(row).data
        return shown


@extend_schema(tags=["transactions"], parameters=[OpenApiParameter("id", int, OpenApiParameter.PATH)])
class TransactionPartViewSet(mixins.ListModelMixin, TenantViewSet):
    """Rows of one session of the actor's tenant."""

    permission_area = "transactions"

    @cached_property
    def session(self) -> Transaction:
        """The session that the address names; raises Http404."""
        rows = Transaction.objects.for_tenant(self.actor.tenant)
        found: Transaction = get_object_or_404(rows, pk=self.kwargs["id"])
        return found

    def get_queryset(self) -> QuerySet[Any]:
        # Not the tenant's rows again: samples hang on the session, which was looked up among them.
        rows: Any = super(TenantViewSet, self).get_queryset()
        if getattr(self, "swagger_fake_view", False):
            found: QuerySet[Any] = rows.none()
            return found
        found = rows.filter(transaction=self.session)
        return found


class MeterValueViewSet(TransactionPartViewSet):
    """Samples of a session in the order of the charger's clock."""

    queryset = MeterValue.objects.all()
    serializer_class = serializers.MeterValueSerializer
    filterset_class = filters.MeterValueFilter
    filter_backends = (DjangoFilterBackend,)
    pagination_class = SampledPages

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        rows = expand_meter_values(page or [])
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


class TransactionEventViewSet(TransactionPartViewSet):
    """Events of a session by the charger's own order; only chargers of OCPP 2.x send them."""

    queryset = TransactionEvent.objects.all()
    serializer_class = serializers.TransactionEventSerializer
    filterset_class = filters.TransactionEventFilter
    ordering_fields = ["id", "at", "seq_no"]
    ordering = ["at", "seq_no", "id"]


class LedgerViewSet(TransactionPartViewSet):
    """What explains each figure of a session, in order."""

    queryset = LedgerEntry.objects.all()
    serializer_class = serializers.LedgerEntrySerializer
    filterset_class = filters.LedgerFilter
    ordering_fields = ["id", "at"]
    ordering = ["id"]


class TariffViewSet(EditableViewSet):
    """Tariffs; sessions carry a snapshot of the one that they started with."""

    queryset = Tariff.objects.all()
    serializer_class = serializers.TariffSerializer
    filterset_class = filters.TariffFilter
    permission_area = "tariffs"
    ordering_fields = ["id", "name", "currency", "created_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[Tariff]) -> None:
        serializer.instance = price_lists.create_tariff(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[Tariff]) -> None:
        assert serializer.instance is not None
        price_lists.update_tariff(actor=self.actor, tariff=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: Tariff) -> None:
        price_lists.delete_tariff(actor=self.actor, tariff=instance)
