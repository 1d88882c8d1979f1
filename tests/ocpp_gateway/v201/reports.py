"""What charging stations say of their variables."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.wire.timestamps import format_timestamp
from tests.factories import T0

Payload = dict[str, Any]


def variable(path: str, evse: Payload | None = None, instance: str | None = None) -> Payload:
    """Component and variable: `variable("EVSE/AvailabilityState", {"id": 1})`"""
    component, name = path.split("/")
    what: Payload = {"name": name}
    if instance is not None:
        what["instance"] = instance
    part: Payload = {"name": component}
    if evse is not None:
        part["evse"] = evse
    return {"component": part, "variable": what}


def reported(
    path: str,
    value: str | None = None,
    *,
    evse: Payload | None = None,
    instance: str | None = None,
    mutability: str | None = None,
    attributes: list[Payload] | None = None,
    **about: Any,
) -> Payload:
    """ReportDataType; `about` is more of its characteristics."""
    attribute: Payload = {} if value is None else {"value": value}
    if mutability is not None:
        attribute["mutability"] = mutability
    characteristics = {"dataType": "string", "supportsMonitoring": False, **about}
    return {
        **variable(path, evse, instance),
        "variableAttribute": attributes or [attribute],
        "variableCharacteristics": characteristics,
    }


def part(request_id: int, number: int, *rows: Payload, more: bool | None = None) -> Payload:
    """NotifyReportRequest"""
    payload: Payload = {"requestId": request_id, "generatedAt": format_timestamp(T0), "seqNo": number}
    if rows:
        payload["reportData"] = list(rows)
    if more is not None:
        payload["tbc"] = more
    return payload


def result(path: str, status: str, value: str | None = None, **more: Any) -> Payload:
    """An element of GetVariablesResponse and SetVariablesResponse."""
    given = {"attributeValue": value} if value is not None else {}
    names = {name: more.pop(name) for name in ("evse", "instance") if name in more}
    return {**variable(path, **names), "attributeStatus": status, **given, **more}
