"""The command line of the simulator, with or without Django."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson

from ocpp_gateway.simulator.config import SimulationConfig
from ocpp_gateway.simulator.register import RegistrationFailed
from ocpp_gateway.simulator.runner import run

T = TypeVar("T")


def run_until_signal(
    work: Callable[[asyncio.Event], Awaitable[T]],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    watched_file: int | None = None,
) -> T:
    """Run a coroutine that ends soon after its event is set, which SIGINT and SIGTERM do.

    A second signal ends the process the hard way.

    watched_file   file descriptor whose end sets the event too: a pipe from the parent process
    """

    async def main() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            stop.set()
            loop.remove_signal_handler(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number)
        if watched_file is not None:
            loop.add_reader(watched_file, _read_to_end, watched_file, stop)
        return await work(stop)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def _read_to_end(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, 4096):
        stop.set()
        asyncio.get_running_loop().remove_reader(descriptor)


def simulate(config: SimulationConfig, *, as_json: bool, until_stdin_closes: bool = False) -> int:
    """Run a simulation, print progress (to stderr, in a terminal) and the summary; return the exit code.

    until_stdin_closes   end when the process that holds the other end of stdin has gone
    """

    def progress(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    raise_file_limit()
    try:
        summary = run_until_signal(
            lambda stop: run(config, stop=stop, progress=progress if sys.stderr.isatty() else None),
            watched_file=sys.stdin.fileno() if until_stdin_closes else None,
        )
    except (RegistrationFailed, OSError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    print(
        orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2).decode() if as_json else summary.as_text()
    )
    return 0 if summary.ok else 1


def to_json(values: dict[str, Any]) -> str:
    """Indented JSON text."""
    return orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()


def raise_file_limit() -> None:
    """One socket per charge point: allow as many open files as the system lets us."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
