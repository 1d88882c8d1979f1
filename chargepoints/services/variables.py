"""Configuration keys of chargers as they reported them, and what changed in them (OCPP 1.6 §5.3, §5.8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q
from django.db.transaction import atomic

from chargepoints.choices import VariableSource
from chargepoints.models import Command, Variable
from chargepoints.services.variable_rows import (
    ChangeRow,
    Entry,
    Place,
    begin,
    key_name,
    known_rows,
    note_reading,
    source_of_read,
)
from chargepoints.variable_names import VariableName

__all__ = ["ChangeRow", "Entry", "store_snapshot", "store_unknown", "store_value"]

_KEYS = Q(component="", component_instance="", evse_number=0, connector_number=0, instance="")


@atomic
def store_snapshot(
    charge_point_id: int,
    entries: Iterable[Entry],
    *,
    unknown: Sequence[str] = (),
    at: datetime | None = None,
    is_complete: bool = False,
    command: Command | None = None,
) -> int:
    """Store what a charger answered, without secrets, and what has changed since; returns how many keys.

    The first reading of all is no change of anything.

    unknown      keys of which the charger says that it has none
    is_complete  all keys were asked for: those that are not in the answer are marked as gone
    command      the order that was answered
    """
    report = begin(charge_point_id, at, source_of_read(command), command)
    if report is None:
        return 0
    known = _all_keys(charge_point_id)
    is_first = not any(row.read_at for row in known.values())
    # A charger that lists a key twice, or in two spellings, means the last one.
    listed = {entry.name.folded: entry for entry in entries if entry.name.name}
    for place, entry in listed.items():
        report.take_listed(entry, known.get(place), is_first=is_first)
    for key in unknown:
        name = key_name(key)
        report.take_unknown(name, known.get(name.folded))
    if is_complete:
        for place in known.keys() - listed:
            report.take_gone(known[place])
        _forget_device_model(report.charge_point_id, report.at)
    report.write()
    note_reading(report, is_complete=is_complete)
    return len(listed)


@atomic
def store_value(
    charge_point_id: int,
    key: str,
    value: str,
    *,
    component: str = "",
    is_readonly: bool = False,
    reboot_required: bool = False,
    at: datetime | None = None,
    command: Command | None = None,
) -> None:
    """Store a value that a charger has accepted; with `reboot_required` it applies after the next boot.

    component  of what is no configuration key of OCPP 1.6; it has no history
    command    the order that was accepted
    """
    report = begin(charge_point_id, at, VariableSource.SET, command)
    if report is None:
        return
    name = VariableName(component=component, name=key_name(key).name)
    known = known_rows(charge_point_id, [name]).get(name.folded)
    row, is_new, old = report.take_set(name, known, value, reboot_required=reboot_required)
    if is_new:
        row.is_readonly = is_readonly
    if not component:
        report.note_set(row, is_new=is_new, old=old)
    report.write()


@atomic
def store_unknown(
    charge_point_id: int, key: str, *, at: datetime | None = None, command: Command | None = None
) -> None:
    """Store that a charger, asked to set a key, has no such key."""
    report = begin(charge_point_id, at, source_of_read(command), command)
    if report is None:
        return
    name = key_name(key)
    report.take_unknown(name, known_rows(charge_point_id, [name]).get(name.folded))
    report.write()


def _all_keys(charge_point_id: int) -> dict[Place, Variable]:
    rows = Variable.objects.filter(_KEYS, charge_point_id=charge_point_id, attribute="Actual")
    return {row.place.folded: row for row in rows}


def _forget_device_model(charge_point_id: int, at: datetime) -> None:
    """A charger that lists its keys speaks OCPP 1.6: what an earlier firmware said in a device model is over."""
    rows = Variable.objects.filter(charge_point_id=charge_point_id, gone_at=None, read_at__isnull=False)
    rows.exclude(component="").update(gone_at=at, updated_at=at)
