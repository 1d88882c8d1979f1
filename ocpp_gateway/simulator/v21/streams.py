"""Periodic event streams of a charge point of 2.1 (2.1 part 2, N11–N15)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer
from ocpp_gateway.simulator.v201 import monitoring
from ocpp_gateway.simulator.v201.monitoring import Monitor
from ocpp_gateway.simulator.v201.places import rejected
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v21.charge_point import ChargePoint21

MAX_KEPT = 1000


@dataclass
class Stream:
    """A stream that the CSMS has accepted; it sends when the interval is over or enough values are there."""

    number: int
    monitor_id: int
    interval_s: int | None
    values: int | None
    kept: list[tuple[datetime, str]] = field(default_factory=list)
    sent_at: datetime | None = None

    def params(self) -> Payload:
        wanted = {"interval": self.interval_s, "values": self.values}
        return {name: value for name, value in wanted.items() if value is not None}

    def row(self) -> Payload:
        return {"id": self.number, "params": self.params(), "variableMonitoringId": self.monitor_id}


class Streams:
    """The streams of one charge point, each of one monitor."""

    def __init__(self, cp: ChargePoint21) -> None:
        self._cp = cp
        self.open: dict[int, Stream] = {}
        self._next = 1

    async def begin(self, monitor_id: int, params: Payload) -> None:
        """Offer a stream to the CSMS (N11)."""
        stream = Stream(self._next, monitor_id, params.get("interval"), params.get("values"))
        self._next += 1
        try:
            answer = await self._cp.call("OpenPeriodicEventStream", {"constantStreamData": stream.row()})
        except (CallFailed, NoAnswer):
            return
        if answer.get("status") == "Accepted" and monitor_id in self._cp.monitoring.monitors:
            stream.sent_at = self._cp.clock.now()
            self.open[stream.number] = stream

    async def end(self, monitor_id: int) -> None:
        """Close the streams of a monitor that is gone (N13)."""
        for number in [each.number for each in self.open.values() if each.monitor_id == monitor_id]:
            del self.open[number]
            await self._cp.notify("ClosePeriodicEventStream", {"id": number})

    def take(self, monitor: Monitor) -> bool:
        """Keep a value for the stream of its monitor; false without one."""
        stream = next((each for each in self.open.values() if each.monitor_id == monitor.number), None)
        if stream is None:
            return False
        now = self._cp.clock.now()
        stream.kept.append((now, monitor.variable.actual.value))
        del stream.kept[:-MAX_KEPT]
        is_full = stream.values is not None and len(stream.kept) >= stream.values
        waited = (now - (stream.sent_at or now)).total_seconds()
        if is_full or (stream.interval_s is not None and waited >= stream.interval_s):
            self._cp.spawn(self._send(stream))
        return True

    async def _send(self, stream: Stream) -> None:
        """A SEND; when it cannot go out, its values wait for the next one."""
        kept, rpc = list(stream.kept), self._cp.rpc
        if not kept or rpc is None:
            return
        base = kept[0][0]
        payload = {
            "id": stream.number,
            "pending": 0,
            "basetime": format_timestamp(base),
            "data": [{"t": round((at - base).total_seconds(), 3), "v": value} for at, value in kept],
        }
        stream.kept.clear()
        stream.sent_at = self._cp.clock.now()
        try:
            await rpc.tell("NotifyPeriodicEventStream", payload)
        except NoAnswer:
            stream.kept[:0] = kept


# ---------------------------------------------------------------- calls of the CSMS
def set_variable_monitoring(cp: ChargePoint21, payload: Payload) -> Answer:
    """As in 2.0.1; monitors that ask for it get a stream."""
    rows = payload["setMonitoringData"]
    known = [{name: value for name, value in row.items() if name != "periodicEventStream"} for row in rows]
    answer = monitoring.set_variable_monitoring(cp, {"setMonitoringData": known})
    wanted = [
        (result["id"], row["periodicEventStream"])
        for row, result in zip(rows, answer.payload["setMonitoringResult"], strict=True)
        if result["status"] == "Accepted" and "periodicEventStream" in row
    ]
    return Answer(answer.payload, _begin(cp, wanted) if wanted else None)


async def _begin(cp: ChargePoint21, wanted: list[tuple[int, Payload]]) -> None:
    for monitor_id, params in wanted:
        await cp.streams.begin(monitor_id, params)


def clear_variable_monitoring(cp: ChargePoint21, payload: Payload) -> Answer:
    answer = monitoring.clear_variable_monitoring(cp, payload)
    gone = [row["id"] for row in answer.payload["clearMonitoringResult"] if row["status"] == "Accepted"]
    return Answer(answer.payload, _end(cp, gone))


async def _end(cp: ChargePoint21, gone: list[int]) -> None:
    for monitor_id in gone:
        await cp.streams.end(monitor_id)


def get_streams(cp: ChargePoint21, payload: Payload) -> Answer:
    rows = [stream.row() for stream in cp.streams.open.values()]
    return Answer({"constantStreamData": rows} if rows else {})


def adjust_stream(cp: ChargePoint21, payload: Payload) -> Answer:
    stream = cp.streams.open.get(int(payload["id"]))
    if stream is None:
        return rejected("NotFound")
    stream.interval_s, stream.values = payload["params"].get("interval"), payload["params"].get("values")
    return status("Accepted")


HANDLERS = {
    "AdjustPeriodicEventStream": adjust_stream,
    "ClearVariableMonitoring": clear_variable_monitoring,
    "GetPeriodicEventStream": get_streams,
    "SetVariableMonitoring": set_variable_monitoring,
}
