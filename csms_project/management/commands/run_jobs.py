"""manage.py run_jobs: the background jobs, in a process of their own or once by hand."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from csms_project.common import jobs


class Command(BaseCommand):
    help = "Run the background jobs until interrupted (`up` does this itself), or one of them once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", metavar="NAME", help="run this job now, print the rows it touched, and end"
        )
        parser.add_argument("--list", action="store_true", help="print the names and intervals of all jobs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for item in jobs.registered():
                self.stdout.write(
                    f"{item.name:40} every {item.every_s:g} s  {(item.run.__doc__ or '').strip()}"
                )
        elif options["once"]:
            self._once(options["once"])
        else:
            asyncio.run(self._forever())

    def _once(self, name: str) -> None:
        try:
            item = jobs.get_job(name)
        except jobs.UnknownJob as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{name}: {item.run(timezone.now())} rows")

    async def _forever(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await jobs.ticker(stop)
