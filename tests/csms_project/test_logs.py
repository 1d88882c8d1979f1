from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from csms_project import logs


def _formatter(*, human: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=logs.renderer(human=human), foreign_pre_chain=logs.pre_chain()
    )


def _line(message: str, human: bool = False, error: bool = False, **extra: Any) -> str:
    record = logging.LogRecord("chargepoints.test", logging.INFO, __file__, 1, message, None, None)
    record.__dict__.update(extra)
    if error:
        try:
            raise ValueError("wrong\nvalue")
        except ValueError as caught:
            record.exc_info = (ValueError, caught, caught.__traceback__)
    return _formatter(human=human).format(record)


def test_json_record_of_a_library_has_event_level_time_and_fields() -> None:
    line = json.loads(_line("session.started", identity="CP-1", duration_ms=3))
    assert line["event"] == "session.started"
    assert (line["level"], line["logger"]) == ("info", "chargepoints.test")
    assert line["timestamp"].endswith("Z")
    assert (line["identity"], line["duration_ms"]) == ("CP-1", 3)


@pytest.mark.parametrize("human", [True, False])
def test_line_break_in_event_or_field_cannot_forge_a_line(human: bool) -> None:
    line = _line("a\nINFO forged", human=human, identity="CP\r\n\x1b[31mforged\u2028")
    assert "\n" not in line
    assert "\r" not in line
    assert "\u2028" not in line
    assert "\x1b[31mforged" not in line


def test_lone_surrogate_is_written_as_an_escape() -> None:
    line = _line("odd", human=True, identity="CP\ud800")
    assert "\\ud800" in line.encode("utf-8").decode()


@pytest.mark.parametrize(
    "name", ["password", "authorization_key", "id_token", "api_key", "Cookie", "client_secret"]
)
def test_field_with_a_secret_name_is_masked(name: str) -> None:
    assert json.loads(_line("x", False, False, **{name: "hunter2"}))[name] == "***"


def test_query_of_a_request_is_left_out() -> None:
    line = json.loads(_line("request_finished", request="GET /api/v1/id-tokens/?value=04AABB"))
    assert line["request"] == "GET /api/v1/id-tokens/?…"


def test_traceback_is_one_field_of_the_json_line() -> None:
    line = _line("job.failed", error=True)
    assert "\n" not in line
    assert "ValueError: wrong" in json.loads(line)["exception"]


def test_configuration_routes_everything_to_one_handler() -> None:
    config = logs.configure(level="WARNING", style="json")
    assert config["root"] == {"handlers": ["stderr"], "level": "WARNING"}
    assert config["loggers"]["django"]["handlers"] == []


def test_error_that_a_library_repeats_is_one_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("csms_project.logs.time.monotonic", lambda: now[0])
    thin = logs.NowAndThen("channel_layer.away")

    def record(level: int = logging.ERROR) -> logging.LogRecord:
        error = ConnectionError("refused")
        return logging.LogRecord(
            "channels_redis.pubsub", level, __file__, 1, "Unexpected", None, (ConnectionError, error, None)
        )

    first = record()
    assert [thin.filter(first), thin.filter(record()), thin.filter(record(logging.INFO))] == [
        True,
        False,
        True,
    ]
    assert (first.getMessage(), first.levelname, first.exc_info) == ("channel_layer.away", "WARNING", None)
    assert first.__dict__["error"] == "ConnectionError: refused"
    now[0] += logs.NowAndThen.PAUSE_S
    assert thin.filter(record())
