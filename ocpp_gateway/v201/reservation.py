"""Functional block H: reservations."""

from __future__ import annotations

from typing import Any

from chargepoints.services import reservations
from chargepoints.services.reservations import ReservationEnd
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def reserve(payload: Payload) -> Payload:
    """ReserveNow of an EVSE, of a kind of connector, or of whichever is free (H01.FR.08, .09)."""
    return mapping.without_none(
        idToken=mapping.said_token(payload),
        groupIdToken=mapping.said_group(payload),
        evseId=payload.get("connector") or None,
        **mapping.copied(payload, reservation_id="id", connector_type="connectorType"),
        **mapping.times(payload, expires_at="expiryDateTime"),
    )


def end_in(link: Link, payload: Payload) -> ReservationEnd:
    """ReservationStatusUpdate"""
    return ReservationEnd(
        **link.facts(),
        number=mapping.whole(payload.get("reservationId"), -1),
        status=mapping.text(payload, "reservationUpdateStatus", 20),
    )


def nothing_out(done: object) -> Payload:
    return {}


BLOCK = Block(
    actions={"ReservationStatusUpdate": Action(end_in, reservations.ENDED, nothing_out)},
    calls={
        "reserve_now": sent_as("ReserveNow", reserve),
        "cancel_reservation": sent_as(
            "CancelReservation", lambda payload: mapping.copied(payload, reservation_id="reservationId")
        ),
    },
    sentences={
        ("ReserveNow", "Faulted"): "The connector has a fault.",
        ("ReserveNow", "Occupied"): "The connector is in use or reserved already.",
        ("ReserveNow", "Unavailable"): "The connector is out of service.",
        ("ReserveNow", "Rejected"): "The charger takes no reservations, or none for “any connector”.",
        ("CancelReservation", "Rejected"): "The charger knows no reservation of this number.",
    },
)
