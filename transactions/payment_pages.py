"""Pages for drivers who pay at a charger: from its QR code to the receipt.

Nobody signs in: the addresses cannot be guessed.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Tenant
from csms_project.common.attempts import Attempts
from transactions import errors
from transactions.choices import PaymentStatus, WebPaymentState
from transactions.models import Settlement, WebPayment
from transactions.payment_providers import FakeProvider, PaymentError, get_provider
from transactions.price_now import money
from transactions.pricing import TariffError
from transactions.pricing_periods import zone_of
from transactions.services import qr_payments, settlements, web_payments
from transactions.services.cost_display import user_price_text

logger = logging.getLogger(__name__)

#: Wrong codes from one address, and for one charger, within a minute: nobody mistypes a QR code.
_by_address = Attempts(limit=10, period_s=60)
_by_charger = Attempts(limit=60, period_s=60)
_REFRESH_S = 10

_TITLES = {
    WebPaymentState.STARTED: ("Charge here", "Pay and start charging."),
    WebPaymentState.AUTHORIZED: (
        "Starting",
        "Your payment is authorized and the charger is starting. Plug in your vehicle.",
    ),
    WebPaymentState.CHARGING: (
        "Charging",
        "Your session is running. End it at the charger or by unplugging.",
    ),
    WebPaymentState.SETTLED: ("Thank you", "Your session is paid."),
    WebPaymentState.CANCELLED: ("Cancelled", "Nothing was taken from your card."),
    WebPaymentState.FAILED: (
        "This did not work",
        "Charging could not be started or paid. What was set aside on your card is released.",
    ),
}


@never_cache
@require_GET
def scanned(request: HttpRequest, identity: str, evse: int, code: str, version: str) -> HttpResponse:
    """The address in a charger's QR code: a code that is right begins one payment (C25.FR.07 to .09)."""
    address, charger = str(request.META.get("REMOTE_ADDR")), identity.casefold()[:48]
    if _by_address.is_over(address) or _by_charger.is_over(charger):
        return _problem(
            request, "Too many attempts", "Wait a minute, then scan the QR code again.", status=429
        )
    if not get_provider().is_offered:
        return _problem(request, "Payment is not offered", "Nothing can be paid here by phone.", status=503)
    now = timezone.now()
    try:
        found = qr_payments.scan(identity=identity, evse=evse, given=code, version=version, at=now)
        limits = web_payments.limits_of(request.GET.dict())
        payment = web_payments.open_payment(scanned=found, limits=limits, now=now)
    except (errors.CodeWrong, errors.CodeUsed) as error:
        _by_address.count(address)
        _by_charger.count(charger)
        return _problem(request, "Please scan again", str(error), status=403)
    return HttpResponseRedirect(reverse("pay-session", args=[payment.public_id]))


@never_cache
@require_GET
def session(request: HttpRequest, public_id: str) -> HttpResponse:
    """Where a payment stands."""
    payment = web_payments.present(_find(public_id))
    state = WebPaymentState(payment.state)
    title, text = _TITLES[state]
    is_open = state == WebPaymentState.STARTED
    moves = state in (WebPaymentState.AUTHORIZED, WebPaymentState.CHARGING)
    context = {
        "operator": _operator(payment.tenant_id),
        "title": title,
        "text": text,
        "facts": _facts(payment),
        "pay_url": reverse("pay-checkout", args=[public_id]) if is_open else "",
        "cancel_url": reverse("pay-cancel", args=[public_id]),
        "receipt_url": settlements.receipt_link(payment.settlement) if payment.settlement else "",
        "refresh_s": _REFRESH_S if moves else 0,
    }
    return render(request, "pay/session.html", context)


def _facts(payment: WebPayment) -> list[tuple[str, str]]:
    station, row = payment.charge_point, payment.transaction
    facts = [("Charger", f"{station} / {payment.evse_number}" if payment.evse_number else str(station))]
    if station.location is not None:
        facts.append(("Place", str(station.location)))
    if row is None:
        try:
            facts.append(("Price", user_price_text(station, None, timezone.now())))
        except TariffError:
            facts.append(("Price", "Ask the operator"))
    for kind, words in (("maxEnergy", "{:.1f} kWh at most"), ("maxTime", "{:.0f} minutes at most")):
        if kind in payment.limits:
            divisor = 1000 if kind == "maxEnergy" else 60
            facts.append(("Limit", words.format(Decimal(payment.limits[kind]) / divisor)))
    if payment.amount is not None and payment.settlement is None:
        facts.append(("Set aside", money(payment.amount, payment.currency)))
    if row is not None:
        facts.append(("Energy", f"{row.energy_wh / 1000:.2f} kWh"))
    if payment.settlement is not None and payment.settlement.status == PaymentStatus.SETTLED:
        facts.append(("Paid", money(payment.settlement.amount, payment.currency)))
    return facts


