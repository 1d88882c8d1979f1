"""manage.py worker: a process that runs the background jobs, or one of them once by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from csms_project import health, probes, processes, up
from csms_project.asgi_parts import make_application
from csms_project.common import jobs


class Command(BaseCommand):
    help = "Run the background jobs (`up` does this itself), or one of them by hand."
    requires_system_checks = ["csms"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", metavar="NAME", help="run this job now, print the rows it touched, and end"
        )
        parser.add_argument("--soon", metavar="NAME", help="ask the running workers to run this job, and end")
        parser.add_argument("--list", action="store_true", help="print the names and intervals of all jobs")
        parser.add_argument(
            "--health-host", default="127.0.0.1", help="address of /health and /metrics (127.0.0.1)"
        )
        parser.add_argument(
            "--health-port", type=processes.port_number, default=8020, help="their port (8020)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for item in jobs.registered():
                self.stdout.write(
                    f"{item.name:40} every {item.every_s:g} s  {(item.run.__doc__ or '').strip()}"
                )
        elif name := options["once"] or options["soon"]:
            self.run_by_hand(name, is_here=bool(options["once"]))
        else:
            self.work(up.Address(host=options["health_host"], port=options["health_port"]))

    def run_by_hand(self, name: str, *, is_here: bool) -> None:
        try:
            item = jobs.get_job(name)
        except jobs.UnknownJob as error:
            raise CommandError(str(error)) from error
        if not is_here:
            if not settings.POSTGRESQL:
                raise CommandError("SQLite has no workers: run the job here with --once.")
            jobs.enqueue(name)
            self.stdout.write(f"{name}: asked for")
            return
        done = jobs.execute(item, timezone.now())
        if done.error:
            raise CommandError(f"{name} has failed: {done.error}; see the log.")
        self.stdout.write(f"{name}: runs in another process" if done.is_busy else f"{name}: {done.rows} rows")

    def work(self, address: up.Address) -> None:
        processes.leave_on_sigterm()
        try:
            up.check_address(address)
            with processes.ready_database():
                self.serve(address, _engine())
        except up.UpError as error:
            raise CommandError(str(error)) from error

    def serve(self, address: up.Address, engine: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        from ocpp_gateway.server import serve

        health.unregister_check("channel_layer")  # nothing here uses it
        try:
            serve(
                make_application(http=probes.application, chargers=None),
                host=address.host,
                port=address.port,
                with_gateway=False,
                ready=processes.listening("worker", address),
                background=[engine],
            )
        except OSError as error:
            raise processes.cannot_serve(address, error) from error


def _engine() -> Callable[[asyncio.Event], Awaitable[None]]:
    """What wakes the jobs here, watched by /health."""
    if not settings.POSTGRESQL:
        health.watch_jobs(jobs.ticker_problem)
        return jobs.ticker
    from csms_project.common.queue import Worker  # its application is installed only here

    worker = Worker()
    health.watch_jobs(worker.problem)
    return worker.run
