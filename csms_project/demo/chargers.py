"""Running the simulated chargers beside the server."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from django.conf import settings

from csms_project.demo import catalog

logger = logging.getLogger(__name__)

RESTART_S = 5.0
END_S = 5.0


def write_keys(keys: Mapping[str, str], folder: Path) -> Path:
    """Write the file of identities and keys that the simulator reads; for this user only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "demo-chargers.csv"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", newline="") as file:
        csv.writer(file).writerows(keys.items())
    return path


def simulator_command(*, url: str, keys: Path) -> list[str]:
    """The command line of the chargers' process."""
    tags = ",".join(tag.value for tag in catalog.TAGS if tag.is_usable)
    command = [sys.executable, "-m", "csms_project.demo.child", url, "--keys", str(keys), "--tags", tags]
    options = {
        "--connectors": str(catalog.CONNECTORS),
        # In the order of the keys, each version is that of one charger.
        "--ocpp": ",".join(spec.ocpp for spec in catalog.CHARGERS if spec.is_live),
        "--evse-connectors": ",".join(map(str, catalog.EVSE_CONNECTORS)),
        "--arrival-rate": "10/h",
        "--session-length": "180-1500",
        "--power": "22000",
        "--meter-interval": "30",
        "--offline-rate": "0.2",
        "--connect-rate": "5",
        "--grace": "1",
        "--user-agent": "demo-charger",
    }
    return [*command, *(part for pair in options.items() for part in pair), "--tolerate-outages"]


def run_chargers(command: list[str]) -> Callable[[asyncio.Event], Awaitable[None]]:
    """A background task of the server: keep the process running until told to stop."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            code = await _run_once(command, stop)
            if not stop.is_set():
                logger.warning("demo.chargers_ended", extra={"exit_code": code, "restart_in_s": RESTART_S})
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RESTART_S)

    return run


async def _run_once(command: list[str], stop: asyncio.Event) -> int | None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=settings.BASE_DIR,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        # Ctrl+C is for the server, which ends the chargers itself.
        start_new_session=True,
    )
    ended = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        await _end(process)
    return await ended


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
