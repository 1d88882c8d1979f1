"""The list of tags that a charger knows by itself: what it should hold, what it holds, and bringing it into step."""

from __future__ import annotations

from typing import Any

from django.db.transaction import atomic
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import TenantViewSet
from accounts.models import IdToken, TokenGroup
from chargepoints.api import waiting
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.commands import CommandSerializer, created
from chargepoints.api.filters import LocalListFilter
from chargepoints.choices import LocalListState
from chargepoints.commands import MAX_EXPIRES_IN_S
from chargepoints.models import LocalList
from chargepoints.services import local_list
from chargepoints.services.list_wanted import chosen_groups, chosen_tokens
from chargepoints.services.local_list import Standing

_MAX_CHOSEN = 10_000


class LocalListSerializer(serializers.Serializer[Any]):
    """A local list: the wish of the operator, and what the charger holds as far as is known."""

    charge_point = serializers.CharField(read_only=True)
    is_kept = serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Whether the list follows the tags by itself; null: as the tenant says.",
    )
    is_active = serializers.BooleanField(read_only=True, help_text="What `is_kept` comes to.")
    all_tokens = serializers.BooleanField(
        required=False, help_text="All tags of the tenant; else those chosen."
    )
    token_groups = serializers.ListField(
        child=serializers.CharField(max_length=36),
        required=False,
        max_length=_MAX_CHOSEN,
        help_text="Names of groups whose tags are chosen.",
    )
    tokens = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        max_length=_MAX_CHOSEN,
        help_text="Values of tags that are chosen one by one.",
    )
    without = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        max_length=_MAX_CHOSEN,
        help_text="Values of tags that are left out, also those whose data the charger was told to delete.",
    )
    with_refused = serializers.BooleanField(
        required=False, help_text="Blocked and expired tags are listed as such instead of being left out."
    )
    state = serializers.ChoiceField(choices=LocalListState.choices, read_only=True)
    version = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="That the charger has told or accepted last; 0: its list is empty; null: not known.",
    )
    wanted_count = serializers.IntegerField(read_only=True, help_text="Tags that it should hold now.")
    held_count = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Tags that it holds; null: not known."
    )
    added = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Tags that it lacks; null: not known."
    )
    changed = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Tags of which it says something else; null: not known."
    )
    removed = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Tags that it holds and should not; null: not known."
    )
    left_out = serializers.IntegerField(
        read_only=True, help_text="Tags that are too long for the OCPP version that the charger speaks."
    )
    room = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Tags that it takes; null: it does not say."
    )
    is_switched_off = serializers.BooleanField(
        read_only=True, help_text="The charger says that it does not use its list (LocalAuthListEnabled)."
    )
    failures = serializers.IntegerField(
        read_only=True, help_text="In a row; after five it is tried again only when somebody asks."
    )
    last_error = serializers.CharField(read_only=True)
    last_attempt_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_success_at = serializers.DateTimeField(read_only=True, allow_null=True)
    next_attempt_at = serializers.DateTimeField(read_only=True, allow_null=True)


_OF_THE_ROW = (
    "is_kept",
    "is_active",
    "all_tokens",
    "with_refused",
    "state",
    "version",
    "failures",
    "last_error",
    "last_attempt_at",
    "last_success_at",
    "next_attempt_at",
)


def _shown(standing: Standing) -> dict[str, Any]:
    row, difference = standing.row, standing.difference
    counts = {
        name: len(getattr(difference, name)) if difference is not None else None
        for name in ("added", "changed", "removed")
    }
    return {
        **{name: getattr(row, name) for name in _OF_THE_ROW},
        **counts,
        "charge_point": row.charge_point.identity,
        "token_groups": [group.name for group in standing.groups],
        "tokens": sorted({token.value for token in standing.tokens}),
        "without": sorted({token.value for token in standing.without}),
        "wanted_count": len(standing.wanted),
        "held_count": len(standing.held) if standing.held is not None else None,
        "left_out": standing.left_out,
        "room": standing.room,
        "is_switched_off": standing.is_switched_off,
    }


