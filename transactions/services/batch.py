"""The unit of work of messages about sessions: charge points and tokens, and with them transactions and samples."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Subquery

from chargepoints.command_specs import REMOTE_STARTS, SESSION_WINDOW
from chargepoints.models import Command, Connector
from chargepoints.services.batch import StationBatch
from csms_project.common import bulk, metrics
from csms_project.common.fields import dumps
from transactions.choices import LedgerKind, TransactionState
from transactions.energy import Reading, Sample
from transactions.models import MeterLayout, MeterValue, Transaction
from transactions.rows import LedgerRow, MeterValueRow
from transactions.services.known_events import KnownEvents
from transactions.services.repeats import KnownSamples

MAX_OCPP16_ID = 2**31 - 1

MAX_KNOWN_LAYOUTS = 10_000
#: Our clock may have been set back by so much between a session's start and its samples.
CLOCK_STEP = timedelta(days=1)

#: What a running session's messages read and change; the rest is read when it ends.
LIVE_FIELDS = (
    "id", "tenant_id", "charge_point_id", "connector_number", "ocpp_id", "start_digest", "state", "flags",
    "started_at", "start_received_at", "ended_at", "end_kind", "meter_start_wh", "register_wh",
    "last_sample_at", "energy_wh", "power_w", "meter_correction", "soc_percent", "authorization_status",
    "first_seq_no", "last_seq_no", "event_count", "charging_state", "limits", "price_change", "local_cost",
)  # fmt: skip

Columns = tuple[tuple[str | None, ...], ...]
_layouts: dict[Columns, int] = {}  # layouts are never changed or deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One MeterValue: the samples of one moment; `at` None: no readable time, arrival counts."""

    at: datetime | None
    samples: tuple[Sample, ...]


