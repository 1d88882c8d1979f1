"""The life of a command: queued → sent → one final state, which never changes again.

Every step is one conditional update, so that two dispatchers, a late answer or a restart cannot disagree.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Now
from django.db.transaction import atomic, on_commit
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from chargepoints import (
    certifying,
    command_numbers,
    configuring,
    customer_orders,
    errors,
    key_changes,
    key_codes,
    keys,
    list_news,
    monitoring_limits,
    network_slots,
    network_upgrades,
    profile_changes,
    reserving,
    splitting,
    swapping,
)
from chargepoints.charging import conflicts, following
from chargepoints.choices import CommandStatus, RegistrationStatus
from chargepoints.command_specs import NEUTRAL, START_AND_STOP, clean, get_spec
from chargepoints.models import ChargePoint, Command
from chargepoints.redaction import redact
from chargepoints.selectors import find_live_connection
from chargepoints.waking import wake_node
from csms_project.common import audit, crypto, events

__all__ = [
    "CONNECTION_LOST",
    "CONNECTION_REPLACED",
    "can_be_said",
    "cancel",
    "check_order",
    "claim",
    "complete",
    "due_for",
    "end_sent",
    "expire_due",
    "payload_of",
    "queue",
    "register_neutral_checker",
    "register_raw_checker",
    "register_vocabulary",
    "wake_node",
    "with_queued",
]

#: How long a command for an online charger may wait behind others.
QUEUE_TIME_S = 60
DEFAULT_TIMEOUT_S = 30
MAX_TIMEOUT_S = 600
_TRAIL_ENTRIES = 100
MAX_EXPIRES_IN_S = 30 * 24 * 3600
#: The dispatcher times commands out itself; the job that cleans up behind a dead one waits this much longer.
TIMEOUT_GRACE = timedelta(seconds=30)

CONNECTION_REPLACED = "ConnectionReplaced"
CONNECTION_LOST = "ConnectionLost"

_OPEN = (CommandStatus.QUEUED, CommandStatus.SENT)
# As the index of open commands says it: SQLite uses a partial index only where its condition stands literally.
_IS_OPEN = Func(F("status"), template="%(expressions)s IN ('queued', 'sent')", output_field=BooleanField())
# By the database's clock, the one that all gateways share: that of a gateway may be wrong.
_NOT_EXPIRED = Q(expires_at__gt=Now())
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{0,128}")

_BOOT_REFUSED = "The charger's boot was accepted: it may not be asked for another one. Reset it instead."

Checker = Callable[[str, str, Mapping[str, Any]], str | None]
Effect = Callable[[Command], None]
_raw_checker: Checker | None = None
_neutral_checker: Checker | None = None
_vocabulary: Callable[[str, str], bool] | None = None


def register_neutral_checker(checker: Checker | None) -> None:
    """Take the gateway's check whether a neutral command can be said in a version, as for raw ones."""
    global _neutral_checker
    _neutral_checker = checker


def register_vocabulary(knows: Callable[[str, str], bool] | None) -> None:
    """Take the gateway's answer to whether a version knows a neutral command at all: `knows(version, action)`."""
    global _vocabulary
    _vocabulary = knows


def can_be_said(charge_point: ChargePoint, action: str) -> bool:
    """Whether the version that a charger speaks has a message for a command; before it has connected: OCPP 1.6."""
    return _vocabulary is None or action[:1].isupper() or _vocabulary(charge_point.ocpp_version, action)


def register_raw_checker(checker: Checker | None) -> None:
    """Take the gateway's schema check: `checker(version, action, payload)` returns what is wrong, or None."""
    global _raw_checker
    _raw_checker = checker


# --- asking ---


