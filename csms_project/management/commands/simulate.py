"""`manage.py simulate`: simulated charge points against any CSMS."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpp_gateway.simulator.cli import simulate
from ocpp_gateway.simulator.config import add_arguments, config_from


class Command(BaseCommand):
    """Exit code 0: no errors; 1: errors happened; 2: the run could not begin."""

    help = "Simulate OCPP 1.6 charge points over real sockets."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            config = config_from(argparse.Namespace(**options))
        except OSError as error:
            raise CommandError(str(error), returncode=2) from error
        until = options["until_stdin_closes"]
        sys.exit(simulate(config, as_json=options["json"], until_stdin_closes=until))
