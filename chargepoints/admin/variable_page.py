"""Setting one variable of a charger of OCPP 2.x by a form of its type, and all of them as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from unfold import widgets

from accounts.admin_base import require
from chargepoints.admin.command_forms import CommandForm
from chargepoints.admin.device_model_tab import CSV_HEADER, csv_line, line_of, rows_of, select
from chargepoints.command_specs import NEUTRAL
from chargepoints.device_model import BOOLEAN, DECIMAL, INTEGER, MEMBER_LIST, OPTION_LIST
from chargepoints.models import ChargePoint, Variable
from chargepoints.selectors import find_live_connection
from chargepoints.variable_checks import choices_of, items, problem
from csms_project.common.csv_files import csv_response

if TYPE_CHECKING:
    from chargepoints.admin.charge_point_page import ChargePointPages

_CHANGE = NEUTRAL["change_configuration"]
_OFFLINE = "The charger is offline. Choose below how long the command may wait for it."


class VariableForm(CommandForm):
    """The new value of one variable, checked by what the charger told of it."""

    def __init__(self, row: Variable, *args: Any, **kwargs: Any) -> None:
        super().__init__(_CHANGE, *args, **kwargs)
        self.row = row
        del self.fields["key"]
        self.fields = {"value": _field(row), **{n: f for n, f in self.fields.items() if n != "value"}}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "value" in cleaned and (wrong := problem(self.row, self._text(cleaned["value"]))):
            self.add_error("value", wrong)
        return cleaned

    def payload(self) -> dict[str, Any]:
        return {"key": self.row.key, "value": self._text(self.cleaned_data["value"])}

    @staticmethod
    def _text(value: Any) -> str:
        return ",".join(value) if isinstance(value, list) else str(value or "")


def _field(row: Variable) -> forms.Field:
    """A field of the variable's type, with the value that the charger has; a secret begins empty."""
    line, choices = line_of(row), choices_of(row)
    common: dict[str, Any] = {
        "label": "Value",
        "required": False,
        "initial": "" if row.is_secret else row.value or "",
        "help_text": ". ".join(filter(None, (line.limits, _listed(row)))),
    }
    if row.data_type == BOOLEAN:
        options = [("true", "true"), ("false", "false")]
        common["initial"] = common["initial"].casefold()
        return forms.ChoiceField(choices=options, widget=widgets.UnfoldAdminSelectWidget, **common)
    if row.data_type == OPTION_LIST and choices:
        options = [(choice, choice) for choice in choices]
        return forms.ChoiceField(choices=options, widget=widgets.UnfoldAdminSelectWidget, **common)
    if row.data_type == MEMBER_LIST and choices:
        common |= {"initial": _known(choices, common["initial"]), "label": ""}
        options = [(choice, choice) for choice in choices]
        return forms.MultipleChoiceField(
            choices=options, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget, **common
        )
    if row.is_secret:
        widget: Any = widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"})
    elif row.data_type in (INTEGER, DECIMAL):
        widget = widgets.UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    elif len(common["initial"]) > 80:
        widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"})
    else:
        widget = widgets.UnfoldAdminTextInputWidget
    return forms.CharField(max_length=2500, strip=False, widget=widget, **common)


def _listed(row: Variable) -> str:
    """What may stand in a list whose order counts."""
    choices = choices_of(row)
    if not choices or row.data_type in (BOOLEAN, OPTION_LIST, MEMBER_LIST):
        return ""
    return f"Of {', '.join(choices)}, with commas between"


def _known(choices: list[str], value: str) -> list[str]:
    spelled = {choice.casefold(): choice for choice in choices}
    return [spelled[item.casefold()] for item in items(value) if item.casefold() in spelled]


def variable_view(page: ChargePointPages, request: HttpRequest, pk: int, variable: int) -> HttpResponse:
    """Ask for the new value of a variable and queue the order."""
    obj = page.find_or_404(request, str(pk))
    require(request, _CHANGE.permission, obj)
    row = Variable.objects.filter(charge_point=obj, pk=variable).first()
    if row is None or not row.may_change:
        raise Http404("There is no variable that could be changed.")
    form = VariableForm(row, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and page.queue_command(request, obj, form):
        url = reverse("admin:chargepoints_chargepoint_change", args=[obj.pk])
        return HttpResponseRedirect(f"{url}?tab=commands")
    line = line_of(row)
    context = {
        "title": f"{row.key}: {obj}",
        "lead": line.text or "A variable of the vendor's own.",
        "form": form,
        "notice": "" if find_live_connection(obj) else _OFFLINE,
        "submit": "Send",
        "is_dangerous": True,
        "back_url": f"{reverse('admin:chargepoints_chargepoint_change', args=[obj.pk])}?tab=configuration",
    }
    return page.page(request, "admin/form_page.html", context)


def variables_csv_view(page: ChargePointPages, request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the configuration tab shows, as a file."""
    obj: ChargePoint = page.find_or_404(request, str(pk))
    require(request, "variables.view", obj)
    query = request.GET
    rows = select(
        rows_of(obj),
        words=query.get("q", "").strip(),
        show=query.get("show", ""),
        component=query.get("component", ""),
    )
    return csv_response(request, f"{obj.identity}-variables.csv", CSV_HEADER, map(csv_line, rows))
