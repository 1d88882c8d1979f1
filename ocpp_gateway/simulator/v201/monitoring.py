"""Monitors of a simulated charge point of 2.x, and the events that they give (2.0.1 part 2, block N)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.clock import Timer
from ocpp_gateway.simulator.v201.device_model import Component, Variable, fits
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201

MAX_MONITORS = 100
PER_MESSAGE = 10
HARD_WIRED = 1
_PERIODIC = ("Periodic", "PeriodicClockAligned")
_CRITERIA = {
    "ThresholdMonitoring": ("UpperThreshold", "LowerThreshold"),
    "DeltaMonitoring": ("Delta",),
    "PeriodicMonitoring": _PERIODIC,
}


@dataclass
class Monitor:
    """A monitor on a variable; `is_on` once a threshold has been crossed."""

    number: int
    variable: Variable
    kind: str
    value: float
    severity: int
    in_transaction: bool = False
    source: str = "CustomMonitor"
    is_on: bool = False
    reference: float | None = None
    timer: Timer | None = None

    def row(self) -> Payload:
        return {
            "id": self.number,
            "transaction": self.in_transaction,
            "value": self.value,
            "type": self.kind,
            "severity": self.severity,
        }


class Monitoring:
    """All monitors of a charge point."""

    def __init__(self, cp: ChargePoint201) -> None:
        self._cp = cp
        self.monitors: dict[int, Monitor] = {}
        self._next = HARD_WIRED + 1
        self._queued: list[Payload] = []
        self._add_hard_wired()

    def _add_hard_wired(self) -> None:
        heat = self._cp.device.find(Component("Controller"), "Temperature")
        assert heat is not None
        self.monitors[HARD_WIRED] = Monitor(
            HARD_WIRED, heat, "UpperThreshold", 85, severity=2, source="HardWiredMonitor"
        )

    # ---------------------------------------------------------------- watching
    def check(self, variable: Variable, before: str) -> None:
        """A value has changed: which monitors have something to say?"""
        rows = [
            row
            for monitor in self.monitors.values()
            if monitor.variable is variable
            for row in self._judge(monitor, variable.actual.value, before)
        ]
        self._tell(rows)

    def _judge(self, monitor: Monitor, value: str, before: str) -> list[Payload]:
        if not self._is_active(monitor):
            return []
        if monitor.kind == "Delta":
            return self._judge_delta(monitor, value, before)
        if monitor.kind not in ("UpperThreshold", "LowerThreshold"):
            return []
        number = _number(value)
        if number is None:
            return []
        is_on = number > monitor.value if monitor.kind == "UpperThreshold" else number < monitor.value
        if is_on == monitor.is_on:
            return []
        monitor.is_on = is_on
        return [self._row(monitor, "Alerting", value, cleared=not is_on)]

    def _judge_delta(self, monitor: Monitor, value: str, before: str) -> list[Payload]:
        """A text that is another one, or a number that has moved far enough since the last event."""
        number = _number(value)
        if number is None:
            return [self._row(monitor, "Delta", value)]
        if monitor.reference is None:
            monitor.reference = _number(before)
        if monitor.reference is not None and abs(number - monitor.reference) < monitor.value:
            return []
        monitor.reference = number
        return [self._row(monitor, "Delta", value)]

    def _is_active(self, monitor: Monitor) -> bool:
        cp = self._cp
        if not cp.device.flag("MonitoringCtrlr", "Enabled"):
            return False
        if monitor.severity > cp.device.integer("MonitoringCtrlr", "ActiveMonitoringLevel"):
            return False
        evse = monitor.variable.component.evse
        places = cp.connectors[1:] if evse == 0 else [cp.connectors[evse]]
        return not monitor.in_transaction or any(plug.session is not None for plug in places)

    def _row(self, monitor: Monitor, trigger: str, value: str, *, cleared: bool = False) -> Payload:
        row = self._cp.event_row(
            monitor.variable.component,
            monitor.variable.name,
            value,
            trigger,
            variableMonitoringId=monitor.number,
            eventNotificationType=monitor.source,
            **self._cp.event_severity(monitor.severity),
        )
        return {**row, "cleared": True} if cleared else row

    def _tell(self, rows: list[Payload]) -> None:
        if rows:
            self._cp.spawn(self._send(rows))

    async def _send(self, rows: list[Payload]) -> None:
        now = format_timestamp(self._cp.clock.now())
        await self._cp.notify("NotifyEvent", {"generatedAt": now, "seqNo": 0, "eventData": rows})

    def _schedule(self, monitor: Monitor) -> None:
        if monitor.timer is not None:
            monitor.timer.cancel()
        wait = monitor.value
        if monitor.kind == "PeriodicClockAligned":
            wait -= self._cp.clock.now().timestamp() % monitor.value
        monitor.timer = self._cp.clock.call_later(wait, lambda: self._on_period(monitor), name="monitor")

    def _on_period(self, monitor: Monitor) -> None:
        if self._is_active(monitor) and not self._cp.take_periodic(monitor):
            self._tell([self._row(monitor, "Periodic", monitor.variable.actual.value)])
        self._schedule(monitor)

    def close(self) -> None:
        for monitor in self.monitors.values():
            if monitor.timer is not None:
                monitor.timer.cancel()

    # ---------------------------------------------------------------- for the CSMS
    def set(self, row: Payload) -> Payload:
        """A row of SetVariableMonitoring's answer (N04)."""
        result: Payload = {name: row[name] for name in ("component", "variable", "type", "severity")}
        if "id" in row:
            result["id"] = row["id"]
        variable = self._cp.device.find(
            Component.read(row["component"]), row["variable"]["name"], row["variable"].get("instance", "")
        )
        if variable is None:
            return {**result, "status": self._unknown(row)}
        refusal = self._refusal(row, variable)
        if refusal:
            return {**result, "status": refusal}
        number = row.get("id", self._next)
        self._next = max(self._next, number) + 1
        self._remove(number)
        monitor = Monitor(
            number, variable, row["type"], float(row["value"]), row["severity"], row.get("transaction", False)
        )
        self.monitors[number] = monitor
        if monitor.kind in _PERIODIC:
            self._schedule(monitor)
        self._tell(
            self._judge(monitor, variable.actual.value, variable.actual.value)
            if monitor.kind != "Delta"
            else []
        )
        return {**result, "id": number, "status": "Accepted"}

    def _unknown(self, row: Payload) -> str:
        key = Component.read(row["component"]).key
        is_known = any(each.component.key == key for each in self._cp.device)
        return "UnknownVariable" if is_known else "UnknownComponent"

    def _refusal(self, row: Payload, variable: Variable) -> str:
        kind, value = row["type"], float(row["value"])
        if not variable.monitored:
            return "UnsupportedMonitorType"
        if kind in ("UpperThreshold", "LowerThreshold") and variable.kind not in ("integer", "decimal"):
            return "UnsupportedMonitorType"
        if (kind == "Delta" and value < 0) or (kind in _PERIODIC and value < 1):
            return "Rejected"
        held = self.monitors.get(row.get("id", -1))
        if "id" in row and (held is None or held.source != "CustomMonitor" or held.variable is not variable):
            return "Rejected"
        same = (variable, kind, row["severity"])
        others = [each for each in self.monitors.values() if each.number != row.get("id")]
        if any((each.variable, each.kind, each.severity) == same for each in others):
            return "Duplicate"
        return "Rejected" if len(self.monitors) >= MAX_MONITORS else ""

    def _remove(self, number: int) -> None:
        monitor = self.monitors.pop(number, None)
        if monitor is not None and monitor.timer is not None:
            monitor.timer.cancel()

    def clear(self, number: int) -> str:
        """Remove a monitor of the CSMS."""
        if number not in self.monitors:
            return "NotFound"
        if self.monitors[number].source != "CustomMonitor":
            return "Rejected"
        self._remove(number)
        return "Accepted"

    def take_base(self, base: str) -> None:
        """All keeps the monitors of the CSMS, the others remove them (N05)."""
        if base != "All":
            for number in [each.number for each in self.monitors.values() if each.source == "CustomMonitor"]:
                self._remove(number)

    def report(self, wanted: list[Payload], criteria: list[str]) -> list[Payload]:
        """The rows of a monitoring report (N02)."""
        kinds = {kind for name in criteria for kind in _CRITERIA[name]}
        found: dict[int, Payload] = {}
        for monitor in self.monitors.values():
            variable = monitor.variable
            if (wanted and not any(fits(row, variable) for row in wanted)) or (
                kinds and monitor.kind not in kinds
            ):
                continue
            row = found.setdefault(
                id(variable),
                {
                    "component": variable.component.written(),
                    "variable": variable.written(),
                    "variableMonitoring": [],
                },
            )
            row["variableMonitoring"].append({**monitor.row(), **self._cp.monitor_source(monitor.source)})
        return list(found.values())


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


