"""Charging profiles of a simulated charge point (OCPP 1.6 §3.13 and errata)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_gateway.simulator.profiles import Profiles
from ocpp_gateway.wire import frames
from tests.ocpp_gateway.simulator.helpers import Csms, play
from tests.ocpp_gateway.simulator.test_charge_point import booted

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def profile(
    number: int, limit: float, *, purpose: str = "TxDefaultProfile", level: int = 0, **more: Any
) -> Any:
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": {**schedule, **more},
    }


def having(*installed: tuple[int, Any]) -> Profiles:
    found = Profiles()
    for connector, one in installed:
        found.install(connector=connector, profile=one, at=T0)
    return found


def test_default_of_a_connector_replaces_that_of_all_on_its_level_only() -> None:
    found = having((0, profile(1, 6000)), (1, profile(2, 9000)), (0, profile(3, 4000, level=1, duration=60)))
    assert found.limit_w(1, T0, session_start=T0) == 4000
    assert found.limit_w(1, T0 + timedelta(minutes=2), session_start=T0) == 9000
    assert found.limit_w(2, T0 + timedelta(minutes=2), session_start=T0) == 6000


def test_limit_of_the_charge_point_is_shared_by_the_connectors_that_charge() -> None:
    found = having((0, profile(1, 10000, purpose="ChargePointMaxProfile")), (1, profile(2, 3000)))
    assert found.limit_w(2, T0, session_start=T0, sharing=2) == 5000
    assert found.limit_w(1, T0, session_start=T0, sharing=2) == 3000
    assert found.limit_w(2, T0, session_start=T0) == 10000


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({}, 0),
        ({"profile_id": 1}, 2),
        ({"profile_id": 1, "connector": 2}, 3),  # errata 3.25: all criteria together
        ({"connector": 1}, 1),
        ({"purpose": "TxProfile"}, 2),
        ({"stack_level": 0}, 1),
    ],
)
def test_clear_removes_what_fits_all_criteria(criteria: dict[str, Any], left: int) -> None:
    found = having((1, profile(1, 1)), (1, profile(2, 1, purpose="TxProfile")), (2, profile(3, 1, level=2)))
    every = {"profile_id": None, "connector": None, "purpose": None, "stack_level": None}
    assert found.clear(**{**every, **criteria}) is (left < 3)
    assert len(found) == left


def test_composite_of_the_charge_point_is_what_its_connectors_take() -> None:
    found = having((1, profile(1, 3000)))
    asked: dict[str, Any] = {"at": T0, "duration_s": 60, "unit": "W", "maximum_w": 11000}
    starts: dict[int, datetime | None] = {1: None, 2: None}
    periods = found.composite(connector=0, session_starts=starts, **asked)
    assert periods == [{"startPeriod": 0, "limit": 14000.0}]
    found.install(connector=0, profile=profile(2, 9000, purpose="ChargePointMaxProfile"), at=T0)
    assert found.composite(connector=0, session_starts=starts, **asked)[0]["limit"] == 9000.0


def test_session_that_may_take_nothing_is_suspended_until_the_limit_is_gone() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            await cp.start(1, "TAG1")
            pause = profile(1, 0, purpose="TxProfile")
            assert await csms.ask("SetChargingProfile", connectorId=1, csChargingProfiles=pause) == {
                "status": "Accepted"
            }
            await csms.status(1, "SuspendedEVSE")
            await csms.ask("ClearChargingProfile", id=1)
            await csms.status(1, "Charging")

    play(scenario())


def test_schedule_is_told_without_a_start_of_its_own() -> None:
    """Errata 3.57: the field must be omitted."""

    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            told = await csms.ask("GetCompositeSchedule", connectorId=0, duration=60)
            assert "startSchedule" not in told["chargingSchedule"]
            assert told["scheduleStart"]

    play(scenario())


def test_profile_for_an_unknown_connector_is_an_error() -> None:
    """Errata 3.39."""

    async def scenario() -> None:
        async with Csms() as csms, booted(csms):
            answer = await csms.call(
                "SetChargingProfile", {"connectorId": 9, "csChargingProfiles": profile(1, 1)}
            )
            assert isinstance(answer, frames.CallError)
            assert answer.code == "PropertyConstraintViolation"

    play(scenario())
