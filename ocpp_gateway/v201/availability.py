"""Functional block G: status of connectors, and whether they may be used."""

from __future__ import annotations

from typing import Any

from chargepoints.services import status
from chargepoints.services.status import StatusChange
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def status_in(link: Link, payload: Payload) -> StatusChange:
    return StatusChange(
        **link.facts(),
        connector_number=max(0, mapping.whole(payload.get("evseId"))),
        within=max(1, mapping.whole(payload.get("connectorId"), 1)),
        status=mapping.text(payload, "connectorStatus", 16),
        at=mapping.status_timestamp(payload.get("timestamp")),
    )


def nothing_out(done: object) -> Payload:
    return {}


BLOCK = Block(actions={"StatusNotification": Action(status_in, status.STATUS, nothing_out)})
