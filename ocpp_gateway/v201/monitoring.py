"""Functional block N: monitors and events."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chargepoints.services import charger_events, monitoring_reports
from chargepoints.services.charger_events import MAX_EVENTS, EventsReport, ReportedEvent
from chargepoints.services.monitoring import MonitorFacts
from chargepoints.services.monitoring_reports import MonitorsPart
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping, monitoring_calls

Payload = dict[str, Any]

MAX_VALUE = 2500  # EventDataType.actualValue
#: Monitors of one part of a report that are kept.
MAX_MONITORS = 2000
_MAX_SEVERITY = 9


def of_variable(item: Mapping[str, Any]) -> Payload:
    """Component and variable of a message, in our words."""
    component, variable = item.get("component") or {}, item.get("variable") or {}
    evse, connector = mapping.evse_numbers(component.get("evse"))
    return {
        "component": mapping.text(component, "name", 50),
        "component_instance": mapping.text(component, "instance", 50),
        "evse_number": evse,
        "connector_number": connector or 0,
        "variable": mapping.text(variable, "name", 50),
        "variable_instance": mapping.text(variable, "instance", 50),
    }


def number_text(value: object) -> str:
    """A number as people write it: 5 rather than 5.0, and never 1E+2."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)[:40]
    exact = Decimal(str(value))
    if not exact.is_finite() or abs(exact) >= 10**30:
        return str(value)[:40]
    text = f"{exact:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text)[:40]


def severity_of(item: Mapping[str, Any]) -> int | None:
    """The severity, 0 to 9; what is beyond is no graver and no less grave than the last."""
    value = item.get("severity")
    return None if value is None else min(max(mapping.whole(value, _MAX_SEVERITY), 0), _MAX_SEVERITY)


def optional(item: Mapping[str, Any], name: str) -> int | None:
    """A number that may be absent."""
    value = item.get(name)
    return None if value is None else mapping.whole(value, -1)


# ---------------------------------------------------------------- events


def events_in(link: Link, payload: Payload) -> EventsReport:
    items = payload.get("eventData") or ()
    return EventsReport(**link.facts(), events=tuple(_event(item) for item in items[:MAX_EVENTS]))


def _event(item: Payload) -> ReportedEvent:
    return ReportedEvent(
        **of_variable(item),
        event_id=mapping.whole(item.get("eventId")),
        at=mapping.status_timestamp(item.get("timestamp")),
        trigger=mapping.text(item, "trigger", 8),
        value=mapping.text(item, "actualValue", MAX_VALUE),
        cause_id=optional(item, "cause"),
        cleared=item.get("cleared") is True,
        tech_code=mapping.text(item, "techCode", 50),
        tech_info=mapping.text(item, "techInfo", 500),
        transaction_id=mapping.text(item, "transactionId", 36),
        monitor_id=optional(item, "variableMonitoringId"),
        kind=mapping.text(item, "eventNotificationType", 21),
        severity=severity_of(item),
    )


# ---------------------------------------------------------------- reports


def monitors_in(link: Link, payload: Payload) -> MonitorsPart:
    found = [
        _monitor(item, monitor)
        for item in payload.get("monitor") or ()
        for monitor in item.get("variableMonitoring") or ()
    ]
    return MonitorsPart(
        **link.facts(),
        request_id=mapping.whole(payload.get("requestId"), -1),
        is_last=payload.get("tbc") is not True,
        monitors=tuple(found[:MAX_MONITORS]),
    )


def _monitor(item: Payload, monitor: Payload) -> MonitorFacts:
    return MonitorFacts(
        **of_variable(item),
        type=mapping.text(monitor, "type", 20),
        value=number_text(monitor.get("value")),
        severity=severity_of(monitor) or 0,
        only_in_transaction=monitor.get("transaction") is True,
        monitor_id=mapping.whole(monitor.get("id"), -1),
        kind=mapping.text(monitor, "eventNotificationType", 21),
    )


def nothing_out(done: object) -> Payload:
    return {}


BLOCK = Block(
    actions={
        "NotifyEvent": Action(events_in, charger_events.EVENTS, nothing_out),
        "NotifyMonitoringReport": Action(monitors_in, monitoring_reports.PART, nothing_out),
    },
    calls=monitoring_calls.CALLS,
    status_of=monitoring_calls.STATUS_OF,
    sentences=monitoring_calls.SENTENCES,
    tell=monitoring_calls.TELL,
    effects=monitoring_calls.EFFECTS,
    asks_for={"GetMonitoringReport": lambda payload: "NotifyMonitoringReport"},
)
