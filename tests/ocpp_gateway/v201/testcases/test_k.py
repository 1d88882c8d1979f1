"""Official test cases of functional block K (smart charging), as a charging station plays them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints.charging.plan import AMPERE
from chargepoints.choices import AssignmentState, CommandStatus, ProfileReportState
from chargepoints.models import (
    ChargePoint,
    ChargingProfileAssignment,
    Command,
    ExternalLimit,
    ProfileReport,
    ReportedProfile,
    ReportedSchedule,
    VehicleNeeds,
)
from chargepoints.services import charging_profiles
from tests.factories import T0, ChargingProfileFactory
from tests.ocpp_gateway.v201.helpers import Csms, Order, Payload, clock, event, session, token

pytestmark = pytest.mark.usefixtures("token")
case = pytest.mark.testcase

FROM, UNTIL = "2026-03-02T10:00:00Z", "2026-03-02T18:00:00Z"
DEFAULT: Payload = {
    "profile_id": 7,
    "connector": 1,
    "purpose": "TxDefaultProfile",
    "kind": "Absolute",
    "start_schedule": FROM,
    "stack_level": 2,
    "charging_rate_unit": "A",
    "duration": 28_800,
    "valid_from": FROM,
    "valid_to": UNTIL,
    "periods": [{"start_period": 0, "limit": 6.0, "number_phases": 3}],
}


def profile_in(order: Order) -> Payload:
    """What the charger gets, and that it is a SetChargingProfile."""
    assert order.action == "SetChargingProfile"
    found: Payload = order.payload["chargingProfile"]
    return found


def assignment(charge_point: ChargePoint, number: int = 7) -> ChargingProfileAssignment:
    row: ChargingProfileAssignment = ChargingProfileAssignment.objects.get(
        charge_point=charge_point, profile_number=number
    )
    return row


# --- setting profiles ---


@case("TC_K_01_CSMS")
def test_tc_k_01_tx_default_of_one_evse(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – TxDefaultProfile – Specific EVSE.  K01.FR.31, 35, 40"""
    order = csms.order(charge_point, "set_charging_profile", DEFAULT)

    assert order.payload == {
        "evseId": 1,
        "chargingProfile": {
            "id": 7,
            "stackLevel": 2,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "validFrom": "2026-03-02T10:00:00.000Z",
            "validTo": "2026-03-02T18:00:00.000Z",
            "chargingSchedule": [
                {
                    "id": 1,
                    "startSchedule": "2026-03-02T10:00:00.000Z",
                    "duration": 28_800,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6, "numberPhases": 3}],
                }
            ],
        },
    }
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    assert assignment(charge_point).state == AssignmentState.ACTIVE


