"""Stops of sessions; none is ever refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.choices import TokenType
from accounts.services.authorization import Authorization, token_key
from chargepoints.services.batch import Act, FromCharger
from csms_project.common import bulk
from transactions.choices import EndKind, Flag, LedgerKind, TransactionState
from transactions.corrections import Correction
from transactions.models import Transaction
from transactions.services.batch import Moment, SessionBatch, digest_of
from transactions.services.metering import Placed, store_moments
from transactions.services.sessions import (
    FUTURE_TOLERANCE,
    OFFLINE_AFTER,
    authorize_token,
    corrected,
    end_transaction,
    is_plausible,
    tell,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(FromCharger):
    """A charger says that a session has ended; it cannot be refused (OCPP 1.6 §4.10)."""

    ocpp_id: str
    ended_at: datetime | None
    meter_stop_wh: Decimal | None
    meter_stop_raw: str
    reason: str
    id_token: str | None = None
    token_type: str = TokenType.ISO14443
    moments: tuple[Moment, ...] = ()
    #: Name of the message, for the ledger.
    message: str = "StopTransaction"

    @property
    def digest(self) -> str:
        """Equal for the same stop sent again."""
        at = self.ended_at.isoformat() if self.ended_at else ""
        token = (self.id_token or "").casefold()
        return digest_of("stop", self.ocpp_id, at, self.meter_stop_raw, self.reason, token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Answer to a stop; the token's status only if the request named one."""

    authorization: Authorization | None
    transaction: Transaction


def want_stop(request: Stop, batch: SessionBatch) -> None:
    """A stop changes its session; the token only decides what the answer says of it."""
    batch.want_charge_point(request.charge_point_id)
    batch.want_readings(request.charge_point_id, request.ocpp_id)
    if request.id_token is not None:
        batch.want_token(token_key(request.tenant_id, request.id_token))


def decide_stop(request: Stop, batch: SessionBatch) -> Stopped:
    """Close the session that a charger says has ended.

    The first stop stays: a repeat changes nothing, a different one is kept as an anomaly. A session that was closed
    without a stop takes the real one. A stop of an unknown session is kept as an orphan.
    Spec: OCPP 1.6 §4.10, errata 3.18
    """
    row = batch.transaction(request.charge_point_id, request.ocpp_id)
    authorization = None
    if request.id_token is not None:
        authorization = authorize_token(request, request.id_token, request.token_type, batch)
    if row is None or row.end_kind == EndKind.ORPHAN:
        row = _orphan(request, batch)
    elif row.end_kind == EndKind.CHARGER:
        compare_second_stop(row, request, batch)
    else:
        correction = Correction.from_json(row.meter_correction)
        close_session(row, request, batch, meter_stop_wh=correction.start_or_stop(request.meter_stop_wh))
    return Stopped(authorization=authorization, transaction=row)


def compare_second_stop(row: Transaction, request: Stop, batch: SessionBatch) -> None:
    """A stop of a session that the charger has ended already: a different one is kept as an anomaly."""
    if row.stop_digest == request.digest:
        return
    row.add_flag(Flag.CONFLICTING_STOP)
    batch.change(row, "flags")
    batch.explain(
        row,
        LedgerKind.ANOMALY,
        f"Another stop arrived and was not used: register {request.meter_stop_raw} Wh, reason {request.reason}.",
        at=request.received_at,
        message_id=request.message_id,
        data={"meter_stop": request.meter_stop_raw, "ended_at": request.ended_at, "reason": request.reason},
    )


