"""Functional block N: our commands about monitors, and what chargers answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.choices import CommandStatus
from chargepoints.models import Command
from chargepoints.services import monitoring, monitoring_reports
from chargepoints.services.monitoring import MonitorFacts, SetResult
from ocpp_gateway.dialect import ToCall, sent_as
from ocpp_gateway.outcome import CannotSend, Effect
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]

_TAKEN = "Accepted"


# ---------------------------------------------------------------- orders


def component_of(row: Mapping[str, Any]) -> Payload:
    """ComponentType of one of our arguments."""
    component = mapping.copied(row, component="name", component_instance="instance")
    if row.get("evse") is not None:
        component["evse"] = mapping.copied(row, evse="id", connector="connectorId")
    return component


def variable_of(row: Mapping[str, Any]) -> Payload:
    """VariableType of one of our arguments."""
    return mapping.copied(row, variable="name", variable_instance="instance")


def number_of(text: str) -> int | float:
    """The JSON number of a text that was checked."""
    value = Decimal(text.strip())
    return int(value) if value == value.to_integral_value() else float(value)


def monitor_data(row: Mapping[str, Any]) -> Payload:
    """SetMonitoringDataType"""
    if {"stream_interval", "stream_values"} & row.keys():
        raise CannotSend("OCPP 2.0.1 has no event streams: leave out the seconds and values of messages.")
    return {
        "value": number_of(row["value"]),
        **mapping.copied(
            row, monitor_id="id", only_in_transaction="transaction", type="type", severity="severity"
        ),
        "component": component_of(row),
        "variable": variable_of(row),
    }


def _set_monitors(payload: Payload) -> Payload:
    return {"setMonitoringData": [monitor_data(row) for row in payload["monitors"]]}


def _clear(payload: Payload) -> Payload:
    return {"id": [int(number) for number in payload["monitor_ids"]]}


def _report(payload: Payload) -> Payload:
    """What is not asked for is absent, never empty (2.0.1 errata 2025-09 §2.59)."""
    call = mapping.copied(payload, request_id="requestId")
    if criteria := payload.get("criteria"):
        call["monitoringCriteria"] = list(criteria)
    if rows := payload.get("variables"):
        call["componentVariable"] = [_component_variable(row) for row in rows]
    return call


def _component_variable(row: Mapping[str, Any]) -> Payload:
    variable = variable_of(row)
    named = {"variable": variable} if variable.get("name") else {}
    return {"component": component_of(row), **named}


CALLS: Mapping[str, ToCall] = {
    "set_variable_monitoring": sent_as("SetVariableMonitoring", _set_monitors),
    "clear_variable_monitoring": sent_as("ClearVariableMonitoring", _clear),
    "set_monitoring_base": sent_as("SetMonitoringBase", partial(mapping.copied, base="monitoringBase")),
    "set_monitoring_level": sent_as("SetMonitoringLevel", partial(mapping.copied, severity="severity")),
    "get_monitoring_report": sent_as("GetMonitoringReport", _report),
}


# ---------------------------------------------------------------- answers


def _items(response: Payload, name: str) -> list[Mapping[str, Any]]:
    found = response.get(name)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, Sequence) else []


def _status_of(name: str) -> Any:
    """Accepted where the charger has done anything of what was asked for; what it refused stands in the words."""

    def status(response: Payload) -> CommandStatus:
        said = {str(item.get("status")) for item in _items(response, name)}
        return CommandStatus.ACCEPTED if _TAKEN in said or not said else CommandStatus.REJECTED

    return status


def results_of(request: Payload, response: Payload) -> list[SetResult]:
    """What was asked for with what became of it: answers come in any order and do not repeat the value."""
    left = list(_items(request, "setMonitoringData"))
    found = []
    for item in _items(response, "setMonitoringResult"):
        asked = next((one for one in left if _is_about(one, item)), None)
        if asked is not None:
            left.remove(asked)
        found.append(
            SetResult(
                asked=_facts(asked if asked is not None else item),
                status=str(item.get("status", "")),
                reason=_reason(item),
                monitor_id=_number(item.get("id")),
            )
        )
    return found


def _is_about(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    if asked.get("type") != answer.get("type") or _names(asked) != _names(answer):
        return False
    return asked.get("severity") == answer.get("severity")


def _names(item: Mapping[str, Any]) -> tuple[Any, ...]:
    component, variable = item.get("component") or {}, item.get("variable") or {}
    texts = (component.get("name"), component.get("instance"), variable.get("name"), variable.get("instance"))
    return (*(str(text or "").casefold() for text in texts), mapping.evse_numbers(component.get("evse")))


def _number(value: object) -> int | None:
    return None if value is None else mapping.whole(value, -1)


def _facts(item: Mapping[str, Any]) -> MonitorFacts:
    component, variable = item.get("component") or {}, item.get("variable") or {}
    evse, connector = mapping.evse_numbers(component.get("evse"))
    stream = item.get("periodicEventStream") or {}
    value = item.get("value")
    return MonitorFacts(
        component=mapping.text(component, "name", 50),
        component_instance=mapping.text(component, "instance", 50),
        evse_number=evse,
        connector_number=connector or 0,
        variable=mapping.text(variable, "name", 50),
        variable_instance=mapping.text(variable, "instance", 50),
        type=mapping.text(item, "type", 20),
        value="" if value is None else str(value)[:40],
        severity=min(max(mapping.whole(item.get("severity")), 0), 9),
        only_in_transaction=item.get("transaction") is True,
        stream_interval_s=_number(stream.get("interval")),
        stream_values=_number(stream.get("values")),
    )


def _reason(item: Mapping[str, Any]) -> str:
    info = item.get("statusInfo")
    if not isinstance(info, Mapping):
        return ""
    return ": ".join(str(info[name]) for name in ("reasonCode", "additionalInfo") if info.get(name))


_RESULT_WORDS = {
    "Accepted": "the charger watches it",
    "UnknownComponent": "the charger has no such component",
    "UnknownVariable": "the component has no such variable",
    "UnsupportedMonitorType": "the variable cannot be watched in this way",
    "Rejected": "refused",
    "Duplicate": "there is such a monitor already",
}


def _tell_set(response: Payload) -> str:
    lines = []
    for item in _items(response, "setMonitoringResult"):
        facts, status = _facts(item), str(item.get("status"))
        place = " ".join(str(part) for part in (facts.component, facts.evse_number or "") if part)
        number = f" (monitor {item['id']})" if item.get("id") is not None else ""
        reason = f" ({_reason(item)})" if _reason(item) else ""
        words = _RESULT_WORDS.get(status, status)
        lines.append(f"{place} {facts.variable}, {facts.type}: {words}{number}{reason}.")
    return "\n".join(lines)


_CLEAR_WORDS = {
    "Accepted": "removed",
    "Rejected": "the charger needs it and keeps it",
    "NotFound": "the charger has no such monitor",
}


def _tell_clear(response: Payload) -> str:
    found = _items(response, "clearMonitoringResult")
    return "\n".join(
        f"Monitor {item.get('id')}: {_CLEAR_WORDS.get(str(item.get('status')), item.get('status'))}."
        for item in found
    )


def _report_status(response: Payload) -> CommandStatus:
    match response.get("status"):
        case "Accepted" | "EmptyResultSet":
            return CommandStatus.ACCEPTED
        case "NotSupported":
            return CommandStatus.NOT_SUPPORTED
    return CommandStatus.REJECTED


TELL = {"SetVariableMonitoring": _tell_set, "ClearVariableMonitoring": _tell_clear}
STATUS_OF = {
    "SetVariableMonitoring": _status_of("setMonitoringResult"),
    "ClearVariableMonitoring": _status_of("clearMonitoringResult"),
    # Nothing to report is an answer, not a refusal (N02.FR.10).
    "GetMonitoringReport": _report_status,
}
SENTENCES = {
    ("GetMonitoringReport", "EmptyResultSet"): "The charger has no monitors of this kind.",
    ("GetMonitoringReport", "NotSupported"): "The charger cannot report monitors of this kind.",
    ("SetMonitoringBase", "NotSupported"): "The charger does not know this set of monitors.",
    ("SetMonitoringLevel", "Rejected"): "The charger does not take this severity.",
}


# ---------------------------------------------------------------- what we keep


def _keep_set(request: Payload, response: Payload) -> Sequence[Effect]:
    results = results_of(request, response)
    return [lambda command: monitoring.keep_results(command, results, at=timezone.now())]


def _keep_cleared(request: Payload, response: Payload) -> Sequence[Effect]:
    gone = [
        mapping.whole(item.get("id"), -1)
        for item in _items(response, "clearMonitoringResult")
        if item.get("status") in ("Accepted", "NotFound")
    ]
    return [lambda command: monitoring.keep_cleared(command, gone)]


def _keep_base(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != _TAKEN:
        return ()
    base = str(request.get("monitoringBase", ""))
    return [lambda command: monitoring.keep_base(command, base, at=timezone.now())]


def _keep_level(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != _TAKEN:
        return ()
    severity = mapping.whole(request.get("severity"))
    return [lambda command: monitoring.keep_level(command, severity, at=timezone.now())]


def _keep_report(request: Payload, response: Payload) -> Sequence[Effect]:
    status, request_id = response.get("status"), mapping.whole(request.get("requestId"), -1)
    if status not in ("Accepted", "EmptyResultSet"):
        return ()

    def keep(command: Command) -> None:
        is_empty = status == "EmptyResultSet"
        monitoring_reports.answered(command, request_id, is_empty=is_empty, at=timezone.now())

    return [keep]


EFFECTS = {
    "SetVariableMonitoring": _keep_set,
    "ClearVariableMonitoring": _keep_cleared,
    "SetMonitoringBase": _keep_base,
    "SetMonitoringLevel": _keep_level,
    "GetMonitoringReport": _keep_report,
}
