"""Sessions in the admin: list, page, acts, export."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection, Connector
from tests import factories
from tests.browsing import messages_of, sign_in
from tests.factories import T0
from transactions.admin import session_page
from transactions.models import Transaction

LIST = "admin:transactions_transaction_changelist"


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


@pytest.fixture
def session(connector: Connector) -> Transaction:
    """An active session with two readings: 5 kWh after half an hour."""
    row = factories.TransactionFactory(connector=connector, energy_wh=Decimal(5000), power_w=10500)
    factories.MeterValueFactory(
        transaction=row, sampled_at=T0 + timedelta(minutes=10), register_wh=Decimal(2000)
    )
    factories.MeterValueFactory(
        transaction=row, sampled_at=T0 + timedelta(minutes=30), register_wh=Decimal(6000)
    )
    return row


def view(client: Client, row: Transaction, name: str = "change") -> str:
    return client.get(reverse(f"admin:transactions_transaction_{name}", args=[row.pk])).content.decode()


def post(client: Client, row: Transaction, name: str, **data: Any) -> Any:
    return client.post(reverse(f"admin:transactions_transaction_{name}", args=[row.pk]), data, follow=True)


def found(client: Client, **query: Any) -> list[int]:
    return [row.pk for row in client.get(reverse(LIST), query).context["cl"].result_list]


def exported(client: Client, **query: Any) -> list[dict[str, str]]:
    text = client.get(reverse("admin:transactions_transaction_export"), query).getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


# --- list ---


def test_list_shows_energy_cost_so_far_and_local_start(
    signed_in: Client, session: Transaction, tenant: Tenant
) -> None:
    tenant.time_zone = "Asia/Jakarta"
    tenant.save()
    text = signed_in.get(reverse(LIST)).content.decode()
    assert "5.00" in text
    assert "2.50 EUR" in text
    assert "02 Mar 2026, 17:00" in text


def test_list_filters_by_state_flag_and_charge_point(
    signed_in: Client, session: Transaction, tenant: Tenant, connector: Connector
) -> None:
    ended = factories.TransactionFactory(connector=connector, ended=True, flags=["stale", "offline"])
    elsewhere = factories.TransactionFactory(connector__evse__charge_point__tenant=tenant)
    assert found(signed_in, state__exact="ended") == [ended.pk]
    assert found(signed_in, flag="any") == [ended.pk]
    assert found(signed_in, flag="stale") == [ended.pk]
    assert found(signed_in, flag="late_stop") == []
    assert found(signed_in, charge_point__id__exact=elsewhere.charge_point_id) == [elsewhere.pk]


def test_list_filters_by_time_in_the_tenants_zone(
    signed_in: Client, session: Transaction, tenant: Tenant
) -> None:
    tenant.time_zone = "Asia/Jakarta"
    tenant.save()
    after = {"started_at_from_0": "2026-03-02", "started_at_from_1": "16:59"}
    assert found(signed_in, **after) == [session.pk]
    assert found(signed_in, **(after | {"started_at_from_1": "17:01"})) == []
    assert found(signed_in, started_at_to_0="nonsense") == [session.pk]


@pytest.mark.parametrize("term", ["CP-A", "04A1B2", "ocpp_id"])
def test_search_finds_by_charge_point_tag_and_transaction_id(
    term: str, signed_in: Client, session: Transaction
) -> None:
    assert found(signed_in, q=session.ocpp_id if term == "ocpp_id" else term) == [session.pk]
    assert found(signed_in, q="nothing like it") == []


def test_export_holds_the_filtered_sessions_exactly_and_without_formulas(
    signed_in: Client, connector: Connector, other_charge_point: ChargePoint
) -> None:
    factories.TransactionFactory(connector=other_charge_point.connectors.first(), ended=True)
    ended = factories.TransactionFactory(
        connector=connector, ended=True, id_token_value="=1+1", energy_wh=Decimal("12345.678")
    )
    factories.TransactionFactory(connector=connector)
    rows = exported(signed_in, state__exact="ended")
    assert [row["session"] for row in rows] == [str(ended.pk)]
    assert (rows[0]["energy_kwh"], rows[0]["tag"], rows[0]["cost"]) == ("12.345678", "'=1+1", "5.0000")
    assert rows[0]["started_at"] == "2026-03-02T10:00:00+00:00"


def test_export_has_the_times_of_the_tenants_zone(
    signed_in: Client, tenant: Tenant, connector: Connector
) -> None:
    tenant.time_zone = "Europe/Berlin"
    tenant.save()
    factories.TransactionFactory(connector=connector, ended=True)
    assert exported(signed_in)[0]["started_at"] == "2026-03-02T11:00:00+01:00"


# --- page ---


def test_page_of_an_active_session_shows_figures_charts_and_values(
    signed_in: Client, session: Transaction
) -> None:
    text = view(signed_in, session)
    assert "2.50 EUR" in text
    assert "Cost so far" in text
    assert text.count('class="cs-line" d="M') == 2
    assert "Energy Active Import Register (Wh)" in text
    assert 'hx-trigger="every 10s' in text


def test_page_of_an_ended_session_shows_its_bill_and_ledger(signed_in: Client, connector: Connector) -> None:
    line = {
        "kind": "ENERGY",
        "description": "Energy",
        "quantity": "10",
        "unit": "kWh",
        "unit_price": "0.5",
        "vat_percent": "19",
        "amount_excl_vat": "5.00",
        "vat_amount": "0.95",
        "amount": "5.95",
    }
    row = factories.TransactionFactory(
        connector=connector,
        ended=True,
        cost_lines=[line],
        cost=Decimal("5.95"),
        cost_vat=Decimal("0.95"),
        flags=["clock_anomaly"],
    )
    factories.LedgerEntryFactory(transaction=row, text="10000.000 Wh from registers.", kind="energy")
    factories.LedgerEntryFactory(transaction=row, text="The clock stood at 1970.", kind="anomaly")
    text = view(signed_in, row)
    for words in (
        "5.95 EUR",
        "19 %",
        "10 kWh",
        "10000.000 Wh from registers.",
        "Charger&#x27;s clock was wrong",
    ):
        assert words in text
    assert text.count("The clock stood at 1970.") == 2
    assert "hx-trigger" not in text


def test_page_shows_the_events_of_the_charger(signed_in: Client, session: Transaction) -> None:
    """OCPP 2.x: what was reported, in which order, and whether something is missing."""
    assert "Events of the charger" not in view(signed_in, session)
    for number in (0, 1, 3):
        factories.TransactionEventFactory(
            transaction=session,
            seq_no=number,
            trigger="ChargingStateChanged",
            is_offline=number == 3,
            details={"charging_state": "SuspendedEV"},
        )
    Transaction.objects.filter(pk=session.pk).update(
        event_count=3, first_seq_no=0, last_seq_no=3, charging_state="SuspendedEV"
    )
    page = view(signed_in, session)
    for text in (
        "Events of the charger",
        "Charging state changed",
        "Suspended EV",
        "offline",
        "3, 1 missing",
    ):
        assert text in page


def test_signed_values_take_no_room(signed_in: Client, session: Transaction) -> None:
    layout = factories.MeterLayoutFactory(
        digest="signed",
        columns=[[None, None, None, None, None, None], [None, None, None, None, None, "SignedData"]],
    )
    factories.MeterValueFactory(transaction=session, layout=layout, values=["1000", "T0NNRnx" * 200])
    page = view(signed_in, session)
    assert "1400 characters" in page
    assert "T0NNRnxT0NNRnx" not in page


def test_page_of_a_session_without_values_says_so(signed_in: Client, connector: Connector) -> None:
    text = view(signed_in, factories.TransactionFactory(connector=connector))
    assert "no meter values" in text
    assert "A chart appears with the second meter value." in text


def test_live_part_of_a_session_that_has_ended_reloads_the_page(
    signed_in: Client, connector: Connector, session: Transaction
) -> None:
    def path(row: Transaction) -> str:
        return reverse("admin:transactions_transaction_live", args=[row.pk])

    ended = factories.TransactionFactory(connector=connector, ended=True)
    assert "HX-Refresh" not in signed_in.get(path(session))
    assert signed_in.get(path(ended))["HX-Refresh"] == "true"


# --- acts ---


def test_tab_of_a_charge_point_lists_its_sessions_and_no_others(
    signed_in: Client, session: Transaction, connector: Connector
) -> None:
    elsewhere = factories.TransactionFactory(
        charge_point=factories.ChargePointFactory(tenant=session.tenant), id_token_value="ELSEWHERE"
    )
    url = reverse("admin:chargepoints_chargepoint_change", args=[connector.charge_point_id])

    shown = signed_in.get(f"{url}?tab=sessions").content.decode()

    assert reverse("admin:transactions_transaction_change", args=[session.pk]) in shown
    assert "Active" in shown
    assert elsewhere.id_token_value not in shown


def test_tab_of_a_charge_point_without_sessions_says_so(signed_in: Client, connector: Connector) -> None:
    url = reverse("admin:chargepoints_chargepoint_change", args=[connector.charge_point_id])

    assert "No session was charged here yet" in signed_in.get(f"{url}?tab=sessions").content.decode()


def test_stop_asks_the_charger(signed_in: Client, session: Transaction, connection: Connection) -> None:
    answer = post(signed_in, session, "stop")
    assert Command.objects.get().payload == {"transaction_id": session.ocpp_id}
    assert "The charger was asked to stop" in messages_of(answer)[0]
    session.refresh_from_db()
    assert session.is_active


def test_stop_of_an_offline_charger_says_why_not(signed_in: Client, session: Transaction) -> None:
    assert "offline" in messages_of(post(signed_in, session, "stop"))[0]
    assert not Command.objects.exists()


def test_close_needs_a_reason_and_keeps_it(signed_in: Client, session: Transaction) -> None:
    assert "reason" in post(signed_in, session, "close", reason=" ").context["form"].errors
    post(signed_in, session, "close", reason="Charger was scrapped")
    session.refresh_from_db()
    assert (session.state, session.end_kind, session.end_note) == (
        "ended",
        "operator",
        "Charger was scrapped",
    )
    assert session.cost == Decimal("2.5000")


def test_close_of_an_ended_session_says_why_not(signed_in: Client, connector: Connector) -> None:
    ended = factories.TransactionFactory(connector=connector, ended=True)
    assert messages_of(post(signed_in, ended, "close", reason="Again")) == ["The session has ended already."]


def test_recompute_corrects_a_wrong_figure(signed_in: Client, connector: Connector) -> None:
    row = factories.TransactionFactory(connector=connector, ended=True, cost=Decimal(99))
    post(signed_in, row, "recompute")
    row.refresh_from_db()
    assert row.cost == Decimal("5.0000")


def test_acts_are_offered_by_role_and_state(
    support: Actor, session: Transaction, connector: Connector, client: Client
) -> None:
    sign_in(client, support)
    ended = factories.TransactionFactory(connector=connector, ended=True)
    assert "Stop charging…" in view(client, session)
    assert "Close by hand…" not in view(client, session)
    assert "Stop charging…" not in view(client, ended)


def test_page_of_a_long_session_reads_what_it_shows(
    signed_in: Client, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_page, "MAX_POINTS", 4)
    monkeypatch.setattr(session_page, "SHOWN_SAMPLES", 3)
    session = factories.TransactionFactory(connector=connector)
    for n in range(20):
        factories.MeterValueFactory(
            transaction=session, sampled_at=factories.T0 + timedelta(minutes=n), register_wh=1000 + n
        )
    page = signed_in.get(reverse("admin:transactions_transaction_change", args=[session.pk]))
    assert page.context["sample_count"] == 20
    assert [row[0] for row in page.context["samples"]["rows"]] == [f"02 Mar 10:{n}:00" for n in (19, 18, 17)]
    assert len(session_page._samples(session, session_page._sample_keys(session))) <= 4 + 1 + 3
    assert "Energy" in page.content.decode()
