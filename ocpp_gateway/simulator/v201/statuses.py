"""Settings and statuses of a simulated charge point of 2.0.1: what hangs on the device model alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ocpp_gateway.simulator.answers import Payload
from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.connector import Connector
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v201.device_model import Component, DeviceModel
from ocpp_gateway.simulator.v201.device_tables import cables_of, variables
from ocpp_gateway.simulator.v201.sessions import Session201
from ocpp_gateway.wire.errors import V201
from ocpp_gateway.wire.timestamps import format_timestamp

#: A connector's state in the words of all versions → connectorStatus; all others mean Occupied.
_SHOWN = {name: name for name in ("Available", "Reserved", "Unavailable", "Faulted")} | {
    "Preparing": "Available"
}
_STATION = Component("ChargingStation")


class Statuses(ChargePoint):
    """A charge point with a device model, `device`."""

    version = V201

    def __init__(self, station: Station, **more: Any) -> None:
        self._shown: dict[tuple[int, int], str] = {}
        self._event_id = 0
        super().__init__(station, **more)

    def prepare(self, station: Station) -> None:
        self.device = DeviceModel(variables(station))

    # ---------------------------------------------------------------- settings
    @property
    def retry_s(self) -> float:
        return self.device.integer("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent")

    @property
    def sample_interval_s(self) -> int:
        return self.device.integer("SampledDataCtrlr", "TxUpdatedInterval")

    @property
    def ping_interval_s(self) -> int:
        return self.device.integer("OCPPCommCtrlr", "WebSocketPingInterval")

    @property
    def heartbeat_interval_s(self) -> int:
        return self.device.integer("OCPPCommCtrlr", "HeartbeatInterval")

    def take_interval(self, seconds: int) -> None:
        self.device.put(Component("OCPPCommCtrlr"), "HeartbeatInterval", str(seconds))

    def show_profile(self, profile: int) -> None:
        self.device.put(Component("SecurityCtrlr"), "SecurityProfile", str(profile))

    @property
    def authorizes_remote_starts(self) -> bool:
        return self.device.flag("AuthCtrlr", "AuthorizeRemoteStart")

    def settings(self) -> Iterable[tuple[str, str]]:
        for variable in self.device:
            if variable.actual.mutability != "WriteOnly":
                yield f"{variable.component.name}.{variable.name}", variable.actual.value

    def boot_payload(self, reason: str) -> Payload:
        station = {
            "model": self.station.model[:20],
            "vendorName": self.station.vendor,
            "serialNumber": (self.station.serial_number or self.station.identity)[:25],
            "firmwareVersion": self.station.firmware,
        }
        return {"reason": reason, "chargingStation": station}

    async def until_accepted(self) -> None:
        """Wait until the CSMS has taken the charge point in again."""
        while not (self.online and self.accepted):
            await self.clock.sleep(0.5, name="accepted", real=True)

    # ---------------------------------------------------------------- status
    def shown_status(self, plug: Connector) -> str:
        return _SHOWN.get(plug.status, "Occupied")

    def _cable_status(self, plug: Connector, cable: int) -> str:
        """Only the connector that is used is Occupied (G01.FR.08)."""
        if cable in plug.closed:
            return "Unavailable"
        status = self.shown_status(plug)
        session = plug.session or plug.leaving
        if status == "Occupied" and isinstance(session, Session201) and session.cable != cable:
            return self._shown.get((plug.number, cable), "Available")
        return status

    async def report_status(self, plug: Connector) -> None:
        await self.report_cables(plug)

    async def report_cables(self, plug: Connector, *, only: int | None = None, again: bool = False) -> None:
        """Tell the status of the connectors of an EVSE that has changed, or all of it again."""
        status = self.shown_status(plug)
        component = _STATION if plug.number == 0 else Component("EVSE", evse=plug.number)
        self.device.put(component, "AvailabilityState", status)
        plug.reported = status
        if plug.number == 0:
            return
        for cable in range(1, cables_of(self.station, plug.number) + 1):
            if only in (None, cable):
                await self._report_cable(plug, cable, again=again)

    async def _report_cable(self, plug: Connector, cable: int, *, again: bool) -> None:
        place, status = (plug.number, cable), self._cable_status(plug, cable)
        component = Component("Connector", evse=plug.number, connector=cable)
        self.device.put(component, "AvailabilityState", status)
        if not (self.online and self.accepted):
            plug.reported = ""
            return
        if self._shown.get(place) == status and not again:
            return
        self._shown[place] = status
        try:
            await self._send_status(component, status)
        except NoAnswer:
            self._shown.pop(place, None)
            plug.reported = ""
        except CallFailed:
            pass  # counted; sending the same status again would fail again

    async def _send_status(self, component: Component, status: str) -> None:
        now = format_timestamp(self.clock.now())
        if "status-events" in self.station.quirks:
            row = self.event_row(component, "AvailabilityState", status, "Delta")
            await self.call("NotifyEvent", {"generatedAt": now, "seqNo": 0, "eventData": [row]})
            return
        payload = {
            "timestamp": now,
            "connectorStatus": status,
            "evseId": component.evse,
            "connectorId": component.connector,
        }
        await self.call("StatusNotification", payload)

    def event_row(self, component: Component, name: str, value: str, trigger: str, **more: Any) -> Payload:
        """An EventDataType."""
        self._event_id += 1
        return {
            "eventId": self._event_id,
            "timestamp": format_timestamp(self.clock.now()),
            "trigger": trigger,
            "actualValue": value,
            "eventNotificationType": "HardWiredNotification",
            "component": component.written(),
            "variable": {"name": name},
            **more,
        }

    def forget_statuses(self) -> None:
        """After a boot all of them are told again."""
        self._shown.clear()
