"""A higher security profile by way of network profiles (2.0.1 A05, B09, B10), for chargers that have no key for it.

Three orders, one after the other: a network profile with the new security profile into a slot that is not in use, that
slot in front of NetworkConfigurationPriority, a restart.  From the second on both security profiles work, as in
`profile_changes`; what ends the old one is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chargepoints import profile_changes
from chargepoints.choices import OPEN_UPGRADE_STATUSES, CommandStatus, SecurityProfile, UpgradeStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Command, SecurityProfileUpgrade
from chargepoints.selectors import find_value
from csms_project.common import jobs

#: The orders of an upgrade, in this sequence, by the neutral commands that give them.
PROFILE, PRIORITY, RESET = "set_network_profile", "change_configuration", "reset"
STEPS = (PROFILE, PRIORITY, RESET)
PRIORITY_KEY = "OCPPCommCtrlr/NetworkConfigurationPriority"
DOWNGRADE_KEY = "SecurityCtrlr/AllowSecurityProfileDowngrade"
JOB = "chargepoints.go_on_with_upgrades"

_NO_ANSWER = "The charger did not answer: try again."
_REFUSALS = {
    PROFILE: "It refused the network profile: see the order.",
    PRIORITY: "It refused to use the new network profile: a root certificate of this system, or its own certificate, "
    "is missing there.",
}


def check(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """Refuse a network profile that is less secure than the charger is now.

    Only from 3 to 2, and only where the charger allows it (2.0.1 A00.FR.005, A05.FR.08–10 by the errata).

    Raises  InvalidPayload
    """
    target = _profile_in(action, payload)
    present = charge_point.security_profile
    if target is None or target >= present:
        return
    is_one_down = (present, target) == (SecurityProfile.TLS_CERTIFICATE, SecurityProfile.TLS_BASIC)
    if is_one_down and (find_value(charge_point, DOWNGRADE_KEY) or "").casefold() == "true":
        return
    name = "payload" if action[:1].isupper() else "security_profile"
    raise InvalidPayload(
        {
            name: f"The security profile is {present}; it must not be lowered over OCPP, but for 3 to 2 where the "
            "charger's AllowSecurityProfileDowngrade is true."
        }
    )


def _profile_in(action: str, payload: Mapping[str, Any]) -> int | None:
    if action == PROFILE:
        return int(payload["security_profile"])
    data = payload.get("connectionData") if action == "SetNetworkProfile" else None
    profile = data.get("securityProfile") if isinstance(data, Mapping) else None
    return profile if isinstance(profile, int) else None


# ---------------------------------------------------------------- the orders
def sent(command: Command) -> None:
    """An order leaves: with the new priority the charger may come with either profile."""
    row = _of(command)
    if row is not None and command.action == PRIORITY:
        ChargePoint.objects.filter(pk=row.charge_point_id, security_profile__lt=row.target_profile).update(
            pending_security_profile=row.target_profile
        )


def ended(command: Command) -> None:
    """An order has ended as its status says: the next one, or the end."""
    row = _of(command)
    if row is None:
        return
    if command.status == CommandStatus.ACCEPTED:
        _go_on(row, command.action)
    elif command.sent_at is None:
        ended_as = command.get_status_display().lower()
        profile_changes.close(row, UpgradeStatus.CANCELLED, f"An order was never sent: {ended_as}.")
    elif command.status not in (CommandStatus.REJECTED, CommandStatus.NOT_SUPPORTED):
        error = command.error if isinstance(command.error, Mapping) else {}
        said = str(error.get("description") or error.get("code") or "")
        _wait(row, f"The charger answered with an error ({said[:150]}): try again." if said else _NO_ANSWER)
    elif command.action in _REFUSALS:
        words = " ".join(filter(None, (_REFUSALS[command.action], command.summary)))
        profile_changes.close(row, UpgradeStatus.REJECTED, words)
    else:
        _wait(row, "It did not restart: restart it at the charger, or try again.")


def _go_on(row: SecurityProfileUpgrade, done: str) -> None:
    if done == RESET:
        _wait(row, "It restarts, and connects with the new network profile.")
        return
    row.next_step = STEPS[STEPS.index(done) + 1]
    row.save(update_fields=["next_step", "updated_at"])
    jobs.enqueue(JOB)


def _wait(row: SecurityProfileUpgrade, detail: str) -> None:
    row.status, row.detail, row.next_step = UpgradeStatus.WAITING, detail, ""
    row.save(update_fields=["status", "detail", "next_step", "updated_at"])


def _of(command: Command) -> SecurityProfileUpgrade | None:
    """The open upgrade whose latest order this is."""
    if command.action not in STEPS:
        return None
    rows = SecurityProfileUpgrade.objects.filter(
        command=command, status__in=OPEN_UPGRADE_STATUSES, network__isnull=False
    )
    if not rows.exists():
        return None
    profile_changes.lock(command.charge_point_id)
    found: SecurityProfileUpgrade | None = rows.select_related("charge_point").first()
    return found


def order_of(row: SecurityProfileUpgrade, step: str) -> dict[str, Any]:
    """The arguments of an order."""
    network: dict[str, Any] = row.network or {}
    match step:
        case "set_network_profile":
            return {
                "slot": network["slot"],
                "url": network["url"],
                "interface": network["interface"],
                "security_profile": str(row.target_profile),
            }
        case "change_configuration":
            return {"key": PRIORITY_KEY, "value": network["priority"]}
    return {"kind": "OnIdle"}


def step_to_repeat(row: SecurityProfileUpgrade) -> str:
    """With which order an upgrade goes on that has stopped: the one that failed, or the restart again."""
    command = row.command
    if command is None or command.action not in STEPS:
        return PROFILE
    return command.action
