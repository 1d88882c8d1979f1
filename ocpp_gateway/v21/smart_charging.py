"""Functional block K: what 2.1 adds to smart charging (K18 to K29)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chargepoints.charging.details import UPDATES, read_wire, write_wire
from chargepoints.charging.running import running_sessions
from chargepoints.models import Command
from chargepoints.services import dynamic_profiles, vehicle_charging
from chargepoints.services.dynamic_profiles import PriorityTold, UpdatePulled, Values
from chargepoints.services.vehicle_charging import Answered
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import Effect
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201 import smart_charging as v201
from ocpp_gateway.v201.charging_profiles import Vocabulary
from transactions.services import smart_charging

Payload = dict[str, Any]

V21 = Vocabulary(label="OCPP 2.1", is_later=True)


# ---------------------------------------------------------------- from the charger
def needs_out(done: Answered) -> Payload:
    return v201.answered(done.status, done.reason)


def priority_in(link: Link, payload: Payload) -> PriorityTold:
    return PriorityTold(
        **link.facts(),
        transaction_id=mapping.text(payload, "transactionId", 36),
        is_active=payload.get("activated") is True,
    )


def pull_in(link: Link, payload: Payload) -> UpdatePulled:
    return UpdatePulled(**link.facts(), profile_number=mapping.whole(payload.get("chargingProfileId"), -1))


def pull_out(values: Values | None) -> Payload:
    if values is None:
        return v201.answered("Rejected", "There is no dynamic profile of this number.", "InvalidProfile")
    return {"status": "Accepted", "scheduleUpdate": write_wire(values, UPDATES)}


# ---------------------------------------------------------------- to the charger
def update_schedule(payload: Payload) -> Payload:
    """UpdateDynamicSchedule (K28.FR.06)."""
    return {"chargingProfileId": payload["profile_id"], "scheduleUpdate": write_wire(payload, UPDATES)}


# ---------------------------------------------------------------- what answers tell
def _update_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    update = request.get("scheduleUpdate")
    if response.get("status") != "Accepted" or not isinstance(update, Mapping):
        return ()
    return [partial(_keep_update, mapping.whole(request.get("chargingProfileId"), -1), update)]


def _keep_update(number: int, update: Mapping[str, Any], command: Command) -> None:
    dynamic_profiles.updated(command, number, read_wire(update, UPDATES))


def _allow_effects(request: Payload, response: Payload) -> Sequence[Effect]:
    modes = request.get("allowedEnergyTransfer")
    if response.get("status") != "Accepted" or not isinstance(modes, list):
        return ()
    return [partial(_keep_allowed, str(request.get("transactionId", "")), modes)]


def _keep_allowed(transaction_id: str, modes: list[str], command: Command) -> None:
    sessions = running_sessions(command.charge_point).values()
    session = next((one for one in sessions if one.transaction_id == transaction_id), None)
    vehicle_charging.allow_transfers(command, session, modes)


BLOCK = Block(
    actions={
        "NotifyEVChargingNeeds": Action(v201.needs_in, smart_charging.NEEDS, needs_out),
        "NotifyPriorityCharging": Action(priority_in, smart_charging.PRIORITY, v201.nothing_out),
        "PullDynamicScheduleUpdate": Action(pull_in, dynamic_profiles.UPDATE_PULLED, pull_out),
    },
    calls={
        "set_charging_profile": sent_as("SetChargingProfile", partial(v201.set_profile, V21)),
        "clear_charging_profile": sent_as("ClearChargingProfile", partial(v201.clear_profile, V21)),
        "use_priority_charging": sent_as(
            "UsePriorityCharging",
            partial(mapping.copied, transaction_id="transactionId", activate="activate"),
        ),
        "update_dynamic_schedule": sent_as("UpdateDynamicSchedule", update_schedule),
        "allow_energy_transfer": sent_as(
            "NotifyAllowedEnergyTransfer",
            partial(mapping.copied, transaction_id="transactionId", modes="allowedEnergyTransfer"),
        ),
    },
    sentences={
        ("UsePriorityCharging", "NoProfile"): "The charger has no profile for priority: set one first.",
        ("UsePriorityCharging", "Rejected"): "The charger does not give this session priority.",
        ("UpdateDynamicSchedule", "Rejected"): "The charger has no dynamic profile of this number.",
        ("NotifyAllowedEnergyTransfer", "Rejected"): "The charger does not take this for the session.",
    },
    effects={
        "UpdateDynamicSchedule": _update_effects,
        "NotifyAllowedEnergyTransfer": _allow_effects,
    },
)
