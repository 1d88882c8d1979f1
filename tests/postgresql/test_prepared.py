"""Prepared statements of the writer while a migration changes a table."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from accounts.models import IdToken
from csms_project.common import bulk
from ocpp_gateway.batcher import Batcher
from ocpp_gateway.writer import CallableWork
from tests import factories
from transactions.services.batch import SessionBatch

LONGER, BEFORE = "varchar(30)", "varchar(20)"


def alter(kind: str) -> None:
    """As a migration does it, on a connection of its own."""
    options = connection.get_connection_params()
    with psycopg.connect(
        host=options.get("host"), port=options.get("port"), user=options.get("user"), dbname=options["dbname"]
    ) as other:
        other.execute(f"ALTER TABLE accounts_idtoken ALTER COLUMN type TYPE {kind}")


@pytest.fixture
def column() -> Iterator[None]:
    yield
    alter(BEFORE)


@pytest.mark.django_db(transaction=True)
def test_batch_goes_on_when_a_migration_changes_the_type_of_a_column(column: None) -> None:
    token = factories.IdTokenFactory()
    seen: list[list[bulk.Row]] = []

    def read(batch: SessionBatch) -> None:
        seen.append(bulk.fetch(IdToken, ("id", "type"), {"id": [token.pk]}))

    batcher = Batcher()
    for _ in range(3):
        batcher.run([CallableWork(read), CallableWork(read)])
    alter(LONGER)
    works = [CallableWork(read), CallableWork(read)]
    settled, waiting = batcher.run(works)
    again, still = batcher.run(waiting) if waiting else ([], [])

    assert {id(work) for work, error in settled + again if error is None} == {id(work) for work in works}
    assert still == []
    assert seen[-1] == [(token.pk, token.type)]
