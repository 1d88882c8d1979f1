"""What upper apps add to the pages of lower ones, in `ready()`: panels of a page and columns of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

#: Places that pages offer.
CHARGE_POINT = "charge_point"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A part of an object's page.

    context     (request, object) → what the template needs
    is_live     shown in the part of the page that refreshes itself
    permission  action of the permission table that the reader needs
    """

    name: str
    title: str
    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any]]
    permission: str
    is_live: bool = False
    order: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a list; `values` reads for a whole page at once: primary key → what is shown."""

    name: str
    title: str
    values: Callable[[HttpRequest, Sequence[Any]], Mapping[Any, Any]]
    permission: str


_panels: dict[str, dict[str, Panel]] = {}
_columns: dict[str, dict[str, Column]] = {}


def register_panel(place: str, panel: Panel) -> None:
    """Add a panel to a page; a second one of the same name replaces the first."""
    _panels.setdefault(place, {})[panel.name] = panel


def register_column(place: str, column: Column) -> None:
    """Add a column to a list; a second one of the same name replaces the first."""
    _columns.setdefault(place, {})[column.name] = column


def panels_of(place: str, *, live: bool | None = None) -> list[Panel]:
    """The panels of a page in their order; `live` picks those that do or do not refresh."""
    found = _panels.get(place, {}).values()
    return sorted((p for p in found if live is None or p.is_live is live), key=lambda p: (p.order, p.name))


def columns_of(place: str) -> list[Column]:
    """The added columns of a list."""
    return list(_columns.get(place, {}).values())
