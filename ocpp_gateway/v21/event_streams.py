"""Functional block N: periodic event streams (N11 to N15), and what 2.1 changes in monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.models import Command
from chargepoints.services import event_streams
from chargepoints.services.event_streams import (
    MAX_VALUE_LENGTH,
    MAX_VALUES,
    StreamClosed,
    StreamData,
    StreamFacts,
    StreamOpened,
)
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import Effect
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201.diagnostics import customer_call
from ocpp_gateway.v201.monitoring_calls import monitor_data

Payload = dict[str, Any]

_MAX_TOKEN = 255


def _stream(data: Mapping[str, Any]) -> Payload:
    """ConstantStreamDataType in our words."""
    params = data.get("params") or {}
    return {
        "stream_id": mapping.whole(data.get("id"), -1),
        "monitor_id": mapping.whole(data.get("variableMonitoringId"), -1),
        "interval_s": _optional(params, "interval"),
        "values_at_once": _optional(params, "values"),
    }


def _optional(params: Mapping[str, Any], name: str) -> int | None:
    return None if params.get(name) is None else max(0, mapping.whole(params[name]))


def open_in(link: Link, payload: Payload) -> StreamOpened:
    return StreamOpened(**link.facts(), **_stream(payload["constantStreamData"]))


def open_out(is_taken: bool) -> Payload:
    return {"status": "Accepted" if is_taken else "Rejected"}


def close_in(link: Link, payload: Payload) -> StreamClosed:
    return StreamClosed(**link.facts(), stream_id=mapping.whole(payload.get("id"), -1))


def data_in(link: Link, payload: Payload) -> StreamData:
    items = payload.get("data") or ()
    return StreamData(
        **link.facts(),
        stream_id=mapping.whole(payload.get("id"), -1),
        starts_at=mapping.status_timestamp(payload.get("basetime")),
        pending=max(0, mapping.whole(payload.get("pending"))),
        values=tuple(
            (float(item["t"]), mapping.text(item, "v", MAX_VALUE_LENGTH)) for item in items[:MAX_VALUES]
        ),
    )


def nothing_out(done: object) -> Payload:
    return {}


# ---------------------------------------------------------------- orders


def _params(row: Mapping[str, Any], **names: str) -> Payload:
    return mapping.copied(row, **names)


def _set_monitors(payload: Payload) -> Payload:
    return {"setMonitoringData": [_monitor_data(row) for row in payload["monitors"]]}


def _monitor_data(row: Mapping[str, Any]) -> Payload:
    """SetMonitoringDataType; a stream has an interval, a number of values, or both (N11.FR.09)."""
    params = _params(row, stream_interval="interval", stream_values="values")
    others = {name: value for name, value in row.items() if not name.startswith("stream_")}
    data = monitor_data(others)
    return {**data, "periodicEventStream": params} if params else data


def _adjust(payload: Payload) -> Payload:
    params = _params(payload, interval="interval", values="values")
    return {**mapping.copied(payload, stream_id="id"), "params": params}


def _no_arguments(payload: Payload) -> Payload:
    return {}


# ---------------------------------------------------------------- answers


def _listed(response: Payload) -> list[Mapping[str, Any]]:
    return [item for item in response.get("constantStreamData") or () if isinstance(item, Mapping)]


def _tell_streams(response: Payload) -> str:
    found = _listed(response)
    if not found:
        return "The charger has no stream open."
    return "\n".join(
        f"Stream {item.get('id')}: values of monitor {item.get('variableMonitoringId')}." for item in found
    )


def _keep_listed(request: Payload, response: Payload) -> Sequence[Effect]:
    facts = [StreamFacts(**_stream(item)) for item in _listed(response)]
    return [lambda command: event_streams.keep_listed(command, facts, at=timezone.now())]


def _keep_adjusted(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != "Accepted":
        return ()
    params = request.get("params") or {}

    def keep(command: Command) -> None:
        event_streams.keep_adjusted(
            command,
            mapping.whole(request.get("id"), -1),
            interval_s=_optional(params, "interval"),
            values_at_once=_optional(params, "values"),
        )

    return [keep]


BLOCK = Block(
    actions={
        "OpenPeriodicEventStream": Action(open_in, event_streams.OPEN, open_out),
        "ClosePeriodicEventStream": Action(close_in, event_streams.CLOSE, nothing_out),
    },
    sends={"NotifyPeriodicEventStream": Action(data_in, event_streams.DATA, nothing_out)},
    calls={
        "set_variable_monitoring": sent_as("SetVariableMonitoring", _set_monitors),
        "get_event_streams": sent_as("GetPeriodicEventStream", _no_arguments),
        "adjust_event_stream": sent_as("AdjustPeriodicEventStream", _adjust),
        "customer_information": sent_as(
            "CustomerInformation", partial(customer_call, token_length=_MAX_TOKEN)
        ),
    },
    sentences={("AdjustPeriodicEventStream", "Rejected"): "The charger cannot send it in this way."},
    tell={"GetPeriodicEventStream": _tell_streams},
    effects={
        "GetPeriodicEventStream": _keep_listed,
        "AdjustPeriodicEventStream": _keep_adjusted,
    },
)
