"""Which errors mean that the database is away, locked, not ours, or that a message cannot be stored."""

from __future__ import annotations

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.db.transaction import atomic
from psycopg import errors

from ocpp_gateway.troubles import Trouble, is_repeat_of_other, trouble_of

AWAY, PASSING, OURS, MESSAGE = Trouble.AWAY, Trouble.PASSING, Trouble.OURS, Trouble.MESSAGE


def error_with(sqlstate: str) -> Exception:
    """What Django raises for an error of PostgreSQL: its own class of the same name as the driver's base class."""
    cause = errors.lookup(sqlstate)
    wrapper = next(
        kind
        for kind in (
            DataError,
            IntegrityError,
            InternalError,
            NotSupportedError,
            OperationalError,
            ProgrammingError,
        )
        if any(base.__name__ == kind.__name__ for base in cause.__mro__)
    )
    error: Exception = wrapper("from the server")
    error.__cause__ = cause("from the server")
    return error


@pytest.mark.parametrize(
    ("sqlstate", "trouble"),
    [
        ("08000", AWAY),  # connection exception
        ("08006", AWAY),  # connection failure
        ("08007", AWAY),  # transaction resolution unknown
        ("25006", AWAY),  # read-only transaction
        ("25P03", AWAY),  # idle in transaction for too long
        ("40003", AWAY),  # statement completion unknown
        ("53000", AWAY),  # insufficient resources
        ("53100", AWAY),  # disk full
        ("53300", AWAY),  # too many connections
        ("57P01", AWAY),  # administrator's shutdown
        ("57P02", AWAY),  # crash
        ("57P03", AWAY),  # cannot connect now
        ("57P04", AWAY),  # database dropped
        ("58000", AWAY),  # system error
        ("58030", AWAY),  # input or output
        ("40001", PASSING),  # serialisation failure
        ("40P01", PASSING),  # deadlock
        ("55P03", PASSING),  # lock not available
        ("55006", PASSING),  # object in use
        ("57014", PASSING),  # cancelled: the statement's time was over
        ("0A000", PASSING),  # feature not supported: a prepared plan whose table has changed
        ("23502", OURS),  # a column of a newer schema wants a value
        ("25P02", OURS),  # in a failed transaction
        ("42501", OURS),  # no privilege
        ("42703", OURS),  # no such column
        ("42P01", OURS),  # no such table
        ("53200", OURS),  # out of memory
        ("53400", OURS),  # configured limit
        ("55000", OURS),  # object not in the prerequisite state
        ("P0001", OURS),  # raised by a trigger
        ("XX000", OURS),  # internal error
        ("XX001", OURS),  # corrupt data
        ("22003", MESSAGE),  # number out of range
        ("22021", MESSAGE),  # character that cannot be stored
        ("23503", MESSAGE),  # foreign key
        ("23505", MESSAGE),  # unique
        ("23514", MESSAGE),  # check
        ("54000", MESSAGE),  # program limit, such as a value too long for an index
    ],
)
def test_error_of_postgresql_is_judged_by_its_state(sqlstate: str, trouble: Trouble) -> None:
    assert trouble_of(error_with(sqlstate)) is trouble


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OperationalError("consuming input failed: server closed the connection unexpectedly"), AWAY),
        (OperationalError("connection refused"), AWAY),
        (InterfaceError("the connection is closed"), AWAY),
        (OperationalError("database is locked"), AWAY),
        (OperationalError("database or disk is full"), AWAY),
        (DatabaseError("database disk image is malformed"), OURS),
        (ProgrammingError("no such column"), OURS),
        (InternalError("broken"), OURS),
        (IntegrityError("NOT NULL constraint failed: a.b"), OURS),
        (IntegrityError("UNIQUE constraint failed: a.b"), MESSAGE),
        (IntegrityError("CHECK constraint failed: a"), MESSAGE),
        (DataError("too long"), MESSAGE),
        (KeyError("a bug"), MESSAGE),
        (RecursionError(), MESSAGE),
    ],
)
def test_error_without_a_state_is_judged_by_its_class(error: Exception, trouble: Trouble) -> None:
    assert trouble_of(error) is trouble


def test_unique_violation_is_that_of_somebody_quicker() -> None:
    assert is_repeat_of_other(error_with("23505"))
    assert not is_repeat_of_other(error_with("23514"))
    assert not is_repeat_of_other(ValueError("23505"))


@pytest.mark.django_db
def test_error_of_a_real_statement_is_ours() -> None:
    with pytest.raises(DatabaseError) as caught, atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM chargepoints_chargepoint")
    assert trouble_of(caught.value) is (OURS if connection.vendor == "postgresql" else AWAY)
