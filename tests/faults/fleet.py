"""Many chargers on one event loop, and the moments that a test waits for."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tests.faults import seed
from tests.faults.charger import Charger, Habits
from tests.faults.form import FORM
from tests.faults.journal import STOP, Journal, Session
from tests.faults.site import Site

_days = count(2)
OCPP16 = ("ocpp1.6",)
VERSIONS = ("ocpp1.6", "ocpp1.6", "ocpp2.0.1")


class Fleet:
    """Chargers that no other test uses, whose sessions lie on days that no other test has.

    Every third of them speaks OCPP 2.0.1, the others 1.6.

    versions         in turn, by their numbers
    async with fleet:  they run; at the end they deliver what they have begun
    """

    def __init__(
        self,
        site: Site,
        *,
        chargers: int = FORM.chargers,
        habits: Habits | None = None,
        urls: list[str] | None = None,
        endless: bool = True,
        versions: tuple[str, ...] = VERSIONS,
    ) -> None:
        _raise_file_limit()
        self._versions = versions
        self.site, self.endless = site, endless
        self.journal = Journal()
        self.numbers = site.take_numbers(chargers)
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.origin = midnight - timedelta(days=2 * next(_days))
        self._urls = urls or [gateway.url for gateway in site.gateways]
        self._habits = habits or Habits()
        self.chargers = [self._charger(number) for number in self.numbers]
        self._doubles: list[Charger] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _charger(self, number: int) -> Charger:
        return Charger(
            identity=seed.identity(number),
            id_tag=seed.tag(number),
            urls=self._urls,
            journal=self.journal,
            habits=self._habits,
            origin=self.origin,
            version=self._versions[number % len(self._versions)],
        )

    def only(self, charger: Charger, sessions: list[Session]) -> Fleet:
        """A fleet of one of its chargers, for a look at its books."""
        one = copy(self)
        one.chargers, one.journal = [charger], replace(self.journal, sessions=sessions)
        return one

    def doubles(self, *, gateway: int) -> list[Charger]:
        """Another device for each charger, with the same identity; the test drives them."""
        self._doubles = [self._charger(number) for number in self.numbers]
        for double in self._doubles:
            double.gateway = gateway
        return self._doubles

    async def __aenter__(self) -> Fleet:
        self._tasks = [asyncio.create_task(charger.run(endless=self.endless)) for charger in self.chargers]
        return self

    async def __aexit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None:
                await self.finish()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.drop()

    def drop(self) -> None:
        """Let all lines break."""
        for charger in (*self.chargers, *self._doubles):
            charger.drop()

    async def finish(self, timeout_s: float = 60.0) -> None:
        """Let all deliver what they have begun."""
        for charger in self.chargers:
            charger.finish()
        done, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        left = {charger.identity: charger.undelivered for charger in self.chargers if charger.undelivered}
        assert not late, f"not delivered within {timeout_s} s: {left}; {self.tell()}"
        for task in done:
            await task

    # -- moments

    async def wait(self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
        """Wait for a condition; fails when the time is over or a charger has failed."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            for task in self._tasks:
                if task.done() and not task.cancelled():
                    await task
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}; {self.tell()}"
            await asyncio.sleep(0.02)

    async def wait_online(self, chargers: list[Charger], *, online: bool, timeout_s: float) -> None:
        """Wait until the product says of all these chargers that they are online, or that they are not."""
        deadline = time.monotonic() + timeout_s
        names = {charger.identity for charger in chargers}
        while names:
            states = [await asyncio.to_thread(self.site.is_online, name) for name in names]
            names = {name for name, state in zip(names, states, strict=True) if state is not online}
            assert not names or time.monotonic() < deadline, (
                f"online is not {online} of {names}; {self.tell()}"
            )
            await asyncio.sleep(0.1)

    async def advance(
        self, sessions: int = 1, *, timeout_s: float = 40.0, chargers: list[Charger] | None = None
    ) -> None:
        """Wait until every charger (or these) has ended so many sessions from now on."""
        began = time.monotonic()
        wanted = self.chargers if chargers is None else chargers

        def have_advanced() -> bool:
            ended = [
                name for at, name, message in self.journal.acknowledged if at > began and message == STOP
            ]
            return all(ended.count(charger.identity) >= sessions for charger in wanted)

        await self.wait(have_advanced, f"every charger has ended {sessions} sessions", timeout_s)

    def tell(self) -> str:
        """What has happened so far, for a report."""
        journal = self.journal
        return (
            f"acknowledged {len(journal.acknowledged)}, refused {journal.refused[:5]}, "
            f"other errors {journal.other_errors[:5]}, closed {dict(journal.closed)}, "
            f"handshakes {dict(journal.handshakes)}"
        )


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert soft or hard
