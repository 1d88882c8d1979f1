"""Fleet tasks: one order to many chargers, each with its own outcome."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import CommandStatus, FleetItemStatus, FleetTaskState, RegistrationStatus
from chargepoints.jobs import forget_fleet_secrets
from chargepoints.models import ChargePoint, Command, Connection, FleetTask, FleetTaskItem
from chargepoints.services import fleet, fleet_steps
from csms_project.common import jobs
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.fleets import answer, chargers, connect, orders, reload, statuses, step
from tests.chargepoints.sending import send

SET_KEY = {"key": "AuthorizationKey", "value": "ffffffffffffffffffffffffffffffffffffffff"}


def start(actor: Actor, tenant: Tenant, given: list[fleet.Order], **options: Any) -> FleetTask:
    return fleet.start_task(actor=actor, tenant=tenant, title="Clear caches", orders=given, **options)


# ---------------------------------------------------------------- starting


def test_task_is_stored_with_an_order_for_each_charger_and_nothing_is_sent_yet(
    technician: Actor, tenant: Tenant
) -> None:
    task = start(technician, tenant, orders(chargers(tenant, 3)))

    assert (task.state, task.actions, task.requested_by) == ("waiting", ["clear_cache"], technician.user)
    assert statuses(task) == ["waiting"] * 3
    assert not Command.objects.exists()
    entry = AuditEntry.objects.get(action="fleet.start")
    assert (entry.object_name, entry.changes["charge_points"]) == ("Clear caches", [None, 3])
    assert Event.objects.get(kind="fleet_task.created").data["charge_points"] == 3


def test_start_wakes_the_job_on_commit(
    technician: Actor,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(jobs, "enqueue", asked.append)

    start(technician, tenant, orders(chargers(tenant, 1)))

    assert asked == ["chargepoints.step_fleet_tasks"]
    assert jobs.get_job(asked[0]).every_s == 2


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": commands.MAX_EXPIRES_IN_S + 1}, "expires_in"),
        ({"batch_size": 0}, "batch_size"),
        ({"stop_failure_rate": 1.5}, "stop_failure_rate"),
        ({"stop_failure_rate": -0.1}, "stop_failure_rate"),
        ({"not_before": timezone.now() + timedelta(days=400)}, "not_before"),
    ],
)
def test_unusable_settings_are_refused_by_name(
    technician: Actor, tenant: Tenant, charge_point: ChargePoint, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.InvalidTask) as caught:
        start(technician, tenant, orders([charge_point]), **options)
    assert list(caught.value.errors) == [field]
    assert not FleetTask.objects.exists()


def test_task_needs_a_title_and_a_charger(technician: Actor, tenant: Tenant) -> None:
    with pytest.raises(errors.InvalidTask) as caught:
        fleet.start_task(actor=technician, tenant=tenant, title="  ", orders=[])
    assert set(caught.value.errors) == {"title", "charge_points"}


def test_charger_of_another_tenant_is_refused(
    technician: Actor, tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    with pytest.raises(errors.InvalidTask, match="one organisation"):
        start(technician, tenant, orders([charge_point, other_charge_point]))


def test_wrong_arguments_are_refused_before_anything_is_stored(
    technician: Actor, tenant: Tenant, charge_point: ChargePoint
) -> None:
    with pytest.raises(errors.InvalidPayload) as caught:
        start(technician, tenant, orders([charge_point], "reset", kind="Gently"))
    assert list(caught.value.errors) == ["kind"]
    with pytest.raises(errors.UnknownAction):
        start(technician, tenant, orders([charge_point], "make_coffee"))
    assert not FleetTask.objects.exists()


def test_arguments_wrong_for_one_charger_only_are_its_own_outcome(technician: Actor, tenant: Tenant) -> None:
    first, second = chargers(tenant, 2)
    given = [*orders([first], "reset", kind="Gently"), *orders([second], "reset", kind="Soft")]

    task = start(technician, tenant, given)
    step()

    assert statuses(task) == ["refused", "under_way"]
    assert "kind" in task.items.earliest("pk").outcome


def test_role_without_the_command_cannot_start_it(support: Actor, viewer: Actor, tenant: Tenant) -> None:
    given = orders(chargers(tenant, 1), "reset", kind="Soft")
    for actor in (support, viewer):
        with pytest.raises(PermissionRefused):
            start(actor, tenant, given)
    assert start(support, tenant, orders([given[0].charge_point])).requested_by == support.user


def test_charger_that_the_actor_may_not_touch_gets_its_own_outcome(
    technician: Actor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = chargers(tenant, 2)
    monkeypatch.setattr(fleet, "may", lambda actor, action, obj: obj != first)

    task = start(technician, tenant, orders([first, second]))
    step()

    assert statuses(task) == ["refused", "under_way"]
    assert task.items.earliest("pk").outcome == "You may not send this command to this charge point."


# ---------------------------------------------------------------- carrying on


def test_orders_become_commands_of_who_asked_and_end_as_they_do(technician: Actor, tenant: Tenant) -> None:
    first, second, third = chargers(tenant, 3)
    task = start(technician, tenant, orders([first, second, third]))

    assert step() > 0

    command = Command.objects.get(charge_point=first)
    assert (command.requested_by, command.requested_via) == (technician.user, technician.via)
    assert reload(task).state == FleetTaskState.RUNNING
    answer(first)
    answer(second, CommandStatus.REJECTED, "The charger keeps no cache.")
    commands.complete(
        Command.objects.get(charge_point=third).pk,
        status=CommandStatus.FAILED,
        error={"code": "InternalError", "description": "out of memory", "details": {}},
    )
    step()

    assert statuses(task) == ["accepted", "rejected", "failed"]
    assert [item.outcome for item in task.items.order_by("pk")] == [
        "",
        "The charger keeps no cache.",
        "InternalError: out of memory",
    ]
    ended = reload(task)
    assert ended.state == FleetTaskState.DONE
    assert ended.ended_at is not None
    event = Event.objects.get(kind="fleet_task.ended")
    assert event.data["counts"] == {"accepted": 1, "rejected": 1, "failed": 1}


def test_offline_charger_fails_at_once_unless_it_is_waited_for(technician: Actor, tenant: Tenant) -> None:
    here = chargers(tenant, 1)[0]
    away = factories.ChargePointFactory(tenant=tenant, identity="AWAY")
    at_once = start(technician, tenant, orders([here, away]))
    waits = start(technician, tenant, orders([here, away]), expires_in=3600)

    step()

    assert statuses(at_once) == ["under_way", "offline"]
    assert at_once.items.latest("pk").outcome == "The charger was offline."
    assert statuses(waits) == ["under_way", "waiting"]
    connect(away)
    step()
    assert statuses(waits) == ["under_way", "under_way"]


def test_charger_that_does_not_come_in_time_expires(technician: Actor, tenant: Tenant) -> None:
    away = chargers(tenant, 1, online=False)
    task = start(technician, tenant, orders(away), expires_in=60)
    step()
    assert statuses(task) == ["waiting"]

    step(61)

    assert statuses(task) == ["expired"]
    assert reload(task).state == FleetTaskState.DONE


def test_waiting_time_counts_from_the_start_of_the_task(technician: Actor, tenant: Tenant) -> None:
    away = chargers(tenant, 1, online=False)
    later = timezone.now() + timedelta(hours=2)
    task = start(technician, tenant, orders(away), expires_in=60, not_before=later)

    step(3600)
    assert (reload(task).state, statuses(task)) == (FleetTaskState.WAITING, ["waiting"])
    step(2 * 3600 + 30)
    assert (reload(task).state, statuses(task)) == (FleetTaskState.RUNNING, ["waiting"])
    step(2 * 3600 + 120)
    assert statuses(task) == ["expired"]


def test_archived_and_rejected_chargers_are_told_at_once_also_where_others_are_waited_for(
    technician: Actor, tenant: Tenant
) -> None:
    archived, rejected, away = chargers(tenant, 3, online=False)
    ChargePoint.objects.filter(pk=archived.pk).update(archived_at=timezone.now())
    ChargePoint.objects.filter(pk=rejected.pk).update(registration_status=RegistrationStatus.REJECTED)
    task = start(technician, tenant, orders([archived, rejected, away]), expires_in=3600)

    step()

    assert statuses(task) == ["refused", "refused", "waiting"]
    assert [item.outcome for item in task.items.order_by("pk")[:2]] == [
        "The charge point is archived.",
        "The charge point is rejected: nothing is sent to it.",
    ]


def test_orders_of_one_charger_run_one_after_another(technician: Actor, tenant: Tenant) -> None:
    one, two = chargers(tenant, 2)
    given = [
        *orders([one], "change_configuration", key="HeartbeatInterval", value="60"),
        *orders([one], "reset", kind="Soft"),
        *orders([two], "reset", kind="Soft"),
    ]
    task = start(technician, tenant, given)

    step()
    assert statuses(task) == ["under_way", "waiting", "under_way"]
    step()
    assert statuses(task) == ["under_way", "waiting", "under_way"]
    answer(one, CommandStatus.REJECTED)
    step()

    assert statuses(task) == ["rejected", "under_way", "under_way"]
    assert [row.action for row in Command.objects.filter(charge_point=one).order_by("pk")] == [
        "change_configuration",
        "reset",
    ]


def test_batch_bounds_the_chargers_at_a_time_and_lets_those_that_have_begun_end(
    technician: Actor, tenant: Tenant
) -> None:
    made = chargers(tenant, 3)
    given = [*orders(made), *orders(made, "get_configuration")]
    task = start(technician, tenant, given, batch_size=2)

    step()
    assert statuses(task) == ["under_way", "under_way", "waiting", "waiting", "waiting", "waiting"]
    answer(made[0])
    step()
    assert statuses(task) == ["accepted", "under_way", "waiting", "under_way", "waiting", "waiting"]
    answer(made[0])
    step()
    assert statuses(task) == ["accepted", "under_way", "under_way", "accepted", "waiting", "waiting"]


def test_offline_chargers_that_are_waited_for_take_no_place_of_a_batch(
    technician: Actor, tenant: Tenant
) -> None:
    made = chargers(tenant, 3, online=False)
    connect(made[2])
    task = start(technician, tenant, orders(made), batch_size=1, expires_in=3600)

    step()

    assert statuses(task) == ["waiting", "waiting", "under_way"]


def test_task_stops_when_too_many_chargers_refuse(technician: Actor, tenant: Tenant) -> None:
    made = chargers(tenant, 8)
    task = start(technician, tenant, orders(made), batch_size=6, stop_failure_rate=Decimal("0.2"))
    step()
    for charge_point in made[:4]:
        answer(charge_point, CommandStatus.REJECTED)
    step()
    # Four of four: too few to judge, so two more were sent.
    assert statuses(task) == [*["rejected"] * 4, *["under_way"] * 4]
    answer(made[4], CommandStatus.ACCEPTED)
    FleetTaskItem.objects.filter(task=task, charge_point=made[7]).update(status="waiting", command=None)

    step()

    stopped = reload(task)
    assert (stopped.state, stopped.ended_at) == (FleetTaskState.STOPPED, None)
    assert stopped.end_reason == "4 of 5 orders failed, more than 20%."
    assert statuses(task)[5:] == ["under_way", "under_way", "cancelled"]
    assert task.items.latest("pk").outcome.startswith("Not sent: the task was stopped.")
    answer(made[5])
    answer(made[6])
    step()
    stopped = reload(task)
    assert stopped.state == FleetTaskState.STOPPED
    assert stopped.ended_at is not None


def test_offline_chargers_do_not_stop_a_task(technician: Actor, tenant: Tenant) -> None:
    away = chargers(tenant, 6, online=False)
    here = factories.ChargePointFactory(tenant=tenant, identity="HERE")
    connect(here)
    task = start(technician, tenant, orders([*away, here]), stop_failure_rate=0)

    step()
    step()

    assert statuses(task) == [*["offline"] * 6, "under_way"]
    assert reload(task).state == FleetTaskState.RUNNING


def test_error_of_ours_ends_one_order_and_not_the_task(
    technician: Actor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = chargers(tenant, 2)
    task = start(technician, tenant, orders([first, second]))
    queue = commands.queue

    def fail(**given: Any) -> Command:
        if given["charge_point"] == first:
            raise RuntimeError("boom")
        return queue(**given)

    monkeypatch.setattr(commands, "queue", fail)
    step()

    assert statuses(task) == ["failed", "under_way"]
    assert task.items.earliest("pk").outcome == "An error of ours (RuntimeError); it is in the log."
    assert "fleet.order_failed" in caplog.text


def test_command_that_was_cancelled_by_hand_or_expired_ends_its_order(
    technician: Actor, tenant: Tenant
) -> None:
    first, second = chargers(tenant, 2)
    task = start(technician, tenant, orders([first, second]))
    step()
    commands.cancel(actor=technician, command=Command.objects.get(charge_point=first))
    commands.expire_due(timezone.now() + timedelta(minutes=5))

    step()

    assert statuses(task) == ["cancelled", "expired"]


def test_step_is_bounded_and_the_next_one_goes_on(
    technician: Actor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_steps, "SEND_AT_ONCE", 2)
    task = start(technician, tenant, orders(chargers(tenant, 3)))

    step()
    assert statuses(task) == ["under_way", "under_way", "waiting"]
    step()
    assert statuses(task) == ["under_way"] * 3


def test_step_twice_sends_once(technician: Actor, tenant: Tenant) -> None:
    (charge_point,) = chargers(tenant, 1)
    task = start(technician, tenant, orders([charge_point]))
    stale = fleet_steps.next_items(task).get()

    step()
    # A second worker that has read before the first one wrote.
    assert fleet_steps._send_one(reload(task), stale, timezone.now()) == 0

    assert Command.objects.count() == 1


def test_second_worker_does_not_overfill_a_batch(technician: Actor, tenant: Tenant) -> None:
    made = chargers(tenant, 2)
    task = start(technician, tenant, orders(made), batch_size=1)
    other = task.items.get(charge_point=made[1])

    step()

    assert fleet_steps._send_one(reload(task), other, timezone.now()) == 0
    assert statuses(task) == ["under_way", "waiting"]


def test_idle_step_costs_one_statement(
    technician: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    task = start(technician, tenant, orders(chargers(tenant, 1)))
    step()
    answer(task.items.get().charge_point)
    step()
    start(
        technician, tenant, orders([task.items.get().charge_point]), not_before=timezone.now() + timedelta(1)
    )

    with django_assert_num_queries(1):
        assert step() == 0


def test_statements_of_a_waiting_task_do_not_grow_with_its_chargers(
    technician: Actor, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    start(technician, tenant, orders(chargers(tenant, 12, online=False)), expires_in=3600)
    step()

    with django_assert_num_queries(5):
        step()


# ---------------------------------------------------------------- calling off


def test_cancel_calls_off_what_waits_and_withdraws_what_was_not_sent(
    technician: Actor, tenant: Tenant
) -> None:
    made = chargers(tenant, 3)
    task = start(technician, tenant, orders(made), batch_size=2)
    step()
    sent = Command.objects.get(charge_point=made[0])
    send(sent, made[0].connection)

    cancelled = fleet.cancel_task(actor=technician, task=task)

    assert (cancelled.state, cancelled.ended_at) == (FleetTaskState.CANCELLED, None)
    assert Command.objects.get(charge_point=made[1]).status == CommandStatus.CANCELLED
    step()
    assert statuses(task) == ["under_way", "cancelled", "cancelled"]
    commands.complete(sent.pk, status=CommandStatus.ACCEPTED)
    step()
    ended = reload(task)
    assert (ended.state, statuses(task)[0]) == (FleetTaskState.CANCELLED, "accepted")
    assert ended.ended_at is not None
    assert AuditEntry.objects.get(action="fleet.cancel").changes["orders"] == [2, 0]
    with pytest.raises(errors.TaskEnded):
        fleet.cancel_task(actor=technician, task=ended)


def test_cancelled_before_its_time_nothing_is_sent(technician: Actor, tenant: Tenant) -> None:
    task = start(
        technician, tenant, orders(chargers(tenant, 2)), not_before=timezone.now() + timedelta(hours=1)
    )
    fleet.cancel_task(actor=technician, task=task)
    step(7200)
    assert (reload(task).state, statuses(task)) == ("cancelled", ["cancelled"] * 2)
    assert not Command.objects.exists()


def test_only_who_may_send_it_may_cancel_or_retry(
    technician: Actor, support: Actor, stranger: Actor, tenant: Tenant
) -> None:
    task = start(technician, tenant, orders(chargers(tenant, 1), "reset", kind="Soft"))
    for actor in (support, stranger):
        with pytest.raises(PermissionRefused):
            fleet.cancel_task(actor=actor, task=task)
        with pytest.raises(PermissionRefused):
            fleet.retry_failed(actor=actor, task=task)


# ---------------------------------------------------------------- trying again


def test_retry_sends_the_failed_ones_again_and_leaves_the_others(technician: Actor, tenant: Tenant) -> None:
    good, bad = chargers(tenant, 2)
    away = factories.ChargePointFactory(tenant=tenant, identity="AWAY")
    task = start(technician, tenant, orders([good, bad, away]))
    step()
    answer(good)
    answer(bad, CommandStatus.TIMED_OUT)
    step()
    assert statuses(task) == ["accepted", "timed_out", "offline"]
    connect(away)

    assert fleet.retry_failed(actor=technician, task=task) == 2

    again = reload(task)
    assert (again.state, again.ended_at) == (FleetTaskState.RUNNING, None)
    step()
    assert statuses(task) == ["accepted", "under_way", "under_way"]
    assert [item.attempt for item in task.items.order_by("pk")] == [1, 2, 2]
    answer(bad)
    answer(away)
    step()
    assert statuses(task) == ["accepted"] * 3
    assert reload(task).state == FleetTaskState.DONE
    assert AuditEntry.objects.get(action="fleet.retry").changes["orders"] == [None, 2]
    with pytest.raises(errors.NothingFailed):
        fleet.retry_failed(actor=technician, task=task)


def test_retry_waits_anew_for_offline_chargers(technician: Actor, tenant: Tenant) -> None:
    (away,) = chargers(tenant, 1, online=False)
    task = start(technician, tenant, orders([away]), expires_in=60)
    step()
    step(61)
    fleet.retry_failed(actor=technician, task=task)
    step()
    assert statuses(task) == ["waiting"]


def test_stopped_task_can_go_on_with_what_was_not_sent(technician: Actor, tenant: Tenant) -> None:
    task = start(technician, tenant, orders(chargers(tenant, 2)), batch_size=1)
    step()
    fleet.cancel_task(actor=technician, task=task)
    step()
    with pytest.raises(errors.NothingFailed):
        fleet.retry_failed(actor=technician, task=task)

    assert fleet.retry_failed(actor=technician, task=task, with_cancelled=True) == 2
    step()

    assert statuses(task) == ["under_way", "waiting"]


def test_retry_before_the_time_of_the_task_waits_for_it(technician: Actor, tenant: Tenant) -> None:
    later = timezone.now() + timedelta(hours=1)
    task = start(technician, tenant, orders(chargers(tenant, 1)), not_before=later)
    fleet.cancel_task(actor=technician, task=task)
    step()
    fleet.retry_failed(actor=technician, task=task, with_cancelled=True)
    step()
    assert (reload(task).state, statuses(task)) == ("waiting", ["waiting"])
    step(3601)
    assert (reload(task).state, statuses(task)) == ("running", ["under_way"])


# ---------------------------------------------------------------- secrets


def test_secret_is_masked_sent_in_the_clear_and_wiped_when_it_has_arrived(
    technician: Actor, connection: Connection
) -> None:
    charge_point = connection.charge_point
    task = start(technician, charge_point.tenant, orders([charge_point], "change_configuration", **SET_KEY))
    item = task.items.get()
    assert item.payload == {"key": "AuthorizationKey", "value": "***"}
    assert SET_KEY["value"] not in item.secret_payload
    assert SET_KEY["value"] not in str(list(AuditEntry.objects.values("changes")))

    step()

    command = Command.objects.get()
    assert commands.payload_of(command) == SET_KEY
    answer(charge_point)
    step()
    assert task.items.get().secret_payload == ""


def test_secret_of_a_failed_order_is_kept_for_a_retry_and_wiped_after_a_week(
    technician: Actor, connection: Connection
) -> None:
    charge_point = connection.charge_point
    task = start(technician, charge_point.tenant, orders([charge_point], "change_configuration", **SET_KEY))
    step()
    answer(charge_point, CommandStatus.REJECTED)
    step()
    fleet.retry_failed(actor=technician, task=task)
    step()
    assert commands.payload_of(Command.objects.latest("pk")) == SET_KEY
    answer(charge_point, CommandStatus.REJECTED)
    step()

    assert forget_fleet_secrets(timezone.now()) == 0
    assert forget_fleet_secrets(timezone.now() + timedelta(days=8)) == 1

    with pytest.raises(errors.NothingFailed, match="no longer kept"):
        fleet.retry_failed(actor=technician, task=task)
    assert task.items.get().status == FleetItemStatus.REJECTED


def test_unreadable_secret_is_the_orders_outcome(
    technician: Actor, connection: Connection, settings: Any
) -> None:
    charge_point = connection.charge_point
    task = start(technician, charge_point.tenant, orders([charge_point], "change_configuration", **SET_KEY))
    settings.FIELD_ENCRYPTION_KEYS = ["b3RoZXItLWtleS1vZi10aGUtdGVzdHMtb25seS0wMTI="]

    step()

    assert statuses(task) == ["refused"]
    assert "encryption key" in task.items.get().outcome


def test_deleted_charger_takes_its_orders_with_it(technician: Actor, tenant: Tenant) -> None:
    gone, stays = chargers(tenant, 2)
    task = start(technician, tenant, orders([gone, stays]))
    step()
    gone.delete()
    answer(stays)
    step()
    assert (statuses(task), reload(task).state) == (["accepted"], FleetTaskState.DONE)
