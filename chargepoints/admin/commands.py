"""Commands and reservations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, allowed, register
from chargepoints import commands
from chargepoints.admin.fleet import task_url
from chargepoints.admin.shared import ERRORS, charge_point_link, command_chip, reservation_chip
from chargepoints.models import Command, Reservation
from chargepoints.selectors import command_note
from chargepoints.services import reservations
from csms_project.common.admin import BigTable, TimeFilter


@register(Command)
class CommandAdmin(BigTable, ReadOnlyAdmin):
    permission_area = "commands"
    domain_errors = ERRORS
    list_display = (
        "action",
        "state",
        "where",
        "created_at",
        "completed_at",
        "requested_by_name",
        "requested_via",
    )
    list_filter = (
        "status",
        ("charge_point", ScopedAutocompleteFilter),
        ("created_at", TimeFilter),
        "requested_via",
    )
    list_select_related = ("charge_point",)
    time_field = "created_at"
    quick_filters = ("charge_point", "created_at")
    search_fields = ("action", "requested_by_name")
    actions = ("cancel",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "where",
                    "action",
                    "state",
                    "note",
                    "payload",
                    "requested_by_name",
                    "requested_via",
                    "task",
                )
            },
        ),
        ("On the wire", {"fields": ("ocpp_action", "request", "response", "error", "message_id")}),
        (
            "Times",
            {"fields": ("created_at", "expires_at", "sent_at", "completed_at", "timeout_s", "attempts")},
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    @display(description="Status")
    def state(self, obj: Command) -> str:
        return command_chip(obj)

    @display(description="Note", empty_value="–")
    def note(self, obj: Command) -> str | None:
        return command_note(obj) or None

    @display(description="Charge point")
    def where(self, obj: Command) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="Part of the task", empty_value="–")
    def task(self, obj: Command) -> str | None:
        item = obj.fleet_items.select_related("task").first()
        if item is None:
            return None
        return format_html('<a class="cs-link" href="{}">{}</a>', task_url(item.task), item.task)

    @admin.action(description="Cancel what was not sent yet", permissions=["send"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Command]) -> None:
        actor = actor_of(request)
        rows = list(queryset)
        self.attempt_all(
            request, rows, lambda row: commands.cancel(actor=actor, command=row), done="{count} cancelled."
        )

    def has_send_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "send")


@register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    permission_area = "reservations"
    list_display = (
        "reservation_id",
        "state",
        "where",
        "which_connector",
        "id_token_value",
        "expires_at",
        "created_at",
    )
    list_filter = ("status", ("charge_point", ScopedAutocompleteFilter), ("created_at", TimeFilter))
    list_select_related = ("charge_point", "connector__charge_point")
    search_fields = ("id_token_value",)
    domain_errors = ERRORS
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("where", "reservation_id", "state", "end_reason", "which_connector")}),
        ("For", {"fields": ("id_token_value", "id_token", "parent_id_token")}),
        ("Times", {"fields": ("created_at", "expires_at", "ended_at")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    @display(description="Status", ordering="status")
    def state(self, obj: Reservation) -> str:
        return reservation_chip(obj)

    @display(description="Connector")
    def which_connector(self, obj: Reservation) -> str:
        return obj.connector.label if obj.connector is not None else "any"

    @display(description="Charge point")
    def where(self, obj: Reservation) -> str:
        return charge_point_link(obj.charge_point)

    @admin.action(description="Cancel…", permissions=["send"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Reservation]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            question = "The chargers are asked to set these connectors free again."
            return self.confirm(request, queryset, title="Cancel reservations", question=question)
        actor = actor_of(request)
        rows = list(queryset.select_related("charge_point"))
        self.attempt_all(
            request,
            rows,
            lambda row: reservations.cancel(actor=actor, reservation=row),
            done="{count} called off; the chargers' answers appear below.",
        )
        return None

    def has_send_permission(self, request: HttpRequest) -> bool:
        return allowed(request, "commands.send")
