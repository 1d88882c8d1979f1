"""Tasks: orders to many chargers, how they stand, and what became of each charger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.views import ChangeList

from accounts.admin_base import ReadOnlyAdmin, actor_of, allowed, register, require
from chargepoints.admin.shared import ERRORS
from chargepoints.choices import FAILED_ITEM_STATUSES, FleetItemStatus, FleetTaskState
from chargepoints.command_specs import NEUTRAL, get_spec
from chargepoints.models import FleetTask, FleetTaskItem
from chargepoints.selectors import FleetCounts, fleet_counts, live_connections
from chargepoints.services import fleet
from csms_project.common.admin import TimeFilter, chip, duration
from csms_project.common.csv_files import csv_response

PAGE = 100
STATE_TONES = {
    FleetTaskState.WAITING: "neutral",
    FleetTaskState.RUNNING: "info",
    FleetTaskState.DONE: "ok",
    FleetTaskState.CANCELLED: "neutral",
    FleetTaskState.STOPPED: "bad",
}
ITEM_TONES = {
    FleetItemStatus.WAITING: "neutral",
    FleetItemStatus.UNDER_WAY: "info",
    FleetItemStatus.ACCEPTED: "ok",
    FleetItemStatus.REJECTED: "warn",
    FleetItemStatus.NOT_SUPPORTED: "warn",
    FleetItemStatus.CANCELLED: "neutral",
}
_COLUMNS = (
    "charge_point",
    "command",
    "status",
    "outcome",
    "attempt",
    "started_at",
    "ended_at",
    "command_id",
)


def task_url(task: FleetTask) -> str:
    """The page of a task."""
    return reverse("admin:chargepoints_fleettask_change", args=[task.pk])


def state_chip(task: FleetTask) -> SafeString:
    """How a task stands; why it was stopped is in its title."""
    label = task.get_state_display()
    if task.is_open and not task.may_be_cancelled:
        label = f"{label}, waiting for answers"
    return chip(label, STATE_TONES[FleetTaskState(task.state)], title=task.end_reason)


def item_chip(status: str, *, count: int | None = None) -> SafeString:
    """How an order stands, or how many do."""
    label = FleetItemStatus(status).label
    shown = label if count is None else f"{count} {label.lower()}"
    return chip(shown, ITEM_TONES.get(FleetItemStatus(status), "bad"))


def progress_bar(counts: FleetCounts) -> SafeString:
    """Accepted, failed and cancelled orders as parts of a bar."""
    total = counts.total or 1
    parts = [("ok", counts.accepted), ("bad", counts.failed), ("neutral", counts.cancelled)]
    return render_to_string(
        "admin/chargepoints/fleettask/progress.html",
        {
            "parts": [(tone, f"{100 * count / total:.2f}") for tone, count in parts if count],
            "percent": 100 * counts.ended // total,
            "ended": counts.ended,
            "total": counts.total,
        },
    )


class AskedByFilter(admin.SimpleListFilter):
    """Who has started tasks."""

    title = "started by"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = FleetTask.objects.for_tenant(actor_of(request).tenant).exclude(requested_by_name="")
        names = rows.order_by("requested_by_name").values_list("requested_by_name", flat=True)
        return [(name, name) for name in names.distinct()[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(requested_by_name=self.value()) if self.value() else queryset


class TaskList(ChangeList):
    """The list, with the counts of its tasks."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        counts = fleet_counts(rows)
        for row in rows:
            row.counts = counts[row.pk]
        self.result_list = rows


