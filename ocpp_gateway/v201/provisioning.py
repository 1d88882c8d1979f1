"""Functional block B: boot, resets, network profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chargepoints.services import registration
from chargepoints.services.registration import Boot, Booted
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend
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


# ---------------------------------------------------------------- resets
#: One button for all versions: what 1.6 calls soft and hard (B11, B12).
RESETS = {"Soft": "OnIdle", "Hard": "Immediate", "OnIdle": "OnIdle", "Immediate": "Immediate"}


def reset(payload: Payload, *, kinds: Mapping[str, str] = RESETS) -> Payload:
    if payload["kind"] not in kinds:
        raise CannotSend("OCPP 2.0.1 cannot go on with a session after a reset: choose another kind.")
    return {"type": kinds[payload["kind"]], **mapping.copied(payload, connector="evseId")}


# ---------------------------------------------------------------- network profiles
_APN = {
    "apn": "apn",
    "apn_authentication": "apnAuthentication",
    "apn_user": "apnUserName",
    "apn_password": "apnPassword",
    "apn_sim_pin": "simPin",
    "apn_preferred_network": "preferredNetwork",
    "apn_only_preferred": "useOnlyPreferredNetwork",
}
_VPN = {
    "vpn_server": "server",
    "vpn_type": "type",
    "vpn_user": "user",
    "vpn_group": "group",
    "vpn_password": "password",
    "vpn_key": "key",
}


def network_profile(payload: Payload) -> Payload:
    """NetworkConnectionProfileType (B09), as far as all versions of 2.x say it alike."""
    apn, vpn = mapping.copied(payload, **_APN), mapping.copied(payload, **_VPN)
    data = {
        "ocppTransport": "JSON",
        "ocppCsmsUrl": payload["url"],
        "messageTimeout": payload["message_timeout"],
        "securityProfile": int(payload["security_profile"]),
        **mapping.copied(payload, interface="ocppInterface", ocpp_version="ocppVersion"),
        **({"apn": apn} if apn else {}),
        **({"vpn": vpn} if vpn else {}),
    }
    return {"configurationSlot": payload["slot"], "connectionData": data}


def _network_profile(payload: Payload) -> Payload:
    if "identity" in payload or "basic_auth_password" in payload:
        raise CannotSend("OCPP 2.0.1 has no identity or password in a network profile: leave them out.")
    return network_profile({"ocpp_version": "OCPP20", **payload})


_SENTENCES = {
    ("Reset", "Scheduled"): "The charger restarts when nobody charges any more.",
    ("Reset", "Rejected"): "The charger cannot restart now, or not a single EVSE.",
    (
        "SetNetworkProfile",
        "Accepted",
    ): "Stored. It is used once NetworkConfigurationPriority names the slot and the charger has restarted.",
    (
        "SetNetworkProfile",
        "Rejected",
    ): "The charger finds the profile wrong, has no such slot, or would lower its security profile.",
    ("SetNetworkProfile", "Failed"): "The profile is good, but the charger could not store it.",
}

BLOCK = Block(
    actions={"BootNotification": Action(boot_in, registration.BOOT, boot_out)},
    calls={
        "reset": sent_as("Reset", reset),
        "set_network_profile": sent_as("SetNetworkProfile", _network_profile),
    },
    sentences=_SENTENCES,
)
