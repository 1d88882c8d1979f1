"""Sessions: the list, its filters and export, and the acts of an operator."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib.admin import display
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold import widgets
from unfold.views import ChangeList

from accounts.admin_base import (
    ReadOnlyAdmin,
    ScopedAutocompleteFilter,
    ScopedFilter,
    actor_of,
    register,
    require,
)
from chargepoints.admin.shared import charge_point_link
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.selectors import find_charge_point
from csms_project.common.admin import (
    BigList,
    BigTable,
    OptionFilter,
    TimeFilter,
    duration,
)
from csms_project.common.big_tables import read_all
from csms_project.common.csv_files import csv_response
from transactions.admin import session_page
from transactions.admin.limits import LimitForm
from transactions.admin.session_costs import CapForm, RetariffForm
from transactions.admin.shared import ERRORS, cost_of, flag_chips, kwh, length, local, money, state_chip
from transactions.choices import Flag
from transactions.models import Transaction
from transactions.selectors import list_transactions, running_costs, search_transactions
from transactions.services import limits, session_limits
from transactions.services.charger_tariffs import change_session
from transactions.services.closing import close_transaction
from transactions.services.control import request_stop
from transactions.services.recompute import recompute

#: More rows than this are not for a spreadsheet; narrow the filter or use the API.
MAX_EXPORT = 50_000
_COLUMNS = (
    "session",
    "transaction_id",
    "state",
    "charge_point",
    "connector",
    "tag",
    "started_at",
    "ended_at",
    "energy_kwh",
    "cost",
    "currency",
    "stop_reason",
    "flags",
)


class FlagFilter(OptionFilter):
    title = "flags"
    parameter_name = "flag"
    options = (("any", "Any flag"), *Flag.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        # Said in the words of the index `transaction_flagged`.
        queryset = queryset.exclude(flags=[])
        if self.value() == "any":
            return queryset
        # A cast, because SQLite knows no containment of JSON.
        rows: QuerySet[Any] = queryset.annotate(flags_text=Cast("flags", TextField()))
        return rows.filter(flags_text__contains=f'"{self.value()}"')


class SessionList(BigList):
    """The list, with what active sessions would cost now."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        running_costs(self.result_list)


class CloseForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        label="Reason",
        help_text="Kept in the books: why the session is closed without the charger's stop.",
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


