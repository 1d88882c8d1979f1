"""What chargers answer to our calls: our state, and words for the person who asked."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoints.choices import CommandStatus
from ocpp_gateway.v16.answers import read_answer
from ocpp_gateway.v16.commands import CALLS
from ocpp_gateway.wire import schemas

ACCEPTED, REJECTED = CommandStatus.ACCEPTED, CommandStatus.REJECTED
NOT_SUPPORTED = CommandStatus.NOT_SUPPORTED
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "ab", "issuerKeyHash": "cd", "serialNumber": "FFF"}

# action, answer, our state, a part of the words ("" for none)
ANSWERS: list[tuple[str, dict[str, Any], CommandStatus, str]] = [
    ("CancelReservation", {"status": "Accepted"}, ACCEPTED, ""),
    ("CancelReservation", {"status": "Rejected"}, REJECTED, "no reservation of this number"),
    ("CertificateSigned", {"status": "Accepted"}, ACCEPTED, ""),
    ("CertificateSigned", {"status": "Rejected"}, REJECTED, "finds the certificate wrong"),
    ("ChangeAvailability", {"status": "Accepted"}, ACCEPTED, ""),
    ("ChangeAvailability", {"status": "Rejected"}, REJECTED, ""),
    ("ChangeAvailability", {"status": "Scheduled"}, ACCEPTED, "when the running session has ended"),
    ("ChangeConfiguration", {"status": "Accepted"}, ACCEPTED, ""),
    ("ChangeConfiguration", {"status": "Rejected"}, REJECTED, ""),
    ("ChangeConfiguration", {"status": "RebootRequired"}, ACCEPTED, "after a reset"),
    ("ChangeConfiguration", {"status": "NotSupported"}, NOT_SUPPORTED, "does not know this key"),
    ("ClearCache", {"status": "Accepted"}, ACCEPTED, ""),
    ("ClearCache", {"status": "Rejected"}, REJECTED, ""),
    ("ClearChargingProfile", {"status": "Accepted"}, ACCEPTED, ""),
    ("ClearChargingProfile", {"status": "Unknown"}, REJECTED, "no such profile"),
    ("DataTransfer", {"status": "Accepted", "data": "x"}, ACCEPTED, ""),
    ("DataTransfer", {"status": "Accepted", "data": {"a": 1}}, ACCEPTED, ""),
    ("DataTransfer", {"status": "Rejected"}, REJECTED, ""),
    ("DataTransfer", {"status": "UnknownMessageId"}, REJECTED, ""),
    ("DataTransfer", {"status": "UnknownVendorId"}, NOT_SUPPORTED, ""),
    ("DeleteCertificate", {"status": "Accepted"}, ACCEPTED, ""),
    ("DeleteCertificate", {"status": "Failed"}, REJECTED, "could not delete"),
    ("DeleteCertificate", {"status": "NotFound"}, REJECTED, "no such certificate"),
    ("ExtendedTriggerMessage", {"status": "Accepted"}, ACCEPTED, ""),
    ("ExtendedTriggerMessage", {"status": "Rejected"}, REJECTED, ""),
    ("ExtendedTriggerMessage", {"status": "NotImplemented"}, NOT_SUPPORTED, "on request"),
    ("GetCompositeSchedule", {"status": "Rejected"}, REJECTED, "cannot say"),
    ("GetCompositeSchedule", {"status": "Accepted"}, ACCEPTED, "no schedule"),
    (
        "GetCompositeSchedule",
        {
            "status": "Accepted",
            "connectorId": 1,
            "scheduleStart": "2026-03-02T10:00:00Z",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 16.1, "numberPhases": 3},
                    {"startPeriod": 5400, "limit": 8},
                ],
            },
        },
        ACCEPTED,
        "From 2026-03-02 10:00 UTC: 16.1 A on 3 phases; after 1:30:00 8 A.",
    ),
    ("GetConfiguration", {"configurationKey": []}, ACCEPTED, ""),
    ("GetDiagnostics", {"fileName": "d.zip"}, ACCEPTED, "“d.zip”"),
    ("GetDiagnostics", {}, ACCEPTED, "nothing to upload"),
    ("GetInstalledCertificateIds", {"status": "NotFound"}, REJECTED, "no certificate of this kind"),
    (
        "GetInstalledCertificateIds",
        {"status": "Accepted", "certificateHashData": [HASH, {**HASH, "serialNumber": "1A"}]},
        ACCEPTED,
        "Serial number FFF, SHA256, issuer name ab, issuer key cd.\nSerial number 1A",
    ),
    ("GetLocalListVersion", {"listVersion": 0}, ACCEPTED, "is empty"),
    ("GetLocalListVersion", {"listVersion": 4}, ACCEPTED, "version 4"),
    ("GetLocalListVersion", {"listVersion": -1}, NOT_SUPPORTED, "keeps no local list"),
    ("GetLog", {"status": "Accepted", "filename": "l.zip"}, ACCEPTED, "“l.zip”"),
    ("GetLog", {"status": "Accepted"}, ACCEPTED, "nothing to upload"),
    ("GetLog", {"status": "AcceptedCanceled", "filename": "l"}, ACCEPTED, "earlier upload was cancelled"),
    ("GetLog", {"status": "Rejected"}, REJECTED, "does not upload"),
    ("InstallCertificate", {"status": "Accepted"}, ACCEPTED, ""),
    ("InstallCertificate", {"status": "Failed"}, REJECTED, "could not install"),
    ("InstallCertificate", {"status": "Rejected"}, REJECTED, "wrong, or has no room"),
    ("RemoteStartTransaction", {"status": "Accepted"}, ACCEPTED, ""),
    ("RemoteStartTransaction", {"status": "Rejected"}, REJECTED, ""),
    ("RemoteStopTransaction", {"status": "Accepted"}, ACCEPTED, ""),
    ("RemoteStopTransaction", {"status": "Rejected"}, REJECTED, ""),
    ("ReserveNow", {"status": "Accepted"}, ACCEPTED, ""),
    ("ReserveNow", {"status": "Faulted"}, REJECTED, "fault"),
    ("ReserveNow", {"status": "Occupied"}, REJECTED, "in use or reserved"),
    ("ReserveNow", {"status": "Rejected"}, REJECTED, "takes no reservations"),
    ("ReserveNow", {"status": "Unavailable"}, REJECTED, "out of service"),
    ("Reset", {"status": "Accepted"}, ACCEPTED, ""),
    ("Reset", {"status": "Rejected"}, REJECTED, ""),
    ("SendLocalList", {"status": "Accepted"}, ACCEPTED, ""),
    ("SendLocalList", {"status": "Failed"}, REJECTED, "send it a full list"),
    ("SendLocalList", {"status": "NotSupported"}, NOT_SUPPORTED, "keeps no local list"),
    ("SendLocalList", {"status": "VersionMismatch"}, REJECTED, "another version"),
    ("SetChargingProfile", {"status": "Accepted"}, ACCEPTED, ""),
    ("SetChargingProfile", {"status": "Rejected"}, REJECTED, "does not take this profile"),
    ("SetChargingProfile", {"status": "NotSupported"}, NOT_SUPPORTED, "of this kind"),
    ("SignedUpdateFirmware", {"status": "Accepted"}, ACCEPTED, ""),
    ("SignedUpdateFirmware", {"status": "Rejected"}, REJECTED, ""),
    ("SignedUpdateFirmware", {"status": "AcceptedCanceled"}, ACCEPTED, "earlier update was cancelled"),
    ("SignedUpdateFirmware", {"status": "InvalidCertificate"}, REJECTED, "does not trust"),
    ("SignedUpdateFirmware", {"status": "RevokedCertificate"}, REJECTED, "revoked"),
    ("TriggerMessage", {"status": "Accepted"}, ACCEPTED, ""),
    ("TriggerMessage", {"status": "Rejected"}, REJECTED, ""),
    ("TriggerMessage", {"status": "NotImplemented"}, NOT_SUPPORTED, "on request"),
    ("UnlockConnector", {"status": "Unlocked"}, ACCEPTED, ""),
    ("UnlockConnector", {"status": "UnlockFailed"}, REJECTED, "could not release"),
    ("UnlockConnector", {"status": "NotSupported"}, NOT_SUPPORTED, ""),
    ("UpdateFirmware", {}, ACCEPTED, ""),
]


@pytest.mark.parametrize(("action", "answer", "status", "words"), ANSWERS)
def test_answer_has_its_state_and_words(
    action: str, answer: dict[str, Any], status: CommandStatus, words: str
) -> None:
    outcome = read_answer(action, {}, answer)

    assert outcome.status == status
    assert words in outcome.summary
    assert bool(words) == bool(outcome.summary)


@pytest.mark.parametrize(("action", "answer"), [(action, answer) for action, answer, _, _ in ANSWERS])
def test_answer_is_one_that_the_schema_allows(action: str, answer: dict[str, Any]) -> None:
    assert schemas.check_response("ocpp1.6", action, answer, strict=True) is None


def test_every_status_that_a_schema_knows_is_tried() -> None:
    tried = {(action, answer.get("status")) for action, answer, _, _ in ANSWERS}
    for action in {name for name, _ in CALLS.values()} | {"ExtendedTriggerMessage"}:
        schema = schemas.get_schema("ocpp1.6", action, response=True)
        status = schema.get("properties", {}).get("status", {})
        if "$ref" in status:
            status = schema["definitions"][status["$ref"].rpartition("/")[2]]
        assert {(action, value) for value in status.get("enum", [None])} <= tried
