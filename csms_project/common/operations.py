"""Indexes of large tables, made and dropped while they are written: operations for migrations.

On PostgreSQL CONCURRENTLY, also for partitioned tables, where PostgreSQL itself has no such statement: each partition
gets its index online, and the one of the table consists of them. On SQLite plainly. The migration needs
`atomic = False`; one that was interrupted can be run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import NotSupportedError, models
from django.db.migrations.operations import AddIndex, RemoveIndex

_IDENTIFIER = 63
_PARTITIONED = "p"


class AddIndexOnline(AddIndex):
    """AddIndex that does not hold up writers."""

    atomic = False

    def describe(self) -> str:
        return f"Make index {self.index.name} of {self.model_name} online"

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _OnlineIndex(schema_editor, model._meta.db_table).add(self.index, model)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _OnlineIndex(schema_editor, model._meta.db_table).drop(self.index.name)


class RemoveIndexOnline(RemoveIndex):
    """RemoveIndex that does not hold up writers; of a partitioned table it does for the moment that it takes."""

    atomic = False

    def describe(self) -> str:
        return f"Drop index {self.name} of {self.model_name} online"

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _OnlineIndex(schema_editor, model._meta.db_table).drop(self.name)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        state = to_state.models[app_label, self.model_name_lower]
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _OnlineIndex(schema_editor, model._meta.db_table).add(state.get_index_by_name(self.name), model)


class _OnlineIndex:
    """Indexes of one table on PostgreSQL."""

    def __init__(self, schema_editor: Any, table: str) -> None:
        if schema_editor.connection.in_atomic_block:
            raise NotSupportedError("An index is made online outside of a transaction: set atomic = False.")
        self._editor, self._table = schema_editor, table
        self._quote = schema_editor.quote_name

    def add(self, index: models.Index, model: type[models.Model]) -> None:
        """Make an index, unless it is there and complete."""
        # "CREATE INDEX name ON table (…)": the same for each partition, with other names.
        head = f"CREATE INDEX {self._quote(index.name)} ON {self._quote(self._table)}"
        statement = str(index.create_sql(model, self._editor))
        assert statement.startswith(head), statement
        rest = statement.removeprefix(head)
        if not self._is_partitioned():
            self._add_to(self._table, index.name, rest)
            return
        if self._state(index.name) is None:
            self._run(f"CREATE INDEX {self._quote(index.name)} ON ONLY {self._quote(self._table)}{rest}")
        for partition in self._partitions_without(index.name):
            name = f"{partition}_{index.name}"[:_IDENTIFIER]
            self._add_to(partition, name, rest)
            self._run(f"ALTER INDEX {self._quote(index.name)} ATTACH PARTITION {self._quote(name)}")

    def drop(self, name: str) -> None:
        """Drop an index, if it is there."""
        if self._is_partitioned():
            self._run(f"DROP INDEX IF EXISTS {self._quote(name)}")
        else:
            self._run_patiently(f"DROP INDEX CONCURRENTLY IF EXISTS {self._quote(name)}")

    def _add_to(self, table: str, name: str, rest: str) -> None:
        state = self._state(name)
        if state is False:  # left behind by an attempt that was interrupted
            self._run_patiently(f"DROP INDEX CONCURRENTLY {self._quote(name)}")
        if state is not True:
            create = f"CREATE INDEX CONCURRENTLY {self._quote(name)} ON {self._quote(table)}"
            self._run_patiently(f"{create}{rest}")

    # ---------------------------------------------------------------- what is there
    def _is_partitioned(self) -> bool:
        kind = self._value(
            "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", self._quote(self._table)
        )
        return str(kind) == _PARTITIONED

    def _state(self, name: str) -> bool | None:
        """Whether an index is complete; None when there is none."""
        found = self._value(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", self._quote(name)
        )
        return None if found is None else bool(found)

    def _partitions_without(self, name: str) -> Iterator[str]:
        """Partitions whose part of an index is missing, looked up anew after each: others may make partitions."""
        while True:
            partition = self._value(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = to_regclass(%s) AND NOT EXISTS (SELECT 1 FROM pg_inherits part"
                " JOIN pg_index x ON x.indexrelid = part.inhrelid"
                " WHERE part.inhparent = to_regclass(%s) AND x.indrelid = c.oid) ORDER BY c.relname LIMIT 1",
                self._quote(self._table),
                self._quote(name),
            )
            if partition is None:
                return
            yield str(partition)

    def _value(self, statement: str, *parameters: str) -> Any:
        with self._editor.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            row = cursor.fetchone()
        return None if row is None else row[0]

    def _run(self, statement: str) -> None:
        self._editor.execute(statement, params=None)

    def _run_patiently(self, statement: str) -> None:
        """CONCURRENTLY waits for older transactions, and holds up nobody meanwhile: as long as it takes."""
        limit = self._value("SHOW lock_timeout")
        self._run("SET lock_timeout = 0")
        try:
            self._run(statement)
        finally:
            self._run(f"SET lock_timeout = '{limit}'")
