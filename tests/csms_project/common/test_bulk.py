"""Rows read and written in sets: the same on both databases, and the same as through the ORM."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db import connection, models
from django.db.transaction import atomic
from django.db.utils import DataError, IntegrityError
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken, Tenant
from chargepoints.choices import RefusalReason
from chargepoints.log_rows import MessageRow
from chargepoints.models import ChargePoint, Connection, Connector, OcppMessage, RefusedConnection
from chargepoints.services.presence import RefusedRow
from csms_project.common import bulk
from csms_project.common.events import event
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from transactions.choices import TransactionState
from transactions.models import MeterValue, Transaction
from transactions.rows import MeterValueRow

ODD_TEXTS = [
    "",
    "\\",
    "\\N",
    "\\.",
    "tab\there",
    "line\nbreak",
    "return\r",
    "ünïcode 😀",
    'quo"te',
    "{a,b}",
    "%s",
    "NULL",
]


def tokens(tenant: Tenant, count: int) -> list[IdToken]:
    return [IdToken(tenant=tenant, value=f"T{n}", value_key=f"t{n}") for n in range(count)]


def message(charge_point: ChargePoint, text: str) -> MessageRow:
    return MessageRow(
        charge_point.tenant_id, charge_point.pk, T0, True, "id", "Heartbeat", text, "{}", "", text[:20], None
    )


# ------------------------------------------------------------------ new rows


def test_tuples_are_stored_as_the_model_says(charge_point: ChargePoint) -> None:
    bulk.insert([message(charge_point, text) for text in ODD_TEXTS])

    rows = OcppMessage.objects.order_by("id")
    assert [row.request for row in rows] == ODD_TEXTS
    assert {(row.received_at, row.sent_by_charger, row.answered_at) for row in rows} == {(T0, True, None)}


def test_json_and_decimals_of_tuples_are_exact(tenant: Tenant, charge_point: ChargePoint) -> None:
    wh = Decimal("123456789012.345")
    bulk.insert([MeterValueRow(tenant.pk, charge_point.pk, 1, None, T0, T0, 1, ODD_TEXTS, wh)])
    data = {"text": "\\ \n \t", "none": None, "energy": Decimal("1.500"), "at": T0}
    bulk.insert([event("a.b", tenant_id=tenant.pk, data=data, at=T0)])

    sample = MeterValue.objects.get()
    assert (sample.values, sample.register_wh, sample.transaction_id) == (ODD_TEXTS, wh, None)
    stored = Event.objects.get().data
    assert (stored["text"], stored["none"], stored["energy"]) == ("\\ \n \t", None, "1.500")


@pytest.mark.parametrize("count", [1, 60])
def test_tuples_of_a_kind_are_one_statement(charge_point: ChargePoint, count: int) -> None:
    with CaptureQueriesContext(connection) as queries:
        bulk.insert([message(charge_point, "x")] * count)

    assert len(queries) == 1
    assert OcppMessage.objects.count() == count


def test_instances_with_keys_are_stored_whole(connector: Connector) -> None:
    [key] = bulk.Keys(Transaction).take(1)
    row = factories.TransactionFactory.build(
        id=key,
        tenant=connector.tenant,
        charge_point=connector.charge_point,
        connector=connector,
        evse=connector.evse,
        flags=["offline"],
        tariff_snapshot={"name": "N"},
    )
    bulk.insert([row])

    assert not row._state.adding
    stored = Transaction.objects.get(pk=key)
    for field in Transaction._meta.concrete_fields:
        assert getattr(stored, field.attname) == getattr(row, field.attname), field.attname


def test_keys_are_never_handed_out_twice(connector: Connector) -> None:
    taken = factories.TransactionFactory(connector=connector).pk
    keys = bulk.Keys(Transaction)
    handed = [*keys.take(2), *keys.take(3)]

    assert len(set(handed)) == 5
    assert taken not in handed
    assert factories.TransactionFactory(connector=connector).pk > taken


def test_broken_constraint_is_an_error_of_the_orm(tenant: Tenant) -> None:
    rows = tokens(tenant, 1) + tokens(tenant, 1)
    for row, key in zip(rows, bulk.Keys(IdToken).take(2), strict=True):
        row.pk, row.created_at, row.updated_at = key, T0, T0

    with pytest.raises(IntegrityError), atomic():
        bulk.insert(rows)

    assert not IdToken.objects.exists()


def test_kind_with_a_field_that_the_model_lacks_is_refused() -> None:
    class Wrong(NamedTuple):
        tenant_id: int
        nonsense: str

    with pytest.raises(TypeError, match="nonsense"):
        bulk.register(Wrong, Event)


def test_write_finds_rows_by_several_attributes(charge_point: ChargePoint) -> None:
    mine = factories.ConnectionFactory(charge_point=charge_point)
    other = factories.ConnectionFactory(last_frame_at=T0)
    later = T0 + timedelta(hours=1)
    bulk.write(
        Connection,
        ("charge_point_id", "token"),
        ("last_frame_at", "remote_address"),
        [
            (mine.charge_point_id, mine.token, later, ODD_TEXTS[-3]),
            (other.charge_point_id, mine.token, later, "of nobody"),
        ],
    )

    rows = Connection.objects.order_by("pk").values_list("last_frame_at", "remote_address")
    assert list(rows) == [(later, ODD_TEXTS[-3]), (T0, other.remote_address)]


def test_write_of_nothing_asks_nothing(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        bulk.write(ChargePoint, ("id",), ("last_seen_at",), [])
        bulk.upsert([], unique=("identity", "reason"))


# ------------------------------------------------------------------ new or changed rows


def refused(identity: str, **fields: Any) -> RefusedRow:
    row = RefusedRow(identity, RefusalReason.WRONG_KEY, None, None, T0, T0, 1, "", "192.0.2.1", "", "")
    return row._replace(**fields)


def test_upsert_inserts_new_rows_and_writes_over_the_others(db: None) -> None:
    bulk.upsert([refused(text) for text in ODD_TEXTS], unique=("identity", "reason"))
    changed = refused("", last_at=T0 + timedelta(hours=1), first_at=T0 + timedelta(hours=1), count=5)
    bulk.upsert([changed, refused("new")], unique=("identity", "reason"), add=("count",), keep=("first_at",))

    assert set(RefusedConnection.objects.values_list("identity", flat=True)) == {*ODD_TEXTS, "new"}
    row = RefusedConnection.objects.get(identity="")
    assert (row.count, row.first_at, row.last_at) == (6, T0, T0 + timedelta(hours=1))


def test_made_instance_equals_that_of_the_model(tenant: Tenant) -> None:
    values = {"tenant_id": tenant.pk, "connector_number": 1, "flags": ["a"], "energy_wh": Decimal(5)}
    made, ours = bulk.make(Transaction, **values), Transaction(**values)

    assert made._state.adding
    assert {field.attname: getattr(made, field.attname) for field in Transaction._meta.concrete_fields} == {
        field.attname: getattr(ours, field.attname) for field in Transaction._meta.concrete_fields
    }
    assert bulk.make(Transaction).cost_lines is not bulk.make(Transaction).cost_lines
    with pytest.raises(TypeError, match="nonsense"):
        bulk.make(Transaction, nonsense=1)


# ------------------------------------------------------------------ reading


def test_load_makes_instances_with_the_attributes_asked_for(tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant, value="Ab", note="n")
    [row] = bulk.load(IdToken, ("id", "value", "tenant_id"), {"value_key": ["ab"], "tenant_id": [tenant.pk]})

    with CaptureQueriesContext(connection) as queries:
        assert (row, row.value, row.tenant_id) == (token, "Ab", tenant.pk)
    assert len(queries) == 0
    assert row.note == "n"  # read when asked for
    row.note = "changed"
    row.save(update_fields=["note"])
    token.refresh_from_db()
    assert token.note == "changed"


def test_load_of_pairs_finds_no_other_combination(
    connector: Connector, other_charge_point: ChargePoint
) -> None:
    here, elsewhere = connector.charge_point, other_charge_point.connectors.first()
    one = factories.TransactionFactory(connector=connector, ocpp_id="11", flags=["offline"])
    two = factories.TransactionFactory(connector=elsewhere, ocpp_id="12")
    for where, ocpp_id in ((connector, "12"), (elsewhere, "11")):
        factories.TransactionFactory(connector=where, ocpp_id=ocpp_id, ocpp_version="ocpp2.0.1")
    pairs = [(here.pk, "11"), (other_charge_point.pk, "12"), (here.pk, "99")]

    rows = bulk.load(
        Transaction,
        ("id", "flags", "energy_wh", "started_at"),
        {("charge_point_id", "ocpp_id"): bulk.Known(pairs)},
        lock=True,
        order_by="id",
    )

    assert rows == [one, two]
    assert (rows[0].flags, rows[0].energy_wh) == (["offline"], one.energy_wh)
    assert rows[0].started_at == one.started_at


def test_load_by_a_constant(connector: Connector) -> None:
    factories.TransactionFactory(connector=connector, ocpp_id="1", state=TransactionState.ENDED, ended_at=T0)
    active = factories.TransactionFactory(connector=connector, ocpp_id="2")

    where: bulk.Where = {"charge_point_id": [connector.charge_point_id], "state": bulk.Is("active")}
    assert bulk.load(Transaction, ("id",), where) == [active]


def test_times_before_a_bound_are_left_out(charge_point: ChargePoint) -> None:
    for hours in range(3):
        bulk.insert([message(charge_point, str(hours))._replace(received_at=T0 + timedelta(hours=hours))])
    where: bulk.Where = {
        "charge_point_id": [charge_point.pk],
        "received_at": bulk.From(T0 + timedelta(hours=1)),
    }

    assert sorted(bulk.fetch(OcppMessage, ("request",), where)) == [("1",), ("2",)]


def test_texts_of_a_condition_are_values_and_never_sql(tenant: Tenant) -> None:
    for number, text in enumerate(ODD_TEXTS):
        factories.IdTokenFactory(tenant=tenant, value=f"{number}{text}", note=text)

    for text in ODD_TEXTS:
        assert bulk.fetch(IdToken, ("note",), {"note": [text]}) == [(text,)]
    with pytest.raises(ValueError, match="not a constant"):
        bulk.fetch(IdToken, ("note",), {"note": bulk.Is("x' OR '1")})


def test_complete_reads_what_is_missing_and_keeps_what_is_there(tenant: Tenant) -> None:
    factories.IdTokenFactory(tenant=tenant, value="one", note="n1")
    factories.IdTokenFactory(tenant=tenant, value="two", note="n2")
    rows = bulk.load(IdToken, ("id", "value"), {"tenant_id": [tenant.pk]}, order_by="id")
    rows[0].note = "mine"
    with CaptureQueriesContext(connection) as queries:
        bulk.complete(rows)
        assert [(row.value, row.note, row.status) for row in rows] == [
            ("one", "mine", "Accepted"),
            ("two", "n2", "Accepted"),
        ]
        bulk.complete(rows)
    assert len(queries) == 1


# ------------------------------------------------------------------ changed rows


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
    bulk.update([row], sorted(changed))

    stored = Transaction.objects.get(pk=row.pk)
    assert {name: getattr(stored, name) for name in changed} == changed


def test_change_with_null_in_the_first_row_and_values_in_the_next(connector: Connector) -> None:
    """The first row of VALUES decides the types in PostgreSQL."""
    rows = [factories.TransactionFactory(connector=connector) for _ in range(3)]
    for row, value in zip(rows, [None, Decimal("1.500"), None], strict=True):
        row.meter_stop_wh = value
        row.ended_at = None if value is None else T0
    bulk.update(rows, ["ended_at", "meter_stop_wh"])

    stored = Transaction.objects.order_by("pk").values_list("meter_stop_wh", "ended_at")
    assert list(stored) == [(None, None), (Decimal("1.5"), T0), (None, None)]


def test_change_of_more_rows_than_one_statement_takes(tenant: Tenant) -> None:
    rows = IdToken.objects.bulk_create(tokens(tenant, 700))
    for row in rows:
        row.note = row.value * 2
    bulk.update(rows, ["note", "status", "value"])

    assert IdToken.objects.filter(note=models.functions.Concat("value", "value")).count() == 700


def test_text_that_is_too_long_is_refused_and_not_cut(tenant: Tenant) -> None:
    row = factories.IdTokenFactory(tenant=tenant)
    row.type = "x" * 21

    if connection.vendor == "postgresql":
        with pytest.raises(DataError), atomic():
            bulk.update([row], ["type"])
    else:
        bulk.update([row], ["type"])  # SQLite knows no lengths
        assert IdToken.objects.get().type == row.type


def test_change_of_no_rows_is_nothing(db: None) -> None:
    bulk.update([], ["note"])


def test_change_leaves_other_rows_alone(charge_point: ChargePoint, other_charge_point: ChargePoint) -> None:
    charge_point.note = "mine"
    bulk.update([charge_point], ["note"])

    other_charge_point.refresh_from_db()
    assert other_charge_point.note == ""
