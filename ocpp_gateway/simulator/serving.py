"""How a simulated charge point answers the calls of the CSMS, in every version."""

from __future__ import annotations

import logging

from ocpp_gateway.simulator.answers import Answer, Payload, Refused
from ocpp_gateway.simulator.rpc import NoAnswer, Rpc
from ocpp_gateway.simulator.station import Connection
from ocpp_gateway.wire import frames, schemas
from ocpp_gateway.wire.errors import V16

logger = logging.getLogger(__name__)


class Serving(Connection):
    """A connection on which the CSMS may call."""

    def answer(self, action: str, payload: Payload) -> Answer:
        """Answer a call of the CSMS.  Raises Refused."""
        raise NotImplementedError

    async def serve(self, rpc: Rpc, call: frames.Call) -> None:
        """Answer a call of the CSMS, then do what was asked."""
        self.stats.commands[call.action] += 1
        try:
            self._check(call)
            answer = self.answer(call.action, call.payload)
        except Refused as refused:
            await self._reply(rpc, frames.error(call.message_id, refused.code, refused.description))
            return
        except Exception:  # a mistake here must not end the connection unseen
            self.stats.errors["internal"] += 1
            logger.exception("simulator.command_failed", extra={"action": call.action})
            await self._reply(rpc, frames.error(call.message_id, "InternalError"))
            return
        if schemas.check_response(self.version, call.action, answer.payload, strict=True) is not None:
            self.stats.errors[f"invalid_reply:{call.action}"] += 1
        await self._reply(rpc, frames.result(call.message_id, answer.payload))
        if answer.then is not None:
            self.spawn(answer.then)

    def _check(self, call: frames.Call) -> None:
        """2.x refuses what breaks its schema (part 2 FR.03); 1.6 reads what it can."""
        if self.version == V16 or call.action not in schemas.actions(self.version):
            return
        violation = schemas.check_request(self.version, call.action, call.payload)
        if violation is not None:
            self.stats.errors[f"invalid_command:{call.action}"] += 1
            raise Refused(violation.code, violation.description)

    async def _reply(self, rpc: Rpc, text: str) -> None:
        try:
            await rpc.send(text)
        except NoAnswer:
            self.stats.errors["reply_lost"] += 1
