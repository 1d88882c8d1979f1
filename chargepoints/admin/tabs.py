"""The parts of a charge point's page: each area of work registers its own tab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from accounts.admin_base import allowed
from chargepoints.models import ChargePoint
from csms_project.common import panels

Context = Callable[[HttpRequest, ChargePoint], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One tab.

    permission  what a viewer of it needs
    template    included with the page's context and what `context` returns
    order       tabs stand in its order; those of one order by name
    is_for      whether a charge point has it at all
    """

    name: str
    title: str
    permission: str
    template: str
    context: Context
    order: int
    is_for: Callable[[ChargePoint], bool] = lambda obj: True


_tabs: dict[str, Tab] = {}


def register(tab: Tab) -> None:
    """Add a tab to the page of every charge point."""
    _tabs[tab.name] = tab


def names() -> list[str]:
    """The names of all tabs."""
    return sorted(_tabs)


def tabs_for(request: HttpRequest, obj: ChargePoint) -> dict[str, Tab]:
    """The tabs of a charge point that this person may see, in their order."""
    ordered = sorted(_tabs.values(), key=lambda tab: (tab.order, tab.name))
    return {tab.name: tab for tab in ordered if allowed(request, tab.permission) and tab.is_for(obj)}


def panels_of(request: HttpRequest, obj: ChargePoint, *, live: bool) -> list[dict[str, Any]]:
    """What upper apps show of a charge point."""
    return [
        {"panel": panel, "data": panel.context(request, obj)}
        for panel in panels.panels_of(panels.CHARGE_POINT, live=live)
        if allowed(request, panel.permission, obj)
    ]
