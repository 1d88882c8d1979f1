"""Command line, registration and arithmetic of the simulator."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.simulator.config import parse, parse_gap, parse_range, read_keys, read_tags
from ocpp_gateway.simulator.faults import Fault, RandomFaults
from ocpp_gateway.simulator.meter import EnergyMeter, Load, PowerCurve
from ocpp_gateway.simulator.register import Registration, RegistrationFailed, register
from ocpp_gateway.simulator.stats import Latencies


@pytest.mark.parametrize(
    ("text", "gap_s"),
    [("12/h", 300), ("2/min", 30), ("30s", 30), ("5m", 300), ("6", 600), ("0", 0), ("0.5s", 0.5)],
)
def test_parse_gap_of_each_form_is_mean_seconds(text: str, gap_s: float) -> None:
    assert parse_gap(text) == gap_s


@pytest.mark.parametrize("text", ["", "fast", "-3", "12/fortnight", "1e3"])
def test_parse_gap_of_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_gap(text)


def test_parse_range_takes_one_or_two_numbers() -> None:
    assert parse_range("60-180") == (60, 180)
    assert parse_range("90") == (90, 90)
    with pytest.raises(ValueError):
        parse_range("9-3")


def test_parse_without_arguments_is_one_charger_on_this_machine() -> None:
    config, options = parse([], prog="simulate")
    assert (config.url, config.identities) == ("ws://127.0.0.1:8000/ocpp", ["SIM0001"])
    assert options.json is False


def test_parse_with_keys_takes_identities_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text("# identity,key\nRDAM 123,abc\nCP|2,\n")
    config, _ = parse(["ws://host/ocpp", "--keys", str(path)], prog="simulate")
    assert read_keys(path) == {"RDAM 123": "abc", "CP|2": ""}
    assert config.identities == ["RDAM 123", "CP|2"]


def test_parse_with_a_bad_probability_exits_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--lost-answers", "1.5"], prog="simulate")
    assert ended.value.code == 2
    assert "--lost-answers" in capsys.readouterr().err


def test_tags_of_a_long_list_or_a_file_are_all_taken(tmp_path: Path) -> None:
    many = [f"TAG{number:05d}" for number in range(1000)]
    path = tmp_path / "tags.txt"
    path.write_text("# our tags\nA1\n\n B2 \n")
    assert read_tags(",".join(many)) == tuple(many)
    assert read_tags(str(path)) == ("A1", "B2")
    assert read_tags("ONE") == ("ONE",)


def test_tags_by_default_are_enough_for_every_connector() -> None:
    config, _ = parse(["--chargers", "3", "--connectors", "2"], prog="simulate")
    assert len(set(config.tag_values)) == 6
    assert max(len(tag) for tag in config.tag_values) <= 20


# ---------------------------------------------------------------- energy
@given(parts=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 100_000)), max_size=30))
def test_meter_loses_less_than_one_wh_in_all(parts: list[tuple[int, int]]) -> None:
    meter = EnergyMeter()
    for power_w, milliseconds in parts:
        meter.run(power_w=power_w, milliseconds=milliseconds)
    assert meter.register_wh == sum(power * ms for power, ms in parts) // 3_600_000


def test_meter_never_runs_backwards() -> None:
    with pytest.raises(ValueError):
        EnergyMeter(5).deliver(-1)


def test_power_curve_ramps_holds_tapers_and_ends() -> None:
    curve = PowerCurve(power_w=10_000, length_s=1000, full_after=0.9)
    assert curve.power_at(0) == 0
    assert curve.power_at(100) == 10_000
    assert curve.power_at(630) == 10_000
    assert 2_000 <= curve.power_at(899) < 2_100
    assert curve.power_at(900) == curve.power_at(-1) == 0


def test_load_limited_draws_no_more_than_the_limit() -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    curve = PowerCurve(power_w=10_000, length_s=7200)
    load = Load(curve=curve, since=since, soc_start=10, capacity_wh=40_000, metered_until=since)
    meter = EnergyMeter()
    load.draw(meter, since + timedelta(seconds=600), limit_w=6_000)
    load.draw(meter, since + timedelta(seconds=1200), limit_w=6_000)
    assert meter.register_wh == 500 + 1000  # the ramp counts as a trapezium
    assert load.soc(8_000) == 30


# ---------------------------------------------------------------- statistics
def test_percentiles_are_nearest_rank_within_one_percent() -> None:
    latencies = Latencies()
    for value in range(1, 1001):
        latencies.record(value / 1000)
    assert latencies.percentile(50) == pytest.approx(0.500, rel=0.011)
    assert latencies.percentile(99) == pytest.approx(0.990, rel=0.011)
    assert latencies.percentile(100) == latencies.max_s == 1.0


def test_percentile_of_one_value_is_that_value_and_of_none_zero() -> None:
    latencies = Latencies()
    assert latencies.percentile(99) == 0.0
    latencies.record(0.25)
    assert latencies.percentile(1) == latencies.percentile(99) == 0.25


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=50), st.floats(0, 100))
def test_percentile_is_never_below_its_rank(values: list[float], percent: float) -> None:
    latencies = Latencies()
    for value in values:
        latencies.record(value)
    found = latencies.percentile(percent)
    assert sum(value <= found * (1 + 1e-9) for value in values) >= len(values) * percent / 100 - 1e-9


def test_latencies_added_are_those_of_both() -> None:
    first, second = Latencies(), Latencies()
    first.record(0.1)
    second.record(0.3)
    both = Latencies().add([first, second]).as_dict()
    assert (both["count"], both["max_ms"], both["mean_ms"]) == (2, 300, 200)


def test_random_faults_with_one_seed_repeat_themselves() -> None:
    import random

    def draw() -> list[Fault]:
        faults = RandomFaults(random.Random(7), lost_answers=0.3, duplicates=0.3)
        return [faults.for_message("StopTransaction") for _ in range(50)]

    assert draw() == draw()
    assert {Fault.NONE, Fault.DUPLICATE} < set(draw())


# ---------------------------------------------------------------- registration
@contextmanager
def rest_api(existing: set[str]) -> Iterator[tuple[str, list[tuple[str, str, dict[str, Any]]]]]:
    """A REST API that knows some identities and tags already; yields its address and what it was asked."""
    seen: list[tuple[str, str, dict[str, Any]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = orjson.loads(self.rfile.read(length)) if length else {}
            seen.append((self.command, self.path, body))
            status, answer = self.decide(body)
            raw = orjson.dumps(answer)
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def decide(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            if self.path.endswith("auth/token/"):
                return (200, {"access": "jwt"}) if body["password"] == "right" else (401, {"title": "no"})
            if self.headers.get("Authorization") != "Bearer jwt":
                return 401, {"title": "no"}
            if self.command == "POST" and (body.get("identity") or body.get("value")) in existing:
                return 409, {"title": "exists"}
            if self.command == "PATCH" and not any(name in self.path for name in existing):
                return 404, {"title": "unknown"}
            return 200, {"results": [{"value": "TAG1"}]}

        do_GET = do_POST = do_PATCH = respond

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_register_creates_what_is_missing_and_rekeys_what_exists() -> None:
    with rest_api({"CP1", "TAG1"}) as (url, seen):
        login = Registration(api_url=url, username="admin", password="right")
        register(login, keys={"CP1": "a" * 16, "CP2": "b" * 16}, tags=["TAG1"])
    asked = {(method, path) for method, path, _ in seen}
    assert ("PATCH", "/api/v1/charge-points/CP1/") in asked
    assert ("PATCH", "/api/v1/charge-points/CP2/") not in asked
    assert ("GET", "/api/v1/id-tokens/?value=TAG1") in asked


def test_register_with_a_wrong_password_fails_with_one_sentence() -> None:
    with rest_api(set()) as (url, _):
        login = Registration(api_url=url, username="admin", password="wrong")
        with pytest.raises(RegistrationFailed, match="signing in as 'admin' failed: HTTP 401"):
            register(login, keys={"CP1": "k"}, tags=[])


def test_register_without_a_server_fails_with_one_sentence() -> None:
    with pytest.raises(RegistrationFailed, match="cannot be reached"):
        register(Registration(api_url="http://127.0.0.1:9", token="jwt"), keys={"CP1": "k"}, tags=[])
