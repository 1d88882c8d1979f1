"""Whole conversations as charge points hold them, replayed frame by frame and as one batch after the other.

One line of a fixture is one step:
  frame      a CALL; "$1" stands for an id that we gave
  save       remember the transactionId of the answer under this name
  same       the transactionId must be the one remembered
  expect     fields of the answer;  {} is an empty answer
  error      the CALLERROR code
  live       the energy of the newest session after this step
  text       a frame as it stands, with the number of answers
  reconnect  a new socket
  result     the last line: sessions in order of their start, connectors
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms
from transactions.choices import Flag
from transactions.models import MeterValue, Transaction

FIXTURES = sorted(Path(__file__).with_name("fixtures").glob("*.jsonl"))
#: Every message arrives after the last time that a fixture names.
ARRIVAL = T0 + timedelta(hours=2)

Step = dict[str, Any]


@pytest.fixture
def csms(monkeypatch: pytest.MonkeyPatch, tenant: Tenant) -> Csms:
    for value in ("CARD-1", "CARD-2"):
        factories.IdTokenFactory(tenant=tenant, value=value)
    system = Csms(monkeypatch)
    system.now = ARRIVAL
    return system


def steps_of(path: Path) -> list[Step]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Player:
    """Plays the charger's side of a fixture."""

    def __init__(self, csms: Csms, charge_point: ChargePoint) -> None:
        self.csms, self.charge_point = csms, charge_point
        self.ids: dict[str, int] = {}

    def play(self, step: Step) -> None:
        if "reconnect" in step:
            self.csms.reconnect(self.charge_point)
        elif "text" in step:
            assert len(self.csms.text(self.charge_point, step["text"])) == step["answers"]
        elif "result" in step:
            check_result(self.charge_point, step["result"])
        else:
            self.ask(step)

    def ask(self, step: Step) -> None:
        _, message_id, action, payload = step["frame"]
        named = payload.get("transactionId")
        if isinstance(named, str):
            payload = payload | {"transactionId": self.ids[named]}
        [frame] = self.csms.text(self.charge_point, json.dumps([2, message_id, action, payload]))
        assert frame[1] == message_id
        if "error" in step:
            assert (frame[0], frame[2]) == (4, step["error"])
            return
        assert frame[0] == 3, frame
        assert schemas.check_response(V16, action, frame[2], strict=True) is None
        self.check(step, frame[2])

    def check(self, step: Step, answer: dict[str, Any]) -> None:
        if "save" in step:
            self.ids[step["save"]] = answer["transactionId"]
        if "same" in step:
            assert answer["transactionId"] == self.ids[step["same"]]
        if "expect" in step:
            expected = step["expect"]
            assert {name: answer.get(name) for name in expected} == expected
            assert expected or answer == {}
        if "live" in step:
            newest = Transaction.objects.latest("id")
            assert newest.energy_wh == Decimal(step["live"])


def check_result(charge_point: ChargePoint, result: dict[str, Any]) -> None:
    rows = list(Transaction.objects.order_by("started_at"))
    assert [
        {"energy_wh": row.energy_wh, "samples": row.meter_values.count(), "end": row.end_kind} for row in rows
    ] == [
        {"energy_wh": Decimal(item["energy_wh"]), "samples": item["samples"], "end": item["end"]}
        for item in result["sessions"]
    ]
    for row, item in zip(rows, result["sessions"], strict=True):
        assert row.stop_reason == item.get("stop_reason", row.stop_reason)
        assert (Flag.OFFLINE in row.flags) or not item.get("offline")
        longest = max((len(value) for stored in row.meter_values.all() for value in stored.values), default=0)
        assert longest >= item.get("longest_value", 0)
    found = {str(row.ocpp_number): row.status for row in charge_point.connectors.all()}
    assert {number: found[number] for number in result["connectors"]} == result["connectors"]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_conversation_is_answered_and_counted_exactly(
    csms: Csms, charge_point: ChargePoint, path: Path
) -> None:
    player = Player(csms, charge_point)
    steps = steps_of(path)
    assert "result" in steps[-1]
    for step in steps:
        player.play(step)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_conversation_delivered_again_changes_no_session(
    csms: Csms, charge_point: ChargePoint, path: Path
) -> None:
    """Everything is sent a second time on a new socket: every transaction message has the effect of one."""
    player = Player(csms, charge_point)
    steps = [{name: step[name] for name in step if name != "live"} for step in steps_of(path)]
    for step in steps:
        player.play(step)
    before = list(Transaction.objects.order_by("id").values())
    samples = MeterValue.objects.exclude(transaction=None).count()

    csms.reconnect(charge_point)
    for step in steps:
        player.play(step)

    assert list(Transaction.objects.order_by("id").values()) == before
    assert MeterValue.objects.exclude(transaction=None).count() == samples


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_conversation_in_one_batch_gives_the_same_sessions(
    csms: Csms, charge_point: ChargePoint, path: Path
) -> None:
    """Known ids, all frames queued, one database transaction: a start is a repeat, the rest is new."""
    player = Player(csms, charge_point)
    steps = steps_of(path)
    for step in steps:
        if "save" in step:
            player.play(step)
    calls = [step["frame"] for step in steps if "frame" in step and "error" not in step]
    csms.reconnect(charge_point)
    answers = csms.batch(
        [
            (charge_point, action, {**payload, "transactionId": player.ids[payload["transactionId"]]})
            if isinstance(payload.get("transactionId"), str)
            else (charge_point, action, payload)
            for _, _, action, payload in calls
        ]
    )

    assert len(answers) == len(calls)
    check_result(charge_point, steps[-1]["result"])
