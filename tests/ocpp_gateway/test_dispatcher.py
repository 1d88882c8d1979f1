"""Commands on their way: claimed, sent one after the other, and ended by whatever comes back."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from django.db import DEFAULT_DB_ALIAS, connections
from django.test.utils import CaptureQueriesContext

from chargepoints.choices import CommandStatus, RegistrationStatus
from chargepoints.log_rows import MessageRow
from chargepoints.models import ChargePoint, Command, Connection, Variable
from csms_project.common import crypto
from ocpp_gateway.connection import Connection as ConnectionState
from ocpp_gateway.dispatcher import Dispatcher, raw_problem
from ocpp_gateway.v16 import answers as v16_answers
from ocpp_gateway.v16 import commands as v16_commands
from ocpp_gateway.wire import frames
from tests.chargepoints.test_command_specs import VALID
from tests.factories import CommandFactory, ConnectionFactory
from tests.ocpp_gateway.inline import InlineWriter

pytestmark = pytest.mark.django_db


class Wire:
    """A charger's socket that keeps what is sent."""

    version = "ocpp1.6"

    def __init__(self, connection: Connection) -> None:
        self.charge_point_id, self.tenant_id = connection.charge_point_id, connection.tenant_id
        self.token: uuid.UUID = connection.token
        self.now = 0.0
        self.state = ConnectionState(clock=lambda: self.now)
        self.is_closed = self.was_replaced = False
        self.sent: list[list[Any]] = []
        self.asked_for: list[str] = []

    def push(self, text: str) -> None:
        self.sent.append(orjson.loads(text))

    def asked(self, action: str, until: float) -> None:
        self.asked_for.append(action)


@pytest.fixture
def writer() -> InlineWriter:
    return InlineWriter()


@pytest.fixture
def dispatcher(writer: InlineWriter) -> Dispatcher:
    return Dispatcher(writer)


@pytest.fixture
def wire(connection: Connection) -> Wire:
    return Wire(connection)


def queue(
    wire: Wire, action: str = "clear_cache", payload: dict[str, Any] | None = None, **fields: Any
) -> Command:
    charge_point = ChargePoint.objects.get(pk=wire.charge_point_id)
    command: Command = CommandFactory(
        charge_point=charge_point, action=action, payload=payload or {}, **fields
    )
    return command


def answer(dispatcher: Dispatcher, wire: Wire, *frame: Any) -> bool:
    """Let the charger answer its last CALL with the type and what follows the id."""
    kind, *rest = frame
    text = orjson.dumps([kind, wire.sent[-1][1], *rest]).decode()
    parsed = frames.parse(text, version="ocpp1.6")
    assert isinstance(parsed, frames.CallResult | frames.CallError | frames.Malformed)
    return dispatcher.answered(wire, parsed)


def state_of(command: Command) -> tuple[str, str | None]:
    command.refresh_from_db()
    return command.status, (command.error or {}).get("code")


# ---------------------------------------------------------------- sending
def test_look_sends_what_is_due_and_marks_it_sent(dispatcher: Dispatcher, wire: Wire) -> None:
    command = queue(wire, "reset", {"kind": "Soft"})
    dispatcher.look([wire])
    command.refresh_from_db()
    assert wire.sent == [[2, str(command.message_id), "Reset", {"type": "Soft"}]]
    assert (command.status, command.connection_token) == (CommandStatus.SENT, wire.token)


def test_look_sends_one_call_at_a_time_the_oldest_first(dispatcher: Dispatcher, wire: Wire) -> None:
    first, second = queue(wire, "reset", {"kind": "Hard"}), queue(wire)
    dispatcher.look([wire])
    dispatcher.look([wire])
    assert [call[2] for call in wire.sent] == ["Reset"]
    answer(dispatcher, wire, 3, {"status": "Accepted"})
    assert [call[2] for call in wire.sent] == ["Reset", "ClearCache"]
    assert (state_of(first)[0], state_of(second)[0]) == (CommandStatus.ACCEPTED, CommandStatus.SENT)


def test_look_serves_each_charger_its_own(
    dispatcher: Dispatcher, wire: Wire, other_charge_point: ChargePoint
) -> None:
    other = Wire(ConnectionFactory(charge_point=other_charge_point))
    queue(other, "reset", {"kind": "Hard"})
    queue(wire)
    dispatcher.look([wire, other])
    assert ([call[2] for call in wire.sent], [call[2] for call in other.sent]) == (["ClearCache"], ["Reset"])