@case("TC_K_02_CSMS")
def test_tc_k_02_tx_profile_without_transaction(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – TxProfile without ongoing transaction on the specified EVSE."""
    order = csms.order(
        charge_point,
        "set_charging_profile",
        {
            "profile_id": 7,
            "connector": 1,
            "purpose": "TxProfile",
            "kind": "Relative",
            "stack_level": 1,
            "transaction_id": "tx-unknown",
            "periods": [{"start_period": 0, "limit": 7.0}],
        },
    )

    profile = profile_in(order)
    assert (profile["chargingProfilePurpose"], profile["chargingProfileKind"]) == ("TxProfile", "Relative")
    assert "startSchedule" not in profile["chargingSchedule"][0]
    done = order.answer(status="Rejected", statusInfo={"reasonCode": "TxNotFound"})
    assert (done.status, assignment(charge_point).state) == (
        CommandStatus.REJECTED,
        AssignmentState.REJECTED,
    )
    assert "TxNotFound" in done.summary


@case("TC_K_03_CSMS")
def test_tc_k_03_charging_station_max(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – ChargingStationMaxProfile.  K01.FR.31, 38"""
    order = csms.order(
        charge_point,
        "set_charging_profile",
        {
            **DEFAULT,
            "connector": 0,
            "purpose": "ChargePointMaxProfile",
            "periods": [{"start_period": 0, "limit": 8.0}],
        },
    )

    assert order.payload["evseId"] == 0
    profile = profile_in(order)
    assert profile["chargingProfilePurpose"] == "ChargingStationMaxProfile"
    assert profile["chargingProfileKind"] == "Absolute"
    order.answer(status="Accepted")
    assert assignment(charge_point).purpose == "ChargePointMaxProfile"


@case("TC_K_03_CSMS")
def test_tc_k_03_never_relative(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – ChargingStationMaxProfile: one that counts from itself begins now.  K01.FR.38"""
    order = csms.order(
        charge_point,
        "set_charging_profile",
        {"profile_id": 7, "purpose": "ChargePointMaxProfile", "periods": [{"start_period": 0, "limit": 8}]},
    )

    profile = profile_in(order)
    assert profile["chargingProfileKind"] == "Absolute"
    assert profile["chargingSchedule"][0]["startSchedule"] == clock()


@case("TC_K_04_CSMS")
def test_tc_k_04_replace_by_number(csms: Csms, charge_point: ChargePoint) -> None:
    """Replace charging profile – With chargingProfileId."""
    for limit in (8.0, 6.0):
        order = csms.order(
            charge_point,
            "set_charging_profile",
            {**DEFAULT, "periods": [{"start_period": 0, "limit": limit}]},
        )
        profile = profile_in(order)
        assert profile["id"] == 7
        assert profile["chargingSchedule"][0]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": limit}
        ]
        order.answer(status="Accepted")

    assert assignment(charge_point).plan.periods[0].limit == Decimal(6)


@case("TC_K_10_CSMS")
def test_tc_k_10_tx_default_of_all_evses(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – TxDefaultProfile – All EVSE.  K01.FR.31"""
    order = csms.order(charge_point, "set_charging_profile", {**DEFAULT, "connector": 0})

    assert order.payload["evseId"] == 0
    assert profile_in(order)["chargingProfilePurpose"] == "TxDefaultProfile"
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED


@case("TC_K_15_CSMS")
def test_tc_k_15_not_supported(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – Not Supported.  K01.FR.29"""
    order = csms.order(charge_point, "set_charging_profile", DEFAULT)

    assert order.refuse("NotSupported").status == CommandStatus.NOT_SUPPORTED
    assert assignment(charge_point).state == AssignmentState.REJECTED


@case("TC_K_19_CSMS")
def test_tc_k_19_recurring(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – ChargingProfileKind is Recurring."""
    order = csms.order(
        charge_point, "set_charging_profile", {**DEFAULT, "kind": "Recurring", "recurrency_kind": "Daily"}
    )

    profile = profile_in(order)
    assert (profile["chargingProfileKind"], profile["recurrencyKind"]) == ("Recurring", "Daily")
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]["startPeriod"] == 0


@case("TC_K_60_CSMS")
def test_tc_k_60_tx_profile_with_transaction(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – TxProfile with ongoing transaction on the specified EVSE.  K01.FR.03, 31, K02.FR.03"""
    csms.connect(charge_point)
    begin(csms, charge_point)
    row = ChargingProfileFactory(tenant=charge_point.tenant, purpose="TxProfile")
    charging_profiles.assign(
        actor=Actor.system("test"),
        profile=row,
        charge_point=ChargePoint.objects.get(pk=charge_point.pk),
        connector=1,
        transaction_id="tx-1",
    )

    order = sent(csms, charge_point)
    assert order.payload["evseId"] == 1
    profile = profile_in(order)
    assert (profile["id"], profile["transactionId"]) == (row.pk, "tx-1")
    assert profile["chargingProfilePurpose"] == "TxProfile"
    order.answer(status="Accepted")
    assert assignment(charge_point, row.pk).transaction_number == "tx-1"


@case("TC_K_70_CSMS")
def test_tc_k_70_several_profiles(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Charging Profile – Multiple Profiles."""
    first = csms.order(charge_point, "set_charging_profile", DEFAULT)
    first.answer(status="Accepted")
    second = csms.order(
        charge_point,
        "set_charging_profile",
        {**DEFAULT, "profile_id": 8, "connector": 0, "purpose": "ChargePointMaxProfile", "stack_level": 3},
    )
    second.answer(status="Accepted")

    assert profile_in(first)["chargingProfilePurpose"] == "TxDefaultProfile"
    assert profile_in(second)["chargingProfilePurpose"] == "ChargingStationMaxProfile"
    states = ChargingProfileAssignment.objects.values_list("profile_number", "state")
    assert sorted(states) == [(7, "active"), (8, "active")]


# --- clearing ---


@case("TC_K_05_CSMS")
def test_tc_k_05_clear_by_number(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Charging Profile – With chargingProfileId.  K10.FR.02"""
    csms.order(charge_point, "set_charging_profile", DEFAULT).answer(status="Accepted")

    charging_profiles.clear(actor=Actor.system("test"), assignment=assignment(charge_point))
    order = sent(csms, charge_point)

    assert (order.action, order.payload) == ("ClearChargingProfile", {"chargingProfileId": 7})
    order.answer(status="Accepted")
    assert assignment(charge_point).state == AssignmentState.CLEARED


@case("TC_K_06_CSMS")
def test_tc_k_06_clear_by_level_and_purpose(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Charging Profile – With stackLevel/purpose combination for one profile.  K10.FR.02"""
    csms.order(charge_point, "set_charging_profile", DEFAULT).answer(status="Accepted")

    order = csms.order(
        charge_point,
        "clear_charging_profile",
        {"connector": 1, "purpose": "TxDefaultProfile", "stack_level": 2},
    )

    assert order.payload == {
        "chargingProfileCriteria": {
            "evseId": 1,
            "stackLevel": 2,
            "chargingProfilePurpose": "TxDefaultProfile",
        }
    }
    order.answer(status="Accepted")
    assert assignment(charge_point).state == AssignmentState.CLEARED


@case("TC_K_08_CSMS")
def test_tc_k_08_clear_what_is_not_there(csms: Csms, charge_point: ChargePoint) -> None:
    """Clear Charging Profile – Without previous charging profile."""
    order = csms.order(
        charge_point,
        "clear_charging_profile",
        {"connector": 1, "purpose": "TxDefaultProfile", "stack_level": 2},
    )

    done = order.answer(status="Unknown")
    assert (done.status, done.summary) == (CommandStatus.REJECTED, "The charger has no such profile.")


# --- asking which profiles there are ---

ASKED: dict[str, tuple[str, Payload, Payload]] = {
    "evse 0": (
        "TC_K_29_CSMS",
        {"connector": 0, "purpose": "ChargePointMaxProfile"},
        {"evseId": 0, "chargingProfile": {"chargingProfilePurpose": "ChargingStationMaxProfile"}},
    ),
    "one evse": (
        "TC_K_30_CSMS",
        {"connector": 1, "purpose": "TxDefaultProfile"},
        {"evseId": 1, "chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile"}},
    ),
    "everywhere": (
        "TC_K_31_CSMS",
        {"purpose": "TxDefaultProfile"},
        {"chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile"}},
    ),
    "number": ("TC_K_32_CSMS", {"profile_id": 7}, {"chargingProfile": {"chargingProfileId": [7]}}),
    "level": (
        "TC_K_33_CSMS",
        {"connector": 1, "stack_level": 2},
        {"evseId": 1, "chargingProfile": {"stackLevel": 2}},
    ),
    "source": (
        "TC_K_34_CSMS",
        {"connector": 1, "limit_sources": ["EMS"]},
        {"evseId": 1, "chargingProfile": {"chargingLimitSource": ["EMS"]}},
    ),
    "purpose": (
        "TC_K_35_CSMS",
        {"connector": 1, "purpose": "TxProfile"},
        {"evseId": 1, "chargingProfile": {"chargingProfilePurpose": "TxProfile"}},
    ),
    "purpose and level": (
        "TC_K_36_CSMS",
        {"connector": 1, "purpose": "TxProfile", "stack_level": 2},
        {"evseId": 1, "chargingProfile": {"chargingProfilePurpose": "TxProfile", "stackLevel": 2}},
    ),
    "all": ("TC_K_31_CSMS", {}, {"chargingProfile": {"chargingLimitSource": ["CSO", "EMS", "SO", "Other"]}}),
}


def told(number: int = 7, **more: Any) -> Payload:
    """ChargingProfileType as a charging station reports it."""
    return {
        "id": number,
        "stackLevel": 2,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.5}],
            }
        ],
        **more,
    }


