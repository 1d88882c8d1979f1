"""Variables and reports in the words of 2.x (2.0.1 part 2, block B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v201.charge_point import ChargePoint201


def get_variables(cp: ChargePoint201, payload: Payload) -> Answer:
    return Answer({"getVariableResult": [cp.device.read(row) for row in payload["getVariableData"]]})


def set_variables(cp: ChargePoint201, payload: Payload) -> Answer:
    return Answer({"setVariableResult": [cp.device.write(row) for row in payload["setVariableData"]]})


def get_base_report(cp: ChargePoint201, payload: Payload) -> Answer:
    rows = cp.device.base_report(payload["reportBase"])
    return status("Accepted", _report(cp, int(payload["requestId"]), rows))


def get_report(cp: ChargePoint201, payload: Payload) -> Answer:
    rows = cp.device.report(payload.get("componentVariable") or [], payload.get("componentCriteria") or [])
    if not rows:
        return status("EmptyResultSet")
    return status("Accepted", _report(cp, int(payload["requestId"]), rows))


async def _report(cp: ChargePoint201, request_id: int, rows: list[Payload]) -> None:
    """A report in parts (B07.FR.03)."""
    size = cp.device.integer("DeviceDataCtrlr", "ItemsPerMessage", "GetReport")
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    generated_at = format_timestamp(cp.clock.now())
    for number, part in enumerate(parts):
        message = {
            "requestId": request_id,
            "generatedAt": generated_at,
            "seqNo": number,
            "tbc": number < len(parts) - 1,
            "reportData": part,
        }
        await cp.notify("NotifyReport", message)


HANDLERS = {
    "GetBaseReport": get_base_report,
    "GetReport": get_report,
    "GetVariables": get_variables,
    "SetVariables": set_variables,
}
