"""Rows of configuration values: what a charger says at one moment, what that changes, and the history of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from chargepoints.choices import VariableChangeKind, VariableSource
from chargepoints.configuring import AFTER_BOOT, BOOT_SETTINGS
from chargepoints.models import ChargePoint, Command, ConfigurationState, Variable, VariableChange
from chargepoints.redaction import MASK, is_secret_name, redact_url
from chargepoints.variable_names import VariableName
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
#: What a charger of 2.x says about a variable beside its value.
TRAITS = (
    "mutability",
    "is_persistent",
    "is_constant",
    "data_type",
    "unit",
    "min_limit",
    "max_limit",
    "max_elements",
    "values_list",
    "supports_monitoring",
)
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
    "set_status",
    "set_reason",
    "set_answered_at",
    *TRAITS,
]
_MAX_NAME = 50
#: Keys that an event names.
_MAX_TOLD = 50
_READ_COLUMNS = {True: "whole_read_at", False: "partly_read_at"}

Place = tuple[str, str, int, int, str, str, str]


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
    """One value that a charger tells; None: the charger did not say.

    key          of OCPP 1.6
    place        of 2.x, instead of a key
    is_readonly  None: the charger did not say, and nothing about the variable either
    traits       what it says about the variable, by column
    """

    key: str = ""
    place: VariableName | None = None
    value: str | None = None
    is_readonly: bool | None = False
    traits: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> VariableName:
        """Where it stands."""
        return self.place if self.place is not None else key_name(self.key)


@dataclass(slots=True, kw_only=True)
class Report:
    """What a charger tells at one moment, and what follows from it."""

    charge_point_id: int
    tenant_id: int
    identity: str
    last_boot_at: datetime | None
    at: datetime
    source: VariableSource
    command: Command | None
    changed: dict[Place, Variable] = field(default_factory=dict)
    history: list[ChangeRow] = field(default_factory=list)

    def note(self, row: Variable, kind: VariableChangeKind, old: str | None, new: str | None) -> None:
        """Keep in the history what became of a value."""
        self.history.append(
            ChangeRow(
                tenant_id=self.tenant_id,
                charge_point_id=self.charge_point_id,
                received_at=self.at,
                name=row.key,
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
        """The row is to be written."""
        row.updated_at = self.at
        self.changed[row.place.folded] = row

    def write(self) -> None:
        """Write rows and history, and tell what nobody here has ordered."""
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

    # --- what each line of an answer means ---

    def take_listed(self, entry: Entry, row: Variable | None, *, is_first: bool) -> None:
        """The charger has it, with this value; the first reading of all is no change of anything."""
        is_new = row is None or row.is_unknown or row.gone_at is not None
        row = row or self.new_row(entry.name)
        old = row.value
        for column, said in entry.traits.items():
            setattr(row, column, said)
        if entry.place is None:
            row.name = entry.name.name  # the spelling may have changed
        if entry.value is not None or not row.is_writeonly:
            row.value = shown(row.key, entry.value)
        if entry.is_readonly is not None:
            row.is_readonly = entry.is_readonly
        row.is_unknown, row.gone_at, row.read_at = False, None, self.at
        if row.reboot_required:
            # What was accepted "after a reboot" is pending until the charger has booted.
            row.reboot_required = not self._booted_since(row.set_at)
        self.keep(row)
        if is_new and not is_first:
            self.note(row, VariableChangeKind.ADDED, None, row.value)
        elif not is_new and old != row.value:
            self.note(row, VariableChangeKind.CHANGED, old, row.value)

    def _booted_since(self, at: datetime | None) -> bool:
        return self.last_boot_at is not None and at is not None and self.last_boot_at > at

    def take_unknown(self, name: VariableName, row: Variable | None) -> None:
        """The charger says that it has nothing of this name."""
        if not name.name:
            return
        was_known = row is not None and not row.is_unknown and row.gone_at is None
        row = row or self.new_row(name)
        row.is_unknown, row.read_at = True, self.at
        row.gone_at = row.gone_at or (self.at if was_known else None)
        self.keep(row)
        if was_known:
            self.note(row, VariableChangeKind.GONE, row.value, None)

    def take_gone(self, row: Variable) -> None:
        """The charger listed all that it has, and this is not in the list."""
        # Write-only keys are never listed; what we have set of them is all that is known.
        if row.gone_at is not None or row.is_unknown or (row.is_secret and row.read_at is None):
            return
        row.gone_at = self.at
        self.keep(row)
        self.note(row, VariableChangeKind.GONE, row.value, None)

    def take_set(
        self, name: VariableName, row: Variable | None, value: str, *, reboot_required: bool
    ) -> tuple[Variable, bool, str | None]:
        """The charger has taken a value from us: its row, whether it is new, and the value before."""
        is_new = row is None
        row = row or self.new_row(name)
        old, row.value = row.value, shown(row.key, value)
        row.reboot_required = row.needs_reboot = reboot_required
        row.set_at, row.gone_at, row.is_unknown = self.at, None, False
        self.keep(row)
        return row, is_new, old

    def note_set(self, row: Variable, *, is_new: bool, old: str | None) -> None:
        """Keep in the history that a value was taken; of a secret nobody can see whether it is another one."""
        if is_new or old != row.value or row.is_secret:
            kind = VariableChangeKind.ADDED if is_new else VariableChangeKind.CHANGED
            self.note(row, kind, old, row.value)

    def new_row(self, name: VariableName) -> Variable:
        """A row that does not exist yet, without a value."""
        return Variable(
            tenant_id=self.tenant_id,
            charge_point_id=self.charge_point_id,
            component=name.component,
            component_instance=name.component_instance,
            evse_number=name.evse,
            connector_number=name.connector,
            name=name.name,
            name_key=name.name.casefold()[:_MAX_NAME],
            instance=name.instance,
            attribute=name.attribute,
            is_secret=is_secret_name(name.key),
            updated_at=self.at,
        )


# --- reading and marking ---


def begin(
    charge_point_id: int, at: datetime | None, source: VariableSource, command: Command | None
) -> Report | None:
    """None for a charge point that was deleted meanwhile."""
    found = (
        ChargePoint.objects.filter(pk=charge_point_id)
        .values_list("tenant_id", "identity", "last_boot_at")
        .first()
    )
    if found is None:
        return None
    tenant_id, identity, last_boot_at = found
    return Report(
        charge_point_id=charge_point_id,
        tenant_id=tenant_id,
        identity=identity,
        last_boot_at=last_boot_at,
        at=at or timezone.now(),
        source=source,
        command=command,
    )


def source_of_read(command: Command | None) -> VariableSource:
    """Whether it was read because the charger has booted."""
    by = command.requested_by_name if command is not None and command.requested_by_id is None else ""
    return VariableSource.BOOT if by in (AFTER_BOOT, BOOT_SETTINGS) else VariableSource.READ


def known_rows(charge_point_id: int, names: Iterable[VariableName]) -> dict[Place, Variable]:
    """The rows of these names, whatever the case in which they are stored; one query."""
    wanted = {name.folded for name in names}
    rows = Variable.objects.filter(
        charge_point_id=charge_point_id, name_key__in={place[4][:_MAX_NAME] for place in wanted}
    )
    found = {row.place.folded: row for row in rows}
    return {place: row for place, row in found.items() if place in wanted}


def note_reading(report: Report, *, is_complete: bool) -> None:
    """Remember when all, or some, was read."""
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


def key_name(key: str) -> VariableName:
    """The name of a key of OCPP 1.6."""
    return VariableName(name=key.replace("\0", "")[:_MAX_NAME])


def shown(key: str, value: str | None) -> str | None:
    """A value as it may be stored in the open."""
    clean = redact_url(value.replace("\0", "")) if value is not None else None
    return MASK if clean and is_secret_name(key) else clean
