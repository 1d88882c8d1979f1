"""What chargers of OCPP 2.x tell of smart charging: their profiles, limits of others, vehicles, priority."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers

from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.charging_shapes import PeriodSerializer
from chargepoints.choices import NeedsAnswer
from chargepoints.models import ExternalLimit, PriorityCharging, ReportedProfile, VehicleNeeds
from chargepoints.services import charging_reports
from csms_project.common.api.filters import IntegerFilter, TextFilter


class ReportedProfileSerializer(serializers.ModelSerializer[ReportedProfile]):
    """A profile that the charger says it has (`get_charging_profiles`), compared with what we have set."""

    connector = serializers.IntegerField(source="connector_number", read_only=True)
    transaction_id = serializers.CharField(source="transaction_number", read_only=True)
    kind = serializers.CharField(source="content.kind", read_only=True)
    charging_rate_unit = serializers.CharField(source="content.charging_rate_unit", read_only=True)
    periods = PeriodSerializer(
        source="content.periods", many=True, read_only=True, help_text="Of its first schedule."
    )
    report_state = serializers.CharField(
        source="report.state",
        read_only=True,
        help_text="Of the list that it was told in: open, complete, incomplete.",
    )
    request_id = serializers.IntegerField(source="report.request_id", read_only=True)
    verdict = serializers.SerializerMethodField(help_text="Beside what we have set, in words.")

    class Meta:
        model = ReportedProfile
        fields = [
            "id",
            "connector",
            "profile_number",
            "source",
            "purpose",
            "kind",
            "stack_level",
            "charging_rate_unit",
            "periods",
            "schedules",
            "transaction_id",
            "verdict",
            "request_id",
            "report_state",
            "reported_at",
        ]
        read_only_fields = fields

    def get_verdict(self, row: ReportedProfile) -> str:
        return str(self.context["verdicts"].get(row.pk, "")) if "verdicts" in self.context else ""


class ExternalLimitSerializer(serializers.ModelSerializer[ExternalLimit]):
    """A limit that somebody else has given the charger."""

    connector = serializers.IntegerField(
        source="connector_number", read_only=True, help_text="0: the charger itself."
    )
    charging_rate_unit = serializers.CharField(
        source="content.charging_rate_unit",
        read_only=True,
        default="",
        help_text="Empty: no schedule was told.",
    )
    periods = PeriodSerializer(source="content.periods", many=True, read_only=True, default=())

    class Meta:
        model = ExternalLimit
        fields = [
            "id",
            "connector",
            "source",
            "is_grid_critical",
            "is_local_generation",
            "charging_rate_unit",
            "periods",
            "since",
            "cleared_at",
        ]
        read_only_fields = fields


class VehicleNeedsSerializer(serializers.ModelSerializer[VehicleNeeds]):
    """What the vehicle at a connector needs and will do, and what we have answered."""

    connector = serializers.IntegerField(source="connector_number", read_only=True)
    transaction_id = serializers.CharField(source="transaction_number", read_only=True)
    energy_wh = serializers.FloatField(read_only=True, allow_null=True)
    needs = serializers.JSONField(read_only=True, help_text="ChargingNeedsType as received.")
    answer = serializers.ChoiceField(choices=NeedsAnswer.choices, read_only=True, allow_blank=True)
    schedule = PeriodSerializer(
        many=True,
        read_only=True,
        allow_null=True,
        help_text="What the vehicle will draw; null: it did not say.",
    )
    allowed_transfers = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        allow_null=True,
        help_text="Ways in which energy may flow in this session; null: not limited.",
    )

    class Meta:
        model = VehicleNeeds
        fields = [
            "id",
            "connector",
            "transaction_id",
            "transfer",
            "energy_wh",
            "departure_at",
            "max_tuples",
            "needs",
            "needs_at",
            "answer",
            "note",
            "allowed_transfers",
            "schedule",
            "schedule_unit",
            "schedule_from",
            "schedule_at",
            "schedule_answer",
            "renegotiations",
        ]
        read_only_fields = fields


class PrioritySerializer(serializers.ModelSerializer[PriorityCharging]):
    """A session that has priority, or had it."""

    connector = serializers.IntegerField(source="connector_number", read_only=True)
    transaction_id = serializers.CharField(source="transaction_number", read_only=True)

    class Meta:
        model = PriorityCharging
        fields = ["id", "connector", "transaction_id", "is_active", "changed_at"]
        read_only_fields = fields


class ReportedProfileFilter(django_filters.FilterSet):
    connector = IntegerFilter(field_name="connector_number")
    profile_number = django_filters.NumberFilter()
    purpose = TextFilter()
    source = TextFilter()


class ExternalLimitFilter(django_filters.FilterSet):
    connector = IntegerFilter(field_name="connector_number")
    source = TextFilter()
    active = django_filters.BooleanFilter(field_name="cleared_at", lookup_expr="isnull")


class PriorityFilter(django_filters.FilterSet):
    active = django_filters.BooleanFilter(field_name="is_active")


class _ToldViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    permission_area = "charging_profiles"


@extend_schema(tags=["charging-profiles"])
class ReportedProfileViewSet(_ToldViewSet):
    """Profiles that the charge point says it has, also those of others (OCPP 2.x)."""

    queryset = ReportedProfile.objects.select_related("report")
    serializer_class = ReportedProfileSerializer
    filterset_class = ReportedProfileFilter
    ordering_fields = ["id", "connector_number", "profile_number", "stack_level", "reported_at"]
    ordering = ["connector_number", "profile_number", "pk"]

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if not getattr(self, "swagger_fake_view", False):
            found = charging_reports.compared(self.charge_point)
            context["verdicts"] = {one.told.pk: one.verdict for one in found}
        return context


@extend_schema(tags=["charging-profiles"])
class ExternalLimitViewSet(_ToldViewSet):
    """Limits that others have given the charge point (OCPP 2.x)."""

    queryset = ExternalLimit.objects.all()
    serializer_class = ExternalLimitSerializer
    filterset_class = ExternalLimitFilter
    ordering_fields = ["id", "connector_number", "source", "since"]
    ordering = ["connector_number", "source", "pk"]


@extend_schema(tags=["charging-profiles"])
class VehicleNeedsViewSet(_ToldViewSet):
    """What vehicles at the charge point need and plan (ISO 15118; OCPP 2.x)."""

    queryset = VehicleNeeds.objects.all()
    serializer_class = VehicleNeedsSerializer
    ordering_fields = ["id", "connector_number", "needs_at"]
    ordering = ["connector_number", "pk"]


@extend_schema(tags=["charging-profiles"])
class PriorityViewSet(_ToldViewSet):
    """Sessions of the charge point that have priority, or had it (OCPP 2.1)."""

    queryset = PriorityCharging.objects.all()
    serializer_class = PrioritySerializer
    filterset_class = PriorityFilter
    ordering_fields = ["id", "changed_at"]
    ordering = ["-changed_at", "-pk"]
