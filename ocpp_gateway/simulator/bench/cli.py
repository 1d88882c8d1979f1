"""The command line of the load test."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocpp_gateway.simulator.bench.catalog import SCENARIOS
from ocpp_gateway.simulator.bench.config import BenchConfig
from ocpp_gateway.simulator.bench.database import DatabaseUnusable
from ocpp_gateway.simulator.bench.messages import MAX_SAMPLES
from ocpp_gateway.simulator.bench.report import BenchResult
from ocpp_gateway.simulator.bench.runner import bench
from ocpp_gateway.simulator.cli import raise_file_limit, run_until_signal, to_json
from ocpp_gateway.simulator.config import DEFAULT_URL, positive, read_keys, read_tags
from ocpp_gateway.simulator.register import RegistrationFailed, add_register_arguments, registration_from

Verify = Callable[[BenchResult], tuple[str, ...]]
"""Compares what was acknowledged with what is stored; returns what is wrong."""


def add_scenarios(kinds: Any) -> None:
    """Declare one subcommand per scenario; `kinds` is what `add_subparsers` returned."""
    for name, scenario in SCENARIOS.items():
        parser = kinds.add_parser(name, help=scenario.about, description=f"Load: {scenario.about}.")
        add_arguments(parser)
        if name == "boot-storm":
            _add_storm_arguments(parser)
        if scenario.soaks:
            _add_soak_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what all scenarios have in common."""
    add = parser.add_argument
    add("url", nargs="*", help=f"OCPP endpoints without identity, one per gateway (default {DEFAULT_URL})")
    add("--chargers", type=positive, help="number of charge points (default 100, or all of --keys)")
    add("--duration", type=float, default=10.0, metavar="S", help="seconds to measure; 0: one boot each")
    add(
        "--rate",
        type=_rate,
        default=0.0,
        metavar="N",
        help="at most N messages per second (default: no limit)",
    )
    add("--samples", type=_samples, default=MAX_SAMPLES, metavar="N", help=f"per reading, 1–{MAX_SAMPLES}")
    add("--connectors", type=positive, default=1, metavar="N", help="whose states are reported after a boot")
    add("--deflate", action="store_true", help="offer permessage-deflate, and compress")
    add("--prefix", default="BENCH", help="identities are PREFIX00001, PREFIX00002, …")
    add("--key", default="", help="one authorization key for all charge points")
    add("--keys", type=Path, metavar="FILE", help="identity,key per line")
    add("--tags", type=read_tags, default=(), metavar="FILE|LIST", help="id tags, by line or comma")
    add("--concurrency", type=positive, default=50, metavar="N", help="handshakes at once while preparing")
    add("--answer-timeout", type=float, default=30.0, metavar="S")
    add("--pid", type=int, action="append", default=[], help="server process (default: who listens there)")
    add("--database-url", default="", metavar="URL", help="PostgreSQL of the server: its WAL is measured")
    add("--postgres", action="store_true", help="add the CPU of the PostgreSQL cluster of that database")
    add(
        "--postgres-pid", type=positive, metavar="PID", help="add the CPU of the cluster with this postmaster"
    )
    add("--json", action="store_true", help="print the result as JSON")
    add_register_arguments(parser)
    parser.set_defaults(statuses=False, heartbeats=0, commands=0.0)


def _rate(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no rate")
    return number


def _samples(text: str) -> int:
    number = positive(text)
    if number > MAX_SAMPLES:
        raise argparse.ArgumentTypeError(f"{text} is more than {MAX_SAMPLES}")
    return number


def _add_storm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--statuses", action="store_true", help="report the states of all connectors as well")
    parser.add_argument(
        "--heartbeats",
        type=positive,
        default=0,
        metavar="N",
        help="N more charge points, connected before, send one heartbeat a second during the storm",
    )


def _add_soak_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--commands",
        type=_rate,
        default=0.0,
        metavar="N",
        help="commands per second through the REST API (needs --register)",
    )


def config_from(options: argparse.Namespace) -> BenchConfig:
    """The configuration that parsed arguments stand for.

    Raises OSError for an unreadable keys file, ValueError for arguments that do not go together.
    """
    if options.commands and options.register is None:
        raise ValueError("--commands go through the REST API: --register is missing")
    keys = read_keys(options.keys) if options.keys is not None else {}
    chargers = options.chargers or 100
    if keys:
        spare = len(keys) - options.heartbeats
        chargers = min(options.chargers or spare, spare)
    return BenchConfig(
        scenario=options.scenario,
        urls=tuple(options.url) or (DEFAULT_URL,),
        chargers=chargers,
        duration_s=options.duration,
        prefix=options.prefix,
        key=options.key,
        keys=keys,
        tags=options.tags,
        concurrency=options.concurrency,
        answer_timeout_s=options.answer_timeout,
        rate=options.rate,
        samples=options.samples,
        connectors=options.connectors,
        statuses=options.statuses,
        bystanders=options.heartbeats,
        deflate=options.deflate,
        commands=options.commands,
        pids=tuple(options.pid),
        database=options.database_url,
        postgres=options.postgres,
        postgres_pid=options.postgres_pid,
        registration=registration_from(options),
    )


def run_bench(
    config: BenchConfig,
    *,
    as_json: bool,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    verify: Verify | None = None,
) -> int:
    """Run a load test, print its result, return the exit code.

    loop_factory   another event loop, e.g. uvloop's, which needs less client CPU
    verify         looks at the database afterwards
    """

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    raise_file_limit()
    try:
        result = run_until_signal(
            lambda stop: bench(config, stop=stop, progress=say if sys.stderr.isatty() else None),
            loop_factory=loop_factory,
        )
    except (RegistrationFailed, DatabaseUnusable, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if verify is not None:
        result = replace(result, complaints=verify(result))
    print(to_json(result.as_dict()) if as_json else result.as_text())
    return 0 if result.ok else 1
