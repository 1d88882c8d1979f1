"""The device model of a charger of OCPP 2.x as a tree that can be searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from chargepoints.configuration_keys import KeySpec, find_key
from chargepoints.device_model import find_component, find_variable
from chargepoints.models import ChargePoint, Variable
from chargepoints.selectors import variables_of
from chargepoints.services.device_model import is_trouble, latest_reports
from chargepoints.variable_checks import choices_of, limits_in_words

#: Rows that are read for the tree, and rows that are shown at a time.
MAX_ROWS = 5_000
MAX_SHOWN = 300

#: Which rows are shown: name → label, test.
SHOWN: dict[str, tuple[str, Callable[[Variable], bool]]] = {
    "": ("All variables", lambda row: True),
    "writable": ("Those that can be changed", lambda row: row.may_change),
    "problems": ("Problems", is_trouble),
    "refused": (
        "Refused when set last",
        lambda row: row.set_status not in ("", "Accepted", "RebootRequired"),
    ),
    "reboot": ("Waiting for a reboot", lambda row: row.reboot_required),
    "monitored": ("Those that can be monitored", lambda row: row.supports_monitoring is True),
    "vendor": ("The vendor's own", lambda row: _standard(row) is None),
    "gone": ("Unknown or no longer reported", lambda row: row.is_unknown or row.gone_at is not None),
}


@dataclass(slots=True)
class Place:
    """One component at one place: an instance of it, of an EVSE, of a connector."""

    key: str
    label: str
    count: int = 0
    problems: int = 0
    is_open: bool = False


@dataclass(slots=True)
class Component:
    """All places of components of one name."""

    name: str
    text: str
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def rows(self) -> list[Place]:
        return list(self.places.values())

    @property
    def count(self) -> int:
        return sum(place.count for place in self.rows)

    @property
    def problems(self) -> int:
        return sum(place.problems for place in self.rows)

    @property
    def is_open(self) -> bool:
        return any(place.is_open for place in self.rows)


@dataclass(frozen=True, slots=True)
class Line:
    """One attribute of a variable as the page shows it."""

    row: Variable
    spec: KeySpec | None
    text: str
    kind: str
    limits: str
    choices: str
    is_trouble: bool


def browser(request: HttpRequest, obj: ChargePoint, everything: Iterable[Variable]) -> dict[str, Any] | None:
    """The tree, and the variables that were asked for; None where the charger has told no variables.

    everything  what `rows_of` returns
    """
    rows = [row for row in everything if row.component]
    if not rows:
        return None
    words, show = request.GET.get("q", "").strip(), request.GET.get("show", "")
    chosen = request.GET.get("component", "")
    tree = _tree(rows, chosen)
    found = select(rows, words=words, show=show, component=chosen)
    is_start = not (words or show or chosen)
    if is_start:
        found = [row for row in rows if is_trouble(row)]
    return {
        "tree": tree,
        "total": len(rows),
        "is_cut": len(rows) >= MAX_ROWS,
        "is_start": is_start,
        "groups": _groups(found[:MAX_SHOWN]),
        "found": len(found),
        "max_shown": MAX_SHOWN,
        "words": words,
        "show": show,
        "component": chosen,
        "component_text": find_component(found[0].component) if chosen and found else "",
        "choices": [(name, label) for name, (label, _) in SHOWN.items()],
        "reports": latest_reports(obj.pk, limit=3),
        "problems": sum(is_trouble(row) for row in rows),
    }


def rows_of(obj: ChargePoint) -> list[Variable]:
    """What the charger has told, in the order of the tree; what we keep beside it is left out."""
    beside = ~Q(component="") & Q(read_at=None, set_answered_at=None)
    return list(variables_of(obj).exclude(beside)[:MAX_ROWS])


def select(rows: Sequence[Variable], *, words: str, show: str, component: str) -> list[Variable]:
    """The rows of a component, of a kind, with these words."""
    test = SHOWN.get(show, SHOWN[""])[1]
    wanted = component.casefold()
    return [
        row
        for row in rows
        if test(row)
        and (not wanted or row.place.component_key.casefold() == wanted)
        and (not words or _matches(row, words))
    ]


def _matches(row: Variable, words: str) -> bool:
    spec = _standard(row)
    value = "" if row.is_secret else row.value or ""
    text = f"{row.key} {value} {spec.text if spec else ''}".casefold()
    return all(word in text for word in words.casefold().split())


def _standard(row: Variable) -> KeySpec | None:
    return find_key(row.key)


def _tree(rows: Iterable[Variable], chosen: str) -> list[Component]:
    found: dict[str, Component] = {}
    for row in rows:
        folded = row.component.casefold()
        if folded not in found:
            found[folded] = Component(row.component, find_component(row.component))
        places, key = found[folded].places, row.place.component_key
        if key not in places:
            places[key] = Place(key, _place_label(row), is_open=key.casefold() == chosen.casefold())
        places[key].count += 1
        places[key].problems += is_trouble(row)
    return sorted(found.values(), key=lambda part: part.name.casefold())


def _place_label(row: Variable) -> str:
    parts = [row.component_instance]
    if row.evse_number:
        parts.append(f"EVSE {row.evse_number}")
    if row.connector_number:
        parts.append(f"connector {row.connector_number}")
    return ", ".join(filter(None, parts)) or row.component


def _groups(rows: Iterable[Variable]) -> list[tuple[str, list[Line]]]:
    found: dict[str, list[Line]] = {}
    for row in rows:
        found.setdefault(row.place.component_key, []).append(line_of(row))
    return list(found.items())


def line_of(row: Variable) -> Line:
    """A row with what the charger and the standard say of it."""
    spec = _standard(row)
    variable = find_variable(row.component, row.name, row.instance)
    return Line(
        row=row,
        spec=spec,
        text=spec.text if spec is not None else "",
        kind=row.data_type or (variable.data_type if variable is not None else ""),
        limits=limits_in_words(row),
        choices=", ".join(choices_of(row)),
        is_trouble=is_trouble(row),
    )


#: Columns of the file.
CSV_HEADER = (
    "key", "component", "component instance", "evse", "connector", "variable", "instance", "attribute", "value",
    "data type", "unit", "min", "max", "values", "mutability", "persistent", "constant", "monitoring",
    "last set", "reason", "read at", "state", "description",
)  # fmt: skip


def csv_line(row: Variable) -> tuple[Any, ...]:
    """A row of the file; secrets are masked as everywhere."""
    spec = _standard(row)
    state = "unknown" if row.is_unknown else "no longer reported" if row.gone_at is not None else ""
    return (
        row.key, row.component, row.component_instance, row.evse_number or "", row.connector_number or "",
        row.name, row.instance, row.attribute, row.value if row.value is not None else "",
        row.data_type, row.unit, _number(row.min_limit), _number(row.max_limit), row.values_list,
        row.mutability or ("ReadOnly" if row.is_readonly else ""), _yes(row.is_persistent), _yes(row.is_constant),
        _yes(row.supports_monitoring), row.set_status, row.set_reason,
        row.read_at.isoformat(timespec="seconds") if row.read_at is not None else "", state,
        spec.text if spec is not None else "",
    )  # fmt: skip


def _number(limit: float | None) -> str:
    return "" if limit is None else f"{limit:.10g}"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[value]
