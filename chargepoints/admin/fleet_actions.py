"""Commands to many charge points from their list: each becomes a task."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.db.transaction import atomic
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from unfold import widgets

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, require
from accounts.models import Tenant
from chargepoints.admin.buttons import RAW
from chargepoints.admin.command_forms import CommandForm, RawForm
from chargepoints.admin.fleet import task_url
from chargepoints.admin.shared import ERRORS
from chargepoints.cautions import CHARGING
from chargepoints.command_fields import CommandSpec
from chargepoints.command_specs import NEUTRAL
from chargepoints.errors import Invalid
from chargepoints.models import ChargePoint, Connector, FleetTask
from chargepoints.selectors import live_connections
from chargepoints.services import fleet

#: Commands that make sense for many chargers at once.
FOR_MANY = (
    "get_configuration",
    "change_configuration",
    "trigger_message",
    "clear_cache",
    "data_transfer",
    "change_availability",
    "reset",
    "get_local_list_version",
    "send_local_list",
    "clear_charging_profile",
    "get_diagnostics",
    "get_log",
    "update_firmware",
    "signed_update_firmware",
    "get_installed_certificate_ids",
    "install_certificate",
    "set_display_message",
    "get_display_messages",
)


#: What may end or hinder sessions.
_ENDS_SESSIONS = frozenset(
    {"reset", "change_availability", "update_firmware", "signed_update_firmware", RAW.action}
)


class SentToMany(CommandForm):
    """Mixin: how a command is sent to many."""

    def __init__(self, spec: CommandSpec, *args: Any, **kwargs: Any) -> None:
        super().__init__(spec, *args, many=True, **kwargs)
        offline = self.fields["if_offline"]
        assert isinstance(offline, forms.ChoiceField)
        offline.label = "Offline chargers"
        offline.choices = (
            ("", "Fail at once"),
            ("3600", "Wait for an hour"),
            ("86400", "Wait for a day"),
            ("604800", "Wait for a week"),
        )
        self.fields["task_title"] = forms.CharField(
            label="Name of the task",
            required=False,
            max_length=150,
            initial="" if spec is RAW else spec.label,
            help_text="Empty: the name of the command.",
            widget=widgets.UnfoldAdminTextInputWidget,
        )
        self.fields["batch_size"] = forms.IntegerField(
            label="Chargers at a time",
            required=False,
            min_value=1,
            max_value=fleet.MAX_ORDERS,
            help_text="Empty: all at once.",
            widget=widgets.UnfoldAdminIntegerFieldWidget,
        )
        self.fields["not_before"] = forms.SplitDateTimeField(
            label="Not before",
            required=False,
            help_text="Empty: at once.",
            widget=widgets.UnfoldAdminSplitDateTimeWidget,
        )
        self.fields["stop_percent"] = forms.IntegerField(
            label="Stop when more than so many percent fail",
            required=False,
            min_value=0,
            max_value=99,
            help_text="Judged from the fifth answer on; offline chargers do not count. Empty: never.",
            widget=widgets.UnfoldAdminIntegerFieldWidget,
        )

    def options(self) -> dict[str, Any]:
        """How the task is carried on, as the service takes it."""
        given = self.cleaned_data
        percent = given["stop_percent"]
        return {
            "title": given["task_title"].strip() or self._label(),
            "expires_in": self.expires_in(),
            "batch_size": given["batch_size"],
            "not_before": given["not_before"],
            "stop_failure_rate": None if percent is None else percent / 100,
        }

    def _label(self) -> str:
        """What the command is called; an OCPP action by its own name."""
        return self.spec.label if self.action() == self.spec.action else self.action()

    def add_problems(self, problems: dict[str, str]) -> None:
        names = {"title": "task_title", "stop_failure_rate": "stop_percent", "expires_in": "if_offline"}
        super().add_problems({names.get(name, name): text for name, text in problems.items()})


class FleetForm(SentToMany):
    """The arguments of a command, and how it is sent to many."""


class RawFleetForm(SentToMany, RawForm):
    """The same of an OCPP action, sent as it is."""


def actions_for(request: HttpRequest) -> dict[str, Any]:
    """What the list of charge points offers to this person, in the form of its actions."""
    offered = [
        spec for spec in (*(NEUTRAL[name] for name in FOR_MANY), RAW) if allowed(request, spec.permission)
    ]
    return {
        f"command_{spec.action}": (
            partial(send_to_many, spec),
            f"command_{spec.action}",
            f"{spec.label}…",
        )
        for spec in offered
    }


def send_to_many(
    spec: CommandSpec, model_admin: TenantModelAdmin, request: HttpRequest, queryset: QuerySet[ChargePoint]
) -> HttpResponse | None:
    """Start a task for the charge points chosen, after its arguments were asked for and confirmed."""
    require(request, spec.permission)
    is_answer = "confirmed" in request.POST
    form_class = RawFleetForm if spec is RAW else FleetForm
    form = form_class(spec, request.POST if is_answer else None)
    if is_answer and form.is_valid() and (started := _start(request, queryset, form)) is not None:
        return started
    return model_admin.confirm(
        request,
        queryset,
        title=spec.label,
        question=" ".join((spec.confirm or spec.description, *_notices(spec, queryset))),
        form=form,
        is_dangerous=spec.dangerous,
    )


def _notices(spec: CommandSpec, queryset: QuerySet[ChargePoint]) -> Iterator[str]:
    """What is good to know before: who is away, and where cars are charging that the command may cut off."""
    chosen = ChargePoint.objects.filter(pk__in=queryset.order_by().values("pk"))
    count = chosen.count()
    online = chosen.filter(Exists(live_connections().filter(charge_point=OuterRef("pk")))).count()
    if online < count:
        yield f"{count - online} of {count} {'is' if count - online == 1 else 'are'} offline."
    charging = Connector.objects.filter(charge_point__in=chosen.values("pk"), status__in=CHARGING).count()
    if spec.action in _ENDS_SESSIONS and charging:
        yield f"Sessions are running on {charging} connector{'' if charging == 1 else 's'}."


def _start(request: HttpRequest, queryset: QuerySet[ChargePoint], form: SentToMany) -> HttpResponse | None:
    """The way to the page of the task; None when the form has to say what is wrong."""
    try:
        tasks = _tasks(request, list(queryset.select_related("tenant")), form)
    except Invalid as error:
        form.add_problems(error.errors)
        return None
    except ERRORS as error:
        form.add_error(None, str(error))
        return None
    if len(tasks) == 1:
        messages.success(request, f"“{tasks[0]}” has started; what becomes of each charger appears here.")
        return HttpResponseRedirect(task_url(tasks[0]))
    for task in tasks:
        messages.success(
            request, format_html('“{}” for {}: <a href="{}">task</a>.', task, task.tenant, task_url(task))
        )
    return HttpResponseRedirect(request.get_full_path())


@atomic
def _tasks(request: HttpRequest, rows: list[ChargePoint], form: SentToMany) -> list[FleetTask]:
    """A task for each organisation: who sees all of them may choose charge points of several."""
    orders: dict[Tenant, list[fleet.Order]] = {}
    action, payload = form.action(), form.payload()
    for row in rows:
        order = fleet.Order(charge_point=row, action=action, payload=payload)
        orders.setdefault(row.tenant, []).append(order)
    return [
        fleet.start_task(actor=actor_of(request), tenant=tenant, orders=theirs, **form.options())
        for tenant, theirs in orders.items()
    ]
