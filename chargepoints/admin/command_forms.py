"""Forms of commands, made from the table of commands."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from unfold import widgets

from chargepoints.command_fields import CommandSpec, FieldSpec

_TEXT_AREA_FROM = 500
#: A line of an argument that is a table.
_EXAMPLES = {
    "entries": "04A1B2C3, Accepted, 2030-12-31 23:59",
    "periods": "0, 16.0, 3",
    "monitors": "EVSE, AvailabilityState, 1, , Delta, 1, 8",
    "variables": "EVSE, AvailabilityState, 1",
    "points": "1.05, 60",
    "variables key": "OCPPCommCtrlr/HeartbeatInterval, 300",
}
_YES_NO = (("", "Choose"), ("yes", "Yes"), ("no", "No"))


class CommandForm(forms.Form):
    """The arguments of one command; `payload` is what a service takes.

    What may do harm has a box that must be ticked.
    """

    def __init__(self, spec: CommandSpec, *args: Any, many: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        for field in _shown(spec.fields):
            self.fields[field.name] = make_field(field)
        self.fields["if_offline"] = forms.ChoiceField(
            label="If offline",
            required=False,
            choices=(("", "Do not send"), ("3600", "Send within an hour"), ("86400", "Send within a day")),
            widget=widgets.UnfoldAdminSelectWidget,
        )
        if spec.confirm and not many:
            self.fields["confirm"] = forms.BooleanField(
                label=spec.confirm,
                widget=widgets.UnfoldBooleanWidget,
                error_messages={"required": "Tick the box to go on."},
            )

    def action(self) -> str:
        """The command to queue."""
        return self.spec.action

    def payload(self) -> dict[str, Any]:
        """The arguments that were given."""
        values = {field.name: self._value(field) for field in _shown(self.spec.fields)}
        return {name: value for name, value in values.items() if value is not None}

    def expires_in(self) -> int | None:
        """How long the command may wait for the charger, in seconds."""
        return int(self.cleaned_data.get("if_offline") or 0) or None

    def add_problems(self, problems: dict[str, str]) -> None:
        """Show what the service found wrong."""
        for name, text in problems.items():
            self.add_error(
                name if name in self.fields else None, text if name in self.fields else f"{name}: {text}"
            )

    def _value(self, field: FieldSpec) -> Any:
        value = self.cleaned_data.get(field.name)
        match field.type:
            case "boolean":
                return {"yes": True, "no": False}.get(str(value))
            case "strings":
                return [line.strip() for line in str(value or "").splitlines() if line.strip()] or None
            case "rows":
                return read_rows(field, str(value or "")) or None
            case "datetime":
                return value.isoformat() if value else None
            case "string" if isinstance(value, str):
                # Browsers send the lines of a text area in their own way.
                value = value.replace("\r\n", "\n")
        if value == "" and field.name == "value":
            return ""
        return None if value in ("", None) else value


class RawForm(CommandForm):
    """An OCPP action and its payload, sent as they are."""

    def __init__(self, spec: CommandSpec, *args: Any, **kwargs: Any) -> None:
        super().__init__(spec, *args, **kwargs)
        self.fields = {
            "ocpp_action": forms.RegexField(
                r"^[A-Z][A-Za-z0-9]{1,63}$",
                label="OCPP action",
                help_text="As in the specification, for example GetDiagnostics.",
                widget=widgets.UnfoldAdminTextInputWidget,
                error_messages={"invalid": "An OCPP action is one word in letters, such as GetDiagnostics."},
            ),
            "ocpp_payload": forms.JSONField(
                label="Payload (JSON)",
                initial=dict,
                required=False,
                widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 10, "spellcheck": "false"}),
            ),
            **self.fields,
        }

    def action(self) -> str:
        action: str = self.cleaned_data["ocpp_action"]
        return action

    def payload(self) -> dict[str, Any]:
        payload = self.cleaned_data["ocpp_payload"]
        return {} if payload is None else payload


class OptionalJSONField(forms.JSONField):
    """JSON that may be left out: nothing is shown as nothing, not as null."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


