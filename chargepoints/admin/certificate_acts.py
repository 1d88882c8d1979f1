"""Acts of a charge point's tab “Certificates”: list, install and delete roots, ask for a new request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from unfold import widgets

from accounts.admin_base import actor_of, allowed, require, scope
from chargepoints import commands
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.command_specs import get_spec
from chargepoints.models import ChargePoint, InstalledCertificate
from chargepoints.selectors import find_live_connection
from chargepoints.services import installed_certificates

if TYPE_CHECKING:
    from accounts.admin_base import TenantModelAdmin

    Base = TenantModelAdmin
else:
    Base = object

#: How long an order waits for a charger that is offline.
WAIT_S = 24 * 3600


class InstallForm(forms.Form):
    """One of the roots that we have."""

    root = forms.ChoiceField(label="Root", widget=widgets.UnfoldAdminSelectWidget)

    def __init__(self, station: ChargePoint, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["root"]
        field.choices = [(offer.key, offer.label) for offer in installed_certificates.offers_for(station)]


class CertificateActs(Base):
    """Views of the certificates admin that are about one charge point."""

    def act_urls(self) -> list[Any]:
        """Addresses below that of the list of certificates."""
        wrap = self.admin_site.admin_view
        name = "chargepoints_certificate"
        return [
            path("charge-point/<int:pk>/ask/", wrap(self.ask_view), name=f"{name}_ask"),
            path("charge-point/<int:pk>/install/", wrap(self.install_view), name=f"{name}_install"),
            path("charge-point/<int:pk>/renew/", wrap(self.renew_view), name=f"{name}_renew"),
            path("charge-point/<int:pk>/renew-v2g/", wrap(self.renew_v2g_view), name=f"{name}_renew_v2g"),
            path("installed/<int:pk>/delete/", wrap(self.delete_root_view), name=f"{name}_delete_root"),
        ]

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the charger which certificates it holds."""
        station = _find(request, pk)
        require(request, get_spec("get_installed_certificate_ids").permission, station)
        return self._order(
            request,
            station,
            title=f"List the certificates in {station}",
            lead="The charger is asked which certificates it holds: all of them where it speaks OCPP 2.x, else the "
            "roots of this system and of its manufacturer.",
            submit="Ask",
            act=lambda expires_in: installed_certificates.ask(
                actor=actor_of(request), charge_point=station, expires_in=expires_in
            ),
        )

    def install_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Choose a root and send it."""
        station = _find(request, pk)
        require(request, SEND_DANGEROUS, station)
        form = InstallForm(station, request.POST or None)
        has_roots = bool(installed_certificates.offers_for(station))
        return self._order(
            request,
            station,
            title=f"Install a root in {station}",
            lead="The charger trusts servers, or firmware, that this root vouches for."
            if has_roots
            else "There is no root to install: make a certificate authority, or keep a root of somebody else first.",
            submit="Install",
            form=form,
            act=lambda expires_in: installed_certificates.install(
                actor=actor_of(request),
                charge_point=station,
                offer=form.cleaned_data["root"],
                expires_in=expires_in,
            ),
        )

    def renew_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the charger for a new certificate request (whitepaper A02)."""
        station = _find(request, pk)
        require(request, get_spec("trigger_message").permission, station)
        return self._order(
            request,
            station,
            title=f"A new certificate for {station}",
            lead="The charger is asked to make a new key and to send a request for its certificate. Its configuration "
            f"key CpoName (OrganizationName in OCPP 2.x) must be “{station.tenant.certificate_organization}”.",
            submit="Ask",
            act=lambda expires_in: commands.queue(
                actor=actor_of(request),
                charge_point=station,
                action="trigger_message",
                payload={"message": "SignCertificate"},
                expires_in=expires_in,
            ),
        )

    def renew_v2g_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the charger for a request for the certificate that it shows to vehicles (2.0.1 A02)."""
        station = _find(request, pk)
        require(request, get_spec("trigger_message").permission, station)
        return self._order(
            request,
            station,
            title=f"A new certificate for vehicles for {station}",
            lead="The charger is asked to make a new key and to send a request for the certificate that it shows to "
            "vehicles (Plug & Charge, ISO 15118). The Plug & Charge provider signs it.",
            submit="Ask",
            act=lambda expires_in: commands.queue(
                actor=actor_of(request),
                charge_point=station,
                action="trigger_message",
                payload={"message": "SignV2GCertificate"},
                expires_in=expires_in,
            ),
        )

    def delete_root_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, with a warning where it is the last one, and have a root deleted."""
        rows = scope(InstalledCertificate.objects.all(), actor_of(request).tenant)
        row = rows.select_related("charge_point__tenant").filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such object.")
        station = row.charge_point
        require(request, SEND_DANGEROUS, station)
        held = next(item for item in installed_certificates.held_by(station) if item.row.pk == row.pk)
        name = str(held.known) if held.known is not None else f"the root {row.serial_number}"
        return self._order(
            request,
            station,
            title=f"Delete {name} in {station}",
            lead=_LAST.get(row.use, _NOT_LAST) if held.is_last else _NOT_LAST,
            submit="Delete",
            is_dangerous=True,
            act=lambda expires_in: installed_certificates.delete(
                actor=actor_of(request), installed=row, expires_in=expires_in
            ),
        )

    def _order(
        self,
        request: HttpRequest,
        station: ChargePoint,
        *,
        title: str,
        lead: str,
        submit: str,
        act: Any,
        form: forms.Form | None = None,
        is_dangerous: bool = False,
    ) -> HttpResponse:
        """Ask, and give an order that waits for a charger that is offline."""
        url = f"{reverse('admin:chargepoints_chargepoint_change', args=[station.pk])}?tab=certificates"
        is_online = find_live_connection(station) is not None
        if request.method == "POST" and (form is None or form.is_valid()):
            try:
                act(None if is_online else WAIT_S)
            except self.domain_errors as error:
                messages.error(request, str(error))
            else:
                waits = "" if is_online else " It waits for the charger to come online, for a day."
                messages.success(request, f"The order is given; its outcome is under “Commands”.{waits}")
            return HttpResponseRedirect(url)
        offline = "" if is_online else " The charger is offline: the order waits for it, for a day."
        context = {
            "title": title,
            "lead": lead + offline,
            "form": form,
            "submit": submit,
            "is_dangerous": is_dangerous,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)


_NOT_LAST = (
    "The charger no longer trusts what this root vouches for. It refuses where it needs the root itself."
)
_LAST = {
    "CentralSystemRootCertificate": "This is the last root of this kind that we know of in the charger. Without one "
    "it cannot check this system's certificate: it may never connect by TLS again, and somebody must go there.",
    "ManufacturerRootCertificate": "This is the last root of the manufacturer that we know of in the charger. Without "
    "one it can no longer install signed firmware.",
    "V2GRootCertificate": "This is the last V2G root that we know of in the charger. Without one vehicles may no "
    "longer charge there by Plug & Charge.",
    "MORootCertificate": "This is the last root of a mobility operator that we know of in the charger. Without one it "
    "can no longer check contracts by itself.",
    "V2GCertificateChain": "This is the certificate that the charger shows to vehicles. Without one nobody can charge "
    "there by Plug & Charge, until it has a new one.",
}


def _find(request: HttpRequest, pk: int) -> ChargePoint:
    """A charge point of the tenant, that may be seen."""
    rows = scope(ChargePoint.objects.all(), actor_of(request).tenant)
    found: ChargePoint | None = rows.select_related("tenant").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such object.")
    if not allowed(request, "charge_points.view", found):
        raise Http404("There is no such object.")
    return found
