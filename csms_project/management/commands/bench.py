"""`manage.py bench`: load from a second process against a running server."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg.conninfo import make_conninfo

from ocpp_gateway.simulator.bench.cli import add_arguments, config_from, run_bench


class Command(BaseCommand):
    """Exit code 0: no errors; 1: errors happened; 2: the run could not begin."""

    help = "Measure a running server: messages per second, latencies, CPU and memory."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)
        parser.set_defaults(database_url=conninfo_from_settings())

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            config = config_from(argparse.Namespace(**options))
        except OSError as error:
            raise CommandError(str(error), returncode=2) from error
        sys.exit(run_bench(config, as_json=options["json"], loop_factory=uvloop.new_event_loop))


def conninfo_from_settings() -> str:
    """DATABASE_URL as libpq reads it; empty on SQLite, where nothing is measured."""
    if not settings.POSTGRESQL:
        return ""
    names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}
    database = settings.DATABASES["default"]
    return make_conninfo(**{names[key]: database[key] for key in names if database.get(key)})
