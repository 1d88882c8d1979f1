"""Migrations that may run while the previous version still serves: the rules, checked operation by operation.

During an upgrade the database is migrated first; the old processes go on for a while and must neither fail nor wait
long (docs/development.md has the rules in words, and how to do what is refused here in two steps). The check looks at
operations and model states, not at SQL: it needs no database and knows what a column was before.

A migration that is right although a rule refuses it says so in a sentence:

    class Migration(migrations.Migration):
        safe_while_old_code_runs = "Column note is unused since 0.3.0, which dropped it from the state."
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import models
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from csms_project.common.operations import AddIndexOnline, RemoveIndexOnline

#: The last migration of each app that the rules do not apply to. Until 0.1.0 is released these may be moved forward.
BASELINE = {
    "accounts": "0002_initial",
    "chargepoints": "0005_failed_messages",
    "common": "0002_idempotency_record",
    "transactions": "0003_room_for_updates",
}

#: Tables that hold millions of rows at a large site: nothing may scan or rewrite them under a lock.
LARGE = {
    "chargepoints.command",
    "chargepoints.ocppmessage",
    "chargepoints.statusevent",
    "chargepoints.securityevent",
    "chargepoints.frameanomaly",
    "chargepoints.datatransfer",
    "chargepoints.statusreport",
    "common.auditentry",
    "common.event",
    "transactions.ledgerentry",
    "transactions.metervalue",
    "transactions.transaction",
}

MIN_REASON = 20

_DANGEROUS_SQL = {
    "drops a table": r"\bDROP\s+TABLE\b",
    "drops a column": r"\bDROP\s+COLUMN\b",
    "renames": r"\bRENAME\b",
    "changes a type": r"\bALTER\s+(COLUMN\s+)?\S+\s+(SET\s+DATA\s+)?TYPE\b",
    "forbids NULL": r"\bSET\s+NOT\s+NULL\b",
    "makes an index that blocks writes": r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)",
    "locks a table": r"\bLOCK\s+TABLE\b|\bVACUUM\s+FULL\b|\bCLUSTER\b",
    "truncates": r"\bTRUNCATE\b",
    "lifts the limit of waiting for locks": r"\block_timeout\b",
}


class Model:
    """A model in a state, and whether it is large or as new as the migration."""

    def __init__(self, app: str, name: str, state: ProjectState, made_here: set[str]) -> None:
        self.label = f"{app}.{name.lower()}"
        self.is_new = self.label in made_here
        self.is_large = self.label in LARGE and not self.is_new
        self._key, self._state = (app, name.lower()), state

    def field(self, name: str) -> models.Field[Any, Any]:
        """A field of the model, bound."""
        field = self._state.apps.get_model(*self._key)._meta.get_field(name)
        assert isinstance(field, models.Field)
        return field


def check_migration(migration: Migration, before: ProjectState) -> list[str]:
    """What is not safe in a migration; nothing when it is, or says in a sentence why it is.

    before  the models as they are when it starts
    """
    reason = getattr(migration, "safe_while_old_code_runs", None)
    if reason is not None:
        return [] if len(reason) >= MIN_REASON else ["safe_while_old_code_runs must be a sentence"]
    made_here: set[str] = set()
    state = before.clone()
    found = [*_check_together(migration)]
    for operation in migration.operations:
        found += _check(operation, migration.app_label, state, made_here)
        if isinstance(operation, operations.CreateModel):
            made_here.add(f"{migration.app_label}.{operation.name_lower}")
        operation.state_forwards(migration.app_label, state)
    return found


def _check_together(migration: Migration) -> Iterator[str]:
    kinds = [_moves_data(operation) for operation in migration.operations]
    if any(kinds) and not all(kinds):
        yield "moves data and changes the schema: its locks last as long as the data; make it two migrations"
    online = [isinstance(row, AddIndexOnline | RemoveIndexOnline) for row in migration.operations]
    if any(online) and migration.atomic:
        yield "an index is made or dropped online: needs atomic = False"


def _moves_data(operation: Operation) -> bool:
    return isinstance(operation, operations.RunPython)


def _check(operation: Operation, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if isinstance(operation, operations.SeparateDatabaseAndState):
        yield from _check_separate(operation, app, state, made_here)
        return
    check = _CHECKS.get(type(operation))
    if check is None:
        yield f"{type(operation).__name__} is not known to the check: add it to tests/migrations.py"
        return
    yield from check(operation, app, state, made_here)


def _check_separate(
    operation: operations.SeparateDatabaseAndState, app: str, state: ProjectState, made_here: set[str]
) -> Iterator[str]:
    """In the state alone a column may go, if rows can be inserted without it."""
    own = state.clone()
    for part in operation.database_operations:
        yield from _check(part, app, own, made_here)
        part.state_forwards(app, own)
    for part in operation.state_operations:
        if isinstance(part, operations.RemoveField):
            field = Model(app, part.model_name, own, made_here).field(part.name)
            if not field.null and not field.has_db_default():
                name = f"{part.model_name}.{part.name}"
                yield f"{name} leaves the state, but rows need it: allow NULL or give it a db_default"


# ---------------------------------------------------------------- models and columns
def _fine(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    yield from ()


def _delete_model(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    yield f"deletes {operation.name}: the old code reads its table"


def _rename(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    yield f"renames {operation.old_name}: the old code asks for it by that name"


def _rename_table(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    yield f"gives {operation.name} another table: the old code asks for the one it knows"


def _remove_field(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if not Model(app, operation.model_name, state, made_here).is_new:
        yield f"drops {operation.model_name}.{operation.name}: the old code reads it"


def _order(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if not Model(app, operation.name, state, made_here).is_new:
        yield f"adds an obligatory column to {operation.name}: inserts of the old code fail"


def _add_field(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    model = Model(app, operation.model_name, state, made_here)
    after = state.clone()
    operation.state_forwards(app, after)
    field = Model(app, operation.model_name, after, made_here).field(operation.name)
    name = f"{operation.model_name}.{operation.name}"
    if model.is_new or field.many_to_many:
        return
    is_generated = isinstance(field, models.GeneratedField)
    if not field.null and not field.has_db_default() and not is_generated:
        yield f"adds {name} NOT NULL without db_default: inserts of the old code fail"
    if field.unique:
        yield f"adds {name} unique: builds its index under a lock"
    if model.is_large:
        yield from _check_large_column(field, name, is_generated)


def _check_large_column(field: models.Field[Any, Any], name: str, is_generated: bool) -> Iterator[str]:
    if is_generated or (field.has_db_default() and not _is_constant(field.db_default)):
        yield f"adds {name} with computed values: rewrites a large table"
    if field.db_index:
        yield f"adds {name} with an index: blocks writes of a large table; use db_index=False and AddIndexOnline"
    if getattr(field, "db_constraint", False):
        yield f"adds the foreign key {name}: checks a large table under a lock; use db_constraint=False"


def _is_constant(value: Any) -> bool:
    return isinstance(value, models.Value) or not hasattr(value, "resolve_expression")


def _alter_field(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    model = Model(app, operation.model_name, state, made_here)
    if model.is_new:
        return
    after = state.clone()
    operation.state_forwards(app, after)
    old = model.field(operation.name)
    new = Model(app, operation.model_name, after, made_here).field(operation.name)
    name = f"{operation.model_name}.{operation.name}"
    if old.column != new.column:
        yield f"renames the column of {name}: the old code asks for it by its name"
    types = _column_type(old), _column_type(new)
    if not _is_wider(*types):
        yield f"changes {name} from {types[0]} to {types[1]}: rewrites the table, or the old code's values do not fit"
    if old.null and not new.null:
        yield f"forbids NULL in {name}: the old code may write it, and the table is scanned under a lock"
    if new.unique and not old.unique:
        yield f"makes {name} unique: the old code may repeat a value, and the index is built under a lock"
    elif new.db_index and not old.db_index and model.is_large:
        yield f"indexes {name}: blocks writes of a large table; use AddIndexOnline"
    if getattr(new, "db_constraint", False) and not getattr(old, "db_constraint", False):
        yield f"adds the foreign key {name}: checks the table under a lock"


_postgresql = PostgreSQL(
    {"ENGINE": "django.db.backends.postgresql", "NAME": "", "OPTIONS": {}}, "never-connected"
)


def _column_type(field: models.Field[Any, Any]) -> str | None:
    return field.db_type(_postgresql)


def _is_wider(old: str | None, new: str | None) -> bool:
    """Whether a column of the old type takes the new one without a rewrite, and whatever the old code writes."""
    if old == new:
        return True
    sizes = [re.fullmatch(r"varchar\((\d+)\)", text or "") for text in (old, new)]
    if sizes[0] is None:
        return False
    return new == "text" or (sizes[1] is not None and int(sizes[1][1]) >= int(sizes[0][1]))


# ---------------------------------------------------------------- indexes and constraints
def _add_index(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if Model(app, operation.model_name, state, made_here).is_large:
        yield f"makes the index {operation.index.name}: blocks writes of a large table; use AddIndexOnline"


def _add_constraint(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if not Model(app, operation.model_name, state, made_here).is_new:
        yield f"adds {operation.constraint.name}: the old code may break it, and the table is checked under a lock"


def _unique_together(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if operation.option_value and not Model(app, operation.name, state, made_here).is_new:
        yield f"makes columns of {operation.name} unique together: the old code may repeat them"


# ---------------------------------------------------------------- code and SQL
def _run_python(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if operation.reverse_code is None:
        yield "RunPython without reverse_code: the upgrade could not be taken back"


def _run_sql(operation: Any, app: str, state: ProjectState, made_here: set[str]) -> Iterator[str]:
    if operation.reverse_sql is None:
        yield "RunSQL without reverse_sql: the upgrade could not be taken back"
    text = " ; ".join(_statements(operation.sql))
    for what, pattern in _DANGEROUS_SQL.items():
        if re.search(pattern, text, re.IGNORECASE):
            yield f"RunSQL {what}"


def _statements(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    return [row if isinstance(row, str) else row[0] for row in given]


_CHECKS: dict[type[Operation], Any] = {
    operations.CreateModel: _fine,
    operations.DeleteModel: _delete_model,
    operations.RenameModel: _rename,
    operations.AlterModelTable: _rename_table,
    operations.AlterModelTableComment: _fine,
    operations.AlterModelOptions: _fine,
    operations.AlterModelManagers: _fine,
    operations.AlterOrderWithRespectTo: _order,
    operations.AlterUniqueTogether: _unique_together,
    operations.AddField: _add_field,
    operations.RemoveField: _remove_field,
    operations.AlterField: _alter_field,
    operations.RenameField: _rename,
    operations.AddIndex: _add_index,
    operations.RemoveIndex: _fine,
    operations.RenameIndex: _fine,
    operations.AddConstraint: _add_constraint,
    operations.RemoveConstraint: _fine,
    operations.AlterConstraint: _fine,
    operations.RunPython: _run_python,
    operations.RunSQL: _run_sql,
    AddIndexOnline: _fine,
    RemoveIndexOnline: _fine,
    AddConstraintNotValid: _add_constraint,
    ValidateConstraint: _fine,
}


def check_new_migrations(loader: MigrationLoader) -> dict[str, list[str]]:
    """The complaints about each migration of ours after the baseline."""
    found = {}
    for app, last in BASELINE.items():
        for key in loader.graph.node_map:
            if key[0] == app and key[1] > last:
                before = loader.project_state([parent.key for parent in loader.graph.node_map[key].parents])
                found[".".join(key)] = check_migration(loader.graph.nodes[key], before)
    return {name: complaints for name, complaints in found.items() if complaints}
