"""What chargers ask the certificate authority for, and what people decide about it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from unfold import widgets

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, allowed, register, require
from chargepoints.admin.shared import ERRORS, charge_point_link, pem_block, request_chip
from chargepoints.choices import CertificateRequestState
from chargepoints.models import CertificateRequest
from chargepoints.services import certificate_requests
from csms_project.common.admin import TimeFilter


class RefuseForm(forms.Form):
    """Why a request is turned away."""

    reason = forms.CharField(required=False, max_length=300, widget=widgets.UnfoldAdminTextInputWidget)


@register(CertificateRequest)
class CertificateRequestAdmin(ReadOnlyAdmin):
    permission_area = "certificates"
    domain_errors = ERRORS
    list_display = (
        "common_name", "status", "where", "purpose_words", "received_at", "key", "organization", "problem",
    )  # fmt: skip
    list_filter = (
        "state",
        "purpose",
        ("charge_point", ScopedAutocompleteFilter),
        ("received_at", TimeFilter),
    )
    list_select_related = ("charge_point",)
    search_fields = ("common_name", "organization")
    change_form_template = "admin/chargepoints/certificate/page.html"
    actions = ("approve", "refuse", "try_again")
    fieldsets = (
        (None, {"fields": ("where", "status", "problem", "certificate", "command")}),
        ("Asked for", {"fields": ("purpose_words", "subject", "key", "ocpp_request_id", "text")}),
        (
            "Life",
            {
                "fields": (
                    "received_at",
                    "attempts",
                    "next_attempt_at",
                    "decided_by_name",
                    "decided_at",
                    "ended_at",
                )
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    @display(description="Status", ordering="state")
    def status(self, obj: CertificateRequest) -> str:
        return request_chip(obj)

    @display(description="Charge point")
    def where(self, obj: CertificateRequest) -> str:
        return charge_point_link(obj.charge_point)

    @display(description="For", ordering="purpose")
    def purpose_words(self, obj: CertificateRequest) -> str:
        return obj.get_purpose_display() if obj.purpose else "Connection (not said)"

    @display(description="Request")
    def text(self, obj: CertificateRequest) -> str:
        return pem_block(obj.csr)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        if obj is not None and obj.state == CertificateRequestState.WAITING:
            steps = [("approve", "Approve…"), ("refuse", "Refuse…")]
        elif obj is not None and obj.state == CertificateRequestState.FAILED:
            steps = [("retry", "Try again…")]
        else:
            steps = []
        if obj is not None and allowed(request, certificate_requests.CHANGE, obj):
            name = "admin:chargepoints_certificaterequest_step"
            context["acts"] = [
                {"label": label, "url": reverse(name, args=[obj.pk, step])} for step, label in steps
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.step_view)
        mine = path("<int:pk>/<slug:step>/step/", view, name="chargepoints_certificaterequest_step")
        return [mine, *super().get_urls()]

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """Approve, refuse or try again."""
        if step not in _STEPS:
            raise Http404("There is no such step.")
        obj = self.find_or_404(request, str(pk))
        require(request, certificate_requests.CHANGE, obj)
        label, lead, done, is_dangerous = _STEPS[step]
        form = RefuseForm(request.POST or None) if step == "refuse" else None
        url = reverse("admin:chargepoints_certificaterequest_change", args=[obj.pk])
        if request.method == "POST" and (form is None or form.is_valid()):
            reason = form.cleaned_data["reason"] if form is not None else ""
            self.attempt(request, lambda: self._take(request, obj, step, reason), done)
            return HttpResponseRedirect(url)
        context = {
            "title": f"{label} the request of {obj.charge_point}",
            "lead": lead,
            "form": form,
            "submit": label,
            "is_dangerous": is_dangerous,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)

    def _take(self, request: HttpRequest, obj: CertificateRequest, step: str, reason: str) -> None:
        actor = actor_of(request)
        match step:
            case "refuse":
                certificate_requests.refuse(actor=actor, request=obj, reason=reason)
            case "retry":
                certificate_requests.try_again(actor=actor, request=obj)
            case _:
                certificate_requests.approve(actor=actor, request=obj)

    # ------------------------------------------------------------ many at once

    @admin.action(description="Approve…", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: QuerySet[CertificateRequest]) -> HttpResponse | None:
        question = "Certificates are signed for these chargers, and delivered to them."
        return self._for_all(request, queryset, "approve", "Approve", question, "{count} approved.")

    @admin.action(description="Refuse…", permissions=["decide"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[CertificateRequest]) -> HttpResponse | None:
        question = "These chargers get no certificate; they are not told."
        return self._for_all(request, queryset, "refuse", "Refuse", question, "{count} refused.")

    @admin.action(description="Try again…", permissions=["decide"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[CertificateRequest]) -> HttpResponse | None:
        question = "What has failed is done again, from where it stood."
        return self._for_all(request, queryset, "retry", "Try again", question, "{count} are tried again.")

    def _for_all(
        self,
        request: HttpRequest,
        queryset: QuerySet[CertificateRequest],
        step: str,
        title: str,
        question: str,
        done: str,
    ) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self.confirm(request, queryset, title=title, question=question)
        rows = list(queryset.select_related("charge_point"))
        self.attempt_all(request, rows, lambda row: self._take(request, row, step, ""), done=done)
        return None

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")


#: Label, question, what is said then, whether it may do harm.
_STEPS = {
    "approve": (
        "Approve",
        "A certificate is signed for this charger, and delivered to it. Check that the key was really made by it.",
        "The request is approved; the certificate is on its way.",
        False,
    ),
    "refuse": (
        "Refuse",
        "The charger gets no certificate for this request; it is not told.",
        "The request is refused.",
        True,
    ),
    "retry": (
        "Try again",
        "What has failed is done again, from where it stood.",
        "It is tried again.",
        False,
    ),
}
