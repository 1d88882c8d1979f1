"""Fleet tasks: one order to many chargers, followed as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import TenantViewSet
from accounts.models import Tenant
from chargepoints import errors
from chargepoints.api.filters import FleetTaskFilter
from chargepoints.choices import FleetItemStatus
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import ChargePoint, FleetTask, FleetTaskItem
from chargepoints.selectors import FleetCounts, fleet_counts
from chargepoints.services import fleet
from csms_project.common.api.fields import AnyField, NumberField, ObjectField
from csms_project.common.api.problems import BadParameter

#: Keys of a service's error that are not arguments of the command.
_OUTSIDE_PAYLOAD = {
    "title",
    "charge_points",
    "expires_in",
    "batch_size",
    "not_before",
    "stop_failure_rate",
    "payload",
}
_STATUS = OpenApiParameter(
    "status",
    {"type": "string", "enum": FleetItemStatus.values},
    OpenApiParameter.QUERY,
    description="Only orders that stand so.",
)


class FleetCountsSerializer(serializers.Serializer[FleetCounts]):
    """How many orders stand how; `failed` may be tried again."""

    total = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Waiting or under way.")
    ended = serializers.IntegerField()
    accepted = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())


class FleetTaskSerializer(serializers.ModelSerializer[FleetTask]):
    """`state` cancelled or stopped without `ended_at`: what was sent already is still waited for."""

    actions = serializers.ListField(child=serializers.CharField(), read_only=True)
    stop_failure_rate = NumberField()
    requested_by = serializers.CharField(source="requested_by_name", read_only=True)
    counts = serializers.SerializerMethodField()

    class Meta:
        model = FleetTask
        fields = [
            "id",
            "title",
            "actions",
            "state",
            "counts",
            "expires_in",
            "batch_size",
            "not_before",
            "stop_failure_rate",
            "requested_by",
            "requested_via",
            "created_at",
            "started_at",
            "ended_at",
            "end_reason",
        ]
        read_only_fields = fields

    @extend_schema_field(FleetCountsSerializer)
    def get_counts(self, task: FleetTask) -> Any:
        known: dict[int, FleetCounts] = self.context.get("counts") or fleet_counts([task])
        return FleetCountsSerializer(known[task.pk]).data


class FleetTaskItemSerializer(serializers.ModelSerializer[FleetTaskItem]):
    """What became of an order at one charger; `command` is the id of the command that was made for it."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    command = serializers.IntegerField(source="command_id", read_only=True, allow_null=True)
    payload = AnyField()

    class Meta:
        model = FleetTaskItem
        fields = [
            "id",
            "charge_point",
            "action",
            "payload",
            "status",
            "outcome",
            "command",
            "attempt",
            "wait_until",
            "started_at",
            "ended_at",
        ]
        read_only_fields = fields


class ChosenSerializer(serializers.Serializer[Any]):
    """Which charge points: all that fit everything given. Archived ones are left out."""

    all = serializers.BooleanField(required=False, default=False, help_text="Every charge point.")
    location = serializers.IntegerField(required=False, min_value=1, help_text="Id of the location.")
    model = serializers.CharField(required=False, max_length=50)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if not (given.get("all") or "location" in given or "model" in given):
            raise serializers.ValidationError("Give a location or a model, or all: true.")
        return given


class FleetTaskRequestSerializer(serializers.Serializer[Any]):
    """Exactly one of `charge_points` and `filter`."""

    title = serializers.CharField(max_length=150)
    action = serializers.CharField(max_length=64, help_text="As for commands: ours, or an OCPP action.")
    payload = ObjectField(required=False, default=dict)
    charge_points = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        allow_empty=False,
        max_length=fleet.MAX_ORDERS,
        help_text="Identities.",
    )
    filter = ChosenSerializer(required=False)
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds to wait for chargers that are offline; without it they fail at once.",
    )
    batch_size = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=fleet.MAX_ORDERS,
        help_text="Chargers at a time; without it: all.",
    )
    not_before = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Nothing is sent before this moment."
    )
    stop_failure_rate = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="Nothing more is sent when more than this share of the chargers that were asked did not "
        "accept; judged from 5 on. Offline chargers do not count.",
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if ("charge_points" in given) == ("filter" in given):
            raise serializers.ValidationError("Give either charge_points or filter.")
        return given


class RetrySerializer(serializers.Serializer[Any]):
    with_cancelled = serializers.BooleanField(
        required=False, default=False, help_text="Also what was called off before it was sent."
    )


