"""DataTransfer, firmware, diagnostics, security extension: OCPP 1.6 §4.3–§4.5, security whitepaper."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chargepoints.models import ChargePoint, DataTransfer, SecurityEvent, StatusReport
from csms_project.common.models import Event
from ocpp_gateway.v16.actions import ACTIONS, IN_MEMORY
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, clock

#: Messages of a charge point (OCPP 1.6 §4 and the security whitepaper); the others are ours to send.
FROM_CHARGER = {
    "Authorize", "BootNotification", "DataTransfer", "DiagnosticsStatusNotification",
    "FirmwareStatusNotification", "Heartbeat", "LogStatusNotification", "MeterValues",
    "SecurityEventNotification", "SignCertificate", "SignedFirmwareStatusNotification", "StartTransaction",
    "StatusNotification", "StopTransaction",
}  # fmt: skip


def test_actions_cover_every_message_of_a_charger() -> None:
    assert set(ACTIONS) | IN_MEMORY == FROM_CHARGER
    assert schemas.actions(V16) >= FROM_CHARGER


@pytest.mark.parametrize("data", [{}, {"data": "text"}, {"messageId": "m", "data": '{"a":1}'}])
def test_vendor_message_of_an_unknown_vendor_is_told_so_without_data(
    csms: Csms, charge_point: ChargePoint, data: Payload
) -> None:
    answer = csms.send(charge_point, "DataTransfer", {"vendorId": "com.example"} | data)

    row = DataTransfer.objects.get()
    assert answer == {"status": "UnknownVendorId"}
    assert (row.vendor_id, row.data, row.answer) == ("com.example", data.get("data", ""), "UnknownVendorId")


def test_vendor_message_of_a_megabyte_is_kept_whole(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "DataTransfer", {"vendorId": "com.example", "data": "x" * 900_000})

    assert len(DataTransfer.objects.get().data) == 900_000


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("FirmwareStatusNotification", "Downloaded", "firmware"),
        ("FirmwareStatusNotification", "InstallationFailed", "firmware"),
        ("FirmwareStatusNotification", "Idle", "firmware"),
        ("DiagnosticsStatusNotification", "Uploading", "diagnostics"),
        ("DiagnosticsStatusNotification", "UploadFailed", "diagnostics"),
        ("LogStatusNotification", "Uploaded", "log"),
        ("SignedFirmwareStatusNotification", "InvalidSignature", "signed_firmware"),
    ],
)
def test_progress_is_stored_and_acknowledged_with_nothing(
    csms: Csms, charge_point: ChargePoint, action: str, status: str, kind: str
) -> None:
    assert csms.send(charge_point, action, {"status": status}) == {}

    row = StatusReport.objects.get()
    assert (row.kind, row.status, row.request_id, row.charge_point) == (kind, status, None, charge_point)


@pytest.mark.parametrize("request_id", [0, 7, 2**31 - 1])
def test_progress_keeps_the_request_it_belongs_to(
    csms: Csms, charge_point: ChargePoint, request_id: int
) -> None:
    payload = {"status": "Uploaded", "requestId": request_id}

    assert csms.send(charge_point, "LogStatusNotification", payload) == {}
    assert StatusReport.objects.get().request_id == request_id


@pytest.mark.parametrize("request_id", [-1, 2**31, 2**62])
def test_progress_with_an_impossible_request_id_is_acknowledged(
    csms: Csms, charge_point: ChargePoint, request_id: int
) -> None:
    payload = {"status": "Uploaded", "requestId": request_id}

    assert csms.send(charge_point, "LogStatusNotification", payload) == {}


@pytest.mark.parametrize("kind", ["SettingSystemTime", "FailedToAuthenticateAtCentralSystem", "Event"])
def test_security_event_of_any_type_is_stored(csms: Csms, charge_point: ChargePoint, kind: str) -> None:
    payload = {"type": kind, "timestamp": clock(minutes=-3), "techInfo": "who knows"}

    assert csms.send(charge_point, "SecurityEventNotification", payload) == {}

    row = SecurityEvent.objects.get()
    assert (row.type, row.at, row.tech_info) == (kind, T0 - timedelta(minutes=3), "who knows")
    assert Event.objects.get(kind="charge_point.security_event").data == {"type": kind}


def test_action_of_a_vendor_is_not_implemented(csms: Csms, charge_point: ChargePoint) -> None:
    assert csms.ask_one(charge_point, "CustomOperation", {}).code == "NotImplemented"


@pytest.mark.parametrize("action", ["authorize", "AUTHORIZE", "Authorize "])
def test_action_is_case_sensitive(csms: Csms, charge_point: ChargePoint, action: str) -> None:
    assert csms.ask_one(charge_point, action, {"idTag": "A"}).code == "NotImplemented"


@pytest.mark.parametrize("action", ["Reset", "RemoteStartTransaction", "GetConfiguration"])
def test_action_of_ours_from_a_charger_is_not_supported(
    csms: Csms, charge_point: ChargePoint, action: str
) -> None:
    assert csms.ask_one(charge_point, action, {}).code == "NotSupported"
