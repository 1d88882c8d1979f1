"""manage.py up: the whole product in one process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from csms_project import health, processes, up
from csms_project.common import jobs
from csms_project.demo.chargers import run_chargers, simulator_command, write_keys
from csms_project.demo.seeding import DemoError, ensure_demo, live_keys

if TYPE_CHECKING:
    from ocpp_gateway.tls import TlsKeeper

Background = Callable[[asyncio.Event], Awaitable[None]]


class Command(BaseCommand):
    help = "Migrate, make the first admin, and serve admin, API and chargers in one process."

    def add_arguments(self, parser: CommandParser) -> None:
        processes.add_address(parser, port=8000)
        processes.add_tls(parser)
        parser.add_argument(
            "--demo", action="store_true", help="add a demo tenant and run simulated chargers"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        address = processes.address_of(options)
        try:
            tls = processes.tls_of(options)
            if tls is not None and options["demo"] and not tls.files.allow_plain:
                raise up.UpError("The chargers of the demo know no TLS: add --tls-allow-plain.")
            self.serve(address, with_demo=options["demo"], tls=tls)
        except (up.UpError, DemoError) as error:
            raise CommandError(str(error)) from error

    def serve(self, address: up.Address, *, with_demo: bool, tls: TlsKeeper | None) -> None:
        up.prepare_directory(settings.DATA_DIR)
        # Kept until the process ends.
        lock = up.lock_database(Path(settings.DATABASES["default"]["NAME"])) if settings.SQLITE else None
        up.prepare(address=address, say=self.say)
        # Chargers are told where to fetch firmware: here, unless the settings say otherwise.
        settings.FILES_URL = settings.FILES_URL or up.own_url(address)
        background: list[Background] = [jobs.ticker]
        if with_demo:
            background.append(self.prepare_demo(address))
        # Late: it pulls in the gateway, which the failures above need not wait for.
        from csms_project.asgi import application
        from ocpp_gateway.server import serve

        with_tls = tls is not None and bool(tls.files.certificates)
        processes.watch_tls(tls)
        health.watch_jobs(jobs.ticker_problem)
        processes.leave_on_sigterm()
        try:
            serve(
                application,
                host=address.host,
                port=address.port,
                ready=lambda: self.say("\n".join(up.banner(address, with_tls=with_tls))),
                background=background,
                tls=tls,
            )
        except OSError as error:
            raise processes.cannot_serve(address, error) from error
        finally:
            if lock is not None:
                lock.close()
        self.say("Stopped.")

    def prepare_demo(self, address: up.Address) -> Background:
        """Make the demo tenant unless it exists, and return the task that runs its chargers."""
        self.say("Preparing the demo (manage.py demo --remove takes it away)")
        with up.start_lock():
            demo = ensure_demo(now=timezone.now())
        keys = write_keys(live_keys(demo.tenant), settings.DATA_DIR)
        url = f"ws://{address.local_url}{settings.OCPP_PATH.rstrip('/')}"
        return run_chargers(simulator_command(url=url, keys=keys))

    def say(self, text: str) -> None:
        self.stdout.write(text)
        sys.stdout.flush()
