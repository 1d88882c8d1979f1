"""Lists of tags in chargers: the tab of a charge point's page, the list of all, and what one can do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold import widgets

from accounts.admin_base import (
    ReadOnlyAdmin,
    ScopedAutocompleteFilter,
    TenantModelAdmin,
    actor_of,
    allowed,
    register,
    require,
    scope,
)
from accounts.models import Tenant, TokenGroup
from chargepoints.admin.shared import ERRORS, ago, command_chip
from chargepoints.admin.tabs import Tab
from chargepoints.admin.tabs import register as register_tab
from chargepoints.choices import LocalListState
from chargepoints.errors import Invalid
from chargepoints.list_messages import ASKING, SENDING
from chargepoints.list_plan import Entry
from chargepoints.models import ChargePoint, Command, LocalList
from chargepoints.selectors import find_live_connection, following
from chargepoints.services import local_list
from chargepoints.services.list_wanted import chosen_tokens
from chargepoints.services.local_list import Standing
from csms_project.common.admin import OptionFilter, chip

_TONES = {
    LocalListState.IN_STEP: "ok",
    LocalListState.DUE: "warn",
    LocalListState.SENDING: "info",
    LocalListState.FAILED: "bad",
}
#: Tags that the tab shows, those that differ first.
_MAX_ROWS = 300
_KEPT = (("", "As the organisation says"), ("yes", "Yes"), ("no", "No"))

#: What can be done: label, question, act, permission, whether it may do harm, what is said afterwards.
Step = tuple[str, str, Callable[..., Any], str, bool, str]
STEPS: dict[str, Step] = {
    "sync": (
        "Sync now",
        "The charger gets what it lacks, now or as soon as it is online, even if its list is not kept in step. "
        "What has failed before is tried again.",
        local_list.sync_now,
        "local_lists.change",
        False,
        "The list is brought into step; how it went appears below.",
    ),
    "replace": (
        "Full update",
        "The whole list is sent, even if the charger seems to be in step.",
        lambda **given: local_list.sync_now(**given, replace=True),
        "local_lists.change",
        False,
        "The whole list is sent; how it went appears below.",
    ),
    "check": (
        "Ask for the version",
        "The charger is asked which version of the list it holds. Its answer corrects what is known here.",
        local_list.ask_version,
        "commands.send",
        False,
        "The charger was asked; its answer appears below.",
    ),
    "empty": (
        "Empty the list",
        "The charger forgets all tags and the list is no longer kept in step. While it is offline it will know no "
        "card.",
        local_list.empty,
        "local_lists.change",
        True,
        "The charger was told to forget all tags; its answer appears below.",
    ),
}


def state_chip(row: LocalList) -> SafeString:
    """How a list stands; what went wrong is in its title."""
    state = LocalListState(row.state)
    if state is LocalListState.DUE and not (row.is_active or row.is_asked):
        return chip("Not in step", title="Nothing is sent: the list is not kept in step.")
    return chip(state.label, _TONES.get(state, "neutral"), title=row.last_error)


# ---------------------------------------------------------------- the tab
def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    standing = local_list.standing_of(obj)
    last = Command.objects.filter(charge_point=obj, action__in=ASKING | SENDING).order_by("-id").first()
    rows = _rows(standing)
    is_live = obj.archived_at is None
    return {
        "list": standing,
        "row": standing.row,
        "chip": state_chip(standing.row),
        "entries": rows[:_MAX_ROWS],
        "more": max(0, len(rows) - _MAX_ROWS),
        "tried": ago(standing.row.last_attempt_at),
        "succeeded": ago(standing.row.last_success_at),
        "last_command": last,
        "last_chip": command_chip(last) if last else "",
        "is_moving": _is_moving(obj, standing.row),
        "may_change_list": is_live and allowed(request, "local_lists.change", obj),
        "steps": [
            {
                "label": f"{label}…" if is_dangerous else label,
                "title": question,
                "url": reverse("admin:chargepoints_locallist_step", args=[obj.pk, name]),
            }
            for name, (label, question, _, permission, is_dangerous, _) in STEPS.items()
            if is_live and allowed(request, permission, obj)
        ],
    }


def _is_moving(obj: ChargePoint, row: LocalList) -> bool:
    """Whether something is about to happen, so that the page should show it."""
    is_asked = row.command_id is not None or row.is_active or row.is_asked
    is_settled = row.state in (LocalListState.IN_STEP, LocalListState.FAILED, LocalListState.NOT_SUPPORTED)
    return is_asked and not is_settled and find_live_connection(obj) is not None


def _rows(standing: Standing) -> list[dict[str, Any]]:
    """Tags wanted or held: those that differ first, then in their order."""
    difference = standing.difference
    if difference is None:
        return [_row(entry, None, "unknown", "neutral") for entry in _ordered(standing.wanted)]
    held = standing.held or {}
    differing = {entry.key for entry in chain(difference.added, difference.changed, difference.removed)}
    return [
        *(_row(entry, None, "missing", "warn") for entry in difference.added),
        *(_row(entry, held[entry.key], "differs", "warn") for entry in difference.changed),
        *(_row(None, entry, "too much", "bad") for entry in difference.removed),
        *(_row(e, held[e.key], "same", "ok") for e in _ordered(standing.wanted) if e.key not in differing),
    ]


def _ordered(entries: dict[str, Entry]) -> list[Entry]:
    return [entries[key] for key in sorted(entries)]


def _row(wanted: Entry | None, held: Entry | None, word: str, tone: str) -> dict[str, Any]:
    shown = wanted or held
    assert shown is not None
    return {
        "value": shown.value,
        "type": shown.type,
        "wanted": wanted,
        "held": held,
        "chip": chip(word, tone),
    }


register_tab(
    Tab(
        name="local-list",
        title="Local list",
        permission="local_lists.view",
        template="admin/chargepoints/chargepoint/local_list.html",
        context=_context,
        order=40,
    )
)


# ---------------------------------------------------------------- what it should hold
class SourceForm(forms.Form):
    """Whether a list is kept, and which tags it holds."""

    is_kept = forms.ChoiceField(
        label="Keep in step",
        choices=_KEPT,
        required=False,
        widget=widgets.UnfoldAdminSelectWidget,
        help_text="Changes of tags reach the charger by themselves.",
    )
    all_tokens = forms.BooleanField(
        label="All tags",
        required=False,
        widget=widgets.UnfoldBooleanSwitchWidget,
        help_text="Of the organisation. Otherwise the groups and tags chosen here.",
    )
    token_groups = forms.ModelMultipleChoiceField(
        TokenGroup.objects.none(),
        label="Groups",
        required=False,
        widget=widgets.UnfoldAdminSelectMultipleWidget,
        help_text="All tags of these groups.",
    )
    tokens = forms.CharField(
        label="Single tags",
        required=False,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="Their values, one on each line.",
    )
    without = forms.CharField(
        label="Tags left out",
        required=False,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Their values, one on each line; also those whose data this charger was told to delete.",
    )
    with_refused = forms.BooleanField(
        label="List refused tags as well",
        required=False,
        widget=widgets.UnfoldBooleanSwitchWidget,
        help_text="Blocked and expired tags are listed as such: a charger that accepts unknown tags while it is "
        "offline refuses them. Without them there is room for more.",
    )

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        field: Any = self.fields["token_groups"]
        field.queryset = scope(TokenGroup.objects.all(), tenant)
        state = "kept" if tenant.keep_local_lists else "not kept"
        kept: Any = self.fields["is_kept"]
        kept.choices = [("", f"As the organisation says ({state})"), *_KEPT[1:]]

    def clean_is_kept(self) -> bool | None:
        return {"yes": True, "no": False}.get(self.cleaned_data["is_kept"])

    def clean_tokens(self) -> list[Any]:
        return self._chosen("tokens")

    def clean_without(self) -> list[Any]:
        return self._chosen("without")

    def _chosen(self, name: str) -> list[Any]:
        found, unknown = chosen_tokens(self.tenant, self.cleaned_data[name].splitlines())
        if unknown:
            raise forms.ValidationError([f"There is no tag “{value}”." for value in unknown[:20]])
        return found

    @classmethod
    def initial_of(cls, standing: Standing) -> dict[str, Any]:
        """What the form shows of a list."""
        row = standing.row
        return {
            "is_kept": {True: "yes", False: "no"}.get(row.is_kept, "") if row.is_kept is not None else "",
            "all_tokens": row.all_tokens,
            "token_groups": [group.pk for group in standing.groups],
            "tokens": "\n".join(dict.fromkeys(token.value for token in standing.tokens)),
            "without": "\n".join(dict.fromkeys(token.value for token in standing.without)),
            "with_refused": row.with_refused,
        }


class KeptForm(forms.Form):
    """Whether the lists of many chargers are kept."""

    is_kept = forms.ChoiceField(
        label="Keep in step",
        choices=(("yes", "Yes"), ("no", "No"), ("", "As the organisation says")),
        required=False,
        widget=widgets.UnfoldAdminSelectWidget,
    )

    def clean_is_kept(self) -> bool | None:
        return {"yes": True, "no": False}.get(self.cleaned_data["is_kept"])


def keep_for_many(
    model_admin: TenantModelAdmin, request: HttpRequest, queryset: QuerySet[ChargePoint]
) -> HttpResponse | None:
    """Say for the charge points chosen whether their lists follow the tags."""
    require(request, "local_lists.change")
    is_answer = "confirmed" in request.POST
    form = KeptForm(request.POST if is_answer else None)
    if not is_answer or not form.is_valid():
        question = "Whether the tags that these chargers know by themselves follow the tags here."
        return model_admin.confirm(request, queryset, title="Keep local lists", question=question, form=form)
    actor, is_kept = actor_of(request), form.cleaned_data["is_kept"]
    model_admin.attempt_all(
        request,
        list(queryset.select_related("tenant")),
        lambda row: local_list.change(actor=actor, charge_point=row, is_kept=is_kept),
        done="Local lists changed: {count}.",
    )
    return None


# ---------------------------------------------------------------- the list of all
class StateFilter(OptionFilter):
    title = "state"
    parameter_name = "state"
    options = tuple(LocalListState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class KeptFilter(OptionFilter):
    title = "kept in step"
    parameter_name = "kept"
    options = (("yes", "Yes"), ("no", "No"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(following())
            case "no":
                return queryset.exclude(following())
        return queryset


@register(LocalList)
class LocalListAdmin(ReadOnlyAdmin):
    permission_area = "local_lists"
    domain_errors = ERRORS
    list_display = ("where", "stands", "kept", "tags", "version_column", "last_success_at", "problem")
    list_filter = (StateFilter, KeptFilter, ("charge_point", ScopedAutocompleteFilter))
    list_select_related = ("charge_point", "tenant", "holds")
    search_fields = ("charge_point__identity", "charge_point__name")
    actions = ("sync",)
    fieldsets = (
        (None, {"fields": ("where", "stands", "kept", "tags", "version_column", "problem")}),
        ("Times", {"fields": ("last_attempt_at", "last_success_at", "next_attempt_at", "failures")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    @display(description="Charge point", ordering="charge_point__identity")
    def where(self, obj: LocalList) -> str:
        return format_html(
            '<a class="cs-link" href="{}">{}</a>', tab_url(obj.charge_point_id), obj.charge_point
        )

    @display(description="State", ordering="state")
    def stands(self, obj: LocalList) -> str:
        return state_chip(obj)

    @display(description="Kept in step", boolean=True)
    def kept(self, obj: LocalList) -> bool:
        return obj.is_active

    @display(description="Tags held / wanted")
    def tags(self, obj: LocalList) -> str:
        return f"{obj.holds.count if obj.holds is not None else '?'} / {obj.wanted_count}"

    @display(description="Version", ordering="version")
    def version_column(self, obj: LocalList) -> str:
        return "–" if obj.version is None else str(obj.version)

    @display(description="What went wrong")
    def problem(self, obj: LocalList) -> str:
        return obj.last_error or "–"

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return allowed(request, "local_lists.change")

    @admin.action(description="Sync now…", permissions=["sync"])
    def sync(self, request: HttpRequest, queryset: QuerySet[LocalList]) -> HttpResponse | None:
        label, question, act, *_ = STEPS["sync"]
        if "confirmed" not in request.POST:
            return self.confirm(request, queryset, title=label, question=question)
        actor = actor_of(request)
        rows = [row.charge_point for row in queryset.select_related("charge_point")]
        self.attempt_all(
            request,
            rows,
            lambda row: act(actor=actor, charge_point=row),
            done="Lists to be brought into step: {count}; those of offline chargers when they connect.",
        )
        return None

    # ------------------------------------------------------------ of one charge point

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("of/<int:pk>/source/", wrap(self.source_view), name="chargepoints_locallist_source"),
            path("of/<int:pk>/<slug:step>/", wrap(self.step_view), name="chargepoints_locallist_step"),
            *super().get_urls(),
        ]

    def source_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say whether the list of a charge point is kept, and which tags it holds."""
        obj = _charge_point(request, pk)
        require(request, "local_lists.change", obj)
        initial = SourceForm.initial_of(local_list.standing_of(obj))
        form = SourceForm(obj.tenant, request.POST if request.method == "POST" else None, initial=initial)
        if request.method == "POST" and form.is_valid() and self._change(request, obj, form):
            return HttpResponseRedirect(tab_url(obj.pk))
        context = {
            "title": f"Local list of {obj}",
            "lead": "The tags that the charger knows by itself, so that it can decide while it is offline.",
            "form": form,
            "submit": "Save",
            "back_url": tab_url(obj.pk),
        }
        return self.page(request, "admin/form_page.html", context)

    def _change(self, request: HttpRequest, obj: ChargePoint, form: SourceForm) -> bool:
        try:
            local_list.change(actor=actor_of(request), charge_point=obj, **form.cleaned_data)
        except Invalid as error:
            for name, text in error.errors.items():
                form.add_error(name if name in form.fields else None, text)
            return False
        messages.success(request, "The list was changed.")
        return True

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """Bring into step, replace, ask for the version, or empty."""
        if step not in STEPS:
            raise Http404("There is no such step.")
        label, question, act, permission, is_dangerous, done = STEPS[step]
        obj = _charge_point(request, pk)
        require(request, permission, obj)
        if request.method == "POST":
            actor = actor_of(request)
            self.attempt(request, lambda: act(actor=actor, charge_point=obj), done)
            return HttpResponseRedirect(tab_url(obj.pk))
        context = {
            "title": f"{label}: {obj}",
            "lead": question,
            "submit": label,
            "is_dangerous": is_dangerous,
            "back_url": tab_url(obj.pk),
        }
        return self.page(request, "admin/form_page.html", context)


def tab_url(charge_point_id: int) -> str:
    """The tab of a charge point's page."""
    return f"{reverse('admin:chargepoints_chargepoint_change', args=[charge_point_id])}?tab=local-list"


def _charge_point(request: HttpRequest, pk: int) -> ChargePoint:
    rows = scope(ChargePoint.objects.select_related("tenant"), actor_of(request).tenant)
    found: ChargePoint | None = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such charge point.")
    return found
