"""Commands of a charge point: ask, watch, withdraw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from chargepoints import commands, errors
from chargepoints.api import command_docs, waiting
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.filters import CommandFilter
from chargepoints.models import Command
from chargepoints.selectors import command_note
from chargepoints.services.cautions import warnings_for
from csms_project.common.api.fields import AnyField, ObjectField
from csms_project.common.api.idempotency import key_of

_EXAMPLES = [
    OpenApiExample(name, value=value, request_only=True) for name, value in command_docs.examples().items()
]
#: Keys of a service's error that are not arguments of the command.
_OUTSIDE_PAYLOAD = {"payload", "expires_in", "idempotency_key"}


class CommandSerializer(serializers.ModelSerializer[Command]):
    """`request` and `response` are OCPP payloads as on the wire, secrets masked."""

    payload = AnyField()
    request = AnyField()
    response = AnyField()
    error = AnyField()
    requested_by = serializers.CharField(source="requested_by_name", read_only=True)
    timeout = serializers.IntegerField(source="timeout_s", read_only=True)
    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    note = serializers.SerializerMethodField(
        help_text="What the answer means, in words; of a remote start, what became of it."
    )

    class Meta:
        model = Command
        fields = [
            "id",
            "charge_point",
            "action",
            "payload",
            "status",
            "ocpp_action",
            "request",
            "response",
            "error",
            "note",
            "requested_by",
            "requested_via",
            "created_at",
            "expires_at",
            "timeout",
            "sent_at",
            "completed_at",
            "attempts",
        ]
        read_only_fields = fields

    def get_note(self, command: Command) -> str:
        return command_note(command)


class QueuedCommandSerializer(CommandSerializer):
    """What the answer to POST has besides."""

    warnings = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="What spoke against the command, in sentences; it was queued all the same.",
    )

    class Meta(CommandSerializer.Meta):
        fields = [*CommandSerializer.Meta.fields, "warnings"]
        read_only_fields = fields


class CommandRequestSerializer(serializers.Serializer[Any]):
    action = serializers.CharField(max_length=64)
    payload = ObjectField(required=False, default=dict)
    expires_in = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=commands.MAX_EXPIRES_IN_S
    )
    timeout = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=commands.MAX_TIMEOUT_S
    )


@extend_schema_view(
    create=extend_schema(
        description=(
            "Queue a command: one of ours (snake_case) or an OCPP message verbatim (PascalCase). Answered at "
            "once; the row tells the outcome. While the charger is offline: 409, unless `expires_in` is given. "
            "`warnings` says what speaks against it by what is known of the charger, which decides for itself."
        ),
        parameters=[waiting.WAIT],
        request={"application/json": command_docs.request_schema()},
        responses={201: QueuedCommandSerializer},
        examples=_EXAMPLES,
    )
)
@extend_schema(tags=["commands"])
class CommandViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """What the charge point was asked to do."""

    queryset = Command.objects.select_related("charge_point").prefetch_related("transactions")
    serializer_class = CommandSerializer
    filterset_class = CommandFilter
    permission_area = "commands"
    permission_overrides = {"create": "commands.send", "cancel": "commands.send"}
    own_idempotency = frozenset({"create"})
    ordering_fields = ["id", "created_at", "completed_at", "status"]
    ordering = ["-id"]

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        charge_point = self.charge_point
        seconds, key = waiting.seconds_of(request), key_of(request)
        serializer = CommandRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        waits = given.get("expires_in") is not None
        try:
            warnings = warnings_for(charge_point, given["action"], given["payload"], waits=waits)
            command = commands.queue(
                actor=self.actor,
                charge_point=charge_point,
                action=given["action"],
                payload=given["payload"],
                expires_in=given.get("expires_in"),
                timeout_s=given.get("timeout"),
                idempotency_key=key,
            )
        except errors.UnknownAction as error:
            raise ValidationError({"action": [str(error)]}) from error
        except errors.InvalidPayload as error:
            raise ValidationError(_named(error.errors)) from error
        return created(command, seconds, self.get_serializer_context(), warnings)

    @extend_schema(request=None, responses=CommandSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Withdraw a command that was not sent yet."""
        command = commands.cancel(actor=self.actor, command=self.get_object())
        return Response(self.get_serializer(command).data)


def created(
    command: Command, seconds: int, context: Mapping[str, Any], warnings: Sequence[str] = ()
) -> Response:
    """201 with the command, after waiting for its outcome, and with what spoke against it."""
    shown = CommandSerializer(waiting.wait_for(command, seconds), context=context).data
    return Response({**shown, "warnings": list(warnings)}, status=status.HTTP_201_CREATED)


def _named(found: dict[str, str]) -> dict[str, Any]:
    """Arguments of the command under `payload`, the rest beside it."""
    named: dict[str, Any] = {name: [text] for name, text in found.items() if name in _OUTSIDE_PAYLOAD}
    inner = {name: [text] for name, text in found.items() if name not in _OUTSIDE_PAYLOAD}
    return {**named, "payload": inner} if inner else named
