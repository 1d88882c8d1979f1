"""How PostgreSQL keeps the rows of tables that change all the time (for migrations)."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import migrations


def leave_room(table: str, *, fillfactor: int) -> migrations.RunPython:
    """A migration that fills the pages of a table only to this percentage.

    A new version of a row that fits on the page of the old one touches no index. Without room half of the updates of
    running sessions wrote an entry into each of the table's twelve indexes. Takes no long lock and rewrites nothing:
    pages written from now on keep the room.
    """
    return migrations.RunPython(
        partial(_set, table, f"SET (fillfactor = {int(fillfactor)})"),
        partial(_set, table, "RESET (fillfactor)"),
    )


def _set(table: str, what: str, apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f'ALTER TABLE "{table}" {what}')
