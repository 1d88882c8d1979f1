"""Functional block B: boot, device model, network profiles, resets."""

from __future__ import annotations

from typing import Any

from chargepoints.services import registration
from chargepoints.services.registration import Boot, Booted
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from ocpp_gateway.wire.timestamps import format_timestamp

Payload = dict[str, Any]

_BOOT_FIELDS = {
    "vendorName": ("vendor", 50),
    "model": ("model", 50),
    "serialNumber": ("serial_number", 50),
    "firmwareVersion": ("firmware_version", 50),
}


def boot_in(link: Link, payload: Payload) -> Boot:
    station = payload["chargingStation"]
    modem = station.get("modem") or {}
    details = {ours: mapping.text(station, name, limit) for name, (ours, limit) in _BOOT_FIELDS.items()}
    details |= {name: mapping.text(modem, name, 20) for name in ("iccid", "imsi")}
    return Boot(
        **link.facts(),
        details=details,
        reason=mapping.text(payload, "reason", 20),
        certificate_names=link.certificate_names,
    )


def boot_out(done: Booted) -> Payload:
    return {
        "currentTime": format_timestamp(done.at),
        "interval": done.interval_s,
        "status": done.status.value,
    }


BLOCK = Block(actions={"BootNotification": Action(boot_in, registration.BOOT, boot_out)})
