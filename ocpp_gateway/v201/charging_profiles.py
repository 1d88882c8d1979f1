"""Our charging profiles as ChargingProfileType (2.0.1 part 2 §2.11–2.15, 2.1 §2.16–2.21).

The domain reads them: `chargepoints.charging.profile_messages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from chargepoints.charging.details import KNOWN_TO_201, PERIOD, PROFILE, SCHEDULE, write_wire
from chargepoints.charging.plan import (
    ABSOLUTE,
    CHARGE_POINT_MAX,
    DYNAMIC,
    LOCAL_GENERATION,
    PRIORITY,
    RECURRING,
    RELATIVE,
    TX,
)
from chargepoints.charging.profile_messages import STATION_MAX
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.reading import copied, times
from ocpp_gateway.wire.timestamps import format_timestamp

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a version can say of profiles.

    label     how people call it
    is_later  it knows modes of operation, dynamic profiles, priority
    """

    label: str
    is_later: bool


V201 = Vocabulary(label="OCPP 2.0.1", is_later=False)


def purpose_of(ours: str) -> str:
    """Our purpose in their words."""
    return STATION_MAX if ours == CHARGE_POINT_MAX else ours


# ---------------------------------------------------------------- ours → theirs
def profile_of(payload: Payload, vocabulary: Vocabulary, *, starts_session: bool = False) -> Payload:
    """The arguments of set_charging_profile as a profile.

    One schedule: a second one makes it unclear which the vehicle follows (K15.FR.18).  Raises CannotSend

    starts_session  it goes with a remote start, so that there is no session to name yet (F01.FR.09)
    """
    _check_words(payload, vocabulary)
    _check_times(payload)
    if payload["purpose"] == TX and not starts_session and not payload.get("transaction_id"):
        raise CannotSend("A TxProfile needs the transaction_id of its session.")
    profile = {
        **copied(payload, profile_id="id", stack_level="stackLevel"),
        "chargingProfilePurpose": purpose_of(payload["purpose"]),
        **copied(payload, kind="chargingProfileKind", recurrency_kind="recurrencyKind"),
        **times(payload, valid_from="validFrom", valid_to="validTo"),
        **copied(payload, transaction_id="transactionId"),
        **write_wire(payload, PROFILE),
        "chargingSchedule": [_schedule(payload)],
    }
    if _counts_from_itself(payload):
        # K01.FR.38: never Relative; the same meaning is a schedule that has begun.
        profile["chargingProfileKind"] = ABSOLUTE
        profile["chargingSchedule"][0]["startSchedule"] = format_timestamp(timezone.now())
    return profile


def _counts_from_itself(payload: Payload) -> bool:
    return (payload["purpose"], payload.get("kind", RELATIVE)) == (CHARGE_POINT_MAX, RELATIVE)


def _schedule(payload: Payload) -> Payload:
    return {
        "id": 1,
        **times(payload, start_schedule="startSchedule"),
        **copied(
            payload,
            duration="duration",
            charging_rate_unit="chargingRateUnit",
            min_charging_rate="minChargingRate",
        ),
        **write_wire(payload, SCHEDULE),
        "chargingSchedulePeriod": [_period(period) for period in payload["periods"]],
    }


def _period(period: Payload) -> Payload:
    return {
        **copied(
            period,
            start_period="startPeriod",
            limit="limit",
            number_phases="numberPhases",
            phase_to_use="phaseToUse",
        ),
        **write_wire(period, PERIOD),
    }


def _check_words(payload: Payload, vocabulary: Vocabulary) -> None:
    if vocabulary.is_later:
        return
    label = vocabulary.label
    if payload["purpose"] in (PRIORITY, LOCAL_GENERATION):
        raise CannotSend(f"{label} knows no profiles of the purpose {payload['purpose']}.")
    if payload.get("kind") == DYNAMIC:
        raise CannotSend(f"{label} knows no dynamic profiles.")
    names = [field for field in (*PROFILE, *SCHEDULE) if field.name not in KNOWN_TO_201]
    beyond = next((field.name for field in names if payload.get(field.name) is not None), "") or next(
        (field.name for row in payload["periods"] for field in PERIOD if row.get(field.name) is not None), ""
    )
    if beyond:
        raise CannotSend(f"{label} cannot say {beyond}.")


def _check_times(payload: Payload) -> None:
    """K01.FR.40 and 41, which 1.6 leaves open."""
    kind, start = payload.get("kind", RELATIVE), payload.get("start_schedule")
    if kind in (ABSOLUTE, RECURRING) and start is None:
        raise CannotSend(f"A profile of the kind {kind} needs start_schedule.")
    if kind in (RELATIVE, DYNAMIC) and start is not None:
        raise CannotSend(f"A profile of the kind {kind} has no start_schedule.")
    if kind == RECURRING and payload.get("recurrency_kind") is None:
        raise CannotSend("A recurring profile needs recurrency_kind.")
