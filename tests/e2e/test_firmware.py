"""Firmware and logs over real sockets: simulated chargers really fetch and send the files (OCPP 1.6 §5.9, §5.19)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CampaignState, FirmwareState, LogState
from chargepoints.models import ChargePoint, FirmwareCampaign, FirmwareFile, FirmwareUpdate, LogRequest
from chargepoints.services import firmware_campaigns as campaigns
from chargepoints.services import firmware_files, log_requests
from csms_project.common import file_store
from tests.chargepoints.firmware import CONTENT, signed
from tests.e2e.conftest import default_tenant, register
from tests.e2e.product import Product, wait_until
from tests.e2e.simulated import living

pytestmark = pytest.mark.server

ACTOR = Actor.system("tests", via="cli")
LARGE = CONTENT + bytes(3_000_000)


@pytest.fixture(autouse=True)
def _same_files(product: Product, settings: Settings) -> None:
    """The test writes where the server reads, and names the address that the server gives itself."""
    settings.FILES_DIR = Path(product.directory) / "files"
    settings.FILES_URL = f"http://127.0.0.1:{product.port}"


def make_file(name: str, content: bytes = LARGE, **fields: Any) -> FirmwareFile:
    file = firmware_files.create_file(
        actor=ACTOR, tenant=default_tenant(), name=name, version="2.0.0", **fields
    )
    return firmware_files.set_content(actor=ACTOR, file=file, pieces=[content], file_name="fw.bin")


def wait_over(update: FirmwareUpdate) -> FirmwareUpdate:
    def is_over() -> bool:
        update.refresh_from_db()
        return update.ended_at is not None

    wait_until(is_over, "the update is over", 50)
    return update


def test_campaign_of_two_chargers_of_which_one_fails(product: Product) -> None:
    file = make_file("Campaign of two")
    with living(product, "FW-GOOD", "FW-BROKEN") as life:
        rows = list(ChargePoint.objects.filter(identity__in=("FW-GOOD", "FW-BROKEN")))
        campaign = campaigns.create_campaign(
            actor=ACTOR, file=file, choice=campaigns.Choice(charge_points=rows), plan=campaigns.Plan()
        )
        good, broken = (
            wait_over(campaign.updates.get(charge_point__identity=name)) for name in ("FW-GOOD", "FW-BROKEN")
        )
        assert life.chargers[0].station.firmware == "2.0.0"
    assert (good.state, broken.state) == (FirmwareState.VERIFIED, FirmwareState.FAILED)
    assert good.note == "The charger runs 2.0.0."
    assert broken.note == "The charger could not install the firmware."
    assert (good.fetched_bytes, good.fetches) == (len(LARGE), 1)
    assert good.fetch_ended_at is not None
    statuses = [step["status"] for step in good.steps]
    assert statuses[:6] == ["Asked", "Ordered", "Downloading", "Downloaded", "Installing", "Installed"]
    wait_until(
        lambda: FirmwareCampaign.objects.get(pk=campaign.pk).state == CampaignState.FINISHED,
        "the campaign is finished",
    )


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1", "2.1"])
def test_signed_firmware_is_verified_by_the_charger(product: Product, ocpp: str) -> None:
    file = make_file(f"Signed {ocpp}", **signed(LARGE, kind="rsa"))
    with living(product, f"FW-SIGNED-{ocpp}", ocpp=ocpp):
        station = ChargePoint.objects.get(identity=f"FW-SIGNED-{ocpp}")
        update = wait_over(campaigns.update_one(actor=ACTOR, charge_point=station, file=file))
    assert update.state == FirmwareState.VERIFIED
    assert "SignatureVerified" in [step["status"] for step in update.steps]


@pytest.mark.parametrize(
    ("method", "kind", "ocpp"),
    [("PUT", "diagnostics", "1.6"), ("POST", "SecurityLog", "1.6"), ("PUT", "SecurityLog", "2.0.1")],
)
def test_log_arrives_and_can_be_saved(product: Product, method: str, kind: str, ocpp: str) -> None:
    identity = f"LOG-{method}-{ocpp}"
    with living(product, identity, upload_method=method, ocpp=ocpp):
        station = ChargePoint.objects.get(identity=identity)
        request = log_requests.request_log(actor=ACTOR, charge_point=station, kind=kind)

        def has_come() -> bool:
            request.refresh_from_db()
            return request.has_file

        wait_until(has_come, "the file has come")
    assert request.state == LogState.UPLOADED
    content = file_store.path_of("uploads", request.stored_as).read_bytes()
    assert identity.encode() in content
    assert b"HeartbeatInterval=" in content
    assert request.size == len(content)


def test_upload_address_refuses_strangers_and_what_is_too_large(product: Product) -> None:
    station = register("LOG-RAW")
    request = log_requests.request_log(actor=ACTOR, charge_point=station, kind="diagnostics", expires_in=3600)
    assert request.command is not None
    url = str(commands.payload_of(request.command)["location"])
    assert status_of(url.replace("/upload/", "/upload/x"), b"evil") == 404
    assert status_of(url, b"", method="GET") == 405
    assert status_of(url, bytes(101 * 1024 * 1024)) in (0, 413)
    assert LogRequest.objects.get(pk=request.pk).has_file is False
    assert status_of(url + "a.log", b"mine") == 201
    assert status_of(url + "a.log", b"second") == 409


def status_of(url: str, body: bytes, *, method: str = "PUT") -> int:
    """The answer's status; 0 where the server cut the upload short."""
    try:
        with urlopen(Request(url, data=body or None, method=method), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
