"""The device model of a simulated charge point of 2.x: components, variables and their attributes (part 1 §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ocpp_gateway.simulator.answers import Payload
from ocpp_gateway.wire.timestamps import parse_timestamp

MAX_VALUE = 1000
#: Variables of a component that GetReport may ask for (B08).
CRITERIA = ("Active", "Available", "Enabled", "Problem")


class Component(NamedTuple):
    """A part of the charge point; names are compared without case."""

    name: str
    instance: str = ""
    evse: int = 0
    connector: int = 0

    @classmethod
    def read(cls, value: Payload) -> Component:
        evse = value.get("evse") or {}
        return cls(value["name"], value.get("instance", ""), evse.get("id", 0), evse.get("connectorId", 0))

    @property
    def key(self) -> Component:
        return Component(self.name.lower(), self.instance.lower(), self.evse, self.connector)

    def written(self) -> Payload:
        payload: Payload = {"name": self.name}
        if self.instance:
            payload["instance"] = self.instance
        if self.evse:
            payload["evse"] = {"id": self.evse}
            if self.connector:
                payload["evse"]["connectorId"] = self.connector
        return payload


@dataclass
class Attribute:
    """One attribute of a variable."""

    value: str
    mutability: str = "ReadOnly"
    constant: bool = False


@dataclass
class Variable:
    """One variable of a component.

    kind     dataType; options are the values that a list may have
    reboot   a new value is used after a restart
    on_set   called with a value that the CSMS has set, before the answer goes out
    """

    component: Component
    name: str
    instance: str = ""
    kind: str = "string"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    reboot: bool = False
    monitored: bool = False
    attributes: dict[str, Attribute] = field(default_factory=dict)
    on_set: Callable[[str], str | None] | None = None

    @property
    def actual(self) -> Attribute:
        return self.attributes["Actual"]

    def written(self) -> Payload:
        return {"name": self.name, **({"instance": self.instance} if self.instance else {})}

    def refusal(self, value: str) -> str:
        """The reason code for a value that does not fit, "" for one that does."""
        if len(value) > MAX_VALUE:
            return "TooLargeElement"
        if self.kind in ("integer", "decimal"):
            return self._number_refusal(value)
        if self.kind == "boolean":
            return "" if value.lower() in ("true", "false") else "InvalidValue"
        if self.kind == "dateTime":
            return "" if parse_timestamp(value) is not None else "InvalidValue"
        if self.options:
            members = [value] if self.kind == "OptionList" else [part for part in value.split(",") if part]
            known = {option.lower() for option in self.options}
            return "" if all(member.strip().lower() in known for member in members) else "InvalidValue"
        return ""

    def _number_refusal(self, value: str) -> str:
        try:
            number = int(value) if self.kind == "integer" else float(value)
        except ValueError:
            return "InvalidValue"
        if self.low is not None and number < self.low:
            return "ValuePositiveOnly" if self.low >= 0 > number else "ValueTooLow"
        if self.high is not None and number > self.high:
            return "ValueTooHigh"
        return ""

    def report(self) -> Payload:
        """A row of NotifyReport."""
        characteristics: Payload = {"dataType": self.kind, "supportsMonitoring": self.monitored}
        for name, value in (("unit", self.unit), ("valuesList", ",".join(self.options))):
            if value:
                characteristics[name] = value
        for name, limit in (("minLimit", self.low), ("maxLimit", self.high)):
            if limit is not None:
                characteristics[name] = limit
        return {
            "component": self.component.written(),
            "variable": self.written(),
            "variableAttribute": [_attribute_row(kind, each) for kind, each in self.attributes.items()],
            "variableCharacteristics": characteristics,
        }


def _attribute_row(kind: str, attribute: Attribute) -> Payload:
    row: Payload = {
        "type": kind,
        "mutability": attribute.mutability,
        "persistent": not attribute.constant and attribute.mutability != "ReadOnly",
        "constant": attribute.constant,
    }
    return row if attribute.mutability == "WriteOnly" else {**row, "value": attribute.value}


class DeviceModel:
    """All variables, in the order of their declaration."""

    def __init__(self, variables: Iterable[Variable]) -> None:
        self._variables: dict[tuple[Component, str, str], Variable] = {}
        for variable in variables:
            key = (variable.component.key, variable.name.lower(), variable.instance.lower())
            self._variables[key] = variable
        #: Called with a variable whose value the charge point itself has changed, and the value before.
        self.on_change: Callable[[Variable, str], None] | None = None

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._variables.values())

    # ---------------------------------------------------------------- for the charge point itself
    def find(self, component: Component, name: str, instance: str = "") -> Variable | None:
        return self._variables.get((component.key, name.lower(), instance.lower()))

    def value(self, component: str, name: str, instance: str = "", *, evse: int = 0) -> str:
        """A value of the whole charge point, or of an EVSE."""
        variable = self.find(Component(component, evse=evse), name, instance)
        assert variable is not None, (component, name)
        return variable.actual.value

    def integer(self, component: str, name: str, instance: str = "") -> int:
        return int(self.value(component, name, instance) or 0)

    def flag(self, component: str, name: str, instance: str = "") -> bool:
        return self.value(component, name, instance).lower() == "true"

    def items(self, component: str, name: str) -> list[str]:
        """A comma separated list."""
        return [part.strip() for part in self.value(component, name).split(",") if part.strip()]

    def put(self, component: Component, name: str, value: str, instance: str = "") -> None:
        """Change a value; the CSMS hears of it where a monitor watches it."""
        variable = self.find(component, name, instance)
        if variable is None or variable.actual.value == value:
            return
        before, variable.actual.value = variable.actual.value, value
        if self.on_change is not None:
            self.on_change(variable, before)

    def watch(
        self, component: str, name: str, on_set: Callable[[str], str | None], instance: str = ""
    ) -> None:
        """Call back when the CSMS sets a variable; a reason code that is returned refuses the value."""
        variable = self.find(Component(component), name, instance)
        assert variable is not None, (component, name)
        variable.on_set = on_set

    # ---------------------------------------------------------------- for the CSMS
    def _look_up(self, row: Payload) -> tuple[Variable | None, str]:
        component = Component.read(row["component"])
        wanted = row["variable"]
        variable = self.find(component, wanted["name"], wanted.get("instance", ""))
        if variable is not None:
            return variable, ""
        is_known = any(each.component.key == component.key for each in self)
        return None, "UnknownVariable" if is_known else "UnknownComponent"

    def read(self, row: Payload) -> Payload:
        """A row of GetVariables' answer."""
        kind = row.get("attributeType", "Actual")
        result: Payload = {"component": row["component"], "variable": row["variable"]}
        if "attributeType" in row:
            result["attributeType"] = kind
        variable, status = self._look_up(row)
        if variable is None:
            return {**result, "attributeStatus": status}
        attribute = variable.attributes.get(kind)
        if attribute is None:
            return {**result, "attributeStatus": "NotSupportedAttributeType"}
        if attribute.mutability == "WriteOnly":
            return {**result, **_refused("WriteOnly")}
        return {**result, "attributeStatus": "Accepted", "attributeValue": attribute.value}

    def write(self, row: Payload) -> Payload:
        """A row of SetVariables' answer."""
        kind = row.get("attributeType", "Actual")
        result: Payload = {"component": row["component"], "variable": row["variable"]}
        if "attributeType" in row:
            result["attributeType"] = kind
        variable, status = self._look_up(row)
        if variable is None:
            return {**result, "attributeStatus": status}
        attribute = variable.attributes.get(kind)
        if attribute is None:
            return {**result, "attributeStatus": "NotSupportedAttributeType"}
        reason = self._refusal(variable, attribute, row["attributeValue"])
        if reason:
            return {**result, **_refused(reason)}
        attribute.value = row["attributeValue"]
        return {**result, "attributeStatus": "RebootRequired" if variable.reboot else "Accepted"}

    @staticmethod
    def _refusal(variable: Variable, attribute: Attribute, value: str) -> str:
        if attribute.mutability == "ReadOnly":
            return "ReadOnly"
        reason = variable.refusal(value)
        if not reason and attribute is variable.actual and variable.on_set is not None:
            reason = variable.on_set(value) or ""
        return reason

    def base_report(self, base: str) -> list[Payload]:
        """The rows of a base report (B07)."""
        if base == "ConfigurationInventory":
            return [each.report() for each in self if _is_setting(each)]
        if base == "SummaryInventory":
            names = {"AvailabilityState", *CRITERIA}
            return [each.report() for each in self if each.name in names]
        return [each.report() for each in self]

    def report(self, wanted: list[Payload], criteria: list[str]) -> list[Payload]:
        """The rows of a custom report (B08): what is named, of components that fulfil one of the criteria."""
        return [
            each.report()
            for each in self
            if (not wanted or any(fits(row, each) for row in wanted))
            and (not criteria or any(self._fulfils(each.component, name) for name in criteria))
        ]

    def _fulfils(self, component: Component, criterion: str) -> bool:
        """A component without such a variable counts as active, available and enabled, and has no problem."""
        variable = self.find(component, criterion)
        if variable is None:
            return criterion != "Problem"
        return variable.actual.value.lower() == "true"


def fits(row: Payload, variable: Variable) -> bool:
    """Whether a ComponentVariableType of a request names this variable; what it leaves out may be anything."""
    wanted, component = row["component"], variable.component
    evse, asked = wanted.get("evse") or {}, row.get("variable") or {}
    return bool(
        wanted["name"].lower() == component.name.lower()
        and wanted.get("instance", component.instance).lower() == component.instance.lower()
        and evse.get("id", component.evse) == component.evse
        and evse.get("connectorId", component.connector) == component.connector
        and asked.get("name", variable.name).lower() == variable.name.lower()
        and asked.get("instance", variable.instance).lower() == variable.instance.lower()
    )


def _is_setting(variable: Variable) -> bool:
    return any(each.mutability != "ReadOnly" for each in variable.attributes.values())


def _refused(reason: str) -> dict[str, Any]:
    return {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": reason}}
