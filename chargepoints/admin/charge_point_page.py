"""The page of one charge point: live state, commands, configuration, messages, settings."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, require
from chargepoints import commands
from chargepoints.admin.buttons import RAW
from chargepoints.admin.command_forms import CommandForm, RawForm
from chargepoints.admin.configuration_tab import compare_view
from chargepoints.admin.model_profiles import patterns_of
from chargepoints.admin.refusals import shown_once
from chargepoints.admin.shared import (
    REGISTRATION_TONES,
    ago,
    command_chip,
    connector_chip,
    ocpp_url,
    online_dot,
    own_status_chip,
)
from chargepoints.admin.tabs import panels_of, tabs_for
from chargepoints.admin.variable_page import variable_view, variables_csv_view
from chargepoints.cautions import OFFLINE
from chargepoints.choices import RegistrationStatus
from chargepoints.command_specs import NEUTRAL
from chargepoints.errors import InvalidPayload
from chargepoints.model_profiles import ModelProfile
from chargepoints.models import ChargePoint, Command
from chargepoints.selectors import charge_points_with_status, find_live_connection, profile_of
from chargepoints.services import stations
from chargepoints.services.cautions import warnings_for
from csms_project.common.admin import chip

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


_OFFLINE_NOTICE = "The charger is offline. Choose below how long the command may wait for it."


class ChargePointPages(TenantModelAdmin):
    """Views of one charge point besides its form."""

    change_form_template = "admin/chargepoints/chargepoint/page.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("compare/", wrap(partial(compare_view, self)), name="chargepoints_chargepoint_compare"),
            path("<int:pk>/live/", self.live_view, name="chargepoints_chargepoint_live"),
            path(
                "<int:pk>/command/<slug:action>/",
                wrap(self.command_view),
                name="chargepoints_chargepoint_command",
            ),
            path(
                "<int:pk>/variables/<int:variable>/",
                wrap(partial(variable_view, self)),
                name="chargepoints_chargepoint_variable",
            ),
            path(
                "<int:pk>/variables.csv",
                wrap(partial(variables_csv_view, self)),
                name="chargepoints_chargepoint_variables_csv",
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
            tabs = tabs_for(request, obj)
            asked = "settings" if request.method == "POST" else request.GET.get("tab", "overview")
            tab = tabs[asked if asked in tabs else "overview"]
            context |= {"tabs": tabs.values(), "tab": tab, "title": str(obj), "subtitle": None}
            context |= self._header(request, obj) | tab.context(request, obj)
        else:
            context["tab"] = {"name": "settings"}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _header(self, request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
        return {
            "charge_point": obj,
            "ocpp_url": ocpp_url(request, obj),
            "may_change": allowed(request, "charge_points.change", obj),
            "may_archive": allowed(request, "charge_points.archive", obj),
            **live_context(request, obj),
        }

    # ------------------------------------------------------------ views

    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part that refreshes itself.  Whose session has ended is sent to the login by a reload."""
        if not self.admin_site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        obj = self.find_or_404(request, str(pk))
        return render(request, "admin/chargepoints/chargepoint/live.html", self._header(request, obj))

    def command_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Ask for the arguments of a command and queue it; what speaks against it is shown first."""
        obj = self.find_or_404(request, str(pk))
        spec = RAW if action == "raw" else NEUTRAL.get(action)
        if spec is None:
            raise Http404("There is no such command.")
        require(request, spec.permission, obj)
        form_class = RawForm if action == "raw" else CommandForm
        form = form_class(spec, request.POST if request.method == "POST" else None, initial=_asked(request))
        found: list[str] = []
        if request.method == "POST" and form.is_valid():
            waits = form.expires_in() is not None
            found = warnings_for(obj, form.action(), form.payload(), waits=waits)
            # That it is offline was said with the empty form, and who lets the command wait has chosen so.
            is_warned = {*found} <= {OFFLINE} or request.POST.get("warned") == _digest(found)
            if is_warned and self.queue_command(request, obj, form):
                url = reverse("admin:chargepoints_chargepoint_change", args=[obj.pk])
                return HttpResponseRedirect(f"{url}?tab=commands")
        context = {
            "title": f"{spec.label}: {obj}",
            "lead": spec.description,
            "form": form,
            "warnings": found,
            "notice": "" if found or find_live_connection(obj) else _OFFLINE_NOTICE,
            "warned": _digest(found),
            "submit": "Send anyway" if found else "Send",
            "is_dangerous": spec.dangerous or bool(found),
            "back_url": reverse("admin:chargepoints_chargepoint_change", args=[obj.pk]),
        }
        return self.page(request, "admin/form_page.html", context)

    def queue_command(self, request: HttpRequest, obj: ChargePoint, form: CommandForm) -> bool:
        """Queue what a form orders; false when that is refused, with the reason in the form."""
        try:
            command = commands.queue(
                actor=actor_of(request),
                charge_point=obj,
                action=form.action(),
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


def live_context(request: HttpRequest, obj: Any) -> dict[str, Any]:
    """State of a charge point as the live part shows it; reads what is not there yet."""
    if not hasattr(obj, "is_online"):
        obj = charge_points_with_status(None).get(pk=obj.pk)
    connection = getattr(obj, "connection", None) if obj.is_online else None
    profile = profile_of(obj)
    running = [
        {
            "connector": connector,
            "chip": connector_chip(
                connector.label,
                connector.status,
                error_code=connector.error_code,
                info=profile.error_text(connector.vendor_error_code, connector.status_info),
            ),
            "since": ago(connector.status_received_at) if connector.status_received_at else "",
            "meaning": profile.error_text(
                connector.vendor_error_code, connector.status_info, connector.error_code
            ),
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
        "own_meaning": profile.error_text(obj.status_info, obj.error_code),
        "profile": profile,
        "profile_why": why_profile(obj, profile),
        "connectors": running,
        "last_command": last,
        "last_command_chip": command_chip(last) if last else "",
        "live_panels": panels_of(request, obj, live=True),
        "now": timezone.now(),
    }


def why_profile(obj: ChargePoint, profile: ModelProfile) -> str:
    """Which profile applies to a charge point, and why."""
    said = " ".join(filter(None, (obj.vendor, obj.model, obj.firmware_version)))
    if profile:
        kind = "built-in profile" if profile.is_built_in else "profile of yours"
        return f"The {kind} for {patterns_of(profile)} fits “{said}” best."
    if not said:
        return "The charger has not said what it is: profiles apply after its first boot."
    return f"No profile fits “{said}”."


def _asked(request: HttpRequest) -> dict[str, str]:
    """Arguments that a link on another page filled in."""
    return {name: str(value) for name, value in request.GET.items() if name != "_changelist_filters"}


def _digest(warnings: list[str]) -> str:
    """Tells whether what is known has changed since somebody was asked to send it all the same."""
    return hashlib.sha256("\n".join(warnings).encode()).hexdigest()[:16] if warnings else ""