@register(FleetTask)
class FleetTaskAdmin(ReadOnlyAdmin):
    permission_area = "commands"
    domain_errors = ERRORS
    change_form_template = "admin/chargepoints/fleettask/page.html"
    list_display = ("number", "state_column", "progress", "outcomes", "created_at", "asked_by")
    list_filter = ("state", AskedByFilter, "requested_via", ("created_at", TimeFilter))
    search_fields = ("title", "requested_by_name")
    search_help_text = "Title or who started it"
    # The page is our own: the form behind it has nothing to show.
    fields = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TaskList

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ()

    @display(description="Task", ordering="id")
    def number(self, obj: FleetTask) -> str:
        return format_html('{} <span class="cs-sub">#{}</span>', obj.title, obj.pk)

    @display(description="State", ordering="state")
    def state_column(self, obj: FleetTask) -> str:
        return state_chip(obj)

    @display(description="Progress")
    def progress(self, obj: Any) -> str:
        return progress_bar(obj.counts)

    @display(description="Outcomes")
    def outcomes(self, obj: Any) -> str:
        chips = ((item_chip(status, count=count),) for status, count in _in_order(obj.counts))
        return format_html('<span class="cs-chips">{}</span>', format_html_join(" ", "{}", chips))

    @display(description="Started by", ordering="requested_by_name")
    def asked_by(self, obj: FleetTask) -> str:
        via = obj.get_requested_via_display()
        return format_html('{} <span class="cs-sub">{}</span>', obj.requested_by_name or "–", via)

    # ------------------------------------------------------------ pages

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/live/", self.live_view, name="chargepoints_fleettask_live"),
            path("<int:pk>/retry/", wrap(self.retry_view), name="chargepoints_fleettask_retry"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="chargepoints_fleettask_cancel"),
            path("<int:pk>/export/", wrap(self.export_view), name="chargepoints_fleettask_export"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context["original"]
        context |= {"title": str(obj), "subtitle": None, **_context(request, obj)}
        return super().render_change_form(request, context, *args, **kwargs)

    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What changes while a task runs: the head, and beside it the orders."""
        if not self.admin_site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        obj = self.find_or_404(request, str(pk))
        context = {**_context(request, obj), "with_items": True}
        response = render(request, "admin/chargepoints/fleettask/live.html", context)
        if not obj.is_open:
            # The page goes on asking until it is loaded anew.
            response["HX-Refresh"] = "true"
        return response

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then send the failed orders again; with `cancelled` those that were never sent too."""
        obj = self.find_or_404(request, str(pk))
        _require(request, obj)
        with_cancelled = "cancelled" in request.GET
        lead = (
            "Each order that failed is sent again, with the task's settings. Those that were accepted stay."
        )
        if with_cancelled:
            lead = "What failed and what was called off before it was sent is sent again, with the task's settings."

        def act() -> None:
            fleet.retry_failed(actor=actor_of(request), task=obj, with_cancelled=with_cancelled)

        title = f"Send again: {obj}" if with_cancelled else f"Retry the failed: {obj}"
        return self._ask(request, obj, title=title, lead=lead, act=act, done="They are sent again.")

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then call off what was not sent yet."""
        obj = self.find_or_404(request, str(pk))
        _require(request, obj)
        lead = "What was not sent yet is called off. What was sent cannot be taken back; its outcome still appears."

        def act() -> None:
            fleet.cancel_task(actor=actor_of(request), task=obj)

        return self._ask(
            request,
            obj,
            title=f"Cancel what waits: {obj}",
            lead=lead,
            act=act,
            done="What waited is cancelled.",
        )

    def _ask(
        self,
        request: HttpRequest,
        obj: FleetTask,
        *,
        title: str,
        lead: str,
        act: Callable[[], None],
        done: str,
    ) -> HttpResponse:
        if request.method == "POST":
            self.attempt(request, act, done)
            return HttpResponseRedirect(task_url(obj))
        specs = [get_spec(action) for action in obj.actions]
        context = {
            "title": title,
            "lead": lead,
            "submit": title.partition(":")[0],
            "is_dangerous": any(spec.dangerous for spec in specs),
            "back_url": task_url(obj),
        }
        return self.page(request, "admin/form_page.html", context)

    def export_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The orders of the page's filter as CSV; times in the tenant's zone with their offset."""
        obj = self.find_or_404(request, str(pk))
        rows = _chosen_items(request, obj).select_related("charge_point").iterator(chunk_size=1000)
        zone = timezone.get_current_timezone()

        def at(moment: Any) -> str:
            return moment.astimezone(zone).isoformat(timespec="seconds") if moment else ""

        lines = (
            [
                row.charge_point.identity,
                row.action,
                row.status,
                row.outcome,
                row.attempt,
                at(row.started_at),
                at(row.ended_at),
                row.command_id or "",
            ]
            for row in rows
        )
        return csv_response(request, f"task-{obj.pk}.csv", _COLUMNS, lines)


# --- parts of the page ---


def _require(request: HttpRequest, obj: FleetTask) -> None:
    for action in obj.actions:
        require(request, get_spec(action).permission, obj)


def _in_order(counts: FleetCounts) -> list[tuple[str, int]]:
    """The counts in the order of the statuses, without zeros."""
    known = [(status.value, counts.by_status.get(status, 0)) for status in FleetItemStatus]
    return [(status, count) for status, count in known if count]


def _chosen_items(request: HttpRequest, obj: FleetTask) -> QuerySet[FleetTaskItem]:
    """The orders that the page's filter and search leave."""
    rows: QuerySet[FleetTaskItem] = FleetTaskItem.objects.filter(task=obj).order_by("pk")
    wanted = request.GET.get("status", "")
    if wanted == "failed_any":
        rows = rows.filter(status__in=FAILED_ITEM_STATUSES)
    elif wanted in FleetItemStatus.values:
        rows = rows.filter(status=wanted)
    if text := request.GET.get("q", "").strip():
        rows = rows.filter(Q(charge_point__identity__icontains=text) | Q(charge_point__name__icontains=text))
    return rows


def _context(request: HttpRequest, obj: FleetTask) -> dict[str, Any]:
    counts = fleet_counts([obj])[obj.pk]
    has_several = counts.total > obj.items.order_by().values("charge_point").distinct().count()
    may_send = all(allowed(request, get_spec(action).permission, obj) for action in obj.actions)
    return {
        "task": obj,
        "state": state_chip(obj),
        "progress": progress_bar(counts),
        "counts": counts,
        "facts": _facts(obj, with_arguments=not has_several),
        "has_several": has_several,
        "may_retry": may_send and bool(counts.failed),
        "may_send_rest": may_send and bool(counts.cancelled) and not obj.is_open,
        "may_cancel": may_send and obj.may_be_cancelled,
        "now": timezone.now(),
        **_items_context(request, obj, counts),
    }


def _items_context(request: HttpRequest, obj: FleetTask, counts: FleetCounts) -> dict[str, Any]:
    status, text = request.GET.get("status", ""), request.GET.get("q", "").strip()
    page = max(1, int(given)) if (given := request.GET.get("p", "1")).isdecimal() and len(given) < 6 else 1
    online = Exists(live_connections().filter(charge_point=OuterRef("charge_point")))
    rows = _chosen_items(request, obj).select_related("charge_point").annotate(is_online=online)
    found = list(rows[(page - 1) * PAGE : page * PAGE + 1])
    kept = {name: value for name, value in (("status", status), ("q", text)) if value}
    return {
        "items": [
            {"row": row, "chip": item_chip(row.status), "arguments": arguments_of(row)}
            for row in found[:PAGE]
        ],
        "filters": _filters(counts, status, text),
        "status": status,
        "query": text,
        "query_string": urlencode(kept | ({"p": str(page)} if page > 1 else {})),
        "export_query": urlencode(kept),
        "previous_page": urlencode(kept | {"p": str(page - 1)}) if page > 1 else "",
        "next_page": urlencode(kept | {"p": str(page + 1)}) if len(found) > PAGE else "",
    }


def _filters(counts: FleetCounts, status: str, text: str) -> list[dict[str, Any]]:
    """Links that choose orders by how they stand."""
    offered = [("", f"All {counts.total}")]
    if counts.failed:
        offered.append(("failed_any", f"All failed {counts.failed}"))
    offered += [(name, f"{FleetItemStatus(name).label} {count}") for name, count in _in_order(counts)]
    return [
        {
            "label": label,
            "is_active": name == status,
            "query": urlencode({key: value for key, value in (("status", name), ("q", text)) if value}),
        }
        for name, label in offered
    ]


def _facts(obj: FleetTask, *, with_arguments: bool) -> list[tuple[str, Any]]:
    """How the task was ordered; the arguments are those of the first order."""
    labels = [NEUTRAL[action].label if action in NEUTRAL else action for action in obj.actions]
    facts: list[tuple[str, Any]] = [("Command", ", ".join(labels))]
    first = obj.items.order_by("pk").only("payload").first() if with_arguments else None
    if first is not None and first.payload:
        facts.append(("Arguments", arguments_of(first)))
    facts += [
        ("Started by", f"{obj.requested_by_name or '–'} ({obj.get_requested_via_display()})"),
        ("Ordered", obj.created_at),
    ]
    if obj.not_before is not None:
        facts.append(("Not before", obj.not_before))
    facts.append(("Began", obj.started_at or "–"))
    facts.append(("Ended", obj.ended_at or "–"))
    if obj.started_at is not None:
        facts.append(("Duration", duration((obj.ended_at or timezone.now()) - obj.started_at)))
    facts.append(("Chargers at a time", obj.batch_size or "all"))
    waits = "fail at once" if obj.expires_in is None else f"waited for {_span(obj.expires_in)}"
    facts.append(("Offline chargers", waits))
    if obj.stop_failure_rate is not None:
        facts.append(("Stops when", f"more than {obj.stop_failure_rate:.0%} fail"))
    return facts


def arguments_of(item: FleetTaskItem) -> str:
    """The arguments of an order, on one line."""
    parts = (f"{name}: {value}" for name, value in item.payload.items())
    return Truncator(", ".join(parts)).chars(150)


def _span(seconds: int) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            count = seconds // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} s"
