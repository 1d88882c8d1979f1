"""Handshakes of chargers as the gateway hands them to the services."""

from __future__ import annotations

from typing import Any

from chargepoints.models import GatewayNode
from chargepoints.services import connections
from chargepoints.services.batch import StationBatch
from chargepoints.services.connections import Connect, Connected, Refused
from tests.factories import CHARGER_KEY, T0

KEY = bytes.fromhex(CHARGER_KEY)


def run(decide: Any, request: Any) -> Any:
    """Do one act as a batch of one."""
    batch = StationBatch(now=T0)
    outcome = decide(request, batch)
    batch.store()
    return outcome


def connect(node: GatewayNode, identity: str = "CP-A", **fields: Any) -> Connected | Refused:
    """A handshake with the right key unless told otherwise."""
    given: dict[str, Any] = {
        "username": identity.encode(),
        "password": KEY,
        "received_at": T0,
        "node_id": node.pk,
        "ocpp_version": "ocpp1.6",
    }
    outcome: Connected | Refused = run(
        connections.decide_connect, Connect(identity=identity, **given | fields)
    )
    return outcome


def accepted(outcome: Connected | Refused) -> Connected:
    """The outcome of a handshake that must have succeeded."""
    assert isinstance(outcome, Connected), outcome
    return outcome
