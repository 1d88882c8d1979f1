"""The part of a batch that is about sockets: who asks for one, whose is live, who was refused.

All handshakes and ends of a batch cost a few statements together: a thousand chargers come back at once after an
outage. Rows are read and locked by charge point, in the order of their keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from accounts.models import Tenant
from chargepoints.choices import RefusalReason
from chargepoints.commands import end_sent
from chargepoints.models import ChargePoint, Connection, RefusedConnection
from chargepoints.services.reports import SecurityReport, decide_security_event
from csms_project.common import bulk
from csms_project.common.shared_rows import SharedRows

if TYPE_CHECKING:
    from chargepoints.services.batch import StationBatch

MAX_REFUSED_ROWS = 2000

#: The name that the whitepaper has for it (§8).
NOT_AUTHENTICATED = "FailedToAuthenticationAtCentralSystem"
SECURITY_REASONS = frozenset(
    {RefusalReason.WRONG_KEY, RefusalReason.SECURITY_PROFILE, RefusalReason.CERTIFICATE}
)
#: Between two security events about the same refusal.
SECURITY_PAUSE = timedelta(hours=1)

# Of the writer's thread.
_shared = SharedRows()


class Station(NamedTuple):
    """What a handshake must know of a charge point."""

    id: int
    tenant_id: int
    identity: str
    identity_key: str
    key_hash: str
    pending_key_hash: str
    security_profile: int
    registration_status: str
    accepted_at: datetime | None
    strict_schema: bool | None
    profile_flags: str
    archived_at: datetime | None
    pending_security_profile: int | None
    certificate_name: str
    serial_number: str
    box_serial_number: str


class ConnectionRow(NamedTuple):
    """The live socket of a charge point (`Connection`)."""

    charge_point_id: int
    tenant_id: int
    node_id: uuid.UUID
    token: uuid.UUID
    ocpp_version: str
    security_profile: int
    remote_address: str
    connected_at: datetime
    last_frame_at: datetime


class RefusedRow(NamedTuple):
    """Refused handshakes of one identity for one reason (`RefusedConnection`)."""

    identity: str
    reason: RefusalReason
    charge_point_id: int | None
    tenant_id: int | None
    first_at: datetime
    last_at: datetime
    count: int  # type: ignore[assignment]  # hides tuple.count
    detail: str
    remote_address: str
    user_agent: str
    subprotocols: str


class Live(NamedTuple):
    """Whose socket speaks for a charge point."""

    node_id: uuid.UUID
    token: uuid.UUID


bulk.register(ConnectionRow, Connection)
bulk.register(RefusedRow, RefusedConnection)


class Presence:
    """Handshakes and ends of sockets of one batch, see `StationBatch.part`."""

    def __init__(self, batch: StationBatch) -> None:
        self._batch = batch
        self._wanted_names: set[str] = set()
        self._wanted_ids: set[int] = set()
        self._forget()
        self._taken: dict[int, ConnectionRow] = {}
        self._ended: dict[uuid.UUID, int] = {}
        self._last_seen: dict[int, datetime] = {}
        self._refused: dict[tuple[str, str], RefusedRow] = {}
        self._host: list[Tenant | None] = []

    def _forget(self) -> None:
        self._stations: dict[str, Station | None] = {}
        self._by_id: dict[int, Station | None] = {}
        self._live: dict[int, Live | None] = {}

    # -- wanting and reading

    def want_identity(self, identity: str) -> None:
        """Somebody asks to speak for it."""
        self._wanted_names.add(identity.casefold())

    def want_socket(self, charge_point_id: int) -> None:
        """Its socket has ended."""
        self._wanted_ids.add(charge_point_id)

    def load(self) -> None:
        """Read and lock what was wanted."""
        self._load_stations()
        self._load_live(())

    def find(self, identity: str) -> Station | None:
        """The charge point with this identity, whatever its case."""
        key = identity.casefold()
        if key not in self._stations:
            self._wanted_names.add(key)
            self._load_stations()
        return self._stations[key]

    def get(self, charge_point_id: int) -> Station | None:
        """A charge point by its key; None when it has been deleted."""
        if charge_point_id not in self._by_id:
            self._wanted_ids.add(charge_point_id)
            self._load_stations()
        return self._by_id[charge_point_id]

    def live(self, charge_point_id: int) -> Live | None:
        """The socket that speaks for a charge point."""
        if charge_point_id not in self._live:
            self._load_live([charge_point_id])
        return self._live[charge_point_id]

    def host(self) -> Tenant | None:
        """The tenant that takes strangers in, if it does."""
        if not self._host:
            self._host.append(Tenant.objects.filter(slug=settings.DEFAULT_TENANT).first())
        return self._host[0]

    def _load_stations(self) -> None:
        names = self._wanted_names - self._stations.keys()
        ids = self._wanted_ids - self._by_id.keys()
        wheres: list[bulk.Where] = []
        if names:
            wheres.append({"identity_key": names})
        if ids:
            wheres.append({"id": ids})
        if not wheres:
            return
        self._stations.update(dict.fromkeys(names))
        self._by_id.update(dict.fromkeys(ids))
        for row in bulk.fetch(ChargePoint, Station._fields, *wheres):
            self.know(Station._make(row))

    def lock(self, station: Station) -> Station:
        """The charge point as it is now; nobody else changes it until the commit."""
        for row in bulk.fetch(ChargePoint, Station._fields, {"id": [station.id]}, lock=True, order_by="id"):
            station = Station._make(row)
        self.know(station)
        return station

    def organisation(self, tenant_id: int) -> str:
        """The organisation that a tenant's client certificates must name."""
        tenant = _shared.get(Tenant, [tenant_id]).get(tenant_id)
        return tenant.certificate_organization if tenant is not None else ""

    def know(self, station: Station) -> None:
        """Remember what a charge point is now."""
        self._stations[station.identity_key] = self._by_id[station.id] = station

    def _load_live(self, more: Iterable[int]) -> None:
        known = {station.id for station in self._stations.values() if station is not None}
        ids = (known | self._wanted_ids | set(more)) - self._live.keys()
        if not ids:
            return
        self._live.update(dict.fromkeys(ids))
        names = ("charge_point_id", "node_id", "token")
        rows = bulk.fetch(Connection, names, {"charge_point_id": ids}, lock=True, order_by="charge_point_id")
        self._live.update({pk: Live(node_id, token) for pk, node_id, token in rows})

    # -- deciding

    def take(self, row: ConnectionRow) -> None:
        """The newest socket speaks for its charge point."""
        self._live[row.charge_point_id] = Live(row.node_id, row.token)
        self._taken[row.charge_point_id] = row

    def end(self, charge_point_id: int, token: uuid.UUID, at: datetime) -> bool:
        """A socket has ended; false when it did not speak for its charge point any more."""
        self._ended[token] = charge_point_id
        live = self.live(charge_point_id)
        if live is None or live.token != token:
            return False
        self._live[charge_point_id] = None
        self._taken.pop(charge_point_id, None)
        self._last_seen[charge_point_id] = at
        return True

    def refuse(self, row: RefusedRow) -> None:
        """Count a refused handshake."""
        earlier = self._refused.get((row.identity, row.reason))
        if earlier is not None:
            row = row._replace(first_at=earlier.first_at, count=earlier.count + row.count)
        self._refused[row.identity, row.reason] = row

    # -- storing

    def settle(self) -> None:
        """Write what was decided so far, and read anew what is asked for next: others change these tables now."""
        self.store()
        self._forget()

    def store(self) -> None:
        """Write everything."""
        taken, self._taken = self._taken, {}
        ended, self._ended = self._ended, {}
        if ended:
            _delete(ended)
        if taken:
            rows = sorted(taken.values())
            bulk.upsert(rows, unique=("charge_point_id",))
        if ended or taken:
            # Also without an old row: that of a dead node is removed, what was sent on it is still outstanding.
            end_sent(closed=ended, live={pk: row.token for pk, row in taken.items()})
        last_seen, self._last_seen = self._last_seen, {}
        if last_seen:
            bulk.write(ChargePoint, ("id",), ("last_seen_at",), sorted(last_seen.items()))
        refused, self._refused = self._refused, {}
        if refused:
            write_refusals(sorted(refused.values(), key=lambda row: (row.identity, row.reason)), self._batch)