def close_session(
    row: Transaction, request: Stop, batch: SessionBatch, *, meter_stop_wh: Decimal | None
) -> None:
    """End a session as its charger says.

    meter_stop_wh  the register at the end, corrected; None: unusable or not told
    """
    if not row.is_active:
        row.add_flag(Flag.LATE_STOP)
        _note(
            row,
            LedgerKind.NOTE,
            f"The real stop arrived; before: {row.end_note or row.end_kind}",
            request,
            batch,
        )
    _store_moments(row, request, batch)
    row.meter_stop_wh = meter_stop_wh
    row.meter_stop_raw = request.meter_stop_raw[:64]
    row.stop_reason = request.reason[:32]
    row.stop_id_token_value = request.id_token or ""
    row.stop_digest = request.digest
    row.end_note = ""
    ended_at = request.ended_at or request.received_at
    for flag, applies in {
        Flag.STOP_BEFORE_START: ended_at < row.started_at,
        Flag.CLOCK_ANOMALY: not is_plausible(request.ended_at)
        or ended_at > request.received_at + FUTURE_TOLERANCE,
        Flag.OFFLINE: is_plausible(request.ended_at) and request.received_at - ended_at > OFFLINE_AFTER,
        Flag.METER_UNREADABLE: row.meter_stop_wh is None and request.meter_stop_raw != "",
        Flag.REPAIRED: bool(request.repairs),
    }.items():
        if applies and row.add_flag(flag):
            _note(row, LedgerKind.ANOMALY, flag.label, request, batch)
    for repair in request.repairs:
        _note(row, LedgerKind.ANOMALY, f"{request.message}: {repair}", request, batch)
    where = f" at register {row.meter_stop_raw} Wh" if row.meter_stop_raw else " without a register"
    text = f"Stopped{where}, reason {row.stop_reason}."
    _note(row, LedgerKind.STOP, text, request, batch)
    if request.meter_stop_wh != row.meter_stop_wh:
        _note(row, LedgerKind.NOTE, corrected("Stop", row.meter_stop_raw, row.meter_stop_wh), request, batch)
    end_transaction(
        row,
        kind=EndKind.CHARGER,
        ended_at=ended_at,
        at=request.received_at,
        batch=batch,
        message_id=request.message_id,
    )


def _store_moments(row: Transaction, request: Stop, batch: SessionBatch) -> None:
    """Keep the transactionData; values without a readable time are of the end."""
    at = request.ended_at or request.received_at
    store_moments(
        request=request,
        placed=[Placed(row, moment.at or at, moment) for moment in request.moments],
        connector_number=row.connector_number,
        batch=batch,
    )


def _note(row: Transaction, kind: LedgerKind, text: str, request: Stop, batch: SessionBatch) -> None:
    batch.explain(row, kind, text, at=request.received_at, message_id=request.message_id)


def _orphan(request: Stop, batch: SessionBatch) -> Transaction:
    """Keep a stop whose start we do not know, with its samples, as a session of its own, attached to nothing."""
    known = batch.transaction_by_digest(request.charge_point_id, request.digest)
    if known is not None:
        return known
    station = batch.charge_point(request.charge_point_id)
    at = request.ended_at or request.received_at
    row = bulk.make(
        Transaction,
        id=batch.unused_key(),
        tenant_id=station.tenant_id,
        charge_point_id=station.pk,
        connector_number=0,
        ocpp_version=request.ocpp_version,
        ocpp_id="",
        start_digest=request.digest,
        state=TransactionState.ENDED,
        end_kind=EndKind.ORPHAN,
        end_note=f"Stop for transaction id {request.ocpp_id}, which was never started here.",
        flags=[Flag.ORPHAN_STOP],
        id_token_value=request.id_token or "",
        stop_id_token_value=request.id_token or "",
        started_at=min([at, *(moment.at for moment in request.moments if moment.at)]),
        start_received_at=request.received_at,
        ended_at=at,
        end_received_at=request.received_at,
        stop_reason=request.reason[:32],
        meter_stop_wh=request.meter_stop_wh,
        meter_stop_raw=request.meter_stop_raw[:64],
        energy_wh=Decimal(0),
        currency=station.tenant.currency,
    )
    batch.add_transaction(row)
    _store_moments(row, request, batch)
    _note(row, LedgerKind.ANOMALY, row.end_note, request, batch)
    tell(row, "transaction.orphan_stop", at=request.received_at, batch=batch)
    return row


STOP: Act[Stop, SessionBatch] = Act(decide_stop, want_stop)
