"""Functional block G: status of connectors, and whether they may be used."""

from __future__ import annotations

from typing import Any

from chargepoints.services import status
from chargepoints.services.status import StatusChange
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
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


def availability(payload: Payload) -> Payload:
    """ChangeAvailability of the charging station (no EVSE named), an EVSE, or one of its connectors."""
    kind = "Operative" if payload["operative"] else "Inoperative"
    return mapping.without_none(operationalStatus=kind, evse=mapping.said_evse(payload))


BLOCK = Block(
    actions={"StatusNotification": Action(status_in, status.STATUS, nothing_out)},
    calls={"change_availability": sent_as("ChangeAvailability", availability)},
    sentences={("ChangeAvailability", "Scheduled"): "It takes effect when the running session has ended."},
)
