"""What orders about charging profiles mean for the rows that say where profiles stand.

requested → active when the charger accepts, → rejected however else the order ends before it was sent or where it was
refused; unknown where it was sent and nothing readable came back.  A profile with the number of another, or with
purpose and level of another on the same connector, takes its place (OCPP 1.6 §3.13.2, §5.16.3).  What is cleared has
to match everything that the order names (errata 3.25).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.charging.plan import TX, Plan, Unreadable, read_message, read_plan
from chargepoints.charging.profile_messages import purpose_from, read_profile
from chargepoints.choices import AssignmentState, CommandStatus
from chargepoints.models import ChargePoint, ChargingProfile, ChargingProfileAssignment, Command
from chargepoints.models.charging import OPEN_STATES

REMOTE_START = ("remote_start", "RemoteStartTransaction", "RequestStartTransaction")
_CLEAR = {
    "clear_charging_profile": {
        "profile_id": "profile_number",
        "connector": "connector_number",
        "purpose": "purpose",
        "stack_level": "stack_level",
    },
    "ClearChargingProfile": {
        "id": "profile_number",
        "connectorId": "connector_number",
        "chargingProfilePurpose": "purpose",
        "stackLevel": "stack_level",
        "chargingProfileId": "profile_number",
        "evseId": "connector_number",
    },
}
_MAX_INTEGER = 2**31 - 1
#: The order never reached the charger, or the charger said no.
_REFUSED = {
    CommandStatus.REJECTED: "The charger refused it",
    CommandStatus.NOT_SUPPORTED: "The charger knows no charging profiles of this kind",
    CommandStatus.EXPIRED: "It was not sent in time",
    CommandStatus.CANCELLED: "The order was withdrawn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A profile that an order puts on a connector.

    connector  0 also where a remote start leaves it to the charger
    """

    number: int
    connector: int
    transaction_id: str
    plan: Plan


def wanted(action: str, payload: Mapping[str, Any]) -> Wanted | None:
    """The profile that an order sets; None where it sets none, or none that we can read."""
    try:
        found = _read(action, payload)
    except (Unreadable, KeyError, TypeError, ValueError, AttributeError):
        return None
    if found is None or not 0 <= found.number <= _MAX_INTEGER or not 0 <= found.connector <= _MAX_INTEGER:
        return None
    return found


def _read(action: str, payload: Mapping[str, Any]) -> Wanted | None:
    match action:
        case "set_charging_profile":
            return Wanted(
                number=int(payload["profile_id"]),
                connector=int(payload.get("connector", 0)),
                transaction_id=str(payload.get("transaction_id", ""))[:36],
                plan=read_plan(payload),
            )
        case "SetChargingProfile" if "csChargingProfiles" in payload:
            profile = payload["csChargingProfiles"]
            return _of_message(profile, payload["connectorId"])
        case "SetChargingProfile" if "chargingProfile" in payload:
            return _of_message(payload["chargingProfile"], payload["evseId"])
        case "remote_start" if payload.get("charging_profile"):
            return _of_message(payload["charging_profile"], payload.get("connector", 0))
        case "RemoteStartTransaction" if payload.get("chargingProfile"):
            return _of_message(payload["chargingProfile"], payload.get("connectorId", 0))
        case "RequestStartTransaction" if payload.get("chargingProfile"):
            return _of_message(payload["chargingProfile"], payload.get("evseId", 0))
    return None


def _of_message(profile: Mapping[str, Any], connector: Any) -> Wanted:
    """A profile in the form of 1.6, or of 2.x, which calls its number `id`."""
    is_later = "id" in profile
    return Wanted(
        number=int(profile["id" if is_later else "chargingProfileId"]),
        connector=int(connector),
        transaction_id=str(profile.get("transactionId", ""))[:36],
        plan=read_profile(profile) if is_later else read_message(profile),
    )


# --- the charger is asked ---


