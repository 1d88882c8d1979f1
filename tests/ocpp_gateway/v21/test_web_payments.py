"""A payment on the web from the QR code to the receipt (OCPP 2.1 C24, C25), with the fake provider."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command
from csms_project.common import crypto
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms21, event, moment, session
from transactions import errors, payment_pages, totp
from transactions.choices import WebPaymentState
from transactions.models import QrPayment, Settlement, WebPayment
from transactions.payment_providers import Captured, PaymentError, PaymentProvider, PaymentRefused
from transactions.services import qr_payments, web_payments

HOUR = timedelta(hours=1)
FAKE = "transactions.payment_providers.FakeProvider"


@pytest.fixture(autouse=True)
def _forget_what_was_before() -> None:
    _next.clear()
    for attempts in (payment_pages._by_address, payment_pages._by_charger):
        attempts.clear()


@pytest.fixture
def payable(csms: Csms21, charge_point: ChargePoint, tenant: Tenant, settings: Any) -> ChargePoint:
    """A charger of 2.1 with a QR code of ours; 0.50 EUR/kWh."""
    settings.PAYMENT_PROVIDER = FAKE
    settings.PUBLIC_URL = "https://csms.example.org"
    elements = [{"price_components": [{"type": "ENERGY", "price": "0.50", "vat": None, "step_size": None}]}]
    tariff = factories.TariffFactory(tenant=tenant, elements=elements)
    Tenant.objects.filter(pk=tenant.pk).update(default_tariff=tariff)
    csms.connect(charge_point)
    ChargePoint.objects.filter(pk=charge_point.pk).update(cost_features="maxCost maxEnergy maxTime")
    charge_point.refresh_from_db()
    qr_payments.set_up(actor=Actor.system("test"), charge_point=charge_point)
    answer(csms, charge_point)
    return charge_point


_next: list[tuple[str, str, dict[str, Any]]] = []


def answer(
    csms: Csms21, charge_point: ChargePoint, payload: dict[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """The next command that the charger gets, answered: one follows upon the answer to the one before."""
    ((message, action, sent),) = [_next.pop()] if _next else csms.due(charge_point)
    if action == "SetVariables":
        results = [
            {"component": row["component"], "variable": row["variable"], "attributeStatus": "Accepted"}
            for row in sent["setVariableData"]
        ]
        payload = {"setVariableResult": results}
    result = payload if payload is not None else {"status": "Accepted"}
    frames = csms.text(charge_point, json.dumps([3, message, result]))
    _next.extend((frame[1], frame[2], frame[3]) for frame in frames if frame[0] == 2)
    return action, sent


def code_of(charge_point: ChargePoint, away: int = 0) -> str:
    row = QrPayment.objects.get(charge_point=charge_point)
    return totp.code(crypto.decrypt(row.secret), totp.interval_of(T0, row.validity_s) + away, row.length)


def address(charge_point: ChargePoint, evse: int = 1, *, code: str = "", query: str = "") -> str:
    return f"/pay/{charge_point.identity}/{evse}/{code or code_of(charge_point)}/v1/{query}"


def scan(client: Client, charge_point: ChargePoint, **more: Any) -> WebPayment:
    response = client.get(address(charge_point, **more))
    assert response.status_code == 302, response.content
    payment = WebPayment.objects.latest("pk")
    assert response["Location"] == f"/pay/session/{payment.public_id}/"
    return payment


def pay(client: Client, payment: WebPayment) -> WebPayment:
    response = client.post(f"/pay/session/{payment.public_id}/checkout/")
    assert response["Location"] == f"/pay/fake/{payment.public_id}/"
    client.post(response["Location"], {"answer": "pay"})
    payment.refresh_from_db()
    return payment


def text_of(response: Any) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


# --- setting it up ---


def test_charger_is_given_secret_and_address(csms: Csms21, payable: ChargePoint) -> None:
    """C25.FR.50: the secret is encrypted here and in no log."""
    row = QrPayment.objects.get()
    command = Command.objects.get(action="set_variables")

    secret = crypto.decrypt(row.secret)
    assert len(secret) >= 32
    assert row.url_template == "https://csms.example.org/pay/{chargingstationid}/{evse}/{totp}/{version}/"
    assert secret not in row.secret
    assert secret not in json.dumps([command.payload, command.request, command.response])
    assert command.secret_payload == ""


def test_variables_go_out_by_their_names(csms: Csms21, payable: ChargePoint) -> None:
    qr_payments.set_up(actor=Actor.system("test"), charge_point=payable, validity_s=60, length=10)

    action, sent = answer(csms, payable)

    values = {row["variable"]["name"]: row["attributeValue"] for row in sent["setVariableData"]}
    assert action == "SetVariables"
    assert {row["component"]["name"] for row in sent["setVariableData"]} == {"WebPaymentsCtrlr"}
    assert (values["ValidityTime"], values["Length"], values["TOTPVersion"]) == ("60", "10", "v1")
    assert values["SharedSecret"] == crypto.decrypt(QrPayment.objects.get().secret)


@pytest.mark.parametrize(("validity_s", "length"), [(5, 8), (3601, 8), (30, 5), (30, 33)])
def test_what_the_charger_would_not_take_is_refused(
    payable: ChargePoint, validity_s: int, length: int
) -> None:
    with pytest.raises(errors.Invalid):
        qr_payments.set_up(
            actor=Actor.system("test"), charge_point=payable, validity_s=validity_s, length=length
        )


def test_without_a_public_address_there_is_no_code(payable: ChargePoint, settings: Any) -> None:
    settings.PUBLIC_URL = ""
    with pytest.raises(errors.Invalid, match="PUBLIC_URL"):
        qr_payments.set_up(actor=Actor.system("test"), charge_point=payable)


# --- scanning ---


@pytest.mark.parametrize("away", [-1, 0, 1])
def test_code_of_now_or_beside_it_begins_a_payment(client: Client, payable: ChargePoint, away: int) -> None:
    """C25.FR.07, .09"""
    payment = scan(client, payable, code=code_of(payable, away))

    assert (payment.charge_point, payment.evse_number, payment.state) == (payable, 1, "started")


def test_page_tells_price_and_amount(client: Client, payable: ChargePoint) -> None:
    payment = scan(client, payable, query="?maxenergy=20000&maxtime=3600&maxcost=12.50&color=red")

    text = text_of(client.get(f"/pay/session/{payment.public_id}/"))

    assert "0.50 EUR/kWh" in text
    assert "20.0 kWh at most" in text
    assert "60 minutes at most" in text
    assert "Set aside 12.50 EUR" in text
    assert payment.limits == {"maxCost": "12.50", "maxEnergy": "20000", "maxTime": "3600"}


@pytest.mark.parametrize("query", ["?maxcost=-5", "?maxcost=x", "?maxcost=nan", "?maxcost=1e99"])
def test_limits_that_make_no_sense_are_left_out(client: Client, payable: ChargePoint, query: str) -> None:
    """C25.FR.60"""
    assert scan(client, payable, query=query).limits == {}


def test_code_is_good_once(client: Client, payable: ChargePoint) -> None:
    scan(client, payable)

    response = client.get(address(payable))

    assert response.status_code == 403
    assert "Somebody has begun to pay" in text_of(response)
    assert WebPayment.objects.count() == 1


def test_same_code_serves_another_evse(client: Client, payable: ChargePoint) -> None:
    scan(client, payable, evse=1)
    scan(client, payable, evse=2)

    assert WebPayment.objects.count() == 2


@pytest.mark.parametrize("kind", ["old", "wrong", "short", "evse", "charger", "version", "archived"])
def test_address_that_is_not_right_leads_nowhere(client: Client, payable: ChargePoint, kind: str) -> None:
    """C25.FR.08: the same words for all, so that nobody learns which chargers there are."""
    good = code_of(payable)
    if kind == "archived":
        ChargePoint.objects.filter(pk=payable.pk).update(archived_at=T0)
    path = {
        "old": address(payable, code=code_of(payable, -2)),
        "wrong": address(payable, code="x" * 8),
        "short": address(payable, code=good[:4]),
        "evse": address(payable, evse=99),
        "charger": f"/pay/NOBODY/1/{good}/v1/",
        "version": f"/pay/{payable.identity}/1/{good}/v2/",
        "archived": address(payable),
    }[kind]

    response = client.get(path)

    assert response.status_code == 403
    assert "This code is not good" in text_of(response)
    assert not WebPayment.objects.exists()
    assert not Command.objects.filter(action="web_payment_started").exists()


def test_guessing_is_slowed_down(client: Client, payable: ChargePoint) -> None:
    for _ in range(10):
        assert client.get(address(payable, code="x" * 8)).status_code == 403

    assert client.get(address(payable)).status_code == 429
    assert not WebPayment.objects.exists()


def test_secret_of_before_is_good_until_the_next_one(client: Client, payable: ChargePoint) -> None:
    before = code_of(payable)
    qr_payments.set_up(actor=Actor.system("test"), charge_point=payable)
    scan(client, payable, code=before)
    qr_payments.set_up(actor=Actor.system("test"), charge_point=payable)

    assert client.get(address(payable, evse=2, code=before)).status_code == 403


def test_switched_off_code_is_not_good(client: Client, payable: ChargePoint) -> None:
    code = code_of(payable)
    qr_payments.switch_off(actor=Actor.system("test"), charge_point=payable)

    assert client.get(address(payable, code=code)).status_code == 403


def test_without_a_provider_nothing_is_offered(client: Client, payable: ChargePoint, settings: Any) -> None:
    settings.PAYMENT_PROVIDER = "transactions.payment_providers.NoProvider"

    response = client.get(address(payable))

    assert response.status_code == 503
    assert not WebPayment.objects.exists()


def test_charger_is_told_that_somebody_pays(csms: Csms21, client: Client, payable: ChargePoint) -> None:
    """C25.FR.21"""
    scan(client, payable)

    assert answer(csms, payable, {}) == ("NotifyWebPaymentStarted", {"evseId": 1, "timeout": 300})


def test_payments_have_no_page_that_can_be_guessed(client: Client, payable: ChargePoint) -> None:
    payment = scan(client, payable)

    assert len(payment.public_id) >= 32
    for path in (f"/pay/session/{payment.pk}/", "/pay/session/x/", "/pay/fake/x/", "/receipts/x/"):
        assert client.get(path).status_code == 404


# --- paying and charging ---


def test_whole_way_from_the_code_to_the_receipt(csms: Csms21, client: Client, payable: ChargePoint) -> None:
    """C25.FR.20 to .25, .40"""
    payment = pay(client, scan(client, payable, query="?maxcost=20&maxtime=7200"))
    answer(csms, payable, {})
    assert payment.state == WebPaymentState.AUTHORIZED, payment.note

    action, started = answer(csms, payable)
    assert action == "RequestStartTransaction"
    assert started["idToken"] == {"idToken": payment.psp_ref, "type": "DirectPayment"}
    assert started["evseId"] == 1

    token = {"idToken": payment.psp_ref, "type": "DirectPayment"}
    begun = csms.send(
        payable,
        "TransactionEvent",
        event(
            "Started",
            0,
            moment(0),
            evse=1,
            trigger="RemoteStart",
            idToken=token,
            info={"remoteStartId": started["remoteStartId"]},
        ),
    )
    assert begun["idTokenInfo"]["status"] == "Accepted"
    assert begun["transactionLimit"] == {"maxCost": 20, "maxTime": 7200}
    assert "Your session is running" in text_of(client.get(f"/pay/session/{payment.public_id}/"))

    end = csms.send(
        payable,
        "TransactionEvent",
        event("Ended", 1, moment(10000, at=T0 + HOUR), at=T0 + HOUR),
        at=T0 + HOUR,
    )
    assert end["totalCost"] == 5
    web_payments.settle_due(T0 + HOUR)

    payment.refresh_from_db()
    settled = Settlement.objects.get()
    assert (payment.state, payment.settlement, payment.transaction) == ("settled", settled, session())
    assert (settled.amount, settled.status, settled.by_csms) == (Decimal(5), "Settled", True)
    page = text_of(client.get(f"/pay/session/{payment.public_id}/"))
    assert "Paid 5.00 EUR" in page
    receipt = text_of(client.get(f"/receipts/{settled.receipt_token}/"))
    assert "Paid: 5.00 EUR" in receipt
    assert "10.00 kWh" in receipt
    assert payment.psp_ref in receipt


def test_payment_is_good_for_one_session(csms: Csms21, client: Client, payable: ChargePoint) -> None:
    payment = pay(client, scan(client, payable))
    finish(csms, payable, payment)

    info = csms.send(
        payable, "Authorize", {"idToken": {"idToken": payment.psp_ref, "type": "DirectPayment"}}
    )["idTokenInfo"]

    assert info["status"] != "Accepted"


def finish(csms: Csms21, payable: ChargePoint, payment: WebPayment, wh: int = 10000) -> None:
    token = {"idToken": payment.psp_ref, "type": "DirectPayment"}
    csms.send(payable, "TransactionEvent", event("Started", 0, moment(0), evse=1, idToken=token), at=T0)
    csms.send(
        payable, "TransactionEvent", event("Ended", 1, moment(wh, at=T0 + HOUR), at=T0 + HOUR), at=T0 + HOUR
    )
    web_payments.settle_due(T0 + HOUR)
    payment.refresh_from_db()


def test_more_than_was_set_aside_is_never_taken(csms: Csms21, client: Client, payable: ChargePoint) -> None:
    payment = pay(client, scan(client, payable, query="?maxcost=3"))

    finish(csms, payable, payment)

    assert payment.settlement is not None
    assert payment.settlement.amount == 3


def test_session_that_cost_nothing_releases_the_card(
    csms: Csms21, client: Client, payable: ChargePoint
) -> None:
    payment = pay(client, scan(client, payable))

    finish(csms, payable, payment, wh=0)

    assert (payment.state, Settlement.objects.get().status) == ("cancelled", "Canceled")


def test_refused_start_releases_the_card(csms: Csms21, client: Client, payable: ChargePoint) -> None:
    payment = pay(client, scan(client, payable))
    answer(csms, payable, {})
    answer(csms, payable, {"status": "Rejected"})

    web_payments.settle_due(T0)

    payment.refresh_from_db()
    assert (payment.state, Settlement.objects.get().status) == ("cancelled", "Canceled")


def test_offline_charger_starts_nothing_and_the_card_is_released(
    csms: Csms21, client: Client, payable: ChargePoint
) -> None:
    payable.connection.delete()
    payment = pay(client, scan(client, payable))
    assert payment.state == WebPaymentState.FAILED
    assert "could not be asked to start" in payment.note

    web_payments.settle_due(T0)

    assert Settlement.objects.get().status == "Canceled"


def test_card_that_nobody_charges_with_is_released(client: Client, payable: ChargePoint) -> None:
    payment = pay(client, scan(client, payable))

    web_payments.settle_due(T0 + timedelta(minutes=59))
    assert not Settlement.objects.exists()
    web_payments.settle_due(T0 + timedelta(minutes=61))

    payment.refresh_from_db()
    assert payment.state == WebPaymentState.CANCELLED


def test_who_leaves_the_payment_page_pays_nothing(client: Client, payable: ChargePoint) -> None:
    payment = scan(client, payable)

    web_payments.settle_due(T0 + HOUR)

    payment.refresh_from_db()
    assert payment.state == WebPaymentState.CANCELLED
    assert not IdToken.objects.filter(type="DirectPayment").exists()


def test_driver_may_cancel_before_he_pays(client: Client, payable: ChargePoint) -> None:
    payment = scan(client, payable)
    client.post(f"/pay/session/{payment.public_id}/cancel/")
    client.post(f"/pay/fake/{payment.public_id}/", {"answer": "pay"})

    payment.refresh_from_db()
    assert payment.state == WebPaymentState.CANCELLED
    assert not IdToken.objects.filter(type="DirectPayment").exists()


def test_answer_of_the_provider_that_comes_twice_starts_once(client: Client, payable: ChargePoint) -> None:
    payment = pay(client, scan(client, payable))
    client.post(f"/pay/fake/{payment.public_id}/", {"answer": "pay"})
    client.post(f"/pay/fake/{payment.public_id}/", {"answer": "cancel"})

    assert Command.objects.filter(action="remote_start").count() == 1
    payment.refresh_from_db()
    assert payment.state == WebPaymentState.AUTHORIZED, payment.note


def test_fake_page_is_there_for_the_fake_provider_only(
    client: Client, payable: ChargePoint, settings: Any
) -> None:
    payment = scan(client, payable)
    settings.PAYMENT_PROVIDER = f"{__name__}.Failing"

    assert client.post(f"/pay/fake/{payment.public_id}/", {"answer": "pay"}).status_code == 404
    assert client.post(f"/pay/session/{payment.public_id}/checkout/").status_code == 503


class Failing(PaymentProvider):
    """A provider that does not answer."""

    name = "failing"

    def checkout_url(self, checkout: Any) -> str:
        raise PaymentError

    def capture(self, psp_ref: str, amount: Decimal, currency: str) -> Captured:
        raise PaymentError

    def cancel(self, psp_ref: str) -> None:
        raise PaymentError


class Refusing(Failing):
    """A provider that refuses what was authorized."""

    name = "refusing"

    def capture(self, psp_ref: str, amount: Decimal, currency: str) -> Captured:
        raise PaymentRefused("The card has expired.")


def test_provider_that_does_not_answer_is_asked_again(
    csms: Csms21, client: Client, payable: ChargePoint, settings: Any
) -> None:
    payment = pay(client, scan(client, payable))
    settings.PAYMENT_PROVIDER = f"{__name__}.Failing"
    finish(csms, payable, payment)
    assert (payment.state, payment.settlement) == ("charging", None)

    settings.PAYMENT_PROVIDER = FAKE
    web_payments.settle_due(T0 + 2 * HOUR)

    payment.refresh_from_db()
    assert payment.state == WebPaymentState.SETTLED


def test_provider_that_never_answers_is_given_up(
    csms: Csms21, client: Client, payable: ChargePoint, settings: Any
) -> None:
    payment = pay(client, scan(client, payable))
    settings.PAYMENT_PROVIDER = f"{__name__}.Failing"
    finish(csms, payable, payment)

    web_payments.settle_due(T0 + timedelta(days=8))

    payment.refresh_from_db()
    assert (payment.state, Settlement.objects.get().status) == ("failed", "Failed")


def test_refused_capture_is_told(csms: Csms21, client: Client, payable: ChargePoint, settings: Any) -> None:
    payment = pay(client, scan(client, payable))
    settings.PAYMENT_PROVIDER = f"{__name__}.Refusing"

    finish(csms, payable, payment)

    row = Settlement.objects.get()
    assert (payment.state, row.status, row.status_info) == ("failed", "Rejected", "The card has expired.")
