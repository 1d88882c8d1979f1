"""One line of a version's table of contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chargepoints.services.batch import Act
from ocpp_gateway.link import Link


@dataclass(frozen=True, slots=True)
class Action:
    """How a CALL of a charger is served.

    read               payload → domain request
    act                what the domain does with it
    write              result → answer
    is_transactional   the charger repeats it until it is acknowledged and must never get a CALLERROR for our trouble
    """

    read: Callable[[Link, dict[str, Any]], Any]
    act: Act[Any, Any]
    write: Callable[[Any], dict[str, Any]]
    is_transactional: bool = False
