"""Events that chargers report of their variables (2.x N07, N08): stored, paired with their end, made alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import charger_events as rules
from chargepoints.errors import AlreadyAcknowledged, EventIsOver
from chargepoints.models import ChargePoint, ChargerEvent, Monitor
from chargepoints.monitoring_choices import EventState
from chargepoints.redaction import MASK, is_secret_name
from chargepoints.services import status
from chargepoints.services.batch import Act, FromCharger, StationBatch
from chargepoints.services.status import StatusChange
from csms_project.common import audit, bulk
from csms_project.common.events import event

ACKNOWLEDGE = "charger_events.acknowledge"
#: Events of one message that are stored; the message log has all.
MAX_EVENTS = 500
_COLUMNS = (
    "id", "charge_point_id", "event_id", "at", "component", "component_instance", "evse_number", "connector_number",
    "variable", "variable_instance", "value", "is_cleared", "monitor_id", "state",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedEvent:
    """One EventDataType; `at` None: no usable time."""

    event_id: int
    at: datetime | None
    trigger: str
    component: str
    variable: str
    value: str
    component_instance: str = ""
    variable_instance: str = ""
    evse_number: int = 0
    connector_number: int = 0
    cause_id: int | None = None
    cleared: bool = False
    tech_code: str = ""
    tech_info: str = ""
    transaction_id: str = ""
    monitor_id: int | None = None
    kind: str = ""
    severity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsReport(FromCharger):
    """One part of NotifyEvent: it is complete in itself, and other parts may never come."""

    events: tuple[ReportedEvent, ...]


class _Known:
    """What is known of the events of a batch: what came before, what goes on, and the monitors that they name."""

    def __init__(self, batch: StationBatch) -> None:
        self._batch = batch
        self._numbers: set[tuple[int, int]] = set()
        self._monitor_keys: set[tuple[int, int]] = set()
        self._places: set[int] = set()
        self._loaded_places: set[int] = set()
        self._loaded: set[tuple[int, int]] = set()
        self._loaded_monitors: set[tuple[int, int]] = set()
        self._seen: set[tuple[Any, ...]] = set()
        self._monitors: dict[tuple[int, int], Monitor] = {}
        self._going_on: dict[int, list[ChargerEvent]] = {}

    def want(self, request: EventsReport) -> None:
        """What this message will be compared with."""
        place = request.charge_point_id
        for item in request.events:
            self._numbers.add((place, item.event_id))
            if item.monitor_id is not None:
                self._monitor_keys.add((place, item.monitor_id))
            if _touches_what_goes_on(item):
                self._places.add(place)

    def load(self) -> None:
        """At most three statements for a batch."""
        numbers = self._numbers - self._loaded
        self._loaded |= numbers
        if numbers:
            where: bulk.Where = {("charge_point_id", "event_id"): sorted(numbers)}
            self._seen.update(_identity(row) for row in bulk.load(ChargerEvent, _COLUMNS, where))
        keys = self._monitor_keys - self._loaded_monitors
        self._loaded_monitors |= keys
        if keys:
            names = ("id", "charge_point_id", "monitor_id", "severity", "kind")
            found = bulk.load(Monitor, names, {("charge_point_id", "monitor_id"): sorted(keys)})
            self._monitors.update({(row.charge_point_id, row.monitor_id): row for row in found})
        places = self._places - self._loaded_places
        self._loaded_places |= places
        if places:
            open_: bulk.Where = {"charge_point_id": places, "state": bulk.Is(EventState.OPEN.value)}
            for row in bulk.load(ChargerEvent, _COLUMNS, open_):
                self._going_on.setdefault(row.charge_point_id, []).append(row)

    def settle(self) -> None:
        """Nothing is held back: the unit of work writes it."""

    def store(self) -> None:
        """The same."""

    def is_repeat(self, row: ChargerEvent) -> bool:
        """Whether this very event came before."""
        identity = _identity(row)
        if identity in self._seen:
            return True
        self._seen.add(identity)
        return False

    def monitor(self, charge_point_id: int, monitor_id: int | None) -> Monitor | None:
        """The monitor of this number, as far as we know the charger's."""
        return self._monitors.get((charge_point_id, monitor_id)) if monitor_id is not None else None

    def end_earlier(self, row: ChargerEvent) -> None:
        """What went on of the same variable is over: it was cleared, or is reported anew."""
        kept = []
        for earlier in self._going_on.get(row.charge_point_id, ()):
            if earlier.variable_key == row.variable_key and _same_monitor(earlier, row):
                earlier.state, earlier.ended_at = EventState.ENDED, row.at
                self._batch.change(earlier, "state", "ended_at")
            else:
                kept.append(earlier)
        self._going_on[row.charge_point_id] = kept

    def goes_on(self, row: ChargerEvent) -> None:
        """A later event of this batch may end it."""
        self._going_on.setdefault(row.charge_point_id, []).append(row)


