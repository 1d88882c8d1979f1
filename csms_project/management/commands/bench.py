"""`manage.py bench`: load from a second process against a running server."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpp_gateway.simulator.bench.cli import add_arguments, config_from, run_bench


class Command(BaseCommand):
    """Exit code 0: no errors; 1: errors happened; 2: the run could not begin."""

    help = "Measure a running server: messages per second, latencies, CPU and memory."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            config = config_from(argparse.Namespace(**options))
        except OSError as error:
            raise CommandError(str(error), returncode=2) from error
        sys.exit(run_bench(config, as_json=options["json"], loop_factory=uvloop.new_event_loop))
