"""`manage.py bench`: load from a second process against a running server, and what belongs to it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from accounts.services.tenants import ensure_default_tenant
from csms_project.bench.prepare import prepare
from csms_project.bench.verify import verify
from csms_project.growth.commands import add_subcommands
from ocpp_gateway.simulator.bench.catalog import SCENARIOS
from ocpp_gateway.simulator.bench.cli import add_scenarios, config_from, run_bench
from ocpp_gateway.simulator.bench.config import BenchConfig
from ocpp_gateway.simulator.config import positive


class Command(BaseCommand):
    """Exit code 0: no errors; 1: errors happened; 2: the run could not begin."""

    help = "Measure a running server: messages per second, latencies, CPU and memory."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="scenario", metavar="SCENARIO", required=True)
        add_scenarios(kinds)
        for name in SCENARIOS:
            load = kinds.choices[name]
            load.add_argument(
                "--verify",
                action="store_true",
                help="check in DATABASE_URL that what was acknowledged is stored",
            )
            load.set_defaults(run=self._load, database_url=conninfo_from_settings())
        self._add_prepare(kinds)
        add_subcommands(kinds, self)

    def _add_prepare(self, kinds: Any) -> None:
        parser = kinds.add_parser(
            "prepare", help="make charge points and tags for a load test in DATABASE_URL"
        )
        add = parser.add_argument
        add("--chargers", type=positive, default=100, metavar="N")
        add("--connectors", type=positive, default=1, metavar="N", help="of each charge point")
        add("--prefix", default="BENCH", help="identities are PREFIX00001, PREFIX00002, …")
        add("--key", required=True, help="authorization key of all of them")
        parser.set_defaults(run=self._prepare)

    def handle(self, *args: Any, **options: Any) -> None:
        options["run"](argparse.Namespace(**options))

    def _load(self, options: argparse.Namespace) -> None:
        try:
            config = config_from(options)
        except (OSError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        began_at = timezone.now()
        sys.exit(
            run_bench(
                config,
                as_json=options.json,
                loop_factory=uvloop.new_event_loop,
                verify=(lambda result: verify(result, began_at=began_at)) if options.verify else None,
            )
        )

    def _prepare(self, options: argparse.Namespace) -> None:
        chargers = BenchConfig(
            scenario="idle", urls=("",), prefix=options.prefix, chargers=options.chargers
        ).make_chargers()
        try:
            made = prepare(
                tenant=ensure_default_tenant(),
                identities=[charger.identity for charger in chargers],
                tags=[charger.tag.decode() for charger in chargers],
                key=options.key,
                connectors=options.connectors,
            )
        except DatabaseError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{made} charge points made, {len(chargers) - made} were there.")


def conninfo_from_settings() -> str:
    """DATABASE_URL as libpq reads it; empty on SQLite, where nothing is measured."""
    if not settings.POSTGRESQL:
        return ""
    names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}
    database = settings.DATABASES["default"]
    return make_conninfo(**{names[key]: database[key] for key in names if database.get(key)})