def _identity(row: ChargerEvent) -> tuple[Any, ...]:
    # Chargers give one number to several events, and begin again with 1 after a boot.
    return (
        row.charge_point_id,
        row.event_id,
        row.at,
        row.variable_key,
        row.value,
        row.is_cleared,
        row.monitor_id,
    )


def _same_monitor(earlier: ChargerEvent, row: ChargerEvent) -> bool:
    return None in (earlier.monitor_id, row.monitor_id) or earlier.monitor_id == row.monitor_id


def _touches_what_goes_on(item: ReportedEvent) -> bool:
    return (
        rules.is_over(item.variable, item.value, cleared=item.cleared)
        or rules.state_of(
            trigger=item.trigger, variable=item.variable, value=item.value, cleared=item.cleared
        )
        is EventState.OPEN
    )


def want_events(request: EventsReport, batch: StationBatch) -> None:
    """The charge point, and what the events may be about."""
    batch.want_charge_point(request.charge_point_id)
    batch.part(_Known).want(request)
    for change in _status_changes(request):
        status.want_status(change, batch)


def decide_events(request: EventsReport, batch: StationBatch) -> None:
    """Store the events of a part at once; a repeat changes nothing.

    AvailabilityState of a connector, of an EVSE and of the charging station is a status as StatusNotification has it.
    Spec: OCPP 2.0.1 N07, N08, G01
    """
    station, known = batch.charge_point(request.charge_point_id), batch.part(_Known)
    known.want(request)
    known.load()
    for item in request.events:
        row = _row(request, item, known, batch)
        if known.is_repeat(row):
            continue
        if _touches_what_goes_on(item):
            known.end_earlier(row)
        if row.state == EventState.OPEN:
            known.goes_on(row)
        row.is_alert = _is_alert(row, station.tenant)
        batch.add(row)
        if row.is_alert:
            _tell(request, station, row, batch)
        if (change := _status_change(request, item, batch)) is not None:
            status.decide_status(change, batch)


def _row(request: EventsReport, item: ReportedEvent, known: _Known, batch: StationBatch) -> ChargerEvent:
    monitor = known.monitor(request.charge_point_id, item.monitor_id)
    if monitor is not None and not monitor.kind and item.kind:
        monitor.kind = item.kind
        batch.change(monitor, "kind")
    return ChargerEvent(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        received_at=request.received_at,
        event_id=item.event_id,
        at=item.at or request.received_at,
        trigger=item.trigger,
        cause_id=item.cause_id,
        component=item.component,
        component_instance=item.component_instance,
        evse_number=item.evse_number,
        connector_number=item.connector_number,
        variable=item.variable,
        variable_instance=item.variable_instance,
        value=MASK if item.value and is_secret_name(item.variable) else item.value,
        is_cleared=item.cleared,
        tech_code=item.tech_code,
        tech_info=item.tech_info,
        transaction_ocpp_id=item.transaction_id,
        monitor_id=item.monitor_id,
        kind=item.kind,
        severity=item.severity
        if item.severity is not None
        else (monitor.severity if monitor is not None else None),
        state=rules.state_of(
            trigger=item.trigger, variable=item.variable, value=item.value, cleared=item.cleared
        ),
    )


def _is_alert(row: ChargerEvent, tenant: Tenant) -> bool:
    return rules.calls_for_a_person(
        component=row.component,
        variable=row.variable,
        value=row.value,
        trigger=row.trigger,
        cleared=row.is_cleared,
        severity=row.severity,
        up_to=tenant.alert_event_severity,
    )


