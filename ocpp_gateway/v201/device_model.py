"""Components and variables on the wire: our names, and what chargers say about them (2.0.1 part 2, B05–B08)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chargepoints.device_model import DATA_TYPES
from chargepoints.services.device_model import Part, Result
from chargepoints.services.variable_rows import Entry
from chargepoints.variable_names import ATTRIBUTES, VariableName, parse_component, variable_of
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.reading import text, whole, without_none

Payload = dict[str, Any]

_NAME = 50
_VALUE = 2500
_MUTABILITY = frozenset({"ReadOnly", "WriteOnly", "ReadWrite"})


# ---------------------------------------------------------------- our names
def wire_name(key: str) -> VariableName:
    """The variable that a key stands for; raises CannotSend."""
    name = variable_of(key)
    if name is None:
        raise CannotSend(
            f"OCPP 2.x has no variable for the key {key}: write it as Component/Variable, "
            "for example OCPPCommCtrlr/HeartbeatInterval."
        )
    return name


def component(name: VariableName) -> Payload:
    """ComponentType"""
    evse = {"id": name.evse, **({"connectorId": name.connector} if name.connector else {})}
    return {
        "name": name.component,
        **_instance(name.component_instance),
        **({"evse": evse} if name.evse else {}),
    }


def variable(name: VariableName) -> Payload:
    """VariableType"""
    return {"name": name.name, **_instance(name.instance)}


def _instance(instance: str) -> Payload:
    return {"instance": instance} if instance else {}


def element(key: str) -> Payload:
    """Component, variable and attribute of GetVariableData and SetVariableData; an omitted attribute is Actual."""
    name = wire_name(key)
    attribute = {} if name.attribute == "Actual" else {"attributeType": name.attribute}
    return {"component": component(name), "variable": variable(name), **attribute}


def component_variable(key: str) -> Payload:
    """ComponentVariableType: a component, with or without one of its variables."""
    name = parse_component(key)
    if name is None or name.attribute != "Actual":
        raise CannotSend(f"“{key}” names no component, such as EVSE(1) or EVSE(1)/AvailabilityState.")
    return {"component": component(name), **({"variable": variable(name)} if name.name else {})}


# ---------------------------------------------------------------- theirs
def name_in(item: Mapping[str, Any], attribute: object = None) -> VariableName | None:
    """The variable that an element is about; None where it names none."""
    part, what = item.get("component"), item.get("variable")
    if not isinstance(part, Mapping) or not isinstance(what, Mapping):
        return None
    evse = part.get("evse")
    place = evse if isinstance(evse, Mapping) else {}
    name = VariableName(
        component=_clean(part, "name"),
        component_instance=_clean(part, "instance"),
        evse=max(0, whole(place.get("id"))),
        connector=max(0, whole(place.get("connectorId"))),
        name=_clean(what, "name"),
        instance=_clean(what, "instance"),
        attribute=str(attribute) if attribute in ATTRIBUTES else "Actual",
    )
    return name if name.component and name.name else None


def _clean(item: Mapping[str, Any], field: str) -> str:
    return text(item, field, _NAME).replace("\0", "").strip()


def part_in(link: Link, payload: Payload) -> Part:
    """NotifyReportRequest"""
    return Part(
        **link.facts(),
        request_id=whole(payload.get("requestId")),
        number=max(0, whole(payload.get("seqNo"))),
        is_last=payload.get("tbc") is not True,
        entries=tuple(_entries(payload.get("reportData"))),
    )


def _entries(rows: object) -> Iterable[Entry]:
    for row in _objects(rows):
        about = _characteristics(row.get("variableCharacteristics"))
        for attribute in _objects(row.get("variableAttribute")):
            name = name_in(row, attribute.get("type"))
            if name is not None:
                yield _entry(name, attribute, about)


def _entry(name: VariableName, attribute: Mapping[str, Any], about: Payload) -> Entry:
    given = attribute.get("mutability")
    mutability = given if given in _MUTABILITY else "ReadWrite"
    value = attribute.get("value")
    return Entry(
        place=name,
        value=None if value is None else str(value)[:_VALUE],
        is_readonly=mutability == "ReadOnly",
        traits={
            "mutability": mutability,
            "is_persistent": attribute.get("persistent") is True,
            "is_constant": attribute.get("constant") is True,
            **about,
        },
    )


def _characteristics(given: object) -> Payload:
    """VariableCharacteristicsType; nothing where the charger says nothing, so that what is known stays."""
    if not isinstance(given, Mapping):
        return {}
    kind = given.get("dataType")
    elements = whole(given.get("maxElements"), 0)
    return {
        "data_type": kind if kind in DATA_TYPES else "",
        "unit": text(given, "unit", 16).replace("\0", ""),
        "min_limit": _limit(given.get("minLimit")),
        "max_limit": _limit(given.get("maxLimit")),
        "max_elements": elements if elements > 0 else None,
        "values_list": text(given, "valuesList", 1000).replace("\0", ""),
        "supports_monitoring": given.get("supportsMonitoring") is True,
    }


def _limit(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def results_in(response: Mapping[str, Any], member: str) -> list[Result]:
    """The elements of GetVariablesResponse and SetVariablesResponse."""
    found = []
    for item in _objects(response.get(member)):
        name = name_in(item, item.get("attributeType"))
        if name is not None:
            value = item.get("attributeValue")
            found.append(
                Result(
                    name=name,
                    status=text(item, "attributeStatus", 25).replace("\0", ""),
                    value=None if value is None else str(value)[:_VALUE],
                    reason=reason_in(item.get("attributeStatusInfo")),
                )
            )
    return found


def reason_in(info: object) -> str:
    """StatusInfoType in words."""
    if not isinstance(info, Mapping):
        return ""
    parts = without_none(code=info.get("reasonCode"), more=info.get("additionalInfo"))
    return ": ".join(str(part).replace("\0", "") for part in parts.values() if part)


def _objects(rows: object) -> list[Mapping[str, Any]]:
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return []
    return [row for row in rows if isinstance(row, Mapping)]
