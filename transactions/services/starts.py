"""Starts of sessions, each taken once however often it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, token_key
from chargepoints.services.batch import Act, FromCharger
from transactions.choices import Flag, LedgerKind
from transactions.corrections import Correction
from transactions.models import Transaction
from transactions.rows import LedgerRow
from transactions.services.batch import SessionBatch, digest_of
from transactions.services.event_costs import limits_by_us
from transactions.services.opening import (
    connect_reservation,
    limited,
    new_session,
    show_price,
    supersede_older,
    with_status,
)
from transactions.services.sessions import (
    FUTURE_TOLERANCE,
    OFFLINE_AFTER,
    authorize_token,
    corrected,
    is_plausible,
    tell,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(FromCharger):
    """A charger says that a session has begun.

    started_at      charger's clock, None when unreadable; days in the past after an offline period
    meter_start_wh  register in Wh, not a difference; None when it cannot be used (see meter_start_raw)
    """

    connector_number: int
    id_token: str
    started_at: datetime | None
    meter_start_wh: Decimal | None
    meter_start_raw: str
    token_type: str = TokenType.ISO14443
    reservation_number: int | None = None
    #: Equal for the same start sent again; message ids differ then.
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        at = self.started_at.isoformat() if self.started_at else ""
        parts = (self.connector_number, at, self.meter_start_raw, self.id_token.casefold())
        object.__setattr__(self, "digest", digest_of("start", *parts))  # the class is frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Answer to a start: the id on the wire, and whether energy may flow."""

    ocpp_id: str
    authorization: Authorization


def want_start(request: Start, batch: SessionBatch) -> None:
    """A start reads charger, connector and token and looks for itself and for open sessions."""
    batch.want_charge_point(request.charge_point_id)
    batch.want_connectors(request.charge_point_id)
    batch.want_token(token_key(request.tenant_id, request.id_token))
    batch.want_start(request.charge_point_id, request.digest)


def decide_start(request: Start, batch: SessionBatch) -> Started:
    """Open a session and say whether energy may flow.

    A start that arrives again (lost answer, other message id, other socket, after its stop) gets the answer of the
    first time. A refused token opens a session as well: the charger needs an id to stop with.
    Spec: OCPP 1.6 §4.8, errata 3.54
    """
    authorization = authorize_token(request, request.id_token, request.token_type, batch)
    digest = request.digest
    known = _find_repeat(request, digest, batch)
    if known is not None:
        status = AuthorizationStatus(known.authorization_status)
        return Started(ocpp_id=known.ocpp_id, authorization=with_status(authorization, status))
    authorization = limited(authorization, request, request.connector_number, batch)
    row = _open(request, digest, authorization, batch)
    supersede_older(row, request, batch)
    connect_reservation(row, request, batch)
    limits_by_us(row, authorization)
    batch.add_transaction(row)
    if batch.charge_point(row.charge_point_id).shows_cost:
        show_price(row, request, authorization, batch)
    _explain_start(row, request, batch)
    return Started(ocpp_id=row.ocpp_id, authorization=authorization)


def _find_repeat(request: Start, digest: str, batch: SessionBatch) -> Transaction | None:
    """The session that this very start has opened already.

    With a dead or unreadable clock every session starts at the same time and register: there only a session that is
    still open counts as the same, and of several the one that came last.
    """
    known = batch.transaction_by_digest(request.charge_point_id, digest)
    if known is not None and (known.is_active or is_plausible(request.started_at)):
        return known
    running = batch.open_transactions(request.charge_point_id)
    if not running:
        return None
    later = _later_digest(digest, "")
    same = [row for row in running if row.start_digest.startswith(later)]
    return max(same, key=lambda row: row.start_received_at, default=None)


def _later_digest(digest: str, ocpp_id: str) -> str:
    """The digest of a session whose start equals that of one that has ended: the same basis and its own id."""
    return f"{digest[:28]}-{ocpp_id}"


