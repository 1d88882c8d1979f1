"""Diagnostics and logs that chargers have uploaded, and the tab of a charge point about firmware and logs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, allowed, register, require
from chargepoints import errors, file_links
from chargepoints.admin.buttons import buttons
from chargepoints.admin.firmware_campaigns import charge_point_or_404, tab_url
from chargepoints.admin.firmware_forms import LogForm
from chargepoints.admin.firmware_shared import (
    fetch_text,
    log_chip,
    published_chip,
    size_text,
    steps_of,
    update_chip,
)
from chargepoints.admin.shared import ERRORS, charge_point_link
from chargepoints.admin.tabs import Tab
from chargepoints.admin.tabs import register as register_tab
from chargepoints.models import ChargePoint, FirmwareUpdate, LogRequest, PublishedFirmware
from chargepoints.services import log_requests
from csms_project.common import file_store
from csms_project.common.admin import TimeFilter
from csms_project.common.file_responses import file_response
from csms_project.common.models import Event

SHOWN = 30


@register(LogRequest)
class LogRequestAdmin(ReadOnlyAdmin):
    permission_area = "logs"
    domain_errors = ERRORS
    change_form_template = "admin/chargepoints/logrequest/page.html"
    list_display = ("created_at", "where", "kind", "state_column", "file_column", "requested_by_name")
    list_filter = ("state", "kind", ("charge_point", ScopedAutocompleteFilter), ("created_at", TimeFilter))
    list_select_related = ("charge_point",)
    search_fields = ("charge_point__identity", "charger_file_name")
    actions = ("cancel", "delete_files")

    @display(description="Charge point")
    def where(self, obj: LogRequest) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="State", ordering="state")
    def state_column(self, obj: LogRequest) -> str:
        return log_chip(obj)

    @display(description="File")
    def file_column(self, obj: LogRequest) -> str:
        if obj.has_file:
            return format_html(
                '<a class="cs-link" href="{}">{}</a> <span class="cs-sub">{}</span>',
                reverse("admin:chargepoints_logrequest_file", args=[obj.pk]),
                obj.download_name,
                size_text(obj.size),
            )
        return obj.url or "–"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/file/", wrap(self.file_view), name="chargepoints_logrequest_file"),
            path("ask/<int:pk>/", wrap(self.ask_view), name="chargepoints_logrequest_ask"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context["original"]
        context |= {
            "title": str(obj),
            "subtitle": None,
            "row": obj,
            "chip": log_chip(obj),
            "size": size_text(obj.size),
            "steps": steps_of(obj),
            "tab_url": tab_url(obj.charge_point),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """What was uploaded, to save: browsers neither show nor run it."""
        obj = self.find_or_404(request, str(pk))
        if not obj.has_file:
            raise Http404("There is no file.")
        try:
            location = file_store.path_of(log_requests.FOLDER, obj.stored_as)
            return file_response(request, location, name=obj.download_name, etag=obj.sha256)
        except FileNotFoundError:
            raise Http404("The file is missing.") from None

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a charger for diagnostics or a log."""
        station = charge_point_or_404(request, pk)
        require(request, "logs.change", station)
        posted = request.POST if request.method == "POST" else None
        form = LogForm(posted, initial={"kind": request.GET.get("kind", "")})
        if posted is not None and form.is_valid() and self._ask(request, station, form):
            return HttpResponseRedirect(tab_url(station))
        lead = (
            "The charger uploads the file; it may name people's tags. It appears on the page of the charger."
        )
        context = {
            "title": f"Ask for diagnostics or a log: {station}",
            "lead": f"{lead} {file_links.reach_warning(station)}".strip(),
            "form": form,
            "submit": "Ask",
            "back_url": tab_url(station),
        }
        return self.page(request, "admin/form_page.html", context)

    def _ask(self, request: HttpRequest, station: ChargePoint, form: LogForm) -> bool:
        given = form.cleaned_data
        try:
            log_requests.request_log(
                actor=actor_of(request),
                charge_point=station,
                kind=given["kind"],
                oldest_at=given["oldest_at"],
                latest_at=given["latest_at"],
                url=given["url"],
                expires_in=form.expires_in(),
            )
        except errors.Invalid as error:
            form.add_problems(error.errors)
            return False
        except self.domain_errors as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, "The charger is asked; the file appears below when it has arrived.")
        return True

    @admin.action(description="Cancel what has not come", permissions=["logs_change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[LogRequest]) -> None:
        actor = actor_of(request)
        rows = list(queryset.select_related("charge_point"))
        self.attempt_all(
            request,
            rows,
            lambda row: log_requests.cancel(actor=actor, request=row),
            done="{count} cancelled.",
        )

    @admin.action(description="Delete the files…", permissions=["logs_change"])
    def delete_files(self, request: HttpRequest, queryset: QuerySet[LogRequest]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            question = "The files are removed for good; the list keeps that they were here."
            return self.confirm(
                request, queryset, title="Delete the files", question=question, is_dangerous=True
            )
        actor = actor_of(request)
        rows = list(queryset.select_related("charge_point"))
        self.attempt_all(
            request,
            rows,
            lambda row: log_requests.delete_file(actor=actor, request=row),
            done="{count} deleted.",
        )
        return None

    def has_logs_change_permission(self, request: HttpRequest) -> bool:
        return allowed(request, "logs.change")


# ---------------------------------------------------------------- the tab


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    updates = FirmwareUpdate.objects.filter(charge_point=obj).select_related("campaign__file", "charge_point")
    may_update = allowed(request, "firmware.change", obj) and obj.archived_at is None
    may_see_logs = allowed(request, "logs.view", obj)
    logs = LogRequest.objects.filter(charge_point=obj).select_related("charge_point").order_by("-id")[:SHOWN]
    return {
        "since": _since(obj),
        "updates": [
            {"row": row, "chip": update_chip(row), "fetched": fetch_text(row), "steps": steps_of(row)}
            for row in updates.order_by("-id")[:SHOWN]
        ],
        "published": _published(obj),
        "buttons": buttons(request, obj, names=("publish_firmware", "unpublish_firmware")),
        "may_update": may_update,
        "may_ask": allowed(request, "logs.change", obj) and obj.archived_at is None,
        "may_see_logs": may_see_logs,
        "logs": [{"row": row, "chip": log_chip(row), "size": size_text(row.size)} for row in logs]
        if may_see_logs
        else [],
        "warning": file_links.reach_warning(obj) if may_update else "",
    }


def _published(obj: ChargePoint) -> list[dict[str, Any]]:
    """What a local controller was asked to publish, and how that stands."""
    rows = PublishedFirmware.objects.filter(charge_point=obj).select_related("command").order_by("-id")
    return [{"row": row, "chip": published_chip(row)} for row in rows[:SHOWN]]


def _since(obj: ChargePoint) -> Any:
    """When the charger first reported the version that it runs, as far as is remembered."""
    changes = Event.objects.filter(
        kind="charge_point.firmware_changed", object_id=str(obj.pk), tenant_id=obj.tenant_id
    )
    return changes.aggregate(at=Max("created_at"))["at"]


register_tab(
    Tab(
        name="firmware",
        title="Firmware and logs",
        permission="firmware.view",
        template="admin/chargepoints/chargepoint/firmware.html",
        context=_context,
        order=60,
    )
)
