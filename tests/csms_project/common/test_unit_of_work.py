"""Rows noted while decisions are made, written in bulk."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint
from csms_project.common.events import EventRow, event
from csms_project.common.models import Event
from csms_project.common.unit_of_work import UnitOfWork
from tests import factories
from tests.factories import T0


def tokens(tenant: Tenant, count: int) -> list[IdToken]:
    return [IdToken(tenant=tenant, value=f"T{n}", value_key=f"t{n}") for n in range(count)]


def note(tenant: Tenant, kind: str, object_id: object = 0) -> EventRow:
    return event(
        kind, tenant_id=tenant.pk, object_type="x", object_id=object_id, charge_point="", data={}, at=T0
    )


def test_nothing_noted_writes_nothing(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        UnitOfWork().store()

    assert len(queries) == 0


@pytest.mark.parametrize("count", [1, 40])
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


def test_rows_keep_the_order_in_which_they_were_noted(tenant: Tenant) -> None:
    work = UnitOfWork()
    for kind in ("c", "a", "b"):
        work.add(note(tenant, kind))
    work.store()

    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == ["c", "a", "b"]


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


def test_all_that_is_few_is_one_statement_on_postgresql(tenant: Tenant, charge_point: ChargePoint) -> None:
    rows = [factories.IdTokenFactory(tenant=tenant) for _ in range(2)]
    rows[0].note, rows[1].status, charge_point.vendor = "new", "Blocked", "V"
    work = UnitOfWork()
    work.change(rows[0], "note")
    work.change(rows[1], "status")
    work.change(charge_point, "vendor")
    work.add(note(tenant, "a"))

    with CaptureQueriesContext(connection) as queries:
        work.store()

    assert len(queries) == (1 if connection.vendor == "postgresql" else 4)
    assert list(IdToken.objects.order_by("pk").values_list("note", "status")) == [
        ("new", "Accepted"),
        ("", "Blocked"),
    ]
    charge_point.refresh_from_db()
    assert (charge_point.vendor, Event.objects.get().kind) == ("V", "a")
