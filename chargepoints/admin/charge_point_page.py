"""The page of one charge point: live state, commands, configuration, messages, settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, require
from chargepoints import commands
from chargepoints.admin.command_forms import CommandForm, RawForm
from chargepoints.admin.refusals import shown_once
from chargepoints.admin.shared import (
    REGISTRATION_TONES,
    ago,
    command_chip,
    connector_chip,
    ocpp_url,
    online_dot,
    own_status_chip,
    reservation_chip,
)
from chargepoints.choices import RegistrationStatus
from chargepoints.command_fields import SEND, SEND_DANGEROUS, CommandSpec
from chargepoints.command_specs import GROUPS, NEUTRAL
from chargepoints.errors import InvalidPayload
from chargepoints.models import (
    ChargePoint,
    Command,
    DataTransfer,
    OcppMessage,
    Reservation,
    SecurityEvent,
    StatusEvent,
    StatusReport,
)
from chargepoints.models.events import LogRow
from chargepoints.selectors import charge_points_with_status, variables_of
from chargepoints.services import stations
from csms_project.common import panels
from csms_project.common.admin import chip

RAW = CommandSpec(
    action="raw",
    label="OCPP message",
    description="Send an OCPP message as it is, after its schema check. For what has no form of its own.",
    dangerous=True,
    permission=SEND_DANGEROUS,
    confirm="Send this message as it is?",
)
#: Steps in the life of a charge point: label, question, service, permission, whether it may do harm.
STEPS = {
    "accept": (
        "Accept",
        "Its next boot is answered Accepted.",
        stations.accept,
        "charge_points.change",
        False,
    ),
    "reject": (
        "Reject",
        "Its next boot is answered Rejected: it can no longer charge.",
        stations.reject,
        "charge_points.change",
        True,
    ),
    "archive": (
        "Archive",
        "It can no longer connect. Its sessions stay.",
        stations.archive,
        "charge_points.archive",
        True,
    ),
    "unarchive": (
        "Take out of the archive",
        "It may connect again.",
        stations.unarchive,
        "charge_points.archive",
        False,
    ),
}


class ChargePointPages(TenantModelAdmin):
    """Views of one charge point besides its form."""

    change_form_template = "admin/chargepoints/chargepoint/page.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/live/", self.live_view, name="chargepoints_chargepoint_live"),
            path(
                "<int:pk>/command/<slug:action>/",
                wrap(self.command_view),
                name="chargepoints_chargepoint_command",
            ),
            path("<int:pk>/key/", wrap(self.key_view), name="chargepoints_chargepoint_key"),
            path("<int:pk>/step/<slug:step>/", wrap(self.step_view), name="chargepoints_chargepoint_step"),
            *super().get_urls(),
        ]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        if obj is not None:
            tabs = [(name, title) for name, title, permission in TABS if allowed(request, permission)]
            asked = "settings" if request.method == "POST" else request.GET.get("tab", "overview")
            tab = asked if asked in dict(tabs) else "overview"
            context |= {"tabs": tabs, "tab": tab, "title": str(obj), "subtitle": None}
            context |= self._header(request, obj) | self._tab(request, obj, tab)
        else:
            context["tab"] = "settings"
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _header(self, request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
        return {
            "charge_point": obj,
            "ocpp_url": ocpp_url(request, obj.identity),
            "may_change": allowed(request, "charge_points.change", obj),
            "may_archive": allowed(request, "charge_points.archive", obj),
            **live_context(request, obj),
        }

    def _tab(self, request: HttpRequest, obj: ChargePoint, tab: str) -> dict[str, Any]:
        match tab:
            case "overview":
                return {"panels": _panels(request, obj, live=False), "buttons": buttons(request, obj)}
            case "commands":
                rows = list(Command.objects.filter(charge_point=obj).order_by("-id")[:50])
                return {"commands": _with_chips(rows), "groups": button_groups(request, obj)}
            case "reservations":
                return {
                    "reservations": _reservations(obj),
                    "may_send": allowed(request, SEND, obj) and obj.archived_at is None,
                    "buttons": buttons(request, obj, names=("reserve_now", "cancel_reservation")),
                }
            case "configuration":
                return {"variables": list(variables_of(obj)[:500])}
            case "messages":
                return {"log": _newest(OcppMessage, obj, 50)}
            case "events":
                return {
                    "status_events": _newest(StatusEvent, obj, 50),
                    "security_events": _newest(SecurityEvent, obj, 20),
                    "reports": _newest(StatusReport, obj, 20),
                    "transfers": _newest(DataTransfer, obj, 20),
                }
        return {}

    # ------------------------------------------------------------ views

    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part that refreshes itself.  Whose session has ended is sent to the login by a reload."""
        if not self.admin_site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        obj = self.find_or_404(request, str(pk))
        return render(request, "admin/chargepoints/chargepoint/live.html", self._header(request, obj))

    def command_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Ask for the arguments of a command and queue it."""
        obj = self.find_or_404(request, str(pk))
        spec = RAW if action == "raw" else NEUTRAL.get(action)
        if spec is None:
            raise Http404("There is no such command.")
        require(request, spec.permission, obj)
        form_class = RawForm if action == "raw" else CommandForm
        form = form_class(spec, request.POST if request.method == "POST" else None, initial=_asked(request))
        if request.method == "POST" and form.is_valid() and self._queue(request, obj, form):
            url = reverse("admin:chargepoints_chargepoint_change", args=[obj.pk])
            return HttpResponseRedirect(f"{url}?tab=commands")
        context = {
            "title": f"{spec.label}: {obj}",
            "lead": spec.description,
            "form": form,
            "submit": "Send",
            "is_dangerous": spec.dangerous,
            "back_url": reverse("admin:chargepoints_chargepoint_change", args=[obj.pk]),
        }
        return self.page(request, "admin/form_page.html", context)

    def _queue(self, request: HttpRequest, obj: ChargePoint, form: CommandForm) -> bool:
        action = form.cleaned_data.get("ocpp_action") or form.spec.action
        try:
            command = commands.queue(
                actor=actor_of(request),
                charge_point=obj,
                action=action,
                payload=form.payload(),
                expires_in=form.expires_in(),
            )
        except InvalidPayload as error:
            form.add_problems(error.errors)
            return False
        except self.domain_errors as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, f"{command} is queued; its outcome appears below.")
        return True

    def key_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a new key and show it once."""
        obj = self.find_or_404(request, str(pk))
        require(request, "charge_points.change", obj)
        if request.method == "POST":
            key = stations.rotate_key(actor=actor_of(request), charge_point=obj)
            return shown_once(self, request, obj, key)
        context = {
            "title": f"New key for {obj}",
            "lead": "The present key ends at once: the charger is refused until the new one is typed in. "
            "To change the key of a connected charger, send “Change configuration” with AuthorizationKey instead.",
            "submit": "Make a new key",
            "is_dangerous": True,
            "back_url": reverse("admin:chargepoints_chargepoint_change", args=[obj.pk]),
        }
        return self.page(request, "admin/form_page.html", context)

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """Accept, reject, archive or take out of the archive."""
        if step not in STEPS:
            raise Http404("There is no such step.")
        label, question, act, permission, is_dangerous = STEPS[step]
        obj = self.find_or_404(request, str(pk))
        require(request, permission, obj)
        url = reverse("admin:chargepoints_chargepoint_change", args=[obj.pk])
        if request.method == "POST":
            actor = actor_of(request)
            self.attempt(request, lambda: act(actor=actor, charge_point=obj), f"{label}: done.")
            return HttpResponseRedirect(url)
        context = {
            "title": f"{label}: {obj}",
            "lead": question,
            "submit": label,
            "is_dangerous": is_dangerous,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)