class SessionBatch(StationBatch):
    """Transactions, samples and remote starts of one batch; transactions are locked after connectors."""

    def __init__(self, *, now: datetime) -> None:
        super().__init__(now=now)
        self._new[Transaction] = []  # inserted first: other rows point to them
        self._keys = bulk.Keys(Transaction)
        self._free_keys: list[int] = []
        self._wanted_ids: set[tuple[int, str]] = set()
        self._wanted_digests: set[tuple[int, str]] = set()
        self._wanted_open: set[int] = set()
        self._wanted_readings: set[tuple[int, str]] = set()
        self._wanted_whole_sessions: set[tuple[int, str]] = set()
        self._starting: list[int] = []
        self._opening = 0
        self._free_ids: list[str] = []
        self._wanted_last: set[int] = set()
        self._rows: dict[int, Transaction] = {}
        self._by_id: dict[tuple[int, str], Transaction | None] = {}
        self._by_digest: dict[tuple[int, str], Transaction | None] = {}
        self._open: dict[int, list[Transaction]] = {}
        self._of_station: dict[int, dict[int, Transaction]] = {}
        self._last: dict[tuple[int, int], int | None] = {}
        self._readings: dict[int, list[Reading]] = {}
        self._remote_starts: dict[int, list[Command]] = {}
        self._spans: dict[tuple[int, int], list[tuple[datetime | None, datetime | None]]] = {}
        self._at_the_end: dict[tuple[int, object], Callable[[], None]] = {}
        self.known = KnownSamples()
        self.known_events = KnownEvents()
        self._new_layouts: dict[Columns, int] = {}
        self.ended_wh = Decimal(0)

    # -- wanting

    def want_transaction(self, charge_point_id: int, ocpp_id: str) -> None:
        """A session will be named by the id on the wire; only the charger's own are ever found."""
        self._wanted_ids.add((charge_point_id, ocpp_id))

    def want_start(self, charge_point_id: int, digest: str) -> None:
        """A start arrives: is it a repeat, and which sessions are open there?"""
        self._wanted_digests.add((charge_point_id, digest))
        self._wanted_open.add(charge_point_id)
        self._starting.append(charge_point_id)

    def want_readings(self, charge_point_id: int, ocpp_id: str) -> None:
        """A session will be settled: it and its registers."""
        self._wanted_ids.add((charge_point_id, ocpp_id))
        self._wanted_readings.add((charge_point_id, ocpp_id))

    def want_event(
        self, charge_point_id: int, ocpp_id: str, digest: str, seq_no: int, *, whole: bool, opens: bool
    ) -> None:
        """An event of a session arrives.

        whole  more of the session will be read than what its samples change
        opens  it usually makes the session
        """
        self._wanted_ids.add((charge_point_id, ocpp_id))
        self.known_events.want(charge_point_id, ocpp_id, digest, seq_no)
        if whole:
            self._wanted_whole_sessions.add((charge_point_id, ocpp_id))
        if opens:
            self._wanted_open.add(charge_point_id)
            self._opening += 1

    def want_digest(self, charge_point_id: int, digest: str) -> None:
        """A start or orphan stop may be a repeat."""
        self._wanted_digests.add((charge_point_id, digest))

    def want_running(self, charge_point_id: int) -> None:
        """Samples without a session id arrive: which session ran at their time?"""
        self._wanted_open.add(charge_point_id)
        self._wanted_last.add(charge_point_id)

    def load(self) -> None:
        super().load()
        self._find_last(self._wanted_last)
        last = {pk for pk in self._last.values() if pk is not None}
        self._load_transactions(self._wanted_ids, self._wanted_digests, self._wanted_open, last)
        if self._starting:
            self._load_remote_starts(set(self._starting))
            self._find_free_ids(len(self._starting))
        if self._starting or self._opening:
            self._free_keys = self._keys.take(len(self._starting) + self._opening)
        self.known_events.load(self._by_id.get)
        settled = [row for key in self._wanted_readings if (row := self._by_id.get(key)) is not None]
        whole = [row for key in self._wanted_whole_sessions if (row := self._by_id.get(key)) is not None]
        bulk.complete([*settled, *whole])
        self._load_readings(settled)

    def _find_last(self, stations: set[int]) -> None:
        """The session that started last on each connector: one query for all."""
        if not stations:
            return
        newest = Transaction.objects.filter(
            charge_point_id=OuterRef("charge_point_id"), connector_number=OuterRef("ocpp_number")
        ).order_by("-started_at", "-pk")
        rows = Connector.objects.filter(charge_point_id__in=stations).order_by()
        for station, number, pk in rows.annotate(last=Subquery(newest.values("pk")[:1])).values_list(
            "charge_point_id", "ocpp_number", "last"
        ):
            self._last[station, number] = pk

    def _load_transactions(
        self,
        ids: set[tuple[int, str]],
        digests: set[tuple[int, str]],
        stations: set[int],
        keys: Set[int] = frozenset(),
    ) -> None:
        ids = ids - self._by_id.keys()
        digests = digests - self._by_digest.keys()
        stations = stations - self._open.keys()
        wheres = _wheres(ids, digests, stations, keys - self._rows.keys())
        if not wheres:
            return
        self._by_id.update(dict.fromkeys(ids))
        self._by_digest.update(dict.fromkeys(digests))
        self._open.update({pk: [] for pk in stations})
        for found in bulk.load(Transaction, LIVE_FIELDS, *wheres, lock=True, order_by="id"):
            row = self._rows.setdefault(found.pk, found)
            self._index(row, stations)

    def _index(self, row: Transaction, stations: Iterable[int]) -> None:
        station = row.charge_point_id
        self._of_station.setdefault(station, {})[id(row)] = row
        if row.ocpp_id:
            self._by_id[station, row.ocpp_id] = row
        if row.start_digest:
            self._by_digest[station, row.start_digest] = row
        if row.is_active and station in stations and row not in self._open[station]:
            self._open[station].append(row)

    # -- writing

    def at_the_end(self, row: Transaction, act: Callable[[], None]) -> None:
        """Do this for a session once all requests of the batch are decided; once, however often it is asked."""
        self._at_the_end.setdefault((id(row), getattr(act, "func", act)), act)

    def store(self) -> None:
        acts, self._at_the_end = self._at_the_end, {}
        for act in acts.values():
            act()
        super().store()

    # -- reading

    def transaction(self, charge_point_id: int, ocpp_id: str) -> Transaction | None:
        """The charger's session with this id on the wire."""
        key = (charge_point_id, ocpp_id)
        if key not in self._by_id:
            self._load_transactions({key}, set(), set())
        return self._by_id[key]

    def transaction_by_digest(self, charge_point_id: int, digest: str) -> Transaction | None:
        """The session that a start (or orphan stop) with this digest made."""
        key = (charge_point_id, digest)
        if key not in self._by_digest:
            self._load_transactions(set(), {key}, set())
        return self._by_digest[key]

    def open_transactions(self, charge_point_id: int) -> list[Transaction]:
        """The charger's open sessions."""
        if charge_point_id not in self._open:
            self._load_transactions(set(), set(), {charge_point_id})
        return [row for row in self._open[charge_point_id] if row.is_active]

    def has_ended(self, pk: int) -> bool:
        """Whether a stored session has ended by now, maybe only in this batch."""
        row = self._rows.get(pk)
        return row is not None and not row.is_active

    def add_transaction(self, row: Transaction) -> None:
        """A new session, seen by all later requests of the batch."""
        self.add(row)
        charge_point_id = row.charge_point_id
        if charge_point_id not in self._open:
            self._load_transactions(set(), set(), {charge_point_id})
        self._index(row, (charge_point_id,))

    def readings(self, row: Transaction) -> list[Reading]:
        """The registers of a session: stored ones and those of this batch."""
        if not row._state.adding and row.pk not in self._readings:
            self._load_readings([row])
        fresh = [
            Reading(at=value.sampled_at, wh=value.register_wh)
            for value in self.added(MeterValueRow)
            if value.register_wh is not None and value.transaction_id == row.pk
        ]
        return [*self._readings.get(row.pk, ()), *fresh]

    def _load_readings(self, rows: Sequence[Transaction]) -> None:
        self._readings.update({row.pk: [] for row in rows})
        if not rows:
            return
        # No sample of a session was stored before its start; earlier partitions are not looked at.
        since = min(row.start_received_at for row in rows) - CLOCK_STEP
        where: bulk.Where = {"transaction_id": [row.pk for row in rows], "received_at": bulk.From(since)}
        names = ("transaction_id", "sampled_at", "register_wh")
        for pk, at, wh in bulk.fetch(MeterValue, names, where):
            if wh is not None:
                self._readings[pk].append(Reading(at, wh))

    def has_more_readings(self, row: Transaction, limit: int) -> bool:
        """Whether more registers than this are stored of a session, without reading them."""
        if row._state.adding:
            return False
        if row.pk in self._readings:
            return len(self._readings[row.pk]) > limit
        stored = MeterValue.objects.filter(transaction_id=row.pk, register_wh__isnull=False).order_by()
        return stored[limit : limit + 1].exists()

    def remote_starts(self, charge_point_id: int) -> list[Command]:
        """Remote starts of the last minutes that have brought no session yet, newest first."""
        if charge_point_id not in self._remote_starts:
            self._load_remote_starts({charge_point_id})
        return self._remote_starts[charge_point_id]

    def _load_remote_starts(self, charge_point_ids: set[int]) -> None:
        self._remote_starts.update({pk: [] for pk in charge_point_ids})
        where: bulk.Where = {
            "charge_point_id": charge_point_ids,
            "created_at": bulk.From(self.now - SESSION_WINDOW),
        }
        names = ("id", "charge_point_id", "action", "payload")
        recent = bulk.load(Command, names, where, order_by="id")
        commands = [command for command in recent if command.action in REMOTE_STARTS]
        if not commands:
            return
        keys: bulk.Where = {"remote_start_id": [command.pk for command in commands]}
        used = {row[0] for row in bulk.fetch(Transaction, ("remote_start_id",), keys)}
        for command in reversed(commands):
            if command.pk not in used:
                self._remote_starts[command.charge_point_id].append(command)

    def ended_at_time(self, charge_point_id: int, connector_number: int, at: datetime) -> Transaction | None:
        """The session that ran on a connector at this time and has ended since, maybe in this batch."""
        key = (charge_point_id, connector_number)
        last = self._rows.get(self._last.get(key) or 0)
        if key not in self._last or (last is not None and last.started_at > at):
            self._load_earlier(key, at)
        ended = [
            row
            for row in self._of_station.get(charge_point_id, {}).values()
            if row.connector_number == connector_number
            and row.ended_at is not None
            and row.started_at <= at <= row.ended_at
        ]
        return max(ended, key=lambda row: row.started_at, default=None)

    def _load_earlier(self, key: tuple[int, int], at: datetime) -> None:
        """Read the session that started last before this time; once for all times until the next one starts."""
        spans = self._spans.setdefault(key, [])
        if any((since is None or since <= at) and (until is None or at < until) for since, until in spans):
            return
        rows = Transaction.objects.filter(charge_point_id=key[0], connector_number=key[1])
        earlier = rows.filter(started_at__lte=at).order_by("-started_at", "-pk")
        found = earlier.values_list("pk", "started_at").first()
        later = rows.filter(started_at__gt=at).order_by("started_at")
        spans.append((found and found[1], later.values_list("started_at", flat=True).first()))
        self._load_transactions(set(), set(), set(), {found[0]} if found else set())

    def sessions_on(self, charge_point_id: int, connector_number: int) -> list[Transaction]:
        """Its sessions as far as messages of now concern them: the open ones, the last one, and others read already."""
        key = (charge_point_id, connector_number)
        if key not in self._last:
            newest = Transaction.objects.filter(
                charge_point_id=charge_point_id, connector_number=connector_number
            ).order_by("-started_at", "-pk")
            self._last[key] = newest.values_list("pk", flat=True).first()
            self._load_transactions(set(), set(), {charge_point_id}, {self._last[key] or 0})
        rows = self._of_station.get(charge_point_id, {}).values()
        return [row for row in rows if row.connector_number == connector_number]

    def layout_id(self, samples: Sequence[Sample]) -> int:
        """The id of the layout of these samples: what each value means."""
        columns = tuple([sample[1:] for sample in samples])  # all but the value
        known = _layouts.get(columns) or self._new_layouts.get(columns)
        if known is None:
            row, _ = MeterLayout.objects.get_or_create(
                digest=digest_of(dumps(columns)), defaults={"columns": columns}
            )
            known = self._new_layouts[columns] = row.pk
        return known

    def committed(self) -> None:
        """The transaction is durable: what it made may be remembered beyond it."""
        metrics.add_energy(self.ended_wh)
        if self._new_layouts and len(_layouts) < MAX_KNOWN_LAYOUTS:
            _layouts.update(self._new_layouts)

    def unused_key(self) -> int:
        """A primary key for a new session, so that its samples and ledger can point to it at once."""
        return self._free_keys.pop() if self._free_keys else self._keys.take(1)[0]

    def unused_ocpp16_id(self) -> str:
        """A random positive 31-bit id: unique over all chargers, not to be guessed (OCPP 1.6 errata 3.54)."""
        while not self._free_ids:
            self._find_free_ids(1)
        return self._free_ids.pop()

    def _find_free_ids(self, count: int) -> None:
        noise = secrets.token_bytes(8 * count)  # asked for once: each question is one to the kernel
        numbers = (int.from_bytes(noise[at : at + 8]) % MAX_OCPP16_ID for at in range(0, len(noise), 8))
        ids = {str(number + 1) for number in numbers}
        where: bulk.Where = {"ocpp_id": bulk.Known(ids), "ocpp_version": bulk.Is("ocpp1.6")}
        taken = {row[0] for row in bulk.fetch(Transaction, ("ocpp_id",), where)}
        taken |= {ocpp_id for _, ocpp_id in self._by_id}
        self._free_ids += ids - taken

    def explain(
        self,
        row: Transaction,
        kind: LedgerKind,
        text: str,
        *,
        at: datetime,
        message_id: str = "",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Add a line to the ledger of a session."""
        self.add(LedgerRow(row.tenant_id, row.pk, kind.value, text[:400], data or {}, message_id, at))


def _wheres(
    ids: Set[tuple[int, str]], digests: Set[tuple[int, str]], stations: Set[int], keys: Set[int]
) -> list[bulk.Where]:
    """Sessions by charger and id on the wire, by charger and digest, open ones of chargers, and by key."""
    wheres: list[bulk.Where] = []
    if ids:
        wheres.append({("charge_point_id", "ocpp_id"): bulk.Known(ids)})
    if digests:
        wheres.append({("charge_point_id", "start_digest"): bulk.Known(digests)})
    if stations:
        wheres.append({"charge_point_id": stations, "state": bulk.Is(TransactionState.ACTIVE.value)})
    if keys:
        wheres.append({"id": keys})
    return wheres


def digest_of(*parts: object) -> str:
    """A short fingerprint of the parts of a message that make it the same message."""
    return hashlib.sha1("\x1f".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
