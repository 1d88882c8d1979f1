"""Rows of sessions that are written by the thousand: samples and lines of the ledger."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from csms_project.common import bulk
from transactions.models import LedgerEntry, MeterValue, TransactionEvent


class MeterValueRow(NamedTuple):
    """All samples of one moment (`MeterValue`)."""

    tenant_id: int
    charge_point_id: int
    connector_number: int
    transaction_id: int | None
    sampled_at: datetime
    received_at: datetime
    layout_id: int
    values: list[str]
    register_wh: Decimal | None


class LedgerRow(NamedTuple):
    """One line that explains a figure of a session (`LedgerEntry`)."""

    tenant_id: int
    transaction_id: int
    kind: str
    text: str
    data: dict[str, Any]
    message_id: str
    at: datetime


class EventRow(NamedTuple):
    """One event of a session (`TransactionEvent`)."""

    tenant_id: int
    charge_point_id: int
    transaction_id: int
    kind: str
    seq_no: int
    at: datetime
    received_at: datetime
    trigger: str
    is_offline: bool
    digest: str
    details: dict[str, Any]


bulk.register(EventRow, TransactionEvent)
bulk.register(MeterValueRow, MeterValue)
bulk.register(LedgerRow, LedgerEntry)
