"""The result of a load test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ocpp_gateway.simulator.bench.processes import Usage
from ocpp_gateway.simulator.bench.socket import Tally
from ocpp_gateway.simulator.stats import Latencies


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """Counts and latencies of the measured time; usages at its beginning and end.

    connected   sockets that were open and registered when measuring began (for boot-storm: boots done)
    unloaded    the server before the first socket, for the memory of a connection
    """

    scenario: str
    chargers: int
    connected: int
    duration_s: float
    tally: Tally
    unloaded: Usage
    server: tuple[Usage, Usage]
    postgres: tuple[Usage, Usage] | None
    client_cpu_s: float
    wal_bytes: int | None = None

    @property
    def messages(self) -> int:
        """Answered calls; handshakes are counted apart."""
        return sum(row.count for action, row in self.tally.latencies.items() if action != "handshake")

    @property
    def messages_per_s(self) -> float:
        return self.messages / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def ok(self) -> bool:
        return not self.tally.errors and self.connected > 0

    def per_message(self, total: float | None) -> float | None:
        """A sum divided by the messages; None where there were none."""
        return None if total is None or not self.messages else total / self.messages

    @property
    def rss_per_connection(self) -> float | None:
        """Bytes of server memory per connection; None without a server process."""
        if not self.unloaded.found or not self.connected:
            return None
        return (self.server[1].rss_bytes - self.unloaded.rss_bytes) / self.connected

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: seconds, bytes, latencies in ms. None where nothing could be measured."""
        latencies = self.tally.latencies
        return {
            "ok": self.ok,
            "scenario": self.scenario,
            "chargers": self.chargers,
            "connected": self.connected,
            "duration_s": round(self.duration_s, 3),
            "messages": self.messages,
            "messages_per_s": round(self.messages_per_s, 1),
            "latency": Latencies()
            .add(row for action, row in latencies.items() if action != "handshake")
            .as_dict(),
            "actions": {action: latencies[action].as_dict() for action in sorted(latencies)},
            "errors": dict(sorted(self.tally.errors.items())),
            **self._cpu(),
            "wal_bytes": self.wal_bytes,
            "wal_bytes_per_message": _rounded(self.per_message(self.wal_bytes), 1),
            "server_processes": self.server[1].found,
            "server_rss_bytes": self.server[1].rss_bytes or None,
            "rss_bytes_per_connection": None
            if self.rss_per_connection is None
            else round(self.rss_per_connection),
        }

    def _cpu(self) -> dict[str, float | None]:
        """CPU of the three parts: seconds, seconds per 1,000 messages, microseconds per message."""
        server = self.server[1].cpu_s - self.server[0].cpu_s if self.server[0].found else None
        postgres = self.postgres[1].cpu_s - self.postgres[0].cpu_s if self.postgres else None
        total = None if server is None else server + (postgres or 0.0)
        parts = {"server": server, "postgres": postgres, "client": self.client_cpu_s}
        row = {f"{name}_cpu_s": _rounded(cpu_s) for name, cpu_s in parts.items()}
        for name, cpu_s in [("", total), *parts.items()]:
            each, prefix = self.per_message(cpu_s), f"{name}_" if name else ""
            row[f"{prefix}cpu_s_per_1000_messages"] = _rounded(None if each is None else each * 1e3)
            row[f"{prefix}cpu_us_per_message"] = _rounded(None if each is None else each * 1e6, 1)
        return row

    def as_text(self) -> str:
        """The result as a table for a terminal."""
        row = self.as_dict()
        done = "boots by" if self.scenario == "boot-storm" else "connected of"
        lines = [
            f"{self.scenario}: {self.connected} {done} {self.chargers} charge points",
            f"{self.duration_s:.1f} s measured",
            f"{self.messages} messages, {self.messages_per_s:.0f} per second",
            "",
            f"{'action':<24}{'count':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'max ms':>10}",
        ]
        for action, values in [*row["actions"].items(), ("all", row["latency"])]:
            lines.append(
                f"{action:<24}{values['count']:>10.0f}{values['p50_ms']:>10.2f}{values['p95_ms']:>10.2f}"
                f"{values['p99_ms']:>10.2f}{values['max_ms']:>10.2f}"
            )
        lines += ["", *self._resources(row)]
        lines += [f"error {kind:<18}{count:>10}" for kind, count in row["errors"].items()] or ["no errors"]
        return "\n".join(lines)

    def _resources(self, row: dict[str, Any]) -> list[str]:
        lines = [f"{'CPU':<24}{'seconds':>10}{'s/1,000':>10}{'µs each':>10}"]
        parts = [("server_", "server"), ("postgres_", "PostgreSQL"), ("client_", "client")]
        lines += [
            _cpu_line(title, row, prefix) for prefix, title in parts if row[f"{prefix}cpu_s"] is not None
        ]
        if row["server_cpu_s"] is None:
            lines.append("server: unknown (no process listens there on this machine; name one with --pid)")
        elif row["postgres_cpu_s"] is not None and row["cpu_us_per_message"] is not None:
            both = row["server_cpu_s"] + row["postgres_cpu_s"]
            lines.append(_cpu_line("server + PostgreSQL", {**row, "cpu_s": both}, ""))
        lines.append("")
        if row["wal_bytes_per_message"] is not None:
            lines.append(
                f"WAL {row['wal_bytes'] / 1e6:.1f} MB, {row['wal_bytes_per_message']:.0f} bytes per message"
            )
        if row["server_cpu_s"] is not None:
            count = row["server_processes"]
            lines.append(f"server memory {(row['server_rss_bytes'] or 0) / 1e6:.1f} MB in {count} processes")
            if self.scenario == "idle" and row["rss_bytes_per_connection"] is not None:
                lines.append(f"memory per connection {row['rss_bytes_per_connection'] / 1000:.1f} kB")
        return lines


def _cpu_line(title: str, row: dict[str, Any], prefix: str) -> str:
    per_1000, each = row[f"{prefix}cpu_s_per_1000_messages"], row[f"{prefix}cpu_us_per_message"]
    line = f"{title:<24}{row[f'{prefix}cpu_s']:>10.2f}"
    return line if each is None else f"{line}{per_1000:>10.3f}{each:>10.0f}"


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
