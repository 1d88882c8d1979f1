"""Orders to set a configuration key: what was asked for last, so that a refusal is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import salted_hmac

from chargepoints.models import ChargePoint, Command, VariableRequest
from chargepoints.variable_names import MAX_KEY, VariableName, canonical

#: Who ordered a read that nobody asked for (`Command.requested_by_name`).
AFTER_BOOT = "after boot"
BOOT_SETTINGS = "boot settings"
#: What a charger of 2.x answers about one variable (SetVariableStatusEnumType).
TAKEN = frozenset({"Accepted", "RebootRequired"})
ABSENT = frozenset({"UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"})
_ACTIONS = frozenset({"change_configuration", "ChangeConfiguration"})


def digest_of(value: str) -> str:
    """Tells whether a value is one that was asked for before, and nothing else of it."""
    return salted_hmac("chargepoints.configuration", value, algorithm="sha256").hexdigest()


def asked(charge_point: ChargePoint, command: Command, payload: Mapping[str, Any]) -> None:
    """Remember which values a charger is asked to take; how it went is the command's status, or its own.

    payload  of the order, secrets in the clear
    """
    values = {canonical(key)[:MAX_KEY]: value for key, value in wanted_values(command.action, payload)}
    if not values:
        return
    VariableRequest.objects.bulk_create(
        [
            VariableRequest(
                tenant_id=charge_point.tenant_id,
                charge_point=charge_point,
                name_key=name_key,
                value_digest=digest_of(value),
                firmware_version=charge_point.firmware_version,
                command_id=command.pk,
                requested_at=command.created_at,
                result="",
            )
            for name_key, value in values.items()
        ],
        update_conflicts=True,
        unique_fields=["charge_point", "name_key"],
        update_fields=["value_digest", "firmware_version", "command_id", "requested_at", "result"],
    )


def answered(command: Command, results: Mapping[str, str]) -> None:
    """The charger has answered about each value by itself.

    results  status by key, as it is written
    """
    rows = VariableRequest.objects.filter(charge_point_id=command.charge_point_id, command_id=command.pk)
    found = {row.name_key: row for row in rows}
    changed = []
    for key, status in results.items():
        row = found.get(canonical(key)[:MAX_KEY])
        if row is not None:
            row.result = status[:25]
            changed.append(row)
    VariableRequest.objects.bulk_update(changed, ["result"])


def wanted_values(action: str, payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The keys that an order sets, in whichever form, and the values for them."""
    if action in _ACTIONS:
        pairs = [(payload.get("key"), payload.get("value"))]
    elif action == "set_variables":
        rows = payload.get("variables")
        pairs = [(row.get("key"), row.get("value")) for row in _objects(rows)]
    elif action == "SetVariables":
        rows = payload.get("setVariableData")
        pairs = [(_key_of(row), row.get("attributeValue")) for row in _objects(rows)]
    else:
        return []
    return [(key, value) for key, value in pairs if isinstance(key, str) and isinstance(value, str)]


def _objects(rows: Any) -> list[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _key_of(row: Mapping[str, Any]) -> str | None:
    """The name in an element of a raw SetVariables (2.0.1 part 2, SetVariableDataType)."""
    component, variable = row.get("component"), row.get("variable")
    if not isinstance(component, Mapping) or not isinstance(variable, Mapping):
        return None
    evse = component.get("evse")
    place = evse if isinstance(evse, Mapping) else {}
    return VariableName(
        component=str(component.get("name", "")),
        component_instance=str(component.get("instance") or ""),
        evse=place.get("id") or 0,
        connector=place.get("connectorId") or 0,
        name=str(variable.get("name", "")),
        instance=str(variable.get("instance") or ""),
        attribute=str(row.get("attributeType") or "Actual"),
    ).key
