"""Smart charging of 2.0.1 beside the official cases: unhappy paths, reports, rules for what we send."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Tenant
from chargepoints.charging import outlook
from chargepoints.choices import AssignmentState, CommandStatus, ProfileReportState
from chargepoints.errors import InvalidPayload
from chargepoints.jobs import end_silent_profile_reports
from chargepoints.models import (
    ChargePoint,
    ChargingProfileAssignment,
    ExternalLimit,
    ProfileReport,
    ReportedProfile,
    VehicleNeeds,
)
from chargepoints.services import charging_reports
from tests.factories import (
    T0,
    ChargePointFactory,
    ChargingProfileAssignmentFactory,
    ReportedProfileFactory,
    VariableFactory,
)
from tests.ocpp_gateway.v201.helpers import Csms, Order, Payload, clock, event, token
from tests.ocpp_gateway.v201.testcases.test_k import needs, report, schedule, sent, told

pytestmark = pytest.mark.usefixtures("token")
SET: Payload = {
    "profile_id": 7,
    "connector": 1,
    "purpose": "TxDefaultProfile",
    "periods": [{"start_period": 0, "limit": 16.5}],
}


def put(csms: Csms, charge_point: ChargePoint, **given: Any) -> Order:
    """A profile that the charger has taken."""
    order = csms.order(charge_point, "set_charging_profile", {**SET, **given})
    order.answer(status="Accepted")
    return order


def asked(csms: Csms, charge_point: ChargePoint, **criteria: Any) -> int:
    """The number of a request for profiles that the charger has agreed to."""
    order = csms.order(charge_point, "get_charging_profiles", criteria)
    order.answer(status="Accepted")
    number: int = order.payload["requestId"]
    return number


def tell(csms: Csms, charge_point: ChargePoint, number: int, *profiles: Payload, **more: Any) -> None:
    csms.send(charge_point, "ReportChargingProfiles", report(number, *profiles, **more))


# --- what we send ---


@pytest.mark.parametrize(
    "second",
    [
        {"connector": 1},
        {"connector": 0},
    ],
)
def test_second_profile_of_a_purpose_and_level_is_refused(
    csms: Csms, charge_point: ChargePoint, second: Payload
) -> None:
    """K01.FR.06, and K01.FR.52–53: one for every EVSE is one for each"""
    put(csms, charge_point)

    with pytest.raises(InvalidPayload) as raised:
        put(csms, charge_point, profile_id=8, **second)

    assert set(raised.value.errors) == {"stack_level"}


@pytest.mark.parametrize(
    "second",
    [
        {"profile_id": 7},
        {"stack_level": 1},
        {"connector": 2},
        {"purpose": "ChargePointMaxProfile", "connector": 0},
        {"valid_from": "2027-01-01T00:00:00Z"},
    ],
)
def test_profile_that_does_not_collide_is_sent(
    csms: Csms, charge_point: ChargePoint, second: Payload
) -> None:
    put(csms, charge_point, valid_to="2026-12-31T00:00:00Z")

    order = put(csms, charge_point, **{"profile_id": 8, **second})

    assert order.command.status == CommandStatus.ACCEPTED


def test_second_profile_of_a_session_and_level_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    """K01.FR.39"""
    put(csms, charge_point, purpose="TxProfile", transaction_id="tx-1")

    with pytest.raises(InvalidPayload):
        put(csms, charge_point, profile_id=8, purpose="TxProfile", transaction_id="tx-1")
    put(csms, charge_point, profile_id=8, purpose="TxProfile", transaction_id="tx-2")


@pytest.mark.parametrize("value", [None, "false", "true"])
def test_phase_is_chosen_only_where_the_charger_can(
    csms: Csms, charge_point: ChargePoint, value: str | None
) -> None:
    """K01.FR.20"""
    if value is not None:
        VariableFactory(
            charge_point=charge_point, name="ACPhaseSwitchingSupported", evse_number=1, value=value
        )
    periods = [{"start_period": 0, "limit": 16, "number_phases": 1, "phase_to_use": 2}]

    if value == "true":
        sent_periods = put(csms, charge_point, periods=periods).payload["chargingProfile"]["chargingSchedule"]
        assert sent_periods[0]["chargingSchedulePeriod"][0]["phaseToUse"] == 2
    else:
        with pytest.raises(InvalidPayload) as raised:
            put(csms, charge_point, periods=periods)
        assert "ACPhaseSwitchingSupported" in raised.value.errors["periods"]


def test_phase_is_chosen_only_of_one(csms: Csms, charge_point: ChargePoint) -> None:
    """K01.FR.19"""
    periods = [{"start_period": 0, "limit": 16, "number_phases": 3, "phase_to_use": 2}]

    with pytest.raises(InvalidPayload):
        put(csms, charge_point, periods=periods)


def test_numbers_of_the_charger_are_left_to_it(csms: Csms, charge_point: ChargePoint) -> None:
    """K01.FR.80"""
    VariableFactory(charge_point=charge_point, name="MaxExternalConstraintsId", value="100")

    with pytest.raises(InvalidPayload):
        put(csms, charge_point)
    put(csms, charge_point, profile_id=101)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"purpose": "PriorityCharging"}, "OCPP 2.0.1 knows no profiles of the purpose PriorityCharging"),
        ({"kind": "Dynamic"}, "OCPP 2.0.1 knows no dynamic profiles"),
        ({"max_offline_duration": 5}, "OCPP 2.0.1 cannot say max_offline_duration"),
        ({"periods": [{"start_period": 0, "limit": 1, "limit_l2": 1}]}, "OCPP 2.0.1 cannot say limit_l2"),
        ({"kind": "Absolute"}, "needs start_schedule"),
        ({"start_schedule": "2026-01-01T00:00:00Z"}, "has no start_schedule"),
        ({"kind": "Recurring", "start_schedule": "2026-01-01T00:00:00Z"}, "needs recurrency_kind"),
        ({"purpose": "TxProfile"}, "needs the transaction_id"),
    ],
)
def test_what_cannot_be_said_is_refused_before_it_is_queued(
    csms: Csms, charge_point: ChargePoint, given: Payload, said: str
) -> None:
    """K01.FR.03, 40, 41"""
    with pytest.raises(InvalidPayload) as raised:
        put(csms, charge_point, **given)

    assert said in str(raised.value)


def test_clearing_needs_a_criterion(csms: Csms, charge_point: ChargePoint) -> None:
    """K10.FR.02"""
    with pytest.raises(InvalidPayload) as raised:
        csms.order(charge_point, "clear_charging_profile")

    assert "give a number, connector, purpose or level" in str(raised.value)


def test_limits_of_others_are_never_set_or_cleared(csms: Csms, charge_point: ChargePoint) -> None:
    """K01.FR.22, K10.FR.06"""
    external = {"purpose": "ChargingStationExternalConstraints"}

    with pytest.raises(InvalidPayload):
        put(csms, charge_point, **external)
    with pytest.raises(InvalidPayload):
        csms.order(charge_point, "clear_charging_profile", external)


def test_raw_orders_are_followed_as_well(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "SetChargingProfile", {"evseId": 1, "chargingProfile": told(9)})
    order.answer(status="Accepted")
    row = ChargingProfileAssignment.objects.get()
    assert (row.profile_number, row.state) == (9, AssignmentState.ACTIVE)

    criteria = {"chargingProfilePurpose": "TxDefaultProfile", "evseId": 1}
    order = csms.order(charge_point, "ClearChargingProfile", {"chargingProfileCriteria": criteria})
    order.answer(status="Accepted")
    row.refresh_from_db()
    assert row.state == AssignmentState.CLEARED


# --- reports ---


def test_silent_report_breaks_off(csms: Csms, charge_point: ChargePoint) -> None:
    number = asked(csms, charge_point)
    tell(csms, charge_point, number, told(), tbc=True)

    assert end_silent_profile_reports(T0 + timedelta(seconds=59)) == 0
    assert end_silent_profile_reports(T0 + timedelta(seconds=61)) == 1
    assert ProfileReport.objects.get().state == ProfileReportState.INCOMPLETE
    assert ReportedProfile.objects.count() == 1

    tell(csms, charge_point, number, told(8), evse=2)  # the rest comes after all
    assert ProfileReport.objects.get().state == ProfileReportState.COMPLETE


def test_repeated_part_changes_nothing(csms: Csms, charge_point: ChargePoint) -> None:
    number = asked(csms, charge_point)

    for _ in range(3):
        tell(csms, charge_point, number, told(), told())

    assert ReportedProfile.objects.count() == 1
    assert ProfileReport.objects.get().state == ProfileReportState.COMPLETE


def test_report_that_nobody_asked_for_is_kept(csms: Csms, charge_point: ChargePoint) -> None:
    ReportedProfileFactory(report__charge_point=charge_point, profile_number=3)

    tell(csms, charge_point, 99, told())

    assert sorted(ReportedProfile.objects.values_list("profile_number", flat=True)) == [3, 7]


def test_part_that_overtakes_the_answer_belongs_to_its_request(csms: Csms, charge_point: ChargePoint) -> None:
    ReportedProfileFactory(report__charge_point=charge_point, report__request_id=77, profile_number=3)
    order = csms.order(charge_point, "get_charging_profiles")

    tell(csms, charge_point, order.payload["requestId"], told())
    order.answer(status="Accepted")

    assert list(ReportedProfile.objects.values_list("profile_number", flat=True)) == [7]


def test_what_is_no_longer_listed_is_forgotten(csms: Csms, charge_point: ChargePoint) -> None:
    for number, level in ((3, 0), (4, 2)):
        ReportedProfileFactory(
            report__charge_point=charge_point,
            report__request_id=70 + number,
            profile_number=number,
            stack_level=level,
        )

    number = asked(csms, charge_point, stack_level=2)
    tell(csms, charge_point, number, told(7))

    assert sorted(ReportedProfile.objects.values_list("profile_number", flat=True)) == [3, 7]


def test_charger_without_profiles_says_so(csms: Csms, charge_point: ChargePoint) -> None:
    ReportedProfileFactory(report__charge_point=charge_point, report__request_id=77)
    order = csms.order(charge_point, "get_charging_profiles")

    done = order.answer(status="NoProfiles")

    assert (done.status, done.summary) == (CommandStatus.ACCEPTED, "The charger has no such profile.")
    assert not ReportedProfile.objects.exists()


def test_profile_that_is_not_listed_is_doubted_and_found_again(csms: Csms, charge_point: ChargePoint) -> None:
    put(csms, charge_point)
    csms.now = T0 + timedelta(minutes=1)

    tell(csms, charge_point, asked(csms, charge_point), told(8))
    row = ChargingProfileAssignment.objects.get()
    assert (row.state, row.note) == (AssignmentState.UNKNOWN, "The charger did not list it.")

    csms.now = T0 + timedelta(minutes=2)
    tell(csms, charge_point, asked(csms, charge_point), told(7))
    row.refresh_from_db()
    assert row.state == AssignmentState.ACTIVE


def test_list_of_others_says_nothing_of_ours(csms: Csms, charge_point: ChargePoint) -> None:
    put(csms, charge_point)
    csms.now = T0 + timedelta(minutes=1)

    tell(csms, charge_point, asked(csms, charge_point, limit_sources=["EMS"]), told(-1), source="EMS")

    assert ChargingProfileAssignment.objects.get().state == AssignmentState.ACTIVE


def test_reported_profiles_are_compared_with_ours(csms: Csms, charge_point: ChargePoint) -> None:
    put(csms, charge_point, stack_level=2, periods=[{"start_period": 0, "limit": 6.5}])
    put(csms, charge_point, profile_id=8, stack_level=3)
    number = asked(csms, charge_point)

    tell(csms, charge_point, number, told(7), told(8, stackLevel=3), told(9), tbc=True)
    tell(csms, charge_point, number, told(-1), evse=0, source="EMS")

    found = {one.told.profile_number: one.verdict for one in charging_reports.compared(charge_point)}
    assert found == {
        7: "As we have set it.",
        8: "Differs from what we have set.",
        9: "Not known here.",
        -1: "Set by others.",
    }


def test_a_part_may_be_large_but_not_endless(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charging_reports, "MAX_PROFILES", 5)
    number = asked(csms, charge_point)

    tell(csms, charge_point, number, *[told(n) for n in range(20)], tbc=True)
    tell(csms, charge_point, 999, *[told(n) for n in range(50, 60)])

    assert ReportedProfile.objects.count() == 5


# --- limits of others ---


def limit(watts: int = 4000, **more: Any) -> Payload:
    period = {"startPeriod": 0, "limit": watts}
    return {
        "chargingLimit": {"chargingLimitSource": "EMS"},
        "chargingSchedule": [{"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}],
        **more,
    }


def expected(charge_point: ChargePoint, connector: int = 1) -> Any:
    slices = outlook.computed(
        outlook.standing_profiles(charge_point),
        connector=connector,
        start=T0,
        duration=timedelta(hours=1),
        unit="W",
        session=None,
        others=outlook.limits_of_others(charge_point),
    )
    return slices[0].limit, slices[0].source and slices[0].source.name


def test_limit_of_others_is_part_of_what_is_expected(csms: Csms, charge_point: ChargePoint) -> None:
    """K02.FR.01"""
    put(csms, charge_point, charging_rate_unit="W", periods=[{"start_period": 0, "limit": 9000}])
    assert expected(charge_point) == (9000, "Profile 7")

    csms.send(charge_point, "NotifyChargingLimit", limit())
    assert expected(charge_point) == (4000, "Limit of EMS")

    csms.send(charge_point, "ClearedChargingLimit", {"chargingLimitSource": "EMS"})
    assert expected(charge_point) == (9000, "Profile 7")


def test_cleared_limit_of_one_place_leaves_the_others(csms: Csms, charge_point: ChargePoint) -> None:
    for evse in (1, 2):
        csms.send(charge_point, "NotifyChargingLimit", limit(evseId=evse))

    csms.send(charge_point, "ClearedChargingLimit", {"chargingLimitSource": "EMS", "evseId": 1})
    csms.send(charge_point, "ClearedChargingLimit", {"chargingLimitSource": "SO"})

    held = ExternalLimit.objects.filter(cleared_at=None)
    assert list(held.values_list("connector_number", flat=True)) == [2]


def test_limits_of_one_charger_are_bounded(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargepoints.services.external_limits.MAX_LIMITS", 3)

    for evse in range(1, 9):
        csms.send(charge_point, "NotifyChargingLimit", limit(evseId=evse))

    assert ExternalLimit.objects.count() == 3


def test_schedule_that_cannot_be_read_is_kept_as_a_limit_without_one(
    csms: Csms, charge_point: ChargePoint
) -> None:
    odd = limit()
    odd["chargingSchedule"][0]["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 1e400}]

    answer = csms.ask_one(charge_point, "NotifyChargingLimit", odd)

    assert answer.code or ExternalLimit.objects.get().plan is None
    assert outlook.limits_of_others(charge_point) == []


# --- vehicles ---


def test_needs_are_met_within_the_limits_of_the_site(csms: Csms, charge_point: ChargePoint) -> None:
    """K02.FR.01, K15.FR.07: 16 A would do, 6 kW are left"""
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))
    csms.send(charge_point, "NotifyChargingLimit", limit(6000))

    csms.send(charge_point, "NotifyEVChargingNeeds", needs())

    [made] = sent(csms, charge_point).payload["chargingProfile"]["chargingSchedule"]
    assert made["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 8.6, "numberPhases": 3}]
    assert VehicleNeeds.objects.get().note == "Enough for the 20.0 kWh that it needs by then."


def test_needs_that_cannot_be_met_in_time_are_said(csms: Csms, charge_point: ChargePoint) -> None:
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))
    soon = needs()
    soon["chargingNeeds"]["departureTime"] = clock(hours=1)

    csms.send(charge_point, "NotifyEVChargingNeeds", soon)

    assert VehicleNeeds.objects.get().note == "Only 11.0 of 20.0 kWh until it leaves."


def test_session_that_begins_in_the_same_batch_is_known(csms: Csms, charge_point: ChargePoint) -> None:
    csms.connect(charge_point)

    answers = csms.batch(
        [
            (charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token())),
            (charge_point, "NotifyEVChargingNeeds", needs()),
        ]
    )

    assert answers[1]["status"] == "Accepted"


def test_periods_that_the_charger_takes_are_counted_as_well(csms: Csms, charge_point: ChargePoint) -> None:
    """K15.FR.07: SmartChargingCtrlr.PeriodsPerSchedule"""
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))
    VariableFactory(charge_point=charge_point, name="PeriodsPerSchedule", value="1")
    rows = [{"start_period": hour * 3600, "limit": 16 - hour} for hour in range(5)]
    put(csms, charge_point, periods=rows)

    csms.send(charge_point, "NotifyEVChargingNeeds", needs())

    [made] = sent(csms, charge_point).payload["chargingProfile"]["chargingSchedule"]
    assert len(made["chargingSchedulePeriod"]) == 1


def test_vehicle_that_never_keeps_to_its_limits_is_not_asked_for_ever(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """K15.FR.13, K16.FR.08: at most three times"""
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))
    csms.send(charge_point, "NotifyEVChargingNeeds", needs())
    sent(csms, charge_point).answer(status="Accepted")

    frames = []
    for _ in range(5):
        answer = csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 32)))
        assert answer["status"] == "Rejected"
        frames.append(len(due := csms.due(charge_point)))
        for message_id, _, _ in due:
            csms.text(charge_point, f'[3,"{message_id}",{{"status":"Accepted"}}]')

    assert frames == [1, 1, 1, 0, 0]
    assert "does not keep" in VehicleNeeds.objects.get().note


def test_schedule_without_a_session_is_rejected(csms: Csms, charge_point: ChargePoint) -> None:
    assert csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 6)))["status"] == "Rejected"


def test_next_vehicle_begins_anew(csms: Csms, charge_point: ChargePoint) -> None:
    csms.connect(charge_point)
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=token()))
    csms.send(charge_point, "NotifyEVChargingNeeds", needs())
    VehicleNeeds.objects.update(renegotiations=3)
    csms.send(charge_point, "TransactionEvent", event("Ended", 1))
    csms.send(charge_point, "TransactionEvent", event("Started", 0, tx="tx-2", evse=1, idToken=token()))

    csms.send(charge_point, "NotifyEVChargingSchedule", schedule((0, 6)))

    row = VehicleNeeds.objects.get()
    assert (row.transaction_number, row.renegotiations, row.needs) == ("tx-2", 0, None)


def test_chargers_of_others_keep_their_own(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    foreign = ChargePointFactory(tenant=other_tenant)
    ChargingProfileAssignmentFactory(charge_point=foreign, profile_number=7, since=T0 - timedelta(days=1))
    csms.now = T0 + timedelta(minutes=1)

    tell(csms, charge_point, asked(csms, charge_point), told(8))

    assert ChargingProfileAssignment.objects.get().state == AssignmentState.ACTIVE
    assert charging_reports.compared(foreign) == []
