"""Trouble of our own with a charger's message: no error for a transaction message, and no end of its queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from accounts.models import IdToken
from chargepoints.models import ChargePoint, FrameAnomaly, OcppMessage
from csms_project.common.models import Event
from ocpp_gateway.link import Link
from ocpp_gateway.v16.actions import ACTIONS
from tests.ocpp_gateway.v16.helpers import Csms, Payload, clock, meter, moment, start, status, stop
from transactions.models import Transaction
from transactions.services.sessions import AUTHORIZE

pytestmark = pytest.mark.usefixtures("token")

Break = Callable[[str], AbstractContextManager[None]]
PATIENCE = timedelta(seconds=settings.OCPP_PUT_ASIDE_AFTER_S)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Let our code fail on every message of an action: `with broken("StartTransaction"):`"""

    def explode(link: Link, payload: Payload) -> object:
        raise KeyError("a bug of ours")

    @contextmanager
    def breaking(action: str) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setitem(ACTIONS, action, replace(ACTIONS[action], read=explode))
            yield

    return breaking


def fail_until_overdue(csms: Csms, charge_point: ChargePoint, action: str, payload: Payload) -> None:
    """The charger comes again and again with the same message, until just before our patience ends."""
    began = csms.now
    for minutes in (0, 5, 10, 14):
        asked = csms.ask_one(charge_point, action, payload, at=began + timedelta(minutes=minutes))
        assert asked.is_held
    csms.now = began + PATIENCE