def report(request_id: int, *profiles: Payload, evse: int = 1, source: str = "CSO", **more: Any) -> Payload:
    """ReportChargingProfilesRequest"""
    return {
        "requestId": request_id,
        "evseId": evse,
        "chargingLimitSource": source,
        "chargingProfile": list(profiles),
        **more,
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param(given, wanted, id=f"{number} {name}", marks=case(number))
        for name, (number, given, wanted) in ASKED.items()
    ],
)
def test_tc_k_29_to_36_get_charging_profiles(
    csms: Csms, charge_point: ChargePoint, given: Payload, wanted: Payload
) -> None:
    """Get Charging Profile – Evseld 0 / Evseld > 0 / No Evseld / chargingProfileId / stackLevel /
    chargingLimitSource / chargingProfilePurpose / chargingProfilePurpose + stackLevel.  K09.FR.03
    """
    order = csms.order(charge_point, "get_charging_profiles", given)

    number = order.payload["requestId"]
    assert order.payload == {"requestId": number, **wanted}
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    assert csms.send(charge_point, "ReportChargingProfiles", report(number, told())) == {}
    row = ReportedProfile.objects.get()
    assert (row.profile_number, row.connector_number, row.plan.periods[0].limit) == (7, 1, Decimal("6.5"))
    assert ProfileReport.objects.get().state == ProfileReportState.COMPLETE


