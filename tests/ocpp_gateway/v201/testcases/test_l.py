"""Test cases of block L: firmware (2.0.1 part 6 §3.12)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints.choices import CommandStatus, FirmwareState
from chargepoints.errors import InvalidPayload
from chargepoints.models import (
    ChargePoint,
    FirmwareFile,
    FirmwareUpdate,
    PublishedFirmware,
    SecurityEvent,
    StatusReport,
)
from chargepoints.services import firmware_campaigns as campaigns
from chargepoints.services import firmware_following, firmware_updates
from tests.chargepoints.firmware import signed, uploaded
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Order, boot, clock, status

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
MD5 = "0123456789abcdef0123456789abcdef"
DONE = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "https://csms.example.com/"


@pytest.fixture
def file(technician: Actor) -> FirmwareFile:
    return uploaded(technician, **signed())


def begin(
    csms: Csms, charge_point: ChargePoint, actor: Actor, file: FirmwareFile
) -> tuple[FirmwareUpdate, Order]:
    """Ask a charger for an update, as the firmware pages do; the order as it reached the charger."""
    csms.connect(charge_point)
    csms.now += timedelta(minutes=1)
    row = ChargePoint.objects.get(pk=charge_point.pk)
    update = campaigns.update_one(actor=actor, charge_point=row, file=file)
    assert update.command is not None
    ((message_id, action, payload),) = csms.due(charge_point)
    return update, Order(csms, charge_point, update.command, message_id, action, payload)


def report(csms: Csms, charge_point: ChargePoint, order: Order, *statuses: str) -> None:
    for value in statuses:
        csms.now += timedelta(seconds=10)
        said = {"status": value, "requestId": order.payload["requestId"]}
        assert csms.send(charge_point, "FirmwareStatusNotification", said) == {}


def restart(csms: Csms, charge_point: ChargePoint, version: str) -> None:
    csms.now += timedelta(seconds=10)
    answer = csms.send(charge_point, "BootNotification", boot("FirmwareUpdate", firmwareVersion=version))
    assert answer["status"] == "Accepted"
    csms.send(charge_point, "StatusNotification", status(1, "Available", at=csms.now))


def secure(csms: Csms, charge_point: ChargePoint, kind: str) -> None:
    """The security event that goes with it (L01.FR.02, .03)."""
    said = {"type": kind, "timestamp": clock(csms.now)}
    assert csms.send(charge_point, "SecurityEventNotification", said) == {}
    assert SecurityEvent.objects.get(charge_point=charge_point).type == kind


def followed(csms: Csms, update: FirmwareUpdate) -> FirmwareUpdate:
    firmware_following.follow(csms.now)
    update.refresh_from_db()
    return update


@pytest.mark.testcase("TC_L_01_CSMS")
def test_tc_l_01_installation(
    csms: Csms, charge_point: ChargePoint, technician: Actor, file: FirmwareFile
) -> None:
    """Secure Firmware Update - Installation successful (L01.FR.01, .11, .15, .20)"""
    update, order = begin(csms, charge_point, technician, file)
    assert order.action == "UpdateFirmware"
    firmware = order.payload["firmware"]
    assert firmware["signingCertificate"] == file.signing_certificate
    assert firmware["signature"] == file.signature
    assert firmware["retrieveDateTime"] == clock(csms.now)
    assert order.payload["requestId"] == update.request_id == 1
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    report(csms, charge_point, order, *DONE)
    assert followed(csms, update).state == FirmwareState.INSTALLING
    restart(csms, charge_point, "2.0.0")
    report(csms, charge_point, order, "Installed")
    assert followed(csms, update).state == FirmwareState.VERIFIED


@pytest.mark.testcase("TC_L_02_CSMS", "TC_L_03_CSMS")
@pytest.mark.parametrize(
    ("given", "named", "first"),
    [
        pytest.param("install_at", "installDateTime", "InstallScheduled", id="TC_L_02_CSMS"),
        pytest.param("retrieve_at", "retrieveDateTime", "DownloadScheduled", id="TC_L_03_CSMS"),
    ],
)
def test_tc_l_02_tc_l_03_later(
    csms: Csms, charge_point: ChargePoint, given: str, named: str, first: str
) -> None:
    """Secure Firmware Update - InstallScheduled; - DownloadScheduled"""
    later = clock(csms.now, hours=5)
    payload = {
        "location": "https://files.example.org/f.bin",
        "signing_certificate": PEM,
        "signature": "c2ln",
        given: later,
    }
    order = csms.order(charge_point, "signed_update_firmware", payload)
    assert order.payload["firmware"][named] == later
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    report(csms, charge_point, order, first, *DONE)
    restart(csms, charge_point, "2.0.0")
    report(csms, charge_point, order, "Installed")
    kept = StatusReport.objects.order_by("pk").values_list("status", "request_id", "kind")
    assert list(kept) == [
        (value, order.payload["requestId"], "firmware") for value in (first, *DONE, "Installed")
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            "RevokedCertificate", "revoked", marks=pytest.mark.testcase("TC_L_04_CSMS"), id="TC_L_04_CSMS"
        ),
        pytest.param(
            "InvalidCertificate",
            "does not trust the signing certificate",
            marks=pytest.mark.testcase("TC_L_05_CSMS"),
            id="TC_L_05_CSMS",
        ),
    ],
)
def test_tc_l_04_tc_l_05_certificate_is_refused(
    csms: Csms, charge_point: ChargePoint, technician: Actor, file: FirmwareFile, answer: str, words: str
) -> None:
    """Secure Firmware Update - RevokedCertificate; - InvalidCertificate"""
    update, order = begin(csms, charge_point, technician, file)
    assert order.answer(status=answer).status == CommandStatus.REJECTED
    secure(csms, charge_point, "InvalidFirmwareSigningCertificate")
    followed(csms, update)
    assert update.state == FirmwareState.FAILED
    assert words in update.note


FAILURES = [
    ("TC_L_06_CSMS", ("Downloading", "Downloaded", "InvalidSignature"), "signature of the file wrong"),
    ("TC_L_07_CSMS", ("Downloading", "DownloadFailed"), "could not fetch"),
    (
        "TC_L_08_CSMS",
        ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallVerificationFailed"),
        "damaged",
    ),
    (
        "TC_L_09_CSMS",
        ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallationFailed"),
        "could not install",
    ),
]


@pytest.mark.parametrize(
    ("statuses", "words"),
    [pytest.param(*case[1:], marks=pytest.mark.testcase(case[0]), id=case[0]) for case in FAILURES],
)
def test_tc_l_06_to_09_update_that_fails(
    csms: Csms,
    charge_point: ChargePoint,
    technician: Actor,
    file: FirmwareFile,
    statuses: tuple[str, ...],
    words: str,
) -> None:
    """Secure Firmware Update - InvalidSignature, DownloadFailed, InstallVerificationFailed, InstallationFailed"""
    update, order = begin(csms, charge_point, technician, file)
    order.answer(status="Accepted")
    report(csms, charge_point, order, *statuses)
    if statuses[-1] == "InvalidSignature":
        secure(csms, charge_point, "InvalidFirmwareSignature")
    followed(csms, update)
    assert update.state == FirmwareState.FAILED
    assert words in update.note


@pytest.mark.testcase("TC_L_10_CSMS")
def test_tc_l_10_a_new_update_cancels_the_old_one(
    csms: Csms, charge_point: ChargePoint, technician: Actor, file: FirmwareFile
) -> None:
    """Secure Firmware Update - AcceptedCanceled (L01.FR.24); reports of the old one no longer count (N24)"""
    old, first = begin(csms, charge_point, technician, file)
    first.answer(status="Accepted")
    report(csms, charge_point, first, "Downloading")
    followed(csms, old)
    firmware_updates.call_off(old, actor=technician, now=csms.now)
    new, second = begin(csms, charge_point, technician, file)
    assert second.payload["requestId"] != first.payload["requestId"]
    command = second.answer(status="AcceptedCanceled")
    assert (command.status, command.summary) == (
        CommandStatus.ACCEPTED,
        "An earlier update was cancelled for this one.",
    )
    report(csms, charge_point, first, "DownloadFailed")
    report(csms, charge_point, second, *DONE)
    restart(csms, charge_point, "2.0.0")
    report(csms, charge_point, second, "Installed")
    assert followed(csms, new).state == FirmwareState.VERIFIED


@pytest.mark.testcase("TC_L_11_CSMS")
def test_tc_l_11_update_that_cannot_be_cancelled(
    csms: Csms, charge_point: ChargePoint, technician: Actor, file: FirmwareFile
) -> None:
    """Secure Firmware Update - Unable to cancel (L01.FR.27): the running one goes on"""
    update, order = begin(csms, charge_point, technician, file)
    order.answer(status="Accepted")
    report(csms, charge_point, order, "Downloading")
    other = csms.order(
        charge_point,
        "signed_update_firmware",
        {"location": "https://files.example.org/f.bin", "signing_certificate": PEM, "signature": "c2ln"},
    )
    assert other.answer(status="Rejected").status == CommandStatus.REJECTED
    report(csms, charge_point, order, *DONE[1:])
    restart(csms, charge_point, "2.0.0")
    report(csms, charge_point, order, "Installed")
    assert followed(csms, update).state == FirmwareState.VERIFIED


@pytest.mark.testcase("TC_L_13_CSMS")
def test_tc_l_13_update_waits_for_a_session(
    csms: Csms, charge_point: ChargePoint, technician: Actor, file: FirmwareFile
) -> None:
    """Secure Firmware Update - Unable to download/install firmware with ongoing transaction"""
    update, order = begin(csms, charge_point, technician, file)
    assert order.payload["firmware"]["signingCertificate"] == file.signing_certificate
    order.answer(status="Accepted")
    report(csms, charge_point, order, "DownloadScheduled")
    csms.send(charge_point, "StatusNotification", status(2, "Unavailable", at=csms.now))
    assert followed(csms, update).state == FirmwareState.ORDERED
    report(csms, charge_point, order, *DONE)
    restart(csms, charge_point, "2.0.0")
    report(csms, charge_point, order, "Installed")
    assert followed(csms, update).state == FirmwareState.VERIFIED


def test_update_without_signature(csms: Csms, charge_point: ChargePoint, technician: Actor) -> None:
    """L02: reports name the request as well"""
    update, order = begin(csms, charge_point, technician, uploaded(technician))
    assert order.action == "UpdateFirmware"
    assert "signingCertificate" not in order.payload["firmware"]
    order.answer(status="Accepted")
    said = {"status": "DownloadFailed", "requestId": order.payload["requestId"] + 7}
    csms.send(charge_point, "FirmwareStatusNotification", said)
    report(csms, charge_point, order, "Downloading")
    assert followed(csms, update).state == FirmwareState.DOWNLOADING


# ---------------------------------------------------------------- publishing
def publish(csms: Csms, charge_point: ChargePoint) -> Order:
    given = {"location": "https://user:pw@files.example.org/f.bin", "checksum": MD5, "retries": 2}
    return csms.order(charge_point, "publish_firmware", given)


def tell(
    csms: Csms, charge_point: ChargePoint, order: Order, *statuses: str, **more: Any
) -> PublishedFirmware:
    for value in statuses:
        said = {"status": value, "requestId": order.payload["requestId"]}
        if value == statuses[-1]:
            said |= more
        assert csms.send(charge_point, "PublishFirmwareStatusNotification", said) == {}
    return PublishedFirmware.objects.get(charge_point=charge_point)


FETCHED = ("Downloading", "Downloaded")


@pytest.mark.testcase("TC_L_17_CSMS")
def test_tc_l_17_published(csms: Csms, charge_point: ChargePoint) -> None:
    """Publish Firmware - Published (L03.FR.01 to .04)"""
    order = publish(csms, charge_point)
    assert order.action == "PublishFirmware"
    assert order.payload == {
        "location": "https://user:pw@files.example.org/f.bin",
        "checksum": MD5,
        "retries": 2,
        "requestId": 1,
    }
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    places = ["http://10.0.0.1/f.bin", "ftp://10.0.0.1/f.bin"]
    row = tell(csms, charge_point, order, *FETCHED, "ChecksumVerified", "Published", location=places)
    assert (row.is_offered, row.locations, row.checksum) == (True, places, MD5)
    assert "pw" not in row.location


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param(
            ("Downloading", "DownloadFailed"),
            marks=pytest.mark.testcase("TC_L_24_CSMS"),
            id="TC_L_24_CSMS",
        ),
        pytest.param(
            (*FETCHED, "InvalidChecksum"), marks=pytest.mark.testcase("TC_L_19_CSMS"), id="TC_L_19_CSMS"
        ),
        pytest.param(
            (*FETCHED, "ChecksumVerified", "PublishFailed"),
            marks=pytest.mark.testcase("TC_L_20_CSMS"),
            id="TC_L_20_CSMS",
        ),
    ],
)
def test_tc_l_19_20_24_publishing_that_fails(
    csms: Csms, charge_point: ChargePoint, statuses: tuple[str, ...]
) -> None:
    """Publish Firmware - Invalid Checksum; - PublishFailed; - Download failed"""
    order = publish(csms, charge_point)
    order.answer(status="Accepted")
    row = tell(csms, charge_point, order, *statuses)
    assert (row.status, row.is_offered, row.reported_at) == (statuses[-1], False, csms.now)


@pytest.mark.parametrize(
    ("answer", "state", "gone"),
    [
        pytest.param(
            "Unpublished",
            CommandStatus.ACCEPTED,
            True,
            marks=pytest.mark.testcase("TC_L_21_CSMS"),
            id="TC_L_21_CSMS",
        ),
        pytest.param(
            "NoFirmware",
            CommandStatus.REJECTED,
            True,
            marks=pytest.mark.testcase("TC_L_22_CSMS"),
            id="TC_L_22_CSMS",
        ),
        pytest.param(
            "DownloadOngoing",
            CommandStatus.REJECTED,
            False,
            marks=pytest.mark.testcase("TC_L_23_CSMS"),
            id="TC_L_23_CSMS",
        ),
    ],
)
def test_tc_l_21_to_23_unpublish(
    csms: Csms, charge_point: ChargePoint, answer: str, state: CommandStatus, gone: bool
) -> None:
    """Unpublish Firmware - Unpublished; - NoFirmware; - Download Ongoing (L04.FR.01 to .04)"""
    order = publish(csms, charge_point)
    order.answer(status="Accepted")
    tell(csms, charge_point, order, "Published", location=["http://10.0.0.1/f.bin"])
    back = csms.order(charge_point, "unpublish_firmware", {"checksum": MD5.upper()})
    assert back.action == "UnpublishFirmware"
    command = back.answer(status=answer)
    row = PublishedFirmware.objects.get(charge_point=charge_point)
    assert (command.status, row.ended_at is not None, row.is_offered) == (state, gone, not gone)


def test_refused_order_publishes_nothing_and_reports_of_nothing_are_kept(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """An unknown requestId is no error."""
    order = publish(csms, charge_point)
    assert order.answer(status="Rejected").status == CommandStatus.REJECTED
    said = {"status": "Published", "requestId": 77, "location": ["http://10.0.0.1/f.bin"]}
    assert csms.send(charge_point, "PublishFirmwareStatusNotification", said) == {}
    assert csms.send(charge_point, "PublishFirmwareStatusNotification", {"status": "Idle"}) == {}
    assert PublishedFirmware.objects.count() == 0
    kept = StatusReport.objects.order_by("pk").values_list("kind", "status", "request_id")
    assert list(kept) == [("publish", "Published", 77), ("publish", "Idle", None)]


def test_report_before_the_answer_counts(csms: Csms, charge_point: ChargePoint) -> None:
    """Chargers exist that send the message first."""
    order = publish(csms, charge_point)
    said = {"status": "Downloading", "requestId": order.payload["requestId"]}
    csms.send(charge_point, "PublishFirmwareStatusNotification", said)
    order.answer(status="Accepted")
    assert PublishedFirmware.objects.get(charge_point=charge_point).status == "Downloading"


@pytest.mark.parametrize("checksum", ["", "abc", "g" * 32])
def test_checksum_must_be_one(csms: Csms, charge_point: ChargePoint, checksum: str) -> None:
    with pytest.raises(InvalidPayload):
        csms.order(charge_point, "unpublish_firmware", {"checksum": checksum})


def test_reasons_of_2_1_are_taken(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1: reports may say why"""
    info = {"reasonCode": "LowDisk", "additionalInfo": "x"}
    said = {"status": "DownloadFailed", "requestId": 1, "statusInfo": info}
    assert csms21.send(charge_point, "FirmwareStatusNotification", said) == {}
    assert csms21.send(charge_point, "PublishFirmwareStatusNotification", said) == {}
