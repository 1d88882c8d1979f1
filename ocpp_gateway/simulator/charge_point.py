"""A simulated charge point that can be driven step by step: what it is and does in every version of OCPP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar

from ocpp_gateway.simulator.answers import Payload
from ocpp_gateway.simulator.certificates import Certificates
from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.simulator.connector import Connector, Reservation
from ocpp_gateway.simulator.faults import Fault, Faults
from ocpp_gateway.simulator.journal import Journal
from ocpp_gateway.simulator.meter import EnergyMeter
from ocpp_gateway.simulator.outbox import Entry, Outbox, Session
from ocpp_gateway.simulator.profiles import Profiles
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer, Rpc
from ocpp_gateway.simulator.serving import Serving
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.stats import Stats
from ocpp_gateway.wire.timestamps import format_timestamp


class ChargePoint(Serving):
    """A charge point over a real socket; the classes of the versions say in their words what happens here.

    Drive it yourself (`connect`, `boot`, `authorize`, `start`, `meter`, `stop`, `close`) or let
    `keep_connected` run beside. Energy is counted in whole Wh: meter stop less meter start was delivered.
    A connector is, in 2.x, an EVSE.

    reset_reason its word for a restart on command
    faults       asked before each transaction-related message
    on_started   called with each session that begins, wherever it was started
    """

    reset_reason: ClassVar[str] = "HardReset"

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
            retry_s=lambda: self.retry_s,
            faults=self.faults,
        )
        self.profiles = Profiles()
        self.local_list: dict[str, Payload] = {}
        self.local_list_version = 0
        self.rebooting = False
        self.on_started: Callable[[Session], None] | None = None

    # ---------------------------------------------------------------- what the versions say
    @property
    def retry_s(self) -> float:
        """Seconds until an unacknowledged message is sent again, times the attempts so far."""
        raise NotImplementedError

    @property
    def sample_interval_s(self) -> int:
        """Seconds between two readings of a session; 0 for none."""
        raise NotImplementedError

    def settings(self) -> Iterable[tuple[str, str]]:
        """Its settings, for a log."""
        raise NotImplementedError

    async def ask_about(self, id_tag: str) -> str:
        """Ask the CSMS about a tag.  Raises CallFailed, NoAnswer."""
        raise NotImplementedError

    def authorize_offline(self, id_tag: str) -> str:
        """What the charge point itself says of a tag."""
        raise NotImplementedError

    def new_session(self, plug: Connector, id_tag: str) -> Session:
        """The record of a session that begins now."""
        return Session(
            connector=plug.number,
            id_tag=id_tag,
            started_at=self.clock.now(),
            meter_start_wh=plug.meter.register_wh,
        )

    def queue_start(self, plug: Connector, session: Session) -> Entry:
        """Queue what tells of the beginning; returns the last message of it."""
        raise NotImplementedError

    def queue_stop(self, plug: Connector, session: Session, id_tag: str | None) -> None:
        """Queue what tells of the end, as far as it is due."""
        raise NotImplementedError

    def queue_meter_values(self, connector: int, *, context: str = "Sample.Periodic") -> Entry | None:
        """Queue a reading of the running session; None without one."""
        raise NotImplementedError

    async def report_status(self, plug: Connector) -> None:
        """Tell the CSMS the status of a connector."""
        raise NotImplementedError

    def shown_status(self, plug: Connector) -> str:
        """A connector's status in the version's words."""
        return plug.status

    def acknowledge(self, entry: Entry, answer: Payload) -> None:
        """Take in the answer to a transaction-related message.  Raises InvalidAnswer."""
        raise NotImplementedError

    def unplugged(self, plug: Connector) -> None:
        """The cable has been taken out."""

    # ---------------------------------------------------------------- acts of a driver
    async def authorize(self, id_tag: str) -> str:
        """Ask the CSMS about a tag and return the status; offline the charge point decides alone."""
        try:
            return await self.ask_about(id_tag)
        except NoAnswer:
            if self.online:
                raise
            return self.authorize_offline(id_tag)

    async def start(self, connector: int, id_tag: str, *, wait: bool = True) -> Session:
        """Begin a session and wait for its acknowledgement; offline or with wait=False it is only queued."""
        plug = self.connectors[connector]
        if plug.session is not None:
            raise ValueError(f"connector {connector} is in use")
        wait = wait and self.online
        session = self._open_session(plug, id_tag)
        entry = self.queue_start(plug, session)
        if self.on_started is not None:
            self.on_started(session)
        await asyncio.sleep(0)  # lets the start go out before the status
        await self.set_status(connector, "Charging")
        if wait:
            await entry.done.wait()
        return session

    def _open_session(self, plug: Connector, id_tag: str) -> Session:
        session = self.new_session(plug, id_tag)
        if plug.reservation is not None:
            plug.reservation.expiry.cancel()
            session.reservation_id, plug.reservation = plug.reservation.reservation_id, None
        plug.session, plug.claimed = session, False
        self.stats.charging += 1
        return session

    async def start_remotely(self, plug: Connector, id_tag: str, *, authorize: bool | None = None) -> None:
        """Carry out an accepted remote start: authorize if so configured, plug in, start."""
        try:
            asks = self.authorizes_remote_starts if authorize is None else authorize
            if asks and await self.authorize(id_tag) != "Accepted":
                return
            await self.set_status(plug.number, "Preparing")
            if self.station.plug_in_s > 0:
                await self.clock.sleep(self.station.plug_in_s, name="plug_in")
            if not self.rebooting:
                await self.start(plug.number, id_tag, wait=False)
        finally:
            plug.claimed = False
            if plug.session is None:
                self.profiles.end_session(plug.number)
                await self.release(plug)

    @property
    def authorizes_remote_starts(self) -> bool:
        raise NotImplementedError

    async def meter(self, connector: int, *, wh: int = 0, wait: bool = True) -> None:
        """Deliver so many Wh more and send the reading."""
        plug = self.connectors[connector]
        plug.meter.deliver(wh)
        entry = self.queue_meter_values(connector)
        if entry is not None and wait and self.online:
            await entry.done.wait()

    async def stop(
        self, connector: int, *, reason: str = "Local", id_tag: str | None = None, wait: bool = True
    ) -> Session | None:
        """End the session of a connector and wait for its acknowledgement; None if there is none."""
        plug = self.connectors[connector]
        session = plug.session
        if session is None:
            return None
        wait = wait and self.online
        self.draw(plug)
        session.stopped_at, session.meter_stop_wh = self.clock.now(), plug.meter.register_wh
        session.reason = reason
        plug.session, plug.claimed = None, False
        self.queue_stop(plug, session, id_tag)
        plug.load = None
        self.stats.charging -= 1
        self.profiles.end_session(plug.number)
        session.ended.set()
        await asyncio.sleep(0)
        await self.set_status(connector, "Finishing")
        if self.station.unplug_s > 0:
            self.spawn(self._release_later(plug))
        else:
            await self.release(plug)
        if wait:
            await session.settled.wait()
        return session

    async def _release_later(self, plug: Connector) -> None:
        await self.clock.sleep(self.station.unplug_s, name="unplug")
        await self.release(plug)

    async def release(self, plug: Connector) -> None:
        """The cable is out: Available, or what has been ordered meanwhile."""
        self.unplugged(plug)
        if plug.session is None and not plug.claimed:
            await self.set_status(plug.number, plug.idle_status)

    async def deauthorize(self, session: Session) -> None:
        """Stop a session whose tag the CSMS has refused."""
        if self.connectors[session.connector].session is session:
            await self.stop(session.connector, reason="DeAuthorized", id_tag=session.id_tag, wait=False)

    # ---------------------------------------------------------------- power
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

    def draw_all(self) -> None:
        """Bring all meters up to now, before the limits change."""
        for plug in self.connectors[1:]:
            self.draw(plug)

    async def report_pauses(self) -> None:
        """A session that may take nothing is suspended by the charge point."""
        for plug in self.connectors[1:]:
            status = "SuspendedEVSE" if self.limit_w(plug) == 0 else "Charging"
            others = {"Charging", "SuspendedEVSE"} - {status}
            if plug.session is not None and plug.status in others:
                await self.set_status(plug.number, status)

    # ---------------------------------------------------------------- status
    async def set_status(self, connector: int, status: str) -> None:
        """Change a connector's status and tell the CSMS, now or after the next connect."""
        plug = self.connectors[connector]
        plug.status = status
        await self.report_status(plug)

    async def report_availability(self, plugs: list[Connector]) -> None:
        """After a change of availability: show what is idle as it is now."""
        for plug in plugs:
            if plug.session is None and not plug.claimed and plug.status != plug.idle_status:
                await self.set_status(plug.number, plug.idle_status)

    async def resume(self, *, booted: bool) -> None:
        """After a boot all statuses, after a mere reconnect the changed ones, then the queue."""
        if not booted:
            self.schedule_heartbeat()
        for plug in self.connectors:
            if booted or self.shown_status(plug) != plug.reported:
                await self.report_status(plug)
        self.outbox.wake()

    def reserve(
        self, plug: Connector, number: int, id_tag: str, group: str | None, expires_at: datetime
    ) -> None:
        """Keep a connector for a tag until a time; takes the place of an earlier reservation there."""
        if plug.reservation is not None:
            plug.reservation.expiry.cancel()
        wait = max(0.0, (expires_at - self.clock.now()).total_seconds())
        expiry = self.clock.call_later(wait, lambda: self._expire(plug, number), name="reservation")
        plug.reservation = Reservation(number, id_tag, group, expiry)

    def _expire(self, plug: Connector, number: int) -> None:
        if plug.reservation is not None and plug.reservation.reservation_id == number:
            plug.reservation = None
            self.spawn(self.reservation_expired(plug, number))

    async def reservation_expired(self, plug: Connector, number: int) -> None:
        """Nobody came in time."""
        await self.release(plug)

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
        self.acknowledge(entry, answer)
        if fault is Fault.DUPLICATE:
            self.stats.faults[fault.value] += 1
            again = await self._repeat(rpc, entry)
            if again is not None and again.get("transactionId") != answer.get("transactionId"):
                self.stats.errors["transaction_id_changed"] += 1

    async def _repeat(self, rpc: Rpc, entry: Entry) -> Payload | None:
        try:
            return await rpc.call(entry.action, entry.content())
        except (CallFailed, NoAnswer):
            return None

    def settle(self, session: Session) -> None:
        """The end of a session has been acknowledged."""
        self.stats.sessions_completed += 1
        self.stats.energy_wh += session.energy_wh
        session.settled.set()

    def write_journal(self, entry: Entry, **more: Any) -> None:
        """Note an acknowledged message of a session for a checker."""
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
            **more,
        }
        if session.settled.is_set() and session.stopped_at is not None:
            record["stopped_at"] = format_timestamp(session.stopped_at)
            record["meter_stop_wh"] = session.meter_stop_wh
            record["energy_wh"] = session.energy_wh
            record["reason"] = session.reason
        self.journal.write(record)

    # ---------------------------------------------------------------- the whole
    def own_certificate(self) -> bytes:
        return self.certificates.pem()

    async def reboot(self, *, reason: str, gently: bool = False) -> None:
        """Stop all sessions, drop the connection and register anew.

        gently  deliver what is queued, and close in good order
        """
        self.rebooting = True
        try:
            for plug in self.connectors[1:]:
                await self.stop(plug.number, reason=reason, wait=False)
            if gently:
                await self.outbox.drained()
            self.accepted = False
            await self.go_offline(cut=not gently)
            await self.clock.sleep(self.station.reset_s, name="reset")
        finally:
            self.rebooting = False
            self.go_online()

    async def close(self) -> None:
        """Close the socket; what is still queued stays undelivered."""
        self.outbox.close()
        await super().close()
