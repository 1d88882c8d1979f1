"""The command line of the load test."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from ocpp_gateway.simulator.bench.database import DatabaseUnusable
from ocpp_gateway.simulator.bench.runner import BenchConfig, bench
from ocpp_gateway.simulator.bench.scenarios import SCENARIOS
from ocpp_gateway.simulator.cli import raise_file_limit, run_until_signal, to_json
from ocpp_gateway.simulator.config import DEFAULT_URL, positive, read_keys, read_tags
from ocpp_gateway.simulator.register import RegistrationFailed, add_register_arguments, registration_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the load test."""
    add = parser.add_argument
    add("scenario", choices=sorted(SCENARIOS))
    add("url", nargs="?", default=DEFAULT_URL, help=f"OCPP endpoint, no identity (default {DEFAULT_URL})")
    add("--chargers", type=positive, help="number of charge points (default 100, or all of --keys)")
    add("--duration", type=float, default=10.0, metavar="S", help="seconds to measure; 0: one boot each")
    add("--prefix", default="BENCH", help="identities are PREFIX00001, PREFIX00002, …")
    add("--key", default="", help="one authorization key for all charge points")
    add("--keys", type=Path, metavar="FILE", help="identity,key per line")
    add("--tags", type=read_tags, default=(), metavar="FILE|LIST", help="id tags, by line or comma")
    add("--concurrency", type=positive, default=50, metavar="N", help="handshakes at once while preparing")
    add("--answer-timeout", type=float, default=30.0, metavar="S")
    add("--pid", type=int, action="append", default=[], help="server process (default: who listens there)")
    add("--database-url", default="", metavar="URL", help="database of the server: WAL is measured")
    add("--postgres", action="store_true", help="add the CPU of the PostgreSQL cluster of that database")
    add(
        "--postgres-pid", type=positive, metavar="PID", help="add the CPU of the cluster with this postmaster"
    )
    add("--json", action="store_true", help="print the result as JSON")
    add_register_arguments(parser)


def config_from(options: argparse.Namespace) -> BenchConfig:
    """The configuration that parsed arguments stand for. Raises OSError for an unreadable keys file."""
    keys = read_keys(options.keys) if options.keys is not None else {}
    chargers = min(options.chargers or len(keys), len(keys)) if keys else options.chargers or 100
    return BenchConfig(
        scenario=options.scenario,
        url=options.url,
        chargers=chargers,
        duration_s=options.duration,
        prefix=options.prefix,
        key=options.key,
        keys=keys,
        tags=options.tags,
        concurrency=options.concurrency,
        answer_timeout_s=options.answer_timeout,
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
) -> int:
    """Run a load test, print its result, return the exit code.

    loop_factory   another event loop, e.g. uvloop's, which needs less client CPU
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
    print(to_json(result.as_dict()) if as_json else result.as_text())
    return 0 if result.ok else 1
