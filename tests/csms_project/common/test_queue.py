"""Jobs that procrastinate wakes. What needs its tables is there with PostgreSQL only (TEST_DATABASE_URL)."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from croniter import croniter
from django.conf import settings
from django.db import connection
from django.db.transaction import atomic
from django.utils import timezone
from procrastinate.contrib.django.utils import connector_params
from procrastinate.testing import InMemoryConnector

from chargepoints.models import BatchReceipt
from csms_project.common import jobs, queue
from csms_project.common.jobs import Job
from tests.factories import BatchReceiptFactory

JOB = "chargepoints.purge_receipts"


def nothing(now: datetime) -> int:
    return 0


# ---------------------------------------------------------------- intervals
@pytest.mark.parametrize("item", jobs.registered(), ids=lambda item: item.name)
def test_every_job_is_woken_at_its_interval(item: Job) -> None:
    times = croniter(queue.cron(item), datetime(2026, 3, 2, 10, 0, 1))
    first, second = times.get_next(float), times.get_next(float)
    assert second - first == item.every_s


@pytest.mark.parametrize("every_s", [7, 90, 7200])
def test_interval_that_no_cron_line_can_say_is_refused(every_s: float) -> None:
    with pytest.raises(ValueError, match=r"test\.odd: every"):
        queue.cron(Job("test.odd", every_s, nothing))


if settings.POSTGRESQL:

    def queued() -> list[tuple[str, str]]:
        """Tasks that wait or run."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT task_name, status FROM procrastinate_jobs ORDER BY id")
            return list(cursor.fetchall())

    def test_every_job_has_a_task_that_waits_and_runs_once_at_a_time() -> None:
        app = queue.make_app(InMemoryConnector())
        for item in jobs.registered():
            task = app.tasks[item.name]
            assert (task.lock, task.queueing_lock, task.queue) == (item.name, item.name, queue.QUEUE)
        periodic = {name for name, _ in app.periodic_registry.periodic_tasks}
        assert periodic == {item.name for item in jobs.registered()} | {queue.RESCUE}
        assert app.tasks[queue.RESCUE].lock is None

    # ------------------------------------------------------------ asking for a run
    @pytest.mark.django_db
    def test_job_is_asked_for_once_and_with_the_callers_transaction() -> None:
        with atomic():
            for _ in range(3):
                jobs.enqueue(JOB)
            BatchReceiptFactory()  # the transaction is not spoiled by the refusals
        assert queued() == [(JOB, "todo")]
        assert BatchReceipt.objects.count() == 1

    @pytest.mark.django_db
    def test_job_asked_for_in_a_transaction_that_fails_is_not_queued() -> None:
        def act() -> None:
            with atomic():
                jobs.enqueue(JOB)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            act()
        assert queued() == []

    @pytest.mark.django_db
    def test_unknown_job_cannot_be_asked_for() -> None:
        with pytest.raises(jobs.UnknownJob):
            jobs.enqueue("x.nap")

    # ------------------------------------------------------------ one run
    @pytest.mark.django_db
    def test_job_that_filled_its_batch_is_queued_again(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(jobs._registry, JOB, Job(JOB, 3600, lambda now: 5, batch=5))
        queue._run(JOB)
        assert queued() == [(JOB, "todo")]

    @pytest.mark.django_db(transaction=True)
    def test_job_that_keeps_failing_is_a_problem_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
        worker = queue.Worker()
        worker.error = None
        monkeypatch.setattr(queue, "_runs", {})

        def broken(now: datetime) -> int:
            raise RuntimeError("boom")

        monkeypatch.setitem(jobs._registry, JOB, Job(JOB, 10, broken))
        for _ in range(queue.MAX_FAILURES):
            assert worker.problem() is None
            queue._run(JOB)
        assert worker.problem() == f"{JOB} has failed 3 times: RuntimeError"
        monkeypatch.setitem(jobs._registry, JOB, Job(JOB, 10, nothing))
        queue._run(JOB)
        assert worker.problem() is None

    @pytest.mark.django_db(transaction=True)
    def test_job_that_nobody_fetches_is_a_problem() -> None:
        worker = queue.Worker()
        worker.error = None
        queue.defer(JOB)
        assert worker.problem() is None
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_events SET at = at - interval '5 minutes'")
        assert worker.problem() == "a job has been waiting for 300 s"

    @pytest.mark.django_db(transaction=True)
    def test_job_that_another_process_runs_is_left_to_it() -> None:
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [jobs._LOCKS, JOB])
            assert jobs.execute(Job(JOB, 10, lambda now: 7), timezone.now()) == jobs.Done(is_busy=True)
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [jobs._LOCKS, JOB])
        finally:
            other.close()
        assert jobs.execute(Job(JOB, 10, lambda now: 7), timezone.now()) == jobs.Done(rows=7)

    # ------------------------------------------------------------ the worker
    def work_until(worker: queue.Worker, condition: Any) -> None:
        """Run the worker until the condition holds, and end it in good order."""

        async def main() -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(worker.run(stop))
            async with asyncio.timeout(30):
                while not await asyncio.to_thread(condition):
                    await asyncio.sleep(0.02)
                stop.set()
                await running

        asyncio.run(main())

    def is_done() -> bool:
        try:
            return not BatchReceipt.objects.exists()
        finally:
            connection.close()

    @pytest.mark.server
    @pytest.mark.django_db(transaction=True)
    def test_worker_runs_what_was_asked_for_and_waits_for_the_database(
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        BatchReceiptFactory(created_at=timezone.now() - timedelta(days=9))
        jobs.enqueue(JOB)
        worker = queue.Worker()
        real = connector_params
        tries: list[str | None] = []

        def params() -> dict[str, Any]:
            tries.append(worker.problem())
            return real() | ({"port": 1, "connect_timeout": 2} if len(tries) == 1 else {})

        monkeypatch.setattr("csms_project.common.queue.connector_params", params)
        monkeypatch.setattr(queue, "POOL_S", 0.5)
        work_until(worker, is_done)
        assert tries[0] == "is starting"
        assert "fails" in str(tries[1])
        assert worker.problem() is None

    @pytest.mark.server
    @pytest.mark.django_db(transaction=True)
    def test_job_of_a_worker_that_died_is_given_to_another() -> None:
        BatchReceiptFactory(created_at=timezone.now() - timedelta(days=9))
        jobs.enqueue(JOB)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
            )
            cursor.execute(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [cursor.fetchone()[0]]
            )
        queue.defer(queue.RESCUE)
        work_until(queue.Worker(), is_done)

    @pytest.mark.server
    @pytest.mark.django_db(transaction=True)
    def test_worker_that_is_told_to_stop_finishes_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
        begun, go_on = threading.Event(), threading.Event()
        done: list[datetime] = []

        def slow(now: datetime) -> int:
            begun.set()
            assert go_on.wait(20)
            done.append(now)
            return 0

        monkeypatch.setitem(jobs._registry, JOB, Job(JOB, 3600, slow))
        jobs.enqueue(JOB)

        async def main() -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(queue.Worker().run(stop))
            assert await asyncio.to_thread(begun.wait, 20)
            stop.set()
            await asyncio.sleep(0)
            assert not done
            go_on.set()
            await asyncio.wait_for(running, 20)

        asyncio.run(main())
        assert len(done) == 1
        assert JOB not in dict(queued())