@atomic
def queue(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    action: str,
    payload: Mapping[str, Any],
    expires_in: int | None = None,
    timeout_s: int | None = None,
    idempotency_key: str = "",
) -> Command:
    """Order a charger to do something and wake the gateway that holds its socket.

    The same idempotency key with the same order returns the command made the first time.
    An order about more variables than the charger takes in one message becomes several commands, which are sent one
    after another; the first of them is returned.

    action      snake_case: one of ours; PascalCase: an OCPP action, sent verbatim after its schema check
    expires_in  seconds to wait for an offline charger; None: it must be online now
    timeout_s   seconds to wait for the charger's answer
    Raises      PermissionRefused, UnknownAction, InvalidPayload, ChargePointArchived, ChargePointNotAccepted,
                ChargePointOffline, IdempotencyConflict
    """
    spec = get_spec(action)
    require(actor, spec.permission, charge_point)
    cleaned = key_codes.marked(charge_point, action, _checked(charge_point, action, payload))
    pieces = splitting.pieces(charge_point, action, cleaned)
    if len(pieces) > 1:
        keys_of = [
            idempotency_key,
            *(splitting.key_of(idempotency_key, n) for n in range(2, len(pieces) + 1)),
        ]
        made = [
            queue(
                actor=actor,
                charge_point=charge_point,
                action=action,
                payload=piece,
                expires_in=expires_in,
                timeout_s=timeout_s,
                idempotency_key=key,
            )
            for piece, key in zip(pieces, keys_of, strict=True)
        ]
        return made[0]
    limits = _limits(expires_in, timeout_s, idempotency_key)
    if earlier := _find_earlier(charge_point, action, cleaned, idempotency_key):
        return earlier
    _check_state(charge_point, action, cleaned)
    connection = find_live_connection(charge_point)
    if connection is None and expires_in is None:
        raise errors.ChargePointOffline
    order = command_numbers.fill_in(charge_point, action, cleaned)
    shown = redact(order)
    now = timezone.now()
    command = Command(
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        action=action,
        payload=shown,
        secret_payload=crypto.encrypt(json.dumps(order)) if shown != order else "",
        requested_by=actor.user,
        requested_by_name=actor.name[:150],
        requested_via=actor.via,
        created_at=now,
        expires_at=now + limits.expires_in,
        waits_for_connection=expires_in is not None,
        timeout_s=limits.timeout_s,
        idempotency_key=idempotency_key,
    )
    try:
        with atomic():
            command.save(force_insert=True)
    except IntegrityError:
        # Two callers with one key at the same time: the other one was faster.
        found = _find_earlier(charge_point, action, cleaned, idempotency_key)
        if found is None:
            raise
        return found
    reserving.asked(charge_point, action, order)
    configuring.asked(charge_point, command, order)
    profile_changes.asked(command)
    following.asked(command, order)
    customer_orders.asked(command, order)
    swapping.asked(charge_point, command, order)
    audit.record(
        actor,
        spec.permission,
        charge_point,
        changes={
            "command": [None, command.pk],
            "action": [None, action],
            "payload": [None, _shortened(shown)],
        },
    )
    if connection is not None:
        on_commit(partial(wake_node, connection.node_id, charge_point.pk))
    return command


def _shortened(payload: dict[str, Any]) -> dict[str, Any]:
    """Arguments for the trail: long lists, such as thousands of tags, stand in the command that it names."""
    return {
        name: f"{len(value)} entries" if isinstance(value, list) and len(value) > _TRAIL_ENTRIES else value
        for name, value in payload.items()
    }


def cancel(*, actor: Actor, command: Command) -> Command:
    """Withdraw a command that was not sent yet.

    Raises  PermissionRefused, CommandNotCancellable
    """
    require(actor, get_spec(command.action).permission, command)
    with atomic():
        cancelled = _finish(command.pk, CommandStatus.CANCELLED, source=(CommandStatus.QUEUED,))
        if cancelled is None:
            raise errors.CommandNotCancellable
        audit.record(actor, "commands.cancel", cancelled, changes={"status": ["queued", "cancelled"]})
    return cancelled