#: Name, title and the permission that a tab needs.
TABS = (
    ("overview", "Overview", "charge_points.view"),
    ("commands", "Commands", "commands.view"),
    ("reservations", "Reservations", "reservations.view"),
    ("configuration", "Configuration", "variables.view"),
    ("messages", "Messages", "messages.view"),
    ("events", "Status and events", "charge_points.view"),
    ("settings", "Settings", "charge_points.view"),
)
_ON_OVERVIEW = (
    "remote_start",
    "unlock_connector",
    "reset",
    "change_availability",
    "trigger_message",
    "get_configuration",
)


def live_context(request: HttpRequest, obj: Any) -> dict[str, Any]:
    """State of a charge point as the live part shows it; reads what is not there yet."""
    if not hasattr(obj, "is_online"):
        obj = charge_points_with_status(None).get(pk=obj.pk)
    connection = getattr(obj, "connection", None) if obj.is_online else None
    running = [
        {
            "connector": connector,
            "chip": connector_chip(connector.ocpp_number, connector.status, error_code=connector.error_code),
            "since": ago(connector.status_received_at) if connector.status_received_at else "",
        }
        for connector in obj.connectors.all()
    ]
    last = Command.objects.filter(charge_point=obj).order_by("-id").first()
    return {
        "charge_point": obj,
        "dot": online_dot(obj.is_online),
        "connection": connection,
        "seen": ago(obj.last_seen_at),
        "booted": ago(obj.last_boot_at),
        "registration": chip(
            obj.get_registration_status_display(),
            REGISTRATION_TONES[RegistrationStatus(obj.registration_status)],
        ),
        "own_status": own_status_chip(obj),
        "connectors": running,
        "last_command": last,
        "last_command_chip": command_chip(last) if last else "",
        "live_panels": _panels(request, obj, live=True),
        "now": timezone.now(),
    }


