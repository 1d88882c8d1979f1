"""Monitors of chargers: the list of all, and the pages that set and remove them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import display
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, register, require
from chargepoints import errors
from chargepoints.admin.firmware_campaigns import charge_point_or_404
from chargepoints.admin.monitoring_forms import MonitorForm, initial_of
from chargepoints.admin.shared import ERRORS, charge_point_link
from chargepoints.charger_events import severity_name
from chargepoints.command_fields import SEND, SEND_DANGEROUS
from chargepoints.models import ChargePoint, Monitor
from chargepoints.services import monitoring

SENT = "The charger is asked; its answer appears among its commands."


def tab_url(charge_point: ChargePoint) -> str:
    """The tab of a charge point about its monitors."""
    return f"{reverse('admin:chargepoints_chargepoint_change', args=[charge_point.pk])}?tab=monitoring"


@register(Monitor)
class MonitorAdmin(ReadOnlyAdmin):
    permission_area = "monitors"
    domain_errors = ERRORS
    list_display = ("where", "monitor_id", "place", "what", "type", "value", "grave", "kind", "read_at")
    list_filter = ("type", "kind", "severity", ("charge_point", ScopedAutocompleteFilter))
    list_select_related = ("charge_point",)
    search_fields = ("charge_point__identity", "component", "variable")
    ordering = ("charge_point", "monitor_id")

    @display(description="Charge point")
    def where(self, obj: Monitor) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="Severity", ordering="severity")
    def grave(self, obj: Monitor) -> str:
        return f"{obj.severity} {severity_name(obj.severity)}"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("set/<int:pk>/", wrap(self.set_view), name="chargepoints_monitor_set"),
            path("remove/<int:pk>/", wrap(self.remove_view), name="chargepoints_monitor_remove"),
            *super().get_urls(),
        ]

    def set_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Set one monitor, or change the one that the query names."""
        station = charge_point_or_404(request, pk)
        require(request, SEND, station)
        old = _named(request, station)
        posted = request.POST if request.method == "POST" else None
        form = MonitorForm(station, posted, initial=initial_of(old) if old is not None else {})
        if posted is not None and form.is_valid() and self._set(request, station, form):
            return HttpResponseRedirect(tab_url(station))
        context = {
            "title": f"{'Change a monitor' if old is not None else 'Set a monitor'}: {station}",
            "lead": "The charger watches a variable and tells when something happens to it.",
            "form": form,
            "offered": form.offered,
            "submit": "Send",
            "back_url": tab_url(station),
        }
        return self.page(request, "admin/chargepoints/monitor/form.html", context)

    def _set(self, request: HttpRequest, station: ChargePoint, form: MonitorForm) -> bool:
        try:
            monitoring.set_monitors(
                actor=actor_of(request),
                charge_point=station,
                monitors=[form.payload()],
                expires_in=form.expires_in(),
            )
        except errors.InvalidPayload as error:
            for text in error.errors.values():
                name, _, problem = text.removeprefix("Entry 1, ").partition(": ")
                known = name in form.fields
                form.add_error(name if known else None, problem if known else text)
            return False
        except self.domain_errors as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, SENT)
        return True

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Remove the monitors that the query names, once that was confirmed."""
        station = charge_point_or_404(request, pk)
        require(request, SEND_DANGEROUS, station)
        asked = [int(number) for number in request.GET.getlist("monitor") if number.isdecimal()][:1000]
        rows = list(monitoring.monitors_of(station).filter(monitor_id__in=asked))
        if not rows:
            messages.warning(request, "Choose the monitors to remove first.")
            return HttpResponseRedirect(tab_url(station))
        if request.method == "POST" and self._remove(request, station, rows):
            return HttpResponseRedirect(tab_url(station))
        context = {
            "title": f"Remove monitors: {station}",
            "lead": f"{'; '.join(str(row) for row in rows[:20])}{' …' if len(rows) > 20 else ''}. "
            "The charger no longer tells what they watch.",
            "submit": "Remove",
            "is_dangerous": True,
            "back_url": tab_url(station),
        }
        return self.page(request, "admin/form_page.html", context)

    def _remove(self, request: HttpRequest, station: ChargePoint, rows: list[Monitor]) -> bool:
        return self.attempt(
            request,
            lambda: monitoring.clear_monitors(
                actor=actor_of(request),
                charge_point=station,
                monitor_ids=[row.monitor_id for row in rows],
            ),
            SENT,
        )


def _named(request: HttpRequest, station: ChargePoint) -> Monitor | None:
    """The monitor that the query names."""
    number = request.GET.get("monitor", "")
    if not number:
        return None
    row = monitoring.monitors_of(station).filter(monitor_id=int(number) if number.isdecimal() else -1).first()
    if row is None:
        raise Http404("There is no such monitor.")
    return row
