"""What a load test reads off the server, its database and itself."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ocpp_gateway.simulator.bench.database import Database, DatabaseUnusable
from ocpp_gateway.simulator.bench.processes import Usage, exact_cpu_s, open_files, usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at everything. What cannot be seen is None, a server that cannot be found has `found` 0."""

    at: float = 0.0
    client_cpu_s: float = 0.0
    server: Usage = field(default_factory=Usage)
    postgres: Usage | None = None
    wal_bytes: int | None = None


class Gauges:
    """Looks at the processes of the server (`pids`), and at its PostgreSQL if it is known."""

    def __init__(
        self,
        pids: Iterable[int],
        *,
        database: Database | None = None,
        count_postgres: bool = False,
        postmaster: int | None = None,
    ) -> None:
        self._pids = frozenset(pids)
        self._database = database
        self._postmaster = _find_postmaster(database, postmaster) if count_postgres or postmaster else None

    def read(self) -> Reading:
        """Everything now."""
        return Reading(
            at=time.monotonic(),
            client_cpu_s=time.process_time(),
            server=self.server(),
            postgres=None if self._postmaster is None else usage([self._postmaster]),
            wal_bytes=None if self._database is None else self._database.wal_bytes(),
        )

    def server(self) -> Usage:
        """CPU and memory of the server's processes."""
        return usage(self._pids)

    def exact_cpu_s(self) -> tuple[float, float]:
        """CPU of the server and of PostgreSQL so far, fine enough for phases of milliseconds."""
        postgres = 0.0 if self._postmaster is None else exact_cpu_s([self._postmaster])
        return exact_cpu_s(self._pids), postgres

    def server_files(self) -> int:
        """File descriptors that the server's processes hold."""
        return open_files(self._pids)


def _find_postmaster(database: Database | None, pid: int | None) -> int:
    if pid is not None:
        if not usage([pid]).found:
            raise DatabaseUnusable(f"there is no process {pid}")
        return pid
    if database is None:
        raise DatabaseUnusable("--postgres needs --database-url (or the server's DATABASE_URL)")
    return database.postmaster()
