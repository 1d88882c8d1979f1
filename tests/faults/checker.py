"""The comparison of a fleet's journal with the books: over the REST API, and row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpp_gateway.wire.timestamps import parse_timestamp
from tests.faults.fleet import Fleet
from tests.faults.journal import START, STOP, Session

#: Sessions whose samples are read over HTTP as well; the rows of all are compared.
READ_SAMPLES = 60
#: What may be flagged: sessions of the past arrive as if after an offline period.
HARMLESS_FLAGS = {"offline"}


def check(fleet: Fleet, *, refused: int = 0) -> None:
    """Nothing that was acknowledged is lost, nothing is doubled, energy and times are exact.

    refused  CALLERRORs to transaction messages that the test has provoked
    """
    journal = fleet.journal
    assert len(journal.refused) == refused, journal.refused[:5]
    assert journal.other_errors == []
    begun = [session for session in journal.sessions if session.has_begun]
    assert begun
    for session in begun:
        assert len(session.answered) <= 1, f"{session} was answered with several ids or statuses"
        assert all(status == "Accepted" for _, status in session.answered), session
    check_rest(fleet, begun)
    check_rows(fleet, begun)


def _key(identity: str, started_at: datetime) -> tuple[str, datetime]:
    return identity, started_at


def check_rest(fleet: Fleet, begun: list[Session]) -> None:
    """What an integrator reads."""
    rest = fleet.site.rest
    names = {charger.identity for charger in fleet.chargers}
    rows = rest.list(
        "transactions/",
        started_after=(fleet.origin - timedelta(seconds=1)).isoformat(),
        started_before=(fleet.origin + timedelta(days=2)).isoformat(),
    )
    listed = [row for row in rows if row["charge_point"] in names]
    wanted = {_key(session.identity, session.started_at): session for session in begun}
    found = Counter(_key(row["charge_point"], _time(row["started_at"])) for row in listed)
    assert [key for key, times in found.items() if times > 1] == [], "doubled sessions"
    acknowledged = {key for key, session in wanted.items() if START in session.acknowledged}
    assert acknowledged - found.keys() == set(), "lost sessions"
    assert found.keys() - wanted.keys() == set(), "sessions that nobody has started"
    for row in listed:
        _compare(row, wanted[_key(row["charge_point"], _time(row["started_at"]))])
    ended = [row for row in listed if row["status"] == "ended"]
    for row in ended[:: max(1, len(ended) // READ_SAMPLES)]:
        session = wanted[_key(row["charge_point"], _time(row["started_at"]))]
        samples = rest.list(f"transactions/{row['id']}/meter-values/")
        stored = sorted((_time(item["sampled_at"]), _register(item["samples"])) for item in samples)
        assert stored == _samples(session), f"samples of {session}"


def _compare(row: dict[str, Any], session: Session) -> None:
    where = f"{row} against {session}"
    assert str(session.transaction_id) in ("None", row["ocpp_id"]), where
    assert row["id_token"] == session.id_tag, where
    assert row["connector_id"] == session.connector, where
    assert Decimal(row["meter_start_wh"]) == session.meter_start_wh, where
    assert set(row["flags"]) <= HARMLESS_FLAGS, where
    if STOP in session.acknowledged:
        assert row["status"] == "ended", where
    if row["status"] == "ended":
        assert row["end_kind"] == "charger", where
        assert _time(row["ended_at"]) == session.stopped_at, where
        assert Decimal(row["meter_stop_wh"]) == session.meter_stop_wh, where
        assert Decimal(row["energy_wh"]) == session.energy_wh, where
        assert row["stop_reason"] == "Local", where


def _register(samples: list[dict[str, Any]]) -> int:
    assert [sample["measurand"] for sample in samples] == ["Energy.Active.Import.Register"]
    return int(Decimal(samples[0]["value"]))


def _samples(session: Session) -> list[tuple[datetime, int]]:
    """The samples that must be stored: those acknowledged, all of them once the session is delivered."""
    return session.stored(session.acknowledged)


def _time(text: str) -> datetime:
    at = parse_timestamp(text)
    assert at is not None, text
    return at


# ---------------------------------------------------------------- rows
_SAMPLES = """
    SELECT c.identity, t.started_at, m.sampled_at, m.register_wh
    FROM transactions_metervalue m
    JOIN chargepoints_chargepoint c ON c.id = m.charge_point_id
    LEFT JOIN transactions_transaction t ON t.id = m.transaction_id
    WHERE c.identity = ANY(%s)
"""
_LEDGER = """
    SELECT c.identity, t.started_at, l.kind, count(*)
    FROM transactions_ledgerentry l
    JOIN transactions_transaction t ON t.id = l.transaction_id
    JOIN chargepoints_chargepoint c ON c.id = t.charge_point_id
    WHERE c.identity = ANY(%s) AND l.kind IN ('start', 'stop')
    GROUP BY 1, 2, 3
"""
_EVENTS = """
    SELECT kind, object_id, count(*) FROM common_event
    WHERE charge_point = ANY(%s) AND kind IN ('transaction.started', 'transaction.ended')
    GROUP BY 1, 2 HAVING count(*) > 1
"""


def check_rows(fleet: Fleet, begun: list[Session]) -> None:
    """What is stored: every sample once and with its session, every act in ledger and outbox once."""
    names = [charger.identity for charger in fleet.chargers]
    with fleet.site.postgresql.connect("csms") as connection:
        samples = Counter(connection.execute(_SAMPLES, [names]).fetchall())
        ledger = connection.execute(_LEDGER, [names]).fetchall()
        doubled_events = connection.execute(_EVENTS, [names]).fetchall()
    assert [row for row, times in samples.items() if times > 1] == [], "doubled samples"
    wanted, possible = set(_sample_rows(begun, sent=False)), set(_sample_rows(begun, sent=True))
    stored = {(name, begin, at, int(wh)) for name, begin, at, wh in samples}
    assert wanted - stored == set(), "lost samples"
    assert stored - possible == set(), "samples that nobody has sent"
    assert [row for row in ledger if row[3] > 1] == [], "acts that took place twice"
    assert doubled_events == []


def _sample_rows(begun: Iterable[Session], *, sent: bool) -> Iterable[tuple[str, datetime, datetime, int]]:
    for session in begun:
        every = (START, STOP, *range(1, len(session.samples) + 1))
        samples = session.stored(every) if sent else _samples(session)
        for at, wh in samples:
            yield session.identity, session.started_at, at, wh