def asked(command: Command, order: Mapping[str, Any]) -> None:
    """The row exists as soon as the charger is asked; what a profile replaces holds until it has accepted."""
    if command.action in _CLEAR:
        _matching(command, order).update(command=command)
        return
    want = wanted(command.action, order)
    if want is None:
        return
    row, is_new = ChargingProfileAssignment.objects.get_or_create(
        charge_point=command.charge_point,
        connector_number=want.connector,
        profile_number=want.number,
        defaults=_described(command, want) | {"tenant_id": command.tenant_id},
    )
    if is_new:
        return
    changed = {"command": command} if row.is_open else _described(command, want)
    _change(row, **changed)


def _described(command: Command, want: Wanted) -> dict[str, Any]:
    return {
        "state": AssignmentState.REQUESTED,
        "since": timezone.now(),
        "note": "",
        "command": command,
        "transaction_number": want.transaction_id,
        **_content(command.charge_point, want),
    }


def _content(charge_point: ChargePoint, want: Wanted) -> dict[str, Any]:
    return {
        "purpose": want.plan.purpose,
        "stack_level": want.plan.stack_level,
        "content": want.plan.arguments(),
        "valid_to": want.plan.valid_to,
        "profile": _find_profile(charge_point, want),
    }


def _find_profile(charge_point: ChargePoint, want: Wanted) -> ChargingProfile | None:
    """The profile of this number, if it is what was sent: a raw order may use any number."""
    found: ChargingProfile | None = ChargingProfile.objects.filter(
        tenant_id=charge_point.tenant_id, pk=want.number
    ).first()
    return found if found is not None and found.says(want.plan) else None


# --- and has answered ---


def answered(command: Command) -> None:
    """The order has ended as its status says."""
    if command.action in _CLEAR:
        if command.status == CommandStatus.ACCEPTED:
            _end_all(_matching(command, command.payload), AssignmentState.CLEARED, _by(command))
        return
    want = wanted(command.action, command.payload)
    if want is None:
        return
    row = _lock(command, want)
    if row is None:
        return
    if command.status == CommandStatus.ACCEPTED:
        _accept(row, want, command)
    elif row.command_id == command.pk or row.state == AssignmentState.REQUESTED:
        _refuse(row, command)


def nothing_matched(command: Command) -> None:
    """The charger has told that it holds nothing of what it was to clear."""
    if command.action in _CLEAR:
        rows = _matching(command, command.payload)
        _end_all(rows, AssignmentState.CLEARED, "The charger holds no such profile.")


def _lock(command: Command, want: Wanted) -> ChargingProfileAssignment | None:
    rows = ChargingProfileAssignment.objects.select_for_update(of=("self",), no_key=True)
    found: ChargingProfileAssignment | None = rows.filter(
        charge_point_id=command.charge_point_id,
        connector_number=want.connector,
        profile_number=want.number,
    ).first()
    return found


def _accept(row: ChargingProfileAssignment, want: Wanted, command: Command) -> None:
    now = timezone.now()
    if command.action in REMOTE_START:
        # The charger has agreed to try; the profile begins with the session, if one does.
        _change(
            row,
            state=AssignmentState.REQUESTED,
            since=now,
            note="Begins with the session.",
            command=command,
            transaction_number="",
            **_content(command.charge_point, want),
        )
        return
    _change(
        row,
        state=AssignmentState.ACTIVE,
        since=now,
        note="",
        command=command,
        transaction_number=want.transaction_id,
        **_content(command.charge_point, want),
    )
    end_replaced(row)


def end_replaced(row: ChargingProfileAssignment) -> None:
    """End what a profile has taken the place of."""
    rows = ChargingProfileAssignment.objects.filter(
        charge_point_id=row.charge_point_id, state__in=(AssignmentState.ACTIVE, AssignmentState.UNKNOWN)
    ).exclude(pk=row.pk)
    same_place = Q(connector_number=row.connector_number, purpose=row.purpose, stack_level=row.stack_level)
    replaced = rows.filter(same_place | Q(profile_number=row.profile_number))
    _end_all(replaced, AssignmentState.CLEARED, f"Replaced by profile {row.profile_number}.")


