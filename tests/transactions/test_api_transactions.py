"""Sessions over REST."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Connection, Connector
from tests import factories
from tests.api import client_of, names, problem_of
from transactions.models import Transaction

PATH = "/api/v1/transactions/"


@pytest.fixture
def active(connector: Connector) -> Transaction:
    """Runs since T0 at 0.50 EUR/kWh; 1,234.567 Wh so far."""
    return factories.TransactionFactory(connector=connector, energy_wh=Decimal("1234.567"))


@pytest.fixture
def ended(connector: Connector) -> Transaction:
    return factories.TransactionFactory(
        connector=connector, ended=True, started_at=factories.T0 - timedelta(days=1)
    )


def test_ended_session_has_exact_figures(viewer: Actor, ended: Transaction) -> None:
    Transaction.objects.filter(pk=ended.pk).update(energy_wh=Decimal("1234.567"), cost=Decimal("12.3000"))

    response = client_of(viewer).get(f"{PATH}{ended.pk}/")

    shown = response.json()
    assert (shown["charge_point"], shown["evse"], shown["connector"], shown["connector_id"]) == (
        "CP-A",
        1,
        1,
        1,
    )
    assert (shown["status"], shown["stop_reason"], shown["flags"]) == ("ended", "Local", [])
    assert '"energy_wh":1234.567,' in response.text
    assert '"meter_start_wh":1000,' in response.text
    assert (shown["cost"], shown["currency"], shown["id_token"]) == ("12.30", "EUR", "04A1B2C3")


def test_active_session_shows_its_running_cost(viewer: Actor, active: Transaction) -> None:
    shown = client_of(viewer).get(f"{PATH}{active.pk}/").json()

    assert (shown["status"], shown["ended_at"], shown["meter_stop_wh"]) == ("active", None, None)
    assert shown["cost"] == "0.62"  # 1.234567 kWh at 0.50
    assert shown["cost_excl_vat"] is None


def test_session_that_cannot_be_priced_has_no_cost(viewer: Actor, active: Transaction) -> None:
    Transaction.objects.filter(pk=active.pk).update(tariff_snapshot=None)

    assert client_of(viewer).get(f"{PATH}{active.pk}/").json()["cost"] is None


def test_orphan_without_connector_is_shown(viewer: Actor, charge_point: ChargePoint) -> None:
    row = factories.TransactionFactory(connector=None, charge_point=charge_point, evse=None)

    shown = client_of(viewer).get(f"{PATH}{row.pk}/").json()

    assert (shown["evse"], shown["connector"], shown["connector_id"]) == (None, None, 1)


def test_sessions_are_filtered(viewer: Actor, active: Transaction, ended: Transaction) -> None:
    Transaction.objects.filter(pk=ended.pk).update(flags=["stale"], id_token_value="04FF", ocpp_id="77")
    client = client_of(viewer)
    both, only_active, only_ended = [active.pk, ended.pk], [active.pk], [ended.pk]

    for query, found in (
        ({}, both),
        ({"status": "active"}, only_active),
        ({"status": "ended"}, only_ended),
        ({"charge_point": "cp-a"}, both),
        ({"charge_point": "CP-B"}, []),
        ({"id_token": "04ff"}, only_ended),
        ({"ocpp_id": "77"}, only_ended),
        ({"started_after": "2026-03-02T10:00:00Z"}, only_active),
        ({"started_before": "2026-03-02T10:00:00Z"}, only_ended),
        ({"flagged": "true"}, only_ended),
        ({"flagged": "false"}, only_active),
        ({"connector_id": "2"}, []),
        ({"ordering": "started_at"}, [ended.pk, active.pk]),
    ):
        assert names(client.get(PATH, query), "id") == found, query
    problem_of(client.get(PATH, {"status": "gone"}), 400)


def test_list_of_sessions_costs_the_same_for_any_number(
    viewer: Actor, charge_point: ChargePoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(viewer)
    for number in (1, 5):
        for _ in range(number):
            evse = factories.EvseFactory(charge_point=charge_point)
            factories.TransactionFactory(connector__evse=evse)
        with django_assert_num_queries(2):  # membership, rows; a flat tariff needs no readings
            client.get(PATH)


def test_sessions_are_not_written(owner: Actor, active: Transaction) -> None:
    client = client_of(owner)

    problem_of(client.post(PATH, {}), 405)
    problem_of(client.patch(f"{PATH}{active.pk}/", {"energy_wh": 0}), 405)
    problem_of(client.delete(f"{PATH}{active.pk}/"), 405)


# --- acts ---


def test_stop_queues_a_remote_stop(support: Actor, active: Transaction, connection: Connection) -> None:
    response = client_of(support).post(f"{PATH}{active.pk}/stop/")

    assert response.status_code == 201
    assert response.json()["action"] == "remote_stop"
    assert response.json()["payload"] == {"transaction_id": active.ocpp_id}
    active.refresh_from_db()
    assert active.is_active


def test_stop_while_offline_is_409(support: Actor, active: Transaction) -> None:
    document = problem_of(client_of(support).post(f"{PATH}{active.pk}/stop/"), 409)

    assert document["code"] == "charge_point_offline"


def test_stop_of_ended_session_is_409(support: Actor, ended: Transaction, connection: Connection) -> None:
    document = problem_of(client_of(support).post(f"{PATH}{ended.pk}/stop/"), 409)

    assert document["code"] == "transaction_not_active"


def test_close_ends_the_session_with_the_reason(operator: Actor, active: Transaction) -> None:
    response = client_of(operator).post(f"{PATH}{active.pk}/close/", {"reason": "Charger was replaced"})

    shown = response.json()
    assert (shown["status"], shown["end_kind"], shown["end_note"]) == (
        "ended",
        "operator",
        "Charger was replaced",
    )


def test_close_without_reason_names_the_field(operator: Actor, active: Transaction) -> None:
    document = problem_of(client_of(operator).post(f"{PATH}{active.pk}/close/"), 400)

    assert list(document["errors"]) == ["reason"]


def test_close_as_technician_is_403(technician: Actor, active: Transaction) -> None:
    problem_of(client_of(technician).post(f"{PATH}{active.pk}/close/", {"reason": "x"}), 403)


def test_recompute_says_what_changed(operator: Actor, ended: Transaction) -> None:
    Transaction.objects.filter(pk=ended.pk).update(cost=Decimal("99"), energy_wh=Decimal("1"))
    client = client_of(operator)

    first = client.post(f"{PATH}{ended.pk}/recompute/").json()
    second = client.post(f"{PATH}{ended.pk}/recompute/").json()

    assert first["transaction"]["energy_wh"] == 10_000
    assert first["transaction"]["cost"] == "5.00"
    assert {"cost", "energy_wh"} <= set(first["changed"])
    assert second["changed"] == {}


# --- samples and ledger ---


def test_meter_values_are_expanded_in_order(viewer: Actor, active: Transaction) -> None:
    for minutes in (20, 10):
        at = factories.T0 + timedelta(minutes=minutes)
        factories.MeterValueFactory(
            transaction=active, sampled_at=at, register_wh=Decimal(1000 + minutes), received_at=factories.T0
        )

    rows = client_of(viewer).get(f"{PATH}{active.pk}/meter-values/").json()["results"]

    assert [row["samples"][0]["value"] for row in rows] == ["1010", "1020"]
    assert rows[0]["samples"][0] == {
        "measurand": "Energy.Active.Import.Register",
        "value": "1010",
        "unit": "Wh",
        "phase": None,
        "context": "Sample.Periodic",
        "location": "Outlet",
        "format": "Raw",
    }
    assert set(rows[0]) == {"sampled_at", "received_at", "samples"}


def test_meter_values_page_by_cursor_without_gaps(viewer: Actor, active: Transaction) -> None:
    for number in range(7):
        at = factories.T0 + timedelta(minutes=number // 3)
        factories.MeterValueFactory(transaction=active, sampled_at=at, values=[str(number), "0"])
    client, url, seen = client_of(viewer), f"{PATH}{active.pk}/meter-values/?page_size=2", []
    while url:
        page = client.get(url).json()
        seen += [row["samples"][0]["value"] for row in page["results"]]
        url = page["next"]

    assert seen == [str(number) for number in range(7)]


def test_ledger_explains_in_order(viewer: Actor, active: Transaction, connector: Connector) -> None:
    for text in ("Started.", "Priced."):
        factories.LedgerEntryFactory(transaction=active, text=text)
    factories.LedgerEntryFactory(transaction__connector=connector, text="Of another session.")

    assert names(client_of(viewer).get(f"{PATH}{active.pk}/ledger/"), "text") == ["Started.", "Priced."]


def test_events_come_in_the_chargers_order(viewer: Actor, active: Transaction) -> None:
    for number in (2, 0, 1):
        factories.TransactionEventFactory(transaction=active, seq_no=number)

    answer = client_of(viewer).get(f"{PATH}{active.pk}/events/")
    assert names(answer, "seq_no") == [0, 1, 2]
    assert set(answer.json()["results"][0]) == {
        "id", "kind", "seq_no", "at", "received_at", "trigger", "is_offline", "details",
    }  # fmt: skip
    some = client_of(viewer).get(f"{PATH}{active.pk}/events/?kind=Started")
    assert names(some, "seq_no") == [0]


def test_lists_of_a_session_cost_the_same_for_any_number(
    viewer: Actor, active: Transaction, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(viewer)
    for number in (1, 5):
        for _ in range(number):
            factories.MeterValueFactory(transaction=active)
            factories.LedgerEntryFactory(transaction=active)
        for part, queries in (("meter-values", 4), ("ledger", 3)):  # membership, session, rows, layouts
            with django_assert_num_queries(queries):
                client.get(f"{PATH}{active.pk}/{part}/")


def test_parts_of_foreign_session_are_404(viewer: Actor, other_tenant: Tenant) -> None:
    foreign = factories.TransactionFactory(connector__evse__charge_point__tenant=other_tenant)

    for part in ("", "meter-values/", "events/", "ledger/"):
        problem_of(client_of(viewer).get(f"{PATH}{foreign.pk}/{part}"), 404)
