"""What chargers reported of customers: for those who may read personal data."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.safestring import SafeString

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, allowed, register, require
from chargepoints import errors
from chargepoints.admin.firmware_campaigns import charge_point_or_404
from chargepoints.admin.monitoring_forms import CustomerForm
from chargepoints.admin.monitors import tab_url
from chargepoints.admin.shared import ERRORS, charge_point_link
from chargepoints.command_tables.monitoring import CUSTOMER
from chargepoints.models import ChargePoint, CustomerInformation
from chargepoints.monitoring_choices import ReportState
from chargepoints.services import customer_information
from csms_project.common import audit
from csms_project.common.admin import TimeFilter, chip

_TONES = {
    ReportState.REQUESTED: "info",
    ReportState.ARRIVING: "info",
    ReportState.COMPLETE: "ok",
    ReportState.EMPTY: "neutral",
    ReportState.REFUSED: "bad",
    ReportState.INCOMPLETE: "warn",
}


def report_chip(state: str, note: str = "") -> SafeString:
    """How far a report has come."""
    known = ReportState(state)
    return chip(known.label, _TONES[known], title=note)


def asked_text(row: CustomerInformation) -> str:
    """What the charger was asked to do."""
    if row.report and row.clear:
        return "Report and delete"
    return "Delete" if row.clear else "Report"


@register(CustomerInformation)
class CustomerInformationAdmin(ReadOnlyAdmin):
    permission_area = "customer_information"
    domain_errors = ERRORS
    change_form_template = "admin/chargepoints/customerinformation/page.html"
    list_display = ("created_at", "where", "customer", "asked", "state_column", "requested_by_name")
    list_filter = ("state", ("charge_point", ScopedAutocompleteFilter), ("created_at", TimeFilter))
    list_select_related = ("charge_point",)
    search_fields = ("charge_point__identity", "customer")
    actions = ("forget",)

    @display(description="Charge point")
    def where(self, obj: CustomerInformation) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="Asked to")
    def asked(self, obj: CustomerInformation) -> str:
        return asked_text(obj)

    @display(description="State", ordering="state")
    def state_column(self, obj: CustomerInformation) -> str:
        return report_chip(obj.state, obj.note)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("ask/<int:pk>/", wrap(self.ask_view), name="chargepoints_customerinformation_ask"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context["original"]
        if obj.text:
            audit.record(actor_of(request), "customer_information.view", obj)
        context |= {
            "title": obj.customer,
            "subtitle": None,
            "row": obj,
            "chip": report_chip(obj.state, obj.note),
            "asked": asked_text(obj),
            "tab_url": tab_url(obj.charge_point),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a charger what it knows of a customer, or let it delete that."""
        station = charge_point_or_404(request, pk)
        require(request, CUSTOMER, station)
        form = CustomerForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            row = self._ask(request, station, form)
            if row is not None:
                url = reverse("admin:chargepoints_customerinformation_change", args=[row.pk])
                return HttpResponseRedirect(url)
        context = {
            "title": f"A customer's data: {station}",
            "lead": "Name one customer: by a tag, by an identifier, or by the contract certificate of a vehicle. "
            "A tag whose data is deleted also leaves the local list of this charger.",
            "form": form,
            "submit": "Ask",
            "is_dangerous": True,
            "back_url": tab_url(station),
        }
        return self.page(request, "admin/form_page.html", context)

    def _ask(
        self, request: HttpRequest, station: ChargePoint, form: CustomerForm
    ) -> CustomerInformation | None:
        try:
            row = customer_information.ask(
                actor=actor_of(request),
                charge_point=station,
                payload=form.payload(),
                expires_in=form.expires_in(),
            )
        except errors.InvalidPayload as error:
            form.add_problems(error.errors)
            return None
        except self.domain_errors as error:
            form.add_error(None, str(error))
            return None
        messages.success(request, "The charger is asked; what it reports appears here.")
        return row

    @admin.action(description="Delete what was reported…", permissions=["forget"])
    def forget(self, request: HttpRequest, queryset: QuerySet[CustomerInformation]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            question = "The text is deleted for good; the list keeps that it was asked for."
            return self.confirm(
                request, queryset, title="Delete what was reported", question=question, is_dangerous=True
            )
        actor = actor_of(request)
        self.attempt_all(
            request,
            list(queryset.select_related("charge_point")),
            lambda row: customer_information.forget(actor=actor, row=row),
            done="{count} deleted.",
        )
        return None

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return allowed(request, CUSTOMER)
