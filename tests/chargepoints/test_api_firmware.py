"""Firmware and logs over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Connection, FirmwareFile, FirmwareUpdate, LogRequest
from chargepoints.services import log_requests
from csms_project.common import file_store
from tests import factories
from tests.api import V1, client_of, names, problem_of
from tests.chargepoints.firmware import CONTENT, answer, followed, signed

pytestmark = pytest.mark.django_db
FILES, CAMPAIGNS = V1 + "firmware-files/", V1 + "firmware-campaigns/"
UPDATES = V1 + "charge-points/CP-A/firmware-updates/"
LOGS = V1 + "charge-points/CP-A/log-requests/"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "https://csms.example.com"


def upload(actor: Actor, content: bytes = CONTENT, **fields: Any) -> dict[str, Any]:
    client: Any = client_of(actor)
    made = client.post(FILES, {"name": "FW 2", "version": "2.0.0", **fields})
    assert made.status_code == 201, made.content
    url = f"{FILES}{made.json()['id']}/content/?file_name=fw-2.bin"
    filled = client.generic("POST", url, content, content_type="application/octet-stream")
    assert filled.status_code == 200, filled.content
    found: dict[str, Any] = filled.json()
    return found


def test_file_is_described_and_then_uploaded(technician: Actor) -> None:
    file = upload(technician, **signed())
    assert (file["size"], file["file_name"], file["is_ready"]) == (len(CONTENT), "fw-2.bin", True)
    assert (file["is_signed"], file["signature_state"]) == (True, "valid")
    assert "secret_url" not in file


def test_address_is_shown_without_its_password(technician: Actor) -> None:
    made = client_of(technician).post(FILES, {"name": "F", "url": "ftp://u:pw@ftp.example.com/f"})
    assert made.json()["url"] == "ftp://***@ftp.example.com/f"
    changed = client_of(technician).patch(
        f"{FILES}{made.json()['id']}/", {"url": made.json()["url"], "note": "n"}
    )
    assert changed.json()["note"] == "n"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "javascript:x"}, "url"),
        ({"signature": "AAAA"}, "signing_certificate"),
        ({"name": ""}, "name"),
    ],
)
def test_file_that_is_wrong_is_named(technician: Actor, fields: dict[str, str], field: str) -> None:
    response = client_of(technician).post(FILES, {"name": "F", **fields})
    assert field in problem_of(response, 400)["errors"]


def test_content_that_is_too_large_or_empty_or_of_a_wrong_type_is_refused(
    technician: Actor, settings: Settings
) -> None:
    settings.FIRMWARE_MAX_BYTES = 100
    client: Any = client_of(technician)
    url = f"{FILES}{client.post(FILES, {'name': 'F'}).json()['id']}/content/"
    binary = "application/octet-stream"
    assert problem_of(client.generic("POST", url, CONTENT, content_type=binary), 413)["code"] == "too_large"
    problem_of(client.generic("POST", url, b"", content_type=binary), 400)
    problem_of(client.post(url, {"a": 1}), 415)


def test_name_is_taken_once(technician: Actor) -> None:
    upload(technician)
    problem_of(client_of(technician).post(FILES, {"name": "FW 2"}), 409)


def test_update_of_one_charger_is_made_and_cancelled(technician: Actor, connection: Connection) -> None:
    file = upload(technician)
    client = client_of(technician)
    made = client.post(UPDATES, {"file": file["id"]})
    assert made.status_code == 201
    shown = made.json()
    assert (shown["state"], shown["wanted_version"], shown["charge_point"]) == ("queued", "2.0.0", "CP-A")
    assert shown["steps"][0]["status"] == "Asked"
    assert "files/firmware" not in made.content.decode()
    problem_of(client.post(UPDATES, {"file": file["id"]}), 409)
    cancelled = client.post(f"{UPDATES}{shown['id']}/cancel/")
    assert cancelled.json()["state"] == "cancelled"
    problem_of(client.post(f"{UPDATES}{shown['id']}/cancel/"), 409)


def test_update_of_an_offline_charger_waits_if_told(technician: Actor, charge_point: ChargePoint) -> None:
    file = upload(technician)
    client = client_of(technician)
    refused = client.post(UPDATES, {"file": file["id"]})
    assert problem_of(refused, 409)["code"] == "charge_point_offline"
    assert client.post(UPDATES, {"file": file["id"], "wait": True}).json()["state"] == "waiting"


def test_repeat_with_the_same_key_makes_one_update(technician: Actor, connection: Connection) -> None:
    file = upload(technician)
    client = client_of(technician, HTTP_IDEMPOTENCY_KEY="k1")
    first, second = (client.post(UPDATES, {"file": file["id"]}) for _ in range(2))
    assert first.json() == second.json()
    assert FirmwareUpdate.objects.count() == 1


def test_file_of_another_tenant_does_not_exist(
    technician: Actor, connection: Connection, stranger: Actor
) -> None:
    foreign = upload(stranger)
    client = client_of(technician)
    assert "file" in problem_of(client.post(UPDATES, {"file": foreign["id"]}), 400)["errors"]
    problem_of(client.get(f"{FILES}{foreign['id']}/"), 404)
    problem_of(client.post(CAMPAIGNS, {"file": foreign["id"], "charge_points": ["CP-A"]}), 400)


def test_campaign_is_planned_steered_and_followed(technician: Actor, connection: Connection) -> None:
    file = upload(technician)
    client = client_of(technician)
    made = client.post(CAMPAIGNS, {"file": file["id"], "charge_points": ["cp-a"], "batch_size": 1})
    assert made.status_code == 201
    campaign = made.json()
    assert (campaign["state"], campaign["counts"]) == ("running", {"waiting": 1})
    url = f"{CAMPAIGNS}{campaign['id']}/"
    assert client.post(url + "pause/").json()["state"] == "paused"
    problem_of(client.post(url + "pause/"), 409)
    assert client.post(url + "resume/").json()["state"] == "running"
    update = FirmwareUpdate.objects.get()
    followed(update)
    answer(update, CommandStatus.REJECTED)
    followed(update)
    assert client.get(url).json()["state"] == "finished"
    assert names(client.get(url + "updates/?state=failed"), "charge_point") == ["CP-A"]
    assert names(client.get(url + "updates/?state=verified"), "charge_point") == []
    assert client.post(url + "retry/").json()["counts"] == {"waiting": 1}
    assert client.post(url + "cancel/").json()["state"] == "cancelled"
    assert names(client.get(CAMPAIGNS + "?state=cancelled"), "id") == [campaign["id"]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"charge_points": ["NOPE"]}, "charge_points"),
        ({"charge_points": ["CP-B"]}, "charge_points"),
        ({}, "charge_points"),
        ({"charge_points": ["CP-A"], "batch_size": 0}, "batch_size"),
        ({"charge_points": ["CP-A"], "window_start": "02:00"}, "window_end"),
        ({"location": 999999}, "location"),
    ],
)
def test_campaign_that_cannot_be_is_named(
    technician: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint, fields: Any, field: str
) -> None:
    response = client_of(technician).post(CAMPAIGNS, {"file": upload(technician)["id"], **fields})
    assert field in problem_of(response, 400)["errors"]


# ---------------------------------------------------------------- logs
def arrived(request: LogRequest, content: bytes = b"<html>") -> None:
    stored = file_store.store("uploads", [content], limit=1000)
    assert log_requests.take_file(
        request, stored, file_name="diag.html", address="192.0.2.7", now=factories.now()
    )


def test_diagnostics_are_asked_for_and_fetched(technician: Actor, connection: Connection) -> None:
    client = client_of(technician)
    made = client.post(LOGS, {"kind": "diagnostics"})
    assert made.status_code == 201
    assert "files/upload" not in made.content.decode()
    url = f"{LOGS}{made.json()['id']}/"
    assert problem_of(client.get(url + "file/"), 404)["code"] == "file_missing"
    request = LogRequest.objects.get()
    assert request.command is not None
    assert "/files/upload/" in commands.payload_of(request.command)["location"]
    arrived(request)
    shown = client.get(url).json()
    assert (shown["state"], shown["has_file"], shown["size"], shown["file_name"]) == (
        "uploaded",
        True,
        6,
        "diag.html",
    )
    for accept in ("application/octet-stream", "application/json", "*/*"):
        response: Any = client.get(url + "file/", HTTP_ACCEPT=accept)
        assert b"".join(response.streaming_content) == b"<html>"
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"].startswith("attachment")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]
    assert client.delete(url + "file/").status_code == 204
    problem_of(client.get(url + "file/"), 404)
    assert names(client.get(LOGS + "?has_file=false"), "id") == [request.pk]


def test_request_that_cannot_be_is_named(technician: Actor, connection: Connection) -> None:
    client = client_of(technician)
    assert "kind" in problem_of(client.post(LOGS, {"kind": "all"}), 400)["errors"]
    assert "url" in problem_of(client.post(LOGS, {"kind": "diagnostics", "url": "x"}), 400)["errors"]


def test_offline_charger_gets_409_unless_it_may_wait(technician: Actor, charge_point: ChargePoint) -> None:
    client = client_of(technician)
    problem_of(client.post(LOGS, {"kind": "diagnostics"}), 409)
    made = client.post(LOGS, {"kind": "diagnostics", "expires_in": 3600})
    assert made.status_code == 201
    assert client.post(f"{LOGS}{made.json()['id']}/cancel/").json()["state"] == "cancelled"
    problem_of(client.post(f"{LOGS}{made.json()['id']}/cancel/"), 409)


def test_file_is_for_those_who_may_see_logs(
    viewer: Actor, support: Actor, stranger: Actor, charge_point: ChargePoint
) -> None:
    request = factories.LogRequestFactory(charge_point=charge_point)
    arrived(request)
    url = f"{LOGS}{request.pk}/file/"
    assert client_of(support).get(url).status_code == 200
    problem_of(client_of(support).delete(url), 403)
    problem_of(client_of(viewer).get(url), 403)
    problem_of(client_of(stranger).get(url), 404)
    problem_of(client_of(None).get(url), 401)


def test_missing_file_on_the_disk_is_a_404(technician: Actor, charge_point: ChargePoint) -> None:
    request = factories.LogRequestFactory(charge_point=charge_point, stored_as="0" * 32, sha256="x")
    problem_of(client_of(technician).get(f"{LOGS}{request.pk}/file/"), 404)


def test_file_in_use_is_not_deleted(technician: Actor) -> None:
    file = FirmwareFile.objects.get(pk=upload(technician)["id"])
    factories.FirmwareCampaignFactory(file=file)
    problem_of(client_of(technician).delete(f"{FILES}{file.pk}/"), 409)
