"""Reports of monitors that come in parts (2.x N02), and those that follow a boot (N04.FR.19)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q
from django.db.transaction import atomic

from accounts.errors import AccountsError
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import RegistrationStatus
from chargepoints.models import ChargePoint, Command, Monitor, MonitoringReport, MonitoringState, Variable
from chargepoints.monitoring_choices import ReportState
from chargepoints.selectors import live_connections, may_be_told_unasked
from chargepoints.services import monitoring
from chargepoints.services.batch import Act, FromCharger, StationBatch
from chargepoints.services.monitoring import MonitorFacts
from csms_project.common import events

logger = logging.getLogger(__name__)

ACTIONS = ("get_monitoring_report", "GetMonitoringReport")
#: How long the next part of a report is waited for.
PATIENCE = timedelta(minutes=5)
#: How old the order may be that a report belongs to: numbers begin again some day.
_ORDER_AGE = timedelta(days=1)
_AFTER_BOOT = "monitors after boot"
#: A boot that is older gets no report: the next one does.
_WINDOW = timedelta(hours=1)
BATCH = 200
_EXPIRES_IN_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorsPart(FromCharger):
    """One NotifyMonitoringReport; it may be empty, and its numbering may begin anywhere."""

    request_id: int
    is_last: bool
    monitors: tuple[MonitorFacts, ...]


def decide_part(request: MonitorsPart, batch: StationBatch) -> None:
    """Keep the monitors of a part.  One that nobody asked for is kept as well; a repeat changes nothing.

    When the last part of a report of all monitors is here, those that it did not name are no longer in the charger.
    """
    at = request.received_at
    monitoring.keep_reported(request.tenant_id, request.charge_point_id, request.monitors, at=at)
    report = _report_of(request.charge_point_id, request.request_id, at)
    if report is None or report.ended_at is not None:
        return
    named = {item.monitor_id for item in request.monitors if item.monitor_id is not None}
    report.monitor_ids = sorted({*report.monitor_ids, *named})[: monitoring.MAX_MONITORS]
    report.parts += 1
    report.last_part_at = at
    report.state = ReportState.ARRIVING
    if request.is_last:
        _complete(report, ReportState.COMPLETE, at)
    report.save()


def _report_of(charge_point_id: int, request_id: int, now: datetime) -> MonitoringReport | None:
    """The report of this number; made from its order when the first part overtakes the answer to it."""
    rows = MonitoringReport.objects.filter(charge_point_id=charge_point_id, request_id=request_id)
    found: MonitoringReport | None = rows.filter(created_at__gt=now - _ORDER_AGE).order_by("-id").first()
    if found is not None:
        return found
    orders = Command.objects.filter(
        Q(payload__request_id=request_id) | Q(payload__requestId=request_id),
        charge_point_id=charge_point_id,
        action__in=ACTIONS,
        created_at__gt=now - _ORDER_AGE,
    )
    order = orders.order_by("-id").first()
    return _begin(order, request_id) if order is not None else None


def _begin(order: Command, request_id: int) -> MonitoringReport:
    payload = order.payload if isinstance(order.payload, dict) else {}
    criteria = payload.get("criteria") or payload.get("monitoringCriteria") or []
    variables = payload.get("variables") or payload.get("componentVariable") or []
    asked = [str(item) for item in criteria] + [_variable_text(item) for item in variables]
    return MonitoringReport.objects.create(
        tenant_id=order.tenant_id,
        charge_point_id=order.charge_point_id,
        command=order,
        request_id=request_id,
        is_whole=not asked,
        asked_for=", ".join(asked)[:300],
    )


def _variable_text(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    component, variable = item.get("component"), item.get("variable")
    names = (part.get("name") if isinstance(part, dict) else part for part in (component, variable))
    return " ".join(str(name) for name in (*names, item.get("evse")) if name)


def answered(command: Command, request_id: int, *, is_empty: bool, at: datetime) -> None:
    """A charger has agreed to report, or says that there is nothing that fits."""
    report = _report_of(command.charge_point_id, request_id, at)
    if report is None or report.ended_at is not None or not is_empty:
        return
    _complete(report, ReportState.EMPTY, at)
    report.save()


def _complete(report: MonitoringReport, state: ReportState, at: datetime) -> None:
    report.state, report.ended_at = state, at
    if not report.is_whole:
        return
    gone = Monitor.objects.filter(charge_point_id=report.charge_point_id)
    # Not what was set while the report was on its way.
    gone = gone.exclude(monitor_id__in=report.monitor_ids).exclude(set_at__gt=report.created_at)
    gone.delete()
    MonitoringState.objects.update_or_create(
        charge_point_id=report.charge_point_id, defaults={"tenant_id": report.tenant_id, "read_at": at}
    )


def end_late(now: datetime) -> int:
    """End the reports of which no further part has come; returns how many."""
    rows = MonitoringReport.objects.filter(ended_at=None, updated_at__lt=now - PATIENCE)
    found = list(rows.select_related("charge_point")[:BATCH])
    return sum(_end_late(row, now) for row in found)


@atomic
def _end_late(row: MonitoringReport, now: datetime) -> int:
    ended = MonitoringReport.objects.filter(pk=row.pk, ended_at=None, updated_at=row.updated_at)
    if not ended.update(state=ReportState.INCOMPLETE, ended_at=now):
        return 0
    events.record(
        "monitoring_report.incomplete",
        tenant_id=row.tenant_id,
        object_type="charge_point",
        object_id=row.charge_point_id,
        charge_point=row.charge_point.identity,
        data={"request_id": row.request_id, "parts": row.parts},
        at=now,
    )
    return 1


# ---------------------------------------------------------------- after a boot


def read_after_boots(now: datetime) -> int:
    """Let chargers report their monitors after a boot, where they are configured unasked; returns how many."""
    online = live_connections().filter(charge_point=OuterRef("pk"))
    has_monitors = Monitor.objects.filter(charge_point=OuterRef("pk"))
    watches = Variable.objects.filter(
        charge_point=OuterRef("pk"), component__in=("MonitoringCtrlr", "MonitoringCtrl"), gone_at=None
    )
    rows = (
        ChargePoint.objects.filter(
            may_be_told_unasked(),
            archived_at=None,
            registration_status=RegistrationStatus.ACCEPTED,
            last_boot_at__gt=now - _WINDOW,
        )
        .filter(Exists(online), Exists(has_monitors) | Exists(watches))
        .exclude(monitoring_state__read_for_boot_at=F("last_boot_at"))
        .order_by("last_boot_at", "pk")
    )
    return _read(list(rows[:BATCH]))


def _read(rows: Sequence[ChargePoint]) -> int:
    for row in rows:
        _read_one(row)
    return len(rows)


@atomic
def _read_one(row: ChargePoint) -> None:
    MonitoringState.objects.update_or_create(
        charge_point=row, defaults={"tenant_id": row.tenant_id, "read_for_boot_at": row.last_boot_at}
    )
    try:
        commands.queue(
            actor=Actor.system(_AFTER_BOOT),
            charge_point=row,
            action="get_monitoring_report",
            payload={},
            expires_in=_EXPIRES_IN_S,
        )
    except (errors.ChargePointsError, AccountsError) as error:
        logger.warning(
            "monitoring.after_boot_refused", extra={"charge_point": row.identity, "reason": str(error)}
        )


PART: Act[MonitorsPart, StationBatch] = Act(decide_part)
