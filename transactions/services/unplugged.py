"""ConnectorUnplugged: the cable is out, also where the session had ended before (California pricing)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chargepoints.command_fields import read_time
from chargepoints.services.vendor_messages import Handler, VendorAnswer, VendorMessage, VendorMessageRefused
from transactions.choices import LedgerKind
from transactions.cost_messages import CONNECTOR_UNPLUGGED, VENDOR_ID
from transactions.services.batch import SessionBatch
from transactions.services.sessions import tell


def want_unplugged(request: VendorMessage, batch: SessionBatch) -> None:
    """The session that it names."""
    ocpp_id = _transaction_id(request)
    if ocpp_id:
        batch.want_transaction(request.charge_point_id, ocpp_id)


def decide_unplugged(request: VendorMessage, batch: SessionBatch) -> VendorAnswer:
    """Write it into the session's ledger; the bill ends with the session's stop, as its tariff says.

    Raises  VendorMessageRefused  it names no session of this charger
    """
    fields, ocpp_id = request.fields(), _transaction_id(request)
    row = batch.transaction(request.charge_point_id, ocpp_id) if ocpp_id else None
    if row is None:
        raise VendorMessageRefused("It names no session of this charge point.")
    at: datetime = read_time(fields.get("timestamp")) or request.received_at
    text = f"The cable was unplugged at {at:%Y-%m-%d %H:%M:%S} UTC."
    batch.explain(
        row, LedgerKind.NOTE, text, at=request.received_at, message_id=request.message_id, data={"at": at}
    )
    tell(row, "transaction.unplugged", at=request.received_at, batch=batch)
    return VendorAnswer(status="Accepted")


def _transaction_id(request: VendorMessage) -> str:
    try:
        value: Any = request.fields().get("transactionId")
    except VendorMessageRefused:
        return ""
    is_id = isinstance(value, int | str) and not isinstance(value, bool)
    return str(value)[:36] if is_id else ""


UNPLUGGED = (VENDOR_ID, CONNECTOR_UNPLUGGED, Handler(decide_unplugged, want_unplugged))
