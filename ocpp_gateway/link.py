"""What a handler may know of the socket and the message that it handles."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class Link(NamedTuple):
    """One CALL of one charge point."""

    charge_point_id: int
    tenant_id: int
    ocpp_version: str
    received_at: datetime
    message_id: str
    repairs: tuple[str, ...] = ()
    # What was asked of others before the message is served; see `Action.prepare`.
    prepared: Any = None
    # The common names of the certificate by which the charger was let in; empty: by none.
    certificate_names: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The fields that every domain request carries (`FromCharger`)."""
        return {
            "charge_point_id": self.charge_point_id,
            "tenant_id": self.tenant_id,
            "ocpp_version": self.ocpp_version,
            "received_at": self.received_at,
            "message_id": self.message_id,
            "repairs": self.repairs,
        }