def _open(request: Start, digest: str, authorization: Authorization, batch: SessionBatch) -> Transaction:
    connector = batch.connector(request.charge_point_id, request.connector_number)
    duplicate = batch.transaction_by_digest(request.charge_point_id, digest)
    ocpp_id = batch.unused_ocpp16_id()
    row = new_session(
        request,
        connector,
        authorization,
        batch,
        connector_number=request.connector_number,
        ocpp_id=ocpp_id,
        start_digest=digest if duplicate is None else _later_digest(digest, ocpp_id),
        id_token_value=request.id_token,
        reservation_number=request.reservation_number,
        remote_start_id=_remote_start(request, batch),
        started_at=request.started_at or request.received_at,
        meter_start_raw=request.meter_start_raw[:64],
    )
    row.meter_start_wh = Correction.from_json(row.meter_correction).start_or_stop(request.meter_start_wh)
    _flag_start(row, request, authorization, duplicate is not None)
    return row


def _flag_start(row: Transaction, request: Start, authorization: Authorization, is_duplicate: bool) -> None:
    plausible = is_plausible(request.started_at)
    if is_duplicate:
        row.add_flag(Flag.POSSIBLE_DUPLICATE)
    if not plausible or row.started_at > request.received_at + FUTURE_TOLERANCE:
        row.add_flag(Flag.CLOCK_ANOMALY)
    if plausible and request.received_at - row.started_at > OFFLINE_AFTER:
        row.add_flag(Flag.OFFLINE)
    if not authorization.is_accepted:
        row.add_flag(Flag.REFUSED_TOKEN)
    if request.repairs:
        row.add_flag(Flag.REPAIRED)
    if row.meter_start_wh is None:
        row.add_flag(Flag.METER_UNREADABLE)


def _remote_start(request: Start, batch: SessionBatch) -> int | None:
    """The remote start that asked for this session: same token, same or any connector (OCPP 1.6 errata 3.32)."""
    commands = batch.remote_starts(request.charge_point_id)
    for command in commands:
        data: dict[str, Any] = command.payload
        token = str(data.get("id_token") or data.get("idTag") or "")
        connector = data.get("connector") or data.get("connectorId")
        if token.casefold() == request.id_token.casefold() and connector in (None, request.connector_number):
            commands.remove(command)
            return command.pk
    return None


def _explain_start(row: Transaction, request: Start, batch: SessionBatch) -> None:
    tenant_id, pk, at, message = row.tenant_id, row.pk, request.received_at, request.message_id

    def note(kind: LedgerKind, text: str, data: dict[str, Any]) -> None:
        batch.add(LedgerRow(tenant_id, pk, kind.value, text[:400], data, message, at))

    note(
        LedgerKind.START,
        f"Started on connector {row.connector_number} at register {request.meter_start_raw} Wh. "
        f"Token {row.id_token_value}: {row.authorization_status}.",
        {"meter_start": request.meter_start_raw, "started_at": row.started_at, "received_at": at},
    )
    if row.meter_correction:
        correction = Correction.from_json(row.meter_correction)
        note(LedgerKind.NOTE, correction.in_words(), row.meter_correction)
        if request.meter_start_wh != row.meter_start_wh:
            note(LedgerKind.NOTE, corrected("Start", request.meter_start_raw, row.meter_start_wh), {})
    name = "free of charge" if row.is_free else (row.tariff_snapshot or {}).get("name", "")
    # The prices stand in the session itself, and never change.
    note(LedgerKind.TARIFF, f"Tariff: {name}.", {"tariff": row.tariff_id})
    for repair in request.repairs:
        note(LedgerKind.ANOMALY, f"StartTransaction: {repair}", {})
    for value in row.flags:
        note(LedgerKind.ANOMALY, str(Flag(value).label), {})
    tell(row, "transaction.started", at=at, batch=batch)


START: Act[Start, SessionBatch] = Act(decide_start, want_start)
