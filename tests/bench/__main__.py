"""All measurements of docs/performance.md, one after the other.

    make bench                                everything, on a throw-away PostgreSQL
    make bench ARGS="heartbeats sessions"     some of them
    make bench ARGS="--cluster-url postgresql://postgres@127.0.0.1/postgres"

Prints the table as Markdown; the exit code is 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.bench.site import open_site
from tests.bench.suite import FLEET, MEASURES, Bench, Form, Line, as_markdown
from tests.e2e.product import ROOT


def main(argv: Sequence[str]) -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("measures", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--cluster-url", default="", help="PostgreSQL to use (default: a throw-away cluster)")
    parser.add_argument("--duration", type=float, default=10.0, metavar="S", help="of each load")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="the quietest of N counts")
    parser.add_argument("--soak", type=float, default=180.0, metavar="S")
    parser.add_argument("--fleet", type=int, default=FLEET, metavar="N", help="chargers where all are needed")
    options = parser.parse_args(argv)
    unknown = set(options.measures) - set(MEASURES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    lines: list[Line] = []
    with open_site(options.cluster_url) as site:
        form = Form(duration_s=options.duration, soak_s=options.soak, rounds=options.rounds)
        bench = Bench(site, form, fleet=options.fleet)
        for name in options.measures or MEASURES:
            began = time.monotonic()
            new = MEASURES[name](bench)
            lines += new
            for line in new:
                _say(f"{line.title}: {line.measured} ({line.budget or 'no budget'})")
            _say(f"    {name} took {time.monotonic() - began:.0f} s")
        print(f"{surroundings(site.cluster_url)}\n\n{as_markdown(lines)}")
    return 1 if any(line.ok is False for line in lines) else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def surroundings(cluster_url: str) -> str:
    """What the figures depend on."""
    with psycopg.connect(cluster_url) as connection:
        version = connection.info.server_version // 10_000
        durable = connection.execute("SELECT current_setting('fsync')").fetchone()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"Commit {commit or 'unknown'}; {os.cpu_count()} cores of {_processor()}; Python {platform.python_version()}; "
        f"PostgreSQL {version}, fsync {durable[0] if durable else 'unknown'}; {time.strftime('%Y-%m-%d')}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
