"""Functional blocks E and J: transactions and meter values."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from transactions.services import metering
from transactions.services.metering import Metered

Payload = dict[str, Any]


def meter_in(link: Link, payload: Payload) -> Metered:
    return Metered(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        ocpp_id="",
        moments=mapping.moments(payload.get("meterValue")),
    )


def nothing_out(done: object) -> Payload:
    return {}


BLOCK = Block(actions={"MeterValues": Action(meter_in, metering.METERED, nothing_out, is_transactional=True)})
