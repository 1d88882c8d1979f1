"""The running sessions of a charger, as far as smart charging is concerned; told by the app that keeps sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from chargepoints.models import ChargePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSession:
    """A session on a connector.

    transaction_id  the id on the wire
    power           moments and watts in order of time; empty unless asked for
    url             its page in the admin
    """

    connector: int
    transaction_id: str
    started_at: datetime
    power: Sequence[tuple[datetime, Decimal]] = field(default=())
    url: str = ""


Provider = Callable[..., list[RunningSession]]
_provider: Provider | None = None


def register_running_sessions(provider: Provider | None) -> None:
    """Take the function `(charge_point, *, with_power)` that knows the running sessions."""
    global _provider
    _provider = provider


def running_sessions(charge_point: ChargePoint, *, with_power: bool = False) -> dict[int, RunningSession]:
    """The running sessions by connector; of several on one connector the newest."""
    if _provider is None:
        return {}
    found = _provider(charge_point, with_power=with_power)
    return {one.connector: one for one in sorted(found, key=lambda one: one.started_at)}
