"""Migrating while others work: no statement waits long for a lock, and what did not get one is tried again.

Whoever waits for a strong lock holds up all who come after. A migration therefore gives up soon, lets the others pass
and tries again; each is a transaction of its own, so nothing is done by halves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, connections

#: Above what the gateway's writer waits for a lock (300 ms), which then postpones and repeats: it loses nothing.
LOCK_TIMEOUT_MS = 500
TRIES = 20
PAUSE_S = 1.0
_LOCK_TROUBLE = {"55P03", "40P01"}  # lock_timeout; deadlock


def limit_waiting(using: str, **_: Any) -> None:
    """Receiver of pre_migrate: from now on this connection waits briefly for locks."""
    _execute(using, f"SET lock_timeout = '{LOCK_TIMEOUT_MS}ms'")


def unlimit_waiting(using: str, **_: Any) -> None:
    """Receiver of post_migrate: as before."""
    _execute(using, "RESET lock_timeout")


def _execute(using: str, statement: str) -> None:
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute(statement)


def patiently(
    migrate: Callable[[], object], *, say: Callable[[str], None], pause: Callable[[float], None] = time.sleep
) -> None:
    """Run `migrate` until it got its locks, TRIES times at most.  Raises what the last attempt raised."""
    for attempt in range(1, TRIES + 1):
        try:
            migrate()
            return
        except OperationalError as error:
            is_lock_trouble = getattr(error.__cause__, "sqlstate", "") in _LOCK_TROUBLE
            if not is_lock_trouble or attempt == TRIES:
                raise
            say("A table is in use; trying again")
            pause(PAUSE_S)