@register(Transaction)
class TransactionAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "transactions"
    domain_errors = ERRORS
    change_form_template = "admin/transactions/transaction/page.html"
    list_before_template = "admin/transactions/transaction/list_tools.html"
    list_display = (
        "number",
        "state_column",
        "where",
        "tag",
        "start",
        "length_column",
        "energy",
        "price",
        "flagged",
    )
    list_filter = (
        "state",
        FlagFilter,
        ("charge_point", ScopedAutocompleteFilter),
        ("charge_point__location", ScopedFilter),
        ("started_at", TimeFilter),
        "end_kind",
    )
    time_field = "started_at"
    anchors = ("charge_point__id__exact", "charge_point__location__id__exact")
    quick_filters = ("state", "flag", "charge_point", "charge_point__location", "started_at")
    search_fields = ("ocpp_id",)
    search_help_text = "Transaction id, tag or charge point"
    has_quick_search = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        return list_transactions(actor_of(request).tenant)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_transactions(queryset, actor_of(request).tenant, search_term), False

    def is_anchored(self, request: HttpRequest) -> bool:
        text = request.GET.get("q", "")
        return super().is_anchored(request) or bool(
            text and find_charge_point(actor_of(request).tenant, text)
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SessionList

    # ------------------------------------------------------------ columns

    @display(description="Session")
    def number(self, obj: Transaction) -> str:
        return format_html('{} <span class="cs-sub">{}</span>', obj.pk, obj.ocpp_id)

    @display(description="State")
    def state_column(self, obj: Transaction) -> str:
        return state_chip(obj)

    @display(description="Charge point")
    def where(self, obj: Transaction) -> str:
        return format_html("{} / {}", charge_point_link(obj.charge_point), obj.connector_number)

    @display(description="Tag")
    def tag(self, obj: Transaction) -> str:
        return obj.shown_token or "–"

    @display(description="Start")
    def start(self, obj: Transaction) -> str:
        return local(obj.started_at)

    @display(description="Duration")
    def length_column(self, obj: Transaction) -> str:
        return duration(length(obj))

    @display(description="Energy (kWh)")
    def energy(self, obj: Transaction) -> str:
        return format_html('<span class="cs-num">{}</span>', kwh(obj.energy_wh))

    @display(description="Cost")
    def price(self, obj: Transaction) -> str:
        return format_html('<span class="cs-num">{}</span>', money(cost_of(obj), obj.currency))

    @display(description="Flags")
    def flagged(self, obj: Transaction) -> str:
        return flag_chips(obj) if obj.flags else "–"

    # ------------------------------------------------------------ pages

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export_view), name="transactions_transaction_export"),
            path("<int:pk>/live/", self.live_view, name="transactions_transaction_live"),
            path("<int:pk>/stop/", wrap(self.stop_view), name="transactions_transaction_stop"),
            path("<int:pk>/limit/", wrap(self.limit_view), name="transactions_transaction_limit"),
            path("<int:pk>/cap/", wrap(self.cap_view), name="transactions_transaction_cap"),
            path("<int:pk>/retariff/", wrap(self.retariff_view), name="transactions_transaction_retariff"),
            path("<int:pk>/unlimit/", wrap(self.unlimit_view), name="transactions_transaction_unlimit"),
            path("<int:pk>/close/", wrap(self.close_view), name="transactions_transaction_close"),
            path("<int:pk>/recompute/", wrap(self.recompute_view), name="transactions_transaction_recompute"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context["original"]
        context |= {"title": f"Session {obj.pk}", "subtitle": None, **session_page.context(request, obj)}
        return super().render_change_form(request, context, *args, **kwargs)

    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The figures that change while a session runs."""
        if not self.admin_site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        obj = self.find_or_404(request, str(pk))
        response = render(request, "admin/transactions/transaction/live.html", session_page.live_context(obj))
        if not obj.is_active:
            # The rest of the page shows an open session: load it anew.
            response["HX-Refresh"] = "true"
        return response

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the charger to end the session."""
        obj = self.find_or_404(request, str(pk))
        require(request, "transactions.stop", obj)
        if request.method == "POST":
            actor = actor_of(request)
            done = "The charger was asked to stop; the session ends when its stop arrives."
            self.attempt(request, lambda: request_stop(actor=actor, transaction=obj), done)
            return HttpResponseRedirect(_url(obj))
        lead = "The charger is asked to stop charging. The session ends when the charger's own stop arrives."
        return self._ask(request, obj, f"Stop session {obj.pk}", lead, "Stop charging")

    def limit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Keep the session below a limit of its own."""
        obj = self.find_or_404(request, str(pk))
        require(request, SEND_DANGEROUS, obj)
        form = LimitForm(obj, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            actor = actor_of(request)
            done = "The charger is asked to keep to it; the limit is shown once it has agreed."
            self.attempt(request, lambda: limits.limit(actor=actor, transaction=obj, plan=form.plan()), done)
            return HttpResponseRedirect(_url(obj))
        lead = (
            "The charger is asked to keep this session below the limit. It takes the place of the profiles for every "
            "session, and ends with the session; what the whole charger may draw still applies."
        )
        return self._ask(request, obj, f"Limit session {obj.pk}", lead, "Limit", form)

    def cap_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Limit what the session may cost, take or last."""
        obj = self.find_or_404(request, str(pk))
        require(request, session_limits.PERMISSION, obj)
        form = CapForm(obj, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            actor, wanted = actor_of(request), form.limits()
            done = "The charger is told with the answer to its next message about the session."
            act = partial(session_limits.set_limits, actor=actor, transaction=obj, limits=wanted)
            self.attempt(request, act, done)
            return HttpResponseRedirect(_url(obj))
        lead = "The charger stops giving energy at the limit. One that it was told can only be changed."
        return self._ask(request, obj, f"Limit the cost or energy of session {obj.pk}", lead, "Limit", form)

    def retariff_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let the charger go on by another tariff."""
        obj = self.find_or_404(request, str(pk))
        require(request, SEND_DANGEROUS, obj)
        form = RetariffForm(obj, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            actor, tariff = actor_of(request), form.cleaned_data["tariff"]
            act = partial(change_session, actor=actor, transaction=obj, tariff=tariff)
            self.attempt(request, act, "The charger is asked to go on by this tariff.")
            return HttpResponseRedirect(_url(obj))
        lead = (
            "For a charger that calculates the cost itself. What was used until now stays as it was priced; our own "
            "figures stay with the tariff of the start, and a difference is flagged."
        )
        return self._ask(request, obj, f"Change the tariff of session {obj.pk}", lead, "Change", form)

    def unlimit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the session's own limit back."""
        obj = self.find_or_404(request, str(pk))
        require(request, SEND_DANGEROUS, obj)
        if request.method == "POST":
            actor = actor_of(request)
            done = "The charger is asked to remove the limit."
            self.attempt(request, lambda: limits.remove_limit(actor=actor, transaction=obj), done)
            return HttpResponseRedirect(_url(obj))
        lead = "The profiles for every session hold again, if there are any."
        return self._ask(request, obj, f"Remove the limit of session {obj.pk}", lead, "Remove the limit")

    def close_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close a session whose stop will never come."""
        obj = self.find_or_404(request, str(pk))
        require(request, "transactions.close", obj)
        form = CloseForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            actor, reason = actor_of(request), form.cleaned_data["reason"]
            self.attempt(
                request,
                lambda: close_transaction(actor=actor, transaction=obj, reason=reason),
                "The session is closed.",
            )
            return HttpResponseRedirect(_url(obj))
        lead = (
            "For a session whose stop will never come. It ends at its last sample, with the energy known by then. "
            "A stop that arrives later still corrects it."
        )
        return self._ask(request, obj, f"Close session {obj.pk}", lead, "Close the session", form)

    def recompute_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Compute energy and cost again from what is stored."""
        obj = self.find_or_404(request, str(pk))
        require(request, "transactions.recompute", obj)
        if request.method == "POST":
            actor = actor_of(request)
            done = "Computed again; the ledger says whether a figure changed."
            self.attempt(request, lambda: recompute(actor=actor, transaction=obj), done)
            return HttpResponseRedirect(_url(obj))
        lead = "Energy and cost are computed again from the stored messages and the tariff of the session's start."
        return self._ask(request, obj, f"Recompute session {obj.pk}", lead, "Recompute", is_dangerous=False)

    def _ask(
        self,
        request: HttpRequest,
        obj: Transaction,
        title: str,
        lead: str,
        submit: str,
        form: forms.Form | None = None,
        *,
        is_dangerous: bool = True,
    ) -> HttpResponse:
        context = {"title": title, "lead": lead, "submit": submit, "form": form, "is_dangerous": is_dangerous}
        return self.page(request, "admin/form_page.html", {**context, "back_url": _url(obj)})

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """The sessions of the list's filters as CSV; times in the tenant's zone with their offset."""
        require(request, "transactions.view")
        rows = (
            self.get_changelist_instance(request).queryset.select_related(None).select_related("charge_point")
        )
        found = read_all(
            rows.only(*session_page.CSV_FIELDS), MAX_EXPORT, all_tenants=self.merges_tenants(request)
        )
        # The zone of this moment: the lines are made after the answer has begun.
        zone = timezone.get_current_timezone()
        lines = (session_page.csv_values(row, zone) for row in found)
        return csv_response(request, "sessions.csv", _COLUMNS, lines)


def _url(obj: Transaction) -> str:
    return reverse("admin:transactions_transaction_change", args=[obj.pk])
