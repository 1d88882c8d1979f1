"""Queued commands become CALLs, and their answers outcomes."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone

from chargepoints import commands
from chargepoints.charging.speech import Speech
from chargepoints.choices import CommandStatus
from chargepoints.models import Command
from chargepoints.orders import order_of
from chargepoints.services.ownership import standings
from csms_project.common import crypto, metrics
from ocpp_gateway import calls
from ocpp_gateway.connection import CallInProgress, Connection, Outstanding
from ocpp_gateway.dialects import DIALECTS, dialect_for
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend, Effect, Outcome, outcome_of_error
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import ErrorCode
from ocpp_gateway.writer import CallableWork, Writer
from transactions.services.batch import SessionBatch

logger = logging.getLogger(__name__)

#: Code of a command whose answer breaks the specification.
INVALID_ANSWER = "InvalidAnswer"
ASKED_S = 120.0  # how long a charger that is not accepted may take to send what we asked for


class Wire(Protocol):
    """The socket of a charger, as far as sending commands goes."""

    charge_point_id: int
    tenant_id: int
    version: str
    token: uuid.UUID
    state: Connection

    is_closed: bool
    was_replaced: bool

    def push(self, text: str) -> None: ...

    def asked(self, action: str, until: float) -> None: ...


class Sent:
    """A CALL of ours on its way."""

    __slots__ = ("command_id", "request", "sent_at")

    def __init__(self, *, command_id: int, request: dict[str, Any], sent_at: datetime) -> None:
        self.command_id, self.request, self.sent_at = command_id, request, sent_at


class Dispatcher:
    """Sends what is due to the sockets of this process; one outstanding CALL per charge point."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._claiming: set[int] = set()
        self._new: list[Wire] = []
        self._waiting: set[Wire] = set()  # for an answer
        self._unstored: list[CallableWork] = []  # ends of commands that the database did not take in time

    def poll(self, wires: Mapping[int, Wire]) -> None:
        """Look for queued commands of any of these chargers: wake-ups are only hints. Called every second."""
        self._writer.submit(
            CallableWork(
                lambda batch: commands.with_queued(),
                want=lambda batch: None,
                then=lambda found: self.look([wires[pk] for pk in found if pk in wires]),
            )
        )

    def look_soon(self, wire: Wire) -> None:
        """Look for queued commands of a charger that has just connected, together with those that come with it."""
        if not self._new:
            asyncio.get_running_loop().call_soon(self._look_at_new)
        self._new.append(wire)

    def _look_at_new(self) -> None:
        new, self._new = self._new, []
        self.look(new)

    def look(self, wires: Iterable[Wire]) -> None:
        """Look for queued commands of these chargers."""
        idle = {
            wire.charge_point_id: wire
            for wire in wires
            if wire.state.outstanding is None
            and wire.charge_point_id not in self._claiming
            and not (wire.is_closed or wire.was_replaced)
        }
        if not idle:
            return
        self._claiming |= idle.keys()

        def claim(batch: SessionBatch) -> list[tuple[Wire, Command, str, dict[str, Any], str]]:
            claimed: list[tuple[Wire, Command, str, dict[str, Any], str]] = []
            due = commands.due_for(list(idle))
            owners = standings({command.charge_point_id for command in due}) if due else {}
            for command in due:
                wire = idle[command.charge_point_id]
                owner = owners.get(wire.charge_point_id)
                if owner is None or owner.token != wire.token:
                    continue  # a newer socket, on another node perhaps, speaks for the charger
                if any(item[0] is wire for item in claimed):
                    continue
                if (call := self._claim(wire, command)) is not None:
                    claimed.append((wire, command, *call))
            return claimed

        work = CallableWork(claim, then=lambda claimed: self._send(idle, claimed))
        work.failed = lambda: self._claiming.difference_update(idle)
        self._writer.submit(work)

    @staticmethod
    def _claim(wire: Wire, command: Command) -> tuple[str, dict[str, Any], str] | None:
        try:
            dialect = DIALECTS[wire.version]
            order = order_of(command, with_types=dialect.has_token_types)
            action, payload = dialect.to_call(command.action, order)
        except Exception as error:
            # Whatever is wrong with one command must not keep those of other chargers from being sent.
            known = isinstance(error, CannotSend)
            problem = str(error) if known else f"the command cannot be read ({type(error).__name__})"
            if isinstance(error, crypto.InvalidToken):
                problem = "the encryption key of this command is gone"
            elif not known:
                logger.exception("dispatcher.cannot_send", extra={"command": command.pk})
            error_data = {"code": "CannotSend", "description": problem, "details": {}}
            commands.complete(command.pk, status=CommandStatus.FAILED, error=error_data)
            return None
        message_id = uuid.uuid4()
        claimed = commands.claim(
            command.pk,
            connection_token=wire.token,
            message_id=message_id,
            ocpp_action=action,
            request=payload,
        )
        return (action, payload, str(message_id)) if claimed is not None else None

    def _send(
        self, idle: dict[int, Wire], claimed: list[tuple[Wire, Command, str, dict[str, Any], str]]
    ) -> None:
        self._claiming.difference_update(idle)
        for wire, command, action, payload, message_id in claimed:
            sent = Sent(command_id=command.pk, request=payload, sent_at=timezone.now())
            try:
                wire.state.begin_call(
                    action=action, timeout_s=command.timeout_s, token=sent, message_id=message_id
                )
            except CallInProgress:
                logger.error("dispatcher.call_in_progress", extra={"command": command.pk})
                continue
            self._waiting.add(wire)
            if wire.is_closed or wire.was_replaced:
                # The socket has ended while the claim was being stored.
                self.closed(wire, replaced=wire.was_replaced)
                continue
            if (message := DIALECTS[wire.version].asked_message(action, payload)) is not None:
                # Before the answer: chargers exist that send the message first.
                wire.asked(message, time.monotonic() + ASKED_S)
            wire.push(frames.call(message_id, action, payload))

    # -- answers

    def answered(self, wire: Wire, frame: frames.CallResult | frames.CallError | frames.Malformed) -> bool:
        """Take an answer of the charger; false when nobody waits for it."""
        outstanding = wire.state.match_answer(frame)
        if outstanding is None:
            return False
        outcome = self._outcome(wire, outstanding, frame)
        if isinstance(frame, frames.CallResult) and DIALECTS[wire.version].tells_bad_results:
            _tell_bad_result(wire, frame, outcome)
        self._complete(wire, outstanding, outcome, frame)
        return True

    @staticmethod
    def _outcome(
        wire: Wire, outstanding: Outstanding, frame: frames.CallResult | frames.CallError | frames.Malformed
    ) -> Outcome:
        if isinstance(frame, frames.CallError):
            return outcome_of_error(
                calls.storable(frame.code), calls.storable(frame.description), frame.details
            )
        if isinstance(frame, frames.Malformed):
            return _failed(INVALID_ANSWER, frame.description)
        if outstanding.action in schemas.actions(wire.version):
            violation = schemas.check_response(wire.version, outstanding.action, frame.payload)
            if violation is not None:
                return _failed(INVALID_ANSWER, violation.description, code_of_wire=violation.code)
        return DIALECTS[wire.version].read_answer(
            outstanding.action, outstanding.token.request, frame.payload
        )

    def time_out(self, now: float) -> None:
        """End all our open CALLs whose deadline has come."""
        for wire in list(self._waiting):
            if wire.state.outstanding is None or self.timed_out(wire, now):
                self._waiting.discard(wire)

    def timed_out(self, wire: Wire, now: float) -> bool:
        """End our open CALL when its deadline has come; a late answer will be ignored."""
        outstanding = wire.state.expired(now)
        if outstanding is None:
            return False
        error = {"code": "Timeout", "description": "The charger did not answer in time.", "details": {}}
        self._complete(wire, outstanding, Outcome(status=CommandStatus.TIMED_OUT, error=error), None)
        return True

    def closed(self, wire: Wire, *, replaced: bool) -> None:
        """End our open CALL when the socket ends."""
        outstanding = wire.state.abandon_call()
        if outstanding is None:
            return
        code = commands.CONNECTION_REPLACED if replaced else commands.CONNECTION_LOST
        text = (
            "The charger connected anew." if replaced else "The connection ended before the charger answered."
        )
        self._complete(wire, outstanding, _failed(code, text), None)

    def store_again(self) -> None:
        """The database is back: how commands ended meanwhile is not lost. At most one for each socket."""
        works, self._unstored = self._unstored, []
        for work in works:
            self._writer.submit(work)

    def _store(self, work: CallableWork) -> None:
        work.given_up = lambda: self._unstored.append(work)
        self._writer.submit(work)

    def _complete(
        self,
        wire: Wire,
        outstanding: Outstanding,
        outcome: Outcome,
        frame: frames.CallResult | frames.CallError | frames.Malformed | None,
    ) -> None:
        sent: Sent = outstanding.token
        response = frame.payload if isinstance(frame, frames.CallResult) else None
        metrics.count_command(outstanding.action, outcome.status)

        def complete(effects: Sequence[Effect]) -> CallableWork:
            return CallableWork(
                lambda batch: commands.complete(
                    sent.command_id,
                    status=outcome.status,
                    response=response,
                    summary=outcome.summary,
                    error=outcome.error,
                    effects=effects,
                ),
                owner=wire.charge_point_id,
                then=lambda _: self.look([wire]),
            )

        work = complete(outcome.effects)
        # What an answer tells us besides may be unusable; the command has ended all the same.
        work.failed = lambda: self._store(complete(()))
        self._store(work)
        link = Link(wire.charge_point_id, wire.tenant_id, wire.version, sent.sent_at, outstanding.message_id)
        error = outcome.error or {}
        self._writer.note(
            calls.exchange(
                link=link,
                action=outstanding.action,
                request=sent.request,
                response=response if response is not None else error.get("details"),
                error_code=str(error.get("code", "")),
                error_description=str(error.get("description", "")),
                sent_by_charger=False,
            )
        )


