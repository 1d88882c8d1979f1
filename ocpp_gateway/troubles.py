"""What an error of the database or of our own code means for the work that met it."""

from __future__ import annotations

from enum import Enum

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError


class Trouble(Enum):
    """What to do about an error."""

    AWAY = "away"
    """The connection or the server has gone, or stores nothing at all: hold everything and connect again."""
    PASSING = "passing"
    """A lock, a deadlock, a time-out: the same work may succeed in a moment, and its neighbours at once."""
    OURS = "ours"
    """The schema is not the one that this code knows (an upgrade is under way), or the database is broken: hold the
    work; the charger can do nothing about it."""
    MESSAGE = "message"
    """Our code fails on this message, or the database refuses what we made of it; others are not concerned."""


# SQLSTATEs of PostgreSQL; the longest match counts.
_BY_STATE = {
    "08": Trouble.AWAY,  # connection exception
    "57": Trouble.AWAY,  # operator intervention: shutting down, starting up, crashed
    "58": Trouble.AWAY,  # system error: input and output
    "53": Trouble.AWAY,  # insufficient resources: disk full, too many connections
    "25006": Trouble.AWAY,  # read only: a standby, or a server that was demoted
    "25P03": Trouble.AWAY,  # we stood still within a transaction, and our connection was ended
    "40003": Trouble.AWAY,  # whether the statement took place is unknown, as after a lost connection
    "40": Trouble.PASSING,  # serialisation failure, deadlock
    "55P03": Trouble.PASSING,  # lock not available
    "55006": Trouble.PASSING,  # object in use
    "0A000": Trouble.PASSING,  # a prepared statement whose table a migration changed: the rollback discards it
    "57014": Trouble.PASSING,  # statement time-out
    "53200": Trouble.OURS,  # out of memory, which may be due to one work only
    "53400": Trouble.OURS,  # a configured limit, such as that of temporary files
    "55": Trouble.OURS,  # object not in the prerequisite state
    "23502": Trouble.OURS,  # no value for a column that this code does not know
    "22": Trouble.MESSAGE,  # data exception
    "23": Trouble.MESSAGE,  # constraint violation
    "54": Trouble.MESSAGE,  # program limit exceeded, such as the size of an index entry
}
UNIQUE_VIOLATION = "23505"


def trouble_of(error: Exception) -> Trouble:
    """Say what an error means."""
    state = sqlstate(error)
    for length in (5, 2):
        if state and (known := _BY_STATE.get(state[:length])) is not None:
            return known
    if not isinstance(error, DatabaseError | InterfaceError):
        return Trouble.MESSAGE
    if state:
        return Trouble.OURS
    if isinstance(error, OperationalError | InterfaceError):
        # The driver's own: the connection broke or could not be made. SQLite has no states at all.
        return Trouble.AWAY
    if isinstance(error, IntegrityError):
        return Trouble.OURS if "NOT NULL constraint" in str(error) else Trouble.MESSAGE
    return Trouble.MESSAGE if isinstance(error, DataError) else Trouble.OURS


def is_repeat_of_other(error: Exception) -> bool:
    """Somebody else has stored the row meanwhile: done again, the work finds it."""
    return sqlstate(error) == UNIQUE_VIOLATION


def sqlstate(error: Exception) -> str:
    """The five characters that PostgreSQL gives to an error; "" for all others."""
    return str(getattr(error.__cause__, "sqlstate", "") or "")
