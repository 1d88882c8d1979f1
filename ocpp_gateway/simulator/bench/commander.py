"""An operator who sends commands through the REST API while the load runs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from ocpp_gateway.simulator.register import Api, Registration, RegistrationFailed

WAIT_S = 5
_OFFLINE = 409


class Commander:
    """One command at a time to a charge point chosen at random; outcomes are counted.

    Raises RegistrationFailed when it cannot sign in. Blocking: make it in a thread.
    """

    def __init__(self, registration: Registration, identities: Sequence[str], per_second: float) -> None:
        self._api = Api(registration)
        self._identities = identities
        self._pause_s = 1 / per_second
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self.outcomes[await asyncio.to_thread(self._send, random.choice(self._identities))] += 1
            await asyncio.sleep(self._pause_s)

    def _send(self, identity: str) -> str:
        path = f"charge-points/{quote(identity, safe='')}/commands/?wait={WAIT_S}"
        try:
            status, body = self._api.call("POST", path, {"action": "ClearCache", "payload": {}})
        except RegistrationFailed:
            return "unreachable"
        if status == _OFFLINE:
            return "offline"
        return str(body.get("status")) if status < 300 else f"http:{status}"
