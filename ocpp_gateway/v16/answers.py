"""What the answers of chargers to our calls mean (OCPP 1.6): our state, what we keep, and words for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.charging import following
from chargepoints.choices import CommandStatus
from chargepoints.models import Command
from chargepoints.services import charging_profiles, installed_certificates, local_list
from chargepoints.services.variables import Entry, store_snapshot, store_unknown, store_value
from ocpp_gateway import certificate_answers
from ocpp_gateway.outcome import Effect, Outcome, outcome_of_status
from ocpp_gateway.v16 import plug_and_charge
from ocpp_gateway.wire.timestamps import parse_timestamp

Payload = dict[str, Any]

# (action, status) → what it means to the person who asked
_SENTENCES = {
    ("ChangeAvailability", "Scheduled"): "It takes effect when the running session has ended.",
    ("ChangeConfiguration", "RebootRequired"): "Stored; it takes effect after a reset.",
    ("ChangeConfiguration", "NotSupported"): "The charger does not know this key.",
    ("UnlockConnector", "UnlockFailed"): "The charger could not release the cable.",
    ("SendLocalList", "VersionMismatch"): "The charger's list has another version: send it a full list.",
    ("SendLocalList", "Failed"): "The charger could not take the list: send it a full list.",
    ("SendLocalList", "NotSupported"): "The charger keeps no local list.",
    ("ReserveNow", "Faulted"): "The connector has a fault.",
    ("ReserveNow", "Occupied"): "The connector is in use or reserved already.",
    ("ReserveNow", "Unavailable"): "The connector is out of service.",
    ("ReserveNow", "Rejected"): "The charger takes no reservations, or none for “any connector”.",
    ("CancelReservation", "Rejected"): "The charger knows no reservation of this number.",
    ("SetChargingProfile", "Rejected"): "The charger does not take this profile.",
    ("SetChargingProfile", "NotSupported"): "The charger does not take profiles of this kind.",
    ("ClearChargingProfile", "Unknown"): "The charger has no such profile.",
    ("GetCompositeSchedule", "Rejected"): "The charger cannot say what it will do.",
    ("SignedUpdateFirmware", "AcceptedCanceled"): "An earlier update was cancelled for this one.",
    ("SignedUpdateFirmware", "InvalidCertificate"): "The charger does not trust the signing certificate.",
    ("SignedUpdateFirmware", "RevokedCertificate"): "The signing certificate has been revoked.",
    **certificate_answers.SENTENCES,
    ("TriggerMessage", "NotImplemented"): "The charger cannot send this message on request.",
    ("ExtendedTriggerMessage", "NotImplemented"): "The charger cannot send this message on request.",
}


def read_answer(action: str, request: Payload, response: Payload) -> Outcome:
    """What a CALLRESULT means: our state, and what it tells us about the charger."""
    inner = plug_and_charge.unwrap(request, response) if action == "DataTransfer" else None
    if inner is not None:
        return _read_inner(request, *inner)
    status = outcome_of_status(response.get("status"))
    if action == "GetLocalListVersion" and _version(response) == local_list.NOT_SUPPORTED:
        status = CommandStatus.NOT_SUPPORTED
    summary = _SENTENCES.get((action, str(response.get("status"))), "")
    if action in _TELL:
        summary = " ".join(filter(None, (_TELL[action](response), summary)))
    return Outcome(status=status, summary=summary, effects=_effects(action, request, response))


def _read_inner(request: Payload, action: str, response: Payload) -> Outcome:
    """The answer inside a vendor message of Plug & Charge."""
    given = response.get("status")
    if not isinstance(given, str):
        return Outcome(
            status=CommandStatus.FAILED,
            error={
                "code": "InvalidAnswer",
                "description": "The answer holds no data that can be read.",
                "details": {},
            },
        )
    listed = certificate_answers.tell_chains(response) if action == "GetInstalledCertificateIds" else ""
    sentence = _SENTENCES.get((action, given), "")
    asked = plug_and_charge.asked_in(request)
    return Outcome(
        status=outcome_of_status(given),
        summary="\n".join(filter(None, (listed, sentence))),
        effects=certificate_answers.effects(action, asked, response),
    )


def _effects(action: str, request: Payload, response: Payload) -> Sequence[Effect]:
    status = response.get("status")
    match action:
        case "GetConfiguration":
            return [partial(_keep_configuration, response, not request.get("key"))]
        case "ChangeConfiguration" if status in ("Accepted", "RebootRequired"):
            return [partial(_keep_value, status == "RebootRequired")]
        case "ChangeConfiguration" if status == "NotSupported":
            return [_keep_unknown]
        case "GetLocalListVersion":
            return [partial(_keep_list_version, _version(response))]
        case "SendLocalList" if status == "Accepted":
            return [partial(_keep_list_version, request.get("listVersion"))]
        case "GetInstalledCertificateIds" if status in ("Accepted", "NotFound"):
            return [partial(_keep_roots, request, response)]
        case "InstallCertificate" | "DeleteCertificate":
            return certificate_answers.effects(action, request, response)
        case "ClearChargingProfile" if status == "Unknown":
            return [following.nothing_matched]
        case "GetCompositeSchedule" if status == "Accepted":
            return [partial(_keep_schedule, request, response)]
    return ()


def _keep_configuration(response: Payload, complete: bool, command: Command) -> None:
    entries = [
        Entry(
            key=str(entry["key"]),
            value=None if entry.get("value") is None else str(entry["value"]),
            is_readonly=entry.get("readonly") is True,
        )
        for entry in response.get("configurationKey") or ()
        if isinstance(entry, Mapping) and entry.get("key")
    ]
    unknown = [key for key in response.get("unknownKey") or () if isinstance(key, str)]
    store_snapshot(
        command.charge_point_id,
        entries,
        unknown=unknown,
        at=timezone.now(),
        is_complete=complete,
        command=command,
    )


def _keep_value(reboot_required: bool, command: Command) -> None:
    request = command.request if isinstance(command.request, dict) else {}
    key, value = request.get("key"), request.get("value")
    if isinstance(key, str) and isinstance(value, str):
        store_value(
            command.charge_point_id,
            key,
            value,
            reboot_required=reboot_required,
            at=timezone.now(),
            command=command,
        )


def _keep_unknown(command: Command) -> None:
    request = command.request if isinstance(command.request, dict) else {}
    if isinstance(key := request.get("key"), str):
        store_unknown(command.charge_point_id, key, at=timezone.now(), command=command)


def _keep_list_version(version: object, command: Command) -> None:
    if isinstance(version, int):
        local_list.store_version(command.charge_point_id, version, at=timezone.now())


def _keep_roots(request: Payload, response: Payload, command: Command) -> None:
    use, found = str(request.get("certificateType", "")), response.get("certificateHashData") or ()
    names = [certificate_answers.hash_data(item) for item in found if isinstance(item, Mapping)]
    installed_certificates.listed(command.charge_point_id, use, names, at=timezone.now())


def _keep_schedule(request: Payload, response: Payload, command: Command) -> None:
    """Limits with text for decimals; a charger that names no connector means the one that was asked for."""
    schedule = response.get("chargingSchedule")
    if not isinstance(schedule, Mapping):
        return
    rows = [
        {
            "start_period": int(period["startPeriod"]),
            "limit": str(period["limit"]),
            **({"number_phases": period["numberPhases"]} if period.get("numberPhases") is not None else {}),
        }
        for period in schedule.get("chargingSchedulePeriod") or ()
    ]
    start = parse_timestamp(response.get("scheduleStart")) or parse_timestamp(schedule.get("startSchedule"))
    charging_profiles.store_report(
        command,
        connector=int({"connectorId": 0, **request, **response}["connectorId"]),
        starts_at=start,
        duration=schedule.get("duration", request.get("duration", 0)),
        unit=str(schedule.get("chargingRateUnit", request.get("chargingRateUnit", "W"))),
        periods=rows,
    )


# ---------------------------------------------------------------- words
def _version(response: Payload) -> Any:
    return response.get("listVersion")


def _tell_version(response: Payload) -> str:
    version = _version(response)
    if version == local_list.NOT_SUPPORTED:
        return "The charger keeps no local list."
    return "The local list is empty." if version == 0 else f"The local list has version {version}."


def _tell_schedule(response: Payload) -> str:
    """Limits with the moments from which they hold; relative to the start where the charger names none."""
    schedule = response.get("chargingSchedule")
    if not isinstance(schedule, Mapping):
        return "" if response.get("status") != "Accepted" else "The charger named no schedule."
    start = parse_timestamp(response.get("scheduleStart")) or parse_timestamp(schedule.get("startSchedule"))
    unit = schedule.get("chargingRateUnit", "")
    parts = [_tell_period(period, unit) for period in schedule.get("chargingSchedulePeriod") or ()]
    since = f"From {start:%Y-%m-%d %H:%M} UTC: " if start else ""
    return f"{since}{'; '.join(parts) or 'no limits'}."


def _tell_period(period: Mapping[str, Any], unit: str) -> str:
    seconds = int(period.get("startPeriod", 0))
    hours, minutes = divmod(seconds // 60, 60)
    after = f"after {hours}:{minutes:02}:{seconds % 60:02} " if seconds else ""
    phases = period.get("numberPhases")
    return f"{after}{period.get('limit')} {unit}{f' on {phases} phases' if phases else ''}"


def _tell_file(name: str) -> Callable[[Payload], str]:
    def tell(response: Payload) -> str:
        if response.get("status", "Accepted") not in ("Accepted", "AcceptedCanceled"):
            return "The charger does not upload this log now."
        earlier = " An earlier upload was cancelled." if response.get("status") == "AcceptedCanceled" else ""
        file = response.get(name)
        if file:
            return f"The charger uploads “{file}”.{earlier}"
        return f"The charger has nothing to upload, or named no file.{earlier}"

    return tell


def _tell_certificates(response: Payload) -> str:
    found = response.get("certificateHashData") or ()
    return "\n".join(
        f"Serial number {entry.get('serialNumber')}, {entry.get('hashAlgorithm')}, issuer name "
        f"{entry.get('issuerNameHash')}, issuer key {entry.get('issuerKeyHash')}."
        for entry in found
    )


_TELL: dict[str, Callable[[Payload], str]] = {
    "GetLocalListVersion": _tell_version,
    "GetCompositeSchedule": _tell_schedule,
    "GetDiagnostics": _tell_file("fileName"),
    "GetLog": _tell_file("filename"),
    "GetInstalledCertificateIds": _tell_certificates,
}