@pytest.mark.parametrize("registration", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("remote_start", {"id_token": "T"}),
        ("remote_stop", {"transaction_id": "1"}),
        ("RemoteStartTransaction", {"idTag": "T"}),
        ("RemoteStopTransaction", {"transactionId": 1}),
    ],
)
def test_look_charger_that_is_not_accepted_is_not_started_or_stopped(
    dispatcher: Dispatcher, wire: Wire, registration: str, action: str, payload: dict[str, Any]
) -> None:
    ChargePoint.objects.filter(pk=wire.charge_point_id).update(registration_status=registration)
    command = queue(wire, action, payload)
    dispatcher.look([wire])
    assert (wire.sent, state_of(command)[0]) == ([], CommandStatus.QUEUED)


def test_look_pending_charger_is_configured(dispatcher: Dispatcher, wire: Wire) -> None:
    ChargePoint.objects.filter(pk=wire.charge_point_id).update(registration_status=RegistrationStatus.PENDING)
    queue(wire, "get_configuration")
    dispatcher.look([wire])
    assert [call[2] for call in wire.sent] == ["GetConfiguration"]


def test_look_socket_that_does_not_own_the_charger_sends_nothing(dispatcher: Dispatcher, wire: Wire) -> None:
    command = queue(wire)
    Connection.objects.filter(charge_point_id=wire.charge_point_id).update(token=uuid.uuid4())
    dispatcher.look([wire])
    assert (wire.sent, state_of(command)[0]) == ([], CommandStatus.QUEUED)


@pytest.mark.parametrize("end", ["is_closed", "was_replaced"])
def test_look_socket_that_has_ended_claims_nothing(dispatcher: Dispatcher, wire: Wire, end: str) -> None:
    command = queue(wire)
    setattr(wire, end, True)
    dispatcher.look([wire])
    assert (wire.sent, state_of(command)[0]) == ([], CommandStatus.QUEUED)


@pytest.mark.parametrize(
    ("end", "code"), [("is_closed", "ConnectionLost"), ("was_replaced", "ConnectionReplaced")]
)
def test_look_socket_that_ends_while_the_claim_is_stored_fails_the_command(
    dispatcher: Dispatcher, writer: InlineWriter, wire: Wire, end: str, code: str
) -> None:
    command, behind = queue(wire), queue(wire)
    writer.before_delivery = lambda: setattr(wire, end, True)
    dispatcher.look([wire])
    assert wire.sent == []
    assert state_of(command) == (CommandStatus.FAILED, code)
    assert state_of(behind)[0] == CommandStatus.QUEUED


def test_look_command_that_cannot_be_said_fails_and_the_next_is_sent(
    dispatcher: Dispatcher, wire: Wire
) -> None:
    command = queue(wire, "remote_stop", {"transaction_id": "a-text-of-ocpp-2"})
    queue(wire)
    dispatcher.look([wire])
    assert state_of(command) == (CommandStatus.FAILED, "CannotSend")
    assert [call[2] for call in wire.sent] == ["ClearCache"]