def _delete(tokens: dict[uuid.UUID, int]) -> None:
    # A token belongs to one charge point: the pairs need no matching.
    rows = Connection.objects.filter(charge_point_id__in=tokens.values(), token__in=tokens.keys())
    rows.delete()


def write_refusals(rows: list[RefusedRow], batch: StationBatch) -> None:
    """Add to what is counted already; strangers cannot fill the table."""
    identities = {row.identity for row in rows}
    found = bulk.fetch(RefusedConnection, ("identity", "reason", "last_at"), {"identity": identities})
    known = {(identity, reason): last_at for identity, reason, last_at in found}
    new = sum((row.identity, row.reason) not in known for row in rows)
    if new:
        surplus = RefusedConnection.objects.count() + new - MAX_REFUSED_ROWS
        if surplus > 0:
            oldest = RefusedConnection.objects.order_by("last_at").values_list("pk", flat=True)
            doomed = list(oldest[: max(surplus, MAX_REFUSED_ROWS // 10)])
            RefusedConnection.objects.filter(pk__in=doomed).delete()
    for row in rows:
        earlier = known.get((row.identity, row.reason))
        if earlier is None or row.last_at - earlier >= SECURITY_PAUSE:
            _note_security(row, batch)
    bulk.upsert(
        rows[:MAX_REFUSED_ROWS],
        unique=("identity", "reason"),
        add=("count",),
        keep=("charge_point_id", "tenant_id", "first_at"),
    )


def _note_security(row: RefusedRow, batch: StationBatch) -> None:
    """A security event where a charger could not prove who it is (whitepaper A00.FR.323, .408)."""
    if row.reason not in SECURITY_REASONS or row.charge_point_id is None or row.tenant_id is None:
        return
    words = ": ".join(filter(None, (row.reason.label, row.detail)))
    report = SecurityReport(
        charge_point_id=row.charge_point_id,
        tenant_id=row.tenant_id,
        received_at=row.last_at,
        type=NOT_AUTHENTICATED,
        at=row.last_at,
        tech_info=f"Noted here: {words}"[:255],
    )
    decide_security_event(report, batch)
