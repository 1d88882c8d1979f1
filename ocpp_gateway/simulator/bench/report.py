"""The result of a load test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocpp_gateway.simulator.bench.catalog import SCENARIOS
from ocpp_gateway.simulator.bench.gauges import Reading
from ocpp_gateway.simulator.bench.growth import Growth, Sample, measure_growth
from ocpp_gateway.simulator.bench.processes import Usage
from ocpp_gateway.simulator.bench.scenarios import Booked
from ocpp_gateway.simulator.bench.socket import Tally
from ocpp_gateway.simulator.stats import Latencies


@dataclass(slots=True)
class Phase:
    """All the times that one action alone was the load."""

    messages: int = 0
    server_cpu_s: float = 0.0
    postgres_cpu_s: float = 0.0

    def each_us(self, cpu_s: float) -> float | None:
        """Microseconds of one message; None where there were none."""
        return round(cpu_s * 1e6 / self.messages, 1) if self.messages else None


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """Counts and latencies of the measured time; readings at its beginning and end.

    connected   sockets that were open and registered when measuring began (in a storm or soak: boots done)
    unloaded    the server before the first socket, for the memory of a connection
    samples     of the server's size, in a soak
    phases      CPU of server and PostgreSQL by action, where the load has phases
    commands    by outcome; None where none were sent
    sessions    what was acknowledged, by identity
    complaints  what `--verify` found missing; None where it did not look
    """

    scenario: str
    chargers: int
    connected: int
    tally: Tally
    unloaded: Usage
    before: Reading
    after: Reading
    samples: Sequence[Sample] = ()
    phases: Mapping[str, Phase] = field(default_factory=dict)
    commands: Counter[str] | None = None
    sessions: Mapping[str, Sequence[Booked]] = field(default_factory=dict)
    complaints: tuple[str, ...] | None = None

    @property
    def duration_s(self) -> float:
        return self.after.at - self.before.at

    @property
    def messages(self) -> int:
        """Answered calls; handshakes are counted apart."""
        return sum(row.count for action, row in self.tally.latencies.items() if action != "handshake")

    @property
    def growth(self) -> Growth | None:
        """Of the server, in a soak that was long enough."""
        return measure_growth(self.samples)

    @property
    def ok(self) -> bool:
        is_steady = self.growth is None or self.growth.is_steady
        return not self.tally.errors and self.connected > 0 and not self.complaints and is_steady

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: seconds, bytes, latencies in ms. None where nothing could be measured."""
        latencies, server = self.tally.latencies, self.after.server
        rss = self._rss_per_connection()
        return {
            "ok": self.ok,
            "scenario": self.scenario,
            "chargers": self.chargers,
            "connected": self.connected,
            "duration_s": round(self.duration_s, 3),
            "messages": self.messages,
            "messages_per_s": round(self._per_second(self.messages), 1),
            "latency": Latencies()
            .add(row for action, row in latencies.items() if action != "handshake")
            .as_dict(),
            "actions": {action: latencies[action].as_dict() for action in sorted(latencies)},
            "errors": dict(sorted(self.tally.errors.items())),
            **self._cpu(),
            "phases": self._phases(),
            **self._boots(),
            "wal_bytes": self._wal(),
            "wal_bytes_per_message": _rounded(self._per_message(self._wal()), 1),
            "server_processes": server.found,
            "server_rss_bytes": server.rss_bytes or None,
            "rss_bytes_per_connection": None if rss is None else round(rss),
            "compressed_connections": self.tally.compressed,
            "growth": None if self.growth is None else self.growth.as_dict(),
            "commands": None if self.commands is None else dict(sorted(self.commands.items())),
            "complaints": None if self.complaints is None else list(self.complaints),
        }

    # ---------------------------------------------------------------- arithmetic
    def _per_second(self, count: int) -> float:
        return count / self.duration_s if self.duration_s > 0 else 0.0

    def _per_message(self, total: float | None) -> float | None:
        return None if total is None or not self.messages else total / self.messages

    def _wal(self) -> int | None:
        before, after = self.before.wal_bytes, self.after.wal_bytes
        return None if before is None or after is None else after - before

    def _rss_per_connection(self) -> float | None:
        if not self.unloaded.found or not self.connected or not SCENARIOS[self.scenario].weighs:
            return None
        return (self.after.server.rss_bytes - self.unloaded.rss_bytes) / self.connected

    def _cpu_seconds(self) -> dict[str, float | None]:
        """Of the parts, and of server and PostgreSQL together under the empty name."""
        before, after = self.before, self.after
        server = after.server.cpu_s - before.server.cpu_s if before.server.found else None
        postgres = (
            after.postgres.cpu_s - before.postgres.cpu_s if before.postgres and after.postgres else None
        )
        return {
            "": None if server is None else server + (postgres or 0.0),
            "server_": server,
            "postgres_": postgres,
            "client_": after.client_cpu_s - before.client_cpu_s,
        }

    def _cpu(self) -> dict[str, float | None]:
        """Seconds, seconds per 1,000 messages, microseconds per message."""
        row: dict[str, float | None] = {}
        for part, cpu_s in self._cpu_seconds().items():
            each = self._per_message(cpu_s)
            row[f"{part}cpu_s"] = _rounded(cpu_s)
            row[f"{part}cpu_s_per_1000_messages"] = _rounded(None if each is None else each * 1e3)
            row[f"{part}cpu_us_per_message"] = _rounded(None if each is None else each * 1e6, 1)
        return row

    def _phases(self) -> dict[str, dict[str, float | None]] | None:
        """Microseconds per message of each action on its own."""
        if not self.phases:
            return None
        sees_server, sees_postgres = self.before.server.found > 0, self.before.postgres is not None
        return {
            action: {
                "server_cpu_us": phase.each_us(phase.server_cpu_s) if sees_server else None,
                "postgres_cpu_us": phase.each_us(phase.postgres_cpu_s) if sees_postgres else None,
            }
            for action, phase in self.phases.items()
        }

    def _boots(self) -> dict[str, float | None]:
        """How many charge points came up, in a storm."""
        if self.scenario != "boot-storm" or not self.connected:
            return {"boots_per_s": None, "cpu_ms_per_boot": None}
        cpu_s = self._cpu_seconds()[""]
        return {
            "boots_per_s": round(self._per_second(self.connected), 1),
            "cpu_ms_per_boot": _rounded(None if cpu_s is None else cpu_s * 1e3 / self.connected, 3),
        }

    # ---------------------------------------------------------------- text
    def as_text(self) -> str:
        """The result as a table for a terminal."""
        row = self.as_dict()
        done = "boots by" if SCENARIOS[self.scenario].reconnect else "connected of"
        lines = [
            f"{self.scenario}: {self.connected} {done} {self.chargers} charge points",
            f"{self.duration_s:.1f} s measured",
            f"{self.messages} messages, {row['messages_per_s']:.0f} per second",
            "",
            f"{'action':<24}{'count':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'max ms':>10}",
        ]
        for action, values in [*row["actions"].items(), ("all", row["latency"])]:
            lines.append(
                f"{action:<24}{values['count']:>10.0f}{values['p50_ms']:>10.2f}{values['p95_ms']:>10.2f}"
                f"{values['p99_ms']:>10.2f}{values['max_ms']:>10.2f}"
            )
        lines += ["", *_cpu_lines(row), "", *_other_lines(row)]
        lines += [f"error {kind:<18}{count:>10}" for kind, count in row["errors"].items()] or ["no errors"]
        if self.complaints is not None:
            lines += [f"not stored: {text}" for text in self.complaints] or [
                "everything acknowledged is stored"
            ]
        return "\n".join(lines)


