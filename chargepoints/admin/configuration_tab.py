"""The configuration tab of a charge point's page, and two chargers side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, require
from chargepoints.admin.configuration_drift import state_chip
from chargepoints.admin.device_model_tab import browser, rows_of
from chargepoints.admin.tabs import Tab, register
from chargepoints.command_fields import SEND, SEND_DANGEROUS
from chargepoints.comparing import compare
from chargepoints.configuration_keys import ACCESS_WORDS, find_key
from chargepoints.models import ChargePoint, Variable, VariableChange
from chargepoints.redaction import MASK
from chargepoints.selectors import find_charge_point, find_configuration_state, variables_of
from chargepoints.services import drift
from chargepoints.variable_names import canonical
from csms_project.common.admin import chip
from csms_project.common.csv_files import csv_response

_MAX_CHANGES = 50
#: Charge points that are offered while typing; any other may be typed.
_MAX_OFFERED = 200

#: Which rows the tab shows: name → label, test.
SHOWN: dict[str, tuple[str, Callable[[Variable], bool]]] = {
    "": ("All keys", lambda row: True),
    "standard": ("Keys of the standard", lambda row: find_key(row.name) is not None),
    "vendor": ("The vendor's own keys", lambda row: find_key(row.name) is None),
    "writable": ("Keys that can be changed", lambda row: not (row.is_readonly or row.is_unknown)),
    "reboot": ("Waiting for a reboot", lambda row: row.reboot_required),
    "gone": ("Unknown or no longer listed", lambda row: row.is_unknown or row.gone_at is not None),
}


def _configuration(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    words, show = request.GET.get("q", "").strip(), request.GET.get("show", "")
    everything = rows_of(obj)
    model = browser(request, obj, everything)
    rows = [row for row in everything if not row.component]
    if model is not None:  # keys of a firmware that spoke OCPP 1.6 are history
        rows = [row for row in rows if row.gone_at is None and not row.is_unknown]
    test = SHOWN.get(show, SHOWN[""])[1]
    is_live = obj.archived_at is None
    return {
        "state": find_configuration_state(obj),
        "total": len(rows),
        "model": model,
        "keys": [_shown(row) for row in rows if test(row) and _matches(row, words)],
        "words": words,
        "show": show,
        "choices": [(name, label) for name, (label, _) in SHOWN.items()],
        "wanted": _wanted(obj) if allowed(request, "configuration_templates.view") else None,
        "may_make_template": allowed(request, "configuration_templates.change", obj),
        "may_read": allowed(request, SEND, obj) and is_live,
        "may_set": allowed(request, SEND_DANGEROUS, obj) and is_live,
        "changes": VariableChange.objects.filter(charge_point=obj).order_by("-received_at", "-id")[
            :_MAX_CHANGES
        ],
    }


def _wanted(obj: ChargePoint) -> dict[str, Any] | None:
    """What its templates want: the differences, and all values with the reasons for them."""
    wanted, rows = drift.wanted_of(obj)
    if not wanted:
        return None
    wrong = {canonical(row.key): row for row in rows}
    shown = [
        {
            "key": item.value.key,
            "value": MASK if item.value.is_secret else item.value.text,
            "source": item.source,
            "reason": item.reason,
            "drift": wrong.get(key),
            "chip": state_chip(wrong[key]) if key in wrong else chip("as wanted", "ok"),
        }
        for key, item in sorted(wanted.items())
    ]
    return {
        "count": len(wanted),
        "wrong": len(wrong),
        "sendable": any(row.state in drift.SENDABLE for row in rows),
        "different": [item for item in shown if item["drift"] is not None],
        "right": [item for item in shown if item["drift"] is None],
    }


def _matches(row: Variable, words: str) -> bool:
    spec = find_key(row.name)
    text = f"{row.name} {'' if row.is_secret else row.value or ''} {spec.text if spec else ''}".casefold()
    return all(word in text for word in words.casefold().split())


def _shown(row: Variable) -> dict[str, Any]:
    spec = find_key(row.name)
    return {
        "row": row,
        "spec": spec,
        "access": ACCESS_WORDS[spec.access] if spec else "",
        "may_change": not (row.is_readonly or row.is_unknown),
    }


register(
    Tab(
        name="configuration",
        title="Configuration",
        permission="variables.view",
        template="admin/chargepoints/chargepoint/configuration.html",
        context=_configuration,
        order=20,
    )
)


def compare_view(page: TenantModelAdmin, request: HttpRequest) -> HttpResponseBase:
    """The keys of two chargers side by side; `format=csv` as a file."""
    require(request, "variables.view")
    given = {name: request.GET.get(name, "").strip() for name in ("left", "right")}
    found = {name: find_charge_point(actor_of(request).tenant, text) for name, text in given.items() if text}
    for name, charge_point in found.items():
        if charge_point is None:
            messages.error(request, f"There is no charge point “{given[name]}”.")
    left, right = found.get("left"), found.get("right")
    show_all = request.GET.get("show") == "all"
    both = left is not None and right is not None
    lines = (
        compare(variables_of(left), variables_of(right), only_different=not show_all)
        if left is not None and right is not None
        else []
    )
    if both and request.GET.get("format") == "csv":
        header = ("key", str(left), str(right), "verdict")
        table = ((line.name, line.left.text, line.right.text, line.verdict) for line in lines)
        return csv_response(request, "configuration-compared.csv", header, table)
    context = {
        "title": "Compare configurations",
        "given": given,
        "left": left,
        "right": right,
        "lines": lines,
        "show_all": show_all,
        "sides": [(side, find_configuration_state(side)) for side in (left, right) if side is not None],
        "offered": _offered(request),
        "csv_query": _csv_query(request),
        "list_url": reverse("admin:chargepoints_chargepoint_changelist"),
    }
    return page.page(request, "admin/chargepoints/configuration/compare.html", context)


def _csv_query(request: HttpRequest) -> str:
    query = request.GET.copy()
    query["format"] = "csv"
    return query.urlencode()


def _offered(request: HttpRequest) -> list[str]:
    rows = ChargePoint.objects.for_tenant(actor_of(request).tenant).filter(archived_at=None)
    return list(rows.order_by("identity").values_list("identity", flat=True)[:_MAX_OFFERED])
