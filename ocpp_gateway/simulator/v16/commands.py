"""Answers to the calls of a CSMS (OCPP 1.6 §5) and what a charge point then does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ocpp_gateway.simulator import answers, firmware
from ocpp_gateway.simulator.answers import Answer, Payload, Refused, required_time
from ocpp_gateway.simulator.answers import status as _status
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.v16 import files as transfers
from ocpp_gateway.simulator.v16 import security
from ocpp_gateway.wire.errors import V16
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v16.charge_point import ChargePoint16

Handler = answers.Handler["ChargePoint16"]


def answer(cp: ChargePoint16, action: str, payload: Payload) -> Answer:
    """Answer a call. Raises Refused for an unknown action or a payload that cannot be read."""
    return answers.handle(HANDLERS, cp, action, payload, version=V16)


def _find(cp: ChargePoint16, number: object) -> Connector | None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError("connectorId is no integer")
    return cp.connectors[number] if 0 <= number < len(cp.connectors) else None


# ---------------------------------------------------------------- starting and stopping
def remote_start(cp: ChargePoint16, payload: Payload) -> Answer:
    id_tag = str(payload["idTag"])
    wanted = _find(cp, payload["connectorId"]) if "connectorId" in payload else None
    if "connectorId" in payload and wanted is None:
        return _status("Rejected")
    candidates = [wanted] if wanted is not None else cp.connectors[1:]
    plug = next((plug for plug in candidates if plug.can_start(id_tag)), None)
    if plug is None or not cp.accepted or cp.rebooting or not cp.connectors[0].operative:
        return _status("Rejected")
    if "chargingProfile" in payload:
        if payload["chargingProfile"]["chargingProfilePurpose"] != "TxProfile":
            return _status("Rejected")
        cp.profiles.install(connector=plug.number, profile=payload["chargingProfile"], at=cp.clock.now())
    plug.claimed = True
    return _status("Accepted", cp.start_remotely(plug, id_tag))


def remote_stop(cp: ChargePoint16, payload: Payload) -> Answer:
    wanted = payload["transactionId"]
    for plug in cp.connectors[1:]:
        if plug.session is not None and plug.session.transaction_id == wanted:
            return _status("Accepted", _stop(cp, plug, "Remote"))
    return _status("Rejected")


async def _stop(cp: ChargePoint16, plug: Connector, reason: str) -> None:
    await cp.stop(plug.number, reason=reason, wait=False)


def reset(cp: ChargePoint16, payload: Payload) -> Answer:
    reason = {"Soft": "SoftReset", "Hard": "HardReset"}[payload["type"]]
    return (
        _status("Rejected")
        if cp.rebooting
        else _status("Accepted", cp.reboot(reason=reason, gently=reason == "SoftReset"))
    )


def unlock_connector(cp: ChargePoint16, payload: Payload) -> Answer:
    plug = _find(cp, payload["connectorId"])
    if plug is None or plug.number == 0:
        return _status("NotSupported")
    return _status("Unlocked", _stop(cp, plug, "UnlockCommand") if plug.session is not None else None)


# ---------------------------------------------------------------- availability, messages, configuration
def change_availability(cp: ChargePoint16, payload: Payload) -> Answer:
    plug = _find(cp, payload["connectorId"])
    operative = {"Operative": True, "Inoperative": False}[payload["type"]]
    if plug is None:
        return _status("Rejected")
    plugs = cp.connectors if plug.number == 0 else [plug]
    for each in plugs:
        each.operative = operative
    busy = not operative and any(each.session is not None for each in plugs)
    return _status("Scheduled" if busy else "Accepted", cp.report_availability(plugs))


Messages = dict[str, Callable[[], Coroutine[Any, Any, None]]]


def trigger_message(cp: ChargePoint16, payload: Payload) -> Answer:
    idle = {"status": "Idle"}
    own: Messages = {
        "DiagnosticsStatusNotification": lambda: cp.notify("DiagnosticsStatusNotification", idle),
        "FirmwareStatusNotification": lambda: cp.notify("FirmwareStatusNotification", idle),
    }
    return _trigger(cp, payload, own)


def extended_trigger_message(cp: ChargePoint16, payload: Payload) -> Answer:
    idle = {"status": "Idle"}
    own: Messages = {
        "LogStatusNotification": lambda: cp.notify("LogStatusNotification", idle),
        "FirmwareStatusNotification": lambda: cp.notify("SignedFirmwareStatusNotification", idle),
        "SignChargePointCertificate": lambda: security.ask_for_certificate(cp),
    }
    return _trigger(cp, payload, own)


def _trigger(cp: ChargePoint16, payload: Payload, own: Messages) -> Answer:
    plug = _find(cp, payload["connectorId"]) if "connectorId" in payload else None
    if "connectorId" in payload and plug is None:
        return _status("Rejected")
    plugs = [plug] if plug is not None else cp.connectors
    messages: Messages = {
        "BootNotification": cp.boot,
        "Heartbeat": lambda: cp.notify("Heartbeat", {}),
        "StatusNotification": lambda: _report_all(cp, plugs),
        "MeterValues": lambda: _meter_all(cp, plugs),
        **own,
    }
    send = messages.get(payload["requestedMessage"])
    return _status("NotImplemented") if send is None else _status("Accepted", send())


async def _report_all(cp: ChargePoint16, plugs: list[Connector]) -> None:
    for plug in plugs:
        await cp.report_status(plug)


async def _meter_all(cp: ChargePoint16, plugs: list[Connector]) -> None:
    for plug in plugs:
        if cp.queue_meter_values(plug.number, context="Trigger") is None and plug.number > 0:
            reading = cp.reading(plug.number, context="Trigger")
            await cp.notify("MeterValues", {"connectorId": plug.number, "meterValue": [reading]})


def get_configuration(cp: ChargePoint16, payload: Payload) -> Answer:
    return Answer(cp.configuration.read(list(payload.get("key") or [])))


def change_configuration(cp: ChargePoint16, payload: Payload) -> Answer:
    key, value = str(payload["key"]), str(payload["value"])
    if key.lower() == "securityprofile" and not (value.isdecimal() and cp.take_profile(int(value))):
        return _status("Rejected")
    status = cp.configuration.change(key, value)
    then = None
    if status == "Accepted" and key.lower() == "heartbeatinterval":
        cp.schedule_heartbeat()
    elif status == "Accepted" and key.lower() == "authorizationkey":
        cp.take_key(value)
        then = cp.disconnect()
    elif status == "Accepted" and key.lower() == "securityprofile":
        then = cp.disconnect()
    return _status(status, then)


def clear_cache(cp: ChargePoint16, payload: Payload) -> Answer:
    return _status("Accepted" if cp.configuration.flag("AuthorizationCacheEnabled") else "Rejected")


def data_transfer(cp: ChargePoint16, payload: Payload) -> Answer:
    _ = payload["vendorId"]
    return _status("UnknownVendorId")


# ---------------------------------------------------------------- firmware and diagnostics
def get_diagnostics(cp: ChargePoint16, payload: Payload) -> Answer:
    location = str(payload["location"])
    name = f"diagnostics-{cp.clock.now():%Y%m%d%H%M%S}.log"
    return Answer({"fileName": name}, transfers.upload_diagnostics(cp, location, name))


def update_firmware(cp: ChargePoint16, payload: Payload) -> Answer:
    if cp.station.profile >= 2:
        # Security whitepaper L01.FR.20.
        raise Refused("NotSupported", "this charge point takes signed firmware only")
    retrieve_at = required_time(payload["retrieveDate"])
    order = firmware.order_of(payload, location=str(payload["location"]), retrieve_at=retrieve_at)
    return Answer({}, transfers.update(cp, order))


# ---------------------------------------------------------------- reservations
def reserve_now(cp: ChargePoint16, payload: Payload) -> Answer:
    plug = _find(cp, payload["connectorId"])
    expires_at = required_time(payload["expiryDate"])
    number, id_tag, parent = payload["reservationId"], str(payload["idTag"]), payload.get("parentIdTag")
    if plug is None or plug.number == 0:
        return _status("Rejected")
    held = plug.reservation
    replaces = held is not None and held.reservation_id == number
    refusal = {"Faulted": "Faulted", "Unavailable": "Unavailable"}.get(plug.status)
    if refusal is not None or not (plug.status == "Available" or replaces) or plug.claimed:
        return _status(refusal or "Occupied")
    cp.reserve(plug, number, id_tag, parent, expires_at)
    return _status("Accepted", cp.set_status(plug.number, "Reserved"))


def cancel_reservation(cp: ChargePoint16, payload: Payload) -> Answer:
    number = payload["reservationId"]
    for plug in cp.connectors[1:]:
        if plug.reservation is not None and plug.reservation.reservation_id == number:
            plug.reservation.expiry.cancel()
            plug.reservation = None
            return _status("Accepted", cp.release(plug))
    return _status("Rejected")


# ---------------------------------------------------------------- local list
def get_local_list_version(cp: ChargePoint16, payload: Payload) -> Answer:
    """The version; 0 for an empty list, -1 for none (§5.10)."""
    if not cp.configuration.flag("LocalAuthListEnabled"):
        return Answer({"listVersion": -1})
    return Answer({"listVersion": cp.local_list_version if cp.local_list else 0})


def send_local_list(cp: ChargePoint16, payload: Payload) -> Answer:
    """Take a whole list or changes to it; what is refused changes nothing (§5.15, §6.41; errata 3.52)."""
    version, kind = int(payload["listVersion"]), payload["updateType"]
    entries: list[Payload] = payload.get("localAuthorizationList") or []
    if not cp.configuration.flag("LocalAuthListEnabled"):
        return _status("NotSupported")
    if kind not in ("Full", "Differential") or version < 1 or _is_broken(cp, kind, entries):
        return _status("Failed")
    if kind == "Differential" and version <= cp.local_list_version:
        return _status("VersionMismatch")
    changed = {} if kind == "Full" else dict(cp.local_list)
    for entry in entries:
        tag = str(entry["idTag"]).lower()
        if "idTagInfo" in entry:
            changed[tag] = entry
        else:
            changed.pop(tag, None)
    if len(changed) > cp.configuration.integer("LocalAuthListMaxLength"):
        return _status("Failed")
    cp.local_list, cp.local_list_version = changed, version
    return _status("Accepted")


def _is_broken(cp: ChargePoint16, kind: str, entries: list[Payload]) -> bool:
    """Too many entries for one message, a tag twice, or a tag of a full list without information."""
    tags = [str(entry["idTag"]).lower() for entry in entries]
    is_too_long = len(entries) > cp.configuration.integer("SendLocalListMaxLength")
    lacks = kind == "Full" and any("idTagInfo" not in entry for entry in entries)
    return is_too_long or lacks or len(set(tags)) < len(tags)


# ---------------------------------------------------------------- smart charging
def set_charging_profile(cp: ChargePoint16, payload: Payload) -> Answer:
    plug, profile = _find(cp, payload["connectorId"]), payload["csChargingProfiles"]
    purpose = profile["chargingProfilePurpose"]
    if payload["connectorId"] < 0 or plug is None:
        raise Refused("PropertyConstraintViolation", "there is no such connector")  # errata 3.39
    if purpose == "ChargePointMaxProfile" and plug.number != 0:
        return _status("Rejected")
    if purpose == "TxProfile":
        session = plug.session
        wanted = profile.get("transactionId")
        if session is None or (wanted is not None and wanted != session.transaction_id):
            return _status("Rejected")
    if profile["stackLevel"] > cp.configuration.integer("ChargeProfileMaxStackLevel"):
        return _status("Rejected")
    cp.draw_all()
    cp.profiles.install(connector=plug.number, profile=profile, at=cp.clock.now())
    return _status("Accepted", cp.report_pauses())


def clear_charging_profile(cp: ChargePoint16, payload: Payload) -> Answer:
    cp.draw_all()
    cleared = cp.profiles.clear(
        profile_id=payload.get("id"),
        connector=payload.get("connectorId"),
        purpose=payload.get("chargingProfilePurpose"),
        stack_level=payload.get("stackLevel"),
    )
    return _status("Accepted", cp.report_pauses()) if cleared else _status("Unknown")


def get_composite_schedule(cp: ChargePoint16, payload: Payload) -> Answer:
    plug, duration_s = _find(cp, payload["connectorId"]), int(payload["duration"])
    if plug is None:
        return _status("Rejected")
    now, unit = cp.clock.now(), payload.get("chargingRateUnit", "W")
    periods = cp.profiles.composite(
        connector=plug.number,
        at=now,
        duration_s=duration_s,
        unit=unit,
        maximum_w=cp.station.power_w,
        session_starts={
            each.number: each.session.started_at if each.session is not None else None
            for each in cp.connectors[1:]
        },
    )
    schedule = {"duration": duration_s, "chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    return Answer(
        {
            "status": "Accepted",
            "connectorId": plug.number,
            "scheduleStart": format_timestamp(now),
            "chargingSchedule": schedule,  # without startSchedule, errata 3.57
        }
    )


# ---------------------------------------------------------------- security extension
def signed_update_firmware(cp: ChargePoint16, payload: Payload) -> Answer:
    retrieve_at = required_time(payload["firmware"]["retrieveDateTime"])
    return Answer(*security.signed_update_firmware(cp, payload, retrieve_at=retrieve_at))


def _secured(handler: Callable[[ChargePoint16, Payload], security.Reply]) -> Handler:
    return lambda cp, payload: Answer(*handler(cp, payload))


HANDLERS: dict[str, Handler] = {
    "CancelReservation": cancel_reservation,
    "CertificateSigned": _secured(security.certificate_signed),
    "ChangeAvailability": change_availability,
    "ChangeConfiguration": change_configuration,
    "ClearCache": clear_cache,
    "ClearChargingProfile": clear_charging_profile,
    "DataTransfer": data_transfer,
    "DeleteCertificate": _secured(security.delete_certificate),
    "ExtendedTriggerMessage": extended_trigger_message,
    "GetCompositeSchedule": get_composite_schedule,
    "GetConfiguration": get_configuration,
    "GetDiagnostics": get_diagnostics,
    "GetInstalledCertificateIds": _secured(security.get_installed_certificate_ids),
    "GetLocalListVersion": get_local_list_version,
    "GetLog": _secured(security.get_log),
    "InstallCertificate": _secured(security.install_certificate),
    "RemoteStartTransaction": remote_start,
    "RemoteStopTransaction": remote_stop,
    "ReserveNow": reserve_now,
    "Reset": reset,
    "SendLocalList": send_local_list,
    "SetChargingProfile": set_charging_profile,
    "SignedUpdateFirmware": signed_update_firmware,
    "TriggerMessage": trigger_message,
    "UnlockConnector": unlock_connector,
    "UpdateFirmware": update_firmware,
}
