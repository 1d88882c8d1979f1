"""The upgrade of a charge point to a higher security profile."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.choices import SecurityProfile, UpgradeStatus
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import ChargePoint, SecurityProfileUpgrade
from chargepoints.services import profile_upgrades
from csms_project.common.api.problems import BadParameter

_TARGET = OpenApiParameter(
    "target_profile",
    {"type": "integer", "minimum": 1, "maximum": 3},
    OpenApiParameter.QUERY,
    description="For which profile to look; without it that of the upgrade under way, or the next one.",
)


class UpgradeSerializer(serializers.ModelSerializer[SecurityProfileUpgrade]):
    """`command` is the latest order, null where the change is made at the charger."""

    from_profile = serializers.IntegerField(read_only=True)
    target_profile = serializers.IntegerField(read_only=True)
    status = serializers.ChoiceField(choices=UpgradeStatus.choices, read_only=True)
    requested_by = serializers.CharField(source="requested_by_name", read_only=True)
    command = serializers.IntegerField(source="command_id", read_only=True, allow_null=True)
    network = serializers.JSONField(
        read_only=True,
        allow_null=True,
        help_text="By a network profile (2.x): `slot`, `url`, `interface`; `priority`: the slots in their new order.",
    )

    class Meta:
        model = SecurityProfileUpgrade
        fields = [
            "id",
            "from_profile",
            "target_profile",
            "over_ocpp",
            "status",
            "detail",
            "command",
            "network",
            "requested_by",
            "created_at",
            "updated_at",
            "ended_at",
        ]
        read_only_fields = fields


class UpgradeStepSerializer(serializers.Serializer[Any]):
    """`unknown`: it cannot be seen from here; the charger looks for itself."""

    name = serializers.CharField()
    label: Any = serializers.CharField()
    state = serializers.ChoiceField(
        choices=[profile_upgrades.OK, profile_upgrades.MISSING, profile_upgrades.UNKNOWN]
    )
    detail = serializers.CharField()


class UpgradeStateSerializer(serializers.Serializer[Any]):
    """How a charge point stands; `upgrade` is the one under way, or the latest."""

    security_profile = serializers.IntegerField()
    pending_security_profile = serializers.IntegerField(allow_null=True)
    upgrade = UpgradeSerializer(allow_null=True)
    steps_for = serializers.IntegerField(allow_null=True, help_text="The profile that `steps` are about.")
    steps = UpgradeStepSerializer(many=True)


class UpgradeRequestSerializer(serializers.Serializer[Any]):
    """What is asked of the charger."""

    target_profile = serializers.IntegerField(min_value=1, max_value=3)
    over_ocpp = serializers.BooleanField(
        default=True,
        help_text="True: order it, by a key (1.6) or a network profile (2.x). False: somebody changes it at the "
        "charger.",
    )
    network_slot = serializers.IntegerField(
        required=False, min_value=0, max_value=999, help_text="2.x: without it a slot that is not in use."
    )
    network_url = serializers.RegexField(
        r"^wss?://\S+$",
        required=False,
        max_length=512,
        help_text="2.x: the address with the new profile, without the identity; without it that of `PUBLIC_URL`.",
    )
    network_interface = serializers.ChoiceField(
        required=False,
        choices=[f"{kind}{number}" for kind in ("Wired", "Wireless") for number in range(4)],
        help_text="2.x: without it Wired0.",
    )
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds that the order may wait for a charger that is offline; without it: 409.",
    )


class UpgradeRetrySerializer(serializers.Serializer[Any]):
    """How long the order may wait."""

    expires_in = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_EXPIRES_IN_S
    )


@extend_schema(tags=["charge-points"])
class ProfileUpgradeViewSet(ChargePointPartViewSet):
    """The way to a higher security profile (OCPP 1.6 security whitepaper and 2.0.1, A05)."""

    queryset = SecurityProfileUpgrade.objects.all()
    serializer_class = UpgradeStateSerializer
    permission_area = "charge_points"
    permission_overrides = {"start": SEND_DANGEROUS, "cancel": SEND_DANGEROUS, "retry": SEND_DANGEROUS}
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[_TARGET], responses=UpgradeStateSerializer)
    def state(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Profile, upgrade, and what is there for the next profile."""
        given = request.query_params.get("target_profile")
        if given is not None and given not in ("1", "2", "3"):
            raise BadParameter("target_profile", "Must be 1, 2 or 3.")
        return self._shown(self.charge_point, int(given) if given else None)

    @extend_schema(request=UpgradeRequestSerializer, responses={201: UpgradeStateSerializer})
    def start(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Begin an upgrade; from now on the new profile works, until its first success the old one, too."""
        charge_point = self.charge_point
        serializer = UpgradeRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        profile_upgrades.start(actor=self.actor, charge_point=charge_point, **serializer.validated_data)
        return self._shown(charge_point, code=status.HTTP_201_CREATED)

    @extend_schema(responses={200: UpgradeStateSerializer})
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Call the upgrade off: only the old profile works from now on."""
        charge_point = self.charge_point
        profile_upgrades.cancel(actor=self.actor, charge_point=charge_point)
        return self._shown(charge_point)

    @extend_schema(request=UpgradeRetrySerializer, responses=UpgradeStateSerializer)
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Order the change again."""
        charge_point = self.charge_point
        serializer = UpgradeRetrySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        profile_upgrades.retry(actor=self.actor, charge_point=charge_point, **serializer.validated_data)
        return self._shown(charge_point)

    def _shown(
        self, charge_point: ChargePoint, target: int | None = None, *, code: int = status.HTTP_200_OK
    ) -> Response:
        charge_point.refresh_from_db()
        upgrade = profile_upgrades.find_latest(charge_point)
        higher = profile_upgrades.higher_profiles(charge_point)
        if target is None and upgrade is not None and upgrade.is_open:
            target = upgrade.target_profile
        if target is None and higher:
            target = max(higher[0], SecurityProfile.BASIC)
        shown = {
            "security_profile": charge_point.security_profile,
            "pending_security_profile": charge_point.pending_security_profile,
            "upgrade": upgrade,
            "steps_for": target,
            "steps": profile_upgrades.steps(charge_point, target) if target is not None else [],
        }
        return Response(
            UpgradeStateSerializer(shown, context=self.get_serializer_context()).data, status=code
        )
