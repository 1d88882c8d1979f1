"""The commands we offer, free of any OCPP version: the gateway maps them to the version spoken.

One table serves the forms of the admin, the REST API and its document, and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec, clean_values
from chargepoints.command_tables import (
    battery_swap,
    certificates,
    core,
    cost,
    der,
    display,
    firmware,
    local_list,
    monitoring,
    remote_trigger,
    reservation,
)
from chargepoints.command_tables import device_model as devices
from chargepoints.command_tables import smart_charging as charging
from chargepoints.errors import InvalidPayload, UnknownAction

#: Heading in the admin, commands under it.
GROUPS: tuple[tuple[str, tuple[CommandSpec, ...]], ...] = (
    ("Charging and operation", (*core.CORE, *remote_trigger.REMOTE_TRIGGER)),
    ("Device model", devices.DEVICE_MODEL),
    ("Reservations", reservation.RESERVATION),
    ("Charging profiles", charging.SMART_CHARGING),
    ("Local list of tags", local_list.LOCAL_LIST),
    ("Firmware and logs", firmware.FIRMWARE),
    ("Certificates", certificates.CERTIFICATES),
    ("Display", display.DISPLAY),
    ("Monitors and events", monitoring.MONITORING),
    ("Tariffs and costs", cost.COST),
    ("Grid", der.DER),
    ("Battery swapping", battery_swap.BATTERY_SWAP),
)

NEUTRAL: dict[str, CommandSpec] = {spec.action: spec for _, specs in GROUPS for spec in specs}

#: Commands, in both forms, that a charger which is not accepted must not get (OCPP 1.6 §4.2).
START_AND_STOP = frozenset(
    {
        "remote_start",
        "remote_stop",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "RequestStartTransaction",
        "RequestStopTransaction",
    }
)


#: Remote starts in both forms, and how long the session that they ask for may take to begin.
REMOTE_STARTS = ("remote_start", "RemoteStartTransaction", "RequestStartTransaction")
SESSION_WINDOW = timedelta(minutes=10)


def get_spec(action: str) -> CommandSpec:
    """The command of this name, or one that stands for an OCPP action sent verbatim (PascalCase).

    Raises  UnknownAction
    """
    if action in NEUTRAL:
        return NEUTRAL[action]
    if action[:1].isupper() and action.isascii() and action.isalnum() and len(action) <= 64:
        return CommandSpec(
            action=action,
            label=action,
            description="An OCPP message, sent as it is.",
            dangerous=True,
            permission=SEND_DANGEROUS,
            confirm="Send this message as it is?",
        )
    raise UnknownAction(f"There is no command “{action[:64]}”.")


def clean(action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a neutral command, checked and completed with defaults; absent arguments stay absent.

    Raises  UnknownAction   no neutral command of this name
            InvalidPayload  with one message for each wrong field
    """
    if action not in NEUTRAL:
        raise UnknownAction(f"There is no command “{action[:64]}”.")
    if not isinstance(payload, Mapping):
        raise InvalidPayload({"payload": "Must be an object."})
    spec = NEUTRAL[action]
    cleaned, errors = clean_values(spec.fields, payload)
    if not errors and spec.check is not None:
        errors = spec.check(cleaned)
    if errors:
        raise InvalidPayload(errors)
    return cleaned