def _shown(fields: tuple[FieldSpec, ...]) -> list[FieldSpec]:
    return [field for field in fields if not field.named_only]


def make_field(spec: FieldSpec) -> forms.Field:
    """A form field for one argument."""
    common: dict[str, Any] = {
        "label": spec.label or spec.name,
        "help_text": spec.help,
        # An empty value is one: it clears a configuration key (OCPP 1.6 §5.4).
        "required": spec.required and spec.name != "value",
        "initial": spec.default,
    }
    match spec.type:
        case "integer":
            return forms.IntegerField(
                min_value=spec.minimum, widget=widgets.UnfoldAdminIntegerFieldWidget, **common
            )
        case "decimal":
            return forms.DecimalField(
                min_value=spec.minimum,
                decimal_places=spec.decimals,
                widget=widgets.UnfoldAdminDecimalFieldWidget,
                **common,
            )
        case "boolean":
            return forms.ChoiceField(choices=_YES_NO, widget=widgets.UnfoldAdminSelectWidget, **common)
        case "enum":
            labels = spec.choice_labels or spec.choices
            choices = [("", "Choose"), *zip(spec.choices, labels, strict=True)]
            return forms.ChoiceField(choices=choices, widget=widgets.UnfoldAdminSelectWidget, **common)
        case "object":
            return OptionalJSONField(widget=_area(4), encoder=json.JSONEncoder, **common)
        case "strings":
            common["help_text"] = f"{spec.help} One on each line.".strip()
            return forms.CharField(widget=_area(4), **common)
        case "rows":
            columns = ", ".join(column.label or column.name for column in _shown(spec.fields))
            example = _EXAMPLES.get(f"{spec.name} {spec.fields[0].name}") or _EXAMPLES.get(spec.name, "")
            common["help_text"] = f"{spec.help} One on each line: {columns}; for example {example}".strip()
            return forms.CharField(widget=_area(6), **common)
        case "datetime":
            return forms.SplitDateTimeField(widget=widgets.UnfoldAdminSplitDateTimeWidget, **common)
    if spec.secret:
        widget: Any = widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"})
    elif spec.max_length and spec.max_length > _TEXT_AREA_FROM and spec.name != "value":
        widget = _area(6)
    else:
        widget = widgets.UnfoldAdminTextInputWidget
    return forms.CharField(max_length=spec.max_length, strip=False, widget=widget, **common)


def _area(rows: int) -> Any:
    return widgets.UnfoldAdminTextareaWidget(attrs={"rows": rows, "spellcheck": "false"})


def read_rows(spec: FieldSpec, text: str) -> list[dict[str, Any]]:
    """The lines of a table: values in the order of its columns, with commas between; the service checks them."""
    return [_read_row(spec, line) for line in text.splitlines() if line.strip()]


def _read_row(spec: FieldSpec, line: str) -> dict[str, Any]:
    columns = _shown(spec.fields)
    # A value at the end of a line may be a list, with commas of its own.
    splits = len(columns) - 1 if columns[-1].name == "value" else -1
    cells = [cell.strip() for cell in line.split(",", splits)]
    row = {
        column.name: _read_cell(column, cell) for column, cell in zip(columns, cells, strict=False) if cell
    }
    # What is too much is named by the service as an argument that there is not.
    return row | {cell: cell for cell in cells[len(columns) :] if cell}


def _read_cell(column: FieldSpec, cell: str) -> Any:
    try:
        if column.type == "integer":
            return int(cell)
        if column.type == "boolean":
            return {"yes": True, "true": True, "no": False, "false": False}.get(cell.casefold(), cell)
        if column.type == "datetime":
            moment = datetime.fromisoformat(cell)
            return (moment if moment.tzinfo is not None else timezone.make_aware(moment)).isoformat()
    except (ValueError, OverflowError):
        pass
    return cell
