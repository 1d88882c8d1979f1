"""A simulated charge point in the words of OCPP 2.0.1; its connectors are EVSEs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ocpp_gateway.simulator import answers
from ocpp_gateway.simulator.answers import Answer, Payload
from ocpp_gateway.simulator.certificates import Certificates
from ocpp_gateway.simulator.clock import Timer
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.outbox import Entry, Session
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v201 import charging
from ocpp_gateway.simulator.v201.device_model import Component
from ocpp_gateway.simulator.v201.device_tables import cables_of
from ocpp_gateway.simulator.v201.events import Event, Events
from ocpp_gateway.simulator.v201.handlers import HANDLERS
from ocpp_gateway.simulator.v201.monitoring import Monitor, Monitoring
from ocpp_gateway.simulator.v201.networks import Networks
from ocpp_gateway.simulator.v201.sessions import RemoteStart, Session201
from ocpp_gateway.simulator.v201.statuses import Statuses
from ocpp_gateway.simulator.v201.tokens import Tokens

_CHARGING = {
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
}


class ChargePoint201(Statuses):
    """A charge point of OCPP 2.0.1; its settings are the device model `device`."""

    reset_reason = "ImmediateReset"
    handlers: ClassVar[Mapping[str, answers.Handler[Any]]] = HANDLERS

    def __init__(self, station: Station, **more: Any) -> None:
        super().__init__(station, **more)
        self.events = Events(self)
        self.monitoring = Monitoring(self)
        self.tokens = Tokens(self)
        self.networks = Networks(self)
        self.v2g = Certificates()
        self.messages: dict[int, Payload] = {}
        self.published: dict[str, str] = {}
        self.remote_starts: dict[int, RemoteStart] = {}
        self.limited_by: dict[int, str] = {}
        self.log_request: int | None = None
        self.firmware_request: int | None = None
        self._aligned: Timer | None = None
        self._watch()

    def _watch(self) -> None:
        self.device.on_change = lambda variable, before: self.monitoring.check(variable, before)
        self.device.watch("OCPPCommCtrlr", "HeartbeatInterval", lambda _: self._soon(self.schedule_heartbeat))
        self.device.watch("AlignedDataCtrlr", "Interval", lambda _: self._soon(self.schedule_aligned))
        self.device.watch("SecurityCtrlr", "BasicAuthPassword", self._take_password)
        self.device.watch("OCPPCommCtrlr", "NetworkConfigurationPriority", self.networks.refusal)

    def _soon(self, act: Any) -> None:
        """Do something after the new value is in place."""
        self.clock.call_later(0, act, name="setting", real=True)

    def _take_password(self, value: str) -> str | None:
        if not 16 <= len(value) <= 64:
            return "InvalidValue"
        self.take_key(value)
        self.spawn(self._reconnect())
        return None

    async def _reconnect(self) -> None:
        await self.clock.sleep(0.05, name="setting", real=True)  # the answer goes out first
        await self.disconnect()

    # ---------------------------------------------------------------- tokens
    async def ask_about(self, id_tag: str) -> str:
        return await self.tokens.ask(id_tag)

    def authorize_offline(self, id_tag: str) -> str:
        return self.tokens.authorize_offline(id_tag)

    def take_authorization(self, id_tag: str, answer: Payload) -> None:
        """What a later version reads in the answer to Authorize."""

    def show_list_length(self) -> None:
        """Let the device model show how long the local list is."""
        self.device.put(Component("LocalAuthListCtrlr"), "Entries", str(len(self.local_list)))

    def fall_back(self, failures: int) -> None:
        super().fall_back(failures)
        self.networks.next_after_failures(failures)

    # ---------------------------------------------------------------- sessions
    def new_session(self, plug: Connector, id_tag: str) -> Session201:
        remote = self.remote_starts.pop(plug.number, None)
        return Session201(
            connector=plug.number,
            cable=self.rng.randint(1, cables_of(self.station, plug.number)),
            id_tag=id_tag,
            token_type=remote.token_type if remote is not None else self.tokens.type_of(id_tag),
            remote=remote,
            started_at=self.clock.now(),
            meter_start_wh=plug.meter.register_wh,
            transaction_id=str(uuid.uuid4()),
        )

    def session_of(self, plug: Connector) -> Session201 | None:
        """The running session of an EVSE."""
        session = plug.session
        assert session is None or isinstance(session, Session201)
        return session

    def find_session(self, transaction_id: object) -> Session201 | None:
        """A running session by its id."""
        for plug in self.connectors[1:]:
            session = self.session_of(plug)
            if session is not None and session.transaction_id == transaction_id:
                return session
        return None

    def queue_start(self, plug: Connector, session: Session) -> Entry:
        assert isinstance(session, Session201)
        return self.events.begin(session)

    def queue_stop(self, plug: Connector, session: Session, id_tag: str | None) -> None:
        assert isinstance(session, Session201)
        self.events.stop(session, id_tag)
        plug.leaving = session

    def unplugged(self, plug: Connector) -> None:
        session, plug.leaving = plug.leaving, None
        if isinstance(session, Session201):
            self.events.unplug(session)

    def queue_meter_values(self, connector: int, *, context: str = "Sample.Periodic") -> Event | None:
        plug = self.connectors[connector]
        session = self.session_of(plug)
        if session is None:
            return None
        self.draw(plug)
        trigger = {"Sample.Clock": "MeterValueClock", "Trigger": "Trigger"}.get(context, "MeterValuePeriodic")
        reading = self.events.reading(session, context)
        if context == "Sample.Periodic" and self.device.integer("SampledDataCtrlr", "TxEndedInterval"):
            self.events.keep(session, reading)
        values = [] if reading is None else [reading]
        return self.events.queue(session, "Updated", trigger, context=context, values=values)

    # ---------------------------------------------------------------- limits
    @property
    def profile_purposes(self) -> tuple[str, ...]:
        """Purposes of charging profiles that the CSMS may use."""
        return ("ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile")

    def install_profile(self, evse: int, profile: Payload, *, source: str = "CSO") -> None:
        """Use a profile from now on."""
        self.draw_all()
        form = {**charging.neutral(profile), "source": source}
        self.profiles.install(connector=evse, profile=form, at=self.clock.now())

    async def after_profile(self, evse: int, profile: Payload) -> None:
        """What follows from a new profile."""
        await self.report_pauses()
        if self.limited_by.pop(evse, "") == "needs":
            await charging.tell_schedule(self, evse, profile)

    def charging_needs(self, needs: Payload) -> Payload:
        """ChargingNeedsType as the version writes it."""
        return needs

    # ---------------------------------------------------------------- what later versions add
    def event_severity(self, severity: int) -> Payload:
        """What an event says of its severity."""
        return {}

    def monitor_source(self, source: str) -> Payload:
        """What a monitoring report says of where a monitor comes from."""
        return {}

    def take_periodic(self, monitor: Monitor) -> bool:
        """Whether the value of a periodic monitor goes another way than by an event."""
        return False

    def event_info(self, session: Session201, kind: str) -> Payload:
        """What a later version adds to an event's transactionInfo."""
        return {}

    def event_extras(self, session: Session201, kind: str) -> Payload:
        """What a later version adds to an event."""
        return {}

    def show_power(self, plug: Connector, power_w: int) -> None:
        """Let the device model show the power of an EVSE."""
        self.device.put(Component("EVSE", evse=plug.number), "Power", str(power_w))

    # ---------------------------------------------------------------- clock-aligned readings
    def schedule_aligned(self) -> None:
        """Wait for the next full interval of the day (J01)."""
        if self._aligned is not None:
            self._aligned.cancel()
            self._aligned = None
        interval = self.device.integer("AlignedDataCtrlr", "Interval")
        if interval > 0 and self.device.flag("AlignedDataCtrlr", "Enabled"):
            wait = interval - self.clock.now().timestamp() % interval
            self._aligned = self.clock.call_later(wait, self._on_aligned, name="aligned")

    def _on_aligned(self) -> None:
        for plug in self.connectors[1:]:
            if self.queue_meter_values(plug.number, context="Sample.Clock") is None and plug.session is None:
                self.spawn(self.report_meter(plug, "Sample.Clock"))
        self.schedule_aligned()

    async def report_meter(self, plug: Connector, context: str) -> None:
        """MeterValues of an EVSE without a transaction."""
        wanted = self.device.items("AlignedDataCtrlr", "Measurands")
        reading = self.events.value(plug, plug.meter.register_wh, wanted, context)
        if reading is not None and self.online and self.accepted:
            await self.notify("MeterValues", {"evseId": plug.number, "meterValue": [reading]})

    # ---------------------------------------------------------------- status
    async def set_status(self, connector: int, status: str) -> None:
        plug = self.connectors[connector]
        plug.status = status
        state, session = _CHARGING.get(status), self.session_of(plug)
        if session is not None and session.is_begun and state not in (None, session.charging_state):
            session.charging_state = str(state)
            self.events.queue(session, "Updated", "ChargingStateChanged")
        await self.report_status(plug)

    async def resume(self, *, booted: bool) -> None:
        if booted:
            self.forget_statuses()
            self.schedule_aligned()
        await super().resume(booted=booted)

    async def reservation_expired(self, plug: Connector, number: int) -> None:
        await self.tell_reservation(number, "Expired")
        await super().reservation_expired(plug, number)

    async def tell_reservation(self, number: int, status: str) -> None:
        """A reservation is gone without having been used (H04)."""
        update = {"reservationId": number, "reservationUpdateStatus": status}
        await self.notify("ReservationStatusUpdate", update)

    async def break_down(self, evse: int, *, error: str = "GroundFailure") -> None:
        """An EVSE fails; a reservation of it is removed."""
        plug = self.connectors[evse]
        plug.error_code = error
        if plug.reservation is not None:
            plug.reservation.expiry.cancel()
            number, plug.reservation = plug.reservation.reservation_id, None
            await self.tell_reservation(number, "Removed")
        await self.set_status(evse, "Faulted")

    # ---------------------------------------------------------------- answers
    def acknowledge(self, entry: Entry, answer: Payload) -> None:
        assert isinstance(entry, Event)
        session, payload = entry.session, entry.payload
        info = answer.get("idTokenInfo")
        if "idToken" in payload:
            if info is None:
                self.stats.errors["invalid_answer:TransactionEvent"] += 1
            else:
                self._take_verdict(entry, str(info.get("status", "Invalid")))
        if "totalCost" in answer:
            session.cost = float(answer["totalCost"])
        session.samples += len(payload.get("meterValue", []))
        if entry.kind == "Started":
            self.stats.sessions_started += 1
        if entry.kind == "Ended":
            self.settle(session)
            self.messages = {
                number: each
                for number, each in self.messages.items()
                if each.get("transactionId") != session.transaction_id
            }
        self.take_event_answer(session, answer)
        self.write_journal(
            entry,
            event_type=entry.kind,
            seq_no=payload["seqNo"],
            timestamp=payload["timestamp"],
            trigger=payload["triggerReason"],
            offline=payload.get("offline", False),
            readings=len(payload.get("meterValue", [])),
        )

    def _take_verdict(self, entry: Event, status: str) -> None:
        session = entry.session
        if entry.kind == "Ended":
            return
        session.tag_status = status
        if status != "Accepted":
            self.stats.refused_tags += 1
            if self.device.flag("TxCtrlr", "StopTxOnInvalidId") and not session.ended.is_set():
                self.spawn(self.deauthorize(session))

    def take_event_answer(self, session: Session201, answer: Payload) -> None:
        """What a later version reads in the answer to an event."""

    def answer(self, action: str, payload: Payload) -> Answer:
        return answers.handle(self.handlers, self, action, payload, version=self.version)

    # ---------------------------------------------------------------- resets
    async def reset(self, *, boot_reason: str, reason: str = "ImmediateReset", gently: bool = False) -> None:
        """Restart the whole charge point, with the network profile that goes first then."""
        self.boot_reason = boot_reason
        self.networks.apply()
        await self.reboot(reason=reason, gently=gently)

    async def reset_when_idle(self, plugs: list[Connector], *, whole: bool) -> None:
        """Wait for the end of the sessions, then restart."""
        while any(plug.session is not None for plug in plugs):
            await self.clock.sleep(5, name="idle")
        if whole:
            await self.reset(boot_reason="ScheduledReset", reason="Reboot", gently=True)
        else:
            await self.reset_evse(plugs[0])

    async def reset_evse(self, plug: Connector) -> None:
        """Restart one EVSE (B11.FR.08)."""
        await self.stop(plug.number, reason="ImmediateReset", wait=False)
        await self.set_status(plug.number, "Unavailable")
        await self.clock.sleep(self.station.reset_s, name="reset")
        await self.release(plug)

    def take_firmware(self, version: str) -> None:
        """Run another firmware from now on."""
        self.station = replace(self.station, firmware=version[:50])
        self.device.put(Component("Controller"), "FirmwareVersion", version[:50])

    async def close(self) -> None:
        self.monitoring.close()
        if self._aligned is not None:
            self._aligned.cancel()
        await super().close()