def _failed(code: str, description: str, *, code_of_wire: str = "") -> Outcome:
    details = {"code": code_of_wire} if code_of_wire else {}
    return Outcome(
        status=CommandStatus.FAILED,
        error={"code": code, "description": description[:1000], "details": details},
    )


def _tell_bad_result(wire: Wire, frame: frames.CallResult, outcome: Outcome) -> None:
    """OCPP 2.1 part 4 §4.2.3: the charger learns that its answer could not be used."""
    error = outcome.error
    if error is not None and error["code"] == INVALID_ANSWER:
        code = error["details"].get("code", ErrorCode.FORMAT_VIOLATION.value)
        wire.push(frames.result_error(frame.message_id, code, error["description"]))


def tag_length(version: str) -> int:
    """How many characters a tag may have in this version, which is 1.6 until the charger has connected."""
    return dialect_for(version).tag_length


def has_token_types(version: str) -> bool:
    """Whether a list names the type of each tag in this version."""
    return dialect_for(version).has_token_types


def speech(version: str) -> Speech:
    """What this version can say of charging profiles."""
    dialect = dialect_for(version)
    return Speech(
        replaces_level=dialect.replaces_level,
        lists_profiles="get_charging_profiles" in dialect.calls,
        has_modes="update_dynamic_schedule" in dialect.calls,
    )


def neutral_problem(version: str, action: str, payload: Any) -> str | None:
    """Why a neutral command cannot be said in this version, before it is queued."""
    try:
        dialect_for(version).to_call(action, dict(payload))
    except CannotSend as error:
        return str(error)
    return None


def has_message(version: str, action: str) -> bool:
    """Whether this version knows a neutral command at all, whatever its arguments."""
    return action in dialect_for(version).calls


def raw_problem(version: str, action: str, payload: Any) -> str | None:
    """What is wrong with a raw command before it is queued: unknown action, wrong direction, schema."""
    version = dialect_for(version).version
    if action not in schemas.actions(version):
        return f"“{action}” is no action of {version}."
    violation = schemas.check_request(version, action, dict(payload), strict=True)
    return None if violation is None else violation.description
