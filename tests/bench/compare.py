"""Our gateway and the plain design under the same load, in turn, on one PostgreSQL.

    python -m tests.bench.compare [--rounds 3] [--duration 10] [--chargers 100] [--scenario mixed]

Both servers run all the time, one process each; each round loads first one, then the other. The result is the ratio of
messages per second, and of CPU (server and PostgreSQL) per message, of all rounds together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from tests.bench.site import Site, load, open_site

BUDGET = 10.0


def compare(site: Site, *, scenario: str, chargers: int, rounds: int, duration_s: float) -> dict[str, Any]:
    """Load both in turn; returns messages per second and CPU per message of each, and the ratios."""
    product = site.product(chargers=chargers)
    ours, theirs = product.start(), site.plain(chargers=chargers)
    rows: dict[str, list[dict[str, Any]]] = {"ours": [], "plain": []}
    for _ in range(rounds):
        for name, server in (("ours", ours), ("plain", theirs)):
            row = load(
                site, product.environment, scenario, server, chargers=chargers, duration=duration_s,
                verify=name == "ours", pid=server.process.pid,
            )  # fmt: skip
            if not row["ok"]:
                raise RuntimeError(f"{name}: {row['errors']} {row['complaints'] or ''}")
            rows[name].append(row)
    return _summary(rows)


def _summary(rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    sums = {name: {key: sum(row[key] for row in part) for key in _SUMMED} for name, part in rows.items()}
    speed = {name: total["messages"] / total["duration_s"] for name, total in sums.items()}
    cpu = {name: total["cpu_s"] / total["messages"] * 1e6 for name, total in sums.items()}
    return {
        "messages_per_s": {name: round(value, 1) for name, value in speed.items()},
        "cpu_us_per_message": {name: round(value, 1) for name, value in cpu.items()},
        "wal_bytes_per_message": {
            name: round(total["wal_bytes"] / total["messages"]) for name, total in sums.items()
        },
        "latency_p99_ms": {
            name: max(row["latency"]["p99_ms"] for row in part) for name, part in rows.items()
        },
        "speed_ratio": round(speed["ours"] / speed["plain"], 2),
        "cpu_ratio": round(cpu["plain"] / cpu["ours"], 2),
    }


_SUMMED = ("messages", "duration_s", "cpu_s", "wal_bytes")


def as_markdown(result: dict[str, Any]) -> str:
    """The comparison as a table."""
    lines = ["| | ours | plain design |", "| --- | --- | --- |"]
    for key, title in (
        ("messages_per_s", "messages per second"),
        ("cpu_us_per_message", "CPU per message, server and PostgreSQL, µs"),
        ("wal_bytes_per_message", "WAL per message, bytes"),
        ("latency_p99_ms", "p99 of an answer, ms"),
    ):
        lines.append(f"| {title} | {result[key]['ours']:,.0f} | {result[key]['plain']:,.0f} |")
    lines += [
        "",
        f"Ratio: {result['speed_ratio']:.1f} times the messages per second, "
        f"{result['cpu_ratio']:.1f} times less CPU per message.",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Parse, measure, print; 0 when the ratio is within the budget."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("--cluster-url", default="", help="PostgreSQL to use (default: a throw-away cluster)")
    parser.add_argument("--scenario", default="mixed")
    parser.add_argument("--chargers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=10.0, metavar="S", help="of each turn")
    options = parser.parse_args(argv)
    with open_site(options.cluster_url) as site:
        result = compare(
            site,
            scenario=options.scenario,
            chargers=options.chargers,
            rounds=options.rounds,
            duration_s=options.duration,
        )
    print(as_markdown(result))
    return 0 if result["speed_ratio"] >= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
