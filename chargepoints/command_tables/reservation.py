"""Connectors held for a tag (profile Reservation)."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from chargepoints.command_fields import (
    CONNECTOR_HELP,
    MAX_TOKEN,
    TOKEN_TYPE,
    CommandSpec,
    FieldSpec,
    read_time,
)


def _check_reservation(given: dict[str, Any]) -> dict[str, str]:
    expires_at = read_time(given["expires_at"])
    if expires_at is None or expires_at <= timezone.now():
        return {"expires_at": "Must be in the future."}
    return {}


RESERVATION = (
    CommandSpec(
        action="reserve_now",
        label="Reserve",
        description="Hold a connector for a tag from now until a time.",
        fields=(
            FieldSpec(
                name="id_token",
                type="string",
                label="Tag",
                required=True,
                max_length=MAX_TOKEN,
                help="Value of the tag that may charge; 20 characters in OCPP 1.6, 36 in 2.0.1.",
            ),
            TOKEN_TYPE,
            FieldSpec(
                name="expires_at",
                type="datetime",
                label="Until",
                required=True,
                help="The charger ends the reservation at this time by itself.",
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: one of them, whichever is free; not every charger can do this.",
            ),
            FieldSpec(
                name="parent_id_token",
                type="string",
                label="Group",
                max_length=MAX_TOKEN,
                help="Every tag of this group may use the reservation.",
            ),
            FieldSpec(
                name="connector_type",
                type="string",
                label="Kind of connector",
                max_length=20,
                help="OCPP 2.x: any connector of this kind, as cCCS2 or sType2.",
            ),
            FieldSpec(
                name="reservation_id",
                type="integer",
                label="Number",
                minimum=1,
                help="Empty: a new one. The number of a running reservation replaces it.",
            ),
        ),
        check=_check_reservation,
    ),
    CommandSpec(
        action="cancel_reservation",
        label="Cancel a reservation",
        description="Set the connector free again.",
        fields=(
            FieldSpec(
                name="reservation_id",
                type="integer",
                label="Number",
                required=True,
                minimum=0,
                help="The number of the reservation, from the list of reservations.",
            ),
        ),
        confirm="Cancel this reservation?",
    ),
)
