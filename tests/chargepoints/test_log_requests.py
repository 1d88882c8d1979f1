"""Diagnostics and logs: the order, its reports, and the state."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.errors import AccountsError
from accounts.permissions import Actor
from chargepoints import commands, errors, file_links
from chargepoints.choices import CommandStatus, LogState, StatusReportKind
from chargepoints.models import ChargePoint, Connection, LogRequest
from chargepoints.services import log_requests
from csms_project.common import file_store
from csms_project.common.models import AuditEntry, Event
from tests import factories

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Settings) -> None:
    settings.FILES_DIR = tmp_path
    settings.FILES_URL = "https://csms.example.com"


def ask(actor: Actor, connection: Connection, kind: str = "diagnostics", **fields: Any) -> LogRequest:
    return log_requests.request_log(actor=actor, charge_point=connection.charge_point, kind=kind, **fields)


def answer(request: LogRequest, status: CommandStatus = CommandStatus.ACCEPTED, **fields: Any) -> None:
    assert request.command_id is not None
    commands.complete(request.command_id, status=status, **fields)


def promised(actor: Actor, connection: Connection, kind: str = "diagnostics", **fields: Any) -> LogRequest:
    request = ask(actor, connection, kind, **fields)
    name = "fileName" if kind == "diagnostics" else "filename"
    answer(request, response={name: "diag.log"})
    return followed(request)


def report(request: LogRequest, *statuses: str, request_id: int | None = None) -> None:
    kind = StatusReportKind.DIAGNOSTICS if request.kind == "diagnostics" else StatusReportKind.LOG
    for status in statuses:
        factories.StatusReportFactory(
            charge_point=request.charge_point,
            kind=kind,
            status=status,
            request_id=request_id,
            received_at=factories.now(),
        )


def followed(request: LogRequest, *, later: timedelta = timedelta()) -> LogRequest:
    log_requests.follow(factories.now() + later)
    request.refresh_from_db()
    return request


def stored(content: bytes = b"log\n") -> file_store.Stored:
    return file_store.store("uploads", [content], limit=1000)


def test_order_carries_an_address_for_one_file(technician: Actor, connection: Connection) -> None:
    request = ask(technician, connection)
    assert request.command is not None
    location = commands.payload_of(request.command)["location"]
    assert location.startswith("https://csms.example.com/files/upload/")
    token = location.split("/")[5]
    found = log_requests.find_by_token(token, factories.now())
    assert found == request
    assert token not in str(request.command.payload)
    assert (request.state, request.requested_by_name) == (LogState.QUEUED, technician.name)
    assert AuditEntry.objects.filter(action="logs.request").count() == 1


@pytest.mark.parametrize("kind", ["DiagnosticsLog", "SecurityLog"])
def test_log_is_asked_for_with_its_period(technician: Actor, connection: Connection, kind: str) -> None:
    begin = factories.T0
    request = ask(technician, connection, kind, oldest_at=begin, latest_at=begin + HOUR)
    assert request.command is not None
    payload = request.command.payload
    assert (request.command.action, payload["log_type"]) == ("get_log", kind)
    assert payload["oldest_at"] == begin.isoformat()
    assert request.request_id == payload["request_id"]


def test_outside_address_is_masked(technician: Actor, connection: Connection) -> None:
    request = ask(technician, connection, url="ftp://me:pw@ftp.example.com/in/")
    assert request.url == "ftp://***@ftp.example.com/in/"
    assert request.command is not None
    assert commands.payload_of(request.command)["location"] == "ftp://me:pw@ftp.example.com/in/"
    assert request.token_hash == ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "gopher://x/"}, "url"),
        ({"kind": "Everything"}, "kind"),
        ({"oldest_at": factories.T0, "latest_at": factories.T0}, "latest_at"),
    ],
)
def test_what_cannot_be_asked_is_named(
    technician: Actor, connection: Connection, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        ask(technician, connection, **fields)
    assert list(caught.value.errors) == [field]


def test_offline_charger_is_asked_later_or_not_at_all(technician: Actor, charge_point: ChargePoint) -> None:
    def request(**fields: Any) -> LogRequest:
        return log_requests.request_log(
            actor=technician, charge_point=charge_point, kind="diagnostics", **fields
        )

    with pytest.raises(errors.ChargePointOffline):
        request()
    assert not LogRequest.objects.exists()
    waiting = request(expires_in=3600)
    assert waiting.expires_at > factories.now() + timedelta(hours=24)


def test_without_an_address_for_files_it_needs_one_outside(
    technician: Actor, connection: Connection, settings: Settings
) -> None:
    settings.FILES_URL = ""
    with pytest.raises(errors.NoFilesUrl):
        ask(technician, connection)
    assert ask(technician, connection, url="https://logs.example.com/").token_hash == ""


def test_loopback_address_is_a_warning_for_a_charger_elsewhere(
    technician: Actor, connection: Connection, settings: Settings
) -> None:
    settings.FILES_URL = "http://127.0.0.1:8000"
    Connection.objects.update(remote_address="192.0.2.7")
    assert "only this machine reaches" in ask(technician, connection).note
    Connection.objects.update(remote_address="127.0.0.1")
    assert ask(technician, connection).note == ""


# ---------------------------------------------------------------- following
def test_promise_report_and_file_make_it_complete(technician: Actor, connection: Connection) -> None:
    request = promised(technician, connection)
    assert (request.state, request.charger_file_name) == (LogState.REQUESTED, "diag.log")
    report(request, "Uploading")
    assert followed(request).state == LogState.UPLOADING
    assert log_requests.take_file(request, stored(), file_name="x", address="192.0.2.7", now=factories.now())
    report(request, "Uploaded")
    assert followed(request).state == LogState.UPLOADED
    assert (request.size, request.received_from, request.download_name) == (4, "192.0.2.7", "diag.log")
    assert Event.objects.filter(kind="log_request.ended", data__state="uploaded").count() == 1


def test_charger_without_diagnostics_ends_it(technician: Actor, connection: Connection) -> None:
    request = ask(technician, connection)
    answer(request, response={})
    assert followed(request).state == LogState.NOTHING


def test_uploaded_without_a_file_here_is_not_uploaded(technician: Actor, connection: Connection) -> None:
    request = promised(technician, connection)
    report(request, "Uploaded")
    assert followed(request).state == LogState.REQUESTED
    assert followed(request, later=25 * HOUR).state == LogState.EXPIRED
    assert "nothing has arrived" in request.note


def test_uploaded_to_an_outside_address_is_believed(technician: Actor, connection: Connection) -> None:
    request = promised(technician, connection, url="ftp://ftp.example.com/")
    report(request, "Uploading", "Uploaded")
    assert followed(request).state == LogState.UPLOADED
    assert not request.has_file


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("diagnostics", "UploadFailed"),
        ("SecurityLog", "UploadFailure"),
        ("SecurityLog", "NotSupportedOperation"),
        ("SecurityLog", "PermissionDenied"),
        ("SecurityLog", "BadMessage"),
    ],
)
def test_reported_failure_ends_it_until_the_file_comes_after_all(
    technician: Actor, connection: Connection, kind: str, status: str
) -> None:
    request = promised(technician, connection, kind)
    report(request, status, request_id=request.request_id)
    assert followed(request).state == LogState.FAILED
    assert request.note.startswith("The ")
    assert log_requests.take_file(request, stored(), file_name="", address="", now=factories.now())
    assert followed(request).state == LogState.UPLOADED


def test_idle_and_reports_of_other_requests_change_nothing(technician: Actor, connection: Connection) -> None:
    request = promised(technician, connection, "SecurityLog")
    assert request.request_id is not None
    report(request, "Idle")
    report(request, "UploadFailure", request_id=request.request_id + 1)
    assert followed(request).state == LogState.REQUESTED


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        (CommandStatus.REJECTED, None, LogState.FAILED),
        (CommandStatus.NOT_SUPPORTED, {"code": "NotImplemented", "description": "what?"}, LogState.FAILED),
        (CommandStatus.EXPIRED, None, LogState.FAILED),
        (CommandStatus.TIMED_OUT, None, LogState.REQUESTED),
        (CommandStatus.FAILED, {"code": "ConnectionLost", "description": ""}, LogState.REQUESTED),
    ],
)
def test_outcome_of_the_order_is_told(
    technician: Actor, connection: Connection, status: CommandStatus, error: Any, state: LogState
) -> None:
    request = ask(technician, connection)
    answer(request, status, error=error)
    assert followed(request).state == state
    assert request.note


def test_silence_ends_with_the_time(technician: Actor, connection: Connection) -> None:
    request = promised(technician, connection)
    assert followed(request, later=23 * HOUR).state == LogState.REQUESTED
    assert followed(request, later=25 * HOUR).state == LogState.EXPIRED


def test_following_reads_twice_whatever_is_open(
    technician: Actor, connection: Connection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        log_requests.follow(factories.now())
    for _ in range(3):
        promised(technician, connection)
    with django_assert_num_queries(2):
        log_requests.follow(factories.now())


# ---------------------------------------------------------------- ending
def test_cancelled_request_takes_no_file(technician: Actor, connection: Connection) -> None:
    request = log_requests.cancel(actor=technician, request=ask(technician, connection))
    request.refresh_from_db()
    assert request.state == LogState.CANCELLED
    assert request.command is not None
    assert request.command.status == CommandStatus.CANCELLED
    assert not log_requests.take_file(request, stored(), file_name="", address="", now=factories.now())
    with pytest.raises(errors.LogRequestEnded):
        log_requests.cancel(actor=technician, request=request)


def test_second_file_is_not_taken(technician: Actor, connection: Connection) -> None:
    request = promised(technician, connection)
    now = factories.now()
    assert log_requests.take_file(request, stored(b"first"), file_name="", address="", now=now)
    assert not log_requests.take_file(request, stored(b"second"), file_name="", address="", now=now)
    request.refresh_from_db()
    assert file_store.path_of("uploads", request.stored_as).read_bytes() == b"first"


def test_file_is_deleted_by_hand_and_by_age(
    technician: Actor, connection: Connection, tmp_path: Path, settings: Settings
) -> None:
    settings.RETENTION_UPLOADS_DAYS = 90
    rows = [promised(technician, connection) for _ in range(3)]
    for row in rows:
        log_requests.take_file(row, stored(), file_name="", address="", now=factories.now())
        row.refresh_from_db()
    log_requests.delete_file(actor=technician, request=rows[0])
    LogRequest.objects.filter(pk=rows[1].pk).update(received_at=factories.now() - timedelta(days=91))
    assert log_requests.purge_files(factories.now()) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [rows[2].stored_as]
    for row in rows[:2]:
        row.refresh_from_db()
        assert not row.has_file
        assert row.note.startswith("Deleted")
    with pytest.raises(errors.FileMissing):
        log_requests.delete_file(actor=technician, request=rows[0])


def test_what_was_never_finished_is_removed_after_a_day(tmp_path: Path) -> None:
    with file_store.Incoming("uploads", limit=10) as incoming:
        incoming.write(b"x")
        assert log_requests.purge_files(factories.now()) == 0
        assert log_requests.purge_files(factories.now() + timedelta(days=2)) == 1
    assert list(tmp_path.rglob("*.part")) == []


def test_only_technicians_of_the_tenant_ask_and_delete(
    support: Actor, viewer: Actor, stranger: Actor, technician: Actor, connection: Connection
) -> None:
    request = promised(technician, connection)
    log_requests.take_file(request, stored(), file_name="", address="", now=factories.now())
    for actor in (support, viewer, stranger):
        with pytest.raises(AccountsError):
            ask(actor, connection)
        with pytest.raises(AccountsError):
            log_requests.delete_file(actor=actor, request=request)
        with pytest.raises(AccountsError):
            log_requests.cancel(actor=actor, request=request)


@pytest.mark.parametrize("token", ["", "x", "../../etc", "a" * 65, "ä" * 32])
def test_text_that_is_no_token_finds_nothing(token: str) -> None:
    assert file_links.hash_of(token) == ""
    assert log_requests.find_by_token(token, factories.now()) is None