@extend_schema_view(
    create=extend_schema(
        description=(
            "Send a command to many chargers. Answered at once with the task; it is carried on in the background, "
            "and `items/` tells what became of each charger. Who may send the command may start the task."
        ),
        request=FleetTaskRequestSerializer,
        responses={201: FleetTaskSerializer},
    )
)
@extend_schema(tags=["fleet-tasks"])
class FleetTaskViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Orders to many chargers, and what became of them."""

    queryset = FleetTask.objects.all()
    serializer_class = FleetTaskSerializer
    filterset_class = FleetTaskFilter
    permission_area = "commands"
    permission_overrides = {
        "create": "commands.send",
        "retry": "commands.send",
        "cancel": "commands.send",
        "items": "commands.view",
    }
    ordering_fields = ["id", "created_at", "ended_at", "state"]
    ordering = ["-id"]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        tasks: Sequence[FleetTask] = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        context = {**self.get_serializer_context(), "counts": fleet_counts(tasks)}
        return self.get_paginated_response(FleetTaskSerializer(tasks, many=True, context=context).data)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = FleetTaskRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        chosen = _chosen(self.tenant, given.pop("charge_points", None), given.pop("filter", {}))
        command, payload = given.pop("action"), given.pop("payload")
        orders = [fleet.Order(charge_point=row, action=command, payload=payload) for row in chosen]
        try:
            task = fleet.start_task(actor=self.actor, tenant=self.tenant, orders=orders, **given)
        except errors.UnknownAction as error:
            raise ValidationError({"action": [str(error)]}) from error
        except errors.Invalid as error:
            raise ValidationError(_named(error.errors)) from error
        return Response(self.get_serializer(task).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[_STATUS], responses=FleetTaskItemSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], filter_backends=[])
    def items(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What became of each charger."""
        rows = FleetTaskItem.objects.filter(task=self.get_object()).select_related("charge_point")
        if wanted := request.query_params.get("status"):
            if wanted not in FleetItemStatus.values:
                raise BadParameter("status", f"Must be one of {', '.join(FleetItemStatus.values)}.")
            rows = rows.filter(status=wanted)
        page = self.paginate_queryset(rows.order_by("pk"))
        return self.get_paginated_response(FleetTaskItemSerializer(page, many=True).data)

    @extend_schema(request=RetrySerializer, responses=FleetTaskSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send the orders that have failed again; the others stay as they are."""
        task = self.get_object()
        serializer = RetrySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fleet.retry_failed(actor=self.actor, task=task, **serializer.validated_data)
        return Response(self.get_serializer(task).data)

    @extend_schema(request=None, responses=FleetTaskSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Call off what was not sent yet."""
        task = fleet.cancel_task(actor=self.actor, task=self.get_object())
        return Response(self.get_serializer(task).data)


def _chosen(tenant: Tenant, identities: Sequence[str] | None, wanted: dict[str, Any]) -> list[ChargePoint]:
    """The charge points that a request means; raises ValidationError where there are none."""
    rows: QuerySet[ChargePoint] = ChargePoint.objects.for_tenant(tenant).order_by("identity_key")
    if identities is not None:
        return _by_identity(rows, identities)
    rows = rows.filter(archived_at=None)
    if "location" in wanted:
        rows = rows.filter(location=wanted["location"])
    if "model" in wanted:
        rows = rows.filter(model__iexact=wanted["model"])
    found = list(rows[: fleet.MAX_ORDERS + 1])
    if not found:
        raise ValidationError({"filter": ["No charge point fits."]})
    return found


def _by_identity(rows: QuerySet[ChargePoint], identities: Sequence[str]) -> list[ChargePoint]:
    """The charge points of these identities, in this order, each once; unknown ones are named."""
    keys = list(dict.fromkeys(identity.casefold() for identity in identities))
    usable = [key for key in keys if key.isprintable()]
    found = {row.identity_key: row for row in rows.filter(identity_key__in=usable)}
    if unknown := [identity for identity in identities if identity.casefold() not in found]:
        shown = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise ValidationError({"charge_points": [f"There is no charge point {shown}."]})
    return [found[key] for key in keys]


def _named(found: dict[str, str]) -> dict[str, Any]:
    named: dict[str, Any] = {name: [text] for name, text in found.items() if name in _OUTSIDE_PAYLOAD}
    inner = {name: [text] for name, text in found.items() if name not in _OUTSIDE_PAYLOAD}
    return {**named, "payload": inner} if inner else named
