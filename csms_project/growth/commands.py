"""`manage.py bench seed` and `bench pages`: what the load test does on the database itself."""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import connection
from django.utils import timezone

from csms_project.growth.measuring import Measured, measure, visitors
from csms_project.growth.seeding import Amounts, SeedError, refresh_statistics, remove, seed


def count(text: str) -> int:
    """A number of rows; 10m and 5k are understood."""
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    digits = text[:-1] if factor > 1 else text
    if not (digits.isdigit() and int(digits) > 0):
        raise argparse.ArgumentTypeError("must be a whole number above 0, such as 500, 200k or 10m")
    return int(digits) * factor


def add_subcommands(kinds: Any, command: BaseCommand) -> None:
    """Declare `seed` and `pages` among the subcommands of `manage.py bench`."""
    _add(kinds, "seed", "fill DATABASE_URL (PostgreSQL) with a year of use", _seed, command, _SEED)
    _add(kinds, "pages", "open every page of admin and API; tell times and plans", _pages, command, _PAGES)


_Options = tuple[tuple[str, dict[str, Any]], ...]
_USUAL = Amounts()
_SEED: _Options = (
    ("--chargers", {"type": count, "default": _USUAL.chargers, "metavar": "N"}),
    ("--sessions", {"type": count, "default": _USUAL.sessions, "metavar": "N"}),
    ("--meter-values", {"type": count, "default": _USUAL.meter_values, "metavar": "N"}),
    ("--messages", {"type": count, "default": _USUAL.messages, "metavar": "N"}),
    ("--force", {"action": "store_true", "help": "beside real data"}),
    ("--remove", {"action": "store_true", "help": "delete what was seeded before"}),
)
_PAGES: _Options = (
    ("--budget", {"type": float, "default": 300, "metavar": "MS", "help": "a page may take (default 300)"}),
    ("--repeat", {"type": count, "default": 3, "metavar": "N", "help": "times each page is opened"}),
    ("--only", {"default": "", "metavar": "TEXT", "help": "addresses that contain this"}),
    ("--visitor", {"default": "", "metavar": "TEXT", "help": "visitors whose name contains this"}),
    ("--slowest", {"type": count, "default": 20, "metavar": "N", "help": "addresses to show (default 20)"}),
    ("--all", {"action": "store_true", "help": "show every address as it is measured"}),
)


def _add(
    kinds: Any,
    name: str,
    text: str,
    run: Callable[[argparse.Namespace, OutputWrapper], None],
    command: BaseCommand,
    options: _Options,
) -> None:
    parser = kinds.add_parser(name, help=text)
    for option, details in options:
        parser.add_argument(option, **details)
    parser.set_defaults(run=lambda given: run(given, command.stdout))


def _seed(options: argparse.Namespace, out: OutputWrapper) -> None:
    def say(line: str) -> None:
        out.write(line)
        out.flush()

    began = time.monotonic()
    try:
        if options.remove:
            out.write(f"{remove(say=say):,} rows deleted.")
            return
        amounts = Amounts(**{name: getattr(options, name) for name in Amounts.__slots__})
        seed(amounts, now=timezone.now(), force=options.force, say=say)
        refresh_statistics()
    except SeedError as error:
        raise CommandError(str(error)) from error
    out.write(f"Done in {time.monotonic() - began:.0f} s.")


def _pages(options: argparse.Namespace, out: OutputWrapper) -> None:
    """Exit code 1 if something is slow, fails, or reads a big table through."""
    if connection.vendor != "postgresql":
        raise CommandError("Plans are PostgreSQL's: set DATABASE_URL to one.")
    found: list[Measured] = []
    # Refused and missing pages are part of the walk, and not worth a line in the log.
    logging.disable(logging.ERROR)
    try:
        for visitor in visitors():
            if options.visitor not in visitor.name:
                continue
            for row in measure(visitor, now=timezone.now(), repeat=options.repeat, only=options.only):
                found.append(row)
                if options.all:
                    out.write(_line(row))
    finally:
        logging.disable(logging.NOTSET)
    if not found:
        raise CommandError("There is nobody to open a page: run manage.py bench seed first.")
    if not _report(found, options, out):
        sys.exit(1)


def _report(found: Sequence[Measured], options: argparse.Namespace, out: OutputWrapper) -> bool:
    for row in sorted(found, key=lambda row: row.longest, reverse=True)[: options.slowest]:
        out.write(_line(row))
    scanned = [row for row in found if row.scans]
    for row in scanned:
        out.write(f"{row.visitor}: {row.address}")
        for scan in row.scans:
            out.write(f"  Seq Scan on {scan.table} {scan.condition}\n    {scan.sql[:2000]}")
    failed = [row for row in found if row.status >= 500]
    slow = [row for row in found if row.median > options.budget]
    median, longest = statistics.median(row.median for row in found), max(row.longest for row in found)
    out.write(
        f"{len(found)} addresses: median {median:.0f} ms, longest {longest:.0f} ms; {len(slow)} over"
        f" {options.budget:.0f} ms, {len(scanned)} read a big table through, {len(failed)} failed."
    )
    return not (failed or slow or scanned)


def _line(row: Measured) -> str:
    times = f"{row.median:6.0f} {row.longest:6.0f} ms"
    return f"{times}  {row.statements:3} statements  {row.status}  {row.visitor}: {row.address}"