def _cpu_lines(row: dict[str, Any]) -> list[str]:
    parts = {"server_": "server", "postgres_": "PostgreSQL", "client_": "client"}
    if row["server_cpu_s"] is not None and row["postgres_cpu_s"] is not None:
        parts[""] = "server + PostgreSQL"
    lines = [f"{'CPU':<24}{'seconds':>10}{'s/1,000':>10}{'µs each':>10}"]
    for part, title in parts.items():
        seconds, per_1000 = row[f"{part}cpu_s"], row[f"{part}cpu_s_per_1000_messages"]
        if seconds is not None:
            each = "" if per_1000 is None else f"{per_1000:>10.3f}{row[f'{part}cpu_us_per_message']:>10.0f}"
            lines.append(f"{title:<24}{seconds:>10.2f}{each}")
    for action, values in (row["phases"] or {}).items():
        shown = {"server": values["server_cpu_us"], "PostgreSQL": values["postgres_cpu_us"]}
        known = [f"{name} {cpu:.0f} µs" for name, cpu in shown.items() if cpu is not None]
        lines.append(f"{action} alone: {', '.join(known) or 'unknown'}")
    if row["server_cpu_s"] is None:
        lines.append("server: unknown (no process listens there on this machine; name one with --pid)")
    return lines


def _other_lines(row: dict[str, Any]) -> list[str]:
    lines = []
    if row["boots_per_s"] is not None:
        each = "" if row["cpu_ms_per_boot"] is None else f", {row['cpu_ms_per_boot']:.2f} ms of CPU each"
        lines.append(f"boots: {row['boots_per_s']:.0f} per second{each}")
    if row["wal_bytes_per_message"] is not None:
        lines.append(
            f"WAL {row['wal_bytes'] / 1e6:.1f} MB, {row['wal_bytes_per_message']:.0f} bytes per message"
        )
    if row["server_rss_bytes"] is not None:
        count = row["server_processes"]
        lines.append(f"server memory {row['server_rss_bytes'] / 1e6:.1f} MB in {count} processes")
    if row["rss_bytes_per_connection"] is not None:
        lines.append(f"memory per connection {row['rss_bytes_per_connection'] / 1000:.1f} kB")
    if row["growth"] is not None:
        lines.append(_growth_line(row["growth"]))
    if row["commands"] is not None:
        lines.append(
            "commands: " + (", ".join(f"{n} {kind}" for kind, n in row["commands"].items()) or "none")
        )
    return lines


def _growth_line(growth: dict[str, Any]) -> str:
    verdict = "steady" if growth["steady"] else "GROWING"
    course = " ".join(f"{rss / 1e6:.0f}" for rss in growth["rss_bytes_by_tenth"])
    return (
        f"growth after warm-up: memory {growth['rss_growth_bytes'] / 1e6:+.1f} MB, "
        f"file descriptors {growth['files_growth']:+d}: {verdict} (MB by tenth of the time: {course})"
    )


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
