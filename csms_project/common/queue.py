"""The jobs on PostgreSQL: procrastinate wakes them, in as many worker processes as there are.

Each job is a task with two locks of its own name: it waits in the queue once at most, and runs once at a time. Web
and gateway put tasks into the queue within their transactions; only workers know what to do for them.
What is to be done stands in our rows; a task that is lost, given up or removed costs no more than an interval.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection
from django.db.transaction import atomic
from django.utils import timezone
from procrastinate import App, exceptions
from procrastinate.connector import BaseAsyncConnector
from procrastinate.contrib.django import DjangoApp
from procrastinate.contrib.django import app as django_app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.job_context import JobContext
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.psycopg_connector import PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from csms_project.common import jobs
from csms_project.common.jobs import Job

logger = logging.getLogger(__name__)

QUEUE = "jobs"
HOUR_S = 3600
THREADS = 4  # jobs at a time in one process: a long one does not hold up the others
BEAT_S = 5.0
#: A worker that was not heard of for so long is dead; its jobs are given to others.
DEAD_S = 20.0
RETRY_S = 1.0
POOL_S = 3.0
#: A job that nobody fetches for so long shows that the workers are too few or stuck.
WAIT_S = 120.0
MAX_FAILURES = 3

RESCUE = "csms.rescue"

_OLDEST = """
    SELECT extract(epoch FROM now() - min(coalesce(scheduled_at, (
        SELECT min(at) FROM procrastinate_events WHERE job_id = job.id))))
    FROM procrastinate_jobs job WHERE status = 'todo' AND queue_name = %s
"""


def cron(item: Job) -> str:
    """A job's interval as a cron line; seconds stand in the sixth field, hourly jobs are spread over the hour.

    Raises  ValueError  the interval divides neither a minute nor an hour nor is it one
    """
    every_s = item.every_s
    if every_s < 60 and 60 % every_s == 0:
        return f"* * * * * */{every_s:g}"
    if every_s < HOUR_S and HOUR_S % every_s == 0 and every_s % 60 == 0:
        return f"*/{every_s / 60:g} * * * *"
    if every_s == HOUR_S:
        return f"{zlib.crc32(item.name.encode()) % 60} * * * *"
    raise ValueError(f"{item.name}: every {every_s:g} s cannot be written as a cron line.")


def make_app(connector: BaseAsyncConnector) -> App:
    """The application of a worker: a periodic task of every job, with both locks."""
    app = DjangoApp(connector=connector)
    for item in jobs.registered():
        name = item.name
        task = app.task(name=name, queue=QUEUE, lock=name, queueing_lock=name)(partial(_run, name))
        app.periodic(cron=cron(item))(task)
    # Without a lock of its own: a worker that dies in it must not keep it from running.
    rescue = app.task(name=RESCUE, queue=QUEUE, queueing_lock=RESCUE, pass_context=True)(_rescue)
    app.periodic(cron="* * * * * */10")(rescue)
    return app


def defer(name: str, *, in_s: float = 0) -> None:
    """Put a job into the queue, in the caller's transaction; nothing where it waits there already."""
    options: dict[str, Any] = {"queue": QUEUE, "lock": name, "queueing_lock": name}
    if in_s:
        options["schedule_in"] = {"seconds": in_s}
    try:
        with atomic():  # a savepoint: the refusal must not spoil what the caller does
            django_app.configure_task(name, **options).defer()
    except exceptions.AlreadyEnqueued:
        pass


# ---------------------------------------------------------------- running


@dataclass(slots=True)
class Runs:
    """How a job went in this process; the time by the monotonic clock."""

    failures: int = 0
    failed_at: float = 0.0
    error: str = ""


_runs: dict[str, Runs] = {}


def _run(name: str, timestamp: int = 0) -> None:
    """Run a job for a worker; `timestamp` is what procrastinate passes to periodic tasks."""
    item = jobs.get_job(name)
    done = jobs.execute(item, timezone.now())
    runs = _runs.setdefault(name, Runs())
    if done.error:
        runs.failures, runs.failed_at, runs.error = runs.failures + 1, time.monotonic(), done.error
    elif not done.is_busy:
        runs.failures = 0
    if item.batch is not None and done.rows >= item.batch:
        defer(name, in_s=jobs.AGAIN_S)


async def _rescue(context: JobContext, timestamp: int = 0) -> None:
    """Take the jobs of workers that have died out of the queue, and queue them anew."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=DEAD_S):
        logger.warning("queue.rescued", extra={"job": job.task_name})
        await manager.finish_job(job, status=Status.FAILED, delete_job=True)
        with suppress(exceptions.AlreadyEnqueued):
            if job.task_name in context.app.tasks:
                await context.app.configure_task(job.task_name).defer_async()


async def _catch_up(app: App) -> None:
    """Queue every rare job once: procrastinate makes up for missed runs of the last ten minutes only."""
    for item in jobs.registered():
        if item.every_s >= 60:
            with suppress(exceptions.AlreadyEnqueued):
                await app.configure_task(item.name).defer_async()


class Worker:
    """One worker of this process. A database that is away is waited for."""

    def __init__(self) -> None:
        self.error: str | None = "is starting"

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until `stop` is set; what runs then is finished."""
        while not stop.is_set():
            try:
                await self._work(stop)
            except Exception as error:  # whatever it is, jobs have to go on
                if self.error is None:
                    text = " ".join(str(error).split())
                    logger.error("queue.away", extra={"error": f"{type(error).__name__}: {text}"[:300]})
                self.error = f"fails ({type(error).__name__})"
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S)

    async def _work(self, stop: asyncio.Event) -> None:
        pool = AsyncConnectionPool(
            kwargs=connector_params(),
            min_size=1,
            max_size=THREADS + 1,
            timeout=POOL_S,
            reconnect_timeout=POOL_S,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        # Not a copy of Django's: its tasks would go on using a connection of Django.
        app = make_app(PsycopgConnector())
        async with pool:
            await pool.wait(POOL_S)  # the connector itself would wait for half a minute
            await app.open_async(pool)
            work = asyncio.ensure_future(
                app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=THREADS,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    install_signal_handlers=False,
                    update_heartbeat_interval=BEAT_S,
                    stalled_worker_timeout=DEAD_S,
                )
            )
            await _catch_up(app)
            self.error = None
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if stop.is_set():
                work.cancel()  # it takes no more jobs and waits for those that run
            with suppress(asyncio.CancelledError):
                await work

    def problem(self) -> str | None:
        """For /health: what is wrong, None when all is well."""
        if self.error is not None:
            return self.error
        now = time.monotonic()
        for name, runs in list(_runs.items()):
            recent = now - runs.failed_at < jobs.get_job(name).every_s * jobs.LATE_INTERVALS + jobs.LATE_S
            if runs.failures >= MAX_FAILURES and recent:
                return f"{name} has failed {runs.failures} times: {runs.error}"
        waiting = oldest_wait_s()
        if waiting > WAIT_S:
            return f"a job has been waiting for {waiting:.0f} s"
        return None


def oldest_wait_s() -> float:
    """For how long the oldest job that is due has been waiting."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_OLDEST, [QUEUE])
            return max(0.0, float(cursor.fetchone()[0] or 0))
    finally:
        connection.close()
