"""Our migrations after the baseline, and samples of what the rules refuse and allow."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.functions import Now

from csms_project.common.operations import AddIndexOnline, RemoveIndexOnline
from tests.migrations import _CHECKS, BASELINE, LARGE, check_migration, check_new_migrations

ID = ("id", models.BigAutoField(primary_key=True))


@pytest.fixture(scope="module")
def loader() -> MigrationLoader:
    return MigrationLoader(None)


def test_new_migrations_are_safe_while_old_code_runs(loader: MigrationLoader) -> None:
    assert check_new_migrations(loader) == {}


def test_baseline_names_a_migration_of_each_of_our_apps(loader: MigrationLoader) -> None:
    ours = {config.label for config in apps.get_app_configs() if not config.name.startswith("django")}
    assert set(BASELINE) == ours & loader.migrated_apps & _written_here()
    assert [key for key in BASELINE.items() if key not in loader.graph.nodes] == []


def _written_here() -> set[str]:
    first = ("accounts", "chargepoints", "transactions", "csms_project", "ocpp_gateway")
    return {config.label for config in apps.get_app_configs() if config.name.split(".")[0] in first}


def test_large_tables_exist() -> None:
    assert [label for label in LARGE if label not in {m._meta.label_lower for m in apps.get_models()}] == []


def test_every_operation_of_django_has_a_rule() -> None:
    known = {kind.__name__ for kind in _CHECKS} | {"SeparateDatabaseAndState"}
    assert set(operations.__all__) - known == {"AlterIndexTogether"}  # gone from models since Django 5.1


# ---------------------------------------------------------------- samples
def before() -> ProjectState:
    """A small table `sample.thing` and the large `transactions.metervalue`."""
    state = ProjectState()
    state.add_model(
        ModelState(
            "sample",
            "Thing",
            [
                ID,
                ("name", models.CharField(max_length=20)),
                ("note", models.CharField(max_length=20, null=True)),
                ("size", models.DecimalField(max_digits=8, decimal_places=3)),
                ("kind", models.CharField(max_length=5, db_default="plain")),
            ],
        )
    )
    state.add_model(ModelState("transactions", "MeterValue", [ID, ("register_wh", models.IntegerField())]))
    state.add_model(ModelState("transactions", "Layout", [ID]))
    return state


def complaints(*given: Operation, app: str = "sample", **attributes: Any) -> list[str]:
    """What is said about a migration of these operations."""
    kind = type("Migration", (Migration,), {"operations": list(given), **attributes})
    return check_migration(kind("0002_sample", app), before())


def add(field: models.Field[Any, Any], model: str = "thing") -> operations.AddField:
    return operations.AddField(model, "extra", field)


def alter(name: str, field: models.Field[Any, Any]) -> operations.AlterField:
    return operations.AlterField("thing", name, field)


REFUSED = {
    "deletes": operations.DeleteModel("Thing"),
    "renames Thing": operations.RenameModel("Thing", "Item"),
    "renames name": operations.RenameField("thing", "name", "title"),
    "another table": operations.AlterModelTable("thing", "other"),
    "drops thing.note": operations.RemoveField("thing", "note"),
    "obligatory column": operations.AlterOrderWithRespectTo("thing", "kind"),
    "NOT NULL without db_default": add(models.IntegerField()),
    "NOT NULL without": add(
        models.IntegerField(default=0)
    ),  # a default of Django's is unknown to the old code
    "unique": add(models.IntegerField(null=True, unique=True)),
    "from varchar(20) to varchar(10)": alter("name", models.CharField(max_length=10)),
    "from varchar(20) to integer": alter("name", models.IntegerField()),
    "from numeric(8, 3) to numeric(9, 3)": alter("size", models.DecimalField(max_digits=9, decimal_places=3)),
    "forbids NULL in thing.note": alter("note", models.CharField(max_length=20)),
    "makes thing.name unique": alter("name", models.CharField(max_length=20, unique=True)),
    "renames the column": alter("name", models.CharField(max_length=20, db_column="title")),
    "may break it": operations.AddConstraint(
        "thing", models.CheckConstraint(condition=models.Q(name__gt=""), name="named")
    ),
    "unique together": operations.AlterUniqueTogether("thing", {("name", "kind")}),
    "RunPython without": operations.RunPython(lambda apps, editor: None),
    "RunSQL without": operations.RunSQL("SELECT 1"),
    "RunSQL drops a column": operations.RunSQL("alter table x drop column y", "SELECT 1"),
    "RunSQL drops a table": operations.RunSQL(["SELECT 1", ("DROP TABLE x", None)], "SELECT 1"),
    "RunSQL makes an index": operations.RunSQL("CREATE UNIQUE INDEX i ON x (y)", "SELECT 1"),
    "RunSQL changes a type": operations.RunSQL("ALTER TABLE x ALTER COLUMN y TYPE text", "SELECT 1"),
    "RunSQL forbids NULL": operations.RunSQL("ALTER TABLE x ALTER y SET NOT NULL", "SELECT 1"),
    "RunSQL lifts": operations.RunSQL("SET lock_timeout = 0", "SELECT 1"),
    "leaves the state": operations.SeparateDatabaseAndState(
        state_operations=[operations.RemoveField("thing", "name")]
    ),
    "drops thing.kind": operations.SeparateDatabaseAndState(
        database_operations=[operations.RemoveField("thing", "kind")]
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_unsafe_operation_is_refused(words: str) -> None:
    (said,) = complaints(REFUSED[words])
    assert words in said


ON_LARGE = {
    "with an index": add(models.IntegerField(null=True, db_index=True), "metervalue"),
    "foreign key": add(
        models.ForeignKey("transactions.Layout", models.CASCADE, null=True, db_index=False), "metervalue"
    ),
    "computed values": add(models.DateTimeField(db_default=Now()), "metervalue"),
    "rewrites a large table": add(
        models.GeneratedField(
            expression=models.F("register_wh") * 2, output_field=models.IntegerField(), db_persist=True
        ),
        "metervalue",
    ),
    "makes the index": operations.AddIndex("metervalue", models.Index(fields=["register_wh"], name="i")),
    "indexes metervalue": operations.AlterField(
        "metervalue", "register_wh", models.IntegerField(db_index=True)
    ),
}


@pytest.mark.parametrize("words", ON_LARGE)
def test_what_blocks_a_large_table_is_refused(words: str) -> None:
    (said,) = complaints(ON_LARGE[words], app="transactions")
    assert words in said


ALLOWED = [
    [operations.CreateModel("New", [ID]), operations.AddField("new", "a", models.IntegerField())],
    [operations.CreateModel("New", [ID]), operations.AddIndex("new", models.Index(fields=["id"], name="n"))],
    [operations.AddIndex("thing", models.Index(fields=["name"], name="n"))],
    [add(models.IntegerField(null=True))],
    [add(models.IntegerField(db_default=0))],
    [add(models.ForeignKey("sample.Thing", models.CASCADE, null=True))],
    [alter("name", models.CharField(max_length=21))],
    [alter("name", models.TextField())],
    [alter("name", models.CharField(max_length=20, null=True))],
    [alter("name", models.CharField(max_length=20, choices=[("a", "A")], help_text="Short."))],
    [operations.AlterModelOptions("thing", {"ordering": ["name"]})],
    [operations.RunPython(lambda apps, editor: None, operations.RunPython.noop)],
    [operations.RunSQL("CREATE INDEX CONCURRENTLY i ON x (y)", "SELECT 1")],
    [operations.SeparateDatabaseAndState(state_operations=[operations.RemoveField("thing", "note")])],
    [operations.SeparateDatabaseAndState(state_operations=[operations.RemoveField("thing", "kind")])],
]


@pytest.mark.parametrize("given", ALLOWED, ids=lambda given: given[-1].describe())
def test_safe_operations_are_allowed(given: list[Operation]) -> None:
    assert complaints(*given) == []


def test_column_may_leave_the_state_once_it_allows_null() -> None:
    gone = operations.SeparateDatabaseAndState(state_operations=[operations.RemoveField("thing", "name")])
    assert complaints(alter("name", models.CharField(max_length=20, null=True)), gone) == []


def test_index_of_a_large_table_is_made_online_and_outside_of_a_transaction() -> None:
    index = AddIndexOnline("metervalue", models.Index(fields=["register_wh"], name="i"))
    assert complaints(index, app="transactions", atomic=False) == []
    (said,) = complaints(index, app="transactions")
    assert "atomic = False" in said
    assert complaints(RemoveIndexOnline("metervalue", "i"), app="transactions") != []


def test_data_and_schema_are_two_migrations() -> None:
    (said,) = complaints(
        add(models.IntegerField(null=True)),
        operations.RunPython(lambda apps, editor: None, operations.RunPython.noop),
    )
    assert "two migrations" in said


def test_unknown_operation_is_refused() -> None:
    class Strange(Operation):
        def state_forwards(self, app_label: str, state: Any) -> None:
            pass

    assert "not known" in complaints(Strange())[0]


@pytest.mark.parametrize(("reason", "count"), [("Nobody reads it since version 0.3.0.", 0), ("fine", 1)])
def test_reason_in_a_sentence_is_accepted(reason: str, count: int) -> None:
    said = complaints(operations.RemoveField("thing", "note"), safe_while_old_code_runs=reason)
    assert len(said) == count


# ---------------------------------------------------------------- the operations on SQLite and PostgreSQL
@pytest.mark.django_db(transaction=True)
def test_online_index_is_made_and_dropped_and_made_again() -> None:
    state = ProjectState()
    state.add_model(ModelState("sample", "Thing", [ID, ("name", models.CharField(max_length=20))]))
    after = state.clone()
    index = AddIndexOnline("thing", models.Index(fields=["name"], name="thing_name"))
    index.state_forwards("sample", after)
    without = after.clone()
    drop = RemoveIndexOnline("thing", "thing_name")
    drop.state_forwards("sample", without)
    model = state.apps.get_model("sample", "Thing")

    def names() -> set[str]:
        with connection.cursor() as cursor:
            constraints = connection.introspection.get_constraints(cursor, "sample_thing")
        return {name for name, about in constraints.items() if about["index"] and not about["primary_key"]}

    with connection.schema_editor() as editor:
        editor.create_model(model)
    try:
        steps: tuple[Any, ...] = (
            (index.database_forwards, state, after, {"thing_name"}),
            (index.database_backwards, after, state, set()),
            (index.database_forwards, state, after, {"thing_name"}),
            (drop.database_forwards, after, without, set()),
            (drop.database_backwards, without, after, {"thing_name"}),
        )
        for act, old, new, expected in steps:
            with connection.schema_editor(atomic=False) as editor:
                act("sample", editor, old, new)
            assert names() == expected
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(model)
