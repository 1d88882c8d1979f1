"""Smart charging of 2.1: priority, dynamic profiles, modes of operation, ISO 15118-20 (K18 to K29, Q)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints.choices import AssignmentState, CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import (
    ChargePoint,
    ChargingProfileAssignment,
    Command,
    PriorityCharging,
    VehicleNeeds,
)
from chargepoints.services import dynamic_profiles
from tests.factories import T0, VariableFactory
from tests.ocpp_gateway.v201.helpers import Csms21, Order, Payload, clock, event, token

pytestmark = pytest.mark.usefixtures("token")

CURVE = [{"frequency": 49.8, "power": 5000}, {"frequency": 50.2, "power": -5000}]


def order_profile(csms: Csms21, charge_point: ChargePoint, **given: Any) -> Order:
    """A set_charging_profile with number 7, of one period unless given otherwise."""
    payload = {
        "profile_id": 7,
        "connector": 1,
        "purpose": "TxDefaultProfile",
        "charging_rate_unit": "W",
        "periods": [{"start_period": 0, "limit": 11_000}],
        **given,
    }
    return csms.order(charge_point, "set_charging_profile", payload)


def profile_in(order: Order) -> Payload:
    found: Payload = order.payload["chargingProfile"]
    return found


def begin(csms: Csms21, charge_point: ChargePoint) -> None:
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))


def sent(csms: Csms21, charge_point: ChargePoint) -> Order:
    """The next frame that the charger gets, to be answered."""
    [(message_id, action, payload)] = csms.due(charge_point)
    command = Command.objects.order_by("-pk").get(charge_point=charge_point, status=CommandStatus.SENT)
    return Order(csms, charge_point, command, message_id, action, payload)


# --- profiles ---


def test_fields_of_a_profile_are_those_of_2_1(csms: Csms21, charge_point: ChargePoint) -> None:
    """K01.FR.96, 104, 105: local time, random delay, offline validity, limit at a state of charge."""
    order = order_profile(
        csms,
        charge_point,
        max_offline_duration=3600,
        invalid_after_offline_duration=True,
        use_local_time=True,
        randomized_delay=120,
        limit_at_soc={"soc": 80, "limit": 5500},
    )

    profile = profile_in(order)
    assert (profile["maxOfflineDuration"], profile["invalidAfterOfflineDuration"]) == (3600, True)
    [schedule] = profile["chargingSchedule"]
    assert (schedule["useLocalTime"], schedule["randomizedDelay"]) == (True, 120)
    assert schedule["limitAtSoC"] == {"soc": 80, "limit": 5500}


def test_limits_of_single_phases_keep_their_digits(csms: Csms21, charge_point: ChargePoint) -> None:
    """K01: limit_L2 and limit_L3 beside limit, exactly."""
    periods = [{"start_period": 0, "limit": 16.1, "limit_l2": 10.3, "limit_l3": 0}]

    order = order_profile(csms, charge_point, charging_rate_unit="A", periods=periods)

    assert profile_in(order)["chargingSchedule"][0]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 16.1, "limit_L2": 10.3, "limit_L3": 0}
    ]


@pytest.mark.parametrize(
    ("period", "wanted"),
    [
        (
            {"operation_mode": "CentralSetpoint", "setpoint": -5000, "setpoint_reactive": 100},
            {"operationMode": "CentralSetpoint", "setpoint": -5000, "setpointReactive": 100},
        ),
        (
            {"operation_mode": "LocalFrequency", "v2x_baseline": 1000, "v2x_freq_watt_curve": CURVE},
            {"operationMode": "LocalFrequency", "v2xBaseline": 1000, "v2xFreqWattCurve": CURVE},
        ),
        (
            {"operation_mode": "ExternalSetpoint", "limit": 7000, "discharge_limit": -6000},
            {"operationMode": "ExternalSetpoint", "limit": 7000, "dischargeLimit": -6000},
        ),
        ({"operation_mode": "ExternalLimits"}, {"operationMode": "ExternalLimits"}),
        ({"operation_mode": "LocalLoadBalancing"}, {"operationMode": "LocalLoadBalancing"}),
        ({"operation_mode": "Idle", "evse_sleep": True}, {"operationMode": "Idle", "evseSleep": True}),
        ({"limit": 7000, "preconditioning_request": True}, {"limit": 7000, "preconditioningRequest": True}),
    ],
)  # fmt: skip
def test_modes_of_operation(
    csms: Csms21, charge_point: ChargePoint, period: Payload, wanted: Payload
) -> None:
    """Q03.FR.01, Q05, Q08.FR.01, Q09, Q10.FR.01"""
    order = order_profile(csms, charge_point, periods=[{"start_period": 0, **period}])

    assert profile_in(order)["chargingSchedule"][0]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, **wanted}
    ]
    order.answer(status="Accepted")
    kept = ChargingProfileAssignment.objects.get().plan.periods[0]
    assert kept.details.get("operation_mode") == period.get("operation_mode")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"periods": [{"start_period": 0, "operation_mode": "CentralSetpoint"}]}, "setpoint"),
        ({"periods": [{"start_period": 0, "operation_mode": "Idle", "limit": 1}]}, "limit"),
        ({"periods": [{"start_period": 0, "limit": 1, "setpoint": 1}]}, "setpoint"),
        ({"periods": [{"start_period": 0, "operation_mode": "LocalFrequency", "v2x_baseline": 0}]}, "curve"),
        ({"periods": [{"start_period": 0, "limit": 1, "v2x_baseline": 0}]}, "LocalFrequency"),
        (
            {"periods": [{"start_period": 0, "operation_mode": "ExternalSetpoint", "discharge_limit": 5}]},
            "above 0",
        ),
        ({"periods": [{"start_period": 0}]}, "needs a limit"),
        ({"purpose": "PriorityCharging", "duration": 60}, "leave it out"),
        (
            {
                "purpose": "PriorityCharging",
                "periods": [{"start_period": 0, "operation_mode": "Idle"}],
            },
            "not for a PriorityCharging",
        ),
        (
            {"periods": [{"start_period": 0, "operation_mode": "CentralSetpoint", "setpoint": 1, "limit": 1}]},
            "limit: Must be left out",
        ),
        (
            {
                "periods": [
                    {"start_period": 0, "operation_mode": "CentralSetpoint", "setpoint": 1, "discharge_limit": -1}
                ]
            },
            "discharge_limit: Must be left out",
        ),
        ({"periods": [{"start_period": 0, "operation_mode": "CentralFrequency", "setpoint": 1}]}, "Dynamic"),
        (
            {
                "kind": "Dynamic",
                "periods": [{"start_period": 0, "operation_mode": "CentralFrequency", "setpoint": 1, "limit": 1}],
            },
            "limit: Must be left out",
        ),
        (
            {
                "charging_rate_unit": "A",
                "periods": [
                    {
                        "start_period": 0,
                        "operation_mode": "LocalFrequency",
                        "v2x_baseline": 0,
                        "v2x_freq_watt_curve": CURVE,
                    }
                ],
            },
            "in watt",
        ),
        ({"dyn_update_interval": 60}, "Dynamic"),
        (
            {"kind": "Dynamic", "periods": [{"start_period": 0, "limit": 1}, {"start_period": 9, "limit": 2}]},
            "one limit",
        ),
        ({"connector": 0, "purpose": "ChargePointMaxProfile", "randomized_delay": 5}, "sessions"),
        ({"invalid_after_offline_duration": True}, "max_offline_duration"),
        ({"limit_at_soc": {"soc": 101, "limit": 1}}, "soc"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    csms: Csms21, charge_point: ChargePoint, given: Payload, said: str
) -> None:
    """Q02.FR.02, Q03.FR.02, Q07.FR.02–03, Q08.FR.02, 03, 05, Q10.FR.01, K01.FR.71, 73, 95, K28.FR.01"""
    with pytest.raises(InvalidPayload) as raised:
        order_profile(csms, charge_point, **given)

    assert said in str(raised.value)


@pytest.mark.parametrize("purpose", ["PriorityCharging", "LocalGeneration"])
def test_priority_and_local_generation_are_purposes(
    csms: Csms21, charge_point: ChargePoint, purpose: str
) -> None:
    """K01.FR.72, K27"""
    order = order_profile(csms, charge_point, purpose=purpose, connector=0)

    assert profile_in(order)["chargingProfilePurpose"] == purpose
    order.answer(status="Accepted")
    assert ChargingProfileAssignment.objects.get().purpose == purpose


# --- dynamic profiles ---


@pytest.fixture
def dynamic(csms: Csms21, charge_point: ChargePoint) -> ChargingProfileAssignment:
    order = order_profile(csms, charge_point, kind="Dynamic", dyn_update_interval=60)
    assert profile_in(order)["dynUpdateInterval"] == 60
    assert "startSchedule" not in profile_in(order)["chargingSchedule"][0]
    order.answer(status="Accepted")
    row: ChargingProfileAssignment = ChargingProfileAssignment.objects.select_related("charge_point").get()
    return row


def test_dynamic_profile_is_updated(
    csms: Csms21, charge_point: ChargePoint, dynamic: ChargingProfileAssignment
) -> None:
    """K28.FR.06, K28.FR.09"""
    dynamic_profiles.update(
        actor=Actor.system("test"), assignment=dynamic, values={"limit": Decimal("7400.5")}
    )

    order = sent(csms, charge_point)
    assert (order.action, order.payload) == (
        "UpdateDynamicSchedule",
        {"chargingProfileId": 7, "scheduleUpdate": {"limit": 7400.5}},
    )
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    dynamic.refresh_from_db()
    assert dynamic.plan_now.periods[0].limit == Decimal("7400.5")
    assert dynamic.dynamic_at == T0


def test_refused_update_changes_nothing(
    csms: Csms21, charge_point: ChargePoint, dynamic: ChargingProfileAssignment
) -> None:
    dynamic_profiles.update(actor=Actor.system("test"), assignment=dynamic, values={"limit": 5})

    order = sent(csms, charge_point)
    assert order.answer(status="Rejected").status == CommandStatus.REJECTED
    dynamic.refresh_from_db()
    assert dynamic.plan_now.periods[0].limit == Decimal(11_000)


def test_charger_pulls_what_a_dynamic_profile_is_to_do(
    csms: Csms21, charge_point: ChargePoint, dynamic: ChargingProfileAssignment
) -> None:
    """K28.FR.07, K28.FR.10"""
    first = csms.send(charge_point, "PullDynamicScheduleUpdate", {"chargingProfileId": 7})
    assert first == {"status": "Accepted", "scheduleUpdate": {"limit": 11_000}}

    dynamic.refresh_from_db()
    dynamic_profiles.keep_for_pull(
        actor=Actor.system("test"), assignment=dynamic, values={"limit": Decimal(4000)}
    )
    second = csms.send(charge_point, "PullDynamicScheduleUpdate", {"chargingProfileId": 7})
    assert second == {"status": "Accepted", "scheduleUpdate": {"limit": 4000}}


def test_pull_for_a_profile_that_is_not_dynamic_is_rejected(csms: Csms21, charge_point: ChargePoint) -> None:
    """K28.FR.12"""
    order_profile(csms, charge_point).answer(status="Accepted")

    for number in (7, 8, -1):
        answer = csms.send(charge_point, "PullDynamicScheduleUpdate", {"chargingProfileId": number})
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidProfile")


def test_update_that_the_mode_does_not_allow_is_refused(dynamic: ChargingProfileAssignment) -> None:
    with pytest.raises(InvalidPayload) as raised:
        dynamic_profiles.update(actor=Actor.system("test"), assignment=dynamic, values={"setpoint": 5})
    assert "ChargingOnly" in str(raised.value)


# --- priority ---


def test_central_frequency_support_is_one_dynamic_period(csms: Csms21, charge_point: ChargePoint) -> None:
    """Q07.FR.02, Q07.FR.03"""
    periods = [{"start_period": 0, "operation_mode": "CentralFrequency", "setpoint": 300.5}]

    profile = profile_in(order_profile(csms, charge_point, kind="Dynamic", duration=900, periods=periods))

    [schedule] = profile["chargingSchedule"]
    assert (profile["chargingProfileKind"], schedule["duration"]) == ("Dynamic", 900)
    assert schedule["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "operationMode": "CentralFrequency", "setpoint": 300.5}
    ]


def test_priority_is_asked_for_and_told(csms: Csms21, charge_point: ChargePoint) -> None:
    """K21.FR.03, 05, 08, 09"""
    begin(csms, charge_point)
    order = csms.order(charge_point, "use_priority_charging", {"transaction_id": "tx-1", "activate": True})
    assert (order.action, order.payload) == (
        "UsePriorityCharging",
        {"transactionId": "tx-1", "activate": True},
    )
    order.answer(status="Accepted")

    for active in (True, True, False):
        told = {"transactionId": "tx-1", "activated": active}
        assert csms.send(charge_point, "NotifyPriorityCharging", told) == {}
        row = PriorityCharging.objects.get()
        assert (row.is_active, row.connector_number) == (active, 1)


def test_priority_without_a_profile(csms: Csms21, charge_point: ChargePoint) -> None:
    """K21.FR.01"""
    begin(csms, charge_point)
    order = csms.order(charge_point, "use_priority_charging", {"transaction_id": "tx-1", "activate": False})

    assert order.payload["activate"] is False
    done = order.answer(status="NoProfile")
    assert (done.status, done.summary) == (
        CommandStatus.REJECTED,
        "The charger has no profile for priority: set one first.",
    )


def test_priority_of_an_unknown_session_is_acknowledged(csms: Csms21, charge_point: ChargePoint) -> None:
    """K22.FR.06"""
    told = {"transactionId": "nobody", "activated": True}

    assert csms.send(charge_point, "NotifyPriorityCharging", told) == {}
    assert not PriorityCharging.objects.exists()


# --- vehicles ---


def needs(transfer: str = "DC", control: str = "ScheduledControl", **more: Any) -> Payload:
    """NotifyEVChargingNeedsRequest of 2.1"""
    return {
        "evseId": 1,
        "chargingNeeds": {"requestedEnergyTransfer": transfer, "controlMode": control, **more},
    }


DC: Payload = {"dcChargingParameters": {"evMaxCurrent": 200.5, "evMaxVoltage": 500, "evMaxPower": 50_000}}


@pytest.mark.parametrize("control", ["ScheduledControl", "DynamicControl"])
def test_needs_of_direct_current_get_a_plan_in_watts(
    csms: Csms21, charge_point: ChargePoint, control: str
) -> None:
    """K17.FR.19, K18.FR.02, 03, 07, 08, 18, K19.FR.02, 03, 07, 08"""
    begin(csms, charge_point)

    answer = csms.send(
        charge_point, "NotifyEVChargingNeeds", needs("DC", control, **DC, departureTime=clock(hours=2))
    )

    assert answer == {"status": "Accepted"}
    profile = profile_in(sent(csms, charge_point))
    [schedule] = profile["chargingSchedule"]
    assert (profile["transactionId"], schedule["chargingRateUnit"]) == ("tx-1", "W")
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 50_000}]


def test_needs_without_anything_to_limit_get_no_profile(csms: Csms21, charge_point: ChargePoint) -> None:
    """K18.FR.04, K19.FR.04: the word of 2.1"""
    begin(csms, charge_point)

    answer = csms.send(charge_point, "NotifyEVChargingNeeds", needs())

    assert answer["status"] == "NoChargingProfile"
    assert csms.due(charge_point) == []


def test_transfer_that_is_not_allowed_is_rejected(csms: Csms21, charge_point: ChargePoint) -> None:
    """Q01.FR.04, Q02.FR.05, K18.FR.22, K19.FR.15"""
    begin(csms, charge_point)
    order = csms.order(
        charge_point, "allow_energy_transfer", {"transaction_id": "tx-1", "modes": ["DC", "AC_three_phase"]}
    )
    assert (order.action, order.payload) == (
        "NotifyAllowedEnergyTransfer",
        {"transactionId": "tx-1", "allowedEnergyTransfer": ["DC", "AC_three_phase"]},
    )
    order.answer(status="Accepted")

    refused = csms.send(charge_point, "NotifyEVChargingNeeds", needs("DC_BPT", **DC))
    assert refused["status"] == "Rejected"
    assert csms.send(charge_point, "NotifyEVChargingNeeds", needs("DC", **DC))["status"] == "Accepted"


def test_limits_of_a_two_way_vehicle_are_read(csms: Csms21, charge_point: ChargePoint) -> None:
    """K20.FR.03, Q01.FR.07: new needs get a new plan; without a mode of operation it only charges (Q02.FR.01)"""
    begin(csms, charge_point)
    v2x = {"maxChargePower": 7400, "minChargePower": 1400, "evTargetEnergyRequest": 30_000}

    answer = csms.send(charge_point, "NotifyEVChargingNeeds", needs("AC_BPT", v2xChargingParameters=v2x))

    assert answer["status"] == "Accepted"
    [schedule] = profile_in(sent(csms, charge_point))["chargingSchedule"]
    assert schedule["chargingRateUnit"] == "A"
    assert "operationMode" not in schedule["chargingSchedulePeriod"][0]
    assert VehicleNeeds.objects.get().energy_wh == Decimal(30_000)


# --- frequency restoration, resuming ---


def test_signal_of_frequency_restoration(csms: Csms21, charge_point: ChargePoint) -> None:
    """Q08.FR.10, Q08.FR.11"""
    order = csms.order(charge_point, "afrr_signal", {"signal": -40})

    assert (order.action, order.payload) == ("AFRRSignal", {"timestamp": clock(), "signal": -40})
    assert order.answer(status="Rejected").status == CommandStatus.REJECTED


@pytest.mark.parametrize(("keeps", "frames"), [(None, 1), ("false", 1), ("true", 0)])
def test_resumed_session_gets_its_profile_again(
    csms: Csms21, charge_point: ChargePoint, keeps: str | None, frames: int
) -> None:
    """E17.FR.15: unless the charger keeps profiles of sessions (ChargingProfilePersistence)"""
    begin(csms, charge_point)
    order_profile(csms, charge_point, purpose="TxProfile", transaction_id="tx-1").answer(status="Accepted")
    if keeps is not None:
        VariableFactory(
            charge_point=charge_point,
            component="SmartChargingCtrlr",
            name="ChargingProfilePersistence",
            instance="TxProfile",
            value=keeps,
        )

    assert dynamic_profiles.resumed(charge_point.pk, "tx-1") == frames

    got = [(action, payload["chargingProfile"]["id"]) for _, action, payload in csms.due(charge_point)]
    assert got == [("SetChargingProfile", 7)] * frames
    assert ChargingProfileAssignment.objects.get().state == AssignmentState.ACTIVE


def test_session_without_profiles_resumes_without_a_word(csms: Csms21, charge_point: ChargePoint) -> None:
    begin(csms, charge_point)

    assert dynamic_profiles.resumed(charge_point.pk, "tx-1") == 0