@case("TC_K_31_CSMS")
def test_tc_k_31_a_part_for_each_evse(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Charging Profile – No Evseld: a part for every EVSE, `tbc` until the last."""
    order = csms.order(charge_point, "get_charging_profiles", {"purpose": "TxDefaultProfile"})
    number = order.payload["requestId"]
    order.answer(status="Accepted")

    csms.send(charge_point, "ReportChargingProfiles", report(number, told(7), evse=1, tbc=True))
    assert ProfileReport.objects.get().state == ProfileReportState.OPEN
    csms.send(charge_point, "ReportChargingProfiles", report(number, told(8), evse=2, tbc=False))

    assert ProfileReport.objects.get().state == ProfileReportState.COMPLETE
    assert ReportedProfile.objects.count() == 2


@case("TC_K_52_CSMS")
def test_tc_k_52_external_constraints_in_a_report(csms: Csms, charge_point: ChargePoint) -> None:
    """Set / Update External Charging Limit (not on a transaction) – ChargingStationExternalConstraints in report."""
    order = csms.order(charge_point, "get_charging_profiles", {})
    order.answer(status="Accepted")

    part = report(
        order.payload["requestId"],
        told(-3, chargingProfilePurpose="ChargingStationExternalConstraints"),
        evse=0,
        source="EMS",
    )
    csms.send(charge_point, "ReportChargingProfiles", part)

    row = ReportedProfile.objects.get()
    assert (row.profile_number, row.source) == (-3, "EMS")
    assert row.purpose == "ChargingStationExternalConstraints"


# --- composite schedules ---


@pytest.mark.parametrize(
    "evse",
    [
        pytest.param(1, id="TC_K_43_CSMS one EVSE", marks=case("TC_K_43_CSMS")),
        pytest.param(0, id="TC_K_44_CSMS the charging station", marks=case("TC_K_44_CSMS")),
    ],
)
def test_tc_k_43_44_composite_schedule(csms: Csms, charge_point: ChargePoint, evse: int) -> None:
    """Get Composite Schedule – Specific EVSE / Charging Station.  K08.FR.01"""
    order = csms.order(
        charge_point,
        "get_composite_schedule",
        {"connector": evse, "duration": 300, "charging_rate_unit": "W"},
    )

    assert order.payload == {"evseId": evse, "duration": 300, "chargingRateUnit": "W"}
    done = order.answer(
        status="Accepted",
        schedule={
            "evseId": evse,
            "duration": 300,
            "scheduleStart": clock(),
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10000}],
        },
    )
    assert "10000 W" in done.summary
    row = ReportedSchedule.objects.get()
    assert (row.connector_number, row.duration, row.charging_rate_unit) == (evse, 300, "W")
    assert row.periods == [{"start_period": 0, "limit": "10000"}]


# --- limits of others ---

LIMIT: Payload = {
    "chargingLimit": {"chargingLimitSource": "EMS", "isGridCritical": True},
    "chargingSchedule": [
        {
            "id": 1,
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4000}],
        }
    ],
}


@case("TC_K_48_CSMS")
def test_tc_k_48_external_limit(csms: Csms, charge_point: ChargePoint) -> None:
    """Set / Update External Charging Limit (not on a transaction).  K11.FR.02, K12.FR.02"""
    for _ in range(2):  # a repeat changes nothing
        assert csms.send(charge_point, "NotifyChargingLimit", LIMIT) == {}

    row = ExternalLimit.objects.get()
    assert (row.connector_number, row.source, row.is_grid_critical) == (0, "EMS", True)
    assert row.plan is not None
    assert row.plan.periods[0].limit == Decimal(4000)


@case("TC_K_48_CSMS")
def test_tc_k_48_external_limit_without_a_schedule(csms: Csms, charge_point: ChargePoint) -> None:
    """Set / Update External Charging Limit: chargingSchedule is optional."""
    csms.send(
        charge_point, "NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "SO"}, "evseId": 1}
    )

    row = ExternalLimit.objects.get()
    assert (row.connector_number, row.source, row.plan) == (1, "SO", None)


@case("TC_K_50_CSMS")
def test_tc_k_50_external_limit_released(csms: Csms, charge_point: ChargePoint) -> None:
    """Reset / release external charging limit – Without ongoing transaction.  K13.FR.02"""
    csms.send(charge_point, "NotifyChargingLimit", LIMIT)

    for _ in range(2):
        assert csms.send(charge_point, "ClearedChargingLimit", {"chargingLimitSource": "EMS"}) == {}

    assert ExternalLimit.objects.get().cleared_at == T0


@case("TC_K_51_CSMS")
def test_tc_k_51_external_limit_released_in_a_session(csms: Csms, charge_point: ChargePoint) -> None:
    """Reset / release external charging limit – With ongoing transaction.  K13.FR.02–03"""
    begin(csms, charge_point)
    csms.send(charge_point, "NotifyChargingLimit", LIMIT)

    csms.send(charge_point, "ClearedChargingLimit", {"chargingLimitSource": "EMS"})
    csms.send(charge_point, "TransactionEvent", event("Updated", 1, trigger="ChargingRateChanged"))

    assert ExternalLimit.objects.get().cleared_at is not None
    assert session().is_active


# --- remote start ---


@case("TC_K_37_CSMS")
def test_tc_k_37_remote_start_with_a_profile(csms: Csms, charge_point: ChargePoint) -> None:
    """Remote start transaction with charging profile – Success.  K05.FR.02, F01.FR.08, 09, 11"""
    profile = told(9, chargingProfilePurpose="TxProfile")
    order = csms.order(
        charge_point,
        "RequestStartTransaction",
        {"idToken": token(), "remoteStartId": 5, "evseId": 1, "chargingProfile": profile},
    )

    assert "transactionId" not in order.payload["chargingProfile"]
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    row = assignment(charge_point, 9)
    assert (row.purpose, row.note) == ("TxProfile", "Begins with the session.")


# --- ISO 15118 ---


def begin(csms: Csms, charge_point: ChargePoint) -> None:
    """State EVConnectedPreSession, authorized."""
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))


def needs(**more: Any) -> Payload:
    """NotifyEVChargingNeedsRequest: 20 kWh by three phases of up to 16 A until eight hours later."""
    return {
        "evseId": 1,
        "maxScheduleTuples": 3,
        "chargingNeeds": {
            "requestedEnergyTransfer": "AC_three_phase",
            "departureTime": clock(hours=8),
            "acChargingParameters": {
                "energyAmount": 20_000,
                "evMinCurrent": 6,
                "evMaxCurrent": 16,
                "evMaxVoltage": 400,
            },
        },
        **more,
    }


def schedule(*limits: tuple[int, float], **more: Any) -> Payload:
    """NotifyEVChargingScheduleRequest in ampere on three phases."""
    return {
        "evseId": 1,
        "timeBase": clock(),
        "chargingSchedule": {
            "id": 1,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit, "numberPhases": 3} for start, limit in limits
            ],
        },
        **more,
    }


def sent(csms: Csms, charge_point: ChargePoint) -> Order:
    """The next frame that the charger gets, to be answered."""
    [(message_id, action, payload)] = csms.due(charge_point)
    command = Command.objects.order_by("-pk").get(charge_point=charge_point, status=CommandStatus.SENT)
    return Order(csms, charge_point, command, message_id, action, payload)


def negotiated(csms: Csms, charge_point: ChargePoint) -> Order:
    """Reusable state ISO15118SmartCharging: needs, a plan, a schedule that keeps to it."""
    csms.connect(charge_point)
    begin(csms, charge_point)
    answer = csms.send(charge_point, "NotifyEVChargingNeeds", needs())
    assert answer["status"] == "Accepted"
    order = sent(csms, charge_point)
    order.answer(status="Accepted")
    accepted = csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 16)))
    assert accepted == {"status": "Accepted"}
    csms.send(charge_point, "TransactionEvent", event("Updated", 1, info={"chargingState": "Charging"}))
    return order


@case("TC_K_53_CSMS")
def test_tc_k_53_load_leveling(csms: Csms, charge_point: ChargePoint) -> None:
    """Charging with load leveling based on High Level Communication – Success.  K15.FR.02, 03, 05, 07, 08, 11, 18"""
    order = negotiated(csms, charge_point)

    assert order.payload["evseId"] == 1
    profile = profile_in(order)
    assert (profile["chargingProfilePurpose"], profile["transactionId"]) == ("TxProfile", "tx-1")
    [made] = profile["chargingSchedule"]
    assert len(made["chargingSchedulePeriod"]) <= 3
    assert made["chargingSchedulePeriod"][0] == {"startPeriod": 0, "limit": 16, "numberPhases": 3}
    row = VehicleNeeds.objects.get()
    assert (row.energy_wh, row.schedule_answer) == (Decimal(20_000), "Accepted")
    assert row.note == "Enough for the 20.0 kWh that it needs by then."


@case("TC_K_53_CSMS")
def test_tc_k_53_without_a_session(csms: Csms, charge_point: ChargePoint) -> None:
    """Charging with load leveling: no schedule can be given where no session is known.  K15.FR.04"""
    csms.connect(charge_point)

    answer = csms.send(charge_point, "NotifyEVChargingNeeds", needs())

    assert answer["status"] == "Rejected"
    assert csms.due(charge_point) == []


@case("TC_K_55_CSMS")
def test_tc_k_55_schedule_above_the_limits(csms: Csms, charge_point: ChargePoint) -> None:
    """Charging with load leveling based on High Level Communication – EV charging profile exceeds limits.
    K15.FR.12–13, K16.FR.07–08, K17.FR.12–13
    """
    csms.connect(charge_point)
    begin(csms, charge_point)
    csms.send(charge_point, "NotifyEVChargingNeeds", needs())
    sent(csms, charge_point).answer(status="Accepted")

    refused = csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 10), (600, 20)))
    assert refused["status"] == "Rejected"
    csms.send(charge_point, "TransactionEvent", event("Updated", 1, info={"chargingState": "Charging"}))
    again = sent(csms, charge_point)
    assert profile_in(again)["transactionId"] == "tx-1"
    again.answer(status="Accepted")

    accepted = csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 10), (600, 16)))
    assert accepted == {"status": "Accepted"}
    assert VehicleNeeds.objects.get().renegotiations == 1


@case("TC_K_57_CSMS")
def test_tc_k_57_renegotiation_by_the_vehicle(csms: Csms, charge_point: ChargePoint) -> None:
    """Renegotiating a Charging Schedule – Initiated by EV.  K17.FR.02, 03, 05, 07, 08, 11"""
    negotiated(csms, charge_point)

    less = needs()
    less["chargingNeeds"]["acChargingParameters"]["evMaxCurrent"] = 10
    answer = csms.send(charge_point, "NotifyEVChargingNeeds", less)
    assert answer["status"] == "Accepted"
    csms.send(charge_point, "TransactionEvent", event("Updated", 2, trigger="ChargingRateChanged"))
    order = sent(csms, charge_point)
    assert profile_in(order)["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 10
    order.answer(status="Accepted")

    accepted = csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 10)))
    assert accepted == {"status": "Accepted"}


def limit_session(charge_point: ChargePoint, amperes: int) -> None:
    """The operator gives the session a limit of its own."""
    charging_profiles.limit_session(
        actor=Actor.system("test"),
        charge_point=ChargePoint.objects.get(pk=charge_point.pk),
        connector=1,
        transaction_id="tx-1",
        plan=charging_profiles.constant(Decimal(amperes), AMPERE),
    )


@case("TC_K_58_CSMS")
def test_tc_k_58_renegotiation_by_us(csms: Csms, charge_point: ChargePoint) -> None:
    """Renegotiating a Charging Schedule – Initiated by CSMS.  K16.FR.06"""
    negotiated(csms, charge_point)

    limit_session(charge_point, 8)
    order = sent(csms, charge_point)
    profile = profile_in(order)
    assert (profile["chargingProfilePurpose"], profile["transactionId"]) == ("TxProfile", "tx-1")
    assert profile["stackLevel"] == 1  # above the plan for the vehicle (K01.FR.39)
    order.answer(status="Accepted")

    accepted = csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 8)))
    assert accepted == {"status": "Accepted"}
    csms.send(charge_point, "TransactionEvent", event("Updated", 2, trigger="ChargingRateChanged"))


@case("TC_K_59_CSMS")
def test_tc_k_59_needs_come_again(csms: Csms, charge_point: ChargePoint) -> None:
    """Renegotiating a Charging Schedule – Initiated by CSMS – Send NotifyEVChargingNeeds.  K16.FR.12"""
    negotiated(csms, charge_point)
    limit_session(charge_point, 8)
    sent(csms, charge_point).answer(status="Accepted")

    answer = csms.send(charge_point, "NotifyEVChargingNeeds", needs())
    assert answer["status"] in ("Accepted", "Processing")
    order = sent(csms, charge_point)
    profile = profile_in(order)
    assert profile["transactionId"] == "tx-1"
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 8
    order.answer(status="Accepted")

    assert csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 8))) == {"status": "Accepted"}
