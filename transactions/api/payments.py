"""Settlements, payments on the web, and tariffs on chargers."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import TenantViewSet
from chargepoints.api import waiting
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.commands import QueuedCommandSerializer, created
from csms_project.common.api.fields import AnyField, MoneyField
from csms_project.common.api.filters import AfterFilter, BeforeFilter, IdFilter, TextFilter, TruthFilter
from csms_project.common.api.idempotency import key_of
from transactions.choices import PaymentStatus, WebPaymentState
from transactions.models import ChargerTariff, Settlement, Tariff, WebPayment
from transactions.services import charger_tariffs
from transactions.services.settlements import receipt_link, receipt_number


class SettlementSerializer(serializers.ModelSerializer[Settlement]):
    """What became of a payment; `transaction` is the id of the session, null where none is known."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    amount = MoneyField()
    company = AnyField()
    receipt_id = serializers.SerializerMethodField(
        help_text="Number on the receipt, empty where there is none."
    )
    receipt_url = serializers.SerializerMethodField(
        help_text="Where the receipt is: at the charger's provider, or below this server; empty where there is none."
    )

    class Meta:
        model = Settlement
        fields = [
            "id",
            "charge_point",
            "transaction",
            "ocpp_id",
            "psp_ref",
            "status",
            "status_info",
            "amount",
            "currency",
            "settled_at",
            "received_at",
            "by_csms",
            "receipt_id",
            "receipt_url",
            "vat_number",
            "company",
        ]
        read_only_fields = fields

    def get_receipt_id(self, row: Settlement) -> str:
        return receipt_number(row) if receipt_link(row) else row.receipt_id

    def get_receipt_url(self, row: Settlement) -> str:
        return receipt_link(row)


class SettlementFilter(filters.FilterSet):
    charge_point = filters.CharFilter(method="with_charge_point", label="Identity of the charge point.")
    transaction = IdFilter(field_name="transaction_id")
    status = filters.ChoiceFilter(choices=PaymentStatus.choices)
    psp_ref = TextFilter()
    by_csms = TruthFilter()
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")

    def with_charge_point(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(charge_point__identity_key=value.casefold())


@extend_schema(tags=["settlements"])
class SettlementViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """What became of payments, the newest first."""

    queryset = Settlement.objects.select_related("charge_point")
    serializer_class = SettlementSerializer
    filterset_class = SettlementFilter
    permission_area = "settlements"
    is_big = True
    anchors = ("charge_point",)
    ordering_fields = ["received_at", "id"]
    ordering = ["-received_at", "-id"]


class WebPaymentSerializer(serializers.ModelSerializer[WebPayment]):
    """A payment that began with a QR code; `evse` 0: whichever."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    evse = serializers.IntegerField(source="evse_number", read_only=True)
    amount = MoneyField(allow_null=True)
    limits = AnyField(help_text="By kind: maxCost, maxEnergy (Wh), maxTime (s).")

    class Meta:
        model = WebPayment
        fields = [
            "id",
            "charge_point",
            "evse",
            "state",
            "limits",
            "provider",
            "psp_ref",
            "amount",
            "currency",
            "transaction",
            "settlement",
            "note",
            "created_at",
            "changed_at",
        ]
        read_only_fields = fields


class WebPaymentFilter(filters.FilterSet):
    charge_point = filters.CharFilter(method="with_charge_point", label="Identity of the charge point.")
    state = filters.ChoiceFilter(choices=WebPaymentState.choices)
    psp_ref = TextFilter()
    created_after = AfterFilter(field_name="created_at")
    created_before = BeforeFilter(field_name="created_at")

    def with_charge_point(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(charge_point__identity_key=value.casefold())


@extend_schema(tags=["settlements"])
class WebPaymentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Payments on the web, the newest first."""

    queryset = WebPayment.objects.select_related("charge_point")
    serializer_class = WebPaymentSerializer
    filterset_class = WebPaymentFilter
    permission_area = "settlements"
    is_big = True
    anchors = ("charge_point",)
    ordering_fields = ["created_at", "id"]
    ordering = ["-created_at", "-id"]


class ChargerTariffSerializer(serializers.ModelSerializer[ChargerTariff]):
    """A tariff on one EVSE of a charger, as far as is known; `evse` 0: the charger names none."""

    evse = serializers.IntegerField(source="evse_number", read_only=True)
    id_tokens = AnyField(help_text="The tokens that a driver's tariff is for.")
    content = AnyField(
        help_text="What was sent, in the form of /api/v1/tariffs/; null where that is not known."
    )

    class Meta:
        model = ChargerTariff
        fields = [
            "id",
            "evse",
            "tariff_id",
            "kind",
            "valid_from",
            "id_tokens",
            "content",
            "set_at",
            "read_at",
        ]
        read_only_fields = fields


class SendTariffSerializer(serializers.Serializer[Any]):
    tariff = serializers.IntegerField(
        required=False, allow_null=True, help_text="Id of a tariff; absent: the one that it should have."
    )
    evse = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=2**31 - 1, help_text="0: all."
    )
    valid_from = serializers.DateTimeField(required=False, help_text="Absent: at once.")
    expires_in = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=30 * 24 * 3600,
        help_text="Seconds to wait for an offline charger.",
    )


@extend_schema(tags=["tariffs"])
class ChargerTariffViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """The tariffs that a charger holds itself (OCPP 2.1)."""

    queryset = ChargerTariff.objects.all()
    serializer_class = ChargerTariffSerializer
    permission_area = "tariffs"
    permission_overrides = {"send": "commands.send_dangerous"}
    own_idempotency = frozenset({"send"})
    ordering_fields = ["evse_number", "tariff_id"]
    ordering = ["evse_number", "tariff_id"]

    @extend_schema(
        request=SendTariffSerializer, parameters=[waiting.WAIT], responses={201: QueuedCommandSerializer}
    )
    @action(detail=False, methods=["post"])
    def send(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give the charger a default tariff: the named one, or that which it should have."""
        given = SendTariffSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        seconds, values = waiting.seconds_of(request), dict(given.validated_data)
        command = charger_tariffs.send_default(
            actor=self.actor,
            charge_point=self.charge_point,
            tariff=self._tariff(values.pop("tariff", None)),
            connector=values.pop("evse"),
            idempotency_key=key_of(request),
            **values,
        )
        return created(command, seconds, self.get_serializer_context())

    def _tariff(self, pk: int | None) -> Tariff | None:
        if pk is None:
            return None
        rows = Tariff.objects.for_tenant(self.charge_point.tenant_id)
        found: Tariff | None = rows.filter(pk=pk).first() if 0 < pk < 2**63 else None
        if found is None:
            raise serializers.ValidationError({"tariff": "There is no such tariff."})
        return found