# ---------------------------------------------------------------- held
def test_start_that_we_fail_on_is_neither_answered_nor_refused_and_is_kept(
    csms: Csms, charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StartTransaction"):
        assert csms.ask_one(charge_point, "StartTransaction", start()).is_held
    row = FrameAnomaly.objects.get()
    assert json.loads(row.frame) == start()
    assert (row.attempts, row.was_served, row.answer) == (1, False, "")
    assert "KeyError" in row.problem
    assert [seconds for seconds, _ in csms.node.timers] == [settings.OCPP_WRITER_HOLD_S]


def test_start_sent_again_once_the_fault_is_mended_is_stored_and_its_row_says_so(
    csms: Csms, charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StartTransaction"):
        csms.ask_one(charge_point, "StartTransaction", start(), message_id="same")
    csms.reconnect(charge_point)
    assert csms.send(charge_point, "StartTransaction", start(), message_id="same")["transactionId"]
    assert Transaction.objects.count() == 1
    row = FrameAnomaly.objects.get()
    assert (row.was_served, row.resolved_at) == (True, csms.now)


def test_message_that_we_fail_on_does_not_hold_up_its_neighbours(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StartTransaction"):
        answers = csms.ask(
            [
                (charge_point, "StartTransaction", start()),
                (other_charge_point, "StatusNotification", status(1, "Available")),
                (charge_point, "StatusNotification", status(1, "Charging")),
            ]
        )
    assert [answer.is_held for answer in answers] == [True, False, False]


@pytest.mark.parametrize("times", [2, 30])
def test_message_is_not_put_aside_before_its_time(
    csms: Csms, charge_point: ChargePoint, broken: Break, times: int
) -> None:
    """Neither for many attempts in a short time, nor for few in a long one."""
    step = timedelta(seconds=1) if times > 3 else PATIENCE
    with broken("StopTransaction"):
        for _ in range(times):
            assert csms.ask_one(charge_point, "StopTransaction", stop(7)).is_held
            csms.now += step
    assert FrameAnomaly.objects.get().attempts == times


def test_other_message_that_we_fail_on_is_answered_with_an_error(
    csms: Csms, charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StatusNotification"):
        asked = csms.ask_one(charge_point, "StatusNotification", status(1, "Available"))
    assert asked.code == "InternalError"
    assert FrameAnomaly.objects.get().attempts == 0


# ---------------------------------------------------------------- put aside
def test_start_put_aside_gets_an_id_by_which_its_stop_is_known(
    csms: Csms, charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StartTransaction"):
        fail_until_overdue(csms, charge_point, "StartTransaction", start())
        answer = csms.send(charge_point, "StartTransaction", start())
    assert answer["idTagInfo"]["status"] == "Accepted"
    assert Transaction.objects.count() == 0
    csms.send(charge_point, "StopTransaction", stop(answer["transactionId"]))
    orphan = Transaction.objects.get()
    assert str(answer["transactionId"]) in orphan.end_note
    row = FrameAnomaly.objects.get()
    assert json.loads(row.answer) == answer
    assert (row.attempts, row.was_served, row.resolved_at) == (5, False, None)
    assert OcppMessage.objects.filter(action="StartTransaction").count() == 1
    event = Event.objects.get(kind="charge_point.message_put_aside")
    assert (event.charge_point, event.data["action"]) == ("CP-A", "StartTransaction")


def test_start_put_aside_whose_answer_was_lost_gets_the_same_id(
    csms: Csms, charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StartTransaction"):
        fail_until_overdue(csms, charge_point, "StartTransaction", start())
        first = csms.send(charge_point, "StartTransaction", start())
        FrameAnomaly.objects.update(resolved_at=csms.now)
        csms.reconnect(charge_point)
        assert csms.send(charge_point, "StartTransaction", start()) == first
    assert Event.objects.filter(kind="charge_point.message_put_aside").count() == 1


def test_start_put_aside_of_a_blocked_tag_says_so(
    csms: Csms, charge_point: ChargePoint, token: IdToken, broken: Break
) -> None:
    IdToken.objects.filter(pk=token.pk).update(status="Blocked")
    with broken("StartTransaction"):
        fail_until_overdue(csms, charge_point, "StartTransaction", start())
        answer = csms.send(charge_point, "StartTransaction", start())
    assert answer["idTagInfo"]["status"] == "Blocked"


def test_start_put_aside_whose_tag_cannot_be_judged_gets_no_energy(
    csms: Csms, charge_point: ChargePoint, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*args: Any) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("transactions.services.unserved.AUTHORIZE", replace(AUTHORIZE, decide=explode))
    with broken("StartTransaction"):
        fail_until_overdue(csms, charge_point, "StartTransaction", start())
        answer = csms.send(charge_point, "StartTransaction", start())
    assert answer["idTagInfo"]["status"] == "Invalid"
    assert answer["transactionId"] > 0


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StopTransaction", stop(7)),
        ("MeterValues", meter(moment("1", clock()), transaction=7)),
        ("SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": clock()}),
    ],
)
def test_message_without_content_in_its_answer_is_acknowledged_when_put_aside(
    csms: Csms, charge_point: ChargePoint, broken: Break, action: str, payload: Payload
) -> None:
    with broken(action):
        fail_until_overdue(csms, charge_point, action, payload)
        assert csms.send(charge_point, action, payload) == {}
    assert FrameAnomaly.objects.get().answer == "{}"


def test_another_message_of_the_charger_has_patience_of_its_own(
    csms: Csms, charge_point: ChargePoint, broken: Break
) -> None:
    with broken("StopTransaction"):
        fail_until_overdue(csms, charge_point, "StopTransaction", stop(7))
        assert csms.ask_one(charge_point, "StopTransaction", stop(8)).is_held
    assert sorted(FrameAnomaly.objects.values_list("attempts", flat=True)) == [1, 4]


def test_status_sent_again_with_the_same_id_is_handled_again(csms: Csms, charge_point: ChargePoint) -> None:
    """Chargers exist that give all messages one id: an answer from the past would freeze the status."""
    for state in ("Available", "Charging", "Available"):
        csms.send(charge_point, "StatusNotification", status(1, state), message_id="1")

    assert charge_point.connectors.get(ocpp_number=1).status == "Available"
