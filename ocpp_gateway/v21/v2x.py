"""Functional block Q: bidirectional power transfer.

Modes of operation, setpoints and curves are fields of charging profiles (`chargepoints.charging.modes`); what is left
is the signal of frequency restoration (Q08).
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.v201 import mapping
from ocpp_gateway.wire.timestamps import format_timestamp

Payload = dict[str, Any]


def signal(payload: Payload) -> Payload:
    """AFRRSignal; from now on where no time is given."""
    now = {"timestamp": format_timestamp(timezone.now())}
    return {**now, **mapping.times(payload, timestamp="timestamp"), "signal": payload["signal"]}


BLOCK = Block(
    calls={"afrr_signal": sent_as("AFRRSignal", signal)},
    sentences={
        ("AFRRSignal", "Rejected"): "No profile with a curve for this signal is active.",
    },
)