def test_look_command_whose_secret_is_unreadable_fails(
    dispatcher: Dispatcher, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(text: str) -> str:
        raise crypto.InvalidToken

    command = queue(wire, "change_configuration", {"key": "K", "value": "***"}, secret_payload="gone")
    monkeypatch.setattr(crypto, "decrypt", unreadable)
    dispatcher.look([wire])
    assert state_of(command) == (CommandStatus.FAILED, "CannotSend")


def test_answer_that_arrives_while_storage_is_away_is_stored_when_it_is_back(
    dispatcher: Dispatcher, writer: InlineWriter, wire: Wire
) -> None:
    command = queue(wire)
    dispatcher.look([wire])
    writer.is_away = True
    assert answer(dispatcher, wire, 3, {"status": "Accepted"})
    dispatcher.store_again()  # still away
    assert state_of(command)[0] == CommandStatus.SENT
    writer.is_away = False
    dispatcher.store_again()
    assert state_of(command)[0] == CommandStatus.ACCEPTED
    dispatcher.store_again()  # nothing is left


def test_look_while_storage_is_away_tries_again_later(
    dispatcher: Dispatcher, writer: InlineWriter, wire: Wire
) -> None:
    queue(wire)
    writer.is_away = True
    dispatcher.look([wire])
    assert wire.sent == []
    writer.is_away = False
    dispatcher.look([wire])
    assert len(wire.sent) == 1


def test_look_trigger_opens_the_door_for_what_it_asks(dispatcher: Dispatcher, wire: Wire) -> None:
    queue(wire, "trigger_message", {"message": "StatusNotification"})
    dispatcher.look([wire])
    assert wire.asked_for == ["StatusNotification"]


# ---------------------------------------------------------------- outcomes
@pytest.mark.parametrize(
    ("frame", "status", "code"),
    [
        ((3, {"status": "Accepted"}), CommandStatus.ACCEPTED, None),
        ((3, {"status": "Rejected"}), CommandStatus.REJECTED, None),
        ((4, "NotImplemented", "", {}), CommandStatus.NOT_SUPPORTED, "NotImplemented"),
        ((4, "NotSupported", "", {}), CommandStatus.NOT_SUPPORTED, "NotSupported"),
        ((4, "GenericError", "", {}), CommandStatus.FAILED, "GenericError"),
        ((4, "Made" * 100, "x" * 5000, "no object"), CommandStatus.FAILED, "Made" * 16),
        ((4, "NUL\0", "lone \0", {}), CommandStatus.FAILED, "NUL\ufffd"),
        ((3, {"status": "Maybe"}), CommandStatus.FAILED, "InvalidAnswer"),
        ((3, {}), CommandStatus.FAILED, "InvalidAnswer"),
        ((3, [1, 2]), CommandStatus.FAILED, "InvalidAnswer"),
        ((3,), CommandStatus.FAILED, "InvalidAnswer"),
    ],
)
def test_answer_decides_the_final_state(
    dispatcher: Dispatcher, wire: Wire, frame: tuple[Any, ...], status: CommandStatus, code: str | None
) -> None:
    command = queue(wire)
    dispatcher.look([wire])
    assert answer(dispatcher, wire, *frame)
    assert state_of(command) == (status, code)


@pytest.mark.parametrize(
    ("action", "payload", "response", "status"),
    [
        ("unlock_connector", {"connector": 1}, {"status": "Unlocked"}, CommandStatus.ACCEPTED),
        ("unlock_connector", {"connector": 1}, {"status": "UnlockFailed"}, CommandStatus.REJECTED),
        ("unlock_connector", {"connector": 1}, {"status": "NotSupported"}, CommandStatus.NOT_SUPPORTED),
        ("change_availability", {"operative": True}, {"status": "Scheduled"}, CommandStatus.ACCEPTED),
        (
            "change_configuration",
            {"key": "K", "value": "1"},
            {"status": "RebootRequired"},
            CommandStatus.ACCEPTED,
        ),
        (
            "trigger_message",
            {"message": "Heartbeat"},
            {"status": "NotImplemented"},
            CommandStatus.NOT_SUPPORTED,
        ),
        ("data_transfer", {"vendor_id": "V"}, {"status": "UnknownVendorId"}, CommandStatus.NOT_SUPPORTED),
        ("get_configuration", {}, {}, CommandStatus.ACCEPTED),
    ],
)
def test_answer_status_means_the_same_for_every_action(
    dispatcher: Dispatcher,
    wire: Wire,
    action: str,
    payload: dict[str, Any],
    response: dict[str, Any],
    status: CommandStatus,
) -> None:
    command = queue(wire, action, payload)
    dispatcher.look([wire])
    answer(dispatcher, wire, 3, response)
    assert state_of(command)[0] == status
    assert command.response == response


def test_answer_of_another_id_is_nobodys(dispatcher: Dispatcher, wire: Wire) -> None:
    command = queue(wire)
    dispatcher.look([wire])
    assert not dispatcher.answered(wire, frames.CallResult("other", {"status": "Accepted"}))
    assert not dispatcher.answered(wire, frames.CallError("-1", "GenericError", "", {}))
    assert state_of(command)[0] == CommandStatus.SENT


def test_answer_too_late_changes_nothing(dispatcher: Dispatcher, wire: Wire) -> None:
    command = queue(wire, timeout_s=30)
    dispatcher.look([wire])
    assert not dispatcher.timed_out(wire, 29.9)
    assert dispatcher.timed_out(wire, 30.0)
    assert not answer(dispatcher, wire, 3, {"status": "Accepted"})
    assert state_of(command) == (CommandStatus.TIMED_OUT, "Timeout")


def test_answer_after_the_row_has_ended_changes_nothing(dispatcher: Dispatcher, wire: Wire) -> None:
    command = queue(wire)
    dispatcher.look([wire])
    Command.objects.filter(pk=command.pk).update(status=CommandStatus.TIMED_OUT)
    answer(dispatcher, wire, 3, {"status": "Accepted"})
    assert state_of(command)[0] == CommandStatus.TIMED_OUT


def test_answer_whose_effect_fails_ends_the_command_all_the_same(
    dispatcher: Dispatcher, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*args: object, **kwargs: object) -> None:
        raise ValueError("unusable")

    monkeypatch.setattr(v16_answers, "store_snapshot", explode)
    command = queue(wire, "get_configuration")
    dispatcher.look([wire])
    answer(dispatcher, wire, 3, {"configurationKey": []})
    assert state_of(command) == (CommandStatus.ACCEPTED, None)


def test_poll_sends_what_is_due_to_those_that_are_here(
    dispatcher: Dispatcher, wire: Wire, other_charge_point: ChargePoint
) -> None:
    elsewhere = CommandFactory(charge_point=other_charge_point, action="clear_cache")
    command = queue(wire)
    dispatcher.poll({wire.charge_point_id: wire})
    assert [call[2] for call in wire.sent] == ["ClearCache"]
    assert (state_of(command)[0], state_of(elsewhere)[0]) == (CommandStatus.SENT, CommandStatus.QUEUED)


def test_poll_without_anything_due_asks_once(
    dispatcher: Dispatcher, wire: Wire, writer: InlineWriter
) -> None:
    done = queue(wire, status=CommandStatus.ACCEPTED)
    writer.use_connection()
    with CaptureQueriesContext(connections[DEFAULT_DB_ALIAS]) as queries:
        dispatcher.poll({wire.charge_point_id: wire})
    assert sum("chargepoints_command" in query["sql"] for query in queries) == 1
    assert (wire.sent, state_of(done)[0]) == ([], CommandStatus.ACCEPTED)


def test_time_out_ends_only_what_is_due(
    dispatcher: Dispatcher, wire: Wire, other_charge_point: ChargePoint
) -> None:
    other = Wire(ConnectionFactory(charge_point=other_charge_point))
    short, long = queue(wire, timeout_s=10), queue(other, timeout_s=60)
    dispatcher.look([wire, other])
    wire.now = other.now = 20.0
    dispatcher.time_out(20.0)
    assert (state_of(short)[0], state_of(long)[0]) == (CommandStatus.TIMED_OUT, CommandStatus.SENT)
    assert answer(dispatcher, other, 3, {"status": "Accepted"})
    dispatcher.time_out(70.0)
    assert state_of(long)[0] == CommandStatus.ACCEPTED


def test_time_out_sends_the_next_command(dispatcher: Dispatcher, wire: Wire) -> None:
    queue(wire, timeout_s=1)
    queue(wire, "reset", {"kind": "Soft"})
    dispatcher.look([wire])
    dispatcher.timed_out(wire, 2.0)
    assert [call[2] for call in wire.sent] == ["ClearCache", "Reset"]


@pytest.mark.parametrize(("replaced", "code"), [(True, "ConnectionReplaced"), (False, "ConnectionLost")])
def test_close_fails_the_open_command(dispatcher: Dispatcher, wire: Wire, replaced: bool, code: str) -> None:
    command, behind = queue(wire), queue(wire)
    dispatcher.look([wire])
    wire.is_closed = True
    dispatcher.closed(wire, replaced=replaced)
    dispatcher.closed(wire, replaced=replaced)
    assert state_of(command) == (CommandStatus.FAILED, code)
    assert state_of(behind)[0] == CommandStatus.QUEUED


def test_exchange_is_logged_without_secrets(dispatcher: Dispatcher, writer: InlineWriter, wire: Wire) -> None:
    secret = "a" * 40
    payload = {"key": "AuthorizationKey", "value": secret}
    queue(
        wire, "change_configuration", payload, secret_payload=crypto.encrypt(orjson.dumps(payload).decode())
    )
    dispatcher.look([wire])
    assert wire.sent[0][3]["value"] == secret
    answer(dispatcher, wire, 3, {"status": "Rejected"})
    (row,) = writer.notes
    assert isinstance(row, MessageRow)
    assert secret not in row.request
    assert (row.action, row.sent_by_charger) == ("ChangeConfiguration", False)


# ---------------------------------------------------------------- raw commands
@pytest.mark.parametrize(
    ("action", "payload", "is_fine"),
    [
        ("Reset", {"type": "Soft"}, True),
        ("Reset", {"type": "Sideways"}, False),
        ("Reset", {}, False),
        ("Nonsense", {}, False),
        (
            "UpdateFirmware",
            {"location": "https://127.0.0.1/fw", "retrieveDate": "2026-03-02T10:00:00Z"},
            True,
        ),
    ],
)
def test_raw_command_is_checked_before_it_is_queued(
    action: str, payload: dict[str, Any], is_fine: bool
) -> None:
    assert (raw_problem("ocpp1.6", action, payload) is None) == is_fine


# ---------------------------------------------------------------- every command
@pytest.mark.parametrize("action", sorted(v16_commands.CALLS))
def test_every_command_is_sent_and_a_callerror_is_its_outcome(
    dispatcher: Dispatcher, wire: Wire, action: str
) -> None:
    payload = {**VALID[action], "charging_profile": None} if action == "remote_start" else VALID[action]
    unsupported, failed = queue(wire, action, payload), queue(wire, action, payload)

    dispatcher.look([wire])
    answer(dispatcher, wire, 4, "NotImplemented", "no", {})
    answer(dispatcher, wire, 4, "InternalError", "broken", {})

    assert [call[2] for call in wire.sent] == [v16_commands.CALLS[action][0]] * 2
    assert state_of(unsupported) == (CommandStatus.NOT_SUPPORTED, "NotImplemented")
    assert state_of(failed) == (CommandStatus.FAILED, "InternalError")


@pytest.mark.parametrize("action", sorted(v16_commands.CALLS))
def test_every_command_with_an_invalid_answer_has_failed(
    dispatcher: Dispatcher, wire: Wire, action: str
) -> None:
    payload = {**VALID[action], "charging_profile": None} if action == "remote_start" else VALID[action]
    command = queue(wire, action, payload)
    dispatcher.look([wire])

    invalid = {"status": 5, "listVersion": "x", "fileName": 5, "configurationKey": "x"}
    answer(dispatcher, wire, 3, [] if action == "update_firmware" else invalid)

    assert state_of(command) == (CommandStatus.FAILED, "InvalidAnswer")


@pytest.mark.parametrize(
    ("action", "payload", "response", "known"),
    [
        ("get_local_list_version", {}, {"listVersion": 4}, "4"),
        ("get_local_list_version", {}, {"listVersion": -1}, "-1"),
        ("send_local_list", {"update_type": "Full", "version": 9}, {"status": "Accepted"}, "9"),
        ("send_local_list", {"update_type": "Full", "version": 9}, {"status": "VersionMismatch"}, None),
    ],
)
def test_answer_about_the_local_list_keeps_the_version_that_the_charger_holds(
    dispatcher: Dispatcher,
    wire: Wire,
    action: str,
    payload: dict[str, Any],
    response: dict[str, Any],
    known: str | None,
) -> None:
    queue(wire, action, payload)
    dispatcher.look([wire])
    answer(dispatcher, wire, 3, response)

    held = Variable.objects.filter(charge_point_id=wire.charge_point_id, name="ListVersion").first()
    assert (held.value if held is not None else None) == known


def test_answer_in_words_is_kept_beside_the_payload(dispatcher: Dispatcher, wire: Wire) -> None:
    command = queue(wire, "get_diagnostics", {"location": "ftp://files.example.org/"})
    dispatcher.look([wire])
    answer(dispatcher, wire, 3, {"fileName": "d.zip"})

    command.refresh_from_db()
    assert command.response == {"fileName": "d.zip"}
    assert command.summary == "The charger uploads “d.zip”."


def test_extended_trigger_lets_a_pending_charger_send_what_was_asked_for(
    dispatcher: Dispatcher, wire: Wire
) -> None:
    queue(wire, "trigger_message", {"message": "SignCertificate"})
    dispatcher.look([wire])

    assert wire.sent[0][2:] == [
        "ExtendedTriggerMessage",
        {"requestedMessage": "SignChargePointCertificate"},
    ]
    assert wire.asked_for == ["SignCertificate"]
