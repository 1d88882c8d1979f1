"""`python -m ocpp_gateway.simulator`: the simulator without Django, with the arguments of `simulate`."""

from __future__ import annotations

import sys

from ocpp_gateway.simulator.cli import simulate
from ocpp_gateway.simulator.config import parse


def main(argv: list[str]) -> int:
    """Parse, run, report; returns the exit code."""
    try:
        config, options = parse(argv, prog="python -m ocpp_gateway.simulator")
    except OSError as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    return simulate(config, as_json=options.json, until_stdin_closes=options.until_stdin_closes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
