"""The drift report: which chargers differ from their templates, and sending what differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from unfold import widgets

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, require, scope
from accounts.models import Tenant
from chargepoints.choices import DriftState
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import ChargePoint, ConfigurationTemplate, Location
from chargepoints.services import applying, drift
from csms_project.common.admin import chip
from csms_project.common.csv_files import csv_response

VIEW = "configuration_templates.view"
#: Chargers on one page, and lines of a plan that are shown.
PER_PAGE = 50
_MAX_LINES = 300
_MAX_CHOICES = 500
TONES = {
    DriftState.DIFFERS: "warn",
    DriftState.REFUSED: "bad",
    DriftState.UNDER_WAY: "info",
    DriftState.REBOOT: "info",
}
HEADER = (
    "charge point", "name", "site", "vendor", "model", "firmware", "key", "wanted", "actual", "state", "note",
    "template",
)  # fmt: skip


def state_chip(row: drift.Drift) -> str:
    """Why a key is not as it should be."""
    return chip(row.state.label, TONES.get(row.state, "neutral"))


def drift_view(page: TenantModelAdmin, request: HttpRequest) -> HttpResponseBase:
    """All chargers with the keys in which they differ; `format=csv` as a file."""
    require(request, VIEW)
    wanted, kept = _asked(request)
    if request.GET.get("format") == "csv":
        lines = (csv_line(row) for row in drift.differences(wanted))
        return csv_response(request, "configuration-drift.csv", HEADER, lines)
    report = drift.report(wanted)
    chargers = [(charger, list(rows)) for charger, rows in groupby(report.rows, lambda row: row.charger)]
    number = _number(request)
    start = (number - 1) * PER_PAGE
    context = {
        "title": "Configuration drift",
        "report": report,
        "figures": [
            {"label": state.label, "count": count, "query": urlencode(kept | {"state": state.value})}
            for state, count in report.by_state.most_common()
        ],
        "chargers": [_shown(charger, rows) for charger, rows in chargers[start : start + PER_PAGE]],
        "charger_count": len(chargers),
        "kept": kept,
        "query": urlencode(kept),
        "previous_page": urlencode(kept | {"p": number - 1}) if number > 1 else "",
        "next_page": urlencode(kept | {"p": number + 1}) if len(chargers) > start + PER_PAGE else "",
        "may_apply": allowed(request, SEND_DANGEROUS),
        "has_templates": _templates(request).exists(),
        **_choices(request),
    }
    return page.page(request, "admin/chargepoints/configuration/drift.html", context)


def csv_line(row: drift.Drift) -> list[str]:
    """One line of the file."""
    charger = row.charger
    return [
        charger.identity, charger.name, charger.location_name, charger.vendor, charger.model, charger.firmware,
        row.key, row.shown_wanted, row.shown_actual, row.state.value, row.note, row.wanted.source.label,
    ]  # fmt: skip


def _shown(charger: Any, rows: Iterable[drift.Drift]) -> dict[str, Any]:
    return {"charger": charger, "rows": [{"row": row, "chip": state_chip(row)} for row in rows]}


def _asked(request: HttpRequest) -> tuple[drift.Scope, dict[str, str]]:
    """The scope that the filters name, and the filters that are in use."""
    given = {
        name: request.GET.get(name, "").strip() for name in ("q", "location", "model", "template", "state")
    }
    kept = {name: value for name, value in given.items() if value}
    state = given["state"]
    found = drift.Scope(
        tenant=actor_of(request).tenant,
        search=given["q"].replace("\0", ""),
        location_id=_id(given["location"]),
        model=given["model"].replace("\0", ""),
        template_id=_id(given["template"]),
        states=frozenset({DriftState(state)}) if state in DriftState.values else frozenset(),
    )
    return found, kept


def _choices(request: HttpRequest) -> dict[str, Any]:
    tenant = actor_of(request).tenant
    models = ChargePoint.objects.for_tenant(tenant).filter(archived_at=None).exclude(model="")
    return {
        "locations": scope(Location.objects.order_by("name"), tenant)[:_MAX_CHOICES],
        "models": models.order_by("model").values_list("model", flat=True).distinct()[:_MAX_CHOICES],
        "templates": _templates(request).filter(is_active=True)[:_MAX_CHOICES],
        "states": DriftState.choices,
    }


def _templates(request: HttpRequest) -> Any:
    return scope(ConfigurationTemplate.objects.order_by("name"), actor_of(request).tenant)


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _number(request: HttpRequest) -> int:
    given = request.GET.get("p", "1")
    return max(1, int(given)) if given.isascii() and given.isdecimal() and len(given) < 6 else 1


# --- sending ---


class ApplyForm(forms.Form):
    """How a plan is sent; `fingerprint` is of the plan that was shown."""

    fingerprint = forms.CharField(widget=forms.HiddenInput)
    reset = forms.BooleanField(
        label="Reset each charger when its keys are set",
        required=False,
        widget=widgets.UnfoldBooleanWidget,
        help_text="A soft reset: running sessions are ended first.",
    )
    if_offline = forms.ChoiceField(
        label="Offline chargers",
        required=False,
        choices=(
            ("", "Leave out"), ("3600", "Wait for an hour"), ("86400", "Wait for a day"),
            ("604800", "Wait for a week"),
        ),
        initial="86400",
        widget=widgets.UnfoldAdminSelectWidget,
    )  # fmt: skip
    batch_size = forms.IntegerField(
        label="Chargers at a time",
        required=False,
        min_value=1,
        max_value=20_000,
        widget=widgets.UnfoldAdminIntegerFieldWidget,
        help_text="Empty: all at once.",
    )
    stop_percent = forms.IntegerField(
        label="Stop when more than this many percent fail",
        required=False,
        min_value=0,
        max_value=100,
        widget=widgets.UnfoldAdminIntegerFieldWidget,
        help_text="Empty: never.",
    )
    confirm = forms.BooleanField(
        label="Change the configuration of these chargers?",
        widget=widgets.UnfoldBooleanWidget,
        error_messages={"required": "Tick the box to go on."},
    )

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        given = self.cleaned_data
        percent = given["stop_percent"]
        return {
            "reset": given["reset"],
            "expires_in": int(given["if_offline"] or 0) or None,
            "batch_size": given["batch_size"],
            "stop_failure_rate": percent / 100 if percent is not None else None,
        }


def apply_view(page: TenantModelAdmin, request: HttpRequest) -> HttpResponseBase:
    """Show what would be sent to the chosen chargers, and send it as a task when confirmed.

    Chargers are named by `cp`, or `all` of the filter are meant; `refused` sends also what was refused before.
    """
    require(request, SEND_DANGEROUS)
    wanted, kept = _asked(request)
    chosen = [pk for text in request.GET.getlist("cp") if (pk := _id(text)) is not None]
    back = f"{reverse('admin:chargepoints_configurationtemplate_drift')}?{urlencode(kept)}"
    means_all = "all" in request.GET and not chosen
    with_refused = "refused" in request.GET
    planned = applying.plan(wanted, charge_points=None if means_all else chosen, with_refused=with_refused)
    form = ApplyForm(
        request.POST if request.method == "POST" else None, initial={"fingerprint": planned.fingerprint}
    )
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["fingerprint"] == planned.fingerprint:
            answer = _send(page, request, planned, form)
            if answer is not None:
                return answer
        else:
            messages.warning(request, "What differs has changed meanwhile. Look again at what would be sent.")
            form = ApplyForm(
                initial={**form.cleaned_data, "fingerprint": planned.fingerprint, "confirm": False}
            )
    again = request.GET.copy()
    again["refused"] = "1"
    context = {
        "title": "Send what differs",
        "plan": planned,
        "nobody": not (chosen or means_all),
        "lines": [_shown(charger, rows) for charger, rows in _by_charger(planned.sent[:_MAX_LINES])],
        "more": max(0, len(planned.sent) - _MAX_LINES),
        "left": [_shown(charger, rows) for charger, rows in _by_charger(planned.left[:_MAX_LINES])],
        "refused": sum(row.state is DriftState.REFUSED for row in planned.left),
        "refused_query": again.urlencode(),
        "form": form,
        "back_url": back,
    }
    return page.page(request, "admin/chargepoints/configuration/apply.html", context)


def _by_charger(rows: Iterable[drift.Drift]) -> Iterator[tuple[Any, list[drift.Drift]]]:
    for charger, group in groupby(rows, lambda row: row.charger):
        yield charger, list(group)


def _send(
    page: TenantModelAdmin, request: HttpRequest, planned: applying.Plan, form: ApplyForm
) -> HttpResponseBase | None:
    tenants = {row.charger.tenant_id for row in planned.sent}
    if len(tenants) > 1:
        messages.error(
            request, "The chargers belong to several organisations: choose one at the top of the page."
        )
        return None
    tenant = Tenant.objects.filter(pk__in=tenants).first() or actor_of(request).tenant
    if tenant is None:
        messages.error(request, "There is nothing to send.")
        return None
    keys = sorted({row.key for row in planned.sent})
    named = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
    try:
        task = applying.apply(
            actor=actor_of(request),
            tenant=tenant,
            planned=planned,
            title=f"Set {named}"[:150],
            **form.values(),
        )
    except page.domain_errors as error:
        form.add_error(None, str(error))
        return None
    messages.success(request, f"{len(planned.sent)} keys of {planned.chargers} chargers are being set.")
    return HttpResponseRedirect(reverse("admin:chargepoints_fleettask_change", args=[task.pk]))
