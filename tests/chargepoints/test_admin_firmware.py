"""Firmware and logs in the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.permissions import Actor
from chargepoints.choices import CommandStatus
from chargepoints.models import (
    ChargePoint,
    Command,
    Connection,
    FirmwareCampaign,
    FirmwareFile,
    FirmwareUpdate,
    LogRequest,
)
from chargepoints.services import firmware_campaigns as campaigns
from chargepoints.services import log_requests
from csms_project.common import file_store
from tests import factories
from tests.browsing import sign_in
from tests.chargepoints.firmware import CONTENT, answer, followed, report, signed, uploaded

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "https://csms.example.com"


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:chargepoints_{name}", args=args)


def tab(client: Client, charge_point: ChargePoint) -> str:
    response = client.get(url("chargepoint_change", charge_point.pk) + "?tab=firmware")
    assert response.status_code == 200
    return response.content.decode()


def test_file_is_uploaded_in_its_form(technician: Actor, client: Client) -> None:
    sign_in(client, technician)
    content = SimpleUploadedFile("fw 2.bin", CONTENT)
    data = {"name": "FW 2", "version": "2.0.0", "content": content, **signed()}
    response = client.post(url("firmwarefile_add"), data)
    assert response.status_code == 302, response.context["adminform"].form.errors
    file = FirmwareFile.objects.get()
    assert (file.size, file.file_name, file.signature_state) == (len(CONTENT), "fw-2.bin", "valid")
    page = client.get(url("firmwarefile_change", file.pk)).content.decode()
    assert file.sha256 in page
    assert "Signature is right" in page
    saved: Any = client.get(url("firmwarefile_content", file.pk))
    assert b"".join(saved.streaming_content) == CONTENT
    assert saved["Content-Disposition"].startswith("attachment")


def test_file_that_is_wrong_is_told_in_the_form(
    technician: Actor, client: Client, settings: Settings
) -> None:
    settings.FIRMWARE_MAX_BYTES = 10
    sign_in(client, technician)
    large = SimpleUploadedFile("x", CONTENT)
    response = client.post(url("firmwarefile_add"), {"name": "F", "content": large})
    assert "is larger than" in response.content.decode()
    both = SimpleUploadedFile("x", b"x")
    response = client.post(
        url("firmwarefile_add"), {"name": "F", "content": both, "url": "https://a.example/"}
    )
    assert "not both" in response.content.decode()
    response = client.post(url("firmwarefile_add"), {"name": "F", "url": "gopher://x/"}, follow=True)
    assert "Must be an address" in response.content.decode()
    assert not FirmwareFile.objects.exists()


def test_campaign_is_planned_in_its_form(technician: Actor, client: Client, connection: Connection) -> None:
    file = uploaded(technician)
    sign_in(client, technician)
    station = connection.charge_point
    form = client.get(url("firmwarecampaign_add") + f"?file={file.pk}&charge_points={station.pk}")
    assert "CP-A" in form.content.decode()
    data = {"file": file.pk, "charge_points": "cp-a\n", "batch_size": 5, "attempts": 1, "only_idle": "on"}
    refused = client.post(url("firmwarecampaign_add"), data)
    assert "Tick the box" in refused.content.decode()
    response = client.post(url("firmwarecampaign_add"), data | {"confirm": "on"})
    campaign = FirmwareCampaign.objects.get()
    assert response["Location"] == url("firmwarecampaign_change", campaign.pk)
    assert (campaign.created_via, campaign.batch_size) == ("admin", 5)
    assert [row.charge_point for row in campaign.updates.all()] == [station]


def test_chargers_chosen_in_the_list_go_into_the_form(
    technician: Actor, support: Actor, client: Client, charge_point: ChargePoint
) -> None:
    data = {"action": "update_firmware", "_selected_action": [charge_point.pk]}
    sign_in(client, technician)
    form: Any = client.post(url("chargepoint_changelist"), data, follow=True)
    assert form.redirect_chain[0][0].endswith(f"/firmwarecampaign/add/?charge_points={charge_point.pk}")
    assert "CP-A" in form.content.decode()
    sign_in(client, support)
    refused: Any = client.post(url("chargepoint_changelist"), data, follow=True)
    assert "firmwarecampaign" not in str(refused.redirect_chain)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"charge_points": "CP-A\nNOPE"}, "There is no such charge point: NOPE"),
        ({"charge_points": "CP-B"}, "There is no such charge point: CP-B"),
        ({"charge_points": ""}, "There is no such charge point"),
        ({"window_start": "02:00"}, "Give both times"),
    ],
)
def test_campaign_that_cannot_be_is_told_in_the_form(
    technician: Actor,
    client: Client,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    fields: dict[str, str],
    text: str,
) -> None:
    file = uploaded(technician)
    sign_in(client, technician)
    data = {
        "file": file.pk,
        "charge_points": "CP-A",
        "batch_size": 5,
        "attempts": 1,
        "confirm": "on",
        **fields,
    }
    assert text in client.post(url("firmwarecampaign_add"), data).content.decode()
    assert not FirmwareCampaign.objects.exists()


def test_file_of_another_tenant_cannot_be_chosen(
    technician: Actor, stranger: Actor, client: Client, charge_point: ChargePoint
) -> None:
    foreign = uploaded(stranger)
    sign_in(client, technician)
    data = {"file": foreign.pk, "charge_points": "CP-A", "batch_size": 5, "attempts": 1, "confirm": "on"}
    assert "Select a valid choice" in client.post(url("firmwarecampaign_add"), data).content.decode()
    assert (
        "Select a valid choice"
        in client.post(
            url("firmwareupdate_new", charge_point.pk), {"file": foreign.pk, "confirm": "on"}
        ).content.decode()
    )


def test_page_of_a_campaign_shows_each_charger(
    technician: Actor, client: Client, connection: Connection
) -> None:
    station = connection.charge_point
    campaigns.update_one(actor=technician, charge_point=station, file=uploaded(technician))
    update = FirmwareUpdate.objects.get()
    answer(update)
    report(station, "Downloading", "InstallationFailed")
    followed(update)
    sign_in(client, technician)
    page = client.get(url("firmwarecampaign_change", update.campaign_id)).content.decode()
    assert "The charger could not install the firmware." in page
    assert "Retry the failed…" in page
    assert "Pause…" not in page
    live = client.get(url("firmwarecampaign_live", update.campaign_id))
    assert live["HX-Refresh"] == "true"
    export: Any = client.get(url("firmwarecampaign_export", update.campaign_id))
    lines = b"".join(export.streaming_content).decode()
    assert "CP-A,failed,1" in lines


def test_campaign_is_steered_by_its_buttons(
    technician: Actor, client: Client, charge_point: ChargePoint
) -> None:
    choice = campaigns.Choice(charge_points=[charge_point])
    campaign = campaigns.create_campaign(
        actor=technician, file=uploaded(technician), choice=choice, plan=campaigns.Plan()
    )
    sign_in(client, technician)
    for step, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert client.get(url("firmwarecampaign_step", campaign.pk, step)).status_code == 200
        client.post(url("firmwarecampaign_step", campaign.pk, step))
        campaign.refresh_from_db()
        assert campaign.state == state
    again = client.post(url("firmwarecampaign_step", campaign.pk, "cancel"), follow=True)
    assert "The campaign is over." in again.content.decode()
    assert client.get(url("firmwarecampaign_step", campaign.pk, "explode")).status_code == 404


def test_one_charger_is_updated_from_its_tab(
    technician: Actor, client: Client, connection: Connection
) -> None:
    station = connection.charge_point
    sign_in(client, technician)
    form_url = url("firmwareupdate_new", station.pk)
    assert "There is no firmware file yet" in client.get(form_url).content.decode()
    file = uploaded(technician)
    response = client.post(form_url, {"file": file.pk, "confirm": "on"})
    assert response["Location"].endswith("?tab=firmware")
    assert Command.objects.get().action == "update_firmware"
    page = tab(client, station)
    assert "FW 2" in page
    assert "Being asked" in page
    second = client.post(form_url, {"file": file.pk, "confirm": "on"})
    assert "cancel it first" in second.content.decode()
    update = FirmwareUpdate.objects.get()
    cancel = url("firmwareupdate_cancel", station.pk, update.pk)
    assert "may still do" in client.get(cancel).content.decode()
    client.post(cancel)
    assert "Cancelled" in tab(client, station)


def test_update_of_another_charger_is_not_cancelled_here(
    technician: Actor, client: Client, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    foreign = factories.FirmwareUpdateFactory(charge_point=other_charge_point)
    sign_in(client, technician)
    assert client.post(url("firmwareupdate_cancel", charge_point.pk, foreign.pk)).status_code == 404
    assert client.post(url("firmwareupdate_cancel", other_charge_point.pk, foreign.pk)).status_code == 404


def test_offline_charger_is_told_in_the_form(
    technician: Actor, client: Client, charge_point: ChargePoint
) -> None:
    file = uploaded(technician)
    sign_in(client, technician)
    response = client.post(url("firmwareupdate_new", charge_point.pk), {"file": file.pk, "confirm": "on"})
    assert "is offline" in response.content.decode()


# ---------------------------------------------------------------- logs
def test_diagnostics_are_asked_for_and_saved(
    technician: Actor, client: Client, connection: Connection
) -> None:
    station = connection.charge_point
    sign_in(client, technician)
    form = client.get(url("logrequest_ask", station.pk) + "?kind=SecurityLog")
    assert 'value="SecurityLog" selected' in form.content.decode()
    response = client.post(url("logrequest_ask", station.pk), {"kind": "diagnostics"})
    assert response["Location"].endswith("?tab=firmware")
    request = LogRequest.objects.get()
    stored = file_store.store("uploads", [SCRIPT.encode()], limit=1000)
    log_requests.take_file(request, stored, file_name=f"{SCRIPT}.html", address="::1", now=factories.now())
    page = tab(client, station)
    assert "Uploaded" in page
    assert SCRIPT not in page
    saved: Any = client.get(url("logrequest_file", request.pk))
    assert b"".join(saved.streaming_content) == SCRIPT.encode()
    assert saved["Content-Type"] == "application/octet-stream"
    assert saved["Content-Disposition"].startswith("attachment")
    assert "sandbox" in saved["Content-Security-Policy"]
    assert saved["X-Content-Type-Options"] == "nosniff"
    assert SCRIPT not in client.get(url("logrequest_change", request.pk)).content.decode()
    assert SCRIPT not in client.get(url("logrequest_changelist")).content.decode()


def test_what_cannot_be_asked_is_told_in_the_form(
    technician: Actor, client: Client, charge_point: ChargePoint
) -> None:
    sign_in(client, technician)
    path = url("logrequest_ask", charge_point.pk)
    assert "is offline" in client.post(path, {"kind": "diagnostics"}).content.decode()
    bad = client.post(path, {"kind": "diagnostics", "url": "gopher://x/"})
    assert "Must be an address" in bad.content.decode()


def test_files_are_deleted_and_requests_cancelled_in_the_list(
    technician: Actor, client: Client, charge_point: ChargePoint
) -> None:
    request = factories.LogRequestFactory(charge_point=charge_point)
    stored = file_store.store("uploads", [b"x"], limit=10)
    log_requests.take_file(request, stored, file_name="", address="", now=factories.now())
    waiting = factories.LogRequestFactory(charge_point=charge_point)
    sign_in(client, technician)
    data = {"action": "delete_files", "_selected_action": [request.pk]}
    assert "removed for good" in client.post(url("logrequest_changelist"), data).content.decode()
    client.post(url("logrequest_changelist"), data | {"confirmed": "1"})
    client.post(url("logrequest_changelist"), {"action": "cancel", "_selected_action": [waiting.pk]})
    for row in (request, waiting):
        row.refresh_from_db()
    assert (request.has_file, waiting.state) == (False, "cancelled")


def test_logs_are_not_for_everybody(
    viewer: Actor, support: Actor, stranger: Actor, client: Client, charge_point: ChargePoint
) -> None:
    request = factories.LogRequestFactory(charge_point=charge_point)
    stored = file_store.store("uploads", [b"x"], limit=10)
    log_requests.take_file(request, stored, file_name="diag.log", address="", now=factories.now())
    path = url("logrequest_file", request.pk)
    assert client.get(path).status_code == 302
    for actor, status in ((viewer, 403), (stranger, 404), (support, 200)):
        sign_in(client, actor)
        assert client.get(path).status_code == status
    sign_in(client, viewer)
    page = tab(client, charge_point)
    assert "diag.log" not in page
    assert "Ask for diagnostics" not in page
    sign_in(client, support)
    assert "diag.log" in tab(client, charge_point)
    assert client.post(url("logrequest_ask", charge_point.pk), {"kind": "diagnostics"}).status_code == 403


def test_tab_without_anything_says_what_to_do(
    technician: Actor, client: Client, charge_point: ChargePoint
) -> None:
    sign_in(client, technician)
    page = tab(client, charge_point)
    assert "No update was made from here yet." in page
    assert "No diagnostics and no log was asked for yet." in page


def test_failed_order_stands_in_the_tab(technician: Actor, client: Client, connection: Connection) -> None:
    station = connection.charge_point
    update = campaigns.update_one(actor=technician, charge_point=station, file=uploaded(technician))
    answer(update, CommandStatus.NOT_SUPPORTED)
    followed(update)
    sign_in(client, technician)
    assert "takes no unsigned firmware" in tab(client, station)
