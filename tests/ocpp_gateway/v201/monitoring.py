"""What charging stations say of their monitors and events, and the rows that tests look at."""

from __future__ import annotations

from typing import Any

from chargepoints.models import ChargePoint, ChargerEvent, Command, Variable
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Payload, clock


def component(name: str = "EVSE", evse: int | None = 1, connector: int | None = None, **more: Any) -> Payload:
    """ComponentType"""
    place = {"id": evse, **({"connectorId": connector} if connector else {})} if evse else None
    return {"name": name, **({"evse": place} if place else {}), **more}


def event_data(
    variable: str = "AvailabilityState",
    value: str = "Occupied",
    *,
    of: Payload | None = None,
    number: int = 1,
    trigger: str = "Delta",
    minutes: float = 0,
    **more: Any,
) -> Payload:
    """EventDataType"""
    return {
        "eventId": number,
        "timestamp": clock(minutes=minutes),
        "trigger": trigger,
        "actualValue": value,
        "component": component() if of is None else of,
        "variable": {"name": variable},
        "eventNotificationType": "CustomMonitor",
        **more,
    }


def events(*items: Payload, **more: Any) -> Payload:
    """NotifyEventRequest"""
    return {"generatedAt": clock(), "seqNo": 0, "eventData": list(items), **more}


def monitor(number: int, kind: str = "Delta", value: float = 1, severity: int = 8, **more: Any) -> Payload:
    """VariableMonitoringType"""
    return {
        "id": number,
        "transaction": False,
        "value": value,
        "type": kind,
        "severity": severity,
        **more,
    }


def report(request_id: int, *monitors: Payload, seq: int = 0, **more: Any) -> Payload:
    """NotifyMonitoringReportRequest about EVSE 1's state"""
    items = [
        {"component": component(), "variable": {"name": "AvailabilityState"}, "variableMonitoring": [one]}
        for one in monitors
    ]
    found = {"monitor": items} if items else {}
    return {"requestId": request_id, "seqNo": seq, "generatedAt": clock(), **found, **more}


def customer_part(request_id: int, data: str, seq: int = 0, **more: Any) -> Payload:
    """NotifyCustomerInformationRequest"""
    return {"requestId": request_id, "seqNo": seq, "generatedAt": clock(), "data": data, **more}


def set_result(asked: Payload, status: str = "Accepted", **more: Any) -> Payload:
    """SetMonitoringResultType for one SetMonitoringDataType"""
    kept = {name: asked[name] for name in ("type", "severity", "component", "variable")}
    return {**kept, "status": status, **more}


def limit(charge_point: ChargePoint, action: str, items: int, *, name: str = "ItemsPerMessage") -> Variable:
    """What the charger said of how many it takes in one message."""
    row: Variable = Variable.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        component="MonitoringCtrlr",
        name=name,
        name_key=name.casefold(),
        instance=action,
        value=str(items),
        updated_at=T0,
    )
    return row


def last_event(charge_point: ChargePoint) -> ChargerEvent:
    """The event that was stored last."""
    row: ChargerEvent = ChargerEvent.objects.filter(charge_point=charge_point).latest("pk")
    return row


def orders(charge_point: ChargePoint, action: str) -> list[Command]:
    """The commands of this name, the oldest first."""
    return list(Command.objects.filter(charge_point=charge_point, action=action).order_by("pk"))