def _refuse(row: ChargingProfileAssignment, command: Command) -> None:
    status = CommandStatus(command.status)
    reason = _REFUSED.get(status)
    if reason is None and command.sent_at is None:
        reason = "It could not be sent"
    if reason is not None:
        text = f"{reason}." if not command.summary else f"{reason}: {command.summary}"
        if row.state == AssignmentState.REQUESTED:
            _change(row, state=AssignmentState.REJECTED, since=timezone.now(), note=text)
        else:
            _change(row, note=f"Unchanged. {text}")
        return
    # It was sent, and the charger may have taken it.
    text = f"{status.label}: the charger may or may not hold it. Ask it for its schedule, or send it again."
    _change(row, state=AssignmentState.UNKNOWN, since=timezone.now(), note=text)


def _matching(command: Command, order: Mapping[str, Any]) -> QuerySet[ChargingProfileAssignment]:
    """What the charger may hold of what an order clears."""
    names = _CLEAR[command.action]
    # In 2.x criteria stand in an object of their own.
    given = (
        {**order, **inner} if isinstance(inner := order.get("chargingProfileCriteria"), Mapping) else order
    )
    criteria = {ours: given[name] for name, ours in names.items() if given.get(name) is not None}
    if "purpose" in criteria:
        criteria["purpose"] = purpose_from(str(criteria["purpose"]))
    numbers = [value for name, value in criteria.items() if name != "purpose"]
    rows: QuerySet[ChargingProfileAssignment] = ChargingProfileAssignment.objects.filter(
        charge_point_id=command.charge_point_id, state__in=OPEN_STATES
    )
    if not all(isinstance(number, int) and 0 <= number <= _MAX_INTEGER for number in numbers):
        return rows.none()
    # What was asked for and not answered yet comes after the order to clear.
    return rows.exclude(state=AssignmentState.REQUESTED).filter(**criteria)


def _by(command: Command) -> str:
    return f"Cleared by {command.requested_by_name}." if command.requested_by_name else "Cleared."


def _change(row: ChargingProfileAssignment, **values: Any) -> None:
    if "note" in values:
        values["note"] = values["note"][:200]
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values, "updated_at"])


def _end_all(rows: QuerySet[ChargingProfileAssignment], state: AssignmentState, note: str) -> int:
    now = timezone.now()
    return rows.update(state=state, since=now, updated_at=now, note=note[:200])


# --- time and sessions ---


def end(rows: QuerySet[ChargingProfileAssignment], note: str) -> int:
    """Profiles that have gone without an order, as those of a session do with it."""
    return _end_all(rows, AssignmentState.CLEARED, note)


@atomic
def begin(row: ChargingProfileAssignment, *, connector: int, transaction_id: str) -> int:
    """The session that a remote start was to bring is there: its profile holds, on the connector that it is on."""
    rows = ChargingProfileAssignment.objects
    other = rows.filter(
        charge_point_id=row.charge_point_id, connector_number=connector, profile_number=row.profile_number
    ).exclude(pk=row.pk)
    other.delete()
    now = timezone.now()
    changed = rows.filter(pk=row.pk, state=row.state, since=row.since).update(
        state=AssignmentState.ACTIVE,
        since=now,
        updated_at=now,
        note="",
        connector_number=connector,
        transaction_number=transaction_id,
    )
    if changed:
        row.refresh_from_db()
        end_replaced(row)
    return changed


def expire_due(now: datetime) -> int:
    """End the profiles whose validity is over, and doubt those of sessions where the charger has restarted.

    Profiles outlive a restart (errata 3.37); whether a session does is not known until its stop arrives or it goes on.
    """
    held = ChargingProfileAssignment.objects.filter(state__in=OPEN_STATES)
    ended = _end_all(held.filter(valid_to__lte=now), AssignmentState.EXPIRED, "Its validity has ended.")
    restarted = held.filter(
        purpose=TX, state=AssignmentState.ACTIVE, since__lt=F("charge_point__last_boot_at")
    )
    return ended + _end_all(restarted, AssignmentState.UNKNOWN, "The charger has restarted since.")
