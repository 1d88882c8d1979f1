"""Charging profiles: kept, set on chargers and cleared; and what chargers will do by them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django_filters import rest_framework as django_filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.views import EditableViewSet
from chargepoints.api import waiting
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.charging_shapes import (
    DetailsSerializer,
    DynamicSerializer,
    LimitField,
    PeriodSerializer,
)
from chargepoints.charging import outlook
from chargepoints.charging.composite import Slice
from chargepoints.charging.running import running_sessions
from chargepoints.choices import AssignmentState, ProfileKind, ProfilePurpose, RateUnit
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, ChargingProfile, ChargingProfileAssignment, ReportedSchedule
from chargepoints.services import charging_profiles, dynamic_profiles
from csms_project.common.api.filters import IntegerFilter, TextFilter
from csms_project.common.api.idempotency import key_of
from csms_project.common.api.problems import BadParameter

MAX_DURATION_S = 7 * 86_400


class ChargingProfileSerializer(serializers.ModelSerializer[ChargingProfile]):
    """`id` is the chargingProfileId on the wire."""

    kind = serializers.ChoiceField(choices=ProfileKind.choices, default=ProfileKind.RELATIVE)
    min_charging_rate = LimitField(required=False, allow_null=True)
    periods = PeriodSerializer(many=True, help_text="Limits over time, in ascending order.")
    details = DetailsSerializer(required=False)

    class Meta:
        model = ChargingProfile
        fields = [
            "id",
            "name",
            "purpose",
            "kind",
            "recurrency_kind",
            "stack_level",
            "charging_rate_unit",
            "duration",
            "start_schedule",
            "valid_from",
            "valid_to",
            "min_charging_rate",
            "periods",
            "details",
            "created_at",
            "updated_at",
        ]


class AssignmentSerializer(serializers.ModelSerializer[ChargingProfileAssignment]):
    """A profile on a connector, as far as we know; `profile_number` is the chargingProfileId on the wire."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    connector = serializers.IntegerField(source="connector_number", read_only=True)
    profile_name = serializers.CharField(source="profile.name", read_only=True, default="")
    transaction_id = serializers.CharField(source="transaction_number", read_only=True)
    outdated = serializers.BooleanField(
        source="is_outdated", read_only=True, help_text="The profile was changed after it was sent."
    )
    charging_rate_unit = serializers.CharField(source="plan.charging_rate_unit", read_only=True)
    periods = PeriodSerializer(source="content.periods", many=True, read_only=True)
    dynamic = DynamicSerializer(
        read_only=True, allow_null=True, help_text="What a dynamic profile was updated to; null: nothing yet."
    )

    class Meta:
        model = ChargingProfileAssignment
        fields = [
            "id",
            "charge_point",
            "connector",
            "profile",
            "profile_name",
            "profile_number",
            "purpose",
            "stack_level",
            "charging_rate_unit",
            "periods",
            "dynamic",
            "dynamic_at",
            "valid_to",
            "transaction_id",
            "state",
            "since",
            "note",
            "outdated",
            "command",
            "updated_at",
        ]
        read_only_fields = fields


class AssignedSerializer(AssignmentSerializer):
    warnings = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="What spoke against the order, in sentences; it was queued all the same.",
    )

    class Meta(AssignmentSerializer.Meta):
        fields = [*AssignmentSerializer.Meta.fields, "warnings"]
        read_only_fields = fields


class WaitingSerializer(serializers.Serializer[Any]):
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds that the order may wait for a charger that is offline; without it: 409.",
    )


class UpdateSerializer(WaitingSerializer):
    values = DynamicSerializer(help_text="Limits and setpoints by name.")
    push = serializers.BooleanField(
        required=False,
        default=True,
        help_text="false: the charger gets it when it next asks (`dyn_update_interval`).",
    )


class AssignSerializer(WaitingSerializer):
    charge_point = serializers.CharField(max_length=255, help_text="Its identity.")
    connector = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=2**31 - 1,
        help_text="The charger's number; 0: the charger itself, or every connector.",
    )
    transaction = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=36,
        source="transaction_id",
        help_text="`ocpp_id` of the running session that a TxProfile is for.",
    )

    def validate_charge_point(self, identity: str) -> ChargePoint:
        rows = ChargePoint.objects.for_tenant(self.context["view"].actor.tenant)
        found: ChargePoint | None = rows.filter(identity_key=identity.casefold()).first()
        if found is None:
            raise serializers.ValidationError("There is no such charge point.")
        return found


