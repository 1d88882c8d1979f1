"""How a process ends."""

from __future__ import annotations

import signal
import threading

import pytest

from ocpp_gateway import server
from ocpp_gateway.server import Server, make_config


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit codes with which the process would have been cut."""
    codes: list[int] = []
    monkeypatch.setattr("ocpp_gateway.server.os._exit", codes.append)
    return codes


async def nothing(scope: object, receive: object, send: object) -> None:
    """An application."""


def test_first_signal_ends_in_good_order_and_the_second_at_once(
    ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[str] = []
    monkeypatch.setattr(server, "end_in_time", lambda: limits.append("28 s"))
    running = Server(make_config(nothing, host="127.0.0.1", port=1))
    running.handle_exit(signal.SIGTERM, None)
    assert (running.should_exit, ended, limits) == (True, [], ["28 s"])
    running.handle_exit(signal.SIGTERM, None)
    assert ended == [128 + signal.SIGTERM]


def test_process_whose_end_hangs_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    cut = threading.Event()

    def leave(code: int) -> None:
        codes.append(code)
        cut.set()

    monkeypatch.setattr("ocpp_gateway.server.os._exit", leave)
    server.end_in_time(0.001)
    assert cut.wait(10)
    assert codes == [1]


def test_end_comes_before_service_managers_lose_patience() -> None:
    assert server.STOP_S < 30
    assert server.TASKS_STOP_S < server.STOP_S
