"""Campaigns and what becomes of each charger's update."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.errors import AccountsError
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import CampaignState, CommandStatus, FirmwareState
from chargepoints.models import ChargePoint, Command, Connection, FirmwareFile, FirmwareUpdate, Location
from chargepoints.services import firmware_campaigns as campaigns
from chargepoints.services import firmware_following
from chargepoints.services.firmware_campaigns import Choice, Plan
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.firmware import answer, boot, followed, report, signed, uploaded

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "https://csms.example.com/"


@pytest.fixture
def file(technician: Actor) -> FirmwareFile:
    return uploaded(technician)


@pytest.fixture
def update(technician: Actor, file: FirmwareFile, connection: Connection) -> FirmwareUpdate:
    """Asked of CP-A, which ran 1.0.0."""
    ChargePoint.objects.update(firmware_version="1.0.0")
    connection.charge_point.refresh_from_db()
    return campaigns.update_one(actor=technician, charge_point=connection.charge_point, file=file)


@pytest.fixture
def ordered(update: FirmwareUpdate) -> FirmwareUpdate:
    answer(update)
    return followed(update)


def fleet(tenant: Any, count: int, *, online: bool = True, **fields: Any) -> list[ChargePoint]:
    rows: list[ChargePoint] = [
        factories.ChargePointFactory(tenant=tenant, connectors=1, **fields) for _ in range(count)
    ]
    for row in rows if online else ():
        factories.ConnectionFactory(charge_point=row)
    return rows


def make(actor: Actor, file: FirmwareFile, rows: list[ChargePoint], **plan: Any) -> Any:
    return campaigns.create_campaign(
        actor=actor, file=file, choice=Choice(charge_points=rows), plan=Plan(**plan)
    )


def states(campaign: Any) -> list[str]:
    return list(campaign.updates.order_by("pk").values_list("state", flat=True))


# ---------------------------------------------------------------- one charger
def test_update_of_one_is_asked_at_once_with_a_link_of_its_own(update: FirmwareUpdate) -> None:
    assert update.state == FirmwareState.QUEUED
    command = update.command
    assert command is not None
    assert command.action == "update_firmware"
    location = commands.payload_of(command)["location"]
    assert location.startswith("https://csms.example.com/files/firmware/")
    assert location.endswith("/fw-2.0.0.bin")
    token = location.split("/")[5]
    assert len(token) >= 32
    assert token not in str(command.payload)
    assert command.payload["location"] == "https://csms.example.com/files/firmware/***/fw-2.0.0.bin"
    assert token not in "".join(map(str, AuditEntry.objects.values_list("changes", flat=True)))


def test_signed_file_makes_a_signed_update(technician: Actor, connection: Connection) -> None:
    file = uploaded(technician, **signed())
    update = campaigns.update_one(actor=technician, charge_point=connection.charge_point, file=file)
    assert update.command is not None
    assert update.command.action == "signed_update_firmware"
    assert update.command.payload["signature"] == file.signature
    assert update.request_id == update.command.payload["request_id"]


def test_wrong_signature_is_not_sent(technician: Actor, connection: Connection) -> None:
    file = uploaded(technician, **signed(b"other"))
    with pytest.raises(errors.SignatureWrong):
        campaigns.update_one(actor=technician, charge_point=connection.charge_point, file=file)


def test_update_of_an_offline_charger_is_refused_or_waits(
    technician: Actor, file: FirmwareFile, charge_point: ChargePoint
) -> None:
    with pytest.raises(errors.ChargePointOffline):
        campaigns.update_one(actor=technician, charge_point=charge_point, file=file)
    assert not FirmwareUpdate.objects.exists()
    update = campaigns.update_one(actor=technician, charge_point=charge_point, file=file, wait=True)
    assert followed(update).state == FirmwareState.WAITING
    factories.ConnectionFactory(charge_point=charge_point)
    assert followed(update).state == FirmwareState.QUEUED


def test_second_update_waits_for_the_first(
    technician: Actor, file: FirmwareFile, update: FirmwareUpdate
) -> None:
    station = update.charge_point
    with pytest.raises(errors.UpdateUnderWay):
        campaigns.update_one(actor=technician, charge_point=station, file=file)
    second = campaigns.update_one(actor=technician, charge_point=station, file=file, wait=True)
    assert followed(second).state == FirmwareState.WAITING
    campaigns.cancel_update(actor=technician, update=update)
    assert followed(second).state == FirmwareState.QUEUED


def test_without_an_address_for_files_nothing_is_made(
    technician: Actor, file: FirmwareFile, connection: Connection, settings: Settings
) -> None:
    settings.FILES_URL = ""
    with pytest.raises(errors.NoFilesUrl, match="FILES_URL"):
        campaigns.update_one(actor=technician, charge_point=connection.charge_point, file=file)
    assert not Command.objects.exists()


def test_address_that_cannot_be_decrypted_fails_that_update_alone(
    technician: Actor, file: FirmwareFile
) -> None:
    secret = factories.FirmwareFileFactory(tenant=file.tenant, secret_url="not ours")
    bad, good = (make(technician, each, fleet(file.tenant, 1)) for each in (secret, file))
    campaigns.advance(factories.now())
    assert (states(bad), states(good)) == (["failed"], ["queued"])
    assert "give the address again" in bad.updates.get().note


# ---------------------------------------------------------------- following
def test_usual_update_is_verified_by_the_version_after_the_restart(ordered: FirmwareUpdate) -> None:
    assert ordered.state == FirmwareState.ORDERED
    station = ordered.charge_point
    report(station, "Downloading")
    assert followed(ordered).state == FirmwareState.DOWNLOADING
    report(station, "Downloaded", "Installing", "Installed")
    assert followed(ordered).state == FirmwareState.INSTALLED
    boot(station, "2.0.0")
    assert followed(ordered).state == FirmwareState.VERIFIED
    assert [step["status"] for step in ordered.steps] == [
        "Asked",
        "Ordered",
        "Downloading",
        "Downloaded",
        "Installing",
        "Installed",
        "Started with 2.0.0",
    ]
    ordered.campaign.refresh_from_db()
    assert ordered.campaign.state == CampaignState.FINISHED
    assert Event.objects.filter(kind="firmware.update_ended", data__state="verified").count() == 1


def test_repeats_idle_and_late_reports_change_nothing(ordered: FirmwareUpdate) -> None:
    report(
        ordered.charge_point, "Downloading", "Downloading", "Downloaded", "Idle", "Downloading", "Installing"
    )
    assert followed(ordered).state == FirmwareState.INSTALLING
    steps = len(ordered.steps)
    report(ordered.charge_point, "Installing", "Idle", "DownloadFailed", "Bogus")
    assert followed(ordered).state == FirmwareState.INSTALLING
    assert len(ordered.steps) == steps


def test_report_from_before_the_order_is_none_of_it(ordered: FirmwareUpdate) -> None:
    report(ordered.charge_point, "Installed", at=factories.now() - HOUR)
    assert followed(ordered).state == FirmwareState.ORDERED


def test_report_of_another_charger_is_none_of_it(
    ordered: FirmwareUpdate, other_charge_point: ChargePoint
) -> None:
    report(other_charge_point, "Installed")
    assert followed(ordered).state == FirmwareState.ORDERED


def test_restart_with_another_version_is_told(ordered: FirmwareUpdate) -> None:
    report(ordered.charge_point, *("Downloading", "Installing", "Installed"))
    boot(ordered.charge_point, "1.0.0", factories.now() + timedelta(seconds=5))
    assert followed(ordered).state == FirmwareState.WRONG_VERSION
    assert ordered.note == "The charger runs 1.0.0, not 2.0.0."


def test_restart_before_the_report_of_the_installation_proves_it_too(ordered: FirmwareUpdate) -> None:
    report(ordered.charge_point, "Downloading")
    boot(ordered.charge_point, "2.0.0")
    assert followed(ordered).state == FirmwareState.VERIFIED
    report(ordered.charge_point, "Installed")
    assert followed(ordered).state == FirmwareState.VERIFIED


def test_file_without_a_version_ends_as_installed(technician: Actor, connection: Connection) -> None:
    file = uploaded(technician, version="")
    update = campaigns.update_one(actor=technician, charge_point=connection.charge_point, file=file)
    answer(update)
    followed(update)
    report(connection.charge_point, "Installed")
    assert followed(update).state == FirmwareState.INSTALLED
    assert update.is_over


@pytest.mark.parametrize("status", ["DownloadFailed", "InstallationFailed"])
def test_reported_failure_ends_it(ordered: FirmwareUpdate, status: str) -> None:
    report(ordered.charge_point, status)
    assert followed(ordered).state == FirmwareState.FAILED
    assert "could not" in ordered.note


def test_failed_download_that_the_charger_repeats_is_not_the_end(
    technician: Actor, file: FirmwareFile, connection: Connection
) -> None:
    plan = Plan(only_idle=False, download_retries=1)
    update = campaigns.update_one(
        actor=technician, charge_point=connection.charge_point, file=file, plan=plan
    )
    answer(update)
    followed(update)
    report(connection.charge_point, "Downloading", "DownloadFailed")
    assert followed(update).state == FirmwareState.ORDERED
    report(connection.charge_point, "Downloading", "DownloadFailed")
    assert followed(update).state == FirmwareState.FAILED


def test_signed_reports_belong_to_their_request(technician: Actor, connection: Connection) -> None:
    station = connection.charge_point
    update = campaigns.update_one(
        actor=technician, charge_point=station, file=uploaded(technician, **signed())
    )
    answer(update)
    followed(update)
    assert update.request_id is not None
    report(station, "InvalidSignature", request_id=update.request_id + 1)
    assert followed(update).state == FirmwareState.ORDERED
    report(station, "Downloading", "SignatureVerified", request_id=update.request_id)
    assert followed(update).state == FirmwareState.DOWNLOADED
    report(station, "InvalidSignature", request_id=update.request_id)
    assert followed(update).state == FirmwareState.FAILED
    assert "signature" in update.note


@pytest.mark.parametrize(
    ("status", "error", "state", "note"),
    [
        (CommandStatus.REJECTED, None, FirmwareState.FAILED, "rejected"),
        (CommandStatus.NOT_SUPPORTED, None, FirmwareState.FAILED, "L01.FR.20"),
        (
            CommandStatus.FAILED,
            {"code": "InternalError", "description": "no flash"},
            FirmwareState.FAILED,
            "no flash",
        ),
        (
            CommandStatus.FAILED,
            {"code": "ConnectionLost", "description": ""},
            FirmwareState.UNKNOWN,
            "no answer",
        ),
        (CommandStatus.TIMED_OUT, None, FirmwareState.UNKNOWN, "no answer"),
    ],
)
def test_outcome_of_the_order_is_told(
    update: FirmwareUpdate, status: CommandStatus, error: Any, state: FirmwareState, note: str
) -> None:
    answer(update, status, error=error)
    assert followed(update).state == state
    assert note in update.note


def test_charger_that_gave_no_answer_may_update_all_the_same(update: FirmwareUpdate) -> None:
    answer(update, CommandStatus.TIMED_OUT)
    followed(update)
    report(update.charge_point, "Downloading")
    assert followed(update).state == FirmwareState.DOWNLOADING


def test_order_that_was_never_sent_waits_for_the_next_connection(update: FirmwareUpdate) -> None:
    Connection.objects.all().delete()
    answer(update, CommandStatus.EXPIRED)
    assert followed(update).state == FirmwareState.WAITING
    factories.ConnectionFactory(charge_point=update.charge_point)
    assert followed(update).state == FirmwareState.QUEUED


def test_silence_ends_in_a_time_out(ordered: FirmwareUpdate) -> None:
    report(ordered.charge_point, "Downloading")
    assert followed(ordered, later=3 * HOUR).state == FirmwareState.DOWNLOADING
    assert followed(ordered, later=5 * HOUR).state == FirmwareState.TIMED_OUT
    assert "4 hours" in ordered.note


def test_installed_without_a_restart_ends_unproved(ordered: FirmwareUpdate) -> None:
    report(ordered.charge_point, "Installed")
    followed(ordered)
    assert followed(ordered, later=5 * HOUR).state == FirmwareState.INSTALLED
    assert ordered.is_over
    assert "not started anew" in ordered.note


def test_following_costs_the_same_for_any_number_of_idle_updates(
    technician: Actor, file: FirmwareFile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        firmware_following.follow(factories.now())
    rows = fleet(file.tenant, 5)
    campaign = make(technician, file, rows)
    campaigns.advance(factories.now())
    for update in campaign.updates.all():
        answer(update)
    firmware_following.follow(factories.now())
    with django_assert_num_queries(2):
        firmware_following.follow(factories.now())


# ---------------------------------------------------------------- calling off
def test_cancelled_before_it_was_sent_is_withdrawn(technician: Actor, update: FirmwareUpdate) -> None:
    campaigns.cancel_update(actor=technician, update=update)
    update.refresh_from_db()
    assert (update.state, update.note) == (FirmwareState.CANCELLED, "")
    assert update.command is not None
    assert update.command.status == CommandStatus.CANCELLED
    with pytest.raises(errors.NotPossibleNow):
        campaigns.cancel_update(actor=technician, update=update)


def test_cancelled_afterwards_says_that_the_charger_may_go_on(
    technician: Actor, ordered: FirmwareUpdate
) -> None:
    campaigns.cancel_update(actor=technician, update=ordered)
    report(ordered.charge_point, "Installed")
    assert followed(ordered).state == FirmwareState.CANCELLED
    assert "may go on" in ordered.note


# ---------------------------------------------------------------- campaigns
def test_campaign_updates_so_many_at_a_time(technician: Actor, file: FirmwareFile) -> None:
    rows = fleet(file.tenant, 3)
    campaign = make(technician, file, rows, batch_size=2)
    assert campaigns.advance(factories.now()) == 2
    assert states(campaign) == ["queued", "queued", "waiting"]
    first = campaign.updates.earliest("pk")
    answer(first, CommandStatus.REJECTED)
    followed(first)
    assert sorted(states(campaign)) == ["failed", "queued", "queued"]


def test_campaign_waits_for_its_start(technician: Actor, file: FirmwareFile) -> None:
    campaign = make(technician, file, fleet(file.tenant, 1), starts_at=factories.now() + HOUR)
    assert campaign.is_scheduled
    assert campaigns.advance(factories.now()) == 0
    assert campaigns.advance(factories.now() + 2 * HOUR) == 1


def test_campaign_gives_up_what_has_not_begun_in_time(technician: Actor, file: FirmwareFile) -> None:
    rows = fleet(file.tenant, 2, online=False)
    campaign = make(technician, file, rows, ends_at=factories.now() + HOUR)
    campaigns.advance(factories.now() + 2 * HOUR)
    campaign.refresh_from_db()
    assert states(campaign) == ["expired", "expired"]
    assert campaign.state == CampaignState.FINISHED


def test_campaign_leaves_chargers_in_use_alone(technician: Actor, file: FirmwareFile) -> None:
    plugged, charging, idle = fleet(file.tenant, 3)
    plugged.connectors.update(status="SuspendedEV")
    factories.TransactionFactory(connector=charging.connectors.get())
    campaign = make(technician, file, [plugged, charging, idle])
    campaigns.advance(factories.now())
    assert states(campaign) == ["waiting", "waiting", "queued"]
    plugged.connectors.update(status="Available")
    campaigns.advance(factories.now())
    assert states(campaign) == ["queued", "waiting", "queued"]


def test_campaign_may_take_chargers_in_use(technician: Actor, file: FirmwareFile) -> None:
    (row,) = fleet(file.tenant, 1)
    factories.TransactionFactory(connector=row.connectors.get())
    campaign = make(technician, file, [row], only_idle=False)
    campaigns.advance(factories.now())
    assert states(campaign) == ["queued"]


@pytest.mark.parametrize(
    ("start", "stop", "zone", "inside"),
    [
        (time(2), time(4), "UTC", True),
        (time(2), time(4), "Asia/Tokyo", False),
        (time(11), time(13), "Asia/Tokyo", True),
        (time(22), time(4), "UTC", True),
        (time(22), time(3), "UTC", False),
        (time(3), time(5), "UTC", True),
    ],
)
def test_window_is_of_the_day_at_the_site(
    technician: Actor,
    file: FirmwareFile,
    location: Location,
    start: time,
    stop: time,
    zone: str,
    inside: bool,
) -> None:
    location.time_zone = zone
    location.save()
    (row,) = fleet(file.tenant, 1, location=location)
    campaign = make(technician, file, [row], window_start=start, window_end=stop)
    at = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    assert campaigns.is_in_window(campaign, row, at) is inside


def test_campaign_pauses_when_too_many_fail(technician: Actor, file: FirmwareFile) -> None:
    campaign = make(technician, file, fleet(file.tenant, 4), batch_size=2, stop_failure_percent=50)
    campaigns.advance(factories.now())
    for update in campaign.updates.filter(state="queued"):
        answer(update, CommandStatus.REJECTED)
        followed(update)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.PAUSED
    assert campaign.pause_note.endswith("updates have failed.")
    assert Event.objects.filter(kind="firmware.campaign_stopped").count() == 1
    assert "waiting" in states(campaign)


def test_single_failure_of_a_larger_batch_does_not_stop_it(technician: Actor, file: FirmwareFile) -> None:
    campaign = make(technician, file, fleet(file.tenant, 4), batch_size=4, stop_failure_percent=50)
    campaigns.advance(factories.now())
    first = campaign.updates.earliest("pk")
    answer(first, CommandStatus.REJECTED)
    followed(first)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.RUNNING


def test_failed_update_is_tried_again_after_a_rest(technician: Actor, file: FirmwareFile) -> None:
    campaign = make(technician, file, fleet(file.tenant, 1), attempts=2)
    campaigns.advance(factories.now())
    update = campaign.updates.get()
    answer(update, CommandStatus.REJECTED)
    assert followed(update).state == FirmwareState.WAITING
    assert update.attempt == 2
    assert followed(update, later=timedelta(minutes=1)).state == FirmwareState.WAITING
    assert followed(update, later=timedelta(minutes=11)).state == FirmwareState.QUEUED
    answer(update, CommandStatus.REJECTED)
    assert followed(update).state == FirmwareState.FAILED
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FINISHED


def test_paused_campaign_begins_nothing_and_goes_on_when_resumed(
    technician: Actor, file: FirmwareFile
) -> None:
    campaign = make(technician, file, fleet(file.tenant, 1))
    campaigns.pause(actor=technician, campaign=campaign)
    assert campaigns.advance(factories.now()) == 0
    with pytest.raises(errors.NotPossibleNow, match="paused"):
        campaigns.pause(actor=technician, campaign=campaign)
    campaigns.resume(actor=technician, campaign=campaign)
    assert campaigns.advance(factories.now()) == 1


def test_cancelled_campaign_gives_everything_up(technician: Actor, file: FirmwareFile) -> None:
    campaign = make(technician, file, fleet(file.tenant, 2), batch_size=1)
    campaigns.advance(factories.now())
    campaigns.cancel(actor=technician, campaign=campaign)
    assert states(campaign) == ["cancelled", "cancelled"]
    for act in (campaigns.cancel, campaigns.resume, campaigns.retry_failed):
        with pytest.raises(errors.NotPossibleNow):
            act(actor=technician, campaign=campaign)


def test_failed_ones_of_a_finished_campaign_can_be_retried(technician: Actor, file: FirmwareFile) -> None:
    campaign = make(technician, file, fleet(file.tenant, 1))
    with pytest.raises(errors.NotPossibleNow, match="has failed"):
        campaigns.retry_failed(actor=technician, campaign=campaign)
    campaigns.advance(factories.now())
    update = campaign.updates.get()
    answer(update, CommandStatus.REJECTED)
    followed(update)
    campaigns.retry_failed(actor=technician, campaign=campaign)
    assert followed(update).state == FirmwareState.QUEUED
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.RUNNING


def test_chargers_are_chosen_by_name_site_and_model(
    technician: Actor, file: FirmwareFile, location: Location, other_charge_point: ChargePoint
) -> None:
    chosen = factories.ChargePointFactory(tenant=file.tenant, identity="A", location=None)
    factories.ChargePointFactory(tenant=file.tenant, identity="B", location=location, vendor="V", model="M")
    factories.ChargePointFactory(tenant=file.tenant, identity="C", location=location, vendor="V", model="N")
    factories.ChargePointFactory(
        tenant=file.tenant,
        identity="D",
        location=location,
        vendor="V",
        model="M",
        archived_at=factories.now(),
    )
    choice = Choice(
        charge_points=[chosen, other_charge_point], location_id=location.pk, vendor="v", model="m"
    )
    assert [row.identity for row in choice.rows(file.tenant)] == ["A", "B"]
    assert Choice().rows(file.tenant) == []


def test_charger_of_another_model_is_named(technician: Actor, connection: Connection) -> None:
    file = uploaded(technician, vendor="Acme", model="Box*")
    row = connection.charge_point
    row.vendor, row.model = "Acme", "Pole"
    row.save()
    with pytest.raises(errors.Invalid, match="CP-A"):
        campaigns.update_one(actor=technician, charge_point=row, file=file)
    assert (
        campaigns.update_one(actor=technician, charge_point=row, file=file, ignore_model=True).state
        == FirmwareState.QUEUED
    )


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"attempts": 0}, "attempts"),
        ({"stop_failure_percent": 101}, "stop_failure_percent"),
        ({"window_start": time(1)}, "window_end"),
        ({"window_end": time(1)}, "window_start"),
        ({"window_start": time(1), "window_end": time(1)}, "window_end"),
        ({"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "ends_at"),
        ({"download_retries": -1}, "download_retries"),
    ],
)
def test_plan_that_cannot_be_is_named(
    technician: Actor, file: FirmwareFile, plan: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        make(technician, file, fleet(file.tenant, 1), **plan)
    assert list(caught.value.errors) == [field]


def test_file_that_is_not_ready_starts_nothing(technician: Actor, charge_point: ChargePoint) -> None:
    empty = factories.FirmwareFileFactory(tenant=charge_point.tenant, url="")
    with pytest.raises(errors.FirmwareNotReady):
        make(technician, empty, [charge_point])


def test_only_technicians_of_the_tenant_steer(
    support: Actor,
    viewer: Actor,
    stranger: Actor,
    technician: Actor,
    update: FirmwareUpdate,
    file: FirmwareFile,
) -> None:
    for actor in (support, viewer, stranger):
        for act in (campaigns.pause, campaigns.resume, campaigns.cancel, campaigns.retry_failed):
            with pytest.raises(AccountsError):
                act(actor=actor, campaign=update.campaign)
        with pytest.raises(AccountsError):
            campaigns.cancel_update(actor=actor, update=update)
        with pytest.raises(AccountsError):
            make(actor, file, [update.charge_point])


def test_charger_of_another_tenant_is_not_updated(
    technician: Actor, file: FirmwareFile, other_charge_point: ChargePoint
) -> None:
    with pytest.raises(errors.Invalid):
        make(technician, file, [other_charge_point])
    with pytest.raises(errors.Invalid):
        campaigns.update_one(actor=technician, charge_point=other_charge_point, file=file, wait=True)
