"""Sending what differs from the templates: planned, shown, then sent as one fleet task."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import errors
from chargepoints.choices import DriftState
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.configuring import digest_of
from chargepoints.models import ChargePoint, FleetTask
from chargepoints.services import drift, fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be sent to chargers so that they have what their templates want, and what would not.

    sent  one command each, by charger and key
    left  what is not sent, because it cannot be, or because the charger has refused it before
    """

    sent: tuple[drift.Drift, ...]
    left: tuple[drift.Drift, ...]

    @property
    def chargers(self) -> int:
        """How many chargers something is sent to."""
        return len({row.charger.pk for row in self.sent})

    @property
    def need_reboot(self) -> tuple[drift.Drift, ...]:
        """What applies after a reboot only, as far as is known."""
        return tuple(row for row in self.sent if row.needs_reboot)

    @property
    def fingerprint(self) -> str:
        """Tells whether two plans send the same; nothing can be read from it."""
        text = "\n".join(
            f"{row.charger.pk} {row.key} {digest_of(row.wanted.value.text)}" for row in self.sent
        )
        return hashlib.sha256(text.encode()).hexdigest()


def plan(scope: drift.Scope, *, charge_points: Collection[int] | None, with_refused: bool = False) -> Plan:
    """What would be sent to these charge points of the scope; None: to all of them.

    with_refused  also what a charger has refused before
    """
    states = drift.SENDABLE | ({DriftState.REFUSED} if with_refused else frozenset())
    rows = drift.report(replace(scope, charge_points=charge_points, states=frozenset())).rows
    return Plan(
        sent=tuple(row for row in rows if row.state in states),
        left=tuple(row for row in rows if row.state not in states),
    )


def apply(
    *,
    actor: Actor,
    tenant: Tenant,
    planned: Plan,
    title: str,
    reset: bool = False,
    expires_in: int | None = None,
    batch_size: int | None = None,
    stop_failure_rate: float | None = None,
) -> FleetTask:
    """Send a plan as a fleet task.

    reset       after its keys each charger gets a soft reset
    expires_in  seconds to wait for offline chargers; None: their orders fail at once
    Raises      PermissionRefused, NothingDiffers, InvalidTask
    """
    require(actor, SEND_DANGEROUS, tenant)
    if not planned.sent:
        raise errors.NothingDiffers
    return fleet.start_task(
        actor=actor,
        tenant=tenant,
        title=title,
        orders=_orders(planned.sent, tenant, reset=reset),
        expires_in=expires_in,
        batch_size=batch_size,
        stop_failure_rate=stop_failure_rate,
    )


def _orders(rows: Sequence[drift.Drift], tenant: Tenant, *, reset: bool) -> list[fleet.Order]:
    """The orders of each charger one after another; equal payloads are one object, which the task keeps once."""
    ids = {row.charger.pk for row in rows}
    found = ChargePoint.objects.for_tenant(tenant).select_related("tenant").filter(archived_at=None)
    charge_points: dict[int, ChargePoint] = {
        row.pk: row
        for start in range(0, len(ids), drift.CHUNK)
        for row in found.filter(pk__in=sorted(ids)[start : start + drift.CHUNK])
    }
    payloads: dict[tuple[str, str], dict[str, Any]] = {}
    by_charger: dict[int, list[fleet.Order]] = {}
    for row in rows:
        if row.charger.pk not in charge_points:
            continue  # archived at this moment
        value = row.wanted.value
        payload = payloads.setdefault((value.key, value.text), {"key": value.key, "value": value.text})
        order = fleet.Order(
            charge_point=charge_points[row.charger.pk], action="change_configuration", payload=payload
        )
        by_charger.setdefault(row.charger.pk, []).append(order)
    kind = {"kind": "Soft"}
    if reset:
        for pk, orders in by_charger.items():
            orders.append(fleet.Order(charge_point=charge_points[pk], action="reset", payload=kind))
    return [order for orders in by_charger.values() for order in orders]
