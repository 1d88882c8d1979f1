"""Firmware campaigns, and the update of one charger."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from django.contrib import messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin_base import (
    ScopedFilter,
    TenantModelAdmin,
    actor_of,
    register,
    require,
)
from chargepoints import errors, file_links
from chargepoints.admin.firmware_campaign_page import STEPS, campaign_context
from chargepoints.admin.firmware_forms import CampaignForm, UpdateForm
from chargepoints.admin.firmware_shared import (
    FIRMWARE_ERRORS,
    campaign_chip,
)
from chargepoints.choices import BAD_FIRMWARE_STATES
from chargepoints.models import ChargePoint, FirmwareCampaign, FirmwareUpdate
from chargepoints.services import firmware_campaigns as campaigns
from csms_project.common.csv_files import csv_response


@register(FirmwareCampaign)
class FirmwareCampaignAdmin(TenantModelAdmin):
    permission_area = "firmware"
    domain_errors = FIRMWARE_ERRORS
    may_change = False
    may_delete = False
    change_form_template = "admin/chargepoints/firmwarecampaign/page.html"
    list_display = ("name", "state_column", "file", "progress", "created_at", "created_by_name")
    list_filter = ("state", ("file", ScopedFilter))
    list_select_related = ("file",)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[FirmwareCampaign]:
        rows: QuerySet[FirmwareCampaign] = super().get_queryset(request).select_related("file")
        return rows.annotate(
            update_count=Count("updates"),
            ended_count=Count("updates", filter=Q(updates__ended_at__isnull=False)),
            bad_count=Count("updates", filter=Q(updates__state__in=BAD_FIRMWARE_STATES)),
        )

    @display(description="State", ordering="state")
    def state_column(self, obj: FirmwareCampaign) -> str:
        return campaign_chip(obj)

    @display(description="Chargers")
    def progress(self, obj: Any) -> str:
        text = f"{obj.ended_count} of {obj.update_count}"
        return f"{text}, {obj.bad_count} failed" if obj.bad_count else text

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/live/", self.live_view, name="chargepoints_firmwarecampaign_live"),
            path(
                "<int:pk>/step/<slug:step>/", wrap(self.step_view), name="chargepoints_firmwarecampaign_step"
            ),
            path("<int:pk>/export/", wrap(self.export_view), name="chargepoints_firmwarecampaign_export"),
            path("update/<int:pk>/", wrap(self.update_view), name="chargepoints_firmwareupdate_new"),
            path(
                "update/<int:pk>/cancel/<int:update>/",
                wrap(self.cancel_update_view),
                name="chargepoints_firmwareupdate_cancel",
            ),
            *super().get_urls(),
        ]

    # ------------------------------------------------------------ making

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Plan a campaign."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        tenant = actor_of(request).tenant
        if tenant is None:
            return self.choose_tenant(request)
        posted = request.POST if request.method == "POST" else None
        form = CampaignForm(tenant, posted, initial=self._asked(request))
        if posted is not None and form.is_valid():
            made = self._create(request, form)
            if made is not None:
                messages.success(request, f"The campaign “{made}” is planned.")
                return HttpResponseRedirect(campaign_url(made))
        context = {
            "title": "New firmware campaign",
            "lead": self._lead(
                "Bring firmware to chargers, so many at a time; the page of the campaign shows how far it is."
            ),
            "form": form,
            "submit": "Start",
            "is_dangerous": True,
            "back_url": reverse("admin:chargepoints_firmwarecampaign_changelist"),
        }
        return self.page(request, "admin/form_page.html", context)

    @staticmethod
    def _lead(text: str, charge_point: ChargePoint | None = None) -> str:
        warning = file_links.reach_warning(charge_point)
        return f"{text} {warning}".strip()

    def _asked(self, request: HttpRequest) -> dict[str, Any]:
        """What a link on another page filled in."""
        keys = [int(key) for key in request.GET.get("charge_points", "").split(",") if key.isdecimal()]
        rows = ChargePoint.objects.for_tenant(actor_of(request).tenant).filter(pk__in=keys[:1000])
        identities = rows.order_by("identity").values_list("identity", flat=True)
        return {"file": request.GET.get("file", ""), "charge_points": "\n".join(identities)}

    def _create(self, request: HttpRequest, form: CampaignForm) -> FirmwareCampaign | None:
        given = form.cleaned_data
        try:
            return campaigns.create_campaign(
                actor=actor_of(request),
                file=given["file"],
                choice=form.choice(),
                plan=form.plan(),
                name=given["name"],
                ignore_model=given["ignore_model"],
            )
        except errors.Invalid as error:
            form.add_problems(error.errors)
        except self.domain_errors as error:
            form.add_error(None, str(error))
        return None

    def update_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Firmware for one charger."""
        station = charge_point_or_404(request, pk)
        require(request, "firmware.change", station)
        posted = request.POST if request.method == "POST" else None
        form = UpdateForm(station.tenant, posted, initial={"file": request.GET.get("file", "")})
        if posted is not None and form.is_valid() and self._update(request, station, form):
            return HttpResponseRedirect(tab_url(station))
        ready = form.has_files
        lead = f"Now it runs {station.firmware_version or 'an unknown version'}."
        if not ready:
            lead += " There is no firmware file yet: add one under Operation → Firmware files first."
        context = {
            "title": f"Update the firmware: {station}",
            "lead": self._lead(lead, station),
            "form": form,
            "submit": "Update",
            "is_dangerous": True,
            "back_url": tab_url(station),
        }
        return self.page(request, "admin/form_page.html", context)

    def _update(self, request: HttpRequest, station: ChargePoint, form: UpdateForm) -> bool:
        given = form.cleaned_data
        try:
            campaigns.update_one(
                actor=actor_of(request),
                charge_point=station,
                file=given["file"],
                plan=form.plan(),
                wait=given["wait"],
                ignore_model=given["ignore_model"],
            )
        except errors.Invalid as error:
            form.add_problems(error.errors)
            return False
        except self.domain_errors as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, "The update is on its way; what becomes of it appears below.")
        return True

    # ------------------------------------------------------------ the page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context["original"]
        context |= {"title": obj.name, "subtitle": None, **campaign_context(request, obj)}
        return super().render_change_form(request, context, *args, **kwargs)

    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part that refreshes itself."""
        if not self.admin_site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        obj = self.find_or_404(request, str(pk))
        response = render(
            request, "admin/chargepoints/firmwarecampaign/live.html", campaign_context(request, obj)
        )
        if obj.is_over:
            response["HX-Refresh"] = "true"
        return response

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """Pause, resume, cancel, retry the failed."""
        if step not in STEPS:
            raise Http404("There is no such step.")
        label, question, act, is_dangerous = STEPS[step]
        obj = self.find_or_404(request, str(pk))
        require(request, "firmware.change", obj)
        if request.method == "POST":
            actor = actor_of(request)
            self.attempt(request, lambda: act(actor=actor, campaign=obj), f"{label}: done.")
            return HttpResponseRedirect(campaign_url(obj))
        context = {
            "title": f"{label}: {obj}",
            "lead": question,
            "submit": label,
            "is_dangerous": is_dangerous,
            "back_url": campaign_url(obj),
        }
        return self.page(request, "admin/form_page.html", context)

    def cancel_update_view(self, request: HttpRequest, pk: int, update: int) -> HttpResponse:
        """Give the update of one charger up."""
        station = charge_point_or_404(request, pk)
        require(request, "firmware.change", station)
        row = FirmwareUpdate.objects.select_related("campaign__file", "charge_point").filter(
            pk=update, charge_point=station
        )
        found = row.first()
        if found is None:
            raise Http404("There is no such update.")
        if request.method == "POST":
            actor = actor_of(request)
            self.attempt(
                request,
                lambda: campaigns.cancel_update(actor=actor, update=found),
                "The update is cancelled.",
            )
            return HttpResponseRedirect(tab_url(station))
        context = {
            "title": f"Cancel the update: {station}",
            "lead": "What the charger was told already it may still do: OCPP 1.6 has no message that stops an update.",
            "submit": "Cancel the update",
            "is_dangerous": True,
            "back_url": tab_url(station),
        }
        return self.page(request, "admin/form_page.html", context)

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Each charger's outcome as CSV; times in the tenant's zone with their offset."""
        obj = self.find_or_404(request, str(pk))
        zone = timezone.get_current_timezone()
        rows = obj.updates.select_related("charge_point").order_by("charge_point__identity")
        lines = (
            [
                row.charge_point.identity,
                row.state,
                row.attempt,
                row.version_before,
                row.charge_point.firmware_version,
                *(
                    at.astimezone(zone).isoformat(timespec="seconds") if at else ""
                    for at in (row.started_at, row.ended_at)
                ),
                row.note,
            ]
            for row in rows.iterator(chunk_size=500)
        )
        return csv_response(request, f"firmware-campaign-{obj.pk}.csv", _COLUMNS, lines)


def _iso(at: datetime | None, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds") if at else ""


_COLUMNS = (
    "charge_point",
    "state",
    "attempt",
    "version_before",
    "version_now",
    "started_at",
    "ended_at",
    "note",
)


def campaign_url(obj: FirmwareCampaign) -> str:
    return reverse("admin:chargepoints_firmwarecampaign_change", args=[obj.pk])


def tab_url(charge_point: ChargePoint) -> str:
    """The tab of the charge point's page."""
    return f"{reverse('admin:chargepoints_chargepoint_change', args=[charge_point.pk])}?tab=firmware"


def charge_point_or_404(request: HttpRequest, pk: int) -> ChargePoint:
    """A charge point of the tenant."""
    rows = ChargePoint.objects.for_tenant(actor_of(request).tenant).select_related("tenant", "location")
    found: ChargePoint | None = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such object.")
    return found
