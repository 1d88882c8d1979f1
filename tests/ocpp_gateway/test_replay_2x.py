"""Whole conversations as charging stations of 2.x hold them, replayed in order, again, in one batch and in any order.

The steps are those of `test_replay`, but a station names its transactions itself; a session's `events` are counted.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from ocpp_gateway.wire import schemas
from tests import factories
from tests.ocpp_gateway.csms import Csms
from tests.ocpp_gateway.test_replay import ARRIVAL, Step, check_result, steps_of
from tests.ocpp_gateway.v201.helpers import Csms as Csms201
from tests.ocpp_gateway.v201.helpers import Csms21
from transactions.models import MeterValue, Transaction

FOLDER = Path(__file__).with_name("fixtures")
FIXTURES = sorted([*FOLDER.glob("v201/*.jsonl"), *FOLDER.glob("v21/*.jsonl")])
ORDERS = range(5)

replayed = pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")


@pytest.fixture
def csms(path: Path, monkeypatch: pytest.MonkeyPatch, tenant: Tenant) -> Csms:
    factories.IdTokenFactory(tenant=tenant, value="CARD-1")
    system: Csms = Csms201(monkeypatch) if path.parent.name == "v201" else Csms21(monkeypatch)
    system.now = ARRIVAL
    return system


def play(csms: Csms, charge_point: ChargePoint, step: Step) -> None:
    if "reconnect" in step:
        csms.reconnect(charge_point)
    elif "text" in step:
        assert len(csms.text(charge_point, step["text"])) == step["answers"]
    elif "result" in step:
        check(charge_point, step["result"])
    else:
        ask(csms, charge_point, step)


def ask(csms: Csms, charge_point: ChargePoint, step: Step) -> None:
    _, message_id, action, payload = step["frame"]
    if "error" not in step:
        assert schemas.check_request(csms.version, action, payload) is None
    [frame] = csms.text(charge_point, json.dumps(step["frame"]))
    assert frame[1] == message_id
    if "error" in step:
        assert (frame[0], frame[2]) == (4, step["error"])
        return
    assert frame[0] == 3, frame
    assert schemas.check_response(csms.version, action, frame[2], strict=True) is None
    if "expect" in step:
        assert_shows(frame[2], step["expect"])
        assert ("idTokenInfo" in frame[2]) == ("idToken" in payload)
    if "live" in step:
        assert str(Transaction.objects.latest("id").energy_wh) in (step["live"], f"{step['live']}.000")


def assert_shows(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_shows(answer[name], value)
        else:
            assert answer[name] == value


def check(charge_point: ChargePoint, result: dict[str, Any]) -> None:
    check_result(charge_point, result)
    rows = Transaction.objects.order_by("started_at")
    assert [row.events.count() for row in rows] == [item["events"] for item in result["sessions"]]


def events_of(steps: list[Step]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (step["frame"][2], step["frame"][3])
        for step in steps
        if step.get("frame", "...")[2] == "TransactionEvent"
    ]


@replayed
def test_conversation_is_answered_and_counted_exactly(
    csms: Csms, charge_point: ChargePoint, path: Path
) -> None:
    steps = steps_of(path)
    assert "result" in steps[-1]
    for step in steps:
        play(csms, charge_point, step)


@replayed
def test_conversation_delivered_again_changes_no_session(
    csms: Csms, charge_point: ChargePoint, path: Path
) -> None:
    """Every message once more on a new socket: each transaction event has the effect of one."""
    steps = [{name: step[name] for name in step if name != "live"} for step in steps_of(path)]
    for step in steps:
        play(csms, charge_point, step)
    before = list(Transaction.objects.order_by("id").values())
    samples = MeterValue.objects.exclude(transaction=None).count()
    csms.reconnect(charge_point)
    for step in steps:
        play(csms, charge_point, step)
    assert list(Transaction.objects.order_by("id").values()) == before
    assert MeterValue.objects.exclude(transaction=None).count() == samples


@replayed
def test_conversation_in_one_batch_gives_the_same_sessions(
    csms: Csms, charge_point: ChargePoint, path: Path
) -> None:
    steps = steps_of(path)
    calls = [step["frame"] for step in steps if "frame" in step and "error" not in step]
    answers = csms.batch([(charge_point, action, payload) for _, _, action, payload in calls])
    assert len(answers) == len(calls)
    check(charge_point, steps[-1]["result"])


@replayed
@pytest.mark.parametrize("seed", ORDERS)
def test_events_in_any_order_give_the_same_sessions(
    csms: Csms, charge_point: ChargePoint, path: Path, seed: int
) -> None:
    """The events of a conversation, shuffled, one of them twice."""
    steps = steps_of(path)
    events, rng = events_of(steps), random.Random(seed)
    events.append(rng.choice(events))
    rng.shuffle(events)
    for action, payload in events:
        csms.send(charge_point, action, payload)
    result = {**steps[-1]["result"], "connectors": {}}
    check(charge_point, result)


def test_every_version_has_conversations() -> None:
    assert {path.parent.name for path in FIXTURES} == {"v201", "v21"}