def button_groups(request: HttpRequest, obj: ChargePoint) -> list[tuple[str, list[dict[str, Any]]]]:
    """All commands that may be sent from here, by what they are about."""
    groups = [(title, _buttons(request, obj, specs)) for title, specs in (*GROUPS, ("OCPP", (RAW,)))]
    return [(title, made) for title, made in groups if made]


def buttons(
    request: HttpRequest, obj: ChargePoint, *, names: Sequence[str] = _ON_OVERVIEW
) -> list[dict[str, Any]]:
    """Some of the commands that may be sent from here."""
    return _buttons(request, obj, [NEUTRAL[name] for name in names])


def _buttons(request: HttpRequest, obj: ChargePoint, specs: Iterable[CommandSpec]) -> list[dict[str, Any]]:
    if obj.archived_at is not None:
        return []
    return [
        {
            "label": spec.label,
            "title": spec.description,
            "is_dangerous": spec.dangerous,
            "url": reverse("admin:chargepoints_chargepoint_command", args=[obj.pk, spec.action]),
        }
        for spec in specs
        if allowed(request, spec.permission, obj)
    ]


def _newest(model: type[LogRow], obj: ChargePoint, count: int) -> list[Any]:
    """The latest rows about a charge point."""
    return list(model.objects.filter(charge_point=obj).order_by("-received_at", "-id")[:count])


def _reservations(obj: ChargePoint) -> list[dict[str, Any]]:
    rows = Reservation.objects.filter(charge_point=obj).select_related("connector").order_by("-id")[:50]
    return [{"row": row, "chip": reservation_chip(row)} for row in rows]


def _panels(request: HttpRequest, obj: ChargePoint, *, live: bool) -> list[dict[str, Any]]:
    return [
        {"panel": panel, "data": panel.context(request, obj)}
        for panel in panels.panels_of(panels.CHARGE_POINT, live=live)
        if allowed(request, panel.permission, obj)
    ]


def _with_chips(rows: list[Command]) -> list[dict[str, Any]]:
    return [{"command": row, "chip": command_chip(row)} for row in rows]


def _asked(request: HttpRequest) -> dict[str, str]:
    """Arguments that a link on another page filled in."""
    return {name: str(value) for name, value in request.GET.items() if name != "_changelist_filters"}
