"""Background jobs: idempotent functions that look for due rows, and the ticker that wakes them.

The state of all work is in the rows, so a run that is lost or repeated changes nothing. Apps register jobs in their
module `jobs.py`; `csms_project.apps` imports these modules. On PostgreSQL workers of their own may run them
(`csms_project.common.queue`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection
from django.db.transaction import on_commit
from django.utils import timezone

from csms_project.common import metrics

logger = logging.getLogger(__name__)

Run = Callable[[datetime], int]
#: A job that filled its batch has more to do: it runs again after this time.
AGAIN_S = 2.0
#: Later than this many of its intervals (and a minute), a job counts as stuck.
LATE_INTERVALS = 3
LATE_S = 60.0
_LOCKS = 0x6A6F62  # class of our advisory locks: any number that only we use


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


# ---------------------------------------------------------------- one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One run of a job; `is_busy`: nothing was done, another process runs it at this moment."""

    rows: int = 0
    error: str = ""
    is_busy: bool = False


def execute(item: Job, now: datetime) -> Done:
    """Run a job once, unless it runs already; counts and logs the outcome. Never raises."""
    started = time.monotonic()
    try:
        with _alone(item.name) as may_run:
            if not may_run:
                return Done(is_busy=True)
            rows = item.run(now)
    except Exception as error:  # the next run tries again; /health and the metrics tell
        metrics.JOB_RUNS.labels(item.name, "error").inc()
        # A database that is away is news, not a bug: one line instead of a stack.
        is_away = isinstance(error, OperationalError | InterfaceError)
        fields = {"job": item.name, "error": str(error)[:300]}
        logger.error("job.failed", exc_info=None if is_away else error, extra=fields)
        return Done(error=type(error).__name__)
    finally:
        metrics.JOB_SECONDS.labels(item.name).observe(time.monotonic() - started)
    metrics.JOB_RUNS.labels(item.name, "ok").inc()
    if rows:
        logger.info("job.done", extra={"job": item.name, "rows": rows})
    return Done(rows=rows)


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Whether this process may run the job: on PostgreSQL one process at a time may, whatever engine woke it."""
    if connection.vendor != "postgresql":
        yield True  # one process serves an SQLite database, and runs one job at a time
        return
    if not _ask("SELECT pg_try_advisory_lock(%s, hashtext(%s))", name):
        yield False
        return
    try:
        yield True
    finally:
        try:
            _ask("SELECT pg_advisory_unlock(%s, hashtext(%s))", name)
        except DatabaseError:
            # The lock ends with the connection, if that has not ended already.
            connection.close()


def _ask(statement: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [_LOCKS, name])
        return bool(cursor.fetchone()[0])


# ---------------------------------------------------------------- soon


def enqueue(name: str) -> None:
    """Ask for a job to run as soon as the caller's transaction has committed; its intervals stay as they are.

    A hint that spares the wait: what is to be done stands in rows, and a run that never comes is made up for by the
    next interval. Asking again before it has run changes nothing.

    Raises  UnknownJob
    """
    get_job(name)
    if settings.POSTGRESQL and not is_ticking():
        from csms_project.common import queue  # it imports this module

        queue.defer(name)
    else:
        on_commit(partial(_wake, name))


def wake_here(name: str) -> None:
    """Let a job run now if this process runs the jobs: costs nothing elsewhere, where the interval will do."""
    _wake(name)


def _wake(name: str) -> None:
    if _runner is not None:
        with suppress(RuntimeError):  # its loop has just ended
            _runner.wake(name)


# ---------------------------------------------------------------- the ticker


@dataclass(slots=True)
class JobState:
    """What is known of a job's runs in this process; times by the monotonic clock unless named `_at`."""

    due: float
    ok: float
    last_success_at: datetime | None = None
    rows: int = 0
    error: str = ""
    is_asked: bool = False


@dataclass(slots=True)
class Runner:
    """Runs the jobs that are due, at fixed intervals from the start: a slow run does not shift the next."""

    jobs: Iterable[Job] = field(default_factory=registered)
    clock: Callable[[], float] = time.monotonic
    states: dict[str, JobState] = field(init=False)
    on_wake: Callable[[], object] = field(init=False, default=lambda: None)
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
            if self.states[name].is_asked or self.states[name].due <= self.clock():
                done[name] = self._run(item, now)
        return done

    def wake(self, name: str) -> None:
        """Make a job due now, or again when it runs at this moment; called from any thread."""
        self.states[name].is_asked = True
        self.on_wake()

    def seconds_to_next(self) -> float:
        """Time until the next job is due."""
        if any(state.is_asked for state in self.states.values()):
            return 0.0
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
        state.is_asked = False
        done = execute(item, now)
        ended = self.clock()
        if done.error:
            state.error = done.error
        else:
            state.ok, state.error = ended, ""
            if not done.is_busy:
                state.last_success_at, state.rows = now, done.rows
        if item.batch is not None and done.rows >= item.batch:
            state.due = ended + AGAIN_S
        elif state.due <= ended:
            missed = int((ended - state.due) // item.every_s)
            state.due += item.every_s * (missed + 1)
        return done.rows


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
    runner = runner or Runner()
    halt = threading.Event()
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    runner.on_wake = partial(loop.call_soon_threadsafe, asked.set)
    _runner = runner
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobs") as thread:
        try:
            while not stop.is_set():
                asked.clear()
                step: asyncio.Future[Any] = loop.run_in_executor(thread, _step, runner, halt)
                await _first_of(step, stop.wait())
                if stop.is_set():
                    halt.set()
                await step
                await _first_of(stop.wait(), asked.wait(), timeout=runner.seconds_to_next())
        finally:
            halt.set()
            _runner = None


async def _first_of(*awaitables: Any, timeout: float | None = None) -> None:
    """Wait for one of them; coroutines that are not done then are cancelled, futures go on."""
    waiting = [asyncio.ensure_future(item) for item in awaitables]
    await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for given, task in zip(awaitables, waiting, strict=True):
        if task is not given:
            task.cancel()
