"""A simulated OCPP 1.6 charge point that can be driven step by step."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from ocpp_gateway.simulator import commands
from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.faults import Fault, Faults
from ocpp_gateway.simulator.journal import Journal
from ocpp_gateway.simulator.meter import EnergyMeter, sampled_values
from ocpp_gateway.simulator.outbox import Entry, InvalidAnswer, Outbox, Session
from ocpp_gateway.simulator.profiles import Profiles
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer, Rpc
from ocpp_gateway.simulator.security import Certificates
from ocpp_gateway.simulator.station import Connection, Station
from ocpp_gateway.simulator.stats import Stats
from ocpp_gateway.wire import frames
from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp

logger = logging.getLogger(__name__)


class ChargePoint(Connection):
    """A charge point over a real socket.

    Drive it yourself (`connect`, `boot`, `authorize`, `start`, `meter`, `stop`, `close`) or let
    `keep_connected` run beside. Energy is counted in whole Wh: meter stop less meter start was delivered.

    faults       asked before each transaction-related message
    on_started   called with each session that begins, wherever it was started
    """

    def __init__(
        self,
        station: Station,
        *,
        clock: Clock | None = None,
        stats: Stats | None = None,
        faults: Faults | None = None,
        journal: Journal | None = None,
        rng: random.Random | None = None,
        registers_wh: list[int] | None = None,
    ) -> None:
        super().__init__(station, clock=clock, stats=stats, rng=rng)
        self.faults = faults or Faults()
        self.journal = journal or Journal()
        self.certificates = Certificates()
        self.connectors = [Connector(number) for number in range(station.connectors + 1)]
        for connector, register_wh in zip(self.connectors[1:], registers_wh or [], strict=False):
            connector.meter = EnergyMeter(register_wh)
        self.outbox = Outbox(
            clock=self.clock,
            deliver=self._deliver,
            is_open=lambda: self.online and self.accepted,
            retry_s=lambda: self.configuration.integer("TransactionMessageRetryInterval"),
        )
        self.profiles = Profiles()
        self.local_list: dict[str, dict[str, Any]] = {}
        self.local_list_version = 0
        self.rebooting = False
        self.on_started: Callable[[Session], None] | None = None

    # ---------------------------------------------------------------- acts of a driver
    async def authorize(self, id_tag: str) -> str:
        """Ask the CSMS about a tag and return the status; offline the charge point decides alone (§3.5)."""
        try:
            answer = await self.call("Authorize", {"idTag": id_tag})
        except NoAnswer:
            if self.online:
                raise
            return self._authorize_offline(id_tag)
        return str(answer.get("idTagInfo", {}).get("status", "Invalid"))

    def _authorize_offline(self, id_tag: str) -> str:
        entry = self.local_list.get(id_tag.lower())
        if entry is not None and self.configuration.flag("LocalAuthListEnabled"):
            return self._listed_status(entry.get("idTagInfo", {}))
        return "Accepted" if self.configuration.flag("AllowOfflineTxForUnknownId") else "Invalid"

    def _listed_status(self, info: dict[str, Any]) -> str:
        """What the list says of a tag; one that has expired since is refused as well (§3.5.4)."""
        ends_at = parse_timestamp(info.get("expiryDate"))
        if info.get("status") == "Accepted" and ends_at is not None and ends_at <= self.clock.now():
            return "Expired"
        return str(info.get("status", "Accepted"))

    async def start(self, connector: int, id_tag: str, *, wait: bool = True) -> Session:
        """Begin a session and wait for its acknowledgement; offline or with wait=False it is only queued."""
        plug = self.connectors[connector]
        if plug.session is not None:
            raise ValueError(f"connector {connector} is in use")
        wait = wait and self.online
        session = self._open_session(plug, id_tag)
        entry = self._queue_start(session)
        if self.on_started is not None:
            self.on_started(session)
        await asyncio.sleep(0)  # lets StartTransaction go out before the status
        await self.set_status(connector, "Charging")
        if wait:
            await entry.done.wait()
        return session

    def _open_session(self, plug: Connector, id_tag: str) -> Session:
        reserved = None
        if plug.reservation is not None:
            plug.reservation.expiry.cancel()
            reserved, plug.reservation = plug.reservation.reservation_id, None
        session = Session(
            connector=plug.number,
            id_tag=id_tag,
            started_at=self.clock.now(),
            meter_start_wh=plug.meter.register_wh,
            reservation_id=reserved,
        )
        plug.session, plug.claimed = session, False
        self.stats.charging += 1
        return session

    def _queue_start(self, session: Session) -> Entry:
        payload: dict[str, Any] = {
            "connectorId": session.connector,
            "idTag": session.id_tag,
            "meterStart": session.meter_start_wh,
            "timestamp": format_timestamp(session.started_at),
        }
        if session.reservation_id is not None:
            payload["reservationId"] = session.reservation_id
        entry = Entry(action="StartTransaction", payload=payload, session=session)
        self.outbox.put(entry)
        return entry

    async def meter(self, connector: int, *, wh: int = 0, wait: bool = True) -> None:
        """Deliver so many Wh more and send the reading."""
        plug = self.connectors[connector]
        plug.meter.deliver(wh)
        entry = self.queue_meter_values(connector)
        if entry is not None and wait and self.online:
            await entry.done.wait()

    def queue_meter_values(self, connector: int, *, context: str = "Sample.Periodic") -> Entry | None:
        """Queue a reading of the running session; None without one."""
        plug = self.connectors[connector]
        if plug.session is None:
            return None
        self.draw(plug)
        payload = {"connectorId": connector, "meterValue": [self.reading(connector, context=context)]}
        entry = Entry(action="MeterValues", payload=payload, session=plug.session)
        self.outbox.put(entry)
        return entry

    def reading(self, connector: int, *, context: str) -> dict[str, Any]:
        """One MeterValue (§7.33) of a connector as it stands."""
        plug, now = self.connectors[connector], self.clock.now()
        values = sampled_values(
            register_wh=plug.meter.register_wh,
            power_w=plug.power_w(now, limit_w=self.limit_w(plug)),
            soc=plug.soc(),
            measurands=self.configuration.items("MeterValuesSampledData"),
            context=context,
        )
        fallback = [{"value": str(plug.meter.register_wh), "context": context}]
        return {"timestamp": format_timestamp(now), "sampledValue": values or fallback}

    def limit_w(self, plug: Connector) -> int | None:
        """The power limit that charging profiles set for a connector now."""
        if len(self.profiles) == 0:
            return None
        start = plug.session.started_at if plug.session is not None else None
        charging = sum(1 for each in self.connectors[1:] if each.session is not None)
        return self.profiles.limit_w(plug.number, self.clock.now(), session_start=start, sharing=charging)

    def draw(self, plug: Connector) -> None:
        """Bring a connector's meter up to now."""
        plug.draw(self.clock.now(), limit_w=self.limit_w(plug))

    async def stop(
        self, connector: int, *, reason: str = "Local", id_tag: str | None = None, wait: bool = True
    ) -> Session | None:
        """End the session of a connector and wait for its acknowledgement; None if there is none."""
        plug = self.connectors[connector]
        session = plug.session
        if session is None:
            return None
        wait = wait and self.online
        entry = self._queue_stop(plug, session, reason, id_tag)
        await asyncio.sleep(0)
        await self.set_status(connector, "Finishing")
        if self.station.unplug_s > 0:
            self.spawn(self._release_later(plug))
        else:
            await self.release(plug)
        if wait:
            await entry.done.wait()
        return session

    def _queue_stop(self, plug: Connector, session: Session, reason: str, id_tag: str | None) -> Entry:
        self.draw(plug)
        session.stopped_at, session.meter_stop_wh = self.clock.now(), plug.meter.register_wh
        session.reason = reason
        payload: dict[str, Any] = {
            "transactionId": -1,  # OCPP 1.6 errata 3.18; replaced by the real id once it is known
            "meterStop": session.meter_stop_wh,
            "timestamp": format_timestamp(session.stopped_at),
            "reason": reason,
        }
        if id_tag is not None:
            payload["idTag"] = id_tag
        if self.configuration.items("StopTxnSampledData"):
            payload["transactionData"] = [self._edge(session, begin=True), self._edge(session, begin=False)]
        entry = Entry(action="StopTransaction", payload=payload, session=session)
        plug.session, plug.load = None, None
        self.stats.charging -= 1
        self.profiles.end_session(plug.number)
        self.outbox.put(entry)
        session.ended.set()
        return entry

    def _edge(self, session: Session, *, begin: bool) -> dict[str, Any]:
        at = session.started_at if begin else session.stopped_at
        wh = session.meter_start_wh if begin else session.meter_stop_wh
        context = "Transaction.Begin" if begin else "Transaction.End"
        value = {
            "value": str(wh),
            "context": context,
            "measurand": "Energy.Active.Import.Register",
            "unit": "Wh",
        }
        return {"timestamp": format_timestamp(at or self.clock.now()), "sampledValue": [value]}

    async def _release_later(self, plug: Connector) -> None:
        await self.clock.sleep(self.station.unplug_s, name="unplug")
        await self.release(plug)

    async def release(self, plug: Connector) -> None:
        """The cable is out: Available, or what has been ordered meanwhile."""
        if plug.session is None and not plug.claimed:
            await self.set_status(plug.number, plug.idle_status)

    # ---------------------------------------------------------------- status
    async def set_status(self, connector: int, status: str) -> None:
        """Change a connector's status and tell the CSMS, now or after the next connect."""
        plug = self.connectors[connector]
        plug.status = status
        await self.report_status(plug)

    async def report_status(self, plug: Connector) -> None:
        """Send StatusNotification."""
        if not (self.online and self.accepted):
            return
        status = plug.status
        payload = {
            "connectorId": plug.number,
            "errorCode": plug.error_code,
            "status": status,
            "timestamp": format_timestamp(self.clock.now()),
        }
        plug.reported = status
        try:
            await self.call("StatusNotification", payload)
        except NoAnswer:
            plug.reported = ""
        except CallFailed:
            pass  # counted; sending the same status again would fail again

    async def resume(self, *, booted: bool) -> None:
        """After a boot all statuses, after a mere reconnect the changed ones (§4.9), then the queue."""
        if not booted:
            self.schedule_heartbeat()
        for plug in self.connectors:
            if booted or plug.status != plug.reported:
                await self.report_status(plug)
        self.outbox.wake()

    # ---------------------------------------------------------------- delivery
    async def _deliver(self, entry: Entry) -> None:
        rpc = self.rpc
        if rpc is None:
            raise NoAnswer("offline")
        junk = self.faults.junk()
        if junk is not None:
            await rpc.send_junk(junk)
        fault = self.faults.for_message(entry.action)
        answer = await rpc.call(entry.action, entry.content(), fault=fault)
        self._acknowledge(entry, answer)
        if fault is Fault.DUPLICATE:
            self.stats.faults[fault.value] += 1
            again = await self._repeat(rpc, entry)
            if again is not None and again.get("transactionId") != answer.get("transactionId"):
                self.stats.errors["transaction_id_changed"] += 1

    async def _repeat(self, rpc: Rpc, entry: Entry) -> dict[str, Any] | None:
        try:
            return await rpc.call(entry.action, entry.content())
        except (CallFailed, NoAnswer):
            return None

    def _acknowledge(self, entry: Entry, answer: dict[str, Any]) -> None:
        session = entry.session
        if entry.action == "StartTransaction":
            self._acknowledge_start(entry, answer)
        elif entry.action == "MeterValues":
            session.samples += len(entry.payload["meterValue"])
        else:
            self.stats.sessions_completed += 1
            self.stats.energy_wh += session.energy_wh
            session.settled.set()
        self._write_journal(entry)

    def _acknowledge_start(self, entry: Entry, answer: dict[str, Any]) -> None:
        session, transaction_id = entry.session, answer.get("transactionId")
        if not isinstance(transaction_id, int) or isinstance(transaction_id, bool):
            self.stats.errors["invalid_answer:StartTransaction"] += 1
            raise InvalidAnswer("no transactionId")
        if entry.lost_id not in (None, transaction_id):
            self.stats.errors["transaction_id_changed"] += 1
        session.transaction_id = transaction_id
        session.tag_status = str(answer.get("idTagInfo", {}).get("status", "Invalid"))
        self.stats.sessions_started += 1
        if session.tag_status != "Accepted":
            self.stats.refused_tags += 1
            if self.configuration.flag("StopTransactionOnInvalidId") and not session.ended.is_set():
                self.spawn(self._deauthorize(session))

    async def _deauthorize(self, session: Session) -> None:
        if self.connectors[session.connector].session is session:
            await self.stop(session.connector, reason="DeAuthorized", id_tag=session.id_tag, wait=False)

    def _write_journal(self, entry: Entry) -> None:
        session = entry.session
        record: dict[str, Any] = {
            "message": entry.action,
            "identity": self.station.identity,
            "connector": session.connector,
            "transaction_id": session.transaction_id,
            "id_tag": session.id_tag,
            "tag_status": session.tag_status,
            "started_at": format_timestamp(session.started_at),
            "meter_start_wh": session.meter_start_wh,
            "samples": session.samples,
            "attempts": entry.attempts,
        }
        if entry.action == "MeterValues":
            record["sampled_at"] = entry.payload["meterValue"][0]["timestamp"]
        if entry.action == "StopTransaction" and session.stopped_at is not None:
            record["stopped_at"] = format_timestamp(session.stopped_at)
            record["meter_stop_wh"] = session.meter_stop_wh
            record["energy_wh"] = session.energy_wh
            record["reason"] = session.reason
        self.journal.write(record)

    # ---------------------------------------------------------------- calls of the CSMS
    def own_certificate(self) -> bytes:
        return self.certificates.pem()

    async def serve(self, rpc: Rpc, call: frames.Call) -> None:
        """Answer a call of the CSMS, then do what was asked."""
        self.stats.commands[call.action] += 1
        try:
            answer = commands.answer(self, call.action, call.payload)
        except commands.Refused as refused:
            await self._reply(rpc, frames.error(call.message_id, refused.code, refused.description))
            return
        except Exception:  # a mistake here must not end the connection unseen
            self.stats.errors["internal"] += 1
            logger.exception("simulator.command_failed", extra={"action": call.action})
            await self._reply(rpc, frames.error(call.message_id, "InternalError"))
            return
        await self._reply(rpc, frames.result(call.message_id, answer.payload))
        if answer.then is not None:
            self.spawn(answer.then)

    async def _reply(self, rpc: Rpc, text: str) -> None:
        try:
            await rpc.send(text)
        except NoAnswer:
            self.stats.errors["reply_lost"] += 1

    async def reboot(self, *, reason: str) -> None:
        """Stop all sessions, drop the connection and register anew (§5.14)."""
        self.rebooting = True
        try:
            for plug in self.connectors[1:]:
                await self.stop(plug.number, reason=reason, wait=False)
            if reason == "SoftReset":
                await self.outbox.drained()
            self.accepted = False
            await self.go_offline(cut=reason != "SoftReset")
            await self.clock.sleep(self.station.reset_s, name="reset")
        finally:
            self.rebooting = False
            self.go_online()

    async def close(self) -> None:
        """Close the socket; what is still queued stays undelivered."""
        self.outbox.close()
        await super().close()
