"""The jobs of the apps: each is called as the ticker does, by its name."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from chargepoints.choices import CommandStatus
from chargepoints.models import (
    BatchReceipt,
    ChargePoint,
    Connection,
    DeviceReport,
    FrameAnomaly,
    OcppMessage,
    RefusedConnection,
    Variable,
    VariableChange,
)
from csms_project.common import jobs
from tests.factories import (
    T0,
    BatchReceiptFactory,
    CommandFactory,
    DeviceReportFactory,
    FrameAnomalyFactory,
    MeterValueFactory,
    OcppMessageFactory,
    RefusedConnectionFactory,
    TransactionFactory,
    VariableChangeFactory,
    VariableFactory,
)
from transactions.choices import EndKind, TransactionState
from transactions.models import MeterValue

pytestmark = pytest.mark.django_db
LONG_AGO = T0 - timedelta(days=5000)


def _run(name: str) -> int:
    return jobs.get_job(name).run(T0)


def test_jobs_of_the_apps_are_found_under_their_names() -> None:
    names = {item.name for item in jobs.registered()}
    assert {"chargepoints.expire_commands", "transactions.flag_stale"} <= names
    assert all(item.run.__doc__ for item in jobs.registered())


def test_command_that_was_never_sent_expires(charge_point: ChargePoint) -> None:
    command = CommandFactory(
        charge_point=charge_point, status=CommandStatus.QUEUED, expires_at=T0 - timedelta(seconds=1)
    )
    assert _run("chargepoints.expire_commands") == 1
    command.refresh_from_db()
    assert command.status == CommandStatus.EXPIRED


def test_connection_of_a_dead_process_is_forgotten(connection: Connection) -> None:
    node = connection.node
    assert _run("chargepoints.forget_dead_nodes") == 0
    node.lease_until = timezone.now() - timedelta(seconds=1)
    node.save()
    assert _run("chargepoints.forget_dead_nodes") == 1
    assert not Connection.objects.exists()


def test_old_messages_go_but_not_what_nobody_has_looked_at(charge_point: ChargePoint) -> None:
    OcppMessageFactory(charge_point=charge_point, received_at=LONG_AGO)
    kept = OcppMessageFactory(charge_point=charge_point, received_at=T0)
    unserved = FrameAnomalyFactory(
        charge_point=charge_point, received_at=LONG_AGO, was_served=False, resolved_at=None
    )
    FrameAnomalyFactory(charge_point=charge_point, received_at=LONG_AGO, was_served=False, resolved_at=T0)
    FrameAnomalyFactory(charge_point=charge_point, received_at=LONG_AGO, was_served=True)
    assert _run("chargepoints.purge_messages") == 3
    assert list(OcppMessage.objects.all()) == [kept]
    assert list(FrameAnomaly.objects.all()) == [unserved]


def test_retention_of_zero_days_keeps_messages(charge_point: ChargePoint, settings: Settings) -> None:
    settings.RETENTION_MESSAGES_DAYS = 0
    OcppMessageFactory(charge_point=charge_point, received_at=LONG_AGO)
    assert _run("chargepoints.purge_messages") == 0


def test_refusal_is_kept_while_the_charger_keeps_trying() -> None:
    RefusedConnectionFactory(identity="gone", first_at=LONG_AGO, last_at=LONG_AGO)
    RefusedConnectionFactory(identity="trying", first_at=LONG_AGO, last_at=T0)
    assert _run("chargepoints.purge_refused_connections") == 1
    assert RefusedConnection.objects.get().identity == "trying"


def test_receipts_of_yesterday_go() -> None:
    BatchReceiptFactory(created_at=T0 - timedelta(days=2))
    kept = BatchReceiptFactory(created_at=T0 - timedelta(hours=1))
    assert _run("chargepoints.purge_receipts") == 1
    assert BatchReceipt.objects.get() == kept


def test_old_reports_of_the_device_model_go_and_open_ones_stay(charge_point: ChargePoint) -> None:
    old = {"charge_point": charge_point, "started_at": LONG_AGO, "last_at": LONG_AGO}
    DeviceReportFactory(**old, ended_at=LONG_AGO, status="complete")
    kept = DeviceReportFactory(**old)
    assert _run("chargepoints.purge_status_events") == 1
    assert DeviceReport.objects.get() == kept


def test_old_changes_of_configurations_go_and_the_values_stay(charge_point: ChargePoint) -> None:
    value = VariableFactory(charge_point=charge_point)
    VariableChangeFactory(charge_point=charge_point, received_at=LONG_AGO)
    kept = VariableChangeFactory(charge_point=charge_point, received_at=T0)
    assert _run("chargepoints.purge_variable_changes") == 1
    assert VariableChange.objects.get() == kept
    assert Variable.objects.get() == value


def test_samples_of_a_running_session_stay(charge_point: ChargePoint) -> None:
    running = TransactionFactory(charge_point=charge_point, state=TransactionState.ACTIVE)
    ended = TransactionFactory(
        charge_point=charge_point, state=TransactionState.ENDED, end_kind=EndKind.CHARGER, ended_at=LONG_AGO
    )
    kept = MeterValueFactory(transaction=running, charge_point=charge_point, received_at=LONG_AGO)
    MeterValueFactory(transaction=ended, charge_point=charge_point, received_at=LONG_AGO)
    assert _run("transactions.purge_meter_values") == 1
    assert MeterValue.objects.get() == kept


def test_command_line_runs_one_job_and_says_what_it_did() -> None:
    out = StringIO()
    call_command("worker", "--once", "chargepoints.purge_receipts", stdout=out)
    assert out.getvalue() == "chargepoints.purge_receipts: 0 rows\n"


def test_command_line_names_an_unknown_job() -> None:
    with pytest.raises(CommandError, match="There is no job 'nap'"):
        call_command("worker", "--once", "nap")


def test_command_line_lists_all_jobs() -> None:
    out = StringIO()
    call_command("worker", "--list", stdout=out)
    assert len(out.getvalue().splitlines()) == len(jobs.registered())
