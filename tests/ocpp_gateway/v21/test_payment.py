"""Settlements and VAT numbers of payment terminals (OCPP 2.1 C18 to C22), and prepaid balances (C17)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms21, event, moment, session
from tests.ocpp_gateway.v201.helpers import token as wire_token
from transactions.models import PrepaidDebit, Settlement, Tariff
from transactions.services import prepaid
from transactions.services.recompute import recompute

HOUR = timedelta(hours=1)


@pytest.fixture
def priced(tenant: Tenant, settings: Any) -> Tariff:
    settings.PUBLIC_URL = "https://csms.example.org"
    elements = [{"price_components": [{"type": "ENERGY", "price": "0.50", "vat": None, "step_size": None}]}]
    row: Tariff = factories.TariffFactory(tenant=tenant, elements=elements)
    Tenant.objects.filter(pk=tenant.pk).update(default_tariff=row, accepts_direct_payment=True)
    return row


def charge(
    csms: Csms21, charge_point: ChargePoint, idtoken: dict[str, Any], tx: str = "tx-1"
) -> dict[str, Any]:
    """A session of 10 kWh; the answer to its end."""
    csms.send(
        charge_point, "TransactionEvent", event("Started", 0, moment(0), tx=tx, evse=1, idToken=idtoken)
    )
    return csms.send(
        charge_point,
        "TransactionEvent",
        event("Ended", 1, moment(10000, at=T0 + HOUR), tx=tx, at=T0 + HOUR),
        at=T0 + HOUR,
    )


def settlement(**more: Any) -> dict[str, Any]:
    return {
        "pspRef": "psp-1",
        "status": "Settled",
        "settlementAmount": 5.0,
        "settlementTime": "2026-03-02T11:00:05Z",
        "transactionId": "tx-1",
        **more,
    }


# --- settlements ---


def test_card_session_is_settled_and_has_a_receipt(
    csms: Csms21, charge_point: ChargePoint, priced: Tariff
) -> None:
    """C18.FR.06, C21.FR.02, .03"""
    end = charge(csms, charge_point, wire_token("psp-1", "DirectPayment"))
    assert end["totalCost"] == 5

    company = {
        "name": "Acme",
        "address1": "Street 1",
        "city": "Vienna",
        "country": "Austria",
        "postalCode": "1010",
    }
    answer = csms.send(
        charge_point,
        "NotifySettlement",
        settlement(vatNumber="ATU12345678", vatCompany=company),
        at=T0 + HOUR,
    )

    row = Settlement.objects.get()
    assert answer["receiptUrl"] == f"https://csms.example.org/receipts/{row.receipt_token}/"
    assert answer["receiptId"] == f"2026-{row.pk:08}"
    assert (row.transaction, row.amount, row.currency, row.status) == (
        session(),
        Decimal(5),
        "EUR",
        "Settled",
    )
    assert (row.vat_number, row.company["postal_code"]) == ("ATU12345678", "1010")
    assert session().ledger.filter(text="Payment psp-1: Settled, 5.00 EUR.").count() == 1
    assert Event.objects.filter(kind="settlement.received").count() == 1


def test_settlement_that_comes_again_is_one(csms: Csms21, charge_point: ChargePoint, priced: Tariff) -> None:
    charge(csms, charge_point, wire_token("psp-1", "DirectPayment"))

    answers = [csms.send(charge_point, "NotifySettlement", settlement()) for _ in range(2)]

    assert answers[0] == answers[1]
    assert Settlement.objects.count() == 1
    assert Event.objects.filter(kind="settlement.received").count() == 1


def test_charger_with_its_own_receipt_gets_none(
    csms: Csms21, charge_point: ChargePoint, priced: Tariff
) -> None:
    """C21.FR.04"""
    given = settlement(receiptUrl="https://psp.example.org/r/1", receiptId="R-1")

    answer = csms.send(charge_point, "NotifySettlement", given)

    assert answer == {}
    row = Settlement.objects.get()
    assert (row.receipt_url, row.receipt_id) == ("https://psp.example.org/r/1", "R-1")


@pytest.mark.parametrize("status", ["Canceled", "Rejected", "Failed"])
def test_payment_that_was_not_charged_has_no_receipt(
    csms: Csms21, charge_point: ChargePoint, priced: Tariff, status: str
) -> None:
    """C19.FR.02, C20.FR.05, C22.FR.01, .02"""
    given = settlement(status=status, settlementAmount=0, statusInfo="declined")
    del given["transactionId"]

    assert csms.send(charge_point, "NotifySettlement", given) == {}

    row = Settlement.objects.get()
    assert (row.status, row.transaction, row.status_info) == (status, None, "declined")


def test_settlement_of_an_unknown_session_is_kept(
    csms: Csms21, charge_point: ChargePoint, priced: Tariff
) -> None:
    csms.send(charge_point, "NotifySettlement", settlement(transactionId="nobody"))

    row = Settlement.objects.get()
    assert (row.transaction, row.ocpp_id) == (None, "nobody")


def test_session_of_another_charger_is_not_meant(
    csms: Csms21, charge_point: ChargePoint, tenant: Tenant, priced: Tariff
) -> None:
    charge(csms, charge_point, wire_token("psp-1", "DirectPayment"))
    other = factories.ChargePointFactory(tenant=tenant, connectors=1)

    csms.send(other, "NotifySettlement", settlement())

    assert Settlement.objects.get().transaction is None


def test_address_that_is_no_link_is_not_kept(csms: Csms21, charge_point: ChargePoint, priced: Tariff) -> None:
    csms.send(charge_point, "NotifySettlement", settlement(receiptUrl="javascript:alert(1)"))

    assert Settlement.objects.get().receipt_url == ""


def test_without_a_public_address_only_the_number_is_told(
    csms: Csms21, charge_point: ChargePoint, priced: Tariff, settings: Any
) -> None:
    settings.PUBLIC_URL = ""

    assert set(csms.send(charge_point, "NotifySettlement", settlement())) == {"receiptId"}


def test_session_that_cost_nothing_is_answered_zero(
    csms: Csms21, charge_point: ChargePoint, priced: Tariff
) -> None:
    """C20.FR.03"""
    card = wire_token("psp-1", "DirectPayment")
    csms.send(charge_point, "TransactionEvent", event("Started", 0, evse=1, idToken=card))

    answer = csms.send(charge_point, "TransactionEvent", event("Ended", 1, trigger="EVConnectTimeout"))

    assert answer["totalCost"] == 0


# --- VAT numbers ---


def test_vat_number_is_checked(csms: Csms21, charge_point: ChargePoint) -> None:
    """C18.FR.09, .10"""
    answer = csms.send(charge_point, "VatNumberValidation", {"vatNumber": "DE123456789", "evseId": 2})

    assert answer == {"vatNumber": "DE123456789", "evseId": 2, "status": "Accepted"}


def test_wrong_vat_number_is_rejected_in_words(csms: Csms21, charge_point: ChargePoint) -> None:
    answer = csms.send(charge_point, "VatNumberValidation", {"vatNumber": "DE1"})

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidValue")
    assert "evseId" not in answer


def test_company_of_the_register_is_told(csms: Csms21, charge_point: ChargePoint, settings: Any) -> None:
    settings.VAT_NUMBER_PROVIDER = "tests.transactions.test_vat_numbers.Register"

    answer = csms.send(charge_point, "VatNumberValidation", {"vatNumber": "ATU12345678"})

    assert answer["company"] == {
        "name": "Acme",
        "address1": "Street 1",
        "postalCode": "1010",
        "city": "Vienna",
        "country": "Austria",
    }


# --- prepaid ---


def with_balance(token: IdToken, balance: str) -> None:
    token.balance = Decimal(balance)
    token.save(update_fields=["balance"])


def test_session_is_taken_from_the_balance_once(
    csms: Csms21, charge_point: ChargePoint, token: IdToken, priced: Tariff
) -> None:
    with_balance(token, "12")
    charge(csms, charge_point, wire_token())

    assert prepaid.debit_due(T0 + HOUR) == 1
    assert prepaid.debit_due(T0 + HOUR) == 0

    token.refresh_from_db()
    assert token.balance == 7
    assert PrepaidDebit.objects.get().balance_after == 7
    assert session().ledger.filter(text__startswith="5.00 EUR taken from the prepaid balance").exists()


def test_corrected_cost_corrects_the_balance(
    csms: Csms21, charge_point: ChargePoint, token: IdToken, priced: Tariff
) -> None:
    with_balance(token, "12")
    charge(csms, charge_point, wire_token())
    prepaid.debit_due(T0 + HOUR)
    row = session()
    row.meter_stop_wh = Decimal(6000)
    row.save(update_fields=["meter_stop_wh"])
    row.meter_values.all().delete()
    recompute(actor=Actor.system("test"), transaction=row)

    assert prepaid.debit_due(T0 + HOUR) == 1

    token.refresh_from_db()
    assert token.balance == 9


def test_sessions_before_a_token_was_prepaid_cost_its_balance_nothing(
    csms: Csms21, charge_point: ChargePoint, token: IdToken, priced: Tariff
) -> None:
    charge(csms, charge_point, wire_token())
    with_balance(token, "12")

    assert prepaid.debit_due(T0 + HOUR) == 0


def test_balance_that_is_used_up_lets_nobody_charge(
    csms: Csms21, charge_point: ChargePoint, token: IdToken, priced: Tariff
) -> None:
    with_balance(token, "4")
    charge(csms, charge_point, wire_token())
    prepaid.debit_due(T0 + HOUR)

    info = csms.send(charge_point, "Authorize", {"idToken": wire_token()})["idTokenInfo"]

    assert info["status"] == "NoCredit"
