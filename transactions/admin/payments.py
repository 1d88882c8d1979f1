"""Settlements and payments on the web."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from django.contrib.admin import display
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, ScopedFilter, register, require
from chargepoints.admin.shared import charge_point_link
from csms_project.common.admin import BigTable, OptionFilter, TimeFilter, chip
from csms_project.common.csv_files import csv_response
from transactions.admin.shared import local, money
from transactions.choices import PaymentStatus, WebPaymentState
from transactions.models import Settlement, WebPayment
from transactions.services.settlements import differs, receipt_link, receipt_number

MAX_EXPORT = 100_000
_TONES = {
    PaymentStatus.SETTLED: "ok",
    PaymentStatus.CANCELED: "neutral",
    PaymentStatus.REJECTED: "bad",
    PaymentStatus.FAILED: "bad",
}
_STATE_TONES = {
    WebPaymentState.STARTED: "neutral",
    WebPaymentState.AUTHORIZED: "info",
    WebPaymentState.CHARGING: "info",
    WebPaymentState.SETTLED: "ok",
    WebPaymentState.CANCELLED: "neutral",
    WebPaymentState.FAILED: "bad",
}
_COLUMNS = (
    "id",
    "received_at",
    "settled_at",
    "charge_point",
    "session",
    "transaction_id",
    "payment_reference",
    "status",
    "status_info",
    "amount",
    "currency",
    "session_cost",
    "settled_by",
    "receipt_id",
    "vat_number",
    "company",
)


def status_chip(row: Settlement) -> str:
    """What became of a payment."""
    words = {
        PaymentStatus.REJECTED: "Rejected",
        PaymentStatus.FAILED: "Failed",
        PaymentStatus.CANCELED: "Cancelled",
    }
    status = PaymentStatus(row.status)
    return chip(words.get(status, status.label), _TONES[status], title=row.status_info or status.label)


def receipt_html(row: Settlement) -> str:
    """A link to the receipt, with its number."""
    link = receipt_link(row)
    if not link:
        return "–"
    number = receipt_number(row)
    return format_html(
        '<a class="cs-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>', link, number
    )


class DifferenceFilter(OptionFilter):
    title = "amount"
    parameter_name = "amount"
    options = (("differs", "Not what the session has cost"), ("orphan", "Of no session that is known"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "differs":
                settled = Q(status=PaymentStatus.SETTLED, transaction__cost__isnull=False)
                return queryset.filter(settled).exclude(transaction__cost=F("amount"))
            case "orphan":
                return queryset.filter(transaction=None)
        return queryset


@register(Settlement)
class SettlementAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "settlements"
    list_select_related = ("charge_point", "transaction")
    list_before_template = "admin/transactions/settlement/list_tools.html"
    list_display = ("when", "where", "session", "psp_ref", "outcome", "amount_column", "receipt", "by")
    list_filter = (
        "status",
        DifferenceFilter,
        ("charge_point", ScopedAutocompleteFilter),
        ("charge_point__location", ScopedFilter),
        ("received_at", TimeFilter),
        "by_csms",
    )
    time_field = "received_at"
    anchors = ("charge_point__id__exact",)
    quick_filters = ("charge_point", "received_at")
    search_fields = ("psp_ref", "ocpp_id", "receipt_id", "vat_number")
    search_help_text = "Payment reference, transaction id, receipt or VAT number"
    fields = (
        "when",
        "where",
        "session",
        "psp_ref",
        "outcome",
        "status_info",
        "amount_column",
        "paid_at",
        "by",
        "receipt",
        "vat_number",
        "company_lines",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Received", ordering="received_at")
    def when(self, obj: Settlement) -> str:
        return local(obj.received_at)

    @display(description="Paid on")
    def paid_at(self, obj: Settlement) -> str:
        return local(obj.settled_at)

    @display(description="Charge point")
    def where(self, obj: Settlement) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="Session")
    def session(self, obj: Settlement) -> str:
        if obj.transaction_id is None:
            return obj.ocpp_id or "–"
        link = reverse("admin:transactions_transaction_change", args=[obj.transaction_id])
        return format_html('<a class="cs-link" href="{}">{}</a>', link, obj.transaction_id)

    @display(description="Status")
    def outcome(self, obj: Settlement) -> str:
        return status_chip(obj)

    @display(description="Amount")
    def amount_column(self, obj: Settlement) -> str:
        shown = format_html('<span class="cs-num cs-nowrap">{}</span>', money(obj.amount, obj.currency))
        if not differs(obj) or obj.transaction is None:
            return shown
        cost = money(obj.transaction.cost, obj.transaction.currency)
        return format_html("{} {}", shown, chip("differs", "warn", title=f"The session has cost {cost}."))

    @display(description="Receipt")
    def receipt(self, obj: Settlement) -> str:
        return receipt_html(obj)

    @display(description="Settled by")
    def by(self, obj: Settlement) -> str:
        return "us" if obj.by_csms else "the charger"

    @display(description="Company")
    def company_lines(self, obj: Settlement) -> str:
        names = ("name", "address1", "address2", "postal_code", "city", "country")
        return ", ".join(str(obj.company[name]) for name in names if obj.company.get(name)) or "–"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="transactions_settlement_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """The settlements of the list's filters as CSV; times in the tenant's zone with their offset."""
        require(request, "settlements.view")
        rows = self.get_changelist_instance(request).queryset.select_related("charge_point", "transaction")
        zone = timezone.get_current_timezone()
        return csv_response(request, "settlements.csv", _COLUMNS, _lines(rows[:MAX_EXPORT], zone))


def _lines(rows: QuerySet[Settlement], zone: tzinfo) -> Iterator[list[Any]]:
    for row in rows.iterator(chunk_size=500):
        session = row.transaction
        cost = session.cost if session is not None else None
        yield [
            row.pk,
            row.received_at.astimezone(zone).isoformat(timespec="seconds"),
            row.settled_at.astimezone(zone).isoformat(timespec="seconds"),
            row.charge_point.identity,
            row.transaction_id or "",
            row.ocpp_id,
            row.psp_ref,
            row.status,
            row.status_info,
            f"{row.amount:f}",
            row.currency,
            "" if cost is None else f"{cost:f}",
            "csms" if row.by_csms else "charger",
            receipt_number(row) if receipt_link(row) else row.receipt_id,
            row.vat_number,
            row.company.get("name", ""),
        ]


@register(WebPayment)
class WebPaymentAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "settlements"
    list_select_related = ("charge_point", "transaction", "settlement")
    list_display = ("when", "where", "state_column", "amount_column", "session", "psp_ref", "note")
    list_filter = ("state", ("charge_point", ScopedAutocompleteFilter), ("created_at", TimeFilter))
    time_field = "created_at"
    anchors = ("charge_point__id__exact",)
    quick_filters = ("charge_point", "created_at")
    search_fields = ("psp_ref",)
    search_help_text = "Payment reference"
    fields = (
        "when",
        "where",
        "state_column",
        "amount_column",
        "psp_ref",
        "provider",
        "limits_text",
        "session",
        "command",
        "settlement",
        "note",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Scanned", ordering="created_at")
    def when(self, obj: WebPayment) -> str:
        return local(obj.created_at)

    @display(description="Charge point")
    def where(self, obj: WebPayment) -> str:
        return format_html("{} / {}", charge_point_link(obj.charge_point), obj.evse_number or "any")

    @display(description="State")
    def state_column(self, obj: WebPayment) -> str:
        state = WebPaymentState(obj.state)
        return chip(state.label, _STATE_TONES[state], title=obj.note)

    @display(description="Set aside")
    def amount_column(self, obj: WebPayment) -> str:
        return format_html('<span class="cs-num cs-nowrap">{}</span>', money(obj.amount, obj.currency))

    @display(description="Session")
    def session(self, obj: WebPayment) -> str:
        if obj.transaction_id is None:
            return "–"
        link = reverse("admin:transactions_transaction_change", args=[obj.transaction_id])
        return format_html('<a class="cs-link" href="{}">{}</a>', link, obj.transaction_id)

    @display(description="Limits of the driver")
    def limits_text(self, obj: WebPayment) -> str:
        return ", ".join(f"{kind} {value}" for kind, value in obj.limits.items()) or "–"
