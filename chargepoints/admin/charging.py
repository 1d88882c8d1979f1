"""Charging profiles: the list, the editor with its preview, and setting them on chargers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, register, require, take_over
from chargepoints.admin.charging_charts import plan_chart
from chargepoints.admin.charging_form import PRESETS, ChargingProfileForm, words
from chargepoints.admin.charging_later import LATER
from chargepoints.admin.charging_set import SetForm
from chargepoints.admin.fleet import task_url
from chargepoints.admin.shared import ERRORS
from chargepoints.charging.plan import CHARGE_POINT_MAX, TX, Plan, Unreadable
from chargepoints.charging.rules import remarks_on
from chargepoints.charging.speech import speech_of
from chargepoints.command_fields import SEND, SEND_DANGEROUS
from chargepoints.errors import InvalidProfile
from chargepoints.models import ChargePoint, ChargingProfile, ChargingProfileAssignment
from chargepoints.models.charging import OPEN_STATES
from chargepoints.services import charging_profiles, fleet
from csms_project.common.admin import chip

_PAGES = "admin/chargepoints/chargingprofile"
#: What a period has in OCPP 1.6.
_EARLY = {"start_period", "limit", "number_phases"}


@register(ChargingProfile)
class ChargingProfileAdmin(TenantModelAdmin):
    permission_area = "charging_profiles"
    domain_errors = ERRORS
    form = ChargingProfileForm
    change_form_template = f"{_PAGES}/editor.html"
    list_display = ("name", "limits_column", "in_words", "level", "stands_on", "number")
    list_filter = ("purpose", "kind", "charging_rate_unit")
    search_fields = ("name",)
    exclude = None
    fieldsets = (
        (None, {"fields": ("name", "purpose", ("times", "unit"), "start")}),
        (
            "Validity and precedence",
            {
                "classes": ("collapse",),
                "fields": ("valid_from", "valid_to", "ends_after", "stack_level", "min_charging_rate"),
            },
        ),
    )
    _view_fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "purpose",
                    "kind",
                    "recurrency_kind",
                    "stack_level",
                    "valid_from",
                    "valid_to",
                )
            },
        ),
    )

    _later_fieldset = (
        "Only for chargers of OCPP 2.1",
        {"classes": ("collapse",), "fields": LATER},
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        # The fields of the editor belong to its form, which a reader does not get.
        if obj is not None and not self.has_change_permission(request, obj):
            return self._view_fieldsets
        return (*self.fieldsets, self._later_fieldset) if self._knows_later(request, obj) else self.fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.knows_later = self._knows_later(request, obj)
        return form

    def _knows_later(self, request: HttpRequest, obj: ChargingProfile | None) -> bool:
        """Whether there is a charger that knows more of profiles than OCPP 1.6, or the profile has some of it."""
        if obj is not None and (obj.details or any(set(row) - _EARLY for row in obj.periods)):
            return True
        rows = ChargePoint.objects.for_tenant(actor_of(request).tenant).filter(archived_at=None)
        versions = rows.order_by().values_list("ocpp_version", flat=True).distinct()
        return any(speech_of(version).has_modes for version in versions)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChargingProfile]:
        stands = Count("assignments", filter=Q(assignments__state__in=OPEN_STATES))
        rows: QuerySet[ChargingProfile] = super().get_queryset(request)
        return rows.annotate(stands_count=stands).order_by("name", "pk")

    # ------------------------------------------------------------ list

    @display(description="Limits", ordering="purpose")
    def limits_column(self, obj: ChargingProfile) -> str:
        return chip(obj.get_purpose_display(), "info" if obj.purpose == CHARGE_POINT_MAX else "neutral")

    @display(description="Times")
    def in_words(self, obj: ChargingProfile) -> str:
        try:
            lines = words(obj.plan)
        except Unreadable:
            return "–"
        shown = format_html_join(", ", "{}", ((line,) for line in lines[:3]))
        more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
        again = {"Daily": "daily ", "Weekly": ""}.get(obj.recurrency_kind, "")
        return format_html("{}{}{}", again, shown, more)

    @display(description="Level", ordering="stack_level")
    def level(self, obj: ChargingProfile) -> int:
        return obj.stack_level

    @display(description="Stands on", ordering="stands_count")
    def stands_on(self, obj: Any) -> str:
        if not obj.stands_count:
            return "–"
        return f"{obj.stands_count} connector{'s' if obj.stands_count != 1 else ''}"

    @display(description="Number", ordering="pk")
    def number(self, obj: ChargingProfile) -> int:
        return obj.pk

    # ------------------------------------------------------------ editor

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"preset": request.GET.get("preset", "")}

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            stored = ChargingProfile.objects.get(pk=obj.pk)
            charging_profiles.update_profile(actor=actor, profile=stored, **form.values())
            if any(row.is_outdated for row in self._standing(stored)):
                messages.warning(request, "Chargers keep what they have until the profile is set again.")
        else:
            take_over(obj, charging_profiles.create_profile(actor=actor, tenant=obj.tenant, **form.values()))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        charging_profiles.delete_profile(actor=actor_of(request), profile=obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Where it stands is said by the service; where it stood stays written without it.
        return [str(obj) for obj in objs], {}, set(), []

    def _standing(self, obj: ChargingProfile) -> list[ChargingProfileAssignment]:
        rows = obj.assignments.filter(state__in=OPEN_STATES).select_related("charge_point", "profile")
        return list(rows.order_by("charge_point__identity", "connector_number")[:200])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        form, obj = context["adminform"].form, context.get("original")
        may_edit = self.has_change_permission(request, obj) if obj is not None else True
        rows = getattr(form, "row_forms", None)
        context |= {
            "row_forms": rows if may_edit else None,
            "knows_later": getattr(form, "knows_later", False),
            "times": form["times"].value() if may_edit and rows is not None else "",
            "preview_url": reverse("admin:chargepoints_chargingprofile_preview"),
            "preview": _shown(obj) if obj is not None else {"hint": "Type limits to see what they come to."},
            "presets": [] if obj is not None else _presets(request),
            "standing": self._standing(obj) if obj is not None else [],
            "set_url": _set_url(profile=obj.pk) if obj is not None and self._may_set(request, obj) else "",
            "may_clear": obj is not None and allowed(request, SEND_DANGEROUS, obj),
            "zone": timezone.get_current_timezone_name(),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def _may_set(self, request: HttpRequest, obj: ChargingProfile) -> bool:
        return obj.purpose != TX and allowed(request, SEND_DANGEROUS, obj)

    # ------------------------------------------------------------ views

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("preview/", wrap(self.preview_view), name="chargepoints_chargingprofile_preview"),
            path("set/", wrap(self.set_view), name="chargepoints_chargingprofile_set"),
            path("clear/<int:pk>/", wrap(self.clear_view), name="chargepoints_chargingprofile_clear"),
            path("list/<int:pk>/", wrap(self.list_view), name="chargepoints_chargingprofile_list"),
            path("ask/<int:pk>/", wrap(self.ask_view), name="chargepoints_chargingprofile_ask"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What the limits in the form come to, saved or not."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        require(request, "charging_profiles.change")
        form = self.get_form(request, None)(request.POST)
        form.is_valid()
        problems = [text for name, found in form.errors.items() if name != "name" for text in found]
        hint = " ".join(problems[:2]) or "Correct the limits to see what they come to."
        preview = {"hint": hint} if form.plan is None else _drawn(form.plan)
        return render(request, f"{_PAGES}/preview.html", {"preview": preview})

    def set_view(self, request: HttpRequest) -> HttpResponse:
        """Set a profile on one charger, or on many as a task."""
        require(request, SEND_DANGEROUS)
        data = request.POST if request.method == "POST" else None
        form = SetForm(actor_of(request).tenant, data, initial=_asked(request))
        if request.method == "POST" and form.is_valid() and (url := self._set(request, form)):
            return HttpResponseRedirect(url)
        back = reverse("admin:chargepoints_chargingprofile_changelist")
        context = {
            "title": "Set a charging profile",
            "lead": "The chargers are asked to keep to it. A profile of the same purpose and level on the same "
            "connector is replaced. Sessions are limited on their own pages.",
            "form": form,
            "submit": "Set",
            "is_dangerous": True,
            "back_url": back,
        }
        return self.page(request, "admin/form_page.html", context)

    def _set(self, request: HttpRequest, form: SetForm) -> str:
        """Where to go on; "" where it was refused."""
        given = form.cleaned_data
        profile, chargers, connector = given["profile"], list(given["charge_points"]), given["connector"]
        expires_in = int(given["if_offline"] or 0) or None
        try:
            if len(chargers) > 1:
                payloads = charging_profiles.orders_of(profile, chargers, connector=connector)
                orders = [
                    fleet.Order(charge_point=row, action="set_charging_profile", payload=payload)
                    for row, payload in zip(chargers, payloads, strict=True)
                ]
                task = fleet.start_task(
                    actor=actor_of(request),
                    tenant=profile.tenant,
                    title=f"Set charging profile “{profile}”"[:100],
                    orders=orders,
                    expires_in=expires_in,
                )
                return task_url(task)
            done = charging_profiles.assign(
                actor=actor_of(request),
                profile=profile,
                charge_point=chargers[0],
                connector=connector,
                expires_in=expires_in,
            )
        except InvalidProfile as error:
            for name, text in error.errors.items():
                form.add_error(name if name in form.fields else None, text)
            return ""
        except self.domain_errors as error:
            form.add_error(None, str(error))
            return ""
        for text in done.warnings:
            messages.warning(request, text)
        messages.success(request, f"{chargers[0]} is asked to keep to “{profile}”; its answer appears below.")
        return tab_url(chargers[0])

    def clear_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a profile off a charger."""
        rows = ChargingProfileAssignment.objects.for_tenant(actor_of(request).tenant)
        row = rows.select_related("charge_point", "profile").filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such object.")
        require(request, SEND_DANGEROUS, row)
        url = tab_url(row.charge_point)
        if request.method == "POST":
            actor = actor_of(request)
            done = "The charger is asked to remove it; its answer appears below."
            self.attempt(request, lambda: charging_profiles.clear(actor=actor, assignment=row), done)
            return HttpResponseRedirect(url)
        name = f"“{row.name}”"
        place = f"connector {row.connector_number}" if row.connector_number else "the charger"
        context = {
            "title": f"Clear {name}",
            "lead": f"{row.charge_point} is asked to remove it from {place}. What is left applies then: profiles of "
            "lower levels, or no limit at all.",
            "submit": "Clear",
            "is_dangerous": True,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a charger for the limits that it will keep."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        charge_point = self._charger_to_ask(request, pk)
        number = request.POST.get("connector", "0")
        connector = int(number) if number.isdecimal() and len(number) < 6 else 0
        actor, duration = actor_of(request), charging_profiles.ASKED_DURATION
        self.attempt(
            request,
            lambda: charging_profiles.ask_schedule(
                actor=actor, charge_point=charge_point, connector=connector, duration=duration
            ),
            "The charger is asked; its schedule appears here when it has answered.",
        )
        return HttpResponseRedirect(tab_url(charge_point))

    def list_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a charger which profiles it has."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        charge_point = self._charger_to_ask(request, pk)
        actor = actor_of(request)
        self.attempt(
            request,
            lambda: charging_profiles.ask_profiles(actor=actor, charge_point=charge_point),
            "The charger is asked; its profiles appear here when it has told them.",
        )
        return HttpResponseRedirect(tab_url(charge_point))

    def _charger_to_ask(self, request: HttpRequest, pk: int) -> ChargePoint:
        found = ChargePoint.objects.for_tenant(actor_of(request).tenant).filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such object.")
        require(request, SEND, found)
        charge_point: ChargePoint = found
        return charge_point


def tab_url(charge_point: ChargePoint) -> str:
    """The tab of charging profiles on a charge point's page."""
    return f"{reverse('admin:chargepoints_chargepoint_change', args=[charge_point.pk])}?tab=charging_profiles"


def _set_url(**given: Any) -> str:
    query = "&".join(f"{name}={value}" for name, value in given.items())
    return f"{reverse('admin:chargepoints_chargingprofile_set')}?{query}"


def _asked(request: HttpRequest) -> dict[str, Any]:
    """What a link on another page filled in."""
    chargers = [
        pk for pk in request.GET.get("charge_points", "").split(",") if pk.isdecimal() and len(pk) < 19
    ]
    found: dict[str, Any] = {"charge_points": chargers} if chargers else {}
    for name in ("profile", "connector"):
        given = request.GET.get(name, "")
        if given.isdecimal() and len(given) < 19:
            found[name] = given
    return found


def _presets(request: HttpRequest) -> list[dict[str, Any]]:
    chosen = request.GET.get("preset", "")
    return [
        {"title": title, "text": text, "query": f"?preset={name}", "is_chosen": name == chosen}
        for name, (title, text, _, _) in PRESETS.items()
    ]


def _shown(obj: ChargingProfile) -> dict[str, Any]:
    """Chart and words of a profile."""
    try:
        return _drawn(obj.plan)
    except Unreadable:
        return {"hint": "The limits cannot be read."}


def _drawn(plan: Plan) -> dict[str, Any]:
    return {"chart": plan_chart(plan), "lines": words(plan)[:12], "remarks": remarks_on(plan)}
