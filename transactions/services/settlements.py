"""What became of payments: as chargers with a payment terminal tell it (OCPP 2.1 C19 to C22), and as we settle it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.transaction import atomic

from chargepoints.models import ChargePoint
from chargepoints.services.batch import Act, FromCharger
from csms_project.common import events
from transactions.choices import LedgerKind, PaymentStatus
from transactions.models import Settlement, Transaction
from transactions.price_now import money
from transactions.services.batch import SessionBatch, digest_of
from transactions.services.settling import explain, write_ledger

RECEIPT_PATH = "/receipts/"
#: The columns hold 10 digits before the point.
MAX_AMOUNT = Decimal(10) ** 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(FromCharger):
    """A charger tells what became of a payment.

    ocpp_id      "" where the payment belongs to no session (C19)
    settled_at   charger's clock; None when unreadable
    company      to whom the receipt is made out, by our names
    """

    psp_ref: str
    status: str
    amount: Decimal
    settled_at: datetime | None
    ocpp_id: str = ""
    status_info: str = ""
    receipt_id: str = ""
    receipt_url: str = ""
    vat_number: str = ""
    company: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where the driver finds his receipt; both empty where the charger has one itself, or nothing was charged."""

    url: str = ""
    number: str = ""


def want_settlement(request: Settled, batch: SessionBatch) -> None:
    """Rare: it reads by itself."""
    batch.want_charge_point(request.charge_point_id)


def decide_settlement(request: Settled, batch: SessionBatch) -> Receipt:
    """Keep a settlement once, however often it arrives, and answer with the receipt (C21.FR.03).

    The payment of a session that nobody knows is kept as well: money has moved.
    """
    station = batch.charge_point(request.charge_point_id)
    digest = digest_of(
        request.ocpp_id, request.psp_ref, request.status, request.settled_at or "", request.amount
    )
    known = _find(station, digest)
    if known is None:
        known = _store(station, request, digest)
    return receipt_of(known)


def _find(station: ChargePoint, digest: str) -> Settlement | None:
    found: Settlement | None = Settlement.objects.filter(charge_point=station, digest=digest).first()
    return found


def _store(station: ChargePoint, request: Settled, digest: str) -> Settlement:
    session = _session(station, request)
    has_receipt = request.status == PaymentStatus.SETTLED and not request.receipt_url
    row = Settlement(
        tenant_id=station.tenant_id,
        charge_point=station,
        transaction=session,
        ocpp_id=request.ocpp_id,
        psp_ref=request.psp_ref,
        status=request.status,
        status_info=request.status_info,
        amount=max(min(request.amount, MAX_AMOUNT - 1), -MAX_AMOUNT + 1),
        currency=(session.currency if session is not None else "") or station.tenant.currency,
        settled_at=request.settled_at or request.received_at,
        received_at=request.received_at,
        receipt_id=request.receipt_id,
        receipt_url=request.receipt_url,
        receipt_token=new_token() if has_receipt else "",
        vat_number=request.vat_number,
        company=request.company,
        digest=digest,
    )
    return keep(row, session, message_id=request.message_id)


def keep(row: Settlement, session: Transaction | None, *, message_id: str = "") -> Settlement:
    """Store a settlement with its line in the session's ledger and its event; one that is there already stays."""
    try:
        with atomic():
            row.save(force_insert=True)
    except IntegrityError:
        found = _find(row.charge_point, row.digest)
        if found is None:
            raise
        return found
    if session is not None:
        text = f"Payment {row.psp_ref}: {row.get_status_display()}, {money(row.amount, row.currency)}."
        write_ledger([explain(session, LedgerKind.NOTE, text, at=row.received_at, message_id=message_id)])
    events.record(
        "settlement.received",
        tenant_id=row.tenant_id,
        object_type="settlement",
        object_id=row.pk,
        charge_point=row.charge_point.identity,
        data={
            "status": row.status,
            "amount": f"{row.amount:f}",
            "currency": row.currency,
            "transaction": row.transaction_id,
            "psp_ref": row.psp_ref,
        },
        at=row.received_at,
    )
    return row


def _session(station: ChargePoint, request: Settled) -> Transaction | None:
    """The session that it names; a payment that was cancelled before one began names none."""
    if not request.ocpp_id:
        return None
    rows = Transaction.objects.filter(charge_point=station, ocpp_id=request.ocpp_id)
    found: Transaction | None = rows.first()
    return found


def new_token() -> str:
    """What nobody can guess: a receipt shows what somebody has paid."""
    return secrets.token_urlsafe(24)


def receipt_of(row: Settlement) -> Receipt:
    """Where the receipt is that we give; empty without PUBLIC_URL, for nobody could open it."""
    if not row.receipt_token:
        return Receipt()
    base = settings.PUBLIC_URL.rstrip("/")
    url = f"{base}{RECEIPT_PATH}{row.receipt_token}/" if base else ""
    return Receipt(url=url, number=receipt_number(row))


def receipt_number(row: Settlement) -> str:
    """The number on a receipt of ours, or that of the charger."""
    return row.receipt_id or f"{row.received_at:%Y}-{row.pk:08}"


def receipt_link(row: Settlement) -> str:
    """Where a person opens the receipt: that of the charger, or ours on this server."""
    return row.receipt_url or (f"{RECEIPT_PATH}{row.receipt_token}/" if row.receipt_token else "")


def differs(row: Settlement) -> bool:
    """Whether something else was charged than the session has cost."""
    session = row.transaction
    if session is None or session.cost is None or session.is_active:
        return False
    return row.status == PaymentStatus.SETTLED and row.amount != session.cost


def address_fields(details: Mapping[str, Any]) -> dict[str, str]:
    """An address by our names, bounded; empty parts are left out."""
    sizes = {"name": 50, "address1": 100, "address2": 100, "postal_code": 20, "city": 100, "country": 50}
    return {name: str(details[name])[:size] for name, size in sizes.items() if details.get(name)}


SETTLED: Act[Settled, SessionBatch] = Act(decide_settlement, want_settlement)
