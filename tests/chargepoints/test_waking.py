"""Waking the gateway that holds a charger's socket."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chargepoints import waking


def test_wake_without_local_gateway_goes_through_the_channel_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    class Layer:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            sent.append((group, message))

    monkeypatch.setattr(waking, "get_channel_layer", Layer)
    monkeypatch.setattr(waking, "_local_waker", lambda node_id, charge_point_id: False)
    node_id = uuid.uuid4()

    waking.wake_node(node_id, 7)

    assert sent == [(f"gateway.{node_id.hex}", {"type": "command.wake", "charge_point_id": 7})]


def test_wake_that_fails_is_logged_and_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Layer:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            raise ConnectionError("no redis")

    monkeypatch.setattr(waking, "get_channel_layer", Layer)
    monkeypatch.setattr(waking, "_local_waker", None)

    waking.wake_node(uuid.uuid4(), 7)

    assert "command.wake_failed" in caplog.text
