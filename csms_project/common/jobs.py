"""Background jobs: idempotent functions that look for due rows, and the engine that wakes them.

The state of all work is in the rows, so a run that is lost, repeated or done by two processes at once changes
nothing. Apps register jobs in their module `jobs.py`; `csms_project.apps` imports these modules.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from csms_project.common import metrics

logger = logging.getLogger(__name__)

Run = Callable[[datetime], int]
#: A job that filled its batch has more to do: it runs again after this time.
AGAIN_S = 2.0
#: Later than this many of its intervals (and a minute), a job counts as stuck.
LATE_INTERVALS = 3
LATE_S = 60.0


class JobError(Exception):
    """A job cannot be run."""


class UnknownJob(JobError):
    """There is no job of this name."""


@dataclass(frozen=True, slots=True)
class Job:
    """A function that is called every `every_s` seconds and returns the number of rows it touched.

    batch  rows after which a run stops although there are more; None: a run does everything
    """

    name: str
    every_s: float
    run: Run
    batch: int | None = None


_registry: dict[str, Job] = {}


def job(*, every_s: float, batch: int | None = None) -> Callable[[Run], Run]:
    """Register a function `(now) -> rows touched` as the job app.function."""

    def register(run: Run) -> Run:
        name = f"{run.__module__.split('.')[0]}.{run.__name__}"
        _registry[name] = Job(name=name, every_s=every_s, run=run, batch=batch)
        return run

    return register


def registered() -> list[Job]:
    """All jobs by name."""
    return [_registry[name] for name in sorted(_registry)]


def get_job(name: str) -> Job:
    """The job of this name; raises UnknownJob."""
    try:
        return _registry[name]
    except KeyError:
        raise UnknownJob(f"There is no job {name!r}. Jobs: {', '.join(sorted(_registry))}.") from None


@dataclass(slots=True)
class JobState:
    """What is known of a job's runs in this process; times by the monotonic clock unless named `_at`."""

    due: float
    ok: float
    last_success_at: datetime | None = None
    rows: int = 0
    error: str = ""


@dataclass(slots=True)
class Runner:
    """Runs the jobs that are due, at fixed intervals from the start: a slow run does not shift the next."""

    jobs: Iterable[Job] = field(default_factory=registered)
    clock: Callable[[], float] = time.monotonic
    states: dict[str, JobState] = field(init=False)
    _jobs: dict[str, Job] = field(init=False)

    def __post_init__(self) -> None:
        self._jobs = {item.name: item for item in self.jobs}
        start = self.clock()
        self.states = {name: JobState(due=start, ok=start) for name in self._jobs}

    def run_due(self, now: datetime, *, stop: threading.Event | None = None) -> dict[str, int]:
        """Run every job whose time has come; returns the rows touched by name. Never raises."""
        done = {}
        for name, item in self._jobs.items():
            if stop is not None and stop.is_set():
                break
            if self.states[name].due <= self.clock():
                done[name] = self._run(item, now)
        return done

    def seconds_to_next(self) -> float:
        """Time until the next job is due."""
        return max(0.0, min((state.due for state in self.states.values()), default=3600.0) - self.clock())

    def problem(self) -> str | None:
        """What is wrong, in a sentence; None when every job has succeeded lately."""
        for name, state in self.states.items():
            late = self.clock() - state.ok
            if late > self._jobs[name].every_s * LATE_INTERVALS + LATE_S:
                return f"{name} has not succeeded for {late:.0f} s{f': {state.error}' if state.error else ''}"
        return None

    def _run(self, item: Job, now: datetime) -> int:
        state = self.states[item.name]
        started = self.clock()
        rows = 0
        try:
            rows = item.run(now)
        except Exception as error:  # the next run tries again; /health and the metrics tell
            state.error = f"{type(error).__name__}"
            metrics.JOB_RUNS.labels(item.name, "error").inc()
            # A database that is away is news, not a bug: one line instead of a stack.
            is_away = isinstance(error, OperationalError | InterfaceError)
            fields = {"job": item.name, "error": str(error)[:300]}
            logger.error("job.failed", exc_info=None if is_away else error, extra=fields)
        else:
            state.ok, state.last_success_at, state.rows, state.error = self.clock(), now, rows, ""
            metrics.JOB_RUNS.labels(item.name, "ok").inc()
            if rows:
                logger.info("job.done", extra={"job": item.name, "rows": rows})
        ended = self.clock()
        metrics.JOB_SECONDS.labels(item.name).observe(ended - started)
        if item.batch is not None and rows >= item.batch:
            state.due = ended + AGAIN_S
        else:
            missed = int((ended - state.due) // item.every_s)
            state.due += item.every_s * (missed + 1)
        return rows


_runner: Runner | None = None


def ticker_problem() -> str | None:
    """For /health of a process that should run the jobs: what is wrong, None when all is well."""
    return _runner.problem() if _runner is not None else "the ticker does not run"


def is_ticking() -> bool:
    """Whether this process runs the jobs."""
    return _runner is not None


def _step(runner: Runner, stop: threading.Event) -> None:
    close_old_connections()
    try:
        runner.run_due(timezone.now(), stop=stop)
    finally:
        close_old_connections()


async def ticker(stop: asyncio.Event, *, runner: Runner | None = None) -> None:
    """Run due jobs until `stop` is set, in one thread of its own; a run that has begun is finished."""
    global _runner
    runner = _runner = runner or Runner()
    halt = threading.Event()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobs") as thread:
        try:
            while not stop.is_set():
                step: asyncio.Future[Any] = loop.run_in_executor(thread, _step, runner, halt)
                stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
                await asyncio.wait({step, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set():
                    halt.set()
                stopped.cancel()
                await step
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), runner.seconds_to_next())
        finally:
            halt.set()
            _runner = None
