"""A rolling restart under load: new gateways take over behind one address, old ones end in good order."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.checker import check
from tests.faults.fleet import Fleet
from tests.faults.form import FORM
from tests.faults.proxy import Proxy
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(FORM.timeout_s)]

EXIT_S = 30
SERVICE_RESTART = 1012


def test_rolling_restart_of_two_gateways_under_load_loses_nothing(site: Site) -> None:
    """Each of the two is replaced, several times; new sockets go to whoever was started last."""
    gateways = [site.make_server("gateway", f"gateway-roll-{n}") for n in range(2 + 2 * FORM.restarts)]
    balancers = [Proxy(gateway.port) for gateway in gateways[:2]]
    fleet = Fleet(site, urls=[f"ws://127.0.0.1:{proxy.port}/ocpp" for proxy in balancers])
    running, fresh = gateways[:2], gateways[2:]

    async def replace(position: int) -> None:
        new, old = fresh.pop(), running[position]
        await asyncio.to_thread(new.start)
        running[position], balancers[position].target = new, new.port
        assert await asyncio.to_thread(old.end) < EXIT_S

    async def scenario() -> None:
        async with balancers[0], balancers[1]:
            for gateway in running:
                await asyncio.to_thread(gateway.start)
            async with fleet:
                for _ in range(FORM.restarts):
                    for position in range(2):
                        await fleet.advance()
                        await replace(position)
                await fleet.advance()

    asyncio.run(scenario())
    assert fresh == []
    assert fleet.journal.closed[SERVICE_RESTART] >= FORM.restarts * len(fleet.chargers)
    assert fleet.journal.closed[1006] == 0
    check(fleet)