class ChargingProfileFilter(django_filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    purpose = django_filters.ChoiceFilter(choices=ProfilePurpose.choices)
    kind = django_filters.ChoiceFilter(choices=ProfileKind.choices)


class AssignmentFilter(django_filters.FilterSet):
    connector = IntegerFilter(field_name="connector_number")
    purpose = django_filters.ChoiceFilter(choices=ProfilePurpose.choices)
    state = django_filters.ChoiceFilter(choices=AssignmentState.choices)
    profile_number = IntegerFilter()


def refused(error: InvalidPayload, names: dict[str, str]) -> ValidationError:
    """What a command finds wrong, under the names of this endpoint."""
    return ValidationError({names.get(name, name): [text] for name, text in error.errors.items()})


@extend_schema_view(
    destroy=extend_schema(description="Delete a profile; 409 while a charger holds it."),
    partial_update=extend_schema(
        description="Change a profile. Chargers keep what they have (`outdated`) until it is assigned anew."
    ),
)
class ChargingProfileViewSet(EditableViewSet):
    """Limits over time that can be set on chargers."""

    queryset = ChargingProfile.objects.all()
    serializer_class = ChargingProfileSerializer
    filterset_class = ChargingProfileFilter
    permission_area = "charging_profiles"
    permission_overrides = {"assign": "commands.send_dangerous"}
    own_idempotency = frozenset({"assign"})
    ordering_fields = ["id", "name", "purpose", "stack_level", "created_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[ChargingProfile]) -> None:
        serializer.instance = charging_profiles.create_profile(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[ChargingProfile]) -> None:
        assert serializer.instance is not None
        charging_profiles.update_profile(
            actor=self.actor, profile=serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: ChargingProfile) -> None:
        charging_profiles.delete_profile(actor=self.actor, profile=instance)

    @extend_schema(request=AssignSerializer, parameters=[waiting.WAIT], responses={201: AssignedSerializer})
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Set the profile on a charger. Answered at once with the state `requested`, or after up to `wait` seconds with
        what the charger said."""
        profile, seconds, key = self.get_object(), waiting.seconds_of(request), key_of(request)
        given = AssignSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        try:
            done = charging_profiles.assign(
                actor=self.actor, profile=profile, idempotency_key=key, **given.validated_data
            )
        except InvalidPayload as error:
            raise refused(error, {"transaction_id": "transaction", "payload": "non_field_errors"}) from error
        waiting.wait_for(done.command, seconds)
        done.assignment.refresh_from_db()
        shown = AssignmentSerializer(done.assignment, context=self.get_serializer_context()).data
        return Response({**shown, "warnings": done.warnings}, status=status.HTTP_201_CREATED)


@extend_schema(tags=["charging-profiles"])
class AssignmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Charging profiles that the charge point holds, was asked to take, or has held, as far as we know."""

    queryset = ChargingProfileAssignment.objects.select_related("charge_point", "profile")
    serializer_class = AssignmentSerializer
    filterset_class = AssignmentFilter
    permission_area = "charging_profiles"
    permission_overrides = {"clear": "commands.send_dangerous", "dynamic": "commands.send_dangerous"}
    own_idempotency = frozenset({"clear", "dynamic"})
    ordering_fields = ["id", "connector_number", "since", "state"]
    ordering = ["connector_number", "pk"]

    @extend_schema(request=WaitingSerializer, parameters=[waiting.WAIT], responses=AssignmentSerializer)
    @action(detail=True, methods=["post"])
    def clear(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the charger to remove it; an order that was not sent yet is withdrawn instead."""
        row, seconds, key = self.get_object(), waiting.seconds_of(request), key_of(request)
        given = WaitingSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        command = charging_profiles.clear(
            actor=self.actor, assignment=row, idempotency_key=key, **given.validated_data
        )
        waiting.wait_for(command, seconds)
        return Response(self.get_serializer(self.get_queryset().get(pk=row.pk)).data)

    @extend_schema(request=UpdateSerializer, parameters=[waiting.WAIT], responses=AssignmentSerializer)
    @action(detail=True, methods=["post"])
    def dynamic(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say what a dynamic profile (OCPP 2.1) is to do from now on. The charger is told, or finds it when it next
        asks (`push` false)."""
        row, seconds, key = self.get_object(), waiting.seconds_of(request), key_of(request)
        given = UpdateSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = {name: value for name, value in given.validated_data["values"].items() if value is not None}
        expires_in = given.validated_data.get("expires_in")
        if given.validated_data["push"]:
            command = dynamic_profiles.update(
                actor=self.actor, assignment=row, values=values, expires_in=expires_in, idempotency_key=key
            )
            waiting.wait_for(command, seconds)
        else:
            dynamic_profiles.keep_for_pull(actor=self.actor, assignment=row, values=values)
        return Response(self.get_serializer(self.get_queryset().get(pk=row.pk)).data)


# --- what the charger will do ---


class SchedulePeriodSerializer(serializers.Serializer[Any]):
    start_period = serializers.IntegerField(help_text="Seconds from the start.")
    limit = LimitField(allow_null=True, help_text="null: not limited.")
    number_phases = serializers.IntegerField(allow_null=True)
    profile = serializers.CharField(
        allow_blank=True, help_text="Name of the profile that decides, or “Limit of” who has given it."
    )


class ReportedScheduleSerializer(serializers.ModelSerializer[ReportedSchedule]):
    """What the charger answered to `get_composite_schedule`."""

    start = serializers.DateTimeField(source="starts_at", read_only=True)
    periods = PeriodSerializer(many=True, read_only=True)

    class Meta:
        model = ReportedSchedule
        fields = ["start", "duration", "charging_rate_unit", "periods", "reported_at", "command"]
        read_only_fields = fields


class CompositeScheduleSerializer(serializers.Serializer[Any]):
    """Our computation, and beside it what the charger has told last."""

    charge_point = serializers.CharField()
    connector = serializers.IntegerField()
    start = serializers.DateTimeField()
    duration = serializers.IntegerField()
    charging_rate_unit = serializers.ChoiceField(choices=RateUnit.choices)
    transaction_id = serializers.CharField(
        allow_blank=True, help_text="Of the session that runs; without one as for a session that begins now."
    )
    periods = SchedulePeriodSerializer(many=True)
    reported = ReportedScheduleSerializer(allow_null=True)


_PARAMETERS = [
    OpenApiParameter(
        "connector",
        {"type": "integer", "minimum": 0, "default": 0},
        description="The charger's number; 0: the whole charger.",
    ),
    OpenApiParameter(
        "duration",
        {"type": "integer", "minimum": 1, "maximum": MAX_DURATION_S, "default": 86_400},
        description="Seconds from now.",
    ),
    OpenApiParameter("unit", {"type": "string", "enum": RateUnit.values, "default": "A"}),
]


@extend_schema(tags=["charging-profiles"])
class CompositeScheduleViewSet(ChargePointPartViewSet):
    """Which limits follow from the profiles that the charger holds."""

    queryset = ChargingProfileAssignment.objects.none()
    serializer_class = CompositeScheduleSerializer
    permission_area = "charging_profiles"
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=_PARAMETERS, responses=CompositeScheduleSerializer)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Computed from what is known to stand (OCPP 1.6 §3.13), and what the charger itself has told last."""
        charge_point, now = self.charge_point, timezone.now().replace(microsecond=0)
        connector = _integer(request, "connector", 0, 0, 2**31 - 1)
        duration = _integer(request, "duration", 86_400, 1, MAX_DURATION_S)
        unit = request.query_params.get("unit") or RateUnit.AMPERE.value
        if unit not in RateUnit.values:
            raise BadParameter("unit", f"Must be one of {', '.join(RateUnit.values)}.")
        session = running_sessions(charge_point).get(connector)
        slices = outlook.computed(
            outlook.standing_profiles(charge_point),
            connector=connector,
            start=now,
            duration=timedelta(seconds=duration),
            unit=unit,
            session=session,
            others=outlook.limits_of_others(charge_point),
            priority=outlook.sessions_with_priority(charge_point),
        )
        report = outlook.reports_of(charge_point).get(connector)
        shown = {
            "charge_point": charge_point.identity,
            "connector": connector,
            "start": now,
            "duration": duration,
            "charging_rate_unit": unit,
            "transaction_id": session.transaction_id if session is not None else "",
            "periods": [_period(one, now) for one in slices],
            "reported": report,
        }
        return Response(self.get_serializer(shown).data)


def _period(one: Slice, start: datetime) -> dict[str, Any]:
    return {
        "start_period": int((one.start - start).total_seconds()),
        "limit": one.limit,
        "number_phases": one.number_phases,
        "profile": one.source.name if one.source is not None else "",
    }


def _integer(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    given = request.query_params.get(name) or str(default)
    is_number = given.isascii() and given.isdigit() and len(given) <= 10
    if not is_number or not lowest <= int(given) <= highest:
        raise BadParameter(name, f"Must be a whole number from {lowest} to {highest}.")
    return int(given)
