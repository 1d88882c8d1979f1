"""Which chargers somebody uses: what is known here, and what apps above know."""

from __future__ import annotations

from collections.abc import Callable, Collection

from chargepoints.choices import ConnectorStatus
from chargepoints.models import Connector

Check = Callable[[Collection[int]], set[int]]

_IN_USE = (
    ConnectorStatus.PREPARING,
    ConnectorStatus.CHARGING,
    ConnectorStatus.SUSPENDED_EV,
    ConnectorStatus.SUSPENDED_EVSE,
    ConnectorStatus.FINISHING,
    ConnectorStatus.OCCUPIED,
)
_checks: list[Check] = []


def register(check: Check) -> None:
    """Ask another app as well: it returns those of the given charge points that are in use."""
    if check not in _checks:
        _checks.append(check)


def in_use(charge_point_ids: Collection[int]) -> set[int]:
    """Those of these charge points where a vehicle is plugged in or a session runs."""
    rows = Connector.objects.filter(charge_point_id__in=charge_point_ids, status__in=_IN_USE)
    found = set(rows.values_list("charge_point_id", flat=True))
    for check in _checks:
        found |= check(charge_point_ids)
    return found
