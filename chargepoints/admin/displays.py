"""Messages on displays: the list, the form, where they stand, and the tab of a charge point's page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold import widgets

from accounts.admin_base import (
    TenantForm,
    TenantModelAdmin,
    actor_of,
    allowed,
    changed_values,
    register,
    require,
    take_over,
)
from chargepoints.admin.firmware_campaigns import charge_point_or_404
from chargepoints.admin.shared import ERRORS
from chargepoints.admin.tabs import Tab
from chargepoints.admin.tabs import register as register_tab
from chargepoints.choices import DisplayPriority, ShownState
from chargepoints.errors import Invalid
from chargepoints.models import ChargePoint, DisplayMessage, DisplayReading, ShownMessage
from chargepoints.services import display_messages, display_sync
from csms_project.common.admin import chip

_AREA = "display_messages"
_TONES = {
    ShownState.HELD: "ok",
    ShownState.DUE: "warn",
    ShownState.SENDING: "info",
    ShownState.REFUSED: "bad",
    ShownState.CLEARING: "warn",
}
#: Chargers that a message's page shows, those with trouble first.
_MAX_ROWS = 200


class DisplayMessageForm(TenantForm):
    """A message; what it says in other languages is typed line by line."""

    languages = forms.CharField(
        label="In other languages",
        required=False,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One on each line, as “de: Willkommen”. Chargers of OCPP 2.1 choose the driver's; others cannot "
        "take such a message.",
    )

    class Meta:
        model = DisplayMessage
        exclude = ("tenant", "extra")
        widgets = {"content": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "languages" in self.fields:
            extra = self.instance.extra or []
            lines = [f"{part.get('language', '')}: {part.get('content', '')}" for part in extra]
            self.fields["languages"].initial = "\n".join(lines)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        lines = [line for line in data.get("languages", "").splitlines() if line.strip()]
        extra = []
        for line in lines:
            language, colon, text = line.partition(":")
            if not colon or not text.strip():
                self.add_error("languages", f"“{line[:40]}” does not look like “de: Willkommen”.")
                return data
            extra.append(
                {"language": language.strip(), "content": text.strip(), "format": data.get("format", "UTF8")}
            )
        data["extra"] = extra
        try:
            row = DisplayMessage(**{name: data.get(name) for name in _CHECKED}, extra=extra)
            display_messages.check(row)
        except Invalid as error:
            for name, text in error.errors.items():
                field = {"extra": "languages"}.get(name, name)
                self.add_error(field if field in self.fields else None, ValidationError(text))
        return data


_CHECKED = (
    "content", "format", "language", "priority", "state", "starts_at", "ends_at", "charge_point", "transaction_id",
)  # fmt: skip


def shown_chip(row: ShownMessage) -> SafeString:
    """How a message stands on a charger."""
    state = ShownState(row.status)
    return chip(state.label, _TONES.get(state, "neutral"))


@register(DisplayMessage)
class DisplayMessageAdmin(TenantModelAdmin):
    permission_area = _AREA
    domain_errors = ERRORS
    form = DisplayMessageForm
    change_form_template = "admin/chargepoints/displaymessage/page.html"
    list_display = ("name", "says", "when", "applies_to", "stands", "is_shown")
    list_filter = ("is_active", "priority", "state", "format")
    list_select_related = ("charge_point", "location")
    search_fields = ("name", "content", "transaction_id")
    search_help_text = "Name, message or transaction id"
    autocomplete_fields = ("charge_point", "location")
    actions = ("send_again",)
    fieldsets = (
        (None, {"fields": ("name", "content", ("format", "language"), "languages", "is_active")}),
        ("When", {"fields": (("priority", "state"), "starts_at", "ends_at")}),
        (
            "Which chargers",
            {
                "fields": (("charge_point", "location"), ("vendor", "model"), "transaction_id"),
                "description": "All that is filled in must fit. Nothing filled in: every charger. Displays are "
                "reached from OCPP 2.0.1 on; OCPP 1.6 has no such message.",
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        # The lines of the form belong to it; a reader gets none.
        first, *others = self.fieldsets
        names = tuple(name for name in first[1]["fields"] if name != "languages")
        return ((first[0], {"fields": names}), *others)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DisplayMessage]:
        rows: QuerySet[DisplayMessage] = super().get_queryset(request)
        return rows.annotate(
            shown_count=Count("shown"),
            held_count=Count("shown", filter=Q(shown__status=ShownState.HELD)),
            refused_count=Count("shown", filter=Q(shown__status=ShownState.REFUSED)),
        )

    # ------------------------------------------------------------ list

    @display(description="Says")
    def says(self, obj: DisplayMessage) -> str:
        return obj.content if len(obj.content) <= 60 else f"{obj.content[:59]}…"

    @display(description="While", ordering="state")
    def when(self, obj: DisplayMessage) -> str:
        tone = "info" if obj.priority != DisplayPriority.NORMAL else "neutral"
        return chip(obj.get_state_display() or "Always", tone, title=obj.get_priority_display())

    @display(description="For")
    def applies_to(self, obj: DisplayMessage) -> str:
        return words_of(obj)

    @display(description="On chargers", ordering="held_count")
    def stands(self, obj: Any) -> str:
        if not obj.shown_count:
            return "–"
        refused = f", {obj.refused_count} refused" if obj.refused_count else ""
        return f"{obj.held_count} of {obj.shown_count}{refused}"

    @display(description="Shown", boolean=True, ordering="is_active")
    def is_shown(self, obj: DisplayMessage) -> bool:
        return obj.is_active

    def has_display_change_permission(self, request: HttpRequest) -> bool:
        return allowed(request, display_messages.CHANGE)

    @admin.action(description="Send again where it was refused or lost", permissions=["display_change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[DisplayMessage]) -> None:
        actor = actor_of(request)
        self.attempt_all(
            request,
            list(queryset),
            lambda row: display_messages.send_again(actor=actor, message=row),
            done="Messages sent again: {count}.",
        )

    # ------------------------------------------------------------ form

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        if change:
            stored = DisplayMessage.objects.get(pk=obj.pk)
            values = changed_values(form)
            if values.pop("languages", None) is not None or "format" in values:
                values["extra"] = form.cleaned_data["extra"]
            display_messages.update_message(actor=actor, message=stored, **values)
        else:
            given = {name: value for name, value in form.cleaned_data.items() if name != "languages"}
            take_over(obj, display_messages.create_message(actor=actor, tenant=obj.tenant, **given))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        display_messages.delete_message(actor=actor_of(request), message=obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Chargers that hold it are told by the service.
        return [str(obj) for obj in objs], {}, set(), []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context.get("original")
        rows: list[ShownMessage] = []
        if obj is not None:
            shown = obj.shown.select_related("charge_point")
            rows = sorted(shown, key=lambda row: (row.status == ShownState.HELD, row.charge_point.identity))
        context |= {
            "message": obj,
            "shown": [{"row": row, "chip": shown_chip(row)} for row in rows[:_MAX_ROWS]],
            "more": max(0, len(rows) - _MAX_ROWS),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # ------------------------------------------------------------ of one charge point

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("ask/<int:pk>/", wrap(self.ask_view), name="chargepoints_displaymessage_ask"),
            *super().get_urls(),
        ]

    def ask_view(self, request: HttpRequest, pk: int) -> Any:
        """Ask a charger which messages it holds."""
        station = charge_point_or_404(request, pk)
        require(request, "commands.send", station)
        back = f"{reverse('admin:chargepoints_chargepoint_change', args=[station.pk])}?tab=display"
        if request.method == "POST":
            actor = actor_of(request)
            self.attempt(
                request,
                lambda: display_messages.ask_charger(actor=actor, charge_point=station),
                "The charger is asked; what it holds appears below.",
            )
            return HttpResponseRedirect(back)
        context = {
            "title": f"Ask for messages: {station}",
            "lead": "The charger tells which messages it holds. What it has lost is sent again.",
            "submit": "Ask",
            "back_url": back,
        }
        return self.page(request, "admin/form_page.html", context)


def words_of(message: DisplayMessage) -> str:
    """For which chargers a message is."""
    parts = [
        f"charger {message.charge_point}" if message.charge_point else "",
        f"site {message.location}" if message.location else "",
        f"vendor {message.vendor}" if message.vendor else "",
        f"model {message.model}" if message.model else "",
        f"session {message.transaction_id}" if message.transaction_id else "",
    ]
    return ", ".join(part for part in parts if part) or "all chargers"


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    rows = ShownMessage.objects.filter(charge_point=obj).select_related("message").order_by("number")
    can = display_sync.abilities_of(obj)
    return {
        "rows": [{"row": row, "chip": shown_chip(row), "told": row.reported or row.sent} for row in rows],
        "reading": DisplayReading.objects.filter(charge_point=obj).first(),
        "abilities": {
            "Formats": ", ".join(sorted(can.formats)),
            "Priorities": ", ".join(sorted(can.priorities)),
            "States": ", ".join(sorted(can.states)),
        },
        "is_available": can.is_available,
        "may_ask_display": obj.archived_at is None and allowed(request, "commands.send", obj),
        "may_add_message": allowed(request, display_messages.CHANGE, obj),
    }


register_tab(
    Tab(
        name="display",
        title="Display",
        permission="display_messages.view",
        template="admin/chargepoints/chargepoint/display.html",
        context=_context,
        order=45,
    )
)
