"""A higher security profile on its way to a charger: when the old one stops working.

From the moment the order is sent both work: the answer may be lost, and the charger falls back when it cannot connect
with the new one.  The first success with the new one ends the old one for good; a refusal ends the new one.
Spec: OCPP 1.6 security whitepaper A00.FR.005, A05.FR.01–09.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from chargepoints.choices import OPEN_UPGRADE_STATUSES, CommandStatus, SecurityProfile, UpgradeStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Command, SecurityProfileUpgrade
from chargepoints.variable_names import canonical
from csms_project.common import events

ACTION = "change_configuration"
KEY = "SecurityProfile"

_ACTIONS = frozenset({ACTION, "ChangeConfiguration"})
_NO_ANSWER = "The charger did not answer: it may come with either profile."


def find_target(action: str, payload: Mapping[str, Any]) -> int | None:
    """The security profile that an order would set; None: it sets none that exists."""
    if action not in _ACTIONS or canonical(str(payload.get("key", ""))) != KEY.casefold():
        return None
    value = str(payload.get("value", "")).strip()
    return int(value) if value in {str(profile.value) for profile in SecurityProfile} else None


def check(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """Refuse what must never be ordered, and what would lock the charger out.

    Raises  InvalidPayload
    """
    target = find_target(action, payload)
    if target is None or target == charge_point.security_profile:
        return
    name = "payload" if action[:1].isupper() else "value"
    if target < charge_point.security_profile:
        raise InvalidPayload(
            {
                name: f"The security profile is {charge_point.security_profile}; OCPP must not lower it. Change it at "
                "the charger, and then in its settings here."
            }
        )
    other = open_of(charge_point)
    if other is not None and other.target_profile != target:
        raise InvalidPayload(
            {name: f"An upgrade to profile {other.target_profile} is under way: cancel it first."}
        )
    if problem := missing_key(charge_point, target):
        raise InvalidPayload({name: problem})


def missing_key(charge_point: ChargePoint, target: int) -> str:
    """Why the charger could not sign in with its key afterwards; empty: it could."""
    needs_key = target in (SecurityProfile.BASIC, SecurityProfile.TLS_BASIC)
    if needs_key and not (charge_point.key_hash or charge_point.pending_key_hash):
        return "This security profile needs an authorization key: give the charger one first."
    return ""


def open_of(charge_point: ChargePoint) -> SecurityProfileUpgrade | None:
    """The upgrade of a charger that is under way."""
    rows = SecurityProfileUpgrade.objects.filter(charge_point=charge_point, status__in=OPEN_UPGRADE_STATUSES)
    found: SecurityProfileUpgrade | None = rows.select_related("charge_point", "command").first()
    return found


# ---------------------------------------------------------------- the order
def asked(command: Command) -> None:
    """An order was queued: the upgrade exists from now on, whoever ordered it and in which form."""
    target = find_target(command.action, command.payload)
    charge_point = command.charge_point
    if target is None or target <= charge_point.security_profile:
        return
    lock(charge_point.pk)
    row = open_of(charge_point) or SecurityProfileUpgrade(
        tenant_id=command.tenant_id,
        charge_point=charge_point,
        from_profile=charge_point.security_profile,
        target_profile=target,
        requested_by_name=command.requested_by_name,
    )
    is_new = row.pk is None
    row.command, row.over_ocpp, row.status, row.detail = command, True, UpgradeStatus.REQUESTED, ""
    row.save()
    if is_new:
        tell_begun(row, by=command.requested_by_name)


def expect(charge_point: ChargePoint, target: int, *, by: str) -> None:
    """Somebody makes the change at the charger: it may come with the new profile from now on."""
    row = SecurityProfileUpgrade.objects.create(
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        from_profile=charge_point.security_profile,
        target_profile=target,
        over_ocpp=False,
        status=UpgradeStatus.WAITING,
        requested_by_name=by[:150],
        detail="Change the profile, and the address if it is another one, at the charger.",
    )
    ChargePoint.objects.filter(pk=charge_point.pk).update(pending_security_profile=target)
    tell_begun(row, by=by)


def sent(command: Command) -> None:
    """The order leaves for the charger: from now on both profiles work."""
    row = _of(command)
    if row is not None:
        ChargePoint.objects.filter(pk=row.charge_point_id, security_profile__lt=row.target_profile).update(
            pending_security_profile=row.target_profile
        )


def ended(command: Command) -> None:
    """The order has ended as its status and response say."""
    row = _of(command)
    if row is None:
        return
    if command.status == CommandStatus.ACCEPTED:
        response = command.response if isinstance(command.response, dict) else {}
        waits = response.get("status") == "RebootRequired"
        _move(row, UpgradeStatus.WAITING, "It wants to be restarted first." if waits else "")
    elif command.status in (CommandStatus.REJECTED, CommandStatus.NOT_SUPPORTED):
        close(row, UpgradeStatus.REJECTED, _refusal(command))
    elif command.sent_at is None:
        close(
            row, UpgradeStatus.CANCELLED, f"The order was never sent: {command.get_status_display().lower()}."
        )
    else:
        _move(row, UpgradeStatus.WAITING, _NO_ANSWER)


def _refusal(command: Command) -> str:
    if command.status == CommandStatus.NOT_SUPPORTED:
        return (
            "It does not know the key SecurityProfile: change its address and profile at the charger itself."
        )
    return "It refused the profile: a certificate or the key that the profile needs is missing there."


def _of(command: Command) -> SecurityProfileUpgrade | None:
    """The open upgrade whose latest order this is."""
    if find_target(command.action, command.payload) is None:
        return None
    lock(command.charge_point_id)
    rows = SecurityProfileUpgrade.objects.filter(command=command, status__in=OPEN_UPGRADE_STATUSES)
    found: SecurityProfileUpgrade | None = rows.first()
    return found


def lock(charge_point_id: int) -> None:
    """Handshakes take the charge point's lock as well before they decide about an upgrade."""
    ChargePoint.objects.select_for_update(no_key=True).filter(pk=charge_point_id).values("pk").first()


