"""`python -m ocpp_gateway.simulator.bench`: the load test without Django."""

from __future__ import annotations

import argparse
import sys

from ocpp_gateway.simulator.bench.cli import add_scenarios, config_from, run_bench


def main(argv: list[str]) -> int:
    """Parse, run, report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ocpp_gateway.simulator.bench", description="Load against a running CSMS."
    )
    add_scenarios(parser.add_subparsers(dest="scenario", metavar="SCENARIO", required=True))
    options = parser.parse_args(argv)
    try:
        config = config_from(options)
    except (OSError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return run_bench(config, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
