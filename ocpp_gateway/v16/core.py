"""Core profile of OCPP 1.6: messages from the charge point."""

from __future__ import annotations

from typing import Any

from accounts.services.authorization import Authorization
from chargepoints.services.registration import Boot, Booted
from chargepoints.services.status import StatusChange
from chargepoints.services.vendor_messages import VendorAnswer
from ocpp_gateway.link import Link
from ocpp_gateway.v16 import mapping
from ocpp_gateway.wire.timestamps import format_timestamp
from transactions.services.batch import SessionBatch
from transactions.services.metering import Metered
from transactions.services.sessions import Authorize
from transactions.services.starts import Start, Started
from transactions.services.stops import Stop, Stopped
from transactions.services.unserved import start_unserved

Payload = dict[str, Any]

_BOOT_FIELDS = {
    "chargePointVendor": ("vendor", 50),
    "chargePointModel": ("model", 50),
    "chargePointSerialNumber": ("serial_number", 50),
    "chargeBoxSerialNumber": ("box_serial_number", 50),
    "firmwareVersion": ("firmware_version", 50),
    "iccid": ("iccid", 20),
    "imsi": ("imsi", 20),
    "meterType": ("meter_type", 25),
    "meterSerialNumber": ("meter_serial_number", 50),
}


def boot_in(link: Link, payload: Payload) -> Boot:
    details = {ours: mapping.text(payload, name, limit) for name, (ours, limit) in _BOOT_FIELDS.items()}
    return Boot(**link.facts(), details=details)


def boot_out(done: Booted) -> Payload:
    return {
        "currentTime": format_timestamp(done.at),
        "interval": done.interval_s,
        "status": done.status.value,
    }


def authorize_in(link: Link, payload: Payload) -> Authorize:
    return Authorize(**link.facts(), id_token=mapping.text(payload, "idTag"))


def authorize_out(done: Authorization) -> Payload:
    return {"idTagInfo": mapping.id_tag_info(done)}


def start_in(link: Link, payload: Payload) -> Start:
    meter_start_wh, raw = mapping.register(payload["meterStart"])
    reservation = payload.get("reservationId")
    return Start(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload["connectorId"])),
        id_token=mapping.text(payload, "idTag"),
        started_at=mapping.timestamp(payload.get("timestamp")),
        meter_start_wh=meter_start_wh,
        meter_start_raw=raw,
        reservation_number=None if reservation is None else mapping.whole(reservation, -1),
    )


def start_out(done: Started) -> Payload:
    return {"transactionId": int(done.ocpp_id), "idTagInfo": mapping.id_tag_info(done.authorization)}


def start_put_aside(link: Link, payload: Payload, batch: SessionBatch) -> Payload:
    request = Authorize(**link.facts(), id_token=mapping.text(payload, "idTag"))
    return start_out(start_unserved(request, batch))


def stop_in(link: Link, payload: Payload) -> Stop:
    meter_stop_wh, raw = mapping.register(payload["meterStop"])
    return Stop(
        **link.facts(),
        ocpp_id=mapping.transaction_id(payload["transactionId"]),
        ended_at=mapping.timestamp(payload.get("timestamp")),
        meter_stop_wh=meter_stop_wh,
        meter_stop_raw=raw,
        reason=mapping.text(payload, "reason", 32) or "Local",
        id_token=None if payload.get("idTag") is None else mapping.text(payload, "idTag"),
        moments=mapping.moments(payload.get("transactionData")),
    )


def stop_out(done: Stopped) -> Payload:
    # A charger cannot undo a stop: unknown ids are kept as orphans and still acknowledged.
    return mapping.without_none(idTagInfo=mapping.id_tag_info(done.authorization))


def meter_in(link: Link, payload: Payload) -> Metered:
    return Metered(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("connectorId"))),
        ocpp_id=mapping.transaction_id(payload.get("transactionId")),
        moments=mapping.moments(payload.get("meterValue")),
    )


def status_in(link: Link, payload: Payload) -> StatusChange:
    return StatusChange(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("connectorId"))),
        status=mapping.text(payload, "status", 16),
        error_code=mapping.text(payload, "errorCode", 50),
        info=mapping.text(payload, "info", 255),
        vendor_id=mapping.text(payload, "vendorId", 255),
        vendor_error_code=mapping.text(payload, "vendorErrorCode", 50),
        at=mapping.status_timestamp(payload.get("timestamp")),
    )


def data_transfer_out(done: VendorAnswer) -> Payload:
    return mapping.without_none(status=done.status, data=done.data)


def nothing_out(done: object) -> Payload:
    return {}
