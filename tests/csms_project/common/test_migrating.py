"""Migrating while others use the tables."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from csms_project.common import migrating


class LockTrouble(Exception):
    """As psycopg tells it."""

    sqlstate = "55P03"


def in_use() -> OperationalError:
    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = LockTrouble()
    return error


def test_migration_that_got_no_lock_is_tried_again() -> None:
    outcomes: list[Exception | None] = [None, in_use(), in_use()]
    said: list[str] = []
    pauses: list[float] = []

    def migrate() -> None:
        if (error := outcomes.pop()) is not None:
            raise error

    migrating.patiently(migrate, say=said.append, pause=pauses.append)
    assert outcomes == []
    assert pauses == [migrating.PAUSE_S] * 2
    assert said == ["A table is in use; trying again"] * 2


def test_table_that_is_always_in_use_is_given_up() -> None:
    attempts: list[int] = []

    def migrate() -> None:
        attempts.append(1)
        raise in_use()

    with pytest.raises(OperationalError, match="lock timeout"):
        migrating.patiently(migrate, say=lambda _: None, pause=lambda _: None)
    assert len(attempts) == migrating.TRIES


def test_other_trouble_is_not_tried_again() -> None:
    attempts: list[int] = []

    def migrate() -> None:
        attempts.append(1)
        raise OperationalError("no such column")

    with pytest.raises(OperationalError, match="column"):
        migrating.patiently(migrate, say=lambda _: None, pause=lambda _: None)
    assert attempts == [1]
