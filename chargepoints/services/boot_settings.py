"""Templates that apply at boot, and profiles of models: what differs is sent once after each boot.

A job looks for chargers that have booted, so that a boot itself costs nothing. First the configuration is read, unless
the boot has ordered that itself (`auto_configure`); when the whole of it was read since the boot, what differs is sent.
What a charger refuses is not sent again before the template or the firmware changes, and a charger that boots again and
again, perhaps because of what it was sent, gets a value only a few times an hour.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from accounts.errors import AccountsError
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import RegistrationStatus
from chargepoints.configuring import BOOT_SETTINGS
from chargepoints.models import ChargePoint, Command, ConfigurationState
from chargepoints.selectors import live_connections
from chargepoints.services import drift
from chargepoints.variable_names import canonical

logger = logging.getLogger(__name__)

#: Chargers that one run looks at; the job runs again at once while there are more.
BATCH = 200
#: A boot that is older gets no settings: the next one does.
WINDOW = timedelta(hours=1)
#: How long a read that the boot itself has ordered is waited for.
PATIENCE = timedelta(minutes=2)
#: How often a key is sent to a charger within the window.
MAX_TRIES = 3
#: How long an order may wait behind others.
EXPIRES_IN_S = 600


def step(now: datetime) -> int:
    """Carry on with the chargers that have booted; returns how many were settled or asked."""
    tenants = drift.tenants_at_boot()
    if not tenants:
        return 0
    due = _due(tenants, now)
    read = due.filter(configuration_state__whole_read_at__gte=F("last_boot_at"))
    touched = _set(list(read.order_by("last_boot_at", "pk")[:BATCH]), now)
    unread = due.exclude(pk__in=read.values("pk")).filter(_may_be_read(now))
    return touched + _read(list(unread.order_by("last_boot_at", "pk")[:BATCH]))


def _due(tenants: Sequence[int], now: datetime) -> QuerySet[ChargePoint]:
    """Accepted chargers that are connected, have booted lately, and have not had their settings since."""
    online = live_connections().filter(charge_point=OuterRef("pk"))
    rows: QuerySet[ChargePoint] = (
        ChargePoint.objects.filter(
            tenant__in=tenants,
            archived_at=None,
            registration_status=RegistrationStatus.ACCEPTED,
            last_boot_at__gt=now - WINDOW,
        )
        .filter(Exists(online))
        .exclude(configuration_state__set_for_boot_at=F("last_boot_at"))
        .select_related("tenant")
    )
    return rows


def _may_be_read(now: datetime) -> Q:
    """Not asked since the boot, and not about to be read by order of the boot itself."""
    asked = Q(configuration_state__read_for_boot_at=F("last_boot_at"))
    not_by_boot = Q(auto_configure=False) | Q(auto_configure=None, tenant__auto_configure=False)
    return ~asked & (not_by_boot | Q(last_boot_at__lt=now - PATIENCE))


def _set(rows: Sequence[ChargePoint], now: datetime) -> int:
    """Send what differs, once for this boot."""
    if not rows:
        return 0
    found: dict[int, list[drift.Drift]] = {}
    scope = drift.Scope(
        tenant=None, charge_points=[row.pk for row in rows], at_boot=True, states=frozenset(drift.SENDABLE)
    )
    tried = _tried(rows, now)
    for item in drift.differences(scope):
        if tried[item.charger.pk, canonical(item.key)] < MAX_TRIES:
            found.setdefault(item.charger.pk, []).append(item)
    return sum(_set_one(row, found.get(row.pk, [])) for row in rows)


def _tried(rows: Sequence[ChargePoint], now: datetime) -> Counter[tuple[int, str]]:
    """How often each key was sent to each charger lately."""
    sent = Command.objects.filter(
        charge_point__in=rows,
        created_at__gt=now - WINDOW,
        action="change_configuration",
        requested_by=None,
        requested_by_name=BOOT_SETTINGS,
    )
    return Counter(
        (charge_point_id, canonical(str(payload.get("key", ""))))
        for charge_point_id, payload in sent.values_list("charge_point_id", "payload")
    )


@atomic
def _set_one(row: ChargePoint, items: Sequence[drift.Drift]) -> int:
    claimed = (
        ConfigurationState.objects.filter(charge_point=row)
        .exclude(set_for_boot_at=row.last_boot_at)
        .update(set_for_boot_at=row.last_boot_at)
    )
    if not claimed:  # another worker has it
        return 0
    for item in items:
        value = item.wanted.value
        _order(row, "change_configuration", {"key": value.key, "value": value.text})
    if items:
        logger.info("configuration.boot_settings", extra={"charge_point": row.identity, "keys": len(items)})
    return 1


def _read(rows: Sequence[ChargePoint]) -> int:
    """Order the configuration to be read where something is wanted; other boots count as settled."""
    if not rows:
        return 0
    scope = drift.Scope(tenant=None, charge_points=[row.pk for row in rows], at_boot=True)
    wanting = drift.covered(scope)
    _mark([row for row in rows if row.pk not in wanting], "set_for_boot_at")
    for row in rows:
        if row.pk in wanting:
            _read_one(row)
    return len(rows)


@atomic
def _read_one(row: ChargePoint) -> None:
    _mark([row], "read_for_boot_at")
    _order(row, "get_configuration", {})


def _mark(rows: Sequence[ChargePoint], column: str) -> None:
    """Note of which boot something is done; it is not looked at again."""
    ConfigurationState.objects.bulk_create(
        [
            ConfigurationState(tenant_id=row.tenant_id, charge_point=row, **{column: row.last_boot_at})
            for row in rows
        ],
        update_conflicts=True,
        unique_fields=["charge_point"],
        update_fields=[column],
    )


def _order(row: ChargePoint, action: str, payload: dict[str, str]) -> None:
    try:
        commands.queue(
            actor=Actor.system(BOOT_SETTINGS),
            charge_point=row,
            action=action,
            payload=payload,
            expires_in=EXPIRES_IN_S,
        )
    except (errors.ChargePointsError, AccountsError) as error:
        # The drift report shows what is still different; the next boot tries again.
        logger.warning(
            "configuration.boot_settings_refused",
            extra={"charge_point": row.identity, "action": action, "reason": str(error)},
        )