class _Limits:
    def __init__(self, expires_in: int | None, timeout_s: int | None) -> None:
        self.timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        self.expires_in = timedelta(seconds=QUEUE_TIME_S if expires_in is None else expires_in)


def _limits(expires_in: int | None, timeout_s: int | None, idempotency_key: str) -> _Limits:
    problems = {}
    if expires_in is not None and not 1 <= expires_in <= MAX_EXPIRES_IN_S:
        problems["expires_in"] = f"Must be from 1 to {MAX_EXPIRES_IN_S} seconds."
    if timeout_s is not None and not 1 <= timeout_s <= MAX_TIMEOUT_S:
        problems["timeout_s"] = f"Must be from 1 to {MAX_TIMEOUT_S} seconds."
    if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        problems["idempotency_key"] = "Must be up to 128 printable ASCII characters without spaces."
    if problems:
        raise errors.InvalidPayload(problems)
    return _Limits(expires_in, timeout_s)


def check_order(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """Whether an order can be said to a charger, whatever its state.

    Raises  UnknownAction, InvalidPayload
    """
    get_spec(action)
    _checked(charge_point, action, payload)


def _checked(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as it will be sent; a new authorization key must be one that can be used."""
    check = _checked_neutral if action in NEUTRAL else _checked_raw
    cleaned = check(charge_point, action, payload)
    new_key = key_changes.find_new_key(action, cleaned)
    if new_key is not None:
        try:
            keys.check_key(new_key)
        except keys.UnusableKey as error:
            raise errors.InvalidPayload({"value": str(error)}) from error
    return cleaned


def _checked_neutral(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = clean(action, payload)
    if _neutral_checker is not None and charge_point.ocpp_version:
        given = command_numbers.stand_in(action, cleaned)
        if problem := _neutral_checker(charge_point.ocpp_version, action, given):
            raise errors.InvalidPayload({"payload": problem})
    return cleaned


def _checked_raw(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(payload, Mapping):
        raise errors.InvalidPayload({"payload": "Must be an object."})
    if _raw_checker is None:
        raise errors.UnknownAction("OCPP messages cannot be sent: no gateway is installed.")
    given = command_numbers.stand_in(action, payload)
    problem = _raw_checker(charge_point.ocpp_version or "ocpp1.6", action, given)
    if problem:
        raise errors.InvalidPayload({"payload": problem})
    return dict(payload)


def _check_state(charge_point: ChargePoint, action: str, payload: dict[str, Any]) -> None:
    """Pending chargers may be configured but not started or stopped; rejected ones get nothing.

    Spec: OCPP 1.6 §4.2, errata 3.40; 2.0.1 B02.FR.05, B03.FR.03, F06.FR.17.
    """
    if charge_point.archived_at is not None:
        raise errors.ChargePointArchived
    if charge_point.registration_status == RegistrationStatus.REJECTED:
        raise errors.ChargePointNotAccepted("The charge point is rejected: nothing is sent to it.")
    if charge_point.registration_status != RegistrationStatus.ACCEPTED and action in START_AND_STOP:
        raise errors.ChargePointNotAccepted
    if action == "trigger_message" and payload["message"] == "BootNotification" and _has_booted(charge_point):
        raise errors.InvalidPayload({"message": _BOOT_REFUSED})
    profile_changes.check(charge_point, action, payload)
    network_upgrades.check(charge_point, action, payload)
    network_slots.check(charge_point, action, payload)
    monitoring_limits.check(charge_point, action, payload)
    conflicts.check(charge_point, action, payload)
    swapping.check(charge_point, action, payload)
    if charge_point.pending_key_hash and key_changes.find_new_key(action, payload) is not None:
        raise errors.InvalidPayload(
            {"key": "An earlier key change is open: the charger has to connect again first."}
        )


def _has_booted(charge_point: ChargePoint) -> bool:
    """Its boot was answered Accepted, and still would be."""
    accepted = charge_point.registration_status == RegistrationStatus.ACCEPTED
    return accepted and charge_point.accepted_at is not None


def _find_earlier(
    charge_point: ChargePoint, action: str, payload: dict[str, Any], idempotency_key: str
) -> Command | None:
    """The command that this key has made already; raises IdempotencyConflict when it is another one."""
    if not idempotency_key:
        return None
    earlier: Command | None = Command.objects.filter(
        tenant_id=charge_point.tenant_id, idempotency_key=idempotency_key
    ).first()
    if earlier is None:
        return None
    # Once a secret is wiped only what is shown of it can be compared.
    ours, theirs = (
        (payload, payload_of(earlier)) if earlier.secret_payload else (redact(payload), earlier.payload)
    )
    same = command_numbers.same_order(action, ours, theirs)
    if not same or (earlier.charge_point_id, earlier.action) != (charge_point.pk, action):
        raise errors.IdempotencyConflict
    return earlier


# --- dispatching ---


def due_for(charge_point_ids: Iterable[int]) -> list[Command]:
    """Commands waiting to be sent to these charge points, oldest first.

    Left out: what has expired, what a charger that is not accepted must not get, and commands of chargers
    that have one outstanding.
    """
    ids = sorted(with_queued().intersection(charge_point_ids))
    if not ids:
        return []
    busy = Command.objects.filter(charge_point_id__in=ids, status=CommandStatus.SENT)
    rows = (
        Command.objects.filter(_NOT_EXPIRED, charge_point_id__in=ids, status=CommandStatus.QUEUED)
        .exclude(charge_point__in=busy.values("charge_point"))
        .exclude(charge_point__archived_at__isnull=False)
        .exclude(charge_point__registration_status=RegistrationStatus.REJECTED)
        .select_related("charge_point")
        .order_by("id")
    )
    accepted = RegistrationStatus.ACCEPTED
    return [
        row
        for row in rows
        if row.action not in START_AND_STOP or row.charge_point.registration_status == accepted
    ]


def with_queued() -> set[int]:
    """The charge points for which anything waits: thousands are asked about, few commands are open."""
    queued = Command.objects.filter(_IS_OPEN, _NOT_EXPIRED, status=CommandStatus.QUEUED)
    return set(queued.order_by().values_list("charge_point_id", flat=True).distinct())


def payload_of(command: Command) -> dict[str, Any]:
    """What is to be sent, secrets in the clear; never log or store it.

    Raises  crypto.InvalidToken  the encryption key is gone
    """
    if not command.secret_payload:
        return dict(command.payload)
    payload: dict[str, Any] = json.loads(crypto.decrypt(command.secret_payload))
    return payload


@atomic
def claim(
    command_id: int,
    *,
    connection_token: uuid.UUID,
    message_id: uuid.UUID,
    ocpp_action: str,
    request: Mapping[str, Any],
) -> Command | None:
    """Mark a queued command as sent on this socket; None when somebody else has it or it is over.

    request  the CALL's payload, secrets included; stored without them
    """
    taken = Command.objects.filter(_NOT_EXPIRED, pk=command_id, status=CommandStatus.QUEUED).update(
        status=CommandStatus.SENT,
        sent_at=Now(),
        attempts=F("attempts") + 1,
        connection_token=connection_token,
        message_id=message_id,
        ocpp_action=ocpp_action,
        request=redact(dict(request)),
    )
    if not taken:
        return None
    command: Command = Command.objects.select_related("charge_point").get(pk=command_id)
    if key_changes.find_new_key(command.action, command.payload) is not None:
        new_key = key_changes.find_new_key(command.action, payload_of(command))
        assert new_key is not None
        key_changes.sent(command, new_key)
    profile_changes.sent(command)
    network_upgrades.sent(command)
    return command


@atomic
def complete(
    command_id: int,
    *,
    status: CommandStatus,
    response: Any = None,
    summary: str = "",
    error: Mapping[str, Any] | None = None,
    effects: Sequence[Effect] = (),
) -> Command | None:
    """Bring a command to its final state; None when it has one already (a late answer changes nothing).

    response  the charger's payload verbatim; secrets are replaced
    summary   what the answer means, in words
    error     code, description, details
    effects   what the answer means to us, run with the final row in the same transaction
    """
    return _finish(
        command_id,
        status,
        source=_OPEN,
        response=response,
        summary=summary,
        error=error,
        effects=effects,
    )


def end_sent(*, closed: Mapping[uuid.UUID, int], live: Mapping[int, uuid.UUID]) -> int:
    """Fail what was sent on sockets that have ended or were replaced; returns how many.

    closed  tokens of sockets that have ended, and their charge points
    live    charge points with a new socket, and its token
    """
    rows = Command.objects.filter(
        _IS_OPEN, charge_point_id__in={*closed.values(), *live}, status=CommandStatus.SENT
    )
    ended = 0
    for pk, charge_point_id, token in rows.order_by("id").values_list(
        "pk", "charge_point_id", "connection_token"
    ):
        if token in closed:
            ended += _fail(pk, CONNECTION_LOST, "The connection ended before the charger answered.")
        elif charge_point_id in live and token != live[charge_point_id]:
            ended += _fail(pk, CONNECTION_REPLACED, "The charger connected anew.")
    return ended


def expire_due(now: datetime) -> int:
    """End what waited too long, and what was sent by a gateway that died; returns how many."""
    late = Command.objects.filter(status=CommandStatus.QUEUED, expires_at__lte=now)
    ended = [
        _finish(pk, CommandStatus.EXPIRED, source=(CommandStatus.QUEUED,))
        for pk in late.order_by("id").values_list("pk", flat=True)
    ]
    sent = Command.objects.filter(status=CommandStatus.SENT, sent_at__lte=now - TIMEOUT_GRACE)
    for pk, sent_at, timeout_s in sent.order_by("id").values_list("pk", "sent_at", "timeout_s"):
        if sent_at + timedelta(seconds=timeout_s) + TIMEOUT_GRACE <= now:
            ended.append(_finish(pk, CommandStatus.TIMED_OUT, source=(CommandStatus.SENT,)))
    return sum(1 for command in ended if command is not None)


def _fail(command_id: int, code: str, description: str) -> bool:
    error = {"code": code, "description": description, "details": {}}
    return _finish(command_id, CommandStatus.FAILED, source=(CommandStatus.SENT,), error=error) is not None


@atomic
def _finish(
    command_id: int,
    status: CommandStatus,
    *,
    source: Sequence[CommandStatus],
    response: Any = None,
    summary: str = "",
    error: Mapping[str, Any] | None = None,
    effects: Sequence[Effect] = (),
) -> Command | None:
    changed = Command.objects.filter(pk=command_id, status__in=source).update(
        status=status,
        completed_at=timezone.now(),
        response=redact(response),
        summary=redact(summary),
        error=redact(dict(error)) if error is not None else None,
        secret_payload="",
    )
    if not changed:
        return None
    command: Command = Command.objects.select_related("charge_point").get(pk=command_id)
    if command.sent_at is not None and key_changes.find_new_key(command.action, command.payload) is not None:
        key_changes.ended(command)
    reserving.answered(command)
    certifying.answered(command)
    list_news.ended(command)
    profile_changes.ended(command)
    network_upgrades.ended(command)
    following.answered(command)
    swapping.ended(command)
    for effect in effects:
        effect(command)
    events.record(
        "command.completed",
        tenant_id=command.tenant_id,
        object_type="command",
        object_id=command.pk,
        charge_point=command.charge_point.identity,
        data={"action": command.action, "status": command.status},
        at=command.completed_at,
    )
    return command
