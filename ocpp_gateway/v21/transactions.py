"""Functional blocks C, E and I: what 2.1 adds to transactions: limits (C17, E16) and local costs (I12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ocpp_gateway.dialect import Block
from ocpp_gateway.link import Link
from ocpp_gateway.v21.cost_details import read_cost_details
from ocpp_gateway.v201 import mapping, transactions
from transactions import session_limits
from transactions.services.event_costs import CostNews
from transactions.services.events import Answered, SessionEvent

Payload = dict[str, Any]

_EVENT = transactions.BLOCK.actions["TransactionEvent"]


def event_in(link: Link, payload: Payload) -> SessionEvent:
    request: SessionEvent = _EVENT.read(link, payload)
    news = _costs(payload)
    return replace(request, costs=news) if news is not None else request


def _costs(payload: Payload) -> CostNews | None:
    """What an event tells of costs; most tell nothing."""
    info = payload["transactionInfo"]
    limits, tariff = info.get("transactionLimit"), info.get("tariffId")
    if limits is None and tariff is None and payload.get("costDetails") is None:
        return None
    return CostNews(
        tariff_id=mapping.text(info, "tariffId", 60),
        details=read_cost_details(payload.get("costDetails")),
        limits=limits if isinstance(limits, Mapping) else {},
    )


def event_out(done: Answered) -> Payload:
    answer = _EVENT.write(done)
    if done.costs.limits:
        answer["transactionLimit"] = session_limits.on_the_wire(done.costs.limits)
    return answer


BLOCK = Block(actions={"TransactionEvent": replace(_EVENT, read=event_in, write=event_out)})
