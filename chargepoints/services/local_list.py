"""The list of tags that a charger knows by itself: which version of it the charger holds (OCPP 1.6 §3.5)."""

from __future__ import annotations

from datetime import datetime

from chargepoints.command_numbers import LIST_VERSION
from chargepoints.services.variables import store_value

#: What a charger without a local list answers (OCPP 1.6 §5.10).
NOT_SUPPORTED = -1


def store_version(charge_point_id: int, version: int, *, at: datetime) -> None:
    """Keep the version that the charger has told, or has accepted."""
    component, name = LIST_VERSION
    store_value(charge_point_id, name, str(version), component=component, is_readonly=True, at=at)
