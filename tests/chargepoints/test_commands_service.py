"""The life of a command."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as django_connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.errors import PermissionRefused
from accounts.permissions import Actor
from chargepoints import commands, errors, waking
from chargepoints.choices import FINAL_COMMAND_STATUSES, CommandStatus, RegistrationStatus
from chargepoints.models import ChargePoint, Command, Connection
from csms_project.common import crypto
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.sending import send
from tests.factories import CHARGER_KEY

NEW_KEY = "ffffffffffffffffffffffffffffffffffffffff"
SET_KEY = {"key": "AuthorizationKey", "value": NEW_KEY}


@pytest.fixture
def woken() -> Iterator[list[tuple[uuid.UUID, int]]]:
    """Nodes that were woken, with the charge point."""
    calls: list[tuple[uuid.UUID, int]] = []

    def waker(node_id: uuid.UUID, charge_point_id: int) -> bool:
        calls.append((node_id, charge_point_id))
        return True

    waking.register_local_waker(waker)
    yield calls
    waking.register_local_waker(None)


@pytest.fixture
def raw_checker() -> Iterator[None]:
    """A gateway that knows GetDiagnostics, ChangeConfiguration and RemoteStartTransaction."""

    def check(version: str, action: str, payload: Any) -> str | None:
        known = {"GetDiagnostics", "ChangeConfiguration", "RemoteStartTransaction"}
        return None if version == "ocpp1.6" and action in known else f"{action} is not a message of {version}"

    before = commands._raw_checker
    commands.register_raw_checker(check)
    yield
    commands.register_raw_checker(before)


def test_queue_for_online_charger_is_stored_audited_and_wakes_its_node_on_commit(
    technician: Actor,
    connection: Connection,
    woken: list[Any],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    charge_point = connection.charge_point

    with django_capture_on_commit_callbacks(execute=True):
        command = commands.queue(
            actor=technician, charge_point=charge_point, action="reset", payload={"kind": "Soft"}, timeout_s=5
        )
        assert woken == []

    assert (command.status, command.payload, command.timeout_s) == (CommandStatus.QUEUED, {"kind": "Soft"}, 5)
    assert (command.requested_by, command.requested_via) == (technician.user, "api")
    assert not command.waits_for_connection
    assert woken == [(connection.node_id, charge_point.pk)]
    assert AuditEntry.objects.get().changes["action"] == [None, "reset"]


def test_queue_for_offline_charger_is_refused(technician: Actor, charge_point: ChargePoint) -> None:
    with pytest.raises(errors.ChargePointOffline):
        commands.queue(actor=technician, charge_point=charge_point, action="clear_cache", payload={})

    assert not Command.objects.exists()


def test_queue_for_charger_of_a_dead_node_is_refused(technician: Actor, connection: Connection) -> None:
    connection.node.lease_until = timezone.now() - timedelta(seconds=1)
    connection.node.save()

    with pytest.raises(errors.ChargePointOffline):
        commands.queue(
            actor=technician, charge_point=connection.charge_point, action="clear_cache", payload={}
        )


def test_queue_for_offline_charger_with_expiry_waits(technician: Actor, charge_point: ChargePoint) -> None:
    command = commands.queue(
        actor=technician, charge_point=charge_point, action="clear_cache", payload={}, expires_in=3600
    )

    assert command.waits_for_connection
    assert command.expires_at - command.created_at == timedelta(hours=1)


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": 10**9}, "expires_in"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": 601}, "timeout_s"),
        ({"idempotency_key": "x" * 129}, "idempotency_key"),
        ({"idempotency_key": "a\nb"}, "idempotency_key"),
    ],
)
def test_queue_with_wrong_limits_is_refused(
    technician: Actor, connection: Connection, limits: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.InvalidPayload) as caught:
        commands.queue(
            actor=technician, charge_point=connection.charge_point, action="clear_cache", payload={}, **limits
        )

    assert list(caught.value.errors) == [field]


def test_queue_dangerous_command_by_support_is_refused(support: Actor, connection: Connection) -> None:
    charge_point = connection.charge_point
    commands.queue(
        actor=support, charge_point=charge_point, action="unlock_connector", payload={"connector": 1}
    )

    for action, payload in (("reset", {"kind": "Soft"}), ("GetDiagnostics", {})):
        with pytest.raises(PermissionRefused):
            commands.queue(actor=support, charge_point=charge_point, action=action, payload=payload)


def test_queue_by_viewer_or_stranger_is_refused(
    viewer: Actor, stranger: Actor, connection: Connection
) -> None:
    for actor in (viewer, stranger):
        with pytest.raises(PermissionRefused):
            commands.queue(
                actor=actor, charge_point=connection.charge_point, action="clear_cache", payload={}
            )


@pytest.mark.parametrize("action", ["remote_start", "RemoteStartTransaction"])
@pytest.mark.parametrize("status", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
def test_queue_start_for_charger_that_is_not_accepted_is_refused(
    technician: Actor, connection: Connection, raw_checker: None, action: str, status: str
) -> None:
    charge_point = connection.charge_point
    charge_point.registration_status = status

    with pytest.raises(errors.ChargePointNotAccepted):
        commands.queue(
            actor=technician, charge_point=charge_point, action=action, payload={"id_token": "04AB"}
        )


def test_queue_configuration_for_pending_charger_is_sent_but_not_for_rejected(
    technician: Actor, connection: Connection
) -> None:
    charge_point = connection.charge_point
    charge_point.registration_status = RegistrationStatus.PENDING
    commands.queue(actor=technician, charge_point=charge_point, action="get_configuration", payload={})

    charge_point.registration_status = RegistrationStatus.REJECTED
    with pytest.raises(errors.ChargePointNotAccepted):
        commands.queue(actor=technician, charge_point=charge_point, action="get_configuration", payload={})


def test_queue_for_archived_charger_is_refused(technician: Actor, connection: Connection) -> None:
    connection.charge_point.archived_at = timezone.now()

    with pytest.raises(errors.ChargePointArchived):
        commands.queue(
            actor=technician, charge_point=connection.charge_point, action="clear_cache", payload={}
        )


def test_queue_again_with_the_same_key_returns_the_first(technician: Actor, connection: Connection) -> None:
    order: dict[str, Any] = {
        "actor": technician,
        "charge_point": connection.charge_point,
        "action": "change_configuration",
        "payload": SET_KEY,
        "idempotency_key": "order-1",
    }

    first, second = commands.queue(**order), commands.queue(**order)

    assert first == second
    assert Command.objects.count() == AuditEntry.objects.count() == 1


def test_queue_other_order_with_the_same_key_is_refused(technician: Actor, connection: Connection) -> None:
    charge_point = connection.charge_point
    commands.queue(
        actor=technician, charge_point=charge_point, action="clear_cache", payload={}, idempotency_key="k"
    )

    with pytest.raises(errors.IdempotencyConflict):
        commands.queue(
            actor=technician,
            charge_point=charge_point,
            action="reset",
            payload={"kind": "Soft"},
            idempotency_key="k",
        )


def test_queue_other_secret_with_the_same_key_is_refused(technician: Actor, connection: Connection) -> None:
    order: dict[str, Any] = {
        "actor": technician,
        "charge_point": connection.charge_point,
        "action": "change_configuration",
        "idempotency_key": "order-1",
    }
    commands.queue(**order, payload=SET_KEY)

    with pytest.raises(errors.IdempotencyConflict):
        commands.queue(**order, payload={**SET_KEY, "value": CHARGER_KEY})


def test_queue_at_the_same_moment_with_the_same_key_makes_one_command(
    technician: Actor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: dict[str, Any] = {
        "actor": technician,
        "charge_point": connection.charge_point,
        "action": "clear_cache",
        "payload": {},
        "idempotency_key": "order-1",
    }
    first = commands.queue(**order)
    find, looks = commands._find_earlier, []

    def find_too_late(*args: Any) -> Command | None:
        looks.append(args)
        return None if len(looks) == 1 else find(*args)

    monkeypatch.setattr(commands, "_find_earlier", find_too_late)

    assert commands.queue(**order) == first


def test_idempotency_keys_of_tenants_are_apart(
    technician: Actor, stranger: Actor, connection: Connection, other_charge_point: ChargePoint
) -> None:
    factories.ConnectionFactory(charge_point=other_charge_point)

    for actor, charge_point in ((technician, connection.charge_point), (stranger, other_charge_point)):
        commands.queue(
            actor=actor, charge_point=charge_point, action="clear_cache", payload={}, idempotency_key="k"
        )

    assert Command.objects.count() == 2


def test_queue_raw_message_is_checked_by_the_gateway(
    technician: Actor, connection: Connection, raw_checker: None
) -> None:
    charge_point = connection.charge_point
    command = commands.queue(
        actor=technician, charge_point=charge_point, action="GetDiagnostics", payload={"location": "ftp://x"}
    )
    assert command.is_raw
    assert commands.payload_of(command) == {"location": "ftp://x"}

    with pytest.raises(errors.InvalidPayload, match="is not a message"):
        commands.queue(actor=technician, charge_point=charge_point, action="GetReport", payload={})


def test_queue_raw_message_without_gateway_is_refused(technician: Actor, connection: Connection) -> None:
    before = commands._raw_checker
    commands.register_raw_checker(None)
    try:
        with pytest.raises(errors.UnknownAction):
            commands.queue(
                actor=technician, charge_point=connection.charge_point, action="GetDiagnostics", payload={}
            )
    finally:
        commands.register_raw_checker(before)


@pytest.mark.parametrize("action", ["change_configuration", "ChangeConfiguration"])
def test_secret_is_encrypted_until_the_end_and_shown_nowhere(
    technician: Actor, connection: Connection, raw_checker: None, action: str
) -> None:
    command = commands.queue(
        actor=technician, charge_point=connection.charge_point, action=action, payload=SET_KEY
    )
    assert command.payload == {"key": "AuthorizationKey", "value": "***"}
    assert commands.payload_of(command) == SET_KEY

    send(command, connection, **SET_KEY)
    commands.complete(command.pk, status=CommandStatus.ACCEPTED, response={"status": "Accepted"})

    stored = Command.objects.get()
    assert stored.secret_payload == ""
    assert stored.request == {"key": "AuthorizationKey", "value": "***"}
    everything = [*Command.objects.values(), *AuditEntry.objects.values(), *Event.objects.values()]
    assert NEW_KEY not in str(everything)


def test_credentials_in_a_url_are_sent_but_shown_nowhere(
    technician: Actor, connection: Connection, raw_checker: None
) -> None:
    location = {"location": "ftp://u:hunter2@files.example.org/x"}
    command = commands.queue(
        actor=technician, charge_point=connection.charge_point, action="GetDiagnostics", payload=location
    )
    send(command, connection, **location)

    stored = Command.objects.get()
    assert commands.payload_of(stored) == location
    assert stored.payload == stored.request == {"location": "ftp://***@files.example.org/x"}
    assert "hunter2" not in str([*Command.objects.values(), *AuditEntry.objects.values()])


def test_payload_whose_encryption_key_is_gone_is_an_error(charge_point: ChargePoint) -> None:
    command = factories.CommandFactory(charge_point=charge_point, secret_payload="unreadable")

    with pytest.raises(crypto.InvalidToken):
        commands.payload_of(command)


def test_claim_marks_it_sent_for_one_taker_only(connection: Connection) -> None:
    command = factories.CommandFactory(charge_point=connection.charge_point)
    message_id = uuid.uuid4()

    first = commands.claim(
        command.pk, connection_token=connection.token, message_id=message_id, ocpp_action="Reset", request={}
    )
    second = commands.claim(
        command.pk, connection_token=uuid.uuid4(), message_id=uuid.uuid4(), ocpp_action="Reset", request={}
    )

    assert first is not None
    assert (first.status, first.attempts, first.message_id) == (CommandStatus.SENT, 1, message_id)
    assert first.connection_token == connection.token
    assert second is None


def test_claim_expired_or_unknown_command_is_nothing(connection: Connection) -> None:
    late = factories.CommandFactory(
        charge_point=connection.charge_point, expires_at=timezone.now() - timedelta(seconds=1)
    )

    for pk in (late.pk, 999_999):
        assert (
            commands.claim(
                pk,
                connection_token=connection.token,
                message_id=uuid.uuid4(),
                ocpp_action="Reset",
                request={},
            )
            is None
        )


def test_complete_stores_the_answer_and_tells_the_outbox(connection: Connection) -> None:
    command = send(factories.CommandFactory(charge_point=connection.charge_point), connection)

    done = commands.complete(command.pk, status=CommandStatus.REJECTED, response={"status": "Rejected"})

    assert done is not None
    assert (done.status, done.response) == (CommandStatus.REJECTED, {"status": "Rejected"})
    assert done.completed_at is not None
    event = Event.objects.get()
    assert (event.kind, event.data) == ("command.completed", {"action": "reset", "status": "rejected"})


def test_complete_with_text_that_no_database_takes_is_stored(connection: Connection) -> None:
    command = send(factories.CommandFactory(charge_point=connection.charge_point), connection)

    done = commands.complete(
        command.pk,
        status=CommandStatus.FAILED,
        response={"data": "a\0b\ud800", "big": 10**30},
        error={"code": "InternalError", "description": "\0", "details": {"\0": "\0"}},
    )

    assert done is not None
    done.refresh_from_db()
    assert done.response == {"data": "a\ufffdb?", "big": str(10**30)}


def test_complete_runs_effects_with_the_final_row(connection: Connection) -> None:
    command = send(factories.CommandFactory(charge_point=connection.charge_point), connection)
    seen: list[tuple[str, Any]] = []

    commands.complete(
        command.pk,
        status=CommandStatus.ACCEPTED,
        response={"status": "Accepted"},
        effects=[lambda row: seen.append((row.status, row.response))],
    )

    assert seen == [("accepted", {"status": "Accepted"})]


def test_complete_whose_effect_fails_leaves_the_command_as_it_was(connection: Connection) -> None:
    command = send(factories.CommandFactory(charge_point=connection.charge_point), connection)

    def fail(row: Command) -> None:
        raise RuntimeError("cannot store")

    with pytest.raises(RuntimeError):
        commands.complete(command.pk, status=CommandStatus.ACCEPTED, effects=[fail])

    command.refresh_from_db()
    assert command.status == CommandStatus.SENT
    assert not Event.objects.exists()


@pytest.mark.parametrize("final", sorted(FINAL_COMMAND_STATUSES))
def test_complete_final_command_never_changes(connection: Connection, final: str) -> None:
    command = factories.CommandFactory(charge_point=connection.charge_point, status=final)
    effects: list[Command] = []

    late = commands.complete(command.pk, status=CommandStatus.ACCEPTED, effects=[effects.append])

    command.refresh_from_db()
    assert (late, command.status, effects) == (None, final, [])
    assert not Event.objects.exists()


def test_cancel_waiting_command_ends_it(technician: Actor, charge_point: ChargePoint) -> None:
    command = factories.CommandFactory(charge_point=charge_point)

    assert commands.cancel(actor=technician, command=command).status == CommandStatus.CANCELLED
    with pytest.raises(errors.CommandNotCancellable):
        commands.cancel(actor=technician, command=command)


def test_cancel_sent_command_is_refused(technician: Actor, connection: Connection) -> None:
    command = send(factories.CommandFactory(charge_point=connection.charge_point), connection)

    with pytest.raises(errors.CommandNotCancellable):
        commands.cancel(actor=technician, command=command)


def test_cancel_by_support_or_stranger_is_refused(
    support: Actor, stranger: Actor, charge_point: ChargePoint
) -> None:
    command = factories.CommandFactory(charge_point=charge_point, action="reset")

    for actor in (support, stranger):
        with pytest.raises(PermissionRefused):
            commands.cancel(actor=actor, command=command)


def test_due_for_is_in_order_and_only_of_these_chargers(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    first, second = factories.CommandFactory.create_batch(2, charge_point=charge_point)
    factories.CommandFactory(charge_point=charge_point, expires_at=timezone.now() - timedelta(seconds=1))
    factories.CommandFactory(charge_point=charge_point, status=CommandStatus.ACCEPTED)
    factories.CommandFactory(charge_point=other_charge_point)

    assert commands.due_for([charge_point.pk]) == [first, second]
    assert commands.due_for([]) == []


def test_due_for_thousands_of_idle_chargers_takes_one_statement(
    charge_point: ChargePoint, other_charge_point: ChargePoint, django_assert_num_queries: Any
) -> None:
    factories.CommandFactory(charge_point=charge_point, status=CommandStatus.ACCEPTED)
    factories.CommandFactory(charge_point=charge_point, expires_at=timezone.now() - timedelta(seconds=1))
    foreign = factories.CommandFactory(charge_point=other_charge_point)

    with django_assert_num_queries(1):
        assert commands.due_for(range(other_charge_point.pk + 1, other_charge_point.pk + 100_000)) == []

    assert commands.due_for(range(other_charge_point.pk, other_charge_point.pk + 100_000)) == [foreign]


def test_due_for_looks_at_open_commands_only(charge_point: ChargePoint) -> None:
    factories.CommandFactory.create_batch(20, charge_point=charge_point, status=CommandStatus.ACCEPTED)
    with CaptureQueriesContext(django_connection) as queries:
        commands.due_for([charge_point.pk])

    with django_connection.cursor() as cursor:
        if django_connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN " if django_connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
        cursor.execute(explain + queries[0]["sql"])
        plan = str(cursor.fetchall())
    assert "command_open" in plan


def test_due_for_charger_with_one_outstanding_waits(connection: Connection) -> None:
    sent, _ = factories.CommandFactory.create_batch(2, charge_point=connection.charge_point)
    send(sent, connection)

    assert commands.due_for([connection.charge_point_id]) == []


def test_due_for_charger_that_lost_its_acceptance_gets_no_start(charge_point: ChargePoint) -> None:
    factories.CommandFactory(charge_point=charge_point, action="remote_start")
    read = factories.CommandFactory(charge_point=charge_point, action="get_configuration")

    charge_point.registration_status = RegistrationStatus.PENDING
    charge_point.save()
    assert commands.due_for([charge_point.pk]) == [read]

    charge_point.registration_status = RegistrationStatus.REJECTED
    charge_point.save()
    assert commands.due_for([charge_point.pk]) == []


def test_end_sent_on_replaced_spares_the_live_socket(connection: Connection) -> None:
    old = send(factories.CommandFactory(charge_point=connection.charge_point), connection)
    connection.token = uuid.uuid4()
    new = send(factories.CommandFactory(charge_point=connection.charge_point), connection)

    live = {connection.charge_point_id: connection.token}
    assert commands.end_sent(closed={}, live=live) == 1

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.status, new.status) == (CommandStatus.FAILED, CommandStatus.SENT)
    assert old.error is not None
    assert old.error["code"] == commands.CONNECTION_REPLACED


def test_end_sent_on_closed_fails_only_that_socket(
    connection: Connection, other_charge_point: ChargePoint
) -> None:
    foreign = factories.ConnectionFactory(charge_point=other_charge_point)
    other = send(factories.CommandFactory(charge_point=other_charge_point), foreign)
    mine = send(factories.CommandFactory(charge_point=connection.charge_point), connection)

    closed = {connection.token: connection.charge_point_id}
    assert commands.end_sent(closed=closed, live={}) == 1
    assert commands.end_sent(closed=closed, live={}) == 0

    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.status, other.status) == (CommandStatus.FAILED, CommandStatus.SENT)


def test_expire_due_ends_what_waited_too_long_once(charge_point: ChargePoint) -> None:
    now = timezone.now()
    late = factories.CommandFactory(charge_point=charge_point, expires_at=now)
    waiting = factories.CommandFactory(charge_point=charge_point, expires_at=now + timedelta(seconds=1))

    assert commands.expire_due(now) == 1
    assert commands.expire_due(now) == 0

    late.refresh_from_db()
    waiting.refresh_from_db()
    assert (late.status, waiting.status) == (CommandStatus.EXPIRED, CommandStatus.QUEUED)


def test_expire_due_times_out_what_a_dead_gateway_sent(connection: Connection) -> None:
    command = send(factories.CommandFactory(charge_point=connection.charge_point, timeout_s=60), connection)
    assert command.sent_at is not None

    assert commands.expire_due(command.sent_at + timedelta(seconds=89)) == 0
    assert commands.expire_due(command.sent_at + timedelta(seconds=90)) == 1

    command.refresh_from_db()
    assert command.status == CommandStatus.TIMED_OUT


@pytest.mark.parametrize(
    ("accepted_at", "registration", "is_refused"),
    [
        (factories.T0, RegistrationStatus.ACCEPTED, True),
        (factories.T0, RegistrationStatus.PENDING, False),
        (None, RegistrationStatus.ACCEPTED, False),
    ],
)
def test_charger_whose_boot_was_accepted_is_not_asked_for_another(
    technician: Actor, connection: Connection, accepted_at: Any, registration: str, is_refused: bool
) -> None:
    charge_point = connection.charge_point
    charge_point.accepted_at, charge_point.registration_status = accepted_at, registration
    given: dict[str, Any] = {
        "actor": technician,
        "charge_point": charge_point,
        "action": "trigger_message",
        "payload": {"message": "BootNotification"},
    }
    if is_refused:
        with pytest.raises(errors.InvalidPayload) as caught:
            commands.queue(**given)
        assert list(caught.value.errors) == ["message"]
    else:
        assert commands.queue(**given).action == "trigger_message"
