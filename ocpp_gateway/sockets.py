"""An accepted socket, as the rest of the gateway sees it: frames in, answers in order, close."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from chargepoints.choices import RegistrationStatus
from chargepoints.services import anomalies, ownership
from chargepoints.services.connections import Connected
from csms_project.common import metrics
from csms_project.common.bulk import Row
from ocpp_gateway import calls
from ocpp_gateway.aside import FailedWork
from ocpp_gateway.connection import Arrival, Arrived, Connection
from ocpp_gateway.dialects import DIALECTS
from ocpp_gateway.lines import Line
from ocpp_gateway.link import Link
from ocpp_gateway.node import CLOSE_REPLACED, CLOSE_RESTART, Node
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import ErrorCode, spell_code
from ocpp_gateway.wire.repair import repair_request
from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp
from ocpp_gateway.writer import CallableWork, Work

logger = logging.getLogger(__name__)

MAX_IN_PROGRESS = 200  # CALLs of one charger that may wait for the writer before we stop reading
MAX_IN_PROGRESS_SIZE = 2_000_000  # and their characters
MAX_TROUBLED = 1000  # chargers with failed messages that a process remembers
#: Messages that are sent when what they tell happens.
_FRESH = frozenset({"StartTransaction", "StatusNotification", "TransactionEvent"})
CLOCK_WINDOW_S = 3600
CLOCK_GRAIN_S = 5

_CLOSE_STORAGE = 1013
_CLOSE_POLICY = 1008


class Socket:
    """What the rest of the gateway sees of an accepted socket."""

    def __init__(self, *, node: Node, connected: Connected, version: str, line: Line) -> None:
        self.charge_point_id = connected.charge_point_id
        self.tenant_id = connected.tenant_id
        self.identity = connected.identity
        self.token: uuid.UUID = connected.token
        self.version = version
        self.registration = connected.registration
        self.was_accepted = connected.was_accepted
        self.strict_schema = connected.strict_schema
        self.keeps_repairs = connected.keeps_repairs
        self._certificate_names = connected.certificate_names
        self.state = Connection(
            clock=time.monotonic, rate=settings.OCPP_MESSAGE_RATE, burst=settings.OCPP_MESSAGE_BURST
        )
        self.last_frame_at: datetime = timezone.now()
        self.seen_at = 0.0  # when a sign of life was written last
        self.is_closed = False
        self.was_replaced = False
        self._node, self._line = node, line
        self._actions, self._sends = DIALECTS[version].actions, DIALECTS[version].sends
        self._answered = asyncio.Event()
        self._queued = 0
        self._size = 0
        self._asked_for: dict[str, float] = {}
        self._booted_at = 0.0
        self._told_offset: int | None = None
        self._offset: tuple[float, float] | None = None
        self._closing: asyncio.Task[None] | None = None

    # -- frames of the charger

    def take(self, text: str | None) -> float:
        """Handle one frame; returns the seconds to wait before the next is read."""
        self.last_frame_at = timezone.now()
        self._node.saw(self)
        if self.is_closed or self._node.is_stopping:
            return 0.0
        if text is None:
            self.state.counters.malformed += 1
            metrics.count_message(self.version, "", "binary")
            return 0.0
        frame = frames.parse(text, version=self.version)
        wait = self.state.on_frame(frame, size=len(text))
        if isinstance(frame, frames.Call):
            self._take_call(frame, text)
        elif isinstance(frame, frames.CallResult | frames.CallError):
            if not self._node.dispatcher.answered(self, frame):
                metrics.count_message(self.version, "", "unsolicited")
        elif isinstance(frame, frames.Malformed):
            self._take_malformed(frame, text)
        elif isinstance(frame, frames.Send):
            self._take_send(frame, len(text))
        else:
            self._take_result_error(frame)
        return wait

    def _take_malformed(self, frame: frames.Malformed, text: str) -> None:
        metrics.count_message(self.version, "", "malformed")
        if frame.code is None and self._node.dispatcher.answered(self, frame):
            return
        link = self._link(frame.message_id)
        self.note(calls.raw_frame(link=link, text=text, problem=frame.description, code=frame.code))
        if frame.code is not None:
            self._answer_in_turn(None, frames.error(frame.message_id, frame.code, frame.description))

    def _take_send(self, send: frames.Send, size: int) -> None:
        """OCPP 2.1: stored, never answered, not even when it is wrong (part 4 §4.2.4)."""
        link = self._link(send.message_id)
        problem = self._send_problem(send)
        if problem is not None:
            metrics.count_message(self.version, send.action, "send_refused")
            self.state.on_refused(size)
            self.note(calls.anomaly(link=link, call=send, problem=problem, served=False))
            return
        self._size += size
        work = calls.SendWork(socket=self, send=send, action=self._sends[send.action], link=link, size=size)
        self._node.writer.submit(work)

    def _send_problem(self, send: frames.Send) -> str | None:
        if send.action not in self._sends:
            return "The action is not one that comes without an answer."
        if not self._is_served(send.action):
            return "The charge point is not accepted."
        violation = schemas.check_request(
            self.version, send.action, send.payload, strict=self.strict_schema or None
        )
        return None if violation is None else violation.description

    def _take_result_error(self, frame: frames.CallResultError) -> None:
        """OCPP 2.1: the charger could not use an answer of ours; kept for people, never answered (part 4 §4.2.3)."""
        metrics.count_message(self.version, "", "result_error")
        self.note(
            calls.exchange(
                link=self._link(frame.message_id),
                action="",
                request=None,
                response=frame.details,
                error_code=calls.storable(frame.code) or "CALLRESULTERROR",
                error_description=calls.storable(f"CALLRESULTERROR: {frame.description}"),
            )
        )

    def _take_call(self, call: frames.Call, text: str) -> None:
        arrived = self.state.take_call(call, text)
        if arrived.arrival is Arrival.IN_PROGRESS:
            return
        if arrived.arrival is Arrival.REPEATED:
            self._answer_in_turn(None, arrived.answer or "")
            return
        problem = self._gate(call.action)
        if problem is not None:
            self._refuse(arrived, *problem)
        elif call.action == "Heartbeat":
            self._heartbeat(arrived)
        else:
            self._serve(arrived, len(text))

    def _gate(self, action: str) -> tuple[ErrorCode, str] | None:
        """Why a CALL is not served at all: not known, not ours, or not registered (OCPP 1.6 §4.2, J errata 3.10)."""
        if action not in schemas.actions(self.version):
            return ErrorCode.NOT_IMPLEMENTED, "The action is not known."
        if action != "Heartbeat" and action not in self._actions:
            return ErrorCode.NOT_SUPPORTED, "The action is not one that a charge point sends."
        if action == "BootNotification" or self._is_served(action):
            return None
        return ErrorCode.SECURITY_ERROR, "The charge point is not accepted: send BootNotification."

    def _is_served(self, action: str) -> bool:
        if self.registration is RegistrationStatus.ACCEPTED and self.was_accepted:
            return True
        if self.registration is RegistrationStatus.REJECTED:
            return False
        transactional = action in self._actions and self._actions[action].is_transactional
        return transactional or self._asked_for.get(action, 0.0) > time.monotonic()

    def _heartbeat(self, arrived: Arrived) -> None:
        answer = {"currentTime": format_timestamp(self.last_frame_at)}
        metrics.count_message(self.version, "Heartbeat")
        if settings.OCPP_STORE_MESSAGES:
            call = arrived.call
            self.note(
                calls.exchange(
                    link=self._link(call.message_id),
                    action="Heartbeat",
                    request=call.payload,
                    response=answer,
                    answered_at=self.last_frame_at,
                )
            )
        self._answer_in_turn(arrived, frames.result(arrived.call.message_id, answer))

    def _serve(self, arrived: Arrived, size: int) -> None:
        call, payload = arrived.call, arrived.call.payload
        repairs: tuple[str, ...] = ()
        violation = schemas.check_request(
            self.version, call.action, payload, strict=self.strict_schema or None
        )
        if violation is not None:
            repaired = (
                None if self.strict_schema else repair_request(self.version, call.action, payload, violation)
            )
            if repaired is None:
                problem = violation.description
                self.state.on_refused(size)
                self.note(
                    calls.anomaly(link=self._link(call.message_id), call=call, problem=problem, served=False)
                )
                self._refuse_as(arrived, violation.code, problem)
                return
            payload, repairs = repaired.payload, repaired.notes
        self._note_clock(call.action, payload)
        action, link = self._actions[call.action], self._link(call.message_id, repairs)
        work = calls.CallWork(
            socket=self, arrived=arrived, action=action, payload=payload, link=link, size=size
        )
        self._size += size
        self._queued += 1
        asking = action.prepare(link, payload) if action.prepare is not None else None
        if asking is None:
            self._node.writer.submit(work)
        else:
            self._node.ask_aside(asking, partial(self._submit_prepared, work))

    def _submit_prepared(self, work: calls.CallWork, prepared: Any) -> None:
        work.link = work.link._replace(prepared=prepared)
        self._node.writer.submit(work)

    def _refuse(self, arrived: Arrived, code: ErrorCode, description: str) -> None:
        self._refuse_as(arrived, spell_code(code, self.version), description)

    def _refuse_as(self, arrived: Arrived, code: str, description: str) -> None:
        call = arrived.call
        metrics.count_message(self.version, call.action, code)
        if settings.OCPP_STORE_MESSAGES:
            self.note(
                calls.exchange(
                    link=self._link(call.message_id),
                    action=call.action,
                    request=call.payload,
                    error_code=code,
                    error_description=description,
                )
            )
        self._answer_in_turn(arrived, frames.error(call.message_id, code, description))

    def _link(self, message_id: str, repairs: tuple[str, ...] = ()) -> Link:
        return Link(
            self.charge_point_id,
            self.tenant_id,
            self.version,
            self.last_frame_at,
            message_id,
            repairs,
            certificate_names=self._certificate_names,
        )

    # -- answers

    def _answer_in_turn(self, arrived: Arrived | None, text: str) -> None:
        """Answer at once, or behind what is still being stored for this charger, so that answers stay in order."""
        if not self._queued:
            self._send_answer(arrived, text)
            return
        self._queued += 1
        self._node.writer.submit(calls.ReadyWork(socket=self, arrived=arrived, text=text))

    def answer(self, arrived: Arrived | None, text: str, *, keep: bool = False) -> None:
        """Send the answer to a queued CALL; called once what it acknowledges is durable.

        keep  give the same answer when the same message comes again: only where doing it again is not harmless, and
              never for a CALLERROR, which must not outlive its reason
        """
        self._queued -= 1
        self._send_answer(arrived, text, keep=keep)

    def _send_answer(self, arrived: Arrived | None, text: str, *, keep: bool = False) -> None:
        if arrived is not None and keep:
            self.state.answer_call(arrived, text)
        elif arrived is not None:
            self.state.drop_call(arrived)
        self._answered.set()
        self.push(text)

    def failed(self, work: calls.CallWork, error: Exception) -> None:
        """A transaction message that our own code fails on: it is neither refused nor forgotten."""
        self._node.writer.submit(FailedWork(work, error))

    def submit(self, work: Work) -> None:
        """Queue a work that stands for one of this socket."""
        self._node.writer.submit(work)

    @property
    def is_held_back(self) -> bool:
        """So much of this charger waits for the writer that no more is read."""
        return self.state.calls_in_progress >= MAX_IN_PROGRESS or self._size > MAX_IN_PROGRESS_SIZE

    def release(self, size: int) -> None:
        """A message of this size is no longer held in memory for the writer."""
        self._size -= size

    def abandon(self, arrived: Arrived | None) -> None:
        """Storage stayed away: no answer, so that the charger keeps its message, and no socket."""
        self._queued -= 1
        if arrived is not None:
            self.state.drop_call(arrived)
        self._answered.set()
        self.close_soon(_CLOSE_STORAGE, "try again later")

    def hold(self, arrived: Arrived) -> None:
        """We fail to process a message: no answer, and after a while no socket; the charger comes again with it."""
        self._node.later(settings.OCPP_WRITER_HOLD_S, lambda: self.abandon(arrived))

    def note_trouble(self, digest: str) -> None:
        """Remember a message that has failed: when it succeeds some day, its row shall say so."""
        if len(self._node.troubled) > MAX_TROUBLED:
            self._node.troubled.clear()
        self._node.troubled.setdefault(self.charge_point_id, set()).add(digest)

    def served(self, call: frames.Call) -> None:
        """A transaction message was processed; see `note_trouble`."""
        troubled = self._node.troubled.get(self.charge_point_id)
        if troubled is None:
            return
        digest = anomalies.digest_of(call.action, calls.frame_text(call))
        if digest in troubled:
            troubled.discard(digest)
            self.submit(CallableWork(lambda batch: self._note_served(digest, batch.now)))

    def _note_served(self, digest: str, now: datetime) -> None:
        anomalies.note_served(charge_point_id=self.charge_point_id, digest=digest, now=now)

    async def wait_for_answer(self) -> None:
        """Wait until one of the CALLs in progress is answered."""
        self._answered.clear()
        await self._answered.wait()

    def settled(self, action: str, result: Any) -> None:
        """A CALL was stored: what it changes for this socket."""
        if action == "BootNotification" and result.is_foreign:
            self.close_soon(_CLOSE_POLICY, "the certificate is that of another charger")
        elif action == "BootNotification":
            self._booted_at = time.monotonic()
            self.registration = result.status
            self.was_accepted = self.was_accepted or result.status is RegistrationStatus.ACCEPTED

    def asked(self, action: str, until: float) -> None:
        """We have asked for this message: for a while it is served although the charger is Pending."""
        self._asked_for[action] = until

    def note(self, row: models.Model | Row) -> None:
        """Store a log row soon."""
        self._node.writer.note(row)

    # -- clock of the charger

    def _note_clock(self, action: str, payload: dict[str, Any]) -> None:
        """Compare the charger's clock with ours by its fresh messages: the smallest delay within the last hour."""
        if action not in _FRESH or payload.get("offline") is True:
            return
        at = parse_timestamp(payload.get("timestamp"))
        if at is None:
            return
        now = time.monotonic()
        offset = (at - self.last_frame_at).total_seconds()
        if self._offset is None or offset > self._offset[0] or now - self._offset[1] > CLOCK_WINDOW_S:
            self._offset = (offset, now)

    def take_clock_offset(self) -> int | None:
        """Seconds that the charger's clock is ahead of ours; None when there is nothing new to say of it."""
        if self._offset is None:
            return None
        offset = max(-(2**31), min(2**31 - 1, round(self._offset[0])))
        if self._told_offset is not None and abs(offset - self._told_offset) < CLOCK_GRAIN_S:
            return None
        self._told_offset = offset
        return offset

    # -- sending and closing

    def push(self, text: str) -> None:
        """Send, unless the charger does not read what we send."""
        if not self.is_closed and not self._line.write(text):
            self.close_soon(_CLOSE_POLICY, "answers are not read")

    def replace(self) -> None:
        """A newer socket of the same charger is authenticated: this one ends."""
        self.was_replaced = True
        self.close_soon(CLOSE_REPLACED, "replaced by a newer connection")

    @property
    def is_usual(self) -> bool:
        """Accepted and lenient, as nearly all are: nothing that a look at its row could take back."""
        is_accepted = self.registration is RegistrationStatus.ACCEPTED and self.was_accepted
        return is_accepted and not self.strict_schema and self.keeps_repairs

    def update(self, standing: ownership.Standing | None) -> None:
        """Take over what the database says of this charger."""
        if standing is None or standing.is_archived:
            self.close_soon(_CLOSE_POLICY, "no longer registered")
        elif standing.token is None:
            self._node.reclaim(self)
        elif standing.token != self.token:
            self.replace()
        elif standing.read_at > self._booted_at:
            # What was read before the last boot was stored would take its effect back.
            self.strict_schema = standing.strict_schema
            self.keeps_repairs = standing.keeps_repairs
            self.was_accepted = self.was_accepted or standing.was_accepted
            if standing.registration is not RegistrationStatus.ACCEPTED or self.was_accepted:
                self.registration = standing.registration

    def close_soon(self, code: int, reason: str) -> None:
        """Close without waiting."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self.shut(code, reason))

    async def shut(self, code: int = CLOSE_RESTART, reason: str = "") -> None:
        """Send what is left, then close."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            await self._line.close(code, reason)
        except Exception as error:
            logger.debug("charger.close_failed", extra={"charge_point": self.identity, "error": repr(error)})
