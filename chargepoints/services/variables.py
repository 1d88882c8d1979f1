"""Configuration of chargers as they reported it, and what changed in it (OCPP 1.6 §5.3, §5.8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.choices import VariableChangeKind, VariableSource
from chargepoints.configuring import AFTER_BOOT, BOOT_SETTINGS
from chargepoints.models import ChargePoint, Command, ConfigurationState, Variable, VariableChange
from chargepoints.redaction import MASK, is_secret_name, redact_url
from csms_project.common import bulk, events

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
_VALUE_COLUMNS = [
    "name",
    "value",
    "is_readonly",
    "is_secret",
    "reboot_required",
    "needs_reboot",
    "is_unknown",
    "read_at",
    "set_at",
    "gone_at",
    "updated_at",
]
_MAX_NAME = 50
#: Keys that an event names.
_MAX_TOLD = 50
_READ_COLUMNS = {True: "whole_read_at", False: "partly_read_at"}


class ChangeRow(NamedTuple):
    """A change that is about to be written."""

    tenant_id: int
    charge_point_id: int
    received_at: datetime
    name: str
    kind: str
    source: str
    old: str | None
    new: str | None
    reboot_required: bool
    command_id: int | None
    requested_by_name: str


bulk.register(ChangeRow, VariableChange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a GetConfiguration answer; `value` None: the charger did not say."""

    key: str
    value: str | None = None
    is_readonly: bool = False


