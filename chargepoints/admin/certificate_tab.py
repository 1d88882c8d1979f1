"""The tab “Certificates” of a charge point's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin_base import allowed
from chargepoints import plug_and_charge
from chargepoints.admin.shared import certificate_chip, days_left, request_chip
from chargepoints.admin.tabs import Tab, register
from chargepoints.certificate_providers import get_provider
from chargepoints.choices import CertificateKind, CertificateRequestState, CertificateState
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.command_specs import get_spec
from chargepoints.models import Certificate, CertificateRequest, ChargePoint
from chargepoints.services import certificate_requests, certificates, installed_certificates


def _context(request: HttpRequest, obj: ChargePoint) -> dict[str, Any]:
    kinds = (CertificateKind.CHARGER, CertificateKind.V2G)
    own = Certificate.objects.filter(charge_point=obj, kind__in=kinds).order_by("-pk")[:20]
    asked = CertificateRequest.objects.filter(charge_point=obj).order_by("-pk")[:10]
    is_live = obj.archived_at is None
    return {
        "signing_problem": get_provider().problem(),
        "has_purposes": any(row.purpose for row in asked),
        "own": [
            {
                "row": row,
                "chip": certificate_chip(row),
                "until": days_left(row.not_after),
                "for_vehicles": row.kind == CertificateKind.V2G,
                "may_revoke": row.state != CertificateState.REVOKED,
            }
            for row in own
        ],
        "asked": [
            {
                "row": row,
                "chip": request_chip(row),
                "waits": row.state == CertificateRequestState.WAITING,
                "failed": row.state == CertificateRequestState.FAILED,
            }
            for row in asked
        ],
        "held": installed_certificates.held_by(obj),
        "buttons": _buttons(request, obj) if is_live else [],
        "may_decide": allowed(request, certificate_requests.CHANGE, obj),
        "may_revoke": allowed(request, certificates.CHANGE, obj),
        "may_delete": is_live and allowed(request, SEND_DANGEROUS, obj),
        "organization": obj.tenant.certificate_organization,
    }


def _buttons(request: HttpRequest, obj: ChargePoint) -> list[dict[str, Any]]:
    offered = (
        (
            "renew",
            "New certificate",
            "Ask the charger for a request for its certificate.",
            get_spec("trigger_message").permission,
            False,
        ),
        (
            "renew_v2g",
            "New certificate for vehicles",
            "Ask the charger for a request for the certificate that it shows to vehicles (Plug & Charge).",
            get_spec("trigger_message").permission,
            False,
        ),
        ("install", "Install a root", "Let the charger trust one of our roots.", SEND_DANGEROUS, True),
        (
            "ask",
            "List what it holds",
            "Ask the charger which certificates it holds.",
            get_spec("get_installed_certificate_ids").permission,
            False,
        ),
    )
    has_vehicles = not plug_and_charge.get_provider().problem()
    return [
        {
            "label": label,
            "title": title,
            "is_dangerous": is_dangerous,
            "url": reverse(f"admin:chargepoints_certificate_{name}", args=[obj.pk]),
        }
        for name, label, title, permission, is_dangerous in offered
        if allowed(request, permission, obj) and (has_vehicles or name != "renew_v2g")
    ]


register(
    Tab(
        name="certificates",
        title="Certificates",
        permission="certificates.view",
        template="admin/chargepoints/chargepoint/certificates.html",
        context=_context,
        order=70,
    )
)
