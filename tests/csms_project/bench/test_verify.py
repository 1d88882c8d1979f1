"""The proof after a load test: what is missing, doubled or wrong is said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from chargepoints.models import ChargePoint, Connector, OcppMessage
from csms_project.bench import verify as module
from csms_project.bench.verify import verify
from ocpp_gateway.simulator.bench.gauges import Reading
from ocpp_gateway.simulator.bench.messages import RUN
from ocpp_gateway.simulator.bench.processes import Usage
from ocpp_gateway.simulator.bench.report import BenchResult
from ocpp_gateway.simulator.bench.scenarios import Booked
from ocpp_gateway.simulator.bench.socket import Tally
from tests import factories
from tests.factories import T0
from transactions.models import MeterValue, Transaction

STARTED = T0 - timedelta(minutes=1)


@pytest.fixture
def session(charge_point: ChargePoint, connector: Connector) -> Transaction:
    """An ended session of 10 kWh with two readings, whose start is in the message log."""
    row: Transaction = factories.TransactionFactory(connector=connector, ended=True, ocpp_id="71")
    for minute in (1, 2):
        factories.MeterValueFactory(transaction=row, sampled_at=T0 + timedelta(minutes=minute))
    factories.OcppMessageFactory(
        charge_point=charge_point, message_id=f"{RUN}-1", action="StartTransaction", received_at=T0
    )
    return row


def check(*booked: Booked, sent: int | None = None, more: dict[str, int] | None = None) -> tuple[str, ...]:
    """Verify a load test of the charge point CP-A that acknowledged these sessions."""
    tally = Tally()
    tally.answered.update({"StartTransaction": len(booked), **(more or {})})
    tally.sent.update({"StartTransaction": len(booked) if sent is None else sent, **(more or {})})
    result = BenchResult(
        scenario="sessions",
        chargers=1,
        connected=1,
        tally=tally,
        unloaded=Usage(),
        before=Reading(),
        after=Reading(),
        sessions={"CP-A": list(booked)},
    )
    return verify(result, began_at=STARTED, sleep=lambda _: None)


def booked(**changes: Any) -> Booked:
    """The session as the load test has it in its books."""
    values: dict[str, Any] = {
        "transaction_id": 71,
        "start_wh": 1000,
        "readings": 2,
        "readings_sent": 2,
        "stop_wh": 11000,
        "is_stop_sent": True,
    }
    return Booked(**{**values, **changes})


def test_verify_what_is_stored_as_acknowledged_is_no_complaint(session: Transaction) -> None:
    assert check(booked()) == ()


def test_verify_reading_without_an_answer_may_be_stored_or_not(session: Transaction) -> None:
    assert check(booked(readings=1)) == ()
    assert check(booked(readings_sent=3)) == ()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"transaction_id": 72}, "session 72 of CP-A is missing"),
        ({"start_wh": 999, "stop_wh": None}, "starts at 1000.000 Wh, not 999"),
        ({"readings": 3, "readings_sent": 3}, "holds 2 readings of 3 acknowledged and 3 sent"),
        ({"readings": 1, "readings_sent": 1}, "holds 2 readings of 1 acknowledged and 1 sent"),
        ({"stop_wh": 11001}, "is ended at 11000.000 Wh, not ended at 11001"),
    ],
)
def test_verify_names_what_is_wrong(session: Transaction, changes: dict[str, Any], complaint: str) -> None:
    (said,) = check(booked(**changes))
    assert complaint in said


def test_verify_energy_that_is_not_the_difference_is_a_complaint(session: Transaction) -> None:
    Transaction.objects.filter(pk=session.pk).update(energy_wh=Decimal("9999.000"))
    assert check(booked()) == ("session 71 of CP-A: has 9999.000 Wh, not 10000",)


def test_verify_session_of_another_charger_is_missing(session: Transaction) -> None:
    Transaction.objects.filter(pk=session.pk).update(charge_point=factories.ChargePointFactory())
    assert any("is missing" in said for said in check(booked()))


def test_verify_doubled_session_is_a_complaint(session: Transaction, connector: Connector) -> None:
    factories.TransactionFactory(connector=connector, ended=True, ocpp_id="73")
    assert "sessions: 2 stored, 1 acknowledged, 1 sent" in check(booked())


def test_verify_earlier_sessions_do_not_count(session: Transaction, connector: Connector) -> None:
    factories.TransactionFactory(
        connector=connector, ended=True, ocpp_id="73", start_received_at=STARTED - timedelta(hours=1)
    )
    assert check(booked()) == ()


def test_verify_lost_log_row_is_a_complaint(session: Transaction) -> None:
    OcppMessage.objects.all().delete()
    assert check(booked()) == ("log rows of StartTransaction: 0 stored, 1 acknowledged, 1 sent",)


def test_verify_log_row_of_another_load_test_does_not_count(session: Transaction) -> None:
    OcppMessage.objects.update(message_id="0-1")
    assert len(check(booked())) == 1


def test_verify_waits_for_log_rows_that_come_late(
    session: Transaction, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = [2, 1]
    real = module._stored_messages

    def stored(*args: Any) -> Any:
        found = real(*args)
        found["StartTransaction"] -= rest.pop() if rest else 0
        return found

    monkeypatch.setattr(module, "_stored_messages", stored)
    assert check(booked()) == ()
    assert rest == []


def test_verify_without_a_message_log_looks_at_sessions_only(
    session: Transaction, settings: Settings
) -> None:
    settings.OCPP_STORE_MESSAGES = False
    OcppMessage.objects.all().delete()
    assert check(booked()) == ()


def test_verify_counts_odd_frames_as_the_log_names_them(
    session: Transaction, charge_point: ChargePoint
) -> None:
    for number, action in enumerate(("", "Authorize", "Authorize")):
        factories.OcppMessageFactory(
            charge_point=charge_point, message_id=f"{RUN}-a{number}", action=action, received_at=T0
        )
    assert check(booked(), more={"malformed": 1, "Authorize": 1, "invalid Authorize": 1}) == ()


def test_verify_without_a_database_says_so(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("connection refused")

    monkeypatch.setattr(module, "_sessions", away)
    assert check(booked()) == ("the database cannot be asked: connection refused",)


def test_verify_many_complaints_are_cut_short(charge_point: ChargePoint) -> None:
    said = check(*(booked(transaction_id=number) for number in range(100, 120)))
    assert len(said) == module.SHOWN + 1
    assert said[-1].startswith("and ")
    assert MeterValue.objects.count() == 0
