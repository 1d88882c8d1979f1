"""Rows noted while decisions are made, written in bulk."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, models
from django.db.transaction import atomic
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint, Connector
from csms_project.common.events import event
from csms_project.common.models import Event
from csms_project.common.unit_of_work import UnitOfWork, bulk_change
from tests import factories
from tests.factories import T0
from transactions.models import Transaction


def tokens(tenant: Tenant, count: int) -> list[IdToken]:
    return [IdToken(tenant=tenant, value=f"T{n}", value_key=f"t{n}") for n in range(count)]


def note(tenant: Tenant, kind: str, object_id: object = 0) -> Event:
    return event(
        kind, tenant_id=tenant.pk, object_type="x", object_id=object_id, charge_point="", data={}, at=T0
    )


def test_nothing_noted_writes_nothing(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        UnitOfWork().store()

    assert len(queries) == 0


@pytest.mark.parametrize("count", [1, 60])
def test_new_rows_of_a_model_are_one_statement(tenant: Tenant, count: int) -> None:
    work = UnitOfWork()
    for row in tokens(tenant, count):
        work.add(row)

    with CaptureQueriesContext(connection) as queries:
        work.store()

    assert [query["sql"][:6] for query in queries if query["sql"][:6] not in ("SAVEPO", "RELEAS")] == [
        "INSERT"
    ]
    assert IdToken.objects.count() == count


@pytest.mark.parametrize("count", [1, 50])
def test_changed_rows_of_a_model_are_one_statement(tenant: Tenant, count: int) -> None:
    rows = [factories.IdTokenFactory(tenant=tenant) for _ in range(count)]
    work = UnitOfWork()
    for number, row in enumerate(rows):
        row.note, row.status = f"note {number}", "Blocked"
        work.change(row, "note", "status")

    with CaptureQueriesContext(connection) as queries:
        work.store()

    assert len(queries) == 1
    stored = IdToken.objects.order_by("pk").values_list("note", "status")
    assert list(stored) == [(f"note {number}", "Blocked") for number in range(count)]


def test_change_writes_the_named_fields_only(tenant: Tenant) -> None:
    row = factories.IdTokenFactory(tenant=tenant, note="before")
    row.note, row.status = "not named", "Blocked"
    work = UnitOfWork()
    work.change(row, "status")
    work.store()

    row.refresh_from_db()
    assert (row.note, row.status) == ("before", "Blocked")


def test_change_of_one_row_twice_writes_its_latest_values(tenant: Tenant) -> None:
    row = factories.IdTokenFactory(tenant=tenant)
    work = UnitOfWork()
    row.note = "first"
    work.change(row, "note")
    row.note, row.max_active_sessions = "second", 3
    work.change(row, "max_active_sessions")
    work.store()

    row.refresh_from_db()
    assert (row.note, row.max_active_sessions) == ("second", 3)


def test_changes_of_different_fields_do_not_disturb_each_other(tenant: Tenant) -> None:
    one, two = (factories.IdTokenFactory(tenant=tenant, note=f"n{n}") for n in range(2))
    work = UnitOfWork()
    one.note = "changed"
    work.change(one, "note")
    two.status = "Blocked"
    work.change(two, "status")
    work.store()

    values = list(IdToken.objects.order_by("pk").values_list("note", "status"))
    assert values == [("changed", "Accepted"), ("n1", "Blocked")]


def test_change_of_a_row_that_is_about_to_be_inserted_needs_no_update(tenant: Tenant) -> None:
    [row] = tokens(tenant, 1)
    work = UnitOfWork()
    work.add(row)
    row.note = "later"
    work.change(row, "note")
    work.store()

    assert IdToken.objects.get().note == "later"


def test_change_does_not_revive_a_deleted_row(tenant: Tenant) -> None:
    row = factories.IdTokenFactory(tenant=tenant)
    work = UnitOfWork()
    work.change(row, "note")
    IdToken.objects.filter(pk=row.pk).delete()
    work.store()

    assert not IdToken.objects.exists()


def test_late_rows_get_the_keys_of_new_ones(tenant: Tenant) -> None:
    [row] = tokens(tenant, 1)
    work = UnitOfWork()
    work.add(row)
    work.add_late(lambda: note(tenant, "token.made", row.pk))
    work.add_late(lambda: None)
    work.store()

    assert Event.objects.get().object_id == str(row.pk)
    assert row.pk is not None


def test_late_rows_see_what_was_changed(tenant: Tenant) -> None:
    row = factories.IdTokenFactory(tenant=tenant)
    row.note = "new"
    work = UnitOfWork()
    work.change(row, "note")
    work.add_late(lambda: note(tenant, IdToken.objects.get(pk=row.pk).note))
    work.store()

    assert Event.objects.get().kind == "new"


def test_rows_keep_the_order_in_which_they_were_noted(tenant: Tenant) -> None:
    work = UnitOfWork()
    for kind in ("c", "a", "b"):
        work.add(note(tenant, kind))
    work.add_late(lambda: note(tenant, "z"))
    work.add_late(lambda: note(tenant, "y"))
    work.store()

    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == ["c", "a", "b", "z", "y"]


def test_added_lists_new_rows_until_they_are_stored(tenant: Tenant) -> None:
    [row] = tokens(tenant, 1)
    work = UnitOfWork()
    assert list(work.added(IdToken)) == []
    work.add(row)
    assert list(work.added(IdToken)) == [row]
    work.store()
    assert list(work.added(IdToken)) == []


def test_store_twice_writes_once(tenant: Tenant) -> None:
    work = UnitOfWork()
    work.add(tokens(tenant, 1)[0])
    work.store()
    work.store()

    assert IdToken.objects.count() == 1


def test_store_that_fails_leaves_nothing_behind(tenant: Tenant) -> None:
    work = UnitOfWork()
    work.add(note(tenant, "a"))
    for row in [*tokens(tenant, 1), *tokens(tenant, 1)]:
        work.add(row)

    with pytest.raises(IntegrityError), atomic():
        work.store()

    assert not Event.objects.exists()


# ------------------------------------------------------------------ types of columns


def test_change_keeps_every_type_exact(connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector)
    changed: dict[str, object] = {
        "energy_wh": Decimal("123456789012.345"),
        "flags": ["meter_anomaly", "ünïcode", 'quo"te', "o'clock", "100%s"],
        "cost_lines": [{"a": None, "b": [1, 2.5, True]}],
        "ended_at": T0 + timedelta(microseconds=1),
        "power_w": -(2**31 - 1),
        "soc_percent": None,
        "is_free": True,
        "end_note": "Robert'); DROP TABLE x; -- %s",
        "reservation_number": 2**62,
        "connector": None,
    }
    for name, value in changed.items():
        setattr(row, name, value)
    bulk_change([row], sorted(changed))

    stored = Transaction.objects.get(pk=row.pk)
    assert {name: getattr(stored, name) for name in changed} == changed


def test_change_with_null_in_the_first_row_and_values_in_the_next(connector: Connector) -> None:
    """The first row of VALUES decides the types in PostgreSQL."""
    rows = [factories.TransactionFactory(connector=connector) for _ in range(3)]
    for row, value in zip(rows, [None, Decimal("1.500"), None], strict=True):
        row.meter_stop_wh = value
        row.ended_at = None if value is None else T0
    bulk_change(rows, ["ended_at", "meter_stop_wh"])

    stored = Transaction.objects.order_by("pk").values_list("meter_stop_wh", "ended_at")
    assert list(stored) == [(None, None), (Decimal("1.5"), T0), (None, None)]


def test_change_of_more_rows_than_one_statement_takes(tenant: Tenant) -> None:
    rows = IdToken.objects.bulk_create(tokens(tenant, 700))
    for row in rows:
        row.note = row.value * 2
    bulk_change(rows, ["note", "status", "value"])

    assert IdToken.objects.filter(note=models.functions.Concat("value", "value")).count() == 700


def test_change_of_no_rows_is_nothing(db: None) -> None:
    bulk_change([], ["note"])


def test_change_leaves_other_rows_alone(charge_point: ChargePoint, other_charge_point: ChargePoint) -> None:
    charge_point.note = "mine"
    bulk_change([charge_point], ["note"])

    other_charge_point.refresh_from_db()
    assert other_charge_point.note == ""
