"""Monitors of chargers: set, removed, chosen, and what their answers tell (2.x N02 to N06)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.transaction import atomic

from accounts.permissions import Actor
from chargepoints import commands, monitoring_limits
from chargepoints.command_specs import clean
from chargepoints.models import ChargePoint, Command, EventStream, Monitor, MonitoringState, MonitorResult
from chargepoints.monitoring_choices import MonitoringBase, MonitorKind

#: Monitors of one charger that are kept.
MAX_MONITORS = 2000
_KEY = ("charge_point", "monitor_id")
_TOLD = (
    "component", "component_instance", "evse_number", "connector_number", "variable", "variable_instance",
    "type", "value", "severity", "only_in_transaction",
)  # fmt: skip
_REPORTED = (*_TOLD, "kind", "read_at")
_SET = (*_TOLD, "kind", "stream_interval_s", "stream_values", "set_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorFacts:
    """One monitor as a charger or we name it.

    kind  "" where the charger does not say
    """

    component: str
    variable: str
    type: str
    value: str
    severity: int
    component_instance: str = ""
    variable_instance: str = ""
    evse_number: int = 0
    connector_number: int = 0
    only_in_transaction: bool = False
    monitor_id: int | None = None
    kind: str = ""
    stream_interval_s: int | None = None
    stream_values: int | None = None

    def fields(self) -> dict[str, Any]:
        """Those of `Monitor` that say what is watched."""
        return {name: getattr(self, name) for name in _TOLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResult:
    """What a charger answered about one monitor; `monitor_id` is its number if it was taken."""

    asked: MonitorFacts
    status: str
    reason: str = ""
    monitor_id: int | None = None


# ---------------------------------------------------------------- orders


@atomic
def set_monitors(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    monitors: Sequence[Mapping[str, Any]],
    expires_in: int | None = None,
) -> list[Command]:
    """Let a charger watch variables: as many commands as its limits need.

    monitors  as the command `set_variable_monitoring` takes them
    Raises    InvalidPayload, and what `commands.queue` raises
    """
    cleaned = clean("set_variable_monitoring", {"monitors": list(monitors)})["monitors"]
    return _in_pieces(actor, charge_point, "set_variable_monitoring", "monitors", cleaned, expires_in)


@atomic
def clear_monitors(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    monitor_ids: Iterable[int],
    expires_in: int | None = None,
) -> list[Command]:
    """Remove monitors: as many commands as the charger's limits need (N06.FR.04).

    Raises  InvalidPayload, and what `commands.queue` raises
    """
    given = [str(number) for number in dict.fromkeys(monitor_ids)]
    cleaned = clean("clear_variable_monitoring", {"monitor_ids": given})["monitor_ids"]
    return _in_pieces(actor, charge_point, "clear_variable_monitoring", "monitor_ids", cleaned, expires_in)


def _in_pieces(
    actor: Actor,
    charge_point: ChargePoint,
    action: str,
    name: str,
    items: Sequence[Any],
    expires_in: int | None,
) -> list[Command]:
    return [
        commands.queue(
            actor=actor,
            charge_point=charge_point,
            action=action,
            payload={name: piece},
            expires_in=expires_in,
        )
        for piece in monitoring_limits.in_pieces(charge_point, action, items)
    ]


# ---------------------------------------------------------------- what answers tell


def keep_results(command: Command, results: Sequence[SetResult], *, at: datetime) -> None:
    """Keep what a charger said to each monitor that it was asked to set: those it took are there now."""
    MonitorResult.objects.bulk_create([_result_row(command, result, at) for result in results])
    taken = {
        result.monitor_id: result
        for result in results
        if result.status == "Accepted" and result.monitor_id is not None
    }
    rows = [
        Monitor(
            tenant_id=command.tenant_id,
            charge_point_id=command.charge_point_id,
            monitor_id=number,
            **result.asked.fields(),
            kind=MonitorKind.CUSTOM,
            stream_interval_s=result.asked.stream_interval_s,
            stream_values=result.asked.stream_values,
            set_at=at,
        )
        for number, result in taken.items()
    ]
    Monitor.objects.bulk_create(rows, update_conflicts=True, unique_fields=_KEY, update_fields=_SET)


def _result_row(command: Command, result: SetResult, at: datetime) -> MonitorResult:
    told = result.asked.fields()
    del told["only_in_transaction"]
    return MonitorResult(
        tenant_id=command.tenant_id,
        charge_point_id=command.charge_point_id,
        received_at=at,
        **told,
        status=result.status[:24],
        reason=result.reason[:600],
        monitor_id=result.monitor_id,
        command_id=command.pk,
    )


def keep_cleared(command: Command, gone: Sequence[int]) -> None:
    """These monitors are no longer in the charger; it closes their streams by itself (N13.FR.05)."""
    Monitor.objects.filter(charge_point_id=command.charge_point_id, monitor_id__in=gone).delete()


def keep_base(command: Command, base: str, *, at: datetime) -> None:
    """The charger has activated a set of monitors; what that deletes is known, what it adds must be read (N03)."""
    _note(command, base=base, base_set_at=at)
    kinds = {
        MonitoringBase.FACTORY_DEFAULT: (MonitorKind.CUSTOM,),
        MonitoringBase.HARD_WIRED_ONLY: (MonitorKind.CUSTOM, MonitorKind.PRECONFIGURED),
    }.get(MonitoringBase(base), ())
    Monitor.objects.filter(charge_point_id=command.charge_point_id, kind__in=kinds).delete()


def keep_level(command: Command, severity: int, *, at: datetime) -> None:
    """The charger reports events of this severity and graver ones (N05)."""
    _note(command, level=severity, level_set_at=at)


def _note(command: Command, **values: Any) -> None:
    MonitoringState.objects.update_or_create(
        charge_point_id=command.charge_point_id, defaults={"tenant_id": command.tenant_id, **values}
    )


def keep_reported(
    tenant_id: int, charge_point_id: int, monitors: Sequence[MonitorFacts], *, at: datetime
) -> None:
    """Keep monitors as a charger reported them.  What it does not tell of them stays: who made them, their streams."""
    numbers = {item.monitor_id: item for item in monitors if item.monitor_id is not None}
    known = dict(
        Monitor.objects.filter(charge_point_id=charge_point_id, monitor_id__in=numbers).values_list(
            "monitor_id", "kind"
        )
    )
    room = MAX_MONITORS - Monitor.objects.filter(charge_point_id=charge_point_id).count()
    rows = []
    for number, item in numbers.items():
        if number not in known:
            room -= 1
            if room < 0:
                continue
        kind = item.kind or known.get(number, "")
        rows.append(
            Monitor(
                tenant_id=tenant_id,
                charge_point_id=charge_point_id,
                monitor_id=number,
                **item.fields(),
                kind=kind,
                read_at=at,
            )
        )
    Monitor.objects.bulk_create(rows, update_conflicts=True, unique_fields=_KEY, update_fields=_REPORTED)


# ---------------------------------------------------------------- reading


def monitors_of(charge_point: ChargePoint) -> QuerySet[Monitor]:
    """The monitors that a charger has as far as we know."""
    rows: QuerySet[Monitor] = Monitor.objects.filter(charge_point=charge_point)
    return rows.order_by("component", "evse_number", "connector_number", "variable", "monitor_id")


def state_of(charge_point: ChargePoint) -> MonitoringState | None:
    """What is known of its monitoring as a whole."""
    found: MonitoringState | None = MonitoringState.objects.filter(charge_point=charge_point).first()
    return found


def are_doubtful(charge_point: ChargePoint, state: MonitoringState | None) -> bool:
    """Whether the charger has booted since its monitors were read: their numbers may be others (N04.FR.19)."""
    if charge_point.last_boot_at is None:
        return False
    return state is None or state.read_at is None or state.read_at < charge_point.last_boot_at


def streams_of(charge_point: ChargePoint) -> QuerySet[EventStream]:
    """Its event streams, the open ones first."""
    rows: QuerySet[EventStream] = EventStream.objects.filter(charge_point=charge_point)
    return rows.order_by("-opened_at", "-id")
