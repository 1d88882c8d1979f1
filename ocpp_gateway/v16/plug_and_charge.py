"""Plug & Charge in OCPP 1.6: orders about certificates of ISO 15118 as vendor messages, and what their answers mean.

Spec: OCA application note “Using ISO 15118 Plug & Charge with OCPP 1.6”; the fields are those of OCPP 2.0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from chargepoints.plug_and_charge import ISO_ROOTS, V2G_CERTIFICATE, VENDOR_ID
from chargepoints.services.vendor_messages import read_json
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V201

Payload = dict[str, Any]

TRIGGER = "SignV2GCertificate"
_LISTED = (*ISO_ROOTS, "V2GCertificateChain")


def wrap(action: str, name: str, payload: Payload, call: Payload) -> Payload | None:
    """The DataTransfer of an order that is about Plug & Charge; None for the others.

    action, payload  the neutral command
    name, call       the message that OCPP 1.6 would have for it
    Raises           CannotSend
    """
    inner = _inner(action, payload, call)
    if inner is None:
        return None
    violation = schemas.check_request(V201, name, inner, strict=True)
    if violation is not None:
        raise CannotSend(f"This does not fit into {name} of Plug & Charge: {violation.description}.")
    return {"vendorId": VENDOR_ID, "messageId": name, "data": orjson.dumps(inner).decode()}


def _inner(action: str, payload: Payload, call: Payload) -> Payload | None:
    match action:
        case "install_certificate" if payload["certificate_type"] in ISO_ROOTS:
            return call
        case "get_installed_certificate_ids" if payload.get("certificate_type") in _LISTED:
            return {"certificateType": [payload["certificate_type"]]}
        case "delete_certificate" if payload.get("scope") == "plug_and_charge":
            return call
        case "certificate_signed" if payload.get("scope") == "plug_and_charge":
            return {**call, "certificateType": V2G_CERTIFICATE}
        case "trigger_message" if payload["message"] == TRIGGER:
            return {"requestedMessage": TRIGGER}
    return None


def is_trigger(payload: Payload) -> bool:
    """Whether a DataTransfer of ours asks the charger for a vendor message."""
    return (payload.get("vendorId"), payload.get("messageId")) == (VENDOR_ID, "TriggerMessage")


def unwrap(request: Payload, response: Payload) -> tuple[str, Payload] | None:
    """The message inside and its answer, where a DataTransfer was about Plug & Charge and accepted as such.

    An answer without data, or with data that cannot be read, is {}.
    """
    if request.get("vendorId") != VENDOR_ID or response.get("status") != "Accepted":
        return None
    data = response.get("data")
    found = read_json(data) if isinstance(data, str) else data
    return str(request.get("messageId", "")), dict(found) if isinstance(found, Mapping) else {}


def asked_in(request: Payload) -> Payload:
    """The message inside an order of ours."""
    data = request.get("data")
    found = read_json(data) if isinstance(data, str) else data
    return dict(found) if isinstance(found, Mapping) else {}
