"""Changes of the tariff by which a charger calculates a running session."""

from __future__ import annotations

from django.utils import timezone

from chargepoints.models import Command
from transactions.choices import LedgerKind
from transactions.models import Transaction
from transactions.services.settling import explain, write_ledger

#: Changes that are kept of one session.
MAX_CHANGES = 20


def tariff_changed(command: Command, *, ocpp_id: str, tariff_id: str) -> None:
    """The charger goes on by another tariff in a running session (I11.FR.06)."""
    found = Transaction.objects.select_for_update(no_key=True, of=("self",)).filter(
        charge_point_id=command.charge_point_id, ocpp_id=ocpp_id
    )
    row = found.first()
    if row is None:
        return
    now = timezone.now()
    kept = dict(row.local_cost or {})
    kept["changes"] = [*kept.get("changes", ()), {"at": now.isoformat(), "tariff_id": tariff_id}][
        -MAX_CHANGES:
    ]
    row.local_cost = kept | {"tariff_id": tariff_id}
    row.save(update_fields=["local_cost"])
    told = f"The charger goes on by the tariff {tariff_id}; our own figures stay with that of the start."
    write_ledger([explain(row, LedgerKind.TARIFF, told, at=now)])
