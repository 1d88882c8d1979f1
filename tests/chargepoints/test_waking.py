"""Waking the gateway that holds a charger's socket."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from chargepoints import waking

NODE = uuid.UUID(int=7)


class Layer:
    """A channel layer that keeps what it is sent; `error` is raised instead, `hangs` never answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.hangs = False
        self.tries = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.tries += 1
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.error is not None:
            raise self.error
        self.sent.append((group, message))


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Layer:
    made = Layer()
    monkeypatch.setattr(waking, "get_channel_layer", lambda: made)
    monkeypatch.setattr(waking, "_local_waker", None)
    monkeypatch.setattr(waking, "_away_until", 0.0)
    return made


def test_wake_without_local_gateway_goes_through_the_channel_layer(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "_local_waker", lambda node_id, charge_point_id: False)

    waking.wake_node(NODE, 7)

    assert layer.sent == [(f"gateway.{NODE.hex}", {"type": "command.wake", "charge_point_id": 7})]


def test_wake_of_the_own_gateway_does_without_the_channel_layer(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "_local_waker", lambda node_id, charge_point_id: True)

    waking.wake_node(NODE, 7)

    assert layer.tries == 0


def test_wake_while_the_layer_is_away_is_tried_once_and_then_left_for_a_while(
    layer: Layer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layer.error = ConnectionError("no redis")
    for _ in range(3):
        waking.wake_node(NODE, 7)
    assert layer.tries == 1
    assert [record.message for record in caplog.records] == ["waking.layer_away"]

    layer.error = None
    monkeypatch.setattr(waking, "_away_until", 0.0)  # the while is over
    waking.wake_node(NODE, 8)
    assert [message["charge_point_id"] for _, message in layer.sent] == [8]


def test_layer_that_does_not_answer_is_waited_for_in_bounded_time(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "SEND_S", 0.01)
    layer.hangs = True
    for _ in range(3):
        waking.wake_node(NODE, 7)
    assert layer.tries == 1


def test_wake_that_fails_otherwise_is_logged_and_ignored(
    layer: Layer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(node_id: uuid.UUID, charge_point_id: int) -> bool:
        raise RuntimeError("the loop is closed")

    monkeypatch.setattr(waking, "_local_waker", broken)

    waking.wake_node(NODE, 7)

    assert "command.wake_failed" in caplog.text
