"""Prometheus metrics of the product, and helpers that are cheap enough for the hot path.

Label values that a charger can choose (the action) are bounded: after `MAX_SERIES` combinations the rest is
counted as "other", so that a stranger cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

Child = TypeVar("Child", bound=MetricWrapperBase)

MAX_SERIES = 500
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 300, 500)

CONNECTIONS = Gauge(
    "csms_connections", "Sockets of chargers that are open now.", ["version"], multiprocess_mode="livesum"
)
HANDSHAKES = Counter(
    "csms_handshakes_total", "Handshakes of chargers: accepted, or the reason of the refusal.", ["outcome"]
)
MESSAGES = Counter(
    "csms_messages_total",
    "Messages of chargers: ok, or the CALLERROR code they were answered with.",
    ["version", "action", "outcome"],
)
HANDLING_SECONDS = Histogram(
    "csms_handling_seconds", "From the arrival of a CALL to its answer.", ["action"], buckets=_FAST
)
COMMIT_SECONDS = Histogram("csms_commit_seconds", "One batch of the writer: load to commit.", buckets=_FAST)
BATCH_SIZE = Histogram("csms_batch_size", "Frames in one batch of the writer.", buckets=_SIZES)
QUEUE_DEPTH = Gauge("csms_queue_depth", "Frames that wait for the writer.", multiprocess_mode="livesum")
COMMANDS = Counter("csms_commands_total", "Commands that reached their final state.", ["action", "outcome"])
ENERGY_WH = Counter("csms_energy_wh_total", "Energy of the sessions that ended, in Wh.")
SESSIONS_ACTIVE = Gauge("csms_sessions_active", "Sessions that run now.", multiprocess_mode="mostrecent")
JOB_RUNS = Counter("csms_job_runs_total", "Runs of background jobs: ok or error.", ["job", "outcome"])
JOB_SECONDS = Histogram("csms_job_seconds", "Duration of background jobs.", ["job"])
PARTITION_DEFAULT_ROWS = Gauge(
    "csms_partition_default_rows",
    "Rows of partitioned tables that lie in no month; 0 unless months were not made ahead.",
    ["table"],
    multiprocess_mode="mostrecent",
)


class _Children(Generic[Child]):
    """Label children by their values, without the lock and the checks of `labels()` after the first time."""

    def __init__(self, metric: Child, overflow: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
        self._metric = metric
        self._overflow = overflow
        self._known: dict[tuple[str, ...], Child] = {}

    def get(self, *values: str) -> Child:
        child = self._known.get(values)
        return child if child is not None else self._add(values)

    def _add(self, values: tuple[str, ...]) -> Child:
        if len(self._known) >= MAX_SERIES:
            values = self._overflow(values)
            if (child := self._known.get(values)) is not None:
                return child
        child = self._known[values] = self._metric.labels(*values)
        return child


_messages = _Children(MESSAGES, lambda values: (values[0], "other", "other"))
_handling = _Children(HANDLING_SECONDS, lambda values: ("other",))
_commands = _Children(COMMANDS, lambda values: ("other", values[1]))
_handshakes = _Children(HANDSHAKES, lambda values: ("other",))


def count_message(version: str, action: str, outcome: str = "ok") -> None:
    """One CALL of a charger was answered; `outcome` is ok or the CALLERROR code."""
    _messages.get(version, action, outcome).inc()


def observe_handling(action: str, seconds: float) -> None:
    """Time from a CALL's arrival to its answer."""
    _handling.get(action).observe(seconds)


def count_handshake(outcome: str) -> None:
    """One handshake ended: accepted, or a `chargepoints.choices.RefusalReason`."""
    _handshakes.get(outcome).inc()


def count_command(action: str, outcome: str) -> None:
    """One command reached its final state (`chargepoints.choices.CommandStatus`)."""
    _commands.get(action, outcome).inc()


def observe_batch(size: int, seconds: float) -> None:
    """The writer committed a batch."""
    BATCH_SIZE.observe(size)
    COMMIT_SECONDS.observe(seconds)


def add_energy(energy_wh: Decimal) -> None:
    """A session ended with this energy; corrections downwards are not counted."""
    if energy_wh > 0:
        ENERGY_WH.inc(float(energy_wh))


def metric_names() -> list[str]:
    """Names of all metrics above, for the documentation and its test."""
    found = [value for value in globals().values() if isinstance(value, MetricWrapperBase)]
    return sorted(next(iter(metric.describe())).name for metric in found)
