"""manage.py web: admin, REST API, health and metrics, without chargers."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from csms_project import processes, up
from csms_project.web_workers import Supervisor, parent_link, socket_of, watch_parent


class Command(BaseCommand):
    help = "Serve admin and REST API, in one process or in several behind one port; no chargers."

    def add_arguments(self, parser: CommandParser) -> None:
        processes.add_address(parser, port=8000)
        parser.add_argument(
            "--workers", type=int, default=1, metavar="N", help="processes that share the port (1)"
        )
        parser.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        address = processes.address_of(options)
        processes.leave_on_sigterm()
        try:
            if options["listen_fd"] is not None:
                self.serve(address, listen_fd=options["listen_fd"])
                return
            up.check_address(address)
            processes.check_static_files()
            with processes.ready_database():
                if options["workers"] > 1:
                    self.supervise(address, options["workers"])
                else:
                    self.serve(address)
        except up.UpError as error:
            raise CommandError(str(error)) from error

    def supervise(self, address: up.Address, workers: int) -> None:
        if settings.SQLITE:
            raise up.UpError("SQLite serves one process: leave --workers out, or use PostgreSQL.")
        try:
            supervisor = Supervisor(
                host=address.host,
                port=address.port,
                workers=workers,
                ready=processes.listening("web", address),
            )
        except OSError as error:
            raise processes.cannot_serve(address, error) from error
        if code := supervisor.run():
            raise SystemExit(code)

    def serve(self, address: up.Address, *, listen_fd: int | None = None) -> None:
        from csms_project.asgi_web import application
        from ocpp_gateway.server import serve

        settings.DEBUG = False
        options: dict[str, Any] = {"ready": processes.listening("web", address)}
        if listen_fd is not None:
            options = {"sockets": [socket_of(listen_fd)], "background": [watch_parent(parent_link())]}
        try:
            serve(application, host=address.host, port=address.port, with_gateway=False, **options)
        except OSError as error:
            raise processes.cannot_serve(address, error) from error