@never_cache
@require_POST
def checkout(request: HttpRequest, public_id: str) -> HttpResponse:
    """On to the provider's page (C25.FR.20)."""
    payment = _find(public_id)
    if payment.state != WebPaymentState.STARTED:
        return HttpResponseRedirect(reverse("pay-session", args=[public_id]))
    try:
        return HttpResponseRedirect(get_provider().checkout_url(web_payments.checkout_of(payment)))
    except PaymentError as error:
        logger.warning("web_payment.checkout_failed", extra={"payment": payment.pk, "reason": str(error)})
        text = "The payment provider does not answer. Please try again in a moment."
        return _problem(request, "Please try again", text, status=503, tenant_id=payment.tenant_id)


@never_cache
@require_POST
def cancel(request: HttpRequest, public_id: str) -> HttpResponse:
    """The driver gives up before he has paid."""
    web_payments.cancel(_find(public_id), note="The driver cancelled.", now=timezone.now())
    return HttpResponseRedirect(reverse("pay-session", args=[public_id]))


@never_cache
@require_http_methods(["GET", "POST"])
def fake(request: HttpRequest, public_id: str) -> HttpResponse:
    """The payment page of the fake provider; there is none with another provider."""
    provider, payment = get_provider(), _find(public_id)
    if not isinstance(provider, FakeProvider):
        raise Http404
    asked = web_payments.checkout_of(payment)
    if request.method == "POST":
        now = timezone.now()
        if request.POST.get("answer") == "pay":
            try:
                web_payments.authorize(
                    payment, psp_ref=provider.new_reference(), amount=asked.amount, now=now
                )
            except errors.PaymentOver as error:
                return _problem(request, "This payment is over", str(error), status=409)
        else:
            web_payments.cancel(payment, note="The driver cancelled.", now=now)
        return HttpResponseRedirect(reverse("pay-session", args=[public_id]))
    context = {
        "operator": _operator(payment.tenant_id),
        "amount": money(asked.amount, asked.currency),
        "description": asked.description,
    }
    return render(request, "pay/fake.html", context)


@never_cache
@require_GET
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    """The receipt of a settled payment (C21.FR.03)."""
    rows = Settlement.objects.select_related("charge_point__location", "transaction")
    row = rows.filter(receipt_token=token).first() if token else None
    if row is None:
        raise Http404
    return render(request, "pay/receipt.html", _receipt_context(row))


def _receipt_context(row: Settlement) -> dict[str, Any]:
    bill = row.transaction
    zone = zone_of(bill.time_zone) if bill is not None else timezone.get_default_timezone()
    facts = [("Charger", str(row.charge_point))]
    if row.charge_point.location is not None:
        facts.append(("Place", str(row.charge_point.location)))
    if bill is not None:
        facts.append(("From", f"{bill.started_at.astimezone(zone):%Y-%m-%d %H:%M %Z}"))
        if bill.ended_at is not None:
            facts.append(("To", f"{bill.ended_at.astimezone(zone):%Y-%m-%d %H:%M %Z}"))
        facts.append(("Energy", f"{bill.energy_wh / 1000:.2f} kWh"))
    facts.append(("Paid on", f"{row.settled_at.astimezone(zone):%Y-%m-%d %H:%M %Z}"))
    if row.vat_number:
        facts.append(("Your VAT number", row.vat_number))
    names = ("name", "address1", "address2", "postal_code", "city", "country")
    return {
        "operator": _operator(row.tenant_id),
        "number": settlements.receipt_number(row),
        "company": [row.company[name] for name in names if row.company.get(name)],
        "facts": facts,
        "lines": [_line(line, bill.currency) for line in bill.cost_lines] if bill is not None else [],
        "totals": _totals(bill),
        "paid": money(row.amount, row.currency),
        "psp_ref": row.psp_ref,
    }


def _line(line: dict[str, Any], currency: str) -> dict[str, str]:
    vat = line.get("vat_percent")
    detail = f"{line.get('quantity')} {line.get('unit')}" + (f", {vat} % VAT" if vat is not None else "")
    return {
        "text": str(line.get("description", "")),
        "detail": detail,
        "amount": money(Decimal(str(line.get("amount", 0))), currency),
    }


def _totals(bill: Any) -> list[tuple[str, str]]:
    if bill is None or bill.cost is None:
        return []
    totals = [("Total", money(bill.cost, bill.currency))]
    if bill.cost_vat:
        totals.append(("of which VAT", money(bill.cost_vat, bill.currency)))
    return totals


def _find(public_id: str) -> WebPayment:
    row = WebPayment.objects.filter(public_id=public_id).first() if public_id else None
    if row is None:
        raise Http404
    found: WebPayment = row
    return found


def _operator(tenant_id: int) -> str:
    return str(Tenant.objects.get(pk=tenant_id).name)


def _problem(
    request: HttpRequest, title: str, text: str, *, status: int, tenant_id: int | None = None
) -> HttpResponse:
    operator = _operator(tenant_id) if tenant_id is not None else ""
    return render(
        request, "pay/problem.html", {"title": title, "text": text, "operator": operator}, status=status
    )
