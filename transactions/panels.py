"""Sessions on the pages of charge points (see `csms_project.common.panels`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from accounts.admin_base import allowed
from chargepoints.models import ChargePoint
from csms_project.common import panels
from csms_project.common.admin import duration
from transactions.admin.shared import cost_of, flag_chips, kwh, length, local, money, state_chip
from transactions.choices import TransactionState
from transactions.models import Transaction
from transactions.selectors import running_costs


def register() -> None:
    """Called when the app is ready."""
    panels.register_panel(
        panels.CHARGE_POINT,
        panels.Panel(
            name="active_sessions",
            title="Active sessions",
            template="admin/transactions/panels/active.html",
            context=_active,
            permission="transactions.view",
            is_live=True,
            order=10,
        ),
    )
    panels.register_panel(
        panels.CHARGE_POINT,
        panels.Panel(
            name="recent_sessions",
            title="Recent sessions",
            template="admin/transactions/panels/recent.html",
            context=_recent,
            permission="transactions.view",
            order=20,
        ),
    )
    panels.register_column(
        panels.CHARGE_POINT,
        panels.Column(
            name="active_session",
            title="Active session",
            values=_active_by_charge_point,
            permission="transactions.view",
        ),
    )


def rows_for(transactions: Sequence[Transaction]) -> list[dict[str, Any]]:
    """What tables of sessions show."""
    running_costs(transactions)
    return [
        {
            "session": row,
            "url": reverse("admin:transactions_transaction_change", args=[row.pk]),
            "state": state_chip(row),
            "started": local(row.started_at),
            "length": duration(length(row)),
            "energy": kwh(row.energy_wh),
            "power": f"{row.power_w / 1000:.1f}" if row.power_w is not None else "–",
            "cost": money(cost_of(row), row.currency),
            "flags": flag_chips(row) if row.flags else "",
        }
        for row in transactions
    ]


def _active(request: HttpRequest, charge_point: ChargePoint) -> dict[str, Any]:
    rows = Transaction.objects.filter(charge_point=charge_point, state=TransactionState.ACTIVE)
    shown = rows_for(list(rows.order_by("connector_number", "id")[:20]))
    if allowed(request, "transactions.stop", charge_point):
        for row in shown:
            row["stop_url"] = reverse("admin:transactions_transaction_stop", args=[row["session"].pk])
    return {"rows": shown}


def _recent(request: HttpRequest, charge_point: ChargePoint) -> dict[str, Any]:
    ended = Transaction.objects.filter(charge_point=charge_point, state=TransactionState.ENDED)
    rows = list(ended.order_by("-started_at", "-id")[:10])
    url = f"{reverse('admin:transactions_transaction_changelist')}?charge_point__id__exact={charge_point.pk}"
    return {"rows": rows_for(rows), "all_url": url}


def _active_by_charge_point(request: HttpRequest, rows: Sequence[Any]) -> Mapping[Any, Any]:
    active = Transaction.objects.filter(
        charge_point__in=[row.pk for row in rows], state=TransactionState.ACTIVE
    )
    found: dict[int, list[tuple[str, str]]] = {}
    for row in active.order_by("connector_number").only(
        "pk", "charge_point_id", "energy_wh", "connector_number"
    ):
        url = reverse("admin:transactions_transaction_change", args=[row.pk])
        found.setdefault(row.charge_point_id, []).append((url, f"{kwh(row.energy_wh)} kWh"))
    return {
        pk: format_html_join(", ", '<a class="cs-link cs-nowrap" href="{}">{}</a>', links)
        if links
        else format_html("–")
        for pk, links in found.items()
    }
