"""One line of a version's table of contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chargepoints.services.batch import Act
from ocpp_gateway.link import Link
from transactions.services.batch import SessionBatch


@dataclass(frozen=True, slots=True)
class Action:
    """How a CALL of a charger is served.

    read               payload → domain request
    act                what the domain does with it
    write              result → answer
    is_transactional   the charger repeats it until it is acknowledged and must never get a CALLERROR for our trouble
    prepare            what is to be asked of others first, outside of the writer: a function that takes long, if any
    put_aside          the answer that does the least harm, for a message of these that we cannot process at all
    """

    read: Callable[[Link, dict[str, Any]], Any]
    act: Act[Any, Any]
    write: Callable[[Any], dict[str, Any]]
    is_transactional: bool = False
    prepare: Callable[[Link, dict[str, Any]], Callable[[], Any] | None] | None = None
    put_aside: Callable[[Link, dict[str, Any], SessionBatch], dict[str, Any]] = lambda link, payload, batch: {}
