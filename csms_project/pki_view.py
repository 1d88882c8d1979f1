"""GET /pki/…: the roots, the authorities and their revocation lists. Public by nature, so nobody signs in.

Certificates name these addresses; programs that check them come here.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from chargepoints.models import CertificateAuthority
from chargepoints.pki import reading
from chargepoints.services import authorities

_PEM = "application/x-pem-file"
_CACHE_S = 600


@require_safe
def roots(request: HttpRequest) -> HttpResponse:
    """All roots that are trusted: what a charger or a program must know of this system."""
    return _answer(authorities.roots_pem().encode(), _PEM, "roots.pem")


@require_safe
def bundle(request: HttpRequest) -> HttpResponse:
    """All authorities that are trusted, roots and issuing ones."""
    return _answer(authorities.bundle_pem().encode(), _PEM, "bundle.pem")


@require_safe
def revocations(request: HttpRequest, name: str) -> HttpResponse:
    """The revocation list of an authority, in DER."""
    row = _find(name)
    return _answer(bytes(row.crl), "application/pkix-crl", f"{name}.crl")


@require_safe
def certificate(request: HttpRequest, name: str, form: str) -> HttpResponse:
    """An authority, as PEM or in DER (`cer`)."""
    row = _find(name)
    if form == "pem":
        return _answer(row.pem.encode(), _PEM, f"{name}.pem")
    raw = reading.load(row.pem).public_bytes(serialization.Encoding.DER)
    return _answer(raw, "application/pkix-cert", f"{name}.cer")


def _find(name: str) -> CertificateAuthority:
    rows: QuerySet[CertificateAuthority] = CertificateAuthority.objects.filter(fingerprint__startswith=name)
    row = rows.first()
    if row is None:
        raise Http404("There is no such authority.")
    return row


def _answer(content: bytes, kind: str, name: str) -> HttpResponse:
    if not content:
        raise Http404("There is no certificate authority yet.")
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": f"public, max-age={_CACHE_S}",
    }
    return HttpResponse(content, content_type=kind, headers=headers)
