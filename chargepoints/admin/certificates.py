"""Certificates of chargers and servers, roots of others, and what chargers ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold import widgets

from accounts.admin_base import ReadOnlyAdmin, ScopedAutocompleteFilter, actor_of, allowed, register, require
from accounts.selectors import default_tenant
from chargepoints.admin.certificate_acts import CertificateActs
from chargepoints.admin.shared import (
    ERRORS,
    certificate_chip,
    charge_point_link,
    days_left,
    pem_block,
)
from chargepoints.choices import CertificateKind, CertificateState, RevocationReason
from chargepoints.errors import Invalid
from chargepoints.models import Certificate
from chargepoints.services import certificates
from csms_project.common.admin import OptionFilter, TimeFilter


class ReasonForm(forms.Form):
    """Why a certificate is taken back."""

    reason = forms.ChoiceField(
        choices=RevocationReason.choices,
        help_text="Stands in the revocation list.",
        widget=widgets.UnfoldAdminSelectWidget,
    )


class RootForm(forms.Form):
    """A root of somebody else."""

    kind = forms.ChoiceField(
        choices=[
            (CertificateKind.MANUFACTURER_ROOT, "A manufacturer's: chargers check signed firmware by it"),
            (
                CertificateKind.CENTRAL_ROOT,
                "Of the authority that has signed this system's server certificate",
            ),
            (CertificateKind.V2G_ROOT, "Plug & Charge, V2G: vehicles know chargers by it"),
            (CertificateKind.MO_ROOT, "Plug & Charge, mobility operator: contracts are known by it"),
            (CertificateKind.OEM_ROOT, "Plug & Charge, vehicle maker: vehicles are known by it (OCPP 2.1)"),
        ],
        widget=widgets.UnfoldAdminSelectWidget,
    )
    pem = forms.CharField(
        label="Root certificate",
        help_text="In PEM: -----BEGIN CERTIFICATE----- and so on.",
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 12}),
    )


class ExpiryFilter(OptionFilter):
    title = "validity"
    parameter_name = "validity"
    options = (("valid", "Valid now"), ("month", "Ends within 30 days"), ("expired", "Has expired"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        match self.value():
            case "valid":
                return queryset.filter(not_before__lte=now, not_after__gt=now)
            case "month":
                return queryset.filter(
                    not_after__gt=now,
                    not_after__lte=now + timedelta(days=30),
                    state__in=certificates.GOOD,
                )
            case "expired":
                return queryset.filter(not_after__lte=now)
        return queryset


@register(Certificate)
class CertificateAdmin(CertificateActs, ReadOnlyAdmin):
    permission_area = "certificates"
    domain_errors = ERRORS
    list_display = ("common_name", "kind", "status", "where", "until", "key", "short_serial")
    list_filter = (
        "state",
        "kind",
        ExpiryFilter,
        ("charge_point", ScopedAutocompleteFilter),
        ("created_at", TimeFilter),
    )
    list_select_related = ("charge_point",)
    list_before_template = "admin/chargepoints/certificate/tools.html"
    change_form_template = "admin/chargepoints/certificate/page.html"
    search_fields = ("common_name", "serial_number", "fingerprint")
    actions = ("revoke",)
    fieldsets = (
        (None, {"fields": ("where", "kind", "status", "key", "authority", "provider")}),
        (
            "Life",
            {
                "fields": (
                    "not_before",
                    "not_after",
                    "created_at",
                    "delivered_at",
                    "last_used_at",
                    "superseded_at",
                    "renewal_asked_at",
                    "revoked_at",
                    "revocation_reason",
                )
            },
        ),
        ("Certificate", {"fields": ("subject", "issuer", "serial_number", "fingerprint", "text")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Certificate]:
        # Servers belong to no tenant: the service says who sees them.
        return certificates.certificates_for(actor_of(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view")

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == "authority__id__exact" or bool(super().lookup_allowed(lookup, value, request))

    # ------------------------------------------------------------ columns

    @display(description="Status", ordering="state")
    def status(self, obj: Certificate) -> str:
        return certificate_chip(obj)

    @display(description="Valid until", ordering="not_after")
    def until(self, obj: Certificate) -> str:
        return days_left(obj.not_after)

    @display(description="Charge point", ordering="charge_point", empty_value="–")
    def where(self, obj: Certificate) -> str | None:
        return charge_point_link(obj.charge_point) if obj.charge_point is not None else None

    @display(description="Serial number", ordering="serial_number")
    def short_serial(self, obj: Certificate) -> str:
        shown = obj.serial_number if len(obj.serial_number) <= 16 else f"{obj.serial_number[:16]}…"
        return format_html('<code class="cs-mono" title="{}">{}</code>', obj.serial_number, shown)

    @display(description="PEM")
    def text(self, obj: Certificate) -> str:
        return pem_block(obj.full_chain)

    # ------------------------------------------------------------ pages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"may_manage": allowed(request, certificates.CHANGE), **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        if obj is not None:
            may = self._may_revoke(request, obj)
            url = reverse("admin:chargepoints_certificate_revoke", args=[obj.pk])
            context |= {"acts": [{"label": "Revoke…", "url": url}] if may else []}
            context |= {"title": str(obj), "subtitle": None}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _may_revoke(self, request: HttpRequest, obj: Certificate) -> bool:
        if obj.kind not in certificates.REVOCABLE or obj.state == CertificateState.REVOKED:
            return False
        if obj.tenant_id is None:
            return allowed(request, "authorities.change")
        return allowed(request, certificates.CHANGE, obj)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "chargepoints_certificate"
        return [
            path("root/", wrap(self.root_view), name=f"{name}_root"),
            path("<int:pk>/revoke/", wrap(self.revoke_view), name=f"{name}_revoke"),
            *self.act_urls(),
            *super().get_urls(),
        ]

    def root_view(self, request: HttpRequest) -> HttpResponse:
        """Keep a root of a manufacturer or of an outside authority."""
        require(request, certificates.CHANGE)
        actor = actor_of(request)
        form = RootForm(request.POST or None)
        url = reverse("admin:chargepoints_certificate_changelist")
        if request.method == "POST" and form.is_valid():
            try:
                made = certificates.add_root(
                    actor=actor, tenant=actor.tenant or default_tenant(), **form.cleaned_data
                )
            except Invalid as error:
                for field, text in error.errors.items():
                    form.add_error(field, text)
            except self.domain_errors as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"{made} is kept; install it from a charge point's page.")
                return HttpResponseRedirect(url)
        context = {
            "title": "Keep a root of somebody else",
            "lead": "It can then be installed in chargers with one click, and is shown by its name where they list it.",
            "form": form,
            "submit": "Keep it",
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason and revoke."""
        obj = self.find_or_404(request, str(pk))
        require(request, certificates.CHANGE)
        form = ReasonForm(request.POST or None)
        url = reverse("admin:chargepoints_certificate_change", args=[obj.pk])
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            self.attempt(
                request,
                lambda: certificates.revoke(actor=actor_of(request), certificate=obj, reason=reason),
                f"{obj} is revoked.",
            )
            return HttpResponseRedirect(url)
        context = {
            "title": f"Revoke {obj}",
            "lead": "From now on nobody gets in with this certificate, and the revocation list names it. "
            "This cannot be undone. A connection that is open stays open; to come back, the charger needs a new "
            "certificate or a key.",
            "form": form,
            "submit": "Revoke it",
            "is_dangerous": True,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)

    @admin.action(description="Revoke…", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Certificate]) -> HttpResponse | None:
        is_answer = "confirmed" in request.POST
        form = ReasonForm(request.POST if is_answer else None)
        if not is_answer or not form.is_valid():
            question = "Nobody gets in with these certificates any more. This cannot be undone."
            return self.confirm(
                request, queryset, title="Revoke", question=question, form=form, is_dangerous=True
            )
        actor, reason = actor_of(request), form.cleaned_data["reason"]
        self.attempt_all(
            request,
            list(queryset.select_related("charge_point")),
            lambda row: certificates.revoke(actor=actor, certificate=row, reason=reason),
            done="{count} revoked.",
        )
        return None

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")
