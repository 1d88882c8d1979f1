"""Swapping batteries (OCPP 2.1 part 2, functional block S)."""

from __future__ import annotations

from accounts.choices import TokenType
from chargepoints.command_fields import CommandSpec, FieldSpec

BATTERY_SWAP = (
    CommandSpec(
        action="request_battery_swap",
        label="Let batteries be swapped",
        description="Ask a swap station to take batteries of a tag and to give others. OCPP 2.1 only.",
        fields=(
            FieldSpec(
                name="id_token",
                type="string",
                label="Tag",
                required=True,
                max_length=255,
                help="Must be one that may charge.",
            ),
            FieldSpec(
                name="token_type",
                type="enum",
                label="Kind of tag",
                choices=tuple(TokenType.values),
                choice_labels=tuple(TokenType.labels),
                help="Empty: an RFID card (ISO14443).",
            ),
            FieldSpec(
                name="request_id",
                type="integer",
                label="Number of the request",
                minimum=0,
                help="The station's reports carry it. Empty: a new one.",
            ),
        ),
    ),
)
