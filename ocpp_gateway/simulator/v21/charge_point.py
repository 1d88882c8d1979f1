"""A simulated charge point of OCPP 2.1: 2.0.1 and what 2.1 adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ocpp_gateway.simulator.answers import Answer, Handler, Payload, status
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v21 import energy, streams, tariffs
from ocpp_gateway.simulator.v21.device_tables import variables
from ocpp_gateway.simulator.v201 import availability, remote
from ocpp_gateway.simulator.v201 import handlers as v201
from ocpp_gateway.simulator.v201.charge_point import ChargePoint201
from ocpp_gateway.simulator.v201.device_model import Component, DeviceModel
from ocpp_gateway.simulator.v201.events import Event
from ocpp_gateway.simulator.v201.monitoring import Monitor
from ocpp_gateway.simulator.v201.sessions import Session201
from ocpp_gateway.wire.errors import V21
from ocpp_gateway.wire.timestamps import format_timestamp

#: What a CustomTrigger may be, and the monitor-free event that it gives.
CUSTOM_TRIGGER = "Temperature"


def trigger_message(cp: ChargePoint21, payload: Payload) -> Answer:
    """As in 2.0.1; one trigger of our own (F07)."""
    if payload["requestedMessage"] != "CustomTrigger":
        return remote.trigger_message(cp, payload)
    if payload.get("customTrigger") != CUSTOM_TRIGGER:
        return status("NotImplemented")
    return status("Accepted", cp.tell_temperature())


def reset(cp: ChargePoint21, payload: Payload) -> Answer:
    """As in 2.0.1; transactions may go on afterwards (B13)."""
    if payload["type"] != "ImmediateAndResume":
        return availability.reset(cp, payload)
    return status("Accepted", cp.reset_and_resume())


def request_battery_swap(cp: ChargePoint21, payload: Payload) -> Answer:
    return status("Accepted", cp.swap_batteries(int(payload["requestId"]), payload["idToken"]))


class ChargePoint21(ChargePoint201):
    """A charge point of OCPP 2.1."""

    version = V21
    handlers: ClassVar[Mapping[str, Handler[Any]]] = {
        **v201.HANDLERS,
        **energy.HANDLERS,
        **streams.HANDLERS,
        **tariffs.HANDLERS,
        "RequestBatterySwap": request_battery_swap,
        "Reset": reset,
        "TriggerMessage": trigger_message,
    }

    def __init__(self, station: Station, **more: Any) -> None:
        super().__init__(station, **more)
        self.streams = streams.Streams(self)
        self.tariffs: dict[int, Payload] = {}
        self.driver_tariffs: dict[str, Payload] = {}
        self.web_payments: dict[int, int] = {}
        self.controls: dict[str, Payload] = {}
        self.afrr: int | None = None

    def prepare(self, station: Station) -> None:
        self.device = DeviceModel(variables(station))

    def sessions(self) -> Iterable[Session201]:
        """The running sessions."""
        found = (self.session_of(plug) for plug in self.connectors[1:])
        return [session for session in found if session is not None]

    # ---------------------------------------------------------------- events
    def event_severity(self, severity: int) -> Payload:
        return {"severity": severity}

    def monitor_source(self, source: str) -> Payload:
        return {"eventNotificationType": source}

    def take_periodic(self, monitor: Monitor) -> bool:
        return self.streams.take(monitor)

    def take_authorization(self, id_tag: str, answer: Payload) -> None:
        if "tariff" in answer:
            self.driver_tariffs[id_tag.lower()] = answer["tariff"]

    def new_session(self, plug: Connector, id_tag: str) -> Session201:
        session = super().new_session(plug, id_tag)
        if (tariff := self.driver_tariffs.pop(id_tag.lower(), None)) is not None:
            session.more["tariff"] = tariff
        return session

    def event_info(self, session: Session201, kind: str) -> Payload:
        tariff = tariffs.tariff_of(self, session)
        info: Payload = {"tariffId": tariff["tariffId"]} if tariff is not None else {}
        if session.more.pop("limit_is_new", False):
            info["transactionLimit"] = session.more["limit"]
        return info

    def event_extras(self, session: Session201, kind: str) -> Payload:
        details = tariffs.cost_details(self, session) if kind == "Ended" else None
        return {} if details is None else {"costDetails": details}

    def take_event_answer(self, session: Session201, answer: Payload) -> None:
        limit = answer.get("transactionLimit")
        if limit is not None and limit != session.more.get("limit") and not session.is_over:
            session.more |= {"limit": limit, "limit_is_new": True}
            self.events.queue(session, "Updated", "LimitSet")

    def queue_meter_values(self, connector: int, *, context: str = "Sample.Periodic") -> Event | None:
        event = super().queue_meter_values(connector, context=context)
        session = self.session_of(self.connectors[connector])
        if session is not None and (trigger := tariffs.reached(self, session)):
            self.spawn(self._stop_at_limit(session, trigger))
        return event

    async def _stop_at_limit(self, session: Session201, trigger: str) -> None:
        if self.session_of(self.connectors[session.connector]) is session:
            await self.stop(session.connector, reason=trigger, wait=False)

    # ---------------------------------------------------------------- limits
    @property
    def profile_purposes(self) -> tuple[str, ...]:
        return (*super().profile_purposes, "PriorityCharging", "LocalGeneration")

    def limit_w(self, plug: Connector) -> int | None:
        """Priority takes the place of what else limits a session (K21)."""
        usual = super().limit_w(plug)
        session = self.session_of(plug)
        if session is None or not session.more.get("priority"):
            return usual
        at, start = self.clock.now(), session.started_at
        limits = [
            each.limit_w(at, session_start=start)
            for each in self.profiles
            if each.purpose == "PriorityCharging" and each.connector in (0, plug.number)
        ]
        known = [limit for limit in limits if limit is not None]
        return int(max(known)) if known else usual

    async def after_profile(self, evse: int, profile: Payload) -> None:
        await super().after_profile(evse, profile)
        interval = profile.get("dynUpdateInterval", 0)
        if profile["chargingProfileKind"] == "Dynamic" and interval > 0:
            self.spawn(energy.pull_updates(self, profile["id"], interval))

    async def use_priority(self, transaction_id: str, *, activated: bool = True) -> None:
        """A driver asks for priority at the charge point (K22)."""
        session = self.find_session(transaction_id)
        if session is not None:
            session.more["priority"] = activated
            message = {"transactionId": transaction_id, "activated": activated}
            await self.notify("NotifyPriorityCharging", message)

    # ---------------------------------------------------------------- resets
    async def reset_and_resume(self) -> None:
        """Restart; the sessions go on, and say so (E17)."""
        self.boot_reason = "RemoteReset"
        self.networks.apply()
        self.rebooting = True
        try:
            self.accepted = False
            await self.go_offline()
            await self.clock.sleep(self.station.reset_s, name="reset")
        finally:
            self.rebooting = False
            self.go_online()
        for session in self.sessions():
            self.events.queue(session, "Updated", "TxResumed")

    # ---------------------------------------------------------------- what a driver pays and swaps
    async def settle_payment(self, session: Session201, amount: float, *, psp_ref: str) -> Payload:
        """Tell that a card has been charged (C18–C20); the answer may have the receipt."""
        message = {
            "pspRef": psp_ref,
            "status": "Settled",
            "settlementAmount": amount,
            "settlementTime": format_timestamp(self.clock.now()),
            "transactionId": session.transaction_id,
        }
        return await self.call("NotifySettlement", message)

    async def validate_vat(self, number: str, *, evse: int | None = None) -> Payload:
        """Ask whether there is a company of this VAT number (C21)."""
        message: Payload = {"vatNumber": number}
        return await self.call(
            "VatNumberValidation", message if evse is None else {**message, "evseId": evse}
        )

    async def tell_temperature(self) -> None:
        """An event of the temperature, asked for by a custom trigger."""
        part = Component("Controller")
        value = self.device.value("Controller", "Temperature")
        row = self.event_row(part, "Temperature", value, "Periodic", severity=9)
        now = format_timestamp(self.clock.now())
        await self.notify("NotifyEvent", {"generatedAt": now, "seqNo": 0, "eventData": [row]})

    async def swap_batteries(self, request_id: int, id_token: Payload) -> None:
        """An empty battery goes in, a full one comes out (S01, S02)."""
        for kind, charge in (("BatteryIn", 15.0), ("BatteryOut", 98.0)):
            battery = {"evseId": 1, "serialNumber": f"BAT-{request_id}-{kind}", "soC": charge, "soH": 97.0}
            message = {
                "eventType": kind,
                "requestId": request_id,
                "idToken": id_token,
                "batteryData": [battery],
            }
            await self.notify("BatterySwap", message)
            await self.clock.sleep(self.station.plug_in_s, name="swap")
        swaps = int(self.device.value("BatterySwapCtrlr", "NumberOfSwaps")) + 1
        self.device.put(Component("BatterySwapCtrlr"), "NumberOfSwaps", str(swaps))
