"""The PostgreSQL behind the server under test: which process it is, and how much WAL it has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from ocpp_gateway.simulator.bench.processes import PROC, list_processes

CONNECT_TIMEOUT_S = 5
_NAMES = ("postgres", "postmaster")


class DatabaseUnusable(Exception):
    """The database of the server cannot be looked at."""


class Database:
    """One open connection. Raises DatabaseUnusable where it cannot be used."""

    def __init__(self, conninfo: str) -> None:
        try:
            self._connection = psycopg.connect(
                conninfo, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="csms-bench"
            )
        except psycopg.Error as error:
            raise DatabaseUnusable(f"the database cannot be reached: {error}") from error

    def value(self, statement: str) -> Any:
        """The first column of a statement's first row."""
        try:
            row = self._connection.execute(statement.encode()).fetchone()
        except psycopg.Error as error:
            raise DatabaseUnusable(f"the database refuses to answer: {error}") from error
        return None if row is None else row[0]

    def wal_bytes(self) -> int:
        """Bytes of write-ahead log that the cluster has produced since it was made."""
        return int(self.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))

    def postmaster(self) -> int:
        """Process id of the cluster's first process, whose descendants do all its work."""
        return find_postmaster(int(self.value("SELECT pg_backend_pid()")))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def find_postmaster(backend: int, proc: Path = PROC) -> int:
    """The parent of a backend. Raises DatabaseUnusable when the backend is no PostgreSQL process of this machine."""
    processes = list_processes(proc)
    own = processes.get(backend)
    parent = None if own is None else processes.get(own.parent)
    if own is None or parent is None or own.name not in _NAMES or parent.name not in _NAMES:
        raise DatabaseUnusable(
            "PostgreSQL does not run among the processes of this machine; name its first process with --postgres-pid"
        )
    return parent.pid
