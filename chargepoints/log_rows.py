"""Rows of the log tables of charge points as the gateway writes them: by the thousand, never read back."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from chargepoints.models import OcppMessage, StatusEvent
from csms_project.common import bulk


class MessageRow(NamedTuple):
    """One exchange of the message log (`OcppMessage`)."""

    tenant_id: int
    charge_point_id: int
    received_at: datetime
    sent_by_charger: bool
    message_id: str
    action: str
    request: str
    response: str
    error_code: str
    error_description: str
    answered_at: datetime | None


class StatusRow(NamedTuple):
    """One StatusNotification (`StatusEvent`)."""

    tenant_id: int
    charge_point_id: int
    received_at: datetime
    connector_number: int
    evse_number: int
    status: str
    error_code: str
    info: str
    vendor_id: str
    vendor_error_code: str
    at: datetime


bulk.register(MessageRow, OcppMessage)
bulk.register(StatusRow, StatusEvent)