class LocalListRowSerializer(serializers.ModelSerializer[LocalList]):
    """A local list as it stood when it was last compared."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    is_active = serializers.BooleanField(
        read_only=True, help_text="Whether the list follows the tags by itself."
    )
    held_count = serializers.IntegerField(
        source="holds.count", read_only=True, default=None, help_text="Tags that it holds; null: not known."
    )

    class Meta:
        model = LocalList
        fields = [
            "charge_point",
            "is_kept",
            "is_active",
            "state",
            "version",
            "wanted_count",
            "held_count",
            "failures",
            "last_error",
            "last_attempt_at",
            "last_success_at",
            "next_attempt_at",
        ]
        read_only_fields = fields


class SyncSerializer(serializers.Serializer[Any]):
    replace = serializers.BooleanField(
        default=False, help_text="Send the whole list, even if the charger seems to be in step."
    )


class CheckSerializer(serializers.Serializer[Any]):
    expires_in = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_EXPIRES_IN_S,
        help_text="Seconds that the question may wait for a charger that is offline; without it: 409.",
    )


class LocalListsViewSet(mixins.ListModelMixin, TenantViewSet):
    """Which chargers are in step with their tags and which are not; those that have a list or had one."""

    queryset = LocalList.objects.select_related("charge_point", "tenant", "holds").defer("holds__entries")
    serializer_class = LocalListRowSerializer
    filterset_class = LocalListFilter
    permission_area = "local_lists"
    ordering_fields = ["last_attempt_at", "last_success_at", "state"]
    ordering = ["charge_point__identity", "pk"]


@extend_schema(tags=["charge-points"])
class LocalListViewSet(ChargePointPartViewSet):
    """The list of tags of one charge point; each has one, whether it is kept or not."""

    queryset = LocalList.objects.all()
    serializer_class = LocalListSerializer
    permission_area = "local_lists"
    permission_overrides = {"sync": "local_lists.change", "check": "commands.send"}

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What the charger should hold, what it holds, and how both stand to each other."""
        return self._answer()

    @atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say whether the list is kept in step, and which tags it holds."""
        charge_point = self.charge_point
        serializer = self.get_serializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        for name in ("tokens", "without"):
            if name in given:
                given[name] = self._tokens(name, given[name])
        if "token_groups" in given:
            given["token_groups"] = self._groups(given["token_groups"])
        local_list.change(actor=self.actor, charge_point=charge_point, **given)
        return self._answer()

    @extend_schema(request=SyncSerializer, responses=LocalListSerializer)
    def sync(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Bring the charger into step now, or as soon as it is online; what failed before is tried again."""
        charge_point = self.charge_point
        serializer = SyncSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        local_list.sync_now(actor=self.actor, charge_point=charge_point, **serializer.validated_data)
        return self._answer()

    @extend_schema(request=CheckSerializer, responses={201: CommandSerializer}, parameters=[waiting.WAIT])
    def check(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the charger which version it holds; the answer corrects what is known of its list."""
        charge_point, seconds = self.charge_point, waiting.seconds_of(request)
        serializer = CheckSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        command = local_list.ask_version(
            actor=self.actor, charge_point=charge_point, **serializer.validated_data
        )
        return created(command, seconds, self.get_serializer_context())

    def _answer(self) -> Response:
        return Response(self.get_serializer(_shown(local_list.standing_of(self.charge_point))).data)

    def _tokens(self, name: str, values: list[str]) -> list[IdToken]:
        found, unknown = chosen_tokens(self.charge_point.tenant, values)
        if unknown:
            raise ValidationError({name: [f"There is no tag “{value}”." for value in unknown[:20]]})
        return found

    def _groups(self, names: list[str]) -> list[TokenGroup]:
        found, unknown = chosen_groups(self.charge_point.tenant, names)
        if unknown:
            raise ValidationError({"token_groups": [f"There is no group “{name}”." for name in unknown[:20]]})
        return found
