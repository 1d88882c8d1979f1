"""Our commands as calls of OCPP 1.6; `answers` reads what comes back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from django.utils import timezone

from chargepoints.charging.details import PERIOD, PROFILE, SCHEDULE
from chargepoints.charging.plan import DYNAMIC, LOCAL_GENERATION, PRIORITY
from chargepoints.variable_names import key_of
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.reading import copied as _copy
from ocpp_gateway.reading import times as _times
from ocpp_gateway.v16 import plug_and_charge
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16
from ocpp_gateway.wire.timestamps import format_timestamp
from transactions import cost_messages

Payload = dict[str, Any]

#: Characters of an idTag (OCPP 1.6 §7.28).
TAG_LENGTH = 20


def _remote_start(payload: Payload) -> Payload:
    if payload.get("limits"):
        raise CannotSend(
            "OCPP 1.6 has no limits of cost, energy, time or state of charge for a session: leave them out."
        )
    names = {"id_token": "idTag", "connector": "connectorId", "charging_profile": "chargingProfile"}
    return _copy(payload, **names)


def _transaction_id(payload: Payload) -> Payload:
    try:
        return {"transactionId": int(payload["transaction_id"])}
    except ValueError:
        raise CannotSend("transaction_id must be a whole number for OCPP 1.6.") from None


def _availability(payload: Payload) -> Payload:
    kind = "Operative" if payload["operative"] else "Inoperative"
    return {"connectorId": payload.get("connector", 0), "type": kind}


_RESETS = {"Soft": "Soft", "Hard": "Hard", "Immediate": "Hard"}


def _reset(payload: Payload) -> Payload:
    if payload.get("connector"):
        raise CannotSend("OCPP 1.6 restarts the whole charger only: leave the EVSE out.")
    if payload["kind"] not in _RESETS:
        raise CannotSend(
            f"OCPP 1.6 has no reset of the kind {payload['kind']}: choose Soft, which ends sessions, or Hard."
        )
    return {"type": _RESETS[payload["kind"]]}


def _get_configuration(payload: Payload) -> Payload:
    return {"key": [key_of(key) for key in payload["keys"]]} if payload.get("keys") else {}


def _change_configuration(payload: Payload) -> Payload:
    return {"key": key_of(payload["key"]), "value": payload["value"]}


def _cost(payload: Payload) -> Payload:
    """RunningCost of the California pricing extension: the standard has no message for it."""
    more = payload.get("more") or {}
    if not {"timestamp", "meterValue", "state", "chargingPrice"} <= more.keys():
        raise CannotSend(
            "OCPP 1.6 tells a running cost together with meter and prices: it goes out by itself where the charger "
            "shows costs."
        )
    ids = _transaction_id(payload)
    data = {**ids, "cost": float(payload["total_cost"]), **more}
    return {
        "vendorId": cost_messages.VENDOR_ID,
        "messageId": cost_messages.RUNNING_COST,
        "data": orjson.dumps(data).decode(),
    }


# ---------------------------------------------------------------- local list, reservations
_TAG = {"id_token": "idTag"}
_PARENT = {"parent_id_token": "parentIdTag"}


def _local_list(payload: Payload) -> Payload:
    entries = [_list_entry(entry) for entry in payload.get("entries", ())]
    call = _copy(payload, version="listVersion", update_type="updateType")
    return {**call, "localAuthorizationList": entries} if entries else call


def _list_entry(entry: Payload) -> Payload:
    """Without information a tag is removed (OCPP 1.6 §7.1)."""
    info = {
        **_copy(entry, status="status", **_PARENT),
        **_times(entry, expires_at="expiryDate"),
    }
    return {"idTag": entry["id_token"], **({"idTagInfo": info} if info else {})}


def _reserve(payload: Payload) -> Payload:
    return {
        "connectorId": payload.get("connector", 0),
        **_copy(payload, reservation_id="reservationId", **_TAG, **_PARENT),
        **_times(payload, expires_at="expiryDate"),
    }


# ---------------------------------------------------------------- smart charging
_LATER_PROFILE = ("phase_to_use", *(field.name for field in (*PERIOD, *PROFILE, *SCHEDULE)))


def _refuse_later(payload: Payload) -> None:
    """What only 2.x says of a profile is no detail that may be lost."""
    purpose, kind = payload["purpose"], payload.get("kind")
    if purpose in (PRIORITY, LOCAL_GENERATION):
        raise CannotSend(f"OCPP 1.6 knows no profiles of the purpose {purpose}.")
    if kind == DYNAMIC:
        raise CannotSend("OCPP 1.6 knows no dynamic profiles.")
    for values in (payload, *payload["periods"]):
        if beyond := next((name for name in _LATER_PROFILE if values.get(name) is not None), ""):
            raise CannotSend(f"OCPP 1.6 cannot say {beyond}.")


def _set_profile(payload: Payload) -> Payload:
    _refuse_later(payload)
    schedule = {
        **_copy(
            payload,
            duration="duration",
            charging_rate_unit="chargingRateUnit",
            min_charging_rate="minChargingRate",
        ),
        **_times(payload, start_schedule="startSchedule"),
        "chargingSchedulePeriod": [
            _copy(period, start_period="startPeriod", limit="limit", number_phases="numberPhases")
            for period in payload["periods"]
        ],
    }
    profile = {
        **_copy(
            payload,
            profile_id="chargingProfileId",
            stack_level="stackLevel",
            purpose="chargingProfilePurpose",
            kind="chargingProfileKind",
            recurrency_kind="recurrencyKind",
        ),
        **_times(payload, valid_from="validFrom", valid_to="validTo"),
        **(_transaction_id(payload) if "transaction_id" in payload else {}),
        "chargingSchedule": schedule,
    }
    return {"connectorId": payload.get("connector", 0), "csChargingProfiles": profile}


def _composite(payload: Payload) -> Payload:
    return {
        "connectorId": payload.get("connector", 0),
        **_copy(payload, duration="duration", charging_rate_unit="chargingRateUnit"),
    }


# ---------------------------------------------------------------- firmware, logs, certificates
_TRIES = {"retries": "retries", "retry_interval": "retryInterval"}


def _now_or(payload: Payload, name: str) -> Payload:
    """The moment given, or this one."""
    return {name: format_timestamp(timezone.now()), **_times(payload, retrieve_at=name)}


def _update_firmware(payload: Payload) -> Payload:
    return {**_copy(payload, location="location", **_TRIES), **_now_or(payload, "retrieveDate")}


def _signed_update(payload: Payload) -> Payload:
    firmware = {
        **_copy(
            payload, location="location", signing_certificate="signingCertificate", signature="signature"
        ),
        **_now_or(payload, "retrieveDateTime"),
        **_times(payload, install_at="installDateTime"),
    }
    return {**_copy(payload, request_id="requestId", **_TRIES), "firmware": firmware}


def _diagnostics(payload: Payload) -> Payload:
    return {
        **_copy(payload, location="location", **_TRIES),
        **_times(payload, oldest_at="startTime", latest_at="stopTime"),
    }


def _log(payload: Payload) -> Payload:
    log = {
        **_copy(payload, location="remoteLocation"),
        **_times(payload, oldest_at="oldestTimestamp", latest_at="latestTimestamp"),
    }
    return {**_copy(payload, log_type="logType", request_id="requestId", **_TRIES), "log": log}


def _hashes(payload: Payload) -> Payload:
    names = {
        "hash_algorithm": "hashAlgorithm",
        "issuer_name_hash": "issuerNameHash",
        "issuer_key_hash": "issuerKeyHash",
        "serial_number": "serialNumber",
    }
    return {"certificateHashData": _copy(payload, **names)}


def _certificate_use(payload: Payload) -> Payload:
    if "certificate_type" not in payload:
        raise CannotSend("OCPP 1.6 lists one kind of certificate at a time: choose one.")
    return _copy(payload, certificate_type="certificateType")


def _certificate_signed(payload: Payload) -> Payload:
    if payload.get("scope") == "plug_and_charge_20":
        raise CannotSend("OCPP 1.6 has no certificates of ISO 15118-20.")
    if "request_number" in payload:
        raise CannotSend("OCPP 1.6 has no numbers for certificate requests.")
    return _copy(payload, certificate_chain="certificateChain")


# neutral action → OCPP action, arguments
CALLS: dict[str, tuple[str, Callable[[Payload], Payload]]] = {
    "remote_start": ("RemoteStartTransaction", _remote_start),
    "remote_stop": ("RemoteStopTransaction", _transaction_id),
    "reset": ("Reset", _reset),
    "unlock_connector": ("UnlockConnector", partial(_copy, connector="connectorId")),
    "change_availability": ("ChangeAvailability", _availability),
    "trigger_message": (
        "TriggerMessage",
        partial(_copy, message="requestedMessage", connector="connectorId"),
    ),
    "get_configuration": ("GetConfiguration", _get_configuration),
    "change_configuration": ("ChangeConfiguration", _change_configuration),
    "clear_cache": ("ClearCache", partial(_copy)),
    "cost_updated": ("DataTransfer", _cost),
    "data_transfer": (
        "DataTransfer",
        partial(_copy, vendor_id="vendorId", message_id="messageId", data="data"),
    ),
    "get_local_list_version": ("GetLocalListVersion", partial(_copy)),
    "send_local_list": ("SendLocalList", _local_list),
    "reserve_now": ("ReserveNow", _reserve),
    "cancel_reservation": ("CancelReservation", partial(_copy, reservation_id="reservationId")),
    "set_charging_profile": ("SetChargingProfile", _set_profile),
    "clear_charging_profile": (
        "ClearChargingProfile",
        partial(
            _copy,
            profile_id="id",
            connector="connectorId",
            purpose="chargingProfilePurpose",
            stack_level="stackLevel",
        ),
    ),
    "get_composite_schedule": ("GetCompositeSchedule", _composite),
    "update_firmware": ("UpdateFirmware", _update_firmware),
    "signed_update_firmware": ("SignedUpdateFirmware", _signed_update),
    "get_diagnostics": ("GetDiagnostics", _diagnostics),
    "get_log": ("GetLog", _log),
    "get_installed_certificate_ids": ("GetInstalledCertificateIds", _certificate_use),
    "install_certificate": (
        "InstallCertificate",
        partial(_copy, certificate_type="certificateType", certificate="certificate"),
    ),
    "delete_certificate": ("DeleteCertificate", _hashes),
    "certificate_signed": ("CertificateSigned", _certificate_signed),
}

#: Messages that only ExtendedTriggerMessage can ask for, by the name under which they come; the whitepaper (§6.16)
#: calls two of them otherwise.  One command of ours for both messages: an operator wants a message, not a dialect.
EXTENDED = {
    "LogStatusNotification": "LogStatusNotification",
    "SignedFirmwareStatusNotification": "FirmwareStatusNotification",
    "SignCertificate": "SignChargePointCertificate",
}
_COMES_AS = {asked: name for name, asked in EXTENDED.items()}


#: Arguments for which OCPP 1.6 has no field, and why an order with one of them cannot be said.
_ONE_CONNECTOR = "In OCPP 1.6 a connector has no others beside it: leave “within” out."
_UNSAYABLE = {
    ("remote_start", "parent_id_token"): "OCPP 1.6 cannot name a group in a start: leave it out.",
    ("unlock_connector", "within"): _ONE_CONNECTOR,
    ("change_availability", "within"): _ONE_CONNECTOR,
    ("trigger_message", "within"): _ONE_CONNECTOR,
    ("reserve_now", "connector_type"): "OCPP 1.6 cannot reserve a kind of connector: name one, or none.",
    ("data_transfer", "as_json"): "OCPP 1.6 carries text only: leave “as_json” out.",
    ("update_firmware", "install_at"): "OCPP 1.6 names no time for the installation, but of signed firmware.",
}
_ASKABLE = {
    "BootNotification",
    "Heartbeat",
    "StatusNotification",
    "MeterValues",
    "FirmwareStatusNotification",
    "DiagnosticsStatusNotification",
    plug_and_charge.TRIGGER,
    *EXTENDED,
}


def _check_sayable(action: str, payload: Payload) -> None:
    for name, value in payload.items():
        if value and (problem := _UNSAYABLE.get((action, name))):
            raise CannotSend(problem)
    if action == "trigger_message" and payload["message"] not in _ASKABLE:
        raise CannotSend(f"OCPP 1.6 knows no {payload['message']} that could be asked for.")


def to_call(action: str, payload: Payload) -> tuple[str, Payload]:
    """The OCPP action and payload of a command; raw ones go out as they are.

    Raises  CannotSend  there is no such message in OCPP 1.6, or an argument does not fit it
    """
    if action[:1].isupper():
        return action, payload
    if action not in CALLS:
        raise CannotSend(f"OCPP 1.6 has no message for {action}.")
    _check_sayable(action, payload)
    name, convert = CALLS[action]
    if name == "TriggerMessage" and payload["message"] in EXTENDED:
        name, payload = "ExtendedTriggerMessage", {**payload, "message": EXTENDED[payload["message"]]}
    call = convert(payload)
    wrapped = plug_and_charge.wrap(action, name, payload, call)
    if wrapped is not None:
        name, call = "DataTransfer", wrapped
    violation = schemas.check_request(V16, name, call, strict=True)
    if violation is not None:
        raise CannotSend(f"This does not fit into {name} of OCPP 1.6: {violation.description}.")
    return name, call


def asked_message(action: str, payload: Payload) -> str | None:
    """The message that a call asks the charger for, by the name under which it comes."""
    if action == "DataTransfer" and plug_and_charge.is_trigger(payload):
        return "DataTransfer"
    if action not in ("TriggerMessage", "ExtendedTriggerMessage"):
        return None
    asked = str(payload.get("requestedMessage", ""))
    return _COMES_AS.get(asked, asked) if action == "ExtendedTriggerMessage" else asked
