"""Where charging profiles stand, as orders, answers, sessions and time change it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.charging import following
from chargepoints.charging.plan import message_of
from chargepoints.choices import CommandStatus
from chargepoints.jobs import expire_charging_profiles
from chargepoints.models import ChargePoint, ChargingProfileAssignment, Command, Connection, ReportedSchedule
from ocpp_gateway.v16.answers import read_answer
from tests import factories
from tests.chargepoints.charging.plans import plan
from tests.chargepoints.sending import send
from transactions.jobs import follow_charging_profiles

Order = Callable[..., Command]
PERIODS = [{"start_period": 0, "limit": 16.5}]
SET: dict[str, Any] = {"profile_id": 7, "connector": 1, "purpose": "TxDefaultProfile", "periods": PERIODS}


@pytest.fixture
def order(technician: Actor, connection: Connection) -> Order:
    def queue(action: str, **payload: Any) -> Command:
        return commands.queue(
            actor=technician, charge_point=connection.charge_point, action=action, payload=payload
        )

    return queue


def end(command: Command, status: CommandStatus = CommandStatus.ACCEPTED, **fields: Any) -> None:
    assert commands.complete(command.pk, status=status, **fields) is not None


def put(order: Order, **change: Any) -> ChargingProfileAssignment:
    """A profile that the charger has accepted."""
    values = {**SET, **change}
    end(order("set_charging_profile", **values))
    return row_of(values["profile_id"], connector=values["connector"])


def row_of(number: int = 7, *, connector: int = 1) -> ChargingProfileAssignment:
    found: ChargingProfileAssignment = ChargingProfileAssignment.objects.get(
        profile_number=number, connector_number=connector
    )
    return found


def states() -> dict[tuple[int, int], str]:
    rows = ChargingProfileAssignment.objects.order_by("pk")
    return {(row.connector_number, row.profile_number): row.state for row in rows}


def answer(command: Command, action: str, request: dict[str, Any], response: dict[str, Any]) -> None:
    """As the gateway does with what comes back."""
    outcome = read_answer(action, request, response)
    commands.complete(command.pk, status=outcome.status, response=response, effects=outcome.effects)


# ---------------------------------------------------------------- setting
def test_order_makes_the_row_before_the_charger_has_answered(order: Order, charge_point: ChargePoint) -> None:
    command = order("set_charging_profile", **SET, stack_level=2, valid_to="2099-01-01T00:00:00Z")
    row = row_of()
    assert (row.state, row.command, row.tenant) == ("requested", command, charge_point.tenant)
    assert (row.purpose, row.stack_level, row.valid_to and row.valid_to.year) == ("TxDefaultProfile", 2, 2099)
    assert row.plan.periods[0].limit == Decimal("16.5")


def test_accepted_profile_is_active(order: Order) -> None:
    row = put(order)
    assert (row.state, row.note) == ("active", "")


def test_raw_order_says_the_same(order: Order) -> None:
    given = plan((0, "16.5", 3), (60, 8), stack_level=2)
    command = order("SetChargingProfile", connectorId=1, csChargingProfiles=message_of(given, 9))
    end(command)
    row = row_of(9)
    assert (row.state, row.plan) == ("active", given)


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        (CommandStatus.REJECTED, "rejected", "The charger refused it."),
        (CommandStatus.NOT_SUPPORTED, "rejected", "The charger knows no charging profiles of this kind."),
        (CommandStatus.EXPIRED, "rejected", "It was not sent in time."),
        (CommandStatus.CANCELLED, "rejected", "The order was withdrawn."),
        (CommandStatus.FAILED, "rejected", "It could not be sent."),
    ],
)
def test_order_that_ends_otherwise_before_or_at_the_charger_is_rejected(
    order: Order, status: CommandStatus, state: str, text: str
) -> None:
    end(order("set_charging_profile", **SET), status)
    row = row_of()
    assert (row.state, row.note) == (state, text)


@pytest.mark.parametrize("status", [CommandStatus.TIMED_OUT, CommandStatus.FAILED])
def test_order_that_was_sent_and_lost_leaves_it_unknown(
    order: Order, connection: Connection, status: CommandStatus
) -> None:
    command = order("set_charging_profile", **SET)
    send(command, connection)
    end(command, status)
    assert row_of().state == "unknown"


def test_what_the_charger_holds_stays_until_it_takes_the_new_one(order: Order) -> None:
    put(order)
    second = order("set_charging_profile", **{**SET, "periods": [{"start_period": 0, "limit": 6}]})
    row = row_of()
    assert (row.state, row.plan.periods[0].limit, row.command) == ("active", Decimal("16.5"), second)
    end(second, CommandStatus.REJECTED)
    row.refresh_from_db()
    assert (row.state, row.plan.periods[0].limit) == ("active", Decimal("16.5"))
    assert row.note.startswith("Unchanged.")


def test_same_level_and_purpose_on_the_connector_are_replaced(order: Order) -> None:
    """§3.13.2; other connectors, purposes and levels stay."""
    put(order)
    put(order, profile_id=8, connector=2)
    put(order, profile_id=9, connector=0)
    put(order, profile_id=10, stack_level=1)
    put(order, profile_id=11)
    assert states() == {
        (1, 7): "cleared",
        (2, 8): "active",
        (0, 9): "active",
        (1, 10): "active",
        (1, 11): "active",
    }
    assert row_of().note == "Replaced by profile 11."


def test_same_number_is_replaced_wherever_it_stands(order: Order) -> None:
    """§5.16.3."""
    put(order)
    put(order, connector=2, stack_level=3)
    assert states() == {(1, 7): "cleared", (2, 7): "active"}


def test_rejected_profile_that_is_sent_again_starts_anew(order: Order) -> None:
    end(order("set_charging_profile", **SET), CommandStatus.REJECTED)
    put(order)
    assert states() == {(1, 7): "active"}


def test_profile_of_ours_is_known_by_number_and_content(order: Order, charge_point: ChargePoint) -> None:
    mine = factories.ChargingProfileFactory(tenant=charge_point.tenant)
    put(order, profile_id=mine.pk, periods=[{"start_period": 0, "limit": 16}])
    assert row_of(mine.pk).profile == mine
    put(order, profile_id=mine.pk, periods=[{"start_period": 0, "limit": 15}])
    assert row_of(mine.pk).profile is None


def test_number_of_another_tenants_profile_is_just_a_number(
    order: Order, other_charge_point: ChargePoint
) -> None:
    theirs = factories.ChargingProfileFactory(tenant=other_charge_point.tenant)
    put(order, profile_id=theirs.pk, periods=[{"start_period": 0, "limit": 16}])
    assert row_of(theirs.pk).profile is None


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": message_of(plan(16), 2**40)}),
        ("SetChargingProfile", {"connectorId": 2**40, "csChargingProfiles": message_of(plan(16), 1)}),
        (
            "SetChargingProfile",
            {"connectorId": 1, "csChargingProfiles": {**message_of(plan(16), 1), "validFrom": "soon"}},
        ),
        ("ClearChargingProfile", {"id": 2**40}),
    ],
)
def test_order_that_cannot_be_followed_is_sent_all_the_same(order: Order, action: str, payload: Any) -> None:
    end(order(action, **payload))
    assert states() == {}


# ---------------------------------------------------------------- clearing
@pytest.mark.parametrize(
    ("criteria", "cleared"),
    [
        ({}, {7, 8, 9}),
        ({"profile_id": 7}, {7}),
        ({"profile_id": 7, "connector": 2}, set()),  # errata 3.25: logical AND
        ({"connector": 0}, {9}),
        ({"purpose": "TxDefaultProfile"}, {7, 8}),
        ({"stack_level": 1}, {8}),
        ({"purpose": "TxDefaultProfile", "stack_level": 1}, {8}),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_clearing_ends_what_matches_everything_that_is_named(
    order: Order, criteria: dict[str, Any], cleared: set[int], raw: bool
) -> None:
    put(order)
    put(order, profile_id=8, stack_level=1)
    put(order, profile_id=9, connector=0, purpose="ChargePointMaxProfile")
    names = {
        "profile_id": "id",
        "connector": "connectorId",
        "purpose": "chargingProfilePurpose",
        "stack_level": "stackLevel",
    }
    if raw:
        end(order("ClearChargingProfile", **{names[name]: value for name, value in criteria.items()}))
    else:
        end(order("clear_charging_profile", **criteria))
    assert {number for (_, number), state in states().items() if state == "cleared"} == cleared


def test_clearing_that_is_refused_changes_nothing(order: Order) -> None:
    put(order)
    command = order("clear_charging_profile", profile_id=7)
    assert row_of().command == command
    end(command, CommandStatus.FAILED)
    assert row_of().state == "active"


def test_charger_that_knows_no_such_profile_does_not_hold_it(order: Order) -> None:
    put(order)
    command = order("clear_charging_profile", profile_id=7)
    answer(command, "ClearChargingProfile", {"id": 7}, {"status": "Unknown"})
    assert (row_of().state, row_of().note) == ("cleared", "The charger holds no such profile.")


def test_profile_that_is_asked_for_behind_it_is_not_cleared(order: Order) -> None:
    clearing = order("clear_charging_profile")
    order("set_charging_profile", **SET)
    end(clearing)
    assert states() == {(1, 7): "requested"}


# ---------------------------------------------------------------- time and restarts
def test_profile_whose_validity_is_over_expires(order: Order) -> None:
    put(order, valid_to="2030-01-01T00:00:00Z")
    now = timezone.now()
    assert expire_charging_profiles(now) == 0
    assert expire_charging_profiles(now.replace(year=2031)) == 1
    assert row_of().state == "expired"


def test_restart_leaves_profiles_but_doubts_those_of_sessions(
    order: Order, charge_point: ChargePoint
) -> None:
    """Errata 3.37: profiles are persistent."""
    put(order)
    put(order, profile_id=8, purpose="TxProfile", transaction_id="77")
    now = timezone.now()
    ChargePoint.objects.filter(pk=charge_point.pk).update(last_boot_at=now + timedelta(minutes=1))
    assert expire_charging_profiles(now) == 1
    assert states() == {(1, 7): "active", (1, 8): "unknown"}


# ---------------------------------------------------------------- sessions
def session(charge_point: ChargePoint, **fields: Any) -> Any:
    return factories.TransactionFactory(connector=charge_point.connectors.get(ocpp_number=1), **fields)


def stop(row: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(state="ended", ended_at=timezone.now())


def test_profile_of_a_session_ends_with_it(order: Order, charge_point: ChargePoint) -> None:
    """§3.13.1."""
    running = session(charge_point)
    put(order, purpose="TxProfile", transaction_id=running.ocpp_id)
    put(order, profile_id=8)
    assert follow_charging_profiles(timezone.now()) == 0
    stop(running)
    assert follow_charging_profiles(timezone.now()) == 1
    assert states() == {(1, 7): "cleared", (1, 8): "active"}
    assert row_of().note == "The session has ended."


def test_profile_without_a_session_number_belongs_to_the_one_that_ran(
    order: Order, charge_point: ChargePoint
) -> None:
    running = session(charge_point)
    put(order, purpose="TxProfile")
    assert follow_charging_profiles(timezone.now()) == 0
    assert row_of().transaction_number == running.ocpp_id
    stop(running)
    assert follow_charging_profiles(timezone.now()) == 1


def test_profile_of_a_session_of_another_charger_is_not_touched(
    order: Order, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    theirs = factories.TransactionFactory(connector=other_charge_point.connectors.first())
    put(order, purpose="TxProfile", transaction_id=theirs.ocpp_id)
    stop(theirs)
    assert follow_charging_profiles(timezone.now()) == 0


def test_following_sessions_takes_the_same_queries_for_any_number(
    charge_point: ChargePoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    running = session(charge_point)
    for number in range(5):
        factories.ChargingProfileAssignmentFactory(
            charge_point=charge_point,
            purpose="TxProfile",
            transaction_number=running.ocpp_id,
            connector_number=number,
        )
    with django_assert_num_queries(2):
        assert follow_charging_profiles(timezone.now()) == 0


def test_orders_about_other_things_cost_no_query(
    order: Order, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    command = order("clear_cache")
    with django_assert_num_queries(0):
        following.asked(command, command.payload)
        following.answered(command)


def remote_start(order: Order, **fields: Any) -> Command:
    given = message_of(plan(16, purpose="TxProfile"), 7)
    command = order("remote_start", id_token="04AA", charging_profile=given, **fields)
    end(command)
    command.refresh_from_db()
    return command


def test_profile_of_a_remote_start_begins_with_its_session(order: Order, charge_point: ChargePoint) -> None:
    """§5.16.2: the charger applies it to the session that it starts, and chooses the connector if we do not."""
    command = remote_start(order)
    assert (row_of(connector=0).state, row_of(connector=0).note) == ("requested", "Begins with the session.")
    assert follow_charging_profiles(timezone.now()) == 0
    running = session(charge_point, remote_start=command)
    assert follow_charging_profiles(timezone.now()) == 1
    row = row_of(connector=1)
    assert (row.state, row.transaction_number) == ("active", running.ocpp_id)
    stop(running)
    assert follow_charging_profiles(timezone.now()) == 1
    assert row_of().state == "cleared"


def test_profile_of_a_remote_start_without_a_session_is_gone(order: Order) -> None:
    command = remote_start(order, connector=1)
    assert command.completed_at is not None
    assert follow_charging_profiles(command.completed_at + timedelta(days=1)) == 1
    assert (row_of().state, row_of().note) == ("cleared", "No session has started.")


def test_profile_of_a_refused_remote_start_is_rejected(order: Order) -> None:
    given = message_of(plan(16, purpose="TxProfile"), 7)
    command = order("RemoteStartTransaction", idTag="04AA", connectorId=1, chargingProfile=given)
    end(command, CommandStatus.REJECTED)
    assert row_of().state == "rejected"


# ---------------------------------------------------------------- what the charger tells
def report(order: Order, response: dict[str, Any], **request: Any) -> None:
    command = order("get_composite_schedule", connector=1, duration=3600)
    answer(command, "GetCompositeSchedule", {"connectorId": 1, "duration": 3600, **request}, response)


SCHEDULE = {
    "chargingRateUnit": "A",
    "duration": 3600,
    "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 8.1, "numberPhases": 3},
        {"startPeriod": 60, "limit": 6},
    ],
}


def test_schedule_that_the_charger_tells_is_kept_the_last_one_only(order: Order) -> None:
    told = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": "2026-03-02T10:00:00Z",
        "chargingSchedule": SCHEDULE,
    }
    report(order, told)
    report(order, {**told, "scheduleStart": "2026-03-02T11:00:00Z"})
    row = ReportedSchedule.objects.get()
    assert (row.connector_number, row.charging_rate_unit, row.duration, row.starts_at.hour) == (
        1,
        "A",
        3600,
        11,
    )
    assert row.periods == [
        {"start_period": 0, "limit": "8.1", "number_phases": 3},
        {"start_period": 60, "limit": "6"},
    ]


def test_schedule_without_start_and_connector_counts_from_now_on_the_one_asked_for(order: Order) -> None:
    bare = {name: value for name, value in SCHEDULE.items() if name != "duration"}
    report(order, {"status": "Accepted", "chargingSchedule": bare})
    row = ReportedSchedule.objects.get()
    assert (row.connector_number, row.duration) == (1, 3600)
    assert abs(row.starts_at - timezone.now()) < timedelta(minutes=1)


@pytest.mark.parametrize("told", [{"status": "Rejected"}, {"status": "Accepted"}])
def test_charger_that_tells_no_schedule_changes_nothing(order: Order, told: dict[str, Any]) -> None:
    report(order, told)
    assert not ReportedSchedule.objects.exists()
