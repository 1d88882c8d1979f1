"""The certificate authorities of the installation: what they are until when, and their succession."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from unfold import widgets

from accounts.admin_base import ReadOnlyAdmin, actor_of, allowed, register, require
from chargepoints.admin.fleet import task_url
from chargepoints.admin.shared import ERRORS, days_left, pem_block
from chargepoints.choices import AuthorityKind, AuthorityState
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.errors import Invalid
from chargepoints.models import CertificateAuthority
from chargepoints.pki.keys import KeyFamily, KeyKind, family_of_kind
from chargepoints.services import authorities, installed_certificates
from csms_project.common.admin import chip

_TONES = {AuthorityState.ACTIVE: "ok", AuthorityState.RETIRED: "neutral", AuthorityState.EXPIRED: "bad"}


class CreateForm(forms.Form):
    """What a new hierarchy needs."""

    name = forms.CharField(
        max_length=40,
        help_text="The organisation that runs this installation; it stands in the names of the authorities.",
        widget=widgets.UnfoldAdminTextInputWidget,
    )
    key_kind = forms.ChoiceField(
        label="Keys",
        choices=KeyKind.choices,
        initial=KeyKind.EC_P256,
        help_text="ECDSA P-256 suits nearly all. For chargers that know only RSA make a second authority with RSA.",
        widget=widgets.UnfoldAdminSelectWidget,
    )


class InstallForm(forms.Form):
    """Which chargers get a root, and how long the orders wait."""

    which = forms.ChoiceField(
        label="Chargers",
        choices=[("2", "With security profile 2 or 3"), ("1", "With a key or certificate"), ("0", "All")],
        widget=widgets.UnfoldAdminSelectWidget,
    )
    offline = forms.ChoiceField(
        label="Offline chargers",
        choices=[("604800", "Wait for a week"), ("86400", "Wait for a day"), ("2592000", "Wait for 30 days")],
        widget=widgets.UnfoldAdminSelectWidget,
    )


class SuccessorForm(forms.Form):
    """The keys of a successor."""

    key_kind = forms.ChoiceField(label="Keys", required=False, widget=widgets.UnfoldAdminSelectWidget)

    def __init__(self, family: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["key_kind"]
        kinds = [choice for choice in KeyKind.choices if family_of_kind(choice[0]) == family]
        field.choices = [("", "As before"), *kinds]


@register(CertificateAuthority)
class CertificateAuthorityAdmin(ReadOnlyAdmin):
    permission_area = "authorities"
    domain_errors = ERRORS
    list_display = ("common_name", "kind", "key", "status", "until", "short_fingerprint")
    list_filter = ("state", "kind", "family")
    list_before_template = "admin/chargepoints/certificateauthority/tools.html"
    change_form_template = "admin/chargepoints/certificateauthority/page.html"
    ordering = ("state", "family", "-kind", "-pk")
    search_fields = ("common_name", "fingerprint", "serial_number")
    fieldsets = (
        (None, {"fields": ("common_name", "kind", "status", "key", "parent", "issued")}),
        ("Validity", {"fields": ("not_before", "not_after", "retired_at", "list_made", "list_ends")}),
        ("Certificate", {"fields": ("subject", "issuer", "serial_number", "fingerprint", "text")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # They belong to no tenant, and what is shown of them is public.
        return self.may(request, "view")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CertificateAuthority]:
        rows: QuerySet[CertificateAuthority] = super().get_queryset(request)
        return rows.defer("private_key", "crl")

    # ------------------------------------------------------------ columns

    @display(description="Status", ordering="state")
    def status(self, obj: CertificateAuthority) -> str:
        label = "Signs" if obj.state == AuthorityState.ACTIVE else obj.get_state_display()
        return chip(label, _TONES[AuthorityState(obj.state)])

    @display(description="Valid until", ordering="not_after")
    def until(self, obj: CertificateAuthority) -> str:
        return days_left(obj.not_after, warn_days=365)

    @display(description="Fingerprint (SHA-256)")
    def short_fingerprint(self, obj: CertificateAuthority) -> str:
        return format_html(
            '<code class="cs-mono" title="{}">{}…</code>', obj.fingerprint, obj.fingerprint[:16]
        )

    @display(description="Certificates signed")
    def issued(self, obj: CertificateAuthority) -> str:
        url = reverse("admin:chargepoints_certificate_changelist")
        return format_html(
            '<a class="cs-link" href="{}?authority__id__exact={}">{}</a>',
            url,
            obj.pk,
            obj.certificates.count(),
        )

    @display(description="Revocation list made", empty_value="–")
    def list_made(self, obj: CertificateAuthority) -> datetime | None:
        return obj.crl_made_at

    @display(description="Revocation list valid until", empty_value="–")
    def list_ends(self, obj: CertificateAuthority) -> datetime | None:
        return obj.crl_next_update

    @display(description="PEM")
    def text(self, obj: CertificateAuthority) -> str:
        return pem_block(obj.pem)

    # ------------------------------------------------------------ pages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        rows = list(
            CertificateAuthority.objects.filter(state=AuthorityState.ACTIVE).defer("private_key", "crl")
        )
        families = {row.family for row in rows}
        context = {
            "may_manage": allowed(request, authorities.CHANGE),
            "is_empty": not CertificateAuthority.objects.exists(),
            "may_create": len(families) < len(KeyFamily),
            "active": [
                {"row": row, "family": row.get_family_display(), "is_root": row.kind == AuthorityKind.ROOT}
                for row in sorted(rows, key=lambda row: (row.family, row.kind))
            ],
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

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
            context |= {
                "authority": obj,
                "may_install": obj.kind == AuthorityKind.ROOT
                and obj.is_trusted
                and allowed(request, SEND_DANGEROUS),
                "may_replace": obj.state == AuthorityState.ACTIVE and allowed(request, authorities.CHANGE),
                "title": str(obj),
                "subtitle": None,
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "chargepoints_certificateauthority"
        return [
            path("create/", wrap(self.create_view), name=f"{name}_create"),
            path("<int:pk>/replace/", wrap(self.replace_view), name=f"{name}_replace"),
            path("<int:pk>/install/", wrap(self.install_view), name=f"{name}_install"),
            *super().get_urls(),
        ]

    def create_view(self, request: HttpRequest) -> HttpResponse:
        """Make a root and an issuing authority."""
        require(request, authorities.CHANGE)
        form = CreateForm(request.POST or None)
        url = reverse("admin:chargepoints_certificateauthority_changelist")
        if request.method == "POST" and form.is_valid():
            try:
                made = authorities.create(actor=actor_of(request), **form.cleaned_data)
            except Invalid as error:
                for field, text in error.errors.items():
                    form.add_error(field, text)
            except self.domain_errors as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"{made.parent} and {made} are made.")
                return HttpResponseRedirect(url)
        context = {
            "title": "New certificate authority",
            "lead": "A root that chargers trust, and an issuing authority below it that signs their certificates and "
            "the server's. The private keys are stored encrypted with FIELD_ENCRYPTION_KEYS: keep a backup of both, "
            "apart from each other.",
            "form": form,
            "submit": "Make it",
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)

    def replace_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then let a successor sign from now on."""
        require(request, authorities.CHANGE)
        obj = self.find_or_404(request, str(pk))
        is_root = obj.kind == AuthorityKind.ROOT
        form = SuccessorForm(obj.family, request.POST or None)
        url = reverse("admin:chargepoints_certificateauthority_changelist")
        if obj.state != AuthorityState.ACTIVE:
            messages.error(request, "This authority has been replaced already.")
            return HttpResponseRedirect(url)
        if request.method == "POST" and form.is_valid():
            act = authorities.replace_root if is_root else authorities.rotate_issuing
            kind = form.cleaned_data["key_kind"]
            self.attempt(
                request,
                lambda: act(actor=actor_of(request), family=obj.family, key_kind=kind),
                f"{obj} is replaced; it stays trusted until it expires.",
            )
            return HttpResponseRedirect(url)
        context = {
            "title": f"Replace {obj}",
            "lead": _ROOT_QUESTION if is_root else _ISSUING_QUESTION,
            "form": form,
            "submit": "Replace it",
            "is_dangerous": True,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)

    def install_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Start a task that installs a root in the chargers of the organisation that do not hold it."""
        require(request, SEND_DANGEROUS)
        obj = self.find_or_404(request, str(pk))
        url = reverse("admin:chargepoints_certificateauthority_change", args=[obj.pk])
        tenant = actor_of(request).tenant
        if tenant is None or obj.kind != AuthorityKind.ROOT or not obj.is_trusted:
            messages.error(
                request, "Choose an organisation first." if tenant is None else "Only a root that is trusted."
            )
            return HttpResponseRedirect(url)
        form = InstallForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            stations = installed_certificates.without(obj, tenant, least_profile=int(given["which"]))
            if not stations:
                messages.info(request, "All of these chargers hold this root already.")
                return HttpResponseRedirect(url)
            try:
                task = installed_certificates.install_in_many(
                    actor=actor_of(request),
                    tenant=tenant,
                    root=obj,
                    charge_points=stations,
                    wait_s=int(given["offline"]),
                )
            except self.domain_errors as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"“{task}” has started for {len(stations)} chargers.")
                return HttpResponseRedirect(task_url(task))
        context = {
            "title": f"Install {obj} in chargers of {tenant}",
            "lead": "Chargers that hold it already, as far as we know, are left out. What becomes of each appears on "
            "the page of the task.",
            "form": form,
            "submit": "Install",
            "is_dangerous": True,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)


_ROOT_QUESTION = (
    "A new root and a new issuing authority sign from now on. The old root vouches for the new one and stays trusted "
    "until it expires, so nobody is locked out. Then install the new root in the chargers, one after the other."
)
_ISSUING_QUESTION = (
    "A new issuing authority below the same root signs from now on. What this one has signed stays good until it "
    "expires; the chargers need nothing new."
)
