"""How chargers differ from what their templates want.

Everything is read in sets: for each thousand chargers one query for the chargers, their keys and what they were asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from accounts.models import Tenant
from chargepoints import configuring
from chargepoints.choices import CommandStatus, DriftState
from chargepoints.configuration_keys import is_same
from chargepoints.configuring import digest_of
from chargepoints.models import (
    ChargePoint,
    Command,
    ConfigurationEntry,
    ConfigurationState,
    ConfigurationTemplate,
    Variable,
    VariableRequest,
)
from chargepoints.redaction import MASK, is_secret_name
from chargepoints.services import profile_sources
from chargepoints.variable_names import VariableName, canonical, names_to_look_for
from chargepoints.wanted import Charger, Source, Value, Wanted, merge
from csms_project.common import crypto

CHUNK = 1000
_SENT = (CommandStatus.QUEUED, CommandStatus.SENT)
_REFUSED = (CommandStatus.REJECTED, CommandStatus.NOT_SUPPORTED)
#: What can be sent to put it right; refused values only when somebody asks for it.
SENDABLE = frozenset({DriftState.DIFFERS, DriftState.HIDDEN})

Loader = Callable[[Sequence[int]], dict[int, list[Source]]]
_loaders: list[Loader] = [profile_sources.load]


def register_sources(loader: Loader) -> None:
    """Add sources beside the templates: `loader(tenant ids)` returns them by tenant."""
    _loaders.append(loader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which chargers and keys a report is about; empty means all.

    at_boot  only keys whose winning source applies at boot, to chargers that have booted since it was changed
    """

    tenant: Tenant | None
    charge_points: Collection[int] | None = None
    location_id: int | None = None
    model: str = ""
    search: str = ""
    template_id: int | None = None
    states: frozenset[DriftState] = frozenset()
    at_boot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One key of one charger that is not, or not known to be, as it should be.

    actual  as the charger reported it; None where it is not known
    note    what is the matter, in words
    """

    charger: Charger
    wanted: Wanted
    actual: str | None
    state: DriftState
    note: str
    needs_reboot: bool = False

    @property
    def key(self) -> str:
        return self.wanted.value.key

    @property
    def shown_wanted(self) -> str:
        """The value that it should have, or the mask of a secret."""
        return MASK if self.wanted.value.is_secret else self.wanted.value.text

    @property
    def shown_actual(self) -> str:
        return MASK if self.wanted.value.is_secret and self.actual else self.actual or ""


@dataclass(slots=True, kw_only=True)
class Report:
    """All differences, and the sums over them.

    covered  chargers that a template wants something of
    in_line  those of them in which nothing differs
    """

    rows: list[Drift] = field(default_factory=list)
    covered: int = 0
    in_line: int = 0

    @property
    def by_state(self) -> Counter[DriftState]:
        return Counter(row.state for row in self.rows)


def report(scope: Scope) -> Report:
    """The differences of all chargers of the scope, by identity and key."""
    found = Report()
    for rows, wanted in _each(scope):
        if not wanted:
            continue
        found.covered += 1
        found.in_line += not rows
        found.rows += _chosen(rows, scope)
    return found


def differences(scope: Scope) -> Iterator[Drift]:
    """The same one after another, for files."""
    for rows, _ in _each(scope):
        yield from _chosen(rows, scope)


def covered(scope: Scope) -> set[int]:
    """The chargers of the scope of which anything is wanted."""
    rows = _charge_points(scope)
    merged: dict[tuple[Any, ...], dict[str, Wanted]] = {}
    sources, last, found = load_sources(_tenants(scope, rows)), "", set()
    while piece := _piece(rows, last):
        last = piece[-1][0].identity
        found |= {charger.pk for charger, booted in piece if _merged(charger, booted, sources, scope, merged)}
    return found


def wanted_of(charge_point: ChargePoint) -> tuple[dict[str, Wanted], list[Drift]]:
    """What one charger should have by folded name of the key, and where it differs."""
    scope = Scope(tenant=charge_point.tenant, charge_points=[charge_point.pk])
    for rows, wanted in _each(scope):
        return wanted, rows
    return {}, []


def load_sources(tenant_ids: Sequence[int]) -> dict[int, list[Source]]:
    """Templates in use and what other sources say, by tenant.

    A secret whose encryption key is gone is left out: nothing could be sent.
    """
    found: dict[int, list[Source]] = {pk: [] for pk in tenant_ids}
    templates = ConfigurationTemplate.objects.filter(tenant__in=tenant_ids, is_active=True)
    entries: dict[int, list[Value]] = {}
    for entry in ConfigurationEntry.objects.filter(template__in=templates).order_by("name_key"):
        if (value := value_of(entry)) is not None:
            entries.setdefault(entry.template_id, []).append(value)
    for row in templates:
        found[row.tenant_id].append(source_of(row, entries.get(row.pk, [])))
    for loader in _loaders:
        for tenant_id, sources in loader(tenant_ids).items():
            found[tenant_id] += sources
    return found


def tenants_at_boot() -> list[int]:
    """The tenants of which a source applies at boot."""
    templates = ConfigurationTemplate.objects.filter(is_active=True, apply_at_boot=True)
    found = set(templates.values_list("tenant", flat=True))
    everybody = list(Tenant.objects.values_list("pk", flat=True))
    for loader in _loaders:
        found |= {
            pk for pk, sources in loader(everybody).items() if any(source.apply_at_boot for source in sources)
        }
    return sorted(found)


def source_of(template: ConfigurationTemplate, values: Sequence[Value]) -> Source:
    """A template as the merge takes it."""
    return Source(
        label=template.name,
        values=tuple(values),
        vendor=template.vendor,
        model=template.model,
        firmware=template.firmware,
        location_id=template.location_id,
        priority=template.priority,
        apply_at_boot=template.apply_at_boot,
        since=template.updated_at,
        template_id=template.pk,
    )


def value_of(entry: ConfigurationEntry) -> Value | None:
    """An entry in the clear; None when its encryption key is gone."""
    if not entry.is_secret:
        return Value(key=entry.key, text=entry.value)
    try:
        return Value(key=entry.key, text=crypto.decrypt(entry.secret_value), is_secret=True)
    except crypto.InvalidToken:
        return None


# --- reading ---


class _Value(NamedTuple):
    """What is known of a key; rows of the ORM would cost three times as much."""

    charge_point_id: int
    component: str
    component_instance: str
    evse_number: int
    connector_number: int
    name: str
    instance: str
    attribute: str
    value: str | None
    is_readonly: bool
    is_unknown: bool
    gone_at: datetime | None
    reboot_required: bool
    needs_reboot: bool
    mutability: str

    @property
    def is_present(self) -> bool:
        return not self.is_unknown and self.gone_at is None

    @property
    def canonical(self) -> str:
        return canonical(
            VariableName(
                component=self.component,
                component_instance=self.component_instance,
                evse=self.evse_number,
                connector=self.connector_number,
                name=self.name,
                instance=self.instance,
                attribute=self.attribute,
            ).key
        )


@dataclass(slots=True)
class _Known:
    """What is known of the chargers of a chunk: values, when all were read, what was asked for last."""

    values: dict[tuple[int, str], _Value] = field(default_factory=dict)
    whole_read_at: dict[int, datetime] = field(default_factory=dict)
    requests: dict[tuple[int, str], VariableRequest] = field(default_factory=dict)
    commands: dict[int, Command] = field(default_factory=dict)


def _each(scope: Scope) -> Iterator[tuple[list[Drift], dict[str, Wanted]]]:
    """For each charger of the scope where it differs, and what it should have."""
    rows = _charge_points(scope)
    sources = load_sources(_tenants(scope, rows))
    merged: dict[tuple[Any, ...], dict[str, Wanted]] = {}
    last = ""
    while piece := _piece(rows, last):
        last = piece[-1][0].identity
        wanted = {charger.pk: _merged(charger, booted, sources, scope, merged) for charger, booted in piece}
        known = _known(
            [pk for pk, keys in wanted.items() if keys], {key for keys in wanted.values() for key in keys}
        )
        for charger, _ in piece:
            keys = wanted[charger.pk]
            found = (_judge(charger, key, keys[key], known) for key in sorted(keys))
            yield [row for row in found if row is not None], keys


def _tenants(scope: Scope, rows: QuerySet[Any]) -> list[int]:
    if scope.tenant is not None:
        return [scope.tenant.pk]
    return sorted(set(rows.values_list("tenant", flat=True)))


def _charge_points(scope: Scope) -> QuerySet[Any]:
    rows = ChargePoint.objects.for_tenant(scope.tenant).filter(archived_at=None)
    if scope.charge_points is not None:
        rows = rows.filter(pk__in=scope.charge_points)
    if scope.location_id is not None:
        rows = rows.filter(location_id=scope.location_id)
    if scope.model:
        rows = rows.filter(model__iexact=scope.model)
    if scope.search:
        rows = rows.filter(Q(identity__icontains=scope.search) | Q(name__icontains=scope.search))
    return rows.order_by()


def _piece(rows: QuerySet[Any], last: str) -> list[tuple[Charger, datetime | None]]:
    names = (
        "pk", "tenant_id", "identity", "name", "vendor", "model", "firmware_version", "location_id",
        "location__name", "model_profile_id", "built_in_profile", "auto_configure", "tenant__auto_configure",
        "last_boot_at",
    )  # fmt: skip
    page = rows.filter(identity__gt=last).order_by("identity").values(*names)[:CHUNK]
    return [(_charger(row), row["last_boot_at"]) for row in page]


def _charger(row: dict[str, Any]) -> Charger:
    own = row["auto_configure"]
    return Charger(
        pk=row["pk"],
        tenant_id=row["tenant_id"],
        identity=row["identity"],
        name=row["name"],
        vendor=row["vendor"],
        model=row["model"],
        firmware=row["firmware_version"],
        location_id=row["location_id"],
        location_name=row["location__name"] or "",
        profile=profile_sources.key_of(row["model_profile_id"], row["built_in_profile"]),
        auto_configure=row["tenant__auto_configure"] if own is None else own,
    )


def _merged(
    charger: Charger,
    booted: datetime | None,
    sources: dict[int, list[Source]],
    scope: Scope,
    merged: dict[tuple[Any, ...], dict[str, Wanted]],
) -> dict[str, Wanted]:
    kind = (
        charger.tenant_id, charger.vendor, charger.model, charger.firmware, charger.location_id, charger.profile,
    )  # fmt: skip
    if kind not in merged:
        merged[kind] = merge(sources.get(charger.tenant_id, ()), charger)
    keys = merged[kind]
    if scope.template_id is not None:
        keys = {key: value for key, value in keys.items() if value.source.template_id == scope.template_id}
    if scope.at_boot:
        keys = {key: value for key, value in keys.items() if _applies(value.source, charger, booted)}
    return keys


def _applies(source: Source, charger: Charger, booted: datetime | None) -> bool:
    if not source.apply_at_boot or booted is None or (source.only_if_auto and not charger.auto_configure):
        return False
    return source.since is None or source.since <= booted


def _known(charge_points: Sequence[int], keys: Collection[str]) -> _Known:
    found = _Known()
    if not charge_points:
        return found
    here = {"charge_point__in": charge_points, "name_key__in": keys}
    names = {name for key in keys for name in names_to_look_for(key)}
    rows = Variable.objects.filter(charge_point__in=charge_points, name_key__in=names)
    for value in map(_Value._make, rows.order_by().values_list(*_Value._fields)):
        place = (value.charge_point_id, value.canonical)
        # A charger that has changed its version may have both a key and the variable that means the same.
        if value.canonical in keys and (place not in found.values or value.is_present):
            found.values[place] = value
    states = ConfigurationState.objects.filter(charge_point__in=charge_points).exclude(whole_read_at=None)
    found.whole_read_at = dict(states.values_list("charge_point_id", "whole_read_at"))
    for request in VariableRequest.objects.filter(**here):
        found.requests[request.charge_point_id, request.name_key] = request
    numbers = [request.command_id for request in found.requests.values()]
    told = ("status", "summary", "completed_at")
    found.commands = {row.pk: row for row in Command.objects.filter(pk__in=numbers).only(*told)}
    return found


# --- judging ---


def _judge(charger: Charger, name_key: str, wanted: Wanted, known: _Known) -> Drift | None:
    """What is the matter with a key; None when it is as it should be."""
    row = known.values.get((charger.pk, name_key))
    request = known.requests.get((charger.pk, name_key))
    command = known.commands.get(request.command_id) if request is not None else None
    asked = command if request is not None and request.value_digest == digest_of(wanted.value.text) else None
    status = _status_of(request, asked)
    is_secret = wanted.value.is_secret or is_secret_name(wanted.value.key)
    is_secret = is_secret or (row is not None and row.mutability == "WriteOnly")
    actual = row.value if row is not None and row.is_present else None

    def drift(state: DriftState, note: str) -> Drift:
        needs_reboot = row is not None and row.needs_reboot
        return Drift(
            charger=charger, wanted=wanted, actual=actual, state=state, note=note, needs_reboot=needs_reboot
        )

    if is_secret:
        is_right = status == CommandStatus.ACCEPTED
    else:
        is_right = actual is not None and is_same(wanted.value.key, wanted.value.text, actual)
    if is_right:
        if row is not None and row.reboot_required:
            return drift(DriftState.REBOOT, "The charger has taken the value; it applies after a reboot.")
        return None
    if asked is not None and status in _SENT:
        return drift(DriftState.UNDER_WAY, f"Command {asked.pk} has not ended yet.")
    if row is not None and row.is_unknown:
        return drift(DriftState.UNKNOWN, "The charger says that it has no such key.")
    if (
        request is not None
        and asked is not None
        and status in _REFUSED
        and request.firmware_version == charger.firmware
    ):
        return drift(DriftState.REFUSED, _refusal(asked))
    if is_secret:
        return drift(
            DriftState.HIDDEN, "A secret cannot be read: it was never accepted from us in this form."
        )
    if row is None or row.gone_at is not None:
        if charger.pk not in known.whole_read_at:
            return drift(DriftState.UNREAD, "The configuration was never read as a whole: read it first.")
        return drift(DriftState.UNKNOWN, "The charger does not list this key.")
    if row.is_readonly:
        return drift(DriftState.READ_ONLY, "The charger takes no value for this key.")
    return drift(DriftState.DIFFERS, _last_try(asked, status))


def _status_of(request: VariableRequest | None, asked: Command | None) -> str | None:
    """How an order ended for this value: one order may be about many variables of 2.x."""
    if request is None or asked is None:
        return None
    if not request.result:
        return asked.status
    if request.result in configuring.TAKEN:
        return CommandStatus.ACCEPTED
    return CommandStatus.NOT_SUPPORTED if request.result in configuring.ABSENT else CommandStatus.REJECTED


def _last_try(command: Command | None, status: str | None) -> str:
    if command is None or status is None:
        return ""
    if status == CommandStatus.ACCEPTED:
        return f"The charger took the value by command {command.pk}, but reports another one."
    return f"The last try failed: command {command.pk}, {CommandStatus(status).label.lower()}."


def _refusal(command: Command) -> str:
    when = f" on {command.completed_at:%Y-%m-%d}" if command.completed_at else ""
    said = f": {command.summary}" if command.summary else "."
    return (
        f"Refused{when} (command {command.pk}){said} "
        "It is not sent again by itself until the template or the firmware changes."
    )


def _chosen(rows: list[Drift], scope: Scope) -> list[Drift]:
    return [row for row in rows if row.state in scope.states] if scope.states else rows
