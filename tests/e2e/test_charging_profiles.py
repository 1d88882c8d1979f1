"""Limits of a session over a real socket, from the button to the chart (OCPP 1.6 §3.13, §5.5, §5.7, §5.16)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints.charging import outlook
from chargepoints.charging.plan import TX_DEFAULT, WATT
from chargepoints.charging.running import running_sessions
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, ChargingProfile, ChargingProfileAssignment
from chargepoints.services import charging_profiles
from ocpp_gateway import simulator
from ocpp_gateway.simulator.meter import Load, PowerCurve
from tests import factories
from tests.e2e.conftest import default_tenant, order, register, register_tag, wait_ended
from tests.e2e.product import Product, wait_until
from transactions.models import Transaction
from transactions.services import limits

pytestmark = pytest.mark.server

SYSTEM = Actor.system("tests", via="cli")
CAR_W = 11_000


class Driver:
    """A simulated charge point with a car that takes 11 kW, in a loop and thread of its own."""

    def __init__(self, product: Product, identity: str, tag: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        station = simulator.Station(
            url=product.url, identity=identity, key=factories.CHARGER_KEY, connectors=2
        )
        self.charger = self.do(self._made(station))
        self.do(self.charger.connect())
        self.do(self.charger.boot())
        self.do(self._plug_in(tag))

    async def _made(self, station: simulator.Station) -> simulator.ChargePoint16:
        return simulator.ChargePoint16(station)

    async def _plug_in(self, tag: str) -> None:
        session = await self.charger.start(1, tag)
        began = session.started_at - timedelta(minutes=5)  # behind the ramp
        self.charger.connectors[1].load = Load(
            curve=PowerCurve(power_w=CAR_W, length_s=36_000),
            since=began,
            soc_start=20,
            capacity_wh=60_000,
            metered_until=session.started_at,
        )

    def do(self, work: Any) -> Any:
        """Run a coroutine of the charger."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(40)

    def sample(self) -> None:
        """Send a reading and wait until it is acknowledged."""
        self.do(self.charger.meter(1))

    def close(self) -> None:
        self.do(self.charger.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def driver(product: Product) -> Iterator[Driver]:
    if not ChargePoint.objects.filter(identity="LIMITED").exists():
        register("LIMITED")
        register_tag("LIMITED-TAG")
    found = Driver(product, "LIMITED", "LIMITED-TAG")
    yield found
    found.close()


def drawn(charge_point: ChargePoint) -> list[int]:
    """What the chart shows of the running session, in watts."""
    session = running_sessions(charge_point, with_power=True)[1]
    return [int(watts) for _, watts in session.power]


def state_of(number: int) -> str:
    return ChargingProfileAssignment.objects.get(profile_number=number).state


def test_limits_reach_the_meter_and_the_chart_and_end_with_the_session(
    product: Product, driver: Driver
) -> None:
    charge_point = ChargePoint.objects.get(identity="LIMITED")
    session = Transaction.objects.get(charge_point=charge_point, state="active")
    driver.sample()
    assert drawn(charge_point) == [CAR_W]

    # A profile for every session.
    profile = charging_profiles.create_profile(
        actor=SYSTEM,
        tenant=default_tenant(),
        name="Site",
        purpose=TX_DEFAULT,
        kind="Relative",
        charging_rate_unit="W",
        periods=[{"start_period": 0, "limit": Decimal("7400.5")}],
    )
    done = charging_profiles.assign(actor=SYSTEM, profile=profile, charge_point=charge_point, connector=0)
    assert wait_ended(done.command).status == CommandStatus.ACCEPTED
    assert state_of(profile.pk) == "active"
    driver.sample()

    # A limit of this session's own, lower.
    plan = charging_profiles.constant(Decimal("8.1"), "A", number_phases=1)
    own = limits.limit(actor=SYSTEM, transaction=session, plan=plan)
    assert wait_ended(own.command).status == CommandStatus.ACCEPTED
    assert own.command.request["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 8.1, "numberPhases": 1}
    ]
    driver.sample()
    assert drawn(charge_point) == [CAR_W, 7400, 1863]

    # Expected, reported and drawn agree.
    now = own.assignment.since + timedelta(minutes=1)
    running = running_sessions(charge_point)[1]
    expected = outlook.computed(
        outlook.standing_profiles(charge_point),
        connector=1,
        start=now,
        duration=timedelta(hours=1),
        unit=WATT,
        session=running,
    )
    assert [one.limit for one in expected] == [Decimal("1863.0")]
    asked = charging_profiles.ask_schedule(
        actor=SYSTEM, charge_point=charge_point, connector=1, duration=timedelta(hours=1)
    )
    assert wait_ended(asked).status == CommandStatus.ACCEPTED
    reported = outlook.reports_of(charge_point)[1]
    assert reported.periods == [{"start_period": 0, "limit": "1863.0"}]

    # Without its own limit the session keeps to that of every session.
    assert wait_ended(limits.remove_limit(actor=SYSTEM, transaction=session)).status == CommandStatus.ACCEPTED
    driver.sample()
    assert drawn(charge_point)[-1] == 7400

    # A profile of the session ends with it, by the job of the server; the other one stays.
    again = limits.limit(actor=SYSTEM, transaction=session, plan=plan)
    assert wait_ended(again.command).status == CommandStatus.ACCEPTED
    driver.do(driver.charger.stop(1))
    number = again.assignment.profile_number
    wait_until(lambda: state_of(number) == "cleared", "the profile has ended with its session")
    assert state_of(profile.pk) == "active"
    assert len(driver.charger.profiles) == 1

    # What a raw order clears is known to be gone.
    assert wait_ended(order("LIMITED", "ClearChargingProfile")).status == CommandStatus.ACCEPTED
    assert state_of(profile.pk) == "cleared"
    charging_profiles.delete_profile(actor=SYSTEM, profile=profile)
    assert not ChargingProfile.objects.filter(pk=profile.pk).exists()


def test_charger_that_refuses_and_one_that_knows_nothing_are_told_apart(
    product: Product, driver: Driver
) -> None:
    charge_point = ChargePoint.objects.get(identity="LIMITED")
    high: dict[str, Any] = {
        "profile_id": 77,
        "connector": 1,
        "purpose": "TxDefaultProfile",
        "stack_level": 9999,
    }
    refused = order("LIMITED", "set_charging_profile", **high, periods=[{"start_period": 0, "limit": 6}])
    assert wait_ended(refused).status == CommandStatus.REJECTED
    row = ChargingProfileAssignment.objects.get(charge_point=charge_point, profile_number=77)
    assert (row.state, row.note) == (
        "rejected",
        "The charger refused it: The charger does not take this profile.",
    )
    unknown = order("LIMITED", "clear_charging_profile", profile_id=4711)
    assert wait_ended(unknown).status == CommandStatus.REJECTED
    driver.do(driver.charger.stop(1))
