"""The admin's home: first steps, the state of the network, and what needs somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db.models import Count, DecimalField, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.admin_base import actor_of, allowed
from accounts.models import IdToken, Tenant
from chargepoints.admin.shared import ago, charge_point_link, connector_chip, own_status_chip
from chargepoints.choices import CertificateRequestState
from chargepoints.models import CertificateRequest, ChargePoint, Connector, FrameAnomaly, Location
from chargepoints.selectors import has_live_gateway, online_counts, refusals_for
from chargepoints.services import certificate_expiry, charger_events, security_alerts
from chargepoints.services.certificates import certificates_for
from csms_project.common.big_tables import every_tenant
from csms_project.common.charts import BarChart, bar_chart
from csms_project.health import layer_is_away
from transactions.admin.shared import kwh, money
from transactions.choices import TransactionState
from transactions.models import Transaction
from transactions.panels import rows_for
from transactions.selectors import active_transactions

CHART_DAYS = 14
_SHOWN = 10
_RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the first run."""

    title: str
    hint: str
    url: str
    is_done: bool
    may: bool


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with a link to where it comes from."""

    title: str
    value: str
    note: str
    url: str
    icon: str
    tone: str = "neutral"


def context(request: HttpRequest, base: dict[str, Any]) -> dict[str, Any]:
    """What the template of the home page needs (DASHBOARD_CALLBACK of the admin)."""
    tenant = actor_of(request).tenant
    steps = first_steps(request)
    return {
        **base,
        "title": "Home",
        "steps": steps if any(not step.is_done for step in steps) else [],
        "next_step": next((step for step in steps if not step.is_done), None),
        "chart": energy_chart(tenant),
        **live_context(request),
    }


def live(request: HttpRequest) -> HttpResponse:
    """The part that refreshes itself."""
    return render(request, "admin/home_live.html", live_context(request))


def live_context(request: HttpRequest) -> dict[str, Any]:
    """Tiles, active sessions and faults."""
    tenant = actor_of(request).tenant
    active = list(active_transactions(tenant).order_by("-started_at", "-id")[:_SHOWN])
    return {
        "notices": notices(),
        "tiles": tiles(request),
        "active": rows_for(active),
        "faults": faults(tenant),
        "alerts": alerts(request),
        "alerts_url": f"{_list('chargepoints_securityevent')}?alert=open",
        "sessions_url": f"{_list('transactions_transaction')}?state__exact=active",
        "charge_points_url": _list("chargepoints_chargepoint"),
        "now": timezone.now(),
    }


def notices() -> list[str]:
    """What makes the figures below old or wrong."""
    found = []
    if layer_is_away():
        found.append(
            "Redis does not answer, so the processes cannot notify each other. What is shown may be some seconds old; "
            "commands reach the chargers a second or two later."
        )
    if not has_live_gateway() and ChargePoint.objects.exists():
        found.append("No gateway process is running: no charger can be online.")
    return found


def first_steps(request: HttpRequest) -> list[Step]:
    """From an empty installation to the first charge; each step finds out itself whether it is done."""
    tenant = actor_of(request).tenant
    chargers: QuerySet[Any] = ChargePoint.objects.for_tenant(tenant)
    first = chargers.filter(archived_at=None).order_by("pk").first()
    key_url = (
        reverse("admin:chargepoints_chargepoint_change", args=[first.pk])
        if first is not None
        else _add("chargepoints_chargepoint")
    )
    may_set_up = allowed(request, "charge_points.change")
    return [
        Step(
            "Add a location",
            "The site where the chargers stand.",
            _add("chargepoints_location"),
            Location.objects.for_tenant(tenant).exists(),
            allowed(request, "locations.change"),
        ),
        Step(
            "Register a charger",
            "Its identity is the last part of the URL that it connects to.",
            _add("chargepoints_chargepoint"),
            first is not None,
            may_set_up,
        ),
        Step(
            "Type URL and key into the charger",
            "Its page shows the URL. The step is done when it has connected once.",
            key_url,
            chargers.exclude(last_seen_at=None).exists() or chargers.exclude(last_boot_at=None).exists(),
            may_set_up,
        ),
        Step(
            "Add the first RFID tag",
            "A charger accepts only tags that it is told about; “any token” is a setting of the organisation.",
            _add("accounts_idtoken"),
            IdToken.objects.for_tenant(tenant).exists(),
            allowed(request, "id_tokens.change"),
        ),
    ]


def tiles(request: HttpRequest) -> list[Tile]:
    """The figures of the moment."""
    tenant = actor_of(request).tenant
    counts = online_counts(tenant)
    since = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    running = _sessions(tenant).filter(state=TransactionState.ACTIVE)
    now = running.aggregate(count=Count("pk"), power=Sum("power_w"))
    sessions = _list("transactions_transaction")
    found = [
        Tile(
            "Chargers online",
            f"{counts.online} / {counts.total}",
            f"{counts.offline} offline" if counts.offline else ("all online" if counts.total else "none yet"),
            _list("chargepoints_chargepoint"),
            "ev_station",
            "ok" if counts.total and not counts.offline else "neutral",
        ),
        Tile(
            "Active sessions",
            str(now["count"]),
            "right now",
            f"{sessions}?state__exact=active",
            "bolt",
            "info" if now["count"] else "neutral",
        ),
        Tile("Power", f"{Decimal(now['power'] or 0) / 1000:,.1f} kW", "as last reported", sessions, "speed"),
        *_today(tenant, since, sessions),
    ]
    return [*found, *_attention(request, tenant)]


def _today(tenant: Tenant | None, since: datetime, url: str) -> list[Tile]:
    ended = _sessions(tenant).filter(state=TransactionState.ENDED, ended_at__gte=since)
    energy = ended.aggregate(energy=Sum("energy_wh"), count=Count("pk"))
    revenue = ended.exclude(cost=None).exclude(currency="").values("currency").annotate(total=Sum("cost"))
    amounts = [money(row["total"], row["currency"]) for row in revenue.order_by("currency")]
    empty = money(Decimal(0), tenant.currency) if tenant is not None else "–"
    note = f"{energy['count']} ended"
    return [
        Tile(
            "Energy today", f"{kwh(energy['energy'] or Decimal(0))} kWh", note, url, "battery_charging_full"
        ),
        Tile("Revenue today", " + ".join(amounts) or empty, "including VAT", url, "payments"),
    ]


def _attention(request: HttpRequest, tenant: Tenant | None) -> list[Tile]:
    found = []
    if allowed(request, "messages.view"):
        anomalies = FrameAnomaly.objects.for_tenant(tenant).filter(resolved_at=None)[:1000].count()
        found.append(
            Tile(
                "Open anomalies",
                _at_most(anomalies),
                "frames to look at" if anomalies else "all clear",
                f"{_list('chargepoints_frameanomaly')}?state=open",
                "warning",
                "warn" if anomalies else "ok",
            )
        )
        waiting = len(alerts(request))
        if waiting == _SHOWN:
            waiting = security_alerts.open_alerts(tenant)[:1000].count()
        found.append(
            Tile(
                "Security alerts",
                _at_most(waiting),
                "to look at" if waiting else "all clear",
                f"{_list('chargepoints_securityevent')}?alert=open",
                "shield",
                "bad" if waiting else "ok",
            )
        )
    if allowed(request, "charger_events.view"):
        waiting = charger_events.open_alerts(tenant)[:1000].count()
        found.append(
            Tile(
                "Alerts of chargers",
                _at_most(waiting),
                "to look at" if waiting else "all clear",
                f"{_list('chargepoints_chargerevent')}?alert=open",
                "notifications",
                "bad" if waiting else "ok",
            )
        )
    if allowed(request, "certificates.change"):
        found += _certificates(request)
    if allowed(request, "refusals.view"):
        recent = refusals_for(actor_of(request)).filter(last_at__gte=timezone.now() - _RECENT)[:1000].count()
        found.append(
            Tile(
                "Refused connections",
                _at_most(recent),
                "in the last 7 days" if recent else "none in 7 days",
                _list("chargepoints_refusedconnection"),
                "block",
                "warn" if recent else "ok",
            )
        )
    return found


def _certificates(request: HttpRequest) -> list[Tile]:
    """Only where somebody has something to do."""
    tenant, now = actor_of(request).tenant, timezone.now()
    waiting = CertificateRequest.objects.for_tenant(tenant).filter(state=CertificateRequestState.WAITING)
    rows = certificate_expiry.expiring(now).filter(pk__in=certificates_for(actor_of(request)).values("pk"))
    ending = [row for row in rows[:1000] if certificate_expiry.is_near(row, now)]
    found = []
    if count := waiting[:1000].count():
        url = f"{_list('chargepoints_certificaterequest')}?state__exact=waiting"
        found.append(
            Tile("Certificate requests", _at_most(count), "wait for approval", url, "verified", "warn")
        )
    if ending:
        url = f"{_list('chargepoints_certificate')}?o=5"
        found.append(Tile("Certificates", _at_most(len(ending)), "end soon", url, "event_busy", "warn"))
    return found


def alerts(request: HttpRequest) -> list[dict[str, Any]]:
    """The newest security alerts that nobody has acknowledged; read once for a page."""
    if not hasattr(request, "_alerts"):
        request._alerts = _read_alerts(request) if allowed(request, "messages.view") else []  # type: ignore[attr-defined]
    return cast("list[dict[str, Any]]", request._alerts)  # type: ignore[attr-defined]


def _read_alerts(request: HttpRequest) -> list[dict[str, Any]]:
    rows = security_alerts.open_alerts(actor_of(request).tenant).select_related("charge_point")[:_SHOWN]
    return [
        {
            "link": charge_point_link(row.charge_point),
            "type": row.type,
            "url": reverse("admin:chargepoints_securityevent_change", args=[row.pk]),
            "info": row.tech_info,
            "since": ago(row.received_at),
        }
        for row in rows
    ]


def faults(tenant: Tenant | None) -> list[dict[str, Any]]:
    """Chargers and connectors that report a fault, the latest first."""
    connectors = (
        Connector.objects.for_tenant(tenant)
        .filter(status="Faulted", charge_point__archived_at=None)
        .select_related("charge_point")
        .order_by("-status_received_at", "pk")[:_SHOWN]
    )
    chargers = ChargePoint.objects.for_tenant(tenant).filter(status="Faulted", archived_at=None)
    rows = [
        {
            "link": charge_point_link(row),
            "chip": own_status_chip(row),
            "problem": " ".join(filter(None, (row.error_code, row.status_info))),
            "since": ago(row.status_at),
        }
        for row in chargers.order_by("-status_at", "pk")[:_SHOWN]
    ]
    rows += [
        {
            "link": charge_point_link(row.charge_point),
            "chip": connector_chip(row.label, row.status),
            "problem": " ".join(filter(None, (row.error_code, row.vendor_error_code, row.status_info))),
            "since": ago(row.status_received_at),
        }
        for row in connectors
    ]
    return rows[:_SHOWN]


def energy_chart(tenant: Tenant | None) -> BarChart | None:
    """Energy of the sessions that ended on each of the last days; None where there was none."""
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in reversed(range(CHART_DAYS))]
    start = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=CHART_DAYS - 1
    )
    rows = (
        _sessions(tenant)
        .filter(state=TransactionState.ENDED, ended_at__gte=start)
        .annotate(day=TruncDate("ended_at"))
        .order_by()
        .values("day")
        .annotate(energy=Coalesce(Sum("energy_wh"), Decimal(0), output_field=DecimalField()))
    )
    by_day: Mapping[Any, Decimal] = {row["day"]: row["energy"] for row in rows}
    if not any(by_day.values()):
        return None
    values = [(f"{day:%d %b}", by_day.get(day, Decimal(0)) / 1000) for day in days]
    return bar_chart(f"Energy of the last {CHART_DAYS} days", values, unit="kWh")


def _sessions(tenant: Tenant | None) -> QuerySet[Any]:
    rows: QuerySet[Any] = Transaction.objects.for_tenant(tenant)
    return rows if tenant is not None else every_tenant(rows)


def _at_most(count: int) -> str:
    return "1,000+" if count >= 1000 else str(count)


def _list(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def _add(name: str) -> str:
    return reverse(f"admin:{name}_add")
