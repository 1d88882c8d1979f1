"""Counters of a simulation or a load test, and what is printed from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_STEPS_PER_E = 100  # histogram steps of 1 %


class Latencies:
    """A histogram of durations with steps of 1 %: any number of values in constant memory.

    Percentiles are nearest-rank and at most 1 % above the true value; count, sum and maximum are exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self.max_s = 0.0
        self._steps: Counter[int] = Counter()

    def record(self, seconds: float) -> None:
        """Count one duration."""
        self.count += 1
        self.total_s += seconds
        if seconds > self.max_s:
            self.max_s = seconds
        self._steps[math.ceil(math.log(max(seconds, 1e-7)) * _STEPS_PER_E)] += 1

    def percentile(self, percent: float) -> float:
        """The smallest duration that at least so many percent of the values do not exceed; 0.0 when empty."""
        rank = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for step, count in sorted(self._steps.items()):
            seen += count
            if seen >= rank:
                return min(math.exp(step / _STEPS_PER_E), self.max_s)
        return 0.0

    def add(self, others: Iterable[Latencies]) -> Latencies:
        """Take in the values of others; returns itself."""
        for other in others:
            self.count += other.count
            self.total_s += other.total_s
            self.max_s = max(self.max_s, other.max_s)
            self._steps.update(other._steps)
        return self

    def as_dict(self) -> dict[str, float]:
        """Milliseconds, for people and JSON."""
        return {
            "count": self.count,
            "mean_ms": round(self.total_s / self.count * 1000, 3) if self.count else 0.0,
            "p50_ms": round(self.percentile(50) * 1000, 3),
            "p95_ms": round(self.percentile(95) * 1000, 3),
            "p99_ms": round(self.percentile(99) * 1000, 3),
            "max_ms": round(self.max_s * 1000, 3),
        }


@dataclass
class Stats:
    """What all charge points of one run have counted.

    errors   what should not have happened, by kind ("callerror:InternalError", "handshake:401", …)
    faults   what the simulator did on purpose (lost answers, duplicates, malformed frames, offline periods)
    """

    sent: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Latencies] = field(default_factory=dict)
    connected: int = 0
    charging: int = 0
    sessions_started: int = 0
    sessions_completed: int = 0
    refused_tags: int = 0
    late_answers: int = 0
    energy_wh: int = 0

    def answered(self, action: str, seconds: float) -> None:
        """Count the answer to a CALL and how long it took."""
        if action not in self.latencies:
            self.latencies[action] = Latencies()
        self.latencies[action].record(seconds)

    @property
    def messages(self) -> int:
        return sum(self.sent.values())

    def progress(self, *, elapsed_s: float, chargers: int) -> str:
        """One line for a terminal."""
        latency = Latencies().add(self.latencies.values())
        return (
            f"{elapsed_s:6.0f} s  online {self.connected}/{chargers}  charging {self.charging}  "
            f"sessions {self.sessions_completed}/{self.sessions_started}  "
            f"energy {self.energy_wh / 1000:.1f} kWh  messages {self.messages}  "
            f"p99 {latency.percentile(99) * 1000:.0f} ms  errors {sum(self.errors.values())}"
        )


OUTAGE_ERRORS = ("disconnect", "handshake:503", "connect", "timeout")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The result of a run."""

    stats: Stats
    chargers: int
    duration_s: float
    cpu_s: float
    undelivered: int
    tolerate_outages: bool = False

    @property
    def failures(self) -> int:
        """Errors that make the run a failure; with `tolerate_outages` a server that went away is none."""
        kinds = self.stats.errors.items()
        if not self.tolerate_outages:
            return sum(count for _, count in kinds)
        return sum(count for kind, count in kinds if not kind.startswith(OUTAGE_ERRORS))

    @property
    def ok(self) -> bool:
        return self.failures == 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; energy in Wh, latencies in ms."""
        stats = self.stats
        return {
            "ok": self.ok,
            "chargers": self.chargers,
            "duration_s": round(self.duration_s, 3),
            "client_cpu_s": round(self.cpu_s, 3),
            "messages": stats.messages,
            "sent": dict(sorted(stats.sent.items())),
            "answers": {action: stats.latencies[action].as_dict() for action in sorted(stats.latencies)},
            "latency": Latencies().add(stats.latencies.values()).as_dict(),
            "commands": dict(sorted(stats.commands.items())),
            "errors": dict(sorted(stats.errors.items())),
            "faults": dict(sorted(stats.faults.items())),
            "sessions_started": stats.sessions_started,
            "sessions_completed": stats.sessions_completed,
            "refused_tags": stats.refused_tags,
            "late_answers": stats.late_answers,
            "undelivered": self.undelivered,
            "energy_wh": stats.energy_wh,
        }

    def as_text(self) -> str:
        """The summary as a table for a terminal."""
        stats = self.stats
        lines = [
            f"{self.chargers} charge points, {self.duration_s:.1f} s, {stats.messages} messages, "
            f"{self.cpu_s:.1f} s of client CPU",
            f"sessions: {stats.sessions_started} started, {stats.sessions_completed} completed, "
            f"{stats.energy_wh} Wh delivered; {stats.refused_tags} tags refused",
            "",
            f"{'action':<32}{'sent':>9}{'answers':>9}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}",
        ]
        for action in sorted(set(stats.sent) | set(stats.latencies)):
            row = stats.latencies.get(action, Latencies()).as_dict()
            lines.append(
                f"{action:<32}{stats.sent[action]:>9}{row['count']:>9.0f}"
                f"{row['p50_ms']:>10.1f}{row['p99_ms']:>10.1f}{row['max_ms']:>10.1f}"
            )
        for title, counts in (
            ("commands", stats.commands),
            ("faults", stats.faults),
            ("errors", stats.errors),
        ):
            if counts:
                lines += ["", title] + [f"  {kind:<30}{count:>9}" for kind, count in sorted(counts.items())]
        lines += ["", "no errors" if self.ok and not stats.errors else f"{sum(stats.errors.values())} errors"]
        return "\n".join(lines)
