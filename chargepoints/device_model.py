"""What the appendices of OCPP 2.0.1 and 2.1 say about components and variables.

Data: the tables of components and variables (part 2, appendices), 2.1 over 2.0.1, in one compact file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("data") / "device_model.json"

BOOLEAN, INTEGER, DECIMAL, DATE_TIME = "boolean", "integer", "decimal", "dateTime"
OPTION_LIST, MEMBER_LIST, SEQUENCE_LIST = "OptionList", "MemberList", "SequenceList"
#: DataEnumType (2.0.1 part 2 §3.28).
DATA_TYPES = ("string", DECIMAL, INTEGER, DATE_TIME, BOOLEAN, OPTION_LIST, SEQUENCE_LIST, MEMBER_LIST)
#: Values with commas between them; the order counts in a SequenceList.
LISTS = frozenset({OPTION_LIST, MEMBER_LIST, SEQUENCE_LIST})


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardVariable:
    """A variable of the standard.

    component    the one that it is described for; "" where it may belong to any
    is_required  of a charger that has the component's function
    """

    component: str
    name: str
    instance: str = ""
    data_type: str
    unit: str = ""
    text: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class _Model:
    components: dict[str, str]
    general: dict[str, StandardVariable]
    specific: dict[tuple[str, str, str], StandardVariable]


def find_component(name: str) -> str:
    """What a component is, in a sentence; "" of one that the standard does not know."""
    return _model().components.get(name.casefold(), "")


def find_variable(component: str, name: str, instance: str = "") -> StandardVariable | None:
    """What the standard says about a variable of a component; None of a vendor's own."""
    model = _model()
    component, name = component.casefold(), name.casefold()
    for key in ((component, name, instance.casefold()), (component, name, "")):
        if key in model.specific:
            return model.specific[key]
    return model.general.get(name)


def list_variables() -> list[StandardVariable]:
    """All that are described for a component, by component and name."""
    return list(_model().specific.values())


@lru_cache(maxsize=1)
def _model() -> _Model:
    data: dict[str, Any] = json.loads(_FILE.read_text("utf-8"))
    general = {
        name: StandardVariable(component="", name=name, data_type=kind, unit=unit, text=text)
        for name, (kind, unit, text) in data["variables"].items()
    }
    specific = [
        StandardVariable(
            component=component,
            name=name,
            instance=instance,
            # The table of variables is more exact about lists.
            data_type=general[name].data_type if kind == "string" and name in general else kind,
            unit=unit,
            text=text or (general[name].text if name in general else ""),
            is_required=needed,
        )
        for component, name, instance, kind, unit, text, needed in data["specific"]
    ]
    return _Model(
        components={name.casefold(): text for name, text in data["components"].items()},
        general={name.casefold(): row for name, row in general.items()},
        specific={
            (row.component.casefold(), row.name.casefold(), row.instance.casefold()): row for row in specific
        },
    )