# ---------------------------------------------------------------- calls of the CSMS
def set_variable_monitoring(cp: ChargePoint201, payload: Payload) -> Answer:
    rows = payload["setMonitoringData"]
    return Answer({"setMonitoringResult": [cp.monitoring.set(row) for row in rows]})


def clear_variable_monitoring(cp: ChargePoint201, payload: Payload) -> Answer:
    results = [{"id": number, "status": cp.monitoring.clear(number)} for number in payload["id"]]
    return Answer({"clearMonitoringResult": results})


def set_monitoring_base(cp: ChargePoint201, payload: Payload) -> Answer:
    cp.device.put(Component("MonitoringCtrlr"), "ActiveMonitoringBase", payload["monitoringBase"])
    cp.monitoring.take_base(payload["monitoringBase"])
    return status("Accepted")


def set_monitoring_level(cp: ChargePoint201, payload: Payload) -> Answer:
    if not 0 <= payload["severity"] <= 9:
        return status("Rejected")
    cp.device.put(Component("MonitoringCtrlr"), "ActiveMonitoringLevel", str(payload["severity"]))
    return status("Accepted")


def get_monitoring_report(cp: ChargePoint201, payload: Payload) -> Answer:
    rows = cp.monitoring.report(
        payload.get("componentVariable") or [], payload.get("monitoringCriteria") or []
    )
    if not rows:
        return status("EmptyResultSet")
    return status("Accepted", _report(cp, int(payload["requestId"]), rows))


async def _report(cp: ChargePoint201, request_id: int, rows: list[Payload]) -> None:
    parts = [rows[start : start + PER_MESSAGE] for start in range(0, len(rows), PER_MESSAGE)]
    for number, part in enumerate(parts):
        message: dict[str, Any] = {
            "requestId": request_id,
            "seqNo": number,
            "generatedAt": format_timestamp(cp.clock.now()),
            "tbc": number < len(parts) - 1,
            "monitor": part,
        }
        await cp.notify("NotifyMonitoringReport", message)


HANDLERS = {
    "ClearVariableMonitoring": clear_variable_monitoring,
    "GetMonitoringReport": get_monitoring_report,
    "SetMonitoringBase": set_monitoring_base,
    "SetMonitoringLevel": set_monitoring_level,
    "SetVariableMonitoring": set_variable_monitoring,
}
