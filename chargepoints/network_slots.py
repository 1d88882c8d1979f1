"""Network profiles as variables (2.1): those in use must not be changed one by one (B09.FR.21)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chargepoints.configuring import wanted_values
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint
from chargepoints.selectors import find_value
from chargepoints.variable_checks import items
from chargepoints.variable_names import variable_of

COMPONENT = "networkconfiguration"
PRIORITY = "OCPPCommCtrlr/NetworkConfigurationPriority"


def check(charge_point: ChargePoint, action: str, payload: Mapping[str, Any]) -> None:
    """Refuse to change a part of a network profile that the charger connects with: it could be left outside.

    Raises  InvalidPayload
    """
    slots = {
        name.component_instance
        for key, _ in wanted_values(action, payload)
        if (name := variable_of(key)) is not None and name.component.casefold() == COMPONENT
    }
    if not slots:
        return
    used = sorted(slots & set(items(find_value(charge_point, PRIORITY) or "")))
    if used:
        raise InvalidPayload(
            {
                "payload": f"Network profile {', '.join(used)} is in use (NetworkConfigurationPriority): store it with "
                "“Set a network profile”, or take its slot out of the list first."
            }
        )
