"""What OCPP 2.x adds to composite schedules: limits of others, priority, local generation, modes, updates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chargepoints.charging.composite import Standing, composite
from chargepoints.charging.plan import EXTERNAL, Plan, read_plan
from chargepoints.charging.profile_messages import read_profile

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def standing(purpose: str, limit: int | None, connector: int = 1, **more: Any) -> Standing:
    period = {"start_period": 0, "limit": limit, **more.pop("period", {})}
    values = {"purpose": purpose, "charging_rate_unit": "W", "periods": [period], **more}
    return Standing(plan=read_plan(values), connector=connector, since=START, name=purpose)


def limit_of(*held: Standing, connector: int = 1, has_session: bool = True) -> Decimal | None:
    found = composite(
        held,
        connector=connector,
        start=START,
        end=START + timedelta(hours=1),
        unit="W",
        voltage=230,
        session_start=START if has_session else None,
    )
    return found[0].limit


DEFAULT = standing("TxDefaultProfile", 11_000, 0)


def test_limit_of_others_bounds_a_session() -> None:
    assert limit_of(DEFAULT, standing(EXTERNAL, 4000, 0)) == 4000
    assert limit_of(DEFAULT, standing(EXTERNAL, 4000, 1)) == 4000
    assert limit_of(DEFAULT, standing(EXTERNAL, 4000, 2)) == 11_000


def test_limit_of_others_bounds_the_whole_charger() -> None:
    assert limit_of(standing(EXTERNAL, 4000, 0), connector=0) == 4000
    assert limit_of(standing(EXTERNAL, 4000, 1), connector=0) is None


def test_each_source_bounds_for_itself() -> None:
    assert limit_of(DEFAULT, standing(EXTERNAL, 5000, 0), standing(EXTERNAL, 3000, 0)) == 3000


def test_priority_takes_the_place_of_what_a_session_has() -> None:
    assert limit_of(DEFAULT, standing("TxProfile", 2000), standing("PriorityCharging", 9000, 0)) == 9000


def test_priority_keeps_to_what_the_charger_may() -> None:
    of_charger = standing("ChargePointMaxProfile", 6000, 0)

    assert limit_of(DEFAULT, of_charger, standing("PriorityCharging", 9000, 0)) == 6000


def test_local_generation_comes_on_top() -> None:
    assert limit_of(standing("TxDefaultProfile", 5000, 0), standing("LocalGeneration", 2000, 0)) == 7000
    assert limit_of(standing("LocalGeneration", 2000, 0)) is None


def test_setpoint_counts_as_a_limit_and_feeding_back_as_none_drawn() -> None:
    mode = {"operation_mode": "CentralSetpoint"}

    assert limit_of(standing("TxDefaultProfile", None, period={**mode, "setpoint": 3000})) == 3000
    assert limit_of(standing("TxDefaultProfile", None, period={**mode, "setpoint": -3000})) == 0


def test_idle_draws_nothing_and_limits_of_others_are_not_known() -> None:
    assert limit_of(standing("TxDefaultProfile", None, period={"operation_mode": "Idle"})) == 0
    assert limit_of(standing("TxDefaultProfile", None, period={"operation_mode": "ExternalLimits"})) is None


# --- profiles in the form of 2.x ---


def message(**more: Any) -> dict[str, Any]:
    return {
        "id": 5,
        "stackLevel": 1,
        "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Absolute",
        "validTo": "2026-03-02T18:00:00Z",
        "maxOfflineDuration": 60,
        "chargingSchedule": [
            {
                "id": 1,
                "startSchedule": "2026-03-02T10:00:00Z",
                "duration": 600,
                "chargingRateUnit": "A",
                "minChargingRate": 6.1,
                "useLocalTime": True,
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 16.1, "numberPhases": 1, "phaseToUse": 2, "limit_L2": 3}
                ],
            }
        ],
        **more,
    }


def test_profile_is_read_as_ours() -> None:
    plan: Plan = read_profile(message())

    assert (plan.purpose, plan.kind, plan.stack_level) == ("ChargePointMaxProfile", "Absolute", 1)
    assert (plan.duration, plan.min_charging_rate) == (600, Decimal("6.1"))
    [period] = plan.periods
    assert (period.limit, period.number_phases, period.phase_to_use) == (Decimal("16.1"), 1, 2)
    assert period.details == {"limit_l2": Decimal(3)}
    assert plan.details == {"max_offline_duration": 60, "use_local_time": True}


def test_profile_with_setpoints_is_not_converted() -> None:
    plan = read_profile(message())

    assert plan.in_unit("W", voltage=230) is plan
