from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from csms_project.common import jobs
from csms_project.common.jobs import Job, Runner

# On PostgreSQL a run takes a lock in the database.
pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Work:
    """A job's function that counts its calls; returns `rows`, raises `error` when set."""

    def __init__(self, rows: int = 0) -> None:
        self.calls: list[datetime] = []
        self.rows = rows
        self.error: Exception | None = None
        self.takes = 0.0
        self.clock: Clock | None = None

    def __call__(self, now: datetime) -> int:
        self.calls.append(now)
        if self.clock is not None:
            self.clock.now += self.takes
        if self.error is not None:
            raise self.error
        return self.rows


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _runner(clock: Clock, work: Work, *, every_s: float = 10, batch: int | None = None) -> Runner:
    return Runner([Job(name="test.work", every_s=every_s, run=work, batch=batch)], clock)


def test_job_runs_at_once_and_then_at_its_interval(clock: Clock) -> None:
    work = Work(rows=3)
    runner = _runner(clock, work)
    assert runner.run_due(NOW) == {"test.work": 3}
    assert runner.run_due(NOW) == {}
    clock.now += 10
    assert runner.run_due(NOW) == {"test.work": 3}
    assert work.calls == [NOW, NOW]


def test_slow_run_does_not_shift_the_next(clock: Clock) -> None:
    work = Work()
    work.clock, work.takes = clock, 4
    runner = _runner(clock, work)
    runner.run_due(NOW)
    assert runner.seconds_to_next() == 6


def test_missed_intervals_are_not_made_up(clock: Clock) -> None:
    work = Work()
    runner = _runner(clock, work)
    runner.run_due(NOW)
    clock.now += 35
    runner.run_due(NOW)
    assert len(work.calls) == 2
    assert runner.seconds_to_next() == 5


def test_full_batch_runs_again_soon(clock: Clock) -> None:
    work = Work(rows=100)
    runner = _runner(clock, work, every_s=3600, batch=100)
    runner.run_due(NOW)
    assert runner.seconds_to_next() == jobs.AGAIN_S


def test_failed_job_is_counted_and_tried_again_and_others_run(clock: Clock) -> None:
    bad, good = Work(), Work(rows=1)
    bad.error = RuntimeError("boom")
    runner = Runner([Job("test.bad", 10, bad), Job("test.good", 10, good)], clock)
    assert runner.run_due(NOW) == {"test.bad": 0, "test.good": 1}
    assert runner.states["test.bad"].error == "RuntimeError"
    assert REGISTRY.get_sample_value("csms_job_runs_total", {"job": "test.bad", "outcome": "error"}) == 1
    clock.now += 10
    bad.error = None
    runner.run_due(NOW)
    assert runner.states["test.bad"].error == ""
    assert runner.states["test.bad"].last_success_at == NOW


def test_job_that_keeps_failing_is_a_problem_until_it_succeeds(clock: Clock) -> None:
    work = Work()
    work.error = RuntimeError("boom")
    runner = _runner(clock, work)
    for _ in range(10):
        clock.now += 10
        runner.run_due(NOW)
    problem = runner.problem()
    assert problem is not None
    assert "test.work has not succeeded for 100 s: RuntimeError" in problem
    work.error = None
    clock.now += 10
    runner.run_due(NOW)
    assert runner.problem() is None


def test_stop_ends_a_round_between_two_jobs(clock: Clock) -> None:
    stop = threading.Event()

    def first(now: datetime) -> int:
        stop.set()
        return 1

    second = Work()
    runner = Runner([Job("test.first", 10, first), Job("test.second", 10, second)], clock)
    assert runner.run_due(NOW, stop=stop) == {"test.first": 1}
    assert second.calls == []


def test_unknown_job_is_named_with_the_known_ones() -> None:
    with pytest.raises(jobs.UnknownJob, match=r"no job 'x'.*chargepoints\.expire_commands"):
        jobs.get_job("x")


def test_job_that_is_asked_for_runs_before_its_time_and_keeps_its_interval(clock: Clock) -> None:
    work = Work()
    runner = _runner(clock, work)
    woken: list[str] = []
    runner.on_wake = lambda: woken.append("yes")
    runner.run_due(NOW)
    clock.now += 4
    runner.wake("test.work")
    assert (woken, runner.seconds_to_next()) == (["yes"], 0)
    runner.run_due(NOW)
    assert (len(work.calls), runner.seconds_to_next()) == (2, 6)


def test_job_that_is_asked_for_while_it_runs_runs_again(clock: Clock) -> None:
    calls: list[datetime] = []

    def work(now: datetime) -> int:
        calls.append(now)
        if len(calls) == 1:
            runner.wake("test.work")
        return 0

    runner = Runner([Job("test.work", 10, work)], clock)
    runner.run_due(NOW)
    runner.run_due(NOW)
    runner.run_due(NOW)
    assert len(calls) == 2


def test_ticker_is_woken_when_the_callers_transaction_has_committed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    item = Job("test.work", 10, Work())
    runner = Runner([item], clock)
    runner.run_due(NOW)
    monkeypatch.setitem(jobs._registry, "test.work", item)
    monkeypatch.setattr(jobs, "_runner", runner)
    with django_capture_on_commit_callbacks(execute=True):
        jobs.enqueue("test.work")
        assert runner.seconds_to_next() == 10
    assert runner.seconds_to_next() == 0


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_ticker_runs_jobs_in_one_thread_until_told_to_stop() -> None:
    threads: set[str] = set()
    ticking: list[bool] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(now: datetime) -> int:
            threads.add(threading.current_thread().name)
            ticking.append(jobs.is_ticking() and jobs.ticker_problem() is None)
            if len(ticking) == 3:
                loop.call_soon_threadsafe(stop.set)
            return 0

        await jobs.ticker(stop, runner=Runner([Job("test.work", 0.01, work)]))

    asyncio.run(main())
    assert ticking[:3] == [True, True, True]
    assert len(threads) == 1
    assert threads.pop().startswith("jobs")
    assert not jobs.is_ticking()
    assert jobs.ticker_problem() == "the ticker does not run"
