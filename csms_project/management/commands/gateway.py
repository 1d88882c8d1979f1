"""manage.py gateway: a process that serves chargers and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from csms_project import metrics_view, probes, processes, up
from csms_project.asgi_parts import make_application

if TYPE_CHECKING:
    from ocpp_gateway.tls import TlsKeeper


class Command(BaseCommand):
    help = "Serve chargers (and /health, /metrics); start as many of these as there are processors."
    # The rest, such as that of all addresses of the site, is not for a process that serves none.
    requires_system_checks = ["csms"]

    def add_arguments(self, parser: CommandParser) -> None:
        processes.add_address(parser, port=8001)
        processes.add_tls(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        address = processes.address_of(options)
        processes.leave_on_sigterm()
        try:
            up.check_address(address)
            tls = processes.tls_of(options)
            with processes.ready_database():
                self.serve(address, tls)
        except up.UpError as error:
            raise CommandError(str(error)) from error

    def serve(self, address: up.Address, tls: TlsKeeper | None) -> None:
        from csms_project.gateway import charger_application
        from ocpp_gateway.server import serve

        metrics_view.counts_sessions = False
        processes.watch_tls(tls)
        try:
            serve(
                make_application(http=probes.application, chargers=charger_application),
                host=address.host,
                port=address.port,
                ready=processes.listening("gateway", address),
                tls=tls,
            )
        except OSError as error:
            raise processes.cannot_serve(address, error) from error
