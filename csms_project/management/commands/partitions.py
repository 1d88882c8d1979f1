"""manage.py partitions: the months of the message log and of the samples on PostgreSQL."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from chargepoints.jobs import MESSAGES
from csms_project.common import partitions
from csms_project.common.partitions import MONTHS_AHEAD, Partition
from transactions.jobs import METER_VALUES

MAX_AHEAD = 120


class Command(BaseCommand):
    """Without an option it only looks; the background jobs do the rest every hour."""

    help = "List, create and drop the monthly partitions of the message log and of the samples."

    def add_arguments(self, parser: CommandParser) -> None:
        act = parser.add_mutually_exclusive_group()
        act.add_argument(
            "--create",
            action="store_true",
            help="make the months ahead, and move rows out of the default partition",
        )
        act.add_argument("--drop", action="store_true", help="drop the months beyond their retention time")
        parser.add_argument(
            "--months",
            type=_months,
            metavar="N",
            help=f"with --create: months ahead (default {MONTHS_AHEAD})",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="with --drop: only say what would be dropped"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"] and not options["drop"]:
            raise CommandError("--dry-run goes with --drop.")
        if options["months"] is not None and not options["create"]:
            raise CommandError("--months goes with --create.")
        try:
            if options["create"]:
                self._create(MONTHS_AHEAD if options["months"] is None else options["months"])
            elif options["drop"]:
                self._drop(is_dry=options["dry_run"])
            else:
                self._list()
        except partitions.PartitionsError as error:
            raise CommandError(str(error) or str(error.__doc__)) from error

    def _list(self) -> None:
        for table in partitions.TABLES:
            parts = partitions.list_partitions(table)
            self.stdout.write(table)
            for part in parts:
                self.stdout.write(f"  {_line(part)}")
        self._warn()

    def _create(self, ahead: int) -> None:
        partitions.list_partitions(partitions.TABLES[0])  # says so on SQLite
        count = partitions.ensure_partitions(timezone.now(), ahead=ahead)
        self.stdout.write(f"{count} partitions created.")
        self._warn()

    def _drop(self, *, is_dry: bool) -> None:
        now = timezone.now()
        for rule in (MESSAGES, METER_VALUES):
            limit = rule.limit(now)
            if limit is None:
                self.stdout.write(f"{rule.table}: {rule.setting} is 0, everything stays.")
                continue
            fates = partitions.old_months(rule.table, limit, rule.must_stay)
            if not is_dry:
                partitions.drop_months(rule.table, before=limit, must_stay=rule.must_stay)
            there = {part.name for part in partitions.list_partitions(rule.table)}
            days = getattr(settings, rule.setting)
            self.stdout.write(f"{rule.table}: {rule.setting} is {days}, limit {limit:%Y-%m-%d %H:%M} UTC")
            for fate in fates:
                self.stdout.write(f"  {_line(fate.partition)}  {_outcome(fate, there, is_dry=is_dry)}")
            if not fates:
                self.stdout.write("  No month is older.")

    def _warn(self) -> None:
        for problem in partitions.problems(timezone.now()):
            self.stderr.write(self.style.WARNING(f"{problem} Run: manage.py partitions --create"))


def _outcome(fate: partitions.Fate, there: set[str], *, is_dry: bool) -> str:
    if not fate.is_dropped:
        return f"stays: {fate.reason}"
    if is_dry:
        return "would be dropped"
    return "not dropped: in use all the time, try again" if fate.partition.name in there else "dropped"


def _line(part: Partition) -> str:
    if part.month is None:
        when = "all other months"
    else:
        when = f"{part.month} to {partitions.next_month(part.month)}"
    rows = "never counted" if part.rows is None else f"{part.rows:,} rows"
    return f"{part.name:36} {when:26} {rows:>18} {filesizeformat(part.size):>12}"


def _months(text: str) -> int:
    if not (text.isdigit() and int(text) <= MAX_AHEAD):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {MAX_AHEAD}")
    return int(text)
