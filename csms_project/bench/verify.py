"""After a load test: is every row that was acknowledged stored, once, and with the right figures?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count

from chargepoints.models import OcppMessage
from ocpp_gateway.simulator.bench.messages import RUN
from ocpp_gateway.simulator.bench.messages_2x import STARTED
from ocpp_gateway.simulator.bench.report import BenchResult
from ocpp_gateway.simulator.bench.scenarios import Booked
from transactions.choices import TransactionState
from transactions.models import MeterValue, Transaction

CHUNK = 1000
SHOWN = 5
#: Rows of the message log that no answer waits for are written a moment later.
PATIENCE_S = 10.0
_POLL_S = 0.25
#: Names of the load test for which the message log has another action.
_LOGGED = {STARTED: "TransactionEvent", "malformed": "", "invalid Authorize": "Authorize"}

T = TypeVar("T")


def verify(
    result: BenchResult, *, began_at: datetime, sleep: Callable[[float], None] = time.sleep
) -> tuple[str, ...]:
    """Compare the books of a load test with the database.

    began_at  before the load test, by the server's clock
    Returns   what is wrong, a sentence each; nothing when all is well
    """
    try:
        complaints = [*_sessions(result, began_at), *_messages(result, began_at, sleep)]
    except DatabaseError as error:
        return (f"the database cannot be asked: {str(error).strip()}",)
    more = len(complaints) - SHOWN
    return (*complaints[:SHOWN], *([f"and {more} more"] if more > 0 else []))


# ---------------------------------------------------------------- sessions
def _sessions(result: BenchResult, began_at: datetime) -> Iterator[str]:
    identities = list(result.sessions)
    stored = Transaction.objects.filter(
        charge_point__identity__in=identities, start_received_at__gte=began_at
    )
    starts = ("StartTransaction", STARTED)
    answered = sum(result.tally.answered[name] for name in starts)
    sent = sum(result.tally.sent[name] for name in starts)
    yield from _compare("sessions", stored.count(), answered=answered, sent=sent)
    for part in _chunks([(name, booked) for name, rows in result.sessions.items() for booked in rows]):
        yield from _check_sessions(part)


def _check_sessions(part: Sequence[tuple[str, Booked]]) -> Iterator[str]:
    ids = [str(booked.transaction_id) for _, booked in part]
    rows = Transaction.objects.filter(ocpp_id__in=ids).select_related("charge_point").order_by()
    by_key = {(row.charge_point.identity, row.ocpp_id): row for row in rows}
    counted = dict(
        MeterValue.objects.filter(transaction__in=[row.pk for row in rows])
        .order_by()
        .values_list("transaction")
        .annotate(Count("pk"))
    )
    for identity, booked in part:
        row = by_key.get((identity, str(booked.transaction_id)))
        name = f"session {booked.transaction_id} of {identity}"
        if row is None:
            yield f"{name} is missing"
            continue
        yield from (f"{name}: {wrong}" for wrong in _check_session(booked, row, counted.get(row.pk, 0)))


def _check_session(booked: Booked, row: Transaction, readings: int) -> Iterator[str]:
    if row.meter_start_wh != booked.start_wh:
        yield f"starts at {row.meter_start_wh} Wh, not {booked.start_wh}"
    if not booked.readings <= readings <= booked.readings_sent:
        yield f"holds {readings} readings of {booked.readings} acknowledged and {booked.readings_sent} sent"
    if booked.stop_wh is None:
        return
    if row.state != TransactionState.ENDED or row.meter_stop_wh != booked.stop_wh:
        yield f"is {row.state} at {row.meter_stop_wh} Wh, not ended at {booked.stop_wh}"
    elif row.energy_wh != Decimal(booked.stop_wh - booked.start_wh):
        yield f"has {row.energy_wh} Wh, not {booked.stop_wh - booked.start_wh}"


# ---------------------------------------------------------------- message log
def _messages(result: BenchResult, began_at: datetime, sleep: Callable[[float], None]) -> list[str]:
    if not settings.OCPP_STORE_MESSAGES:
        return []
    attempts = int(PATIENCE_S / _POLL_S)
    for _ in range(attempts):
        complaints = _check_messages(result, began_at)
        if not complaints:
            return []
        sleep(_POLL_S)
    return complaints


def _check_messages(result: BenchResult, began_at: datetime) -> list[str]:
    stored = _stored_messages(list(result.sessions), began_at)
    sent, answered = _by_logged_action(result.tally.sent), _by_logged_action(result.tally.answered)
    wrong: list[str] = []
    for action, count in sent.items():
        what = f"log rows of {action or 'unreadable frames'}"
        wrong += _compare(what, stored[action], answered=answered[action], sent=count)
    return wrong


def _by_logged_action(counts: Mapping[str, int]) -> Counter[str]:
    """Counts by the action that the message log shows for a message of the load test."""
    logged: Counter[str] = Counter()
    for action, count in counts.items():
        logged[_LOGGED.get(action, action)] += count
    return logged


def _stored_messages(identities: Sequence[str], began_at: datetime) -> Counter[str]:
    stored: Counter[str] = Counter()
    for part in _chunks(identities):
        rows = (
            OcppMessage.objects.filter(
                charge_point__identity__in=part, received_at__gte=began_at, message_id__startswith=RUN
            )
            .order_by()
            .values_list("action")
            .annotate(Count("pk"))
        )
        stored.update(dict(rows))
    return stored


def _compare(what: str, stored: int, *, answered: int, sent: int) -> Iterator[str]:
    """What was answered is stored; what was sent without an answer may be."""
    if not answered <= stored <= sent:
        yield f"{what}: {stored} stored, {answered} acknowledged, {sent} sent"


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), CHUNK):
        yield items[at : at + CHUNK]
