"""Configuration of chargers as they reported it (OCPP 1.6 §5.4, §5.8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.models import ChargePoint, Variable
from chargepoints.redaction import MASK, is_secret_name, redact_url

_KEY_COLUMNS = [
    "charge_point",
    "component",
    "component_instance",
    "evse_number",
    "connector_number",
    "name_key",
    "instance",
    "attribute",
]
_MAX_NAME = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a GetConfiguration answer; `value` None: the charger did not say."""

    key: str
    value: str | None = None
    is_readonly: bool = False


@atomic
def store_snapshot(
    charge_point_id: int, entries: Iterable[Entry], *, at: datetime | None = None, is_complete: bool = False
) -> int:
    """Store what a charger answered, without secrets; returns how many keys.

    is_complete  all keys were asked for: those that are not in the answer no longer exist
    """
    tenant_id = _tenant_id(charge_point_id)
    if tenant_id is None:
        return 0
    at = at or timezone.now()
    rows: dict[str, Variable] = {}
    for entry in entries:
        # A charger that lists a key twice, or in two spellings, means the last one.
        row = _row(charge_point_id, tenant_id, entry.key, entry.value, at)
        row.is_readonly = entry.is_readonly
        rows[row.name_key] = row
    Variable.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=_KEY_COLUMNS,
        update_fields=["name", "value", "is_readonly", "is_secret", "reboot_required", "updated_at"],
    )
    if is_complete:
        known = Variable.objects.filter(charge_point_id=charge_point_id, component="")
        known.exclude(name_key__in=rows).delete()
    return len(rows)


def store_value(
    charge_point_id: int,
    key: str,
    value: str,
    *,
    component: str = "",
    is_readonly: bool = False,
    reboot_required: bool = False,
    at: datetime | None = None,
) -> None:
    """Store a value that a charger has accepted; with `reboot_required` it applies after the next boot.

    component  of what is no configuration key of OCPP 1.6
    """
    tenant_id = _tenant_id(charge_point_id)
    if tenant_id is None:
        return
    row = _row(charge_point_id, tenant_id, key, value, at or timezone.now())
    row.component, row.is_readonly, row.reboot_required = component, is_readonly, reboot_required
    Variable.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=_KEY_COLUMNS,
        update_fields=["value", "is_secret", "reboot_required", "updated_at"],
    )


def _tenant_id(charge_point_id: int) -> int | None:
    found: int | None = (
        ChargePoint.objects.filter(pk=charge_point_id).values_list("tenant_id", flat=True).first()
    )
    return found


def _row(charge_point_id: int, tenant_id: int, key: str, value: str | None, at: datetime) -> Variable:
    name = key.replace("\0", "")[:_MAX_NAME]
    is_secret = is_secret_name(name)
    shown = redact_url(value.replace("\0", "")) if value is not None else None
    return Variable(
        tenant_id=tenant_id,
        charge_point_id=charge_point_id,
        name=name,
        name_key=name.casefold()[:_MAX_NAME],
        value=MASK if is_secret and shown else shown,
        is_secret=is_secret,
        updated_at=at,
    )
