"""Functional block B: variables, one by one and in reports (2.0.1 B05–B08)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any

from django.utils import timezone

from chargepoints.choices import CommandStatus, DeviceReportBase
from chargepoints.configuring import ABSENT, TAKEN
from chargepoints.models import Command
from chargepoints.services import device_model
from chargepoints.services.device_model import Result
from chargepoints.variable_names import canonical
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.outcome import CannotSend, Effect
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201.device_model import (
    component_variable,
    element,
    name_in,
    part_in,
    results_in,
)

Payload = dict[str, Any]


def nothing_out(done: object) -> Payload:
    return {}


# ---------------------------------------------------------------- variables
class _RequestIds:
    """Numbers of reports: each larger than the one before, also after a restart of this process."""

    def __init__(self) -> None:
        self._last, self._lock = 0, Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, int(time.time()) % 2**31)
            return self._last


_request_ids = _RequestIds()


def _request_id(payload: Payload) -> int:
    given = payload.get("request_id")
    return given if isinstance(given, int) else _request_ids.next()


def get_configuration(payload: Payload) -> tuple[str, Payload]:
    """Some keys are variables that are asked for; all of them is a report (B06, B07)."""
    if keys := payload.get("keys"):
        return "GetVariables", _get_variables({"variables": keys})
    return "GetBaseReport", {"requestId": _request_id(payload), "reportBase": DeviceReportBase.FULL.value}


def _get_variables(payload: Payload) -> Payload:
    return {"getVariableData": [element(key) for key in payload["variables"]]}


def _set_variables(payload: Payload) -> Payload:
    """No variable may be in it twice (B05.FR.13)."""
    rows = payload["variables"]
    if len({canonical(row["key"]) for row in rows}) != len(rows):
        raise CannotSend("A variable is in it twice.")
    return {"setVariableData": [_set_variable(row) for row in rows]}


def _set_variable(row: Payload) -> Payload:
    if canonical(row["key"]) == "securityprofile":
        raise CannotSend(
            "A charger of OCPP 2.x takes its security profile from a network profile: set one, then "
            "OCPPCommCtrlr/NetworkConfigurationPriority, then reset the charger."
        )
    return {**element(row["key"]), "attributeValue": row["value"]}


def _change_configuration(payload: Payload) -> Payload:
    return _set_variables({"variables": [payload]})


def _base_report(payload: Payload) -> Payload:
    return {"requestId": _request_id(payload), "reportBase": payload["base"]}


def _report(payload: Payload) -> Payload:
    chosen = [component_variable(key) for key in payload.get("variables", ())]
    return {
        "requestId": _request_id(payload),
        **({"componentVariable": chosen} if chosen else {}),
        **mapping.copied(payload, criteria="componentCriteria"),
    }


# ---------------------------------------------------------------- answers
_WORDS = {
    "Accepted": "taken",
    "RebootRequired": "taken; it takes effect after a reset",
    "Rejected": "refused",
    "UnknownComponent": "the charger has no such component",
    "UnknownVariable": "the component has no such variable",
    "NotSupportedAttributeType": "the variable has no such attribute",
}
_MAX_TOLD = 20


def _variables_status(member: str) -> Callable[[Payload], CommandStatus]:
    def status(response: Payload) -> CommandStatus:
        """Accepted when all are; else whether the charger knows them at all."""
        given = [result.status for result in results_in(response, member)]
        if given and all(status in TAKEN for status in given):
            return CommandStatus.ACCEPTED
        if given and all(status in ABSENT for status in given):
            return CommandStatus.NOT_SUPPORTED
        return CommandStatus.REJECTED

    return status


def _tell_set(response: Payload) -> str:
    """What became of each variable; of a single one that was taken nothing need be said."""
    results = results_in(response, "setVariableResult")
    if [result.status for result in results] == ["Accepted"]:
        return ""
    return _lines(results, lambda result: _WORDS.get(result.status, result.status))


def _tell_got(response: Payload) -> str:
    """Values of the variables, or why there are none."""

    def words(result: Result) -> str:
        if result.status == "Accepted":
            return f"{result.value or '(empty)'}"
        return "not told" if result.status == "Rejected" else _WORDS.get(result.status, result.status)

    return _lines(results_in(response, "getVariableResult"), words)


def _lines(results: Sequence[Result], words: Callable[[Result], str]) -> str:
    lines = [
        f"{result.name.key}: {_shown(result, words(result))}{f' ({result.reason})' if result.reason else ''}."
        for result in results[:_MAX_TOLD]
    ]
    more = len(results) - _MAX_TOLD
    return "\n".join([*lines, f"And {more} more."] if more > 0 else lines)


def _shown(result: Result, words: str) -> str:
    return device_model.shown_value(result.name, words) if result.value else words


def _report_words(response: Payload) -> str:
    if response.get("status") != "Accepted":
        return ""
    return "The charger sends the report; the list of variables is updated as its parts come."


def _got(request: Payload, response: Payload) -> Sequence[Effect]:
    results = results_in(response, "getVariableResult")

    def keep(command: Command) -> None:
        device_model.store_told(command.charge_point_id, results, at=timezone.now(), command=command)

    return [keep]


def _set(request: Payload, response: Payload) -> Sequence[Effect]:
    return [partial(_keep_set, results_in(response, "setVariableResult"))]


def _keep_set(results: Sequence[Result], command: Command) -> None:
    """The answer names no values: those of the order, in which secrets are masked."""
    asked = command.request if isinstance(command.request, dict) else {}
    values = {
        name.folded: str(item.get("attributeValue"))
        for item in asked.get("setVariableData") or ()
        if isinstance(item, Mapping) and (name := name_in(item, item.get("attributeType"))) is not None
    }
    told = [
        Result(
            name=result.name,
            status=result.status,
            value=values.get(result.name.folded),
            reason=result.reason,
        )
        for result in results
    ]
    device_model.store_set(command.charge_point_id, told, at=timezone.now(), command=command)


def _reporting(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != "Accepted":
        return ()
    number = mapping.whole(request.get("requestId"))

    def keep(command: Command) -> None:
        device_model.report_agreed(command, number, at=timezone.now())

    return [keep]


_SENTENCES = {
    ("GetBaseReport", "EmptyResultSet"): "The charger has nothing to report.",
    ("GetReport", "EmptyResultSet"): "Nothing fits: the charger has nothing to report.",
    ("GetBaseReport", "NotSupported"): "The charger does not know this report.",
    ("GetReport", "NotSupported"): "The charger does not know one of these criteria.",
    ("GetBaseReport", "Rejected"): "The charger cannot report now: try again later.",
    ("GetReport", "Rejected"): "The charger cannot report now: try again later.",
}


def _report_status(response: Payload) -> CommandStatus:
    """An empty report is an answer."""
    given = response.get("status")
    if given in ("Accepted", "EmptyResultSet"):
        return CommandStatus.ACCEPTED
    return CommandStatus.NOT_SUPPORTED if given == "NotSupported" else CommandStatus.REJECTED


def _asks_for_report(payload: Payload) -> str:
    return "NotifyReport"


BLOCK = Block(
    actions={
        "NotifyReport": Action(part_in, device_model.PART, nothing_out),
    },
    calls={
        "get_configuration": get_configuration,
        "change_configuration": sent_as("SetVariables", _change_configuration),
        "get_variables": sent_as("GetVariables", _get_variables),
        "set_variables": sent_as("SetVariables", _set_variables),
        "get_base_report": sent_as("GetBaseReport", _base_report),
        "get_report": sent_as("GetReport", _report),
    },
    status_of={
        "GetVariables": _variables_status("getVariableResult"),
        "SetVariables": _variables_status("setVariableResult"),
        "GetBaseReport": _report_status,
        "GetReport": _report_status,
    },
    sentences=_SENTENCES,
    tell={
        "GetVariables": _tell_got,
        "SetVariables": _tell_set,
        "GetBaseReport": _report_words,
        "GetReport": _report_words,
    },
    effects={
        "GetVariables": _got,
        "SetVariables": _set,
        "GetBaseReport": _reporting,
        "GetReport": _reporting,
    },
    asks_for={"GetBaseReport": _asks_for_report, "GetReport": _asks_for_report},
)
