"""What a fleet knows for certain: the sessions of its chargers, and what the server said to each message."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ocpp_gateway.wire.timestamps import format_timestamp

SAMPLE_EVERY = timedelta(minutes=1)
SESSION_EVERY = timedelta(minutes=15)
MOST_SAMPLES = 10
START, STOP = 0, -1  # messages of a session; n is its sample n
TRANSACTION_MESSAGES = frozenset({"StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent"})


@dataclass(eq=False, slots=True, kw_only=True)
class Session:
    """One session, all of whose figures are known before it begins; energy in whole Wh.

    event_id        the charger's own id, where it reports event by event (2.0.1); "" : OCPP 1.6
    samples         (charger's clock, register)
    has_begun       its start was sent, whatever became of it
    acknowledged    its messages that the server has acknowledged
    answered        every transaction id and token status that its start was ever answered with: always the same
    """

    identity: str
    id_tag: str
    number: int
    connector: int = 1
    started_at: datetime
    meter_start_wh: int
    samples: tuple[tuple[datetime, int], ...]
    stopped_at: datetime
    meter_stop_wh: int
    event_id: str = ""
    transaction_id: int | str | None = None
    has_begun: bool = False
    acknowledged: set[int] = field(default_factory=set)
    answered: set[tuple[int | str, str]] = field(default_factory=set)

    @property
    def energy_wh(self) -> int:
        """What the books must say once it is stopped."""
        return self.meter_stop_wh - self.meter_start_wh

    def take_answer(self, answer: dict[str, Any]) -> None:
        """Note the id that the server gave, or what it said of the charger's own; the first one is used."""
        if self.event_id:
            self.answered.add((self.event_id, answer["idTokenInfo"]["status"]))
            self.transaction_id = self.event_id
            return
        self.answered.add((answer["transactionId"], answer["idTagInfo"]["status"]))
        if self.transaction_id is None:
            self.transaction_id = answer["transactionId"]

    def payload(self, message: int) -> tuple[str, dict[str, Any]]:
        """Action and payload of one of its messages."""
        if self.event_id:
            return "TransactionEvent", self._event(message)
        if message == START:
            return "StartTransaction", {
                "connectorId": self.connector,
                "idTag": self.id_tag,
                "meterStart": self.meter_start_wh,
                "timestamp": format_timestamp(self.started_at),
            }
        assert self.transaction_id is not None
        if message == STOP:
            return "StopTransaction", {
                "transactionId": self.transaction_id,
                "idTag": self.id_tag,
                "meterStop": self.meter_stop_wh,
                "timestamp": format_timestamp(self.stopped_at),
                "reason": "Local",
            }
        at, wh = self.samples[message - 1]
        sample = {"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        return "MeterValues", {
            "connectorId": self.connector,
            "transactionId": self.transaction_id,
            "meterValue": [{"timestamp": format_timestamp(at), "sampledValue": [sample]}],
        }

    def _event(self, message: int) -> dict[str, Any]:
        info: dict[str, Any] = {"transactionId": self.event_id}
        more: dict[str, Any] = {}
        if message == START:
            kind, seq_no, trigger = "Started", 0, "Authorized"
            at, wh, context = self.started_at, self.meter_start_wh, "Transaction.Begin"
            more["evse"] = {"id": self.connector, "connectorId": 1}
            more["idToken"] = {"idToken": self.id_tag, "type": "ISO14443"}
        elif message == STOP:
            kind, seq_no, trigger = "Ended", len(self.samples) + 1, "StopAuthorized"
            at, wh, context = self.stopped_at, self.meter_stop_wh, "Transaction.End"
            info["stoppedReason"] = "Local"
        else:
            kind, seq_no, trigger = "Updated", message, "MeterValuePeriodic"
            (at, wh), context = self.samples[message - 1], "Sample.Periodic"
        moment = format_timestamp(at)
        return {
            "eventType": kind,
            "timestamp": moment,
            "triggerReason": trigger,
            "seqNo": seq_no,
            "transactionInfo": info,
            "meterValue": [{"timestamp": moment, "sampledValue": [{"value": wh, "context": context}]}],
            **more,
        }

    def stored(self, messages: Iterable[int]) -> list[tuple[datetime, int]]:
        """The samples that these of its messages bring; with events also the registers at start and end."""
        found = []
        for message in messages:
            if message > 0:
                found.append(self.samples[message - 1])
            elif self.event_id and message == START:
                found.append((self.started_at, self.meter_start_wh))
            elif self.event_id:
                found.append((self.stopped_at, self.meter_stop_wh))
        return sorted(found)


def plan_session(
    *,
    identity: str,
    id_tag: str,
    number: int,
    origin: datetime,
    samples: int,
    connector: int = 1,
    after: Session | None = None,
    is_event_by_event: bool = False,
) -> Session:
    """Session `number` of a charger: a quarter of an hour after the one before, its register going on from there.

    after   the session whose end is the beginning of this one
    """
    assert samples <= MOST_SAMPLES
    begin = origin + SESSION_EVERY * number if after is None else after.stopped_at
    register = 100_000 + number * 3000 if after is None else after.meter_stop_wh
    readings = tuple(
        (begin + SAMPLE_EVERY * n, register + n * 150 + number % 7) for n in range(1, samples + 1)
    )
    return Session(
        identity=identity,
        id_tag=id_tag,
        number=number,
        event_id=f"{identity}/{number}"[-36:] if is_event_by_event else "",
        connector=connector,
        started_at=begin,
        meter_start_wh=register,
        samples=readings,
        stopped_at=begin + SAMPLE_EVERY * (samples + 1),
        meter_stop_wh=register + (samples + 1) * 150 + number % 11,
    )


@dataclass(slots=True)
class Journal:
    """What happened to a fleet.

    acknowledged   (monotonic time, identity, message) of each acknowledged transaction message
    refused        CALLERRORs to transaction messages
    other_errors   CALLERRORs to anything else
    closed         close codes of sockets, 1006 without a close frame
    handshakes     HTTP statuses of handshakes, 0 where nobody answered
    connected      (monotonic time, identity, gateway) of each handshake that succeeded
    """

    sessions: list[Session] = field(default_factory=list)
    acknowledged: list[tuple[float, str, int]] = field(default_factory=list)
    refused: list[list[Any]] = field(default_factory=list)
    other_errors: list[list[Any]] = field(default_factory=list)
    closed: Counter[int] = field(default_factory=Counter)
    handshakes: Counter[int] = field(default_factory=Counter)
    connected: list[tuple[float, str, int]] = field(default_factory=list)

    def acknowledge(self, session: Session, message: int) -> None:
        """The server has acknowledged a message: it must be in the books from now on."""
        session.acknowledged.add(message)
        self.acknowledged.append((time.monotonic(), session.identity, message))

    def note_error(self, identity: str, action: str, frame: list[Any]) -> None:
        """The server has answered with a CALLERROR."""
        errors = self.refused if action in TRANSACTION_MESSAGES else self.other_errors
        errors.append([identity, action, *frame])

    def acknowledged_between(self, begin: float, end: float) -> list[tuple[float, str, int]]:
        """The acknowledgements in a span of monotonic time."""
        return [record for record in self.acknowledged if begin <= record[0] < end]

    def first_after(self, moment: float) -> float:
        """Seconds from a moment to the first acknowledgement after it."""
        return min((at - moment for at, _, _ in self.acknowledged if at > moment), default=float("inf"))
