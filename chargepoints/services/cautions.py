"""What is known of a charger when a command is about to be sent, and what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.utils import timezone

from accounts.choices import TokenType
from accounts.services.authorization import authorize, load_tokens, token_key
from chargepoints.cautions import Facts, Held, Key, Session, Token, cautions
from chargepoints.choices import ReservationStatus
from chargepoints.command_numbers import LIST_VERSION
from chargepoints.command_specs import NEUTRAL, clean
from chargepoints.errors import InvalidPayload
from chargepoints.models import (
    ChargePoint,
    ChargingProfileAssignment,
    Connector,
    Reservation,
    Variable,
)
from chargepoints.models.charging import OPEN_STATES
from chargepoints.selectors import find_configuration_state, find_live_connection
from chargepoints.variable_names import canonical

#: A snapshot with so many keys, and this one among them, is what a charger tells of itself when all are asked for.
_MANY_KEYS = 10
_ALWAYS_TOLD = "supportedfeatureprofiles"

OpenSessions = Callable[[int], Iterable[tuple[int, str]]]
_open_sessions: OpenSessions | None = None


def register_open_sessions(find: OpenSessions | None) -> None:
    """Take the upper app's view: `find(charge_point_id)` gives connector and id on the wire of open sessions."""
    global _open_sessions
    _open_sessions = find


def warnings_for(
    charge_point: ChargePoint, action: str, payload: Mapping[str, Any], *, waits: bool = True
) -> list[str]:
    """What speaks against sending this to the charger now, in sentences.

    Nothing where the command is refused anyway, for its arguments or because its charger is offline: that is for the
    service to tell.

    waits  the command may wait for a charger that is offline
    """
    is_online = find_live_connection(charge_point) is not None
    if not is_online and not waits:
        return []
    if action not in NEUTRAL:
        return cautions(Facts(now=timezone.now(), is_online=is_online), action, payload)
    try:
        given = clean(action, payload)
    except InvalidPayload:
        return []
    return cautions(_facts(charge_point, given, is_online=is_online), action, given)


def _facts(charge_point: ChargePoint, payload: Mapping[str, Any], *, is_online: bool) -> Facts:
    variables = list(Variable.objects.filter(charge_point=charge_point, gone_at=None, is_unknown=False))
    keys = {
        canonical(row.key): Key(value=row.value, is_readonly=row.is_readonly, told=row)
        for row in variables
        if row.component == "" or row.read_at is not None
    }
    has_model = any(row.component and row.read_at is not None for row in variables)
    state = find_configuration_state(charge_point) if has_model else None
    was_read = state is not None and state.whole_read_at is not None
    connectors = Connector.objects.filter(charge_point=charge_point)
    return Facts(
        now=timezone.now(),
        is_online=is_online,
        security_profile=charge_point.security_profile,
        connectors=dict(connectors.values_list("ocpp_number", "status")),
        sessions=_sessions(charge_point),
        reservations=_reservations(charge_point),
        keys=keys,
        knows_all_keys=len(keys) >= _MANY_KEYS and (was_read if has_model else _ALWAYS_TOLD in keys),
        cuts_orders=has_model,
        list_version=_list_version(variables),
        profiles=_profiles(charge_point),
        tokens=_tokens(charge_point, payload),
    )


def _sessions(charge_point: ChargePoint) -> tuple[Session, ...]:
    if _open_sessions is None:
        return ()
    return tuple(
        Session(connector=connector, ocpp_id=ocpp_id)
        for connector, ocpp_id in _open_sessions(charge_point.pk)
    )


def _reservations(charge_point: ChargePoint) -> tuple[Held, ...]:
    """What the charger holds, or may hold because its answer was lost."""
    rows = Reservation.objects.filter(
        charge_point=charge_point, status__in=(ReservationStatus.ACTIVE, ReservationStatus.REQUESTED)
    ).select_related("connector")
    return tuple(
        Held(
            number=row.reservation_id,
            connector=row.connector.ocpp_number if row.connector is not None else 0,
            id_token=row.id_token_value,
            parent_id_token=row.parent_id_token,
        )
        for row in rows.order_by("pk")
    )


def _profiles(charge_point: ChargePoint) -> frozenset[int]:
    rows = ChargingProfileAssignment.objects.filter(charge_point=charge_point, state__in=OPEN_STATES)
    return frozenset(rows.values_list("profile_number", flat=True))


def _list_version(variables: Iterable[Variable]) -> int | None:
    for row in variables:
        if (row.component, row.name) == LIST_VERSION and (row.value or "").isdecimal():
            return int(row.value or 0)
    return None


def _tokens(charge_point: ChargePoint, payload: Mapping[str, Any]) -> dict[str, Token]:
    """What we would answer to the tag that a command names."""
    value = payload.get("id_token")
    if not isinstance(value, str):
        return {}
    tenant = charge_point.tenant
    key = token_key(tenant.pk, value)
    answer = authorize(
        tenant=tenant,
        mode=charge_point.authorization_mode or tenant.authorization_mode,
        candidates=load_tokens([key])[key],
        now=timezone.now(),
        type=TokenType.ISO14443,
    )
    return {value.casefold(): Token(status=answer.status, group=answer.group_name)}
