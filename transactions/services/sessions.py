"""Sessions as chargers report them: what starts and stops share, and the question before them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, authorize, token_key
from chargepoints.models import ChargePoint
from chargepoints.services.batch import Act, FromCharger
from csms_project.common import bulk
from transactions.choices import EndKind, Flag, TransactionState
from transactions.energy import MAX_REGISTER_WH
from transactions.models import Transaction
from transactions.services.batch import SessionBatch
from transactions.services.charger_tariffs import driver_tariff
from transactions.services.cost_display import driver_price, price_command
from transactions.services.settling import SETTLED_FIELDS, explain_settled, settle, transaction_event

EARLIEST_YEAR = 2015  # a clock before that was never set
FUTURE_TOLERANCE = timedelta(minutes=5)
OFFLINE_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorize(FromCharger):
    """May this token charge?  Spec: OCPP 1.6 §4.1; 2.0.1 C01, C07

    contract  what the provider said of the contract that a vehicle has shown (`plug_and_charge`); None: none was shown
    """

    id_token: str
    token_type: str = TokenType.ISO14443
    contract: Any = None
    # Whether the answer has room for words and prices for the driver; else they go out as a command.
    answer_has_text: bool = False


def want_authorize(request: Authorize, batch: SessionBatch) -> None:
    """The token and the charger's mode."""
    batch.want_charge_point(request.charge_point_id)
    batch.want_token(token_key(request.tenant_id, request.id_token))


def decide_authorize(request: Authorize, batch: SessionBatch) -> Authorization:
    """Decide about a token; never ConcurrentTx, else nobody could stop his own session (OCPP 1.6 §7.2)."""
    authorization = authorize_token(request, request.id_token, request.token_type, batch)
    station = batch.charge_point(request.charge_point_id)
    if request.answer_has_text:
        return with_price(authorization, station, request.received_at)
    if station.shows_cost:
        command = price_command(station, authorization, request.id_token, request.received_at)
        if command is not None:
            batch.add(command)
    return authorization


def with_price(authorization: Authorization, station: ChargePoint, at: datetime) -> Authorization:
    """The answer with the driver's price in words where the charger shows them, and his own tariff where it
    calculates costs itself (OCPP 2.0.1 I01, 2.1 I08)."""
    message = driver_price(station, authorization, at) if station.shows_cost else ""
    tariff = driver_tariff(station, authorization)
    if not message and tariff is None:
        return authorization
    return replace(authorization, message=message, tariff=tariff)


def authorize_token(request: FromCharger, value: str, type: str, batch: SessionBatch) -> Authorization:
    """Decide about a token.  Where a button starts sessions nobody has one: 2.0.1 C02.FR.02."""
    if type == TokenType.NO_AUTHORIZATION and not value:
        return Authorization(status=AuthorizationStatus.ACCEPTED, type=type)
    station = batch.charge_point(request.charge_point_id)
    tenant = station.tenant
    return authorize(
        tenant=tenant,
        mode=station.authorization_mode or tenant.authorization_mode,
        candidates=batch.tokens(token_key(request.tenant_id, value)),
        now=request.received_at,
        type=type,
    )


def is_plausible(at: datetime | None) -> bool:
    return at is not None and at.year >= EARLIEST_YEAR


def end_transaction(
    row: Transaction,
    *,
    kind: EndKind,
    ended_at: datetime,
    at: datetime,
    batch: SessionBatch,
    message_id: str = "",
) -> None:
    """Settle energy and cost of a session that ends now, and say so in ledger and outbox.

    An end before the start (the clock moved) is kept as it is for display and counts as a duration of 0.
    """
    was_active = row.is_active
    bulk.complete([row])
    row.state = TransactionState.ENDED
    row.end_kind = kind
    row.ended_at = ended_at
    row.end_received_at = at
    row.power_w = None
    row.remove_flag(Flag.STALE)
    settled = settle(row, batch.readings(row))
    for line in explain_settled(row, settled, at=at, message_id=message_id):
        batch.add(line)
    if was_active:
        batch.ended_wh += row.energy_wh
    batch.change(row, *ENDED_FIELDS)
    tell(row, "transaction.ended", at=at, batch=batch)


ENDED_FIELDS = (
    "state", "end_kind", "ended_at", "end_received_at", "end_note", "power_w",
    "meter_stop_wh", "meter_stop_raw", "stop_reason", "stop_id_token_value", "stop_digest", *SETTLED_FIELDS,
)  # fmt: skip


def tell(row: Transaction, kind: str, *, at: datetime, batch: SessionBatch) -> None:
    """Write an event about a session."""
    identity = batch.charge_point(row.charge_point_id).identity
    batch.add(transaction_event(kind, row, identity=identity, at=at))


def corrected(what: str, raw: str, wh: Decimal | None) -> str:
    """For the ledger: a register that was not taken as it came."""
    if wh is None:
        return f"{what} register {raw}: a placeholder of this model, not used."
    return f"{what} register {raw} as sent, corrected to {wh.normalize():f} Wh."


def usable_register(value: Decimal) -> Decimal | None:
    """A register as we can store it, None when it is negative or does not fit; the raw text is kept beside it."""
    return value if 0 <= value <= MAX_REGISTER_WH else None


AUTHORIZE: Act[Authorize, SessionBatch] = Act(decide_authorize, want_authorize)