def _tell(request: EventsReport, station: ChargePoint, row: ChargerEvent, batch: StationBatch) -> None:
    data = {
        "component": row.place,
        "variable": row.what,
        "value": row.value[:255],
        "severity": row.severity,
        "tech_code": row.tech_code,
        "tech_info": row.tech_info,
    }
    batch.add(
        event(
            "charger_event.alert",
            tenant_id=request.tenant_id,
            object_type="charge_point",
            object_id=request.charge_point_id,
            charge_point=station.identity,
            data=data,
            at=request.received_at,
        )
    )


# ---------------------------------------------------------------- status


def _status_changes(request: EventsReport) -> list[StatusChange]:
    return [
        _change(request, item, item.evse_number, item.connector_number or 1)
        for item in request.events
        if rules.tells_availability(item.component, item.variable)
    ]


def _status_change(request: EventsReport, item: ReportedEvent, batch: StationBatch) -> StatusChange | None:
    """The status that an event tells, if any; that of an EVSE is its connector's where it has one only."""
    if not rules.tells_availability(item.component, item.variable) or not item.value:
        return None
    number, within = item.evse_number, item.connector_number
    if item.component.casefold() == "chargingstation":
        number = 0
    elif not number or (not within and batch.places_of(request.charge_point_id, number) > 1):
        return None
    return _change(request, item, number, within or 1)


def _change(request: EventsReport, item: ReportedEvent, number: int, within: int) -> StatusChange:
    return StatusChange(
        charge_point_id=request.charge_point_id,
        tenant_id=request.tenant_id,
        received_at=request.received_at,
        message_id=request.message_id,
        ocpp_version=request.ocpp_version,
        connector_number=number,
        within=within,
        status=item.value[:16],
        info=item.tech_info[:255],
        vendor_error_code=item.tech_code[:50],
        at=item.at,
    )


# ---------------------------------------------------------------- people


@atomic
def acknowledge(*, actor: Actor, event: ChargerEvent) -> ChargerEvent:
    """Note that somebody has looked at an event; of an alert that is the end.

    Raises  PermissionRefused, AlreadyAcknowledged
    """
    require(actor, ACKNOWLEDGE, event)
    rows = ChargerEvent.objects.filter(pk=event.pk, acknowledged_at=None)
    now, name = timezone.now(), actor.name[:150]
    if not rows.update(acknowledged_at=now, acknowledged_by_name=name):
        raise AlreadyAcknowledged
    event.acknowledged_at, event.acknowledged_by_name = now, name
    audit.record(actor, ACKNOWLEDGE, event, changes={"event": [None, str(event)]})
    return event


@atomic
def end(*, actor: Actor, event: ChargerEvent) -> ChargerEvent:
    """Note that what an event reported is over: chargers do not clear what no monitor watches.

    Raises  PermissionRefused, EventIsOver
    """
    require(actor, ACKNOWLEDGE, event)
    now = timezone.now()
    rows = ChargerEvent.objects.filter(pk=event.pk, state=EventState.OPEN)
    if not rows.update(state=EventState.ENDED, ended_at=now):
        raise EventIsOver
    event.state, event.ended_at = EventState.ENDED, now
    audit.record(actor, "charger_events.end", event, changes={"event": [None, str(event)]})
    return event


def open_alerts(tenant: Tenant | None) -> QuerySet[ChargerEvent]:
    """Alerts that nobody has acknowledged, the newest first."""
    rows: QuerySet[ChargerEvent] = ChargerEvent.objects.for_tenant(tenant)
    return rows.filter(is_alert=True, acknowledged_at=None).order_by("-received_at", "-id")


def going_on(charge_point: ChargePoint, *, limit: int = 50) -> Sequence[ChargerEvent]:
    """What a charger has reported and not said to be over, the gravest first."""
    rows = ChargerEvent.objects.filter(charge_point=charge_point, state=EventState.OPEN)
    found = list(rows.order_by("-received_at", "-id")[:limit])
    return sorted(found, key=lambda row: rules.MAX_SEVERITY if row.severity is None else row.severity)


EVENTS: Act[EventsReport, StationBatch] = Act(decide_events, want_events)
