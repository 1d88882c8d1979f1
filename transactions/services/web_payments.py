"""A payment on the web: from the code on a charger's screen to the settled session (OCPP 2.1 C24, C25).

    code checked → payment page → authorized → remote start with limits → session → captured, or released

The provider is asked outside of any transaction; what it is asked can be repeated without harm.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.db.transaction import atomic
from django.utils import timezone

from accounts.choices import TokenType
from accounts.models import IdToken
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.errors import ChargePointsError
from csms_project.common import events
from transactions import errors, session_limits
from transactions.choices import PaymentStatus, TransactionState, WebPaymentState
from transactions.models import Settlement, Transaction, WebPayment
from transactions.payment_providers import (
    Captured,
    Checkout,
    PaymentError,
    PaymentProvider,
    PaymentRefused,
    get_provider,
)
from transactions.services import settlements
from transactions.services.batch import digest_of
from transactions.services.qr_payments import Scanned
from transactions.services.tariffs import choose

logger = logging.getLogger(__name__)

NAME = "payment on the web"
#: Query parameters of the QR code (C25.FR.59) and the limits that they are.
PARAMETERS = {"maxcost": "maxCost", "maxenergy": "maxEnergy", "maxtime": "maxTime"}
#: A card that nobody has charged with until then is released.
UNUSED_AFTER = timedelta(hours=1)
#: Who has left the payment page by then does not come back.
ABANDONED_AFTER = timedelta(minutes=30)
#: A capture that fails is tried for so long.
GIVE_UP_AFTER = timedelta(days=7)
BATCH = 100


def limits_of(query: Mapping[str, str]) -> dict[str, str]:
    """The limits in the address; what is no sensible number is left out (C25.FR.59, .60)."""
    given = session_limits.read({PARAMETERS[name]: query[name] for name in PARAMETERS if name in query})
    return {kind: text for kind, text in given.items() if Decimal(text) > 0}


# ---------------------------------------------------------------- the driver


def open_payment(*, scanned: Scanned, limits: Mapping[str, str], now: datetime) -> WebPayment:
    """Begin a payment with a code, which nobody else can use then, and tell the charger.

    Raises  CodeUsed
    """
    station = scanned.charge_point
    chosen = choose(tenant=station.tenant, charge_point=station, location=station.location)
    row = WebPayment(
        tenant_id=station.tenant_id,
        charge_point=station,
        evse_number=scanned.evse,
        public_id=settlements.new_token(),
        interval=scanned.interval,
        limits=dict(limits),
        provider=get_provider().name,
        currency=chosen.currency,
        amount=_amount(limits),
        created_at=now,
        changed_at=now,
    )
    try:
        with atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise errors.CodeUsed from error
    _announce(row)
    return row


def _amount(limits: Mapping[str, str]) -> Decimal:
    """What is to be authorized: the limit of cost, or the amount of the settings."""
    return Decimal(limits.get(session_limits.MAX_COST, settings.PAYMENT_AUTHORIZATION_AMOUNT))


def _announce(row: WebPayment) -> None:
    """Ask the charger to keep the EVSE free (C25.FR.21); a charger that is away is told nothing."""
    try:
        commands.queue(
            actor=Actor.system(NAME),
            charge_point=row.charge_point,
            action="web_payment_started",
            payload={"connector": row.evse_number, "timeout_s": settings.PAYMENT_PAGE_S},
        )
    except ChargePointsError as error:
        logger.info("web_payment.not_announced", extra={"payment": row.pk, "reason": str(error)})


def checkout_of(row: WebPayment) -> Checkout:
    """What the provider is asked for."""
    base = settings.PUBLIC_URL.rstrip("/")
    return Checkout(
        reference=row.public_id,
        amount=row.amount or Decimal(0),
        currency=row.currency,
        description=f"Charging at {row.charge_point}",
        return_url=f"{base}/pay/session/{row.public_id}/",
    )


# ---------------------------------------------------------------- the provider


@atomic
def authorize(row: WebPayment, *, psp_ref: str, amount: Decimal, now: datetime) -> WebPayment:
    """The provider has authorized an amount: the charger is asked to start (C25.FR.23).

    The reference becomes a token that is good for this session alone, with the amount as its balance, so that the
    session is limited to it whatever the charger reports. A repeat changes nothing.

    Raises  PaymentOver  the payment was cancelled or has failed before
    """
    payment = _locked(row)
    if payment.state in (WebPaymentState.AUTHORIZED, WebPaymentState.CHARGING, WebPaymentState.SETTLED):
        return payment
    if payment.state != WebPaymentState.STARTED:
        raise errors.PaymentOver
    payment.psp_ref, payment.amount = psp_ref[:255], amount
    payment.id_token = IdToken.objects.create(
        tenant_id=payment.tenant_id,
        value=payment.psp_ref,
        type=TokenType.DIRECT_PAYMENT,
        balance=amount,
        max_active_sessions=1,
        expires_at=now + UNUSED_AFTER,
        note="Payment on the web",
    )
    _change(payment, WebPaymentState.AUTHORIZED, now, "psp_ref", "amount", "id_token")
    _start(payment, now)
    return payment


def _start(payment: WebPayment, now: datetime) -> None:
    limits = session_limits.lowest(payment.limits, {session_limits.MAX_COST: payment.amount or Decimal(0)})
    payload: dict[str, Any] = {
        "id_token": payment.psp_ref,
        "id_token_type": TokenType.DIRECT_PAYMENT.value,
        "limits": limits,
    }
    if payment.evse_number:
        payload["connector"] = payment.evse_number
    try:
        payment.command = commands.queue(
            actor=Actor.system(NAME),
            charge_point=payment.charge_point,
            action="remote_start",
            payload=payload,
        )
    except ChargePointsError as error:
        payment.note = f"The charger could not be asked to start: {error}"[:300]
        _change(payment, WebPaymentState.FAILED, now, "note")
        return
    payment.save(update_fields=["command"])


@atomic
def cancel(row: WebPayment, *, note: str, now: datetime) -> WebPayment:
    """The driver, or the provider, has given up before anything was authorized.  A repeat changes nothing."""
    payment = _locked(row)
    if payment.state == WebPaymentState.STARTED:
        payment.note = note[:300]
        _change(payment, WebPaymentState.CANCELLED, now, "note")
    return payment


def _locked(row: WebPayment) -> WebPayment:
    found: WebPayment = (
        WebPayment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("charge_point__tenant")
        .get(pk=row.pk)
    )
    return found


def _change(payment: WebPayment, state: WebPaymentState, now: datetime, *fields: str) -> None:
    payment.state, payment.changed_at = state, now
    payment.save(update_fields=["state", "changed_at", *fields])
    events.record(
        f"web_payment.{state.value}",
        tenant_id=payment.tenant_id,
        object_type="web_payment",
        object_id=payment.pk,
        charge_point=payment.charge_point.identity,
        data={"psp_ref": payment.psp_ref, "evse": payment.evse_number, "note": payment.note},
        at=now,
    )


# ---------------------------------------------------------------- what is due


def settle_due(now: datetime) -> int:
    """Follow payments to their end: find their sessions, capture what those have cost, release what nobody used.

    Returns how many were looked at.  A job: it finds its work in the rows.
    """
    rows = WebPayment.objects.filter(
        Q(state=WebPaymentState.STARTED, changed_at__lte=now - ABANDONED_AFTER)
        | Q(state__in=(WebPaymentState.AUTHORIZED, WebPaymentState.CHARGING))
        | Q(state=WebPaymentState.FAILED, settlement=None, changed_at__gte=now - GIVE_UP_AFTER)
        & ~Q(psp_ref="")
    ).select_related("charge_point__tenant", "command", "transaction", "id_token")
    done = 0
    for row in rows.order_by("changed_at")[:BATCH]:
        _follow(row, now)
        done += 1
    return done


def _follow(row: WebPayment, now: datetime) -> None:
    if row.state == WebPaymentState.STARTED:
        cancel(row, note="Nobody came back from the payment page.", now=now)
        return
    session = row.transaction or _session_of(row, now)
    if session is None:
        if row.state == WebPaymentState.FAILED or _will_not_start(row, now):
            _finish(row, None, now)
        return
    if session.state == TransactionState.ENDED and session.cost is not None:
        _finish(row, session, now)


def _session_of(row: WebPayment, now: datetime) -> Transaction | None:
    """The session that was charged to the payment; noted with it when it is seen first."""
    if row.id_token_id is None:
        return None
    found: Transaction | None = (
        Transaction.objects.filter(id_token_id=row.id_token_id, charge_point_id=row.charge_point_id)
        .order_by("pk")
        .first()
    )
    if found is not None:
        row.transaction = found
        with atomic():
            _change(row, WebPaymentState.CHARGING, now, "transaction")
    return found


def _will_not_start(row: WebPayment, now: datetime) -> bool:
    refused = (CommandStatus.QUEUED, CommandStatus.SENT, CommandStatus.ACCEPTED)
    if row.command is not None and row.command.status not in refused:
        return True
    return now - row.changed_at >= UNUSED_AFTER


def _finish(row: WebPayment, session: Transaction | None, now: datetime) -> None:
    """Capture what the session has cost, or release the card where it has cost nothing."""
    cost = session.cost if session is not None and session.cost is not None else Decimal(0)
    amount = min(cost, row.amount or cost)
    provider = get_provider()
    try:
        captured = _ask(provider, row, amount)
    except PaymentRefused as error:
        _close(row, session, PaymentStatus.REJECTED, Captured(amount=amount), str(error), now)
    except PaymentError as error:
        logger.warning("web_payment.provider_failed", extra={"payment": row.pk, "reason": str(error)})
        if now - row.created_at >= GIVE_UP_AFTER:
            _close(row, session, PaymentStatus.FAILED, Captured(amount=amount), str(error), now)
    else:
        status = PaymentStatus.SETTLED if amount else PaymentStatus.CANCELED
        _close(row, session, status, captured, row.note, now)


def _ask(provider: PaymentProvider, row: WebPayment, amount: Decimal) -> Captured:
    if not amount:
        provider.cancel(row.psp_ref)
        return Captured(amount=Decimal(0))
    return provider.capture(row.psp_ref, amount, row.currency)


@atomic
def _close(
    row: WebPayment,
    session: Transaction | None,
    status: PaymentStatus,
    captured: Captured,
    note: str,
    now: datetime,
) -> None:
    payment = _locked(row)
    if payment.settlement_id is not None:
        return
    has_receipt = status == PaymentStatus.SETTLED and not captured.receipt_url
    payment.settlement = settlements.keep(
        Settlement(
            tenant_id=payment.tenant_id,
            charge_point=payment.charge_point,
            transaction=session,
            ocpp_id=session.ocpp_id if session is not None else "",
            psp_ref=payment.psp_ref,
            status=status,
            status_info=note[:500],
            amount=captured.amount,
            currency=payment.currency,
            settled_at=now,
            received_at=now,
            by_csms=True,
            receipt_id=captured.receipt_id[:50],
            receipt_url=captured.receipt_url[:2000],
            receipt_token=settlements.new_token() if has_receipt else "",
            digest=digest_of("web", payment.pk),
        ),
        session,
    )
    if payment.id_token_id is not None:
        # Good for one session only.
        IdToken.objects.filter(pk=payment.id_token_id).update(expires_at=now)
    ends = {
        PaymentStatus.SETTLED: WebPaymentState.SETTLED,
        PaymentStatus.CANCELED: WebPaymentState.CANCELLED,
    }
    payment.note = note[:300]
    _change(payment, ends.get(status, WebPaymentState.FAILED), now, "settlement", "note")


def present(row: WebPayment) -> WebPayment:
    """The payment as it stands now, with its session where that has begun meanwhile."""
    payment: WebPayment = WebPayment.objects.select_related(
        "charge_point__location", "transaction", "settlement", "command"
    ).get(pk=row.pk)
    if payment.state == WebPaymentState.AUTHORIZED:
        _session_of(payment, timezone.now())
    return payment