def _move(row: SecurityProfileUpgrade, status: UpgradeStatus, detail: str) -> None:
    # Where the charger came back with the old profile before its answer was here, that stays said.
    if row.status == UpgradeStatus.REQUESTED:
        row.status, row.detail = status, detail
        row.save(update_fields=["status", "detail", "updated_at"])


def close(row: SecurityProfileUpgrade, status: UpgradeStatus, detail: str = "") -> None:
    """End an upgrade that did not happen: from now on only the old profile works."""
    ChargePoint.objects.filter(pk=row.charge_point_id).update(pending_security_profile=None)
    row.status, row.detail, row.ended_at = status, detail[:255], timezone.now()
    row.save(update_fields=["status", "detail", "ended_at", "updated_at"])
    _tell(row, "charge_point.profile_upgrade_ended", status=row.status, detail=row.detail)


def tell_begun(row: SecurityProfileUpgrade, *, by: str) -> None:
    """An upgrade exists from now on."""
    _tell(row, "charge_point.profile_upgrade_started", by=by)


def _tell(row: SecurityProfileUpgrade, kind: str, **data: str) -> None:
    events.record(
        kind,
        tenant_id=row.tenant_id,
        object_type="charge_point",
        object_id=row.charge_point_id,
        charge_point=row.charge_point.identity,
        data={"from": row.from_profile, "to": row.target_profile, **data},
    )


# ---------------------------------------------------------------- the charger comes
def succeeded(charge_point_id: int, profile: int, at: datetime) -> None:
    """The charger has connected with the new profile: the old one never works again (A05.FR.09)."""
    ChargePoint.objects.filter(pk=charge_point_id, security_profile__lt=profile).update(
        security_profile=profile, pending_security_profile=None, updated_at=at
    )
    rows = SecurityProfileUpgrade.objects.filter(
        charge_point_id=charge_point_id, status__in=OPEN_UPGRADE_STATUSES
    )
    rows.update(status=UpgradeStatus.DONE, detail="", ended_at=at, updated_at=at)


def came_back(charge_point_id: int, profile: int, why: str) -> bool:
    """The charger has connected with the old profile although it was to take the new one; true the first time."""
    rows = SecurityProfileUpgrade.objects.filter(
        charge_point_id=charge_point_id, status=UpgradeStatus.WAITING, over_ocpp=True
    )
    detail = f"It came with profile {profile} again"
    detail += f": {why}." if why else "; refused connections may say why."
    return bool(rows.update(status=UpgradeStatus.FELL_BACK, detail=detail[:255], updated_at=timezone.now()))
