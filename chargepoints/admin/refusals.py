"""Refused connections, and the way from one to a registered charger."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from unfold import widgets

from accounts.admin_base import ReadOnlyAdmin, actor_of, register, require, scope
from accounts.models import Tenant
from accounts.selectors import default_tenant
from chargepoints.admin.shared import ERRORS, ago, charge_point_link, ocpp_url, usual_profile
from chargepoints.choices import RefusalReason, SecurityProfile
from chargepoints.errors import Invalid
from chargepoints.models import Location, RefusedConnection
from chargepoints.selectors import refusals_for
from chargepoints.services import stations
from csms_project.common.admin import TimeFilter, chip


class RegisterForm(forms.Form):
    """What must be known of a stranger to let it in."""

    name = forms.CharField(required=False, max_length=100, widget=widgets.UnfoldAdminTextInputWidget)
    location = forms.ModelChoiceField(
        Location.objects.none(), required=False, widget=widgets.UnfoldAdminSelectWidget
    )
    connectors = forms.IntegerField(
        initial=1, min_value=0, max_value=100, widget=widgets.UnfoldAdminIntegerFieldWidget
    )
    security_profile = forms.TypedChoiceField(
        coerce=int,
        choices=SecurityProfile.choices,
        initial=SecurityProfile.BASIC,
        widget=widgets.UnfoldAdminSelectWidget,
    )

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["location"]
        field.queryset = scope(Location.objects.all(), tenant)


#: What helps where nobody can be registered.
HINTS: dict[str, str] = {
    RefusalReason.BAD_IDENTITY: "Correct the URL in the charger",
    RefusalReason.TLS: "Look at the charger's TLS: versions, suites, root certificate",
    RefusalReason.CERTIFICATE: "Look at the charger's certificate, or trust its authority",
}


@register(RefusedConnection)
class RefusedConnectionAdmin(ReadOnlyAdmin):
    permission_area = "refusals"
    domain_errors = ERRORS
    list_display = ("identity", "why", "count", "last", "remote_address", "subprotocols", "next_step")
    list_filter = ("reason", ("last_at", TimeFilter))
    search_fields = ("identity", "remote_address")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefusedConnection]:
        # Strangers belong to no tenant: the selector says who sees them.
        return refusals_for(actor_of(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view")

    @display(description="Reason", ordering="reason")
    def why(self, obj: RefusedConnection) -> str:
        reason = chip(obj.get_reason_display(), "warn")
        return format_html('{} <span class="cs-sub">{}</span>', reason, obj.detail) if obj.detail else reason

    @display(description="Last attempt", ordering="last_at")
    def last(self, obj: RefusedConnection) -> str:
        return ago(obj.last_at)

    @display(description="What to do")
    def next_step(self, obj: RefusedConnection) -> str:
        if obj.charge_point is not None:
            return charge_point_link(obj.charge_point)
        if (hint := HINTS.get(obj.reason)) is not None:
            return hint
        url = reverse("admin:chargepoints_refusedconnection_register", args=[obj.pk])
        return format_html('<a class="cs-button cs-small" href="{}">Register this charger</a>', url)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.register_view)
        mine = path("<int:pk>/register/", view, name="chargepoints_refusedconnection_register")
        return [mine, *super().get_urls()]

    def register_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask what is missing, register, and show the key once."""
        require(request, "refusals.change")
        require(request, "charge_points.change")
        refused = self.find_or_404(request, str(pk))
        if refused.charge_point is not None:
            return HttpResponseRedirect(
                reverse("admin:chargepoints_chargepoint_change", args=[refused.charge_point.pk])
            )
        actor = actor_of(request)
        tenant = actor.tenant or default_tenant()
        initial = {"security_profile": usual_profile(request)}
        form = RegisterForm(tenant, request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                registered = stations.register_refused(
                    actor=actor, refused=refused, tenant=tenant, **form.cleaned_data
                )
            except Invalid as error:
                for name, text in error.errors.items():
                    form.add_error(name if name in form.fields else None, text)
            except self.domain_errors as error:
                form.add_error(None, str(error))
            else:
                return shown_once(self, request, registered.charge_point, registered.key)
        context = {
            "title": f"Register {refused.identity}",
            "lead": f"The charger came from {refused.remote_address or 'an unknown address'} and was refused: "
            f"{refused.get_reason_display()}. It becomes a charge point of {tenant}.",
            "form": form,
            "submit": "Register",
            "back_url": reverse("admin:chargepoints_refusedconnection_changelist"),
        }
        return self.page(request, "admin/form_page.html", context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if not str(object_id).isdigit():
            raise Http404("There is no such object.")
        return super().get_object(request, object_id, from_field)


def shown_once(model_admin: Any, request: HttpRequest, charge_point: Any, key: str | None) -> HttpResponse:
    """URL and key to type into the charger; the key is never shown again."""
    rows = [{"label": "OCPP URL", "value": ocpp_url(request, charge_point)}]
    if key is not None:
        rows += [
            {"label": "User name", "value": charge_point.identity},
            {"label": "Authorization key (password)", "value": key},
        ]
    context = {
        "title": f"{charge_point.identity} is ready to connect",
        "secrets": rows,
        "hint": "Type this into the charger. The key is shown only now; a new one can be made at any time."
        if key is not None
        else "Type this into the charger.",
        "back_url": reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk]),
        "back_text": "To the charge point",
    }
    return model_admin.page(request, "admin/shown_once.html", context)  # type: ignore[no-any-return]