@dataclass(slots=True, kw_only=True)
class _Report:
    """What a charger tells at one moment, and what follows from it."""

    charge_point_id: int
    tenant_id: int
    identity: str
    last_boot_at: datetime | None
    at: datetime
    source: VariableSource
    command: Command | None
    changed: dict[tuple[str, str], Variable] = field(default_factory=dict)
    history: list[ChangeRow] = field(default_factory=list)

    def note(self, row: Variable, kind: VariableChangeKind, old: str | None, new: str | None) -> None:
        if row.component:  # what we keep beside the configuration keys
            return
        self.history.append(
            ChangeRow(
                tenant_id=self.tenant_id,
                charge_point_id=self.charge_point_id,
                received_at=self.at,
                name=row.name,
                kind=kind.value,
                source=self.source.value,
                old=old,
                new=new,
                reboot_required=row.reboot_required,
                command_id=self.command.pk if self.command is not None else None,
                requested_by_name=self.command.requested_by_name if self.command is not None else "",
            )
        )

    def keep(self, row: Variable) -> None:
        row.updated_at = self.at
        self.changed[row.component, row.name_key] = row

    def write(self) -> None:
        Variable.objects.bulk_create(
            self.changed.values(),
            update_conflicts=True,
            unique_fields=_KEY_COLUMNS,
            update_fields=_VALUE_COLUMNS,
        )
        bulk.insert(self.history)
        if self.history and self.source is not VariableSource.SET:
            self._tell()

    def _tell(self) -> None:
        """What nobody here has ordered is an event: somebody else, or the charger itself, has changed it."""
        names = [change.name for change in self.history]
        events.record(
            "configuration.changed",
            tenant_id=self.tenant_id,
            object_type="charge_point",
            object_id=self.charge_point_id,
            charge_point=self.identity,
            data={"keys": names[:_MAX_TOLD], "count": len(names), "source": self.source.value},
            at=self.at,
        )


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
    report = _begin(charge_point_id, at, _source_of_read(command), command)
    if report is None:
        return 0
    known = _known(charge_point_id)
    is_first = not any(row.read_at for row in known.values())
    # A charger that lists a key twice, or in two spellings, means the last one.
    listed = {_name_key(entry.key): entry for entry in entries if _name(entry.key)}
    for name_key, entry in listed.items():
        _take_listed(report, entry, known.get(name_key), is_first=is_first)
    for key in unknown:
        _take_unknown(report, key, known.get(_name_key(key)))
    if is_complete:
        for name_key in known.keys() - listed:
            _take_gone(report, known[name_key])
    report.write()
    _note_reading(report, is_complete=is_complete)
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

    component  of what is no configuration key of OCPP 1.6
    command    the order that was accepted
    """
    report = _begin(charge_point_id, at, VariableSource.SET, command)
    if report is None:
        return
    row = _known(charge_point_id, component=component, name_key=_name_key(key)).get(_name_key(key))
    is_new = row is None
    if row is None:
        row = _new(report, key, component=component)
        row.is_readonly = is_readonly
    old, row.value = row.value, _shown(row.name, value)
    row.reboot_required = row.needs_reboot = reboot_required
    row.set_at, row.gone_at, row.is_unknown = report.at, None, False
    report.keep(row)
    # Of a secret nobody can see whether it is another one.
    if is_new or old != row.value or row.is_secret:
        kind = VariableChangeKind.ADDED if is_new else VariableChangeKind.CHANGED
        report.note(row, kind, old, row.value)
    report.write()


@atomic
def store_unknown(
    charge_point_id: int, key: str, *, at: datetime | None = None, command: Command | None = None
) -> None:
    """Store that a charger, asked to set a key, has no such key."""
    report = _begin(charge_point_id, at, _source_of_read(command), command)
    if report is None:
        return
    _take_unknown(report, key, _known(charge_point_id, name_key=_name_key(key)).get(_name_key(key)))
    report.write()


# --- what each line of an answer means ---


def _take_listed(report: _Report, entry: Entry, row: Variable | None, *, is_first: bool) -> None:
    is_new = row is None or row.is_unknown or row.gone_at is not None
    row = row or _new(report, entry.key)
    old = row.value
    row.name, row.value = _name(entry.key), _shown(entry.key, entry.value)
    row.is_readonly, row.is_unknown, row.gone_at, row.read_at = entry.is_readonly, False, None, report.at
    if row.reboot_required:
        # What was accepted "after a reboot" is pending until the charger has booted.
        booted = (
            report.last_boot_at is not None and row.set_at is not None and report.last_boot_at > row.set_at
        )
        row.reboot_required = not booted
    report.keep(row)
    if is_new and not is_first:
        report.note(row, VariableChangeKind.ADDED, None, row.value)
    elif not is_new and old != row.value:
        report.note(row, VariableChangeKind.CHANGED, old, row.value)


def _take_unknown(report: _Report, key: str, row: Variable | None) -> None:
    if not _name(key):
        return
    was_known = row is not None and not row.is_unknown and row.gone_at is None
    row = row or _new(report, key)
    row.is_unknown, row.read_at = True, report.at
    row.gone_at = row.gone_at or (report.at if was_known else None)
    report.keep(row)
    if was_known:
        report.note(row, VariableChangeKind.GONE, row.value, None)


def _take_gone(report: _Report, row: Variable) -> None:
    # Write-only keys are never listed; what we have set of them is all that is known.
    if row.gone_at is not None or row.is_unknown or (row.is_secret and row.read_at is None):
        return
    row.gone_at = report.at
    report.keep(row)
    report.note(row, VariableChangeKind.GONE, row.value, None)


# --- rows ---


def _begin(
    charge_point_id: int, at: datetime | None, source: VariableSource, command: Command | None
) -> _Report | None:
    """None for a charge point that was deleted meanwhile."""
    found = (
        ChargePoint.objects.filter(pk=charge_point_id)
        .values_list("tenant_id", "identity", "last_boot_at")
        .first()
    )
    if found is None:
        return None
    tenant_id, identity, last_boot_at = found
    return _Report(
        charge_point_id=charge_point_id,
        tenant_id=tenant_id,
        identity=identity,
        last_boot_at=last_boot_at,
        at=at or timezone.now(),
        source=source,
        command=command,
    )


def _source_of_read(command: Command | None) -> VariableSource:
    by = command.requested_by_name if command is not None and command.requested_by_id is None else ""
    return VariableSource.BOOT if by in (AFTER_BOOT, BOOT_SETTINGS) else VariableSource.READ


def _known(charge_point_id: int, *, component: str = "", name_key: str | None = None) -> dict[str, Variable]:
    rows = Variable.objects.filter(
        charge_point_id=charge_point_id,
        component=component,
        component_instance="",
        evse_number=0,
        connector_number=0,
        instance="",
        attribute="Actual",
    )
    if name_key is not None:
        rows = rows.filter(name_key=name_key)
    return {row.name_key: row for row in rows}


def _note_reading(report: _Report, *, is_complete: bool) -> None:
    column = _READ_COLUMNS[is_complete]
    ConfigurationState.objects.bulk_create(
        [
            ConfigurationState(
                tenant_id=report.tenant_id, charge_point_id=report.charge_point_id, **{column: report.at}
            )
        ],
        update_conflicts=True,
        unique_fields=["charge_point"],
        update_fields=[column],
    )


def _new(report: _Report, key: str, *, component: str = "") -> Variable:
    name = _name(key)
    return Variable(
        tenant_id=report.tenant_id,
        charge_point_id=report.charge_point_id,
        component=component,
        name=name,
        name_key=_name_key(key),
        is_secret=is_secret_name(name),
        updated_at=report.at,
    )


def _name(key: str) -> str:
    return key.replace("\0", "")[:_MAX_NAME]


def _name_key(key: str) -> str:
    return _name(key).casefold()[:_MAX_NAME]


def _shown(key: str, value: str | None) -> str | None:
    """A value as it may be stored in the open."""
    shown = redact_url(value.replace("\0", "")) if value is not None else None
    return MASK if shown and is_secret_name(_name(key)) else shown
