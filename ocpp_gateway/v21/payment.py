"""Functional block C: ad hoc payment (C18 to C25)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from transactions import vat_numbers
from transactions.services import settlements, vat_validation
from transactions.services.settlements import Receipt, Settled, address_fields
from transactions.services.vat_validation import AskVatNumber, VatAnswer

Payload = dict[str, Any]

REFERENCE, NUMBER, URL = 255, 20, 2000
_ADDRESS = {
    "name": "name",
    "address1": "address1",
    "address2": "address2",
    "postal_code": "postalCode",
    "city": "city",
    "country": "country",
}


def settlement_in(link: Link, payload: Payload) -> Settled:
    return Settled(
        **link.facts(),
        psp_ref=mapping.text(payload, "pspRef", REFERENCE),
        status=mapping.text(payload, "status", 10),
        amount=_amount(payload.get("settlementAmount")),
        settled_at=mapping.timestamp(payload.get("settlementTime")),
        ocpp_id=mapping.text(payload, "transactionId", 36),
        status_info=mapping.text(payload, "statusInfo", 500),
        receipt_id=mapping.text(payload, "receiptId", 50),
        receipt_url=_web_address(mapping.text(payload, "receiptUrl", URL)),
        vat_number=mapping.text(payload, "vatNumber", NUMBER),
        company=_company(payload.get("vatCompany")),
    )


def _amount(value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return round(number, 4) if number.is_finite() and abs(number) < settlements.MAX_AMOUNT else Decimal(0)


def _web_address(text: str) -> str:
    """An address that can be shown as a link; what a charger writes besides is not followed by anybody."""
    return text if text.startswith(("https://", "http://")) else ""


def _company(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    return address_fields({ours: given.get(theirs) for ours, theirs in _ADDRESS.items()})


def settlement_out(done: Receipt) -> Payload:
    return mapping.without_none(receiptUrl=done.url or None, receiptId=done.number or None)


# ---------------------------------------------------------------- VAT numbers


def vat_in(link: Link, payload: Payload) -> AskVatNumber:
    evse = payload.get("evseId")
    return AskVatNumber(
        **link.facts(),
        number=mapping.text(payload, "vatNumber", NUMBER),
        evse=None if evse is None else max(0, mapping.whole(evse)),
        known=link.prepared,
    )


def vat_prepare(link: Link, payload: Payload) -> Callable[[], Any] | None:
    """A register is asked outside of the writer: it may be slow."""
    return partial(vat_numbers.check, mapping.text(payload, "vatNumber", NUMBER))


def vat_out(done: VatAnswer) -> Payload:
    checked = done.checked
    company = checked.company
    answer = mapping.without_none(
        vatNumber=done.number,
        evseId=done.evse,
        status="Accepted" if checked.is_valid else "Rejected",
    )
    if company is not None:
        address = vat_numbers.address_of(company)
        answer["company"] = {_ADDRESS[name]: text for name, text in address_fields(address).items()}
    if checked.problem:
        answer["statusInfo"] = {"reasonCode": "InvalidValue", "additionalInfo": checked.problem}
    return answer


def _web_payment(payload: Payload) -> Payload:
    return mapping.copied(payload, connector="evseId", timeout_s="timeout")


BLOCK = Block(
    actions={
        # Acknowledged, it is never sent again.
        "NotifySettlement": Action(settlement_in, settlements.SETTLED, settlement_out, is_transactional=True),
        "VatNumberValidation": Action(vat_in, vat_validation.VAT_NUMBER, vat_out, prepare=vat_prepare),
    },
    calls={"web_payment_started": sent_as("NotifyWebPaymentStarted", _web_payment)},
)
