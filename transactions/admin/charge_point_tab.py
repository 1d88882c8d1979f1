"""The tab “Sessions” of a charge point's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from chargepoints.admin import tabs
from chargepoints.models import ChargePoint
from transactions.models import Transaction
from transactions.panels import rows_for

_SHOWN = 50


def _sessions(request: HttpRequest, charge_point: ChargePoint) -> dict[str, Any]:
    newest = Transaction.objects.filter(charge_point=charge_point).order_by("-started_at", "-id")[:_SHOWN]
    address = reverse("admin:transactions_transaction_changelist")
    return {
        "sessions": rows_for(list(newest)),
        "sessions_url": f"{address}?charge_point__id__exact={charge_point.pk}",
    }


tabs.register(
    tabs.Tab(
        name="sessions",
        title="Sessions",
        permission="transactions.view",
        template="admin/transactions/charge_point_sessions.html",
        context=_sessions,
        order=5,
    )
)
