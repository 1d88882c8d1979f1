"""Certificates of chargers and servers: issue, find what is valid, revoke, watch their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from django.db.models import Q, QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.selectors import default_tenant
from chargepoints import errors
from chargepoints.certificate_providers import ProviderError, Signed, get_provider
from chargepoints.choices import CertificateKind, CertificateState, RevocationReason
from chargepoints.models import Certificate, CertificateAuthority, ChargePoint
from chargepoints.pki import issuing, keys, reading
from chargepoints.services import authorities
from csms_project.common import audit, events

CHANGE = "certificates.change"
#: How long the certificate before is accepted after a newer one is in use: chargers keep it as a fallback (A02.FR.10).
FALLBACK = timedelta(days=31)
#: Certificates that a charger may come with.
GOOD = (CertificateState.ISSUED, CertificateState.DELIVERED, CertificateState.INSTALLED)
#: Roots of others that are kept here.
FOREIGN_ROOTS = (
    CertificateKind.MANUFACTURER_ROOT,
    CertificateKind.CENTRAL_ROOT,
    CertificateKind.V2G_ROOT,
    CertificateKind.MO_ROOT,
    CertificateKind.OEM_ROOT,
)
#: What was signed for somebody and can be taken back.
REVOCABLE = (CertificateKind.CHARGER, CertificateKind.V2G, CertificateKind.SERVER)
SERVER_DAYS = 90
_SEEN_EVERY = timedelta(hours=1)


# ---------------------------------------------------------------- whom the gateway lets in
def find_valid_certificate(
    *, fingerprint: str = "", serial_number: str = "", charge_point: ChargePoint | None = None
) -> Certificate | None:
    """The client certificate of a charger, if it is good now: the gateway's source of truth beside the chain.

    Good is what was signed for a charger by us or our provider, within its time, and neither rejected by the charger
    nor revoked; what was superseded for another month.

    fingerprint    SHA-256 of the certificate, hexadecimal, colons allowed; decides alone where it is given
    serial_number  hexadecimal; only with charge_point, since other authorities may use the same number
    """
    rows: QuerySet[Certificate] = Certificate.objects.select_related("charge_point", "tenant", "authority")
    if fingerprint:
        rows = rows.filter(fingerprint=fingerprint.replace(":", "").lower())
    elif serial_number and charge_point is not None:
        number = serial_number.replace(":", "").upper().lstrip("0")
        rows = rows.filter(serial_number=number, charge_point=charge_point)
    else:
        return None
    now = timezone.now()
    is_good = Q(state__in=GOOD) | Q(state=CertificateState.SUPERSEDED, superseded_at__gt=now - FALLBACK)
    rows = rows.filter(is_good, kind=CertificateKind.CHARGER, not_before__lte=now, not_after__gt=now).exclude(
        charge_point=None
    )
    if charge_point is not None:
        rows = rows.filter(charge_point=charge_point)
    return rows.order_by("-pk").first()


def find_certificate(fingerprint: str) -> Certificate | None:
    """A certificate that we know, good or not: to say why it is refused."""
    found: Certificate | None = Certificate.objects.filter(
        fingerprint=fingerprint.replace(":", "").lower()
    ).first()
    return found


def client_ca_bundle() -> str:
    """The authorities by which the chain of a charger's certificate is checked, in PEM; "" without any."""
    return authorities.bundle_pem() + get_provider().trusted_pem()


@atomic
def mark_used(certificate: Certificate, *, at: datetime | None = None) -> None:
    """A charger has come with this certificate: it is in use, and those before it are superseded."""
    at = at or timezone.now()
    if (
        certificate.state == CertificateState.INSTALLED
        and certificate.last_used_at is not None
        and certificate.last_used_at > at - _SEEN_EVERY
    ):
        return
    rows = Certificate.objects.filter(pk=certificate.pk)
    rows.update(last_used_at=at, updated_at=at)
    certificate.last_used_at = at
    fresh = rows.filter(state__in=(CertificateState.ISSUED, CertificateState.DELIVERED))
    if not fresh.update(state=CertificateState.INSTALLED, updated_at=at):
        return
    certificate.state = CertificateState.INSTALLED
    older = Certificate.objects.filter(
        charge_point_id=certificate.charge_point_id,
        kind=CertificateKind.CHARGER,
        state__in=GOOD,
        not_before__lte=certificate.not_before,
    ).exclude(pk=certificate.pk)
    older.update(state=CertificateState.SUPERSEDED, superseded_at=at, updated_at=at)
    tell("certificate.in_use", certificate, at=at)


def good_of(charge_point: ChargePoint) -> QuerySet[Certificate]:
    """The certificates with which a charger gets in now, the newest first."""
    rows: QuerySet[Certificate] = Certificate.objects.filter(
        charge_point=charge_point,
        kind=CertificateKind.CHARGER,
        state__in=(*GOOD, CertificateState.SUPERSEDED),
        not_after__gt=timezone.now(),
    )
    return rows.order_by("-pk")


# ---------------------------------------------------------------- issuing
def keep_signed(
    signed: Signed,
    *,
    charge_point: ChargePoint,
    provider: str,
    csr_key: bytes,
    kind: CertificateKind = CertificateKind.CHARGER,
) -> Certificate:
    """Store what a provider has signed for a charger, after looking at it.

    kind    `charger`, or `v2g` for what it shows to vehicles: nobody gets in here with that
    Raises  ProviderError  it has signed something else than it was asked for
    """
    try:
        made = reading.load(signed.certificate)
        above = reading.load_all(signed.chain) if signed.chain.strip() else []
    except reading.UnreadableCertificate as error:
        raise ProviderError("The authority has answered with something that is no certificate.") from error
    issuer = reading.load(signed.issuer) if signed.issuer else (above[0] if above else made)
    _check_signed(made, issuer, csr_key)
    chain = "".join(reading.to_pem(item) for item in above if not reading.is_self_signed(item))
    row = Certificate(
        **authorities.facts(made, issuer),
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        kind=kind,
        authority_id=signed.authority_id,
        provider=provider[:100],
        chain=chain,
    )
    row.save(force_insert=True)
    tell("certificate.issued", row)
    return row


def _check_signed(made: x509.Certificate, issuer: x509.Certificate, csr_key: bytes) -> None:
    if reading.public_bytes(made.public_key()) != csr_key:
        raise ProviderError("The authority has signed another key than the charger's.")
    if issuer is made or not reading.is_issued_by(made, issuer):
        raise ProviderError("The authority's chain does not lead to the certificate.")
    if made.not_valid_after_utc <= timezone.now():
        raise ProviderError("The authority's certificate has expired already.")
    if Certificate.objects.filter(fingerprint=reading.fingerprint_of(made)).exists():
        raise ProviderError("The authority has answered with a certificate that it gave before.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """A certificate with its key, which is kept nowhere else."""

    row: Certificate
    key_pem: str


@atomic
def issue_server(
    *,
    actor: Actor,
    hosts: Sequence[str],
    key_kind: str = keys.KeyKind.EC_P256,
    valid_for: timedelta = timedelta(days=SERVER_DAYS),
) -> ServerCertificate:
    """A certificate for the gateway's TLS, signed by our own authority; the key is returned and not stored.

    hosts   names or addresses under which chargers reach it, the first is the common name (A00.FR.510)
    Raises  PermissionRefused, Invalid, NoAuthority
    """
    require(actor, authorities.CHANGE)
    _check_hosts(hosts)
    family = keys.family_of_kind(key_kind)
    authority = authorities.find_issuing(family)
    if authority is None:
        raise errors.NoAuthority
    key = keys.generate(key_kind)
    made = issuing.make_server(
        authorities.issuer_of(authority),
        public_key=key.public_key(),
        organization=authority.organization,
        hosts=hosts,
        at=timezone.now(),
        valid_for=valid_for,
    )
    row = Certificate(
        **authorities.facts(made, reading.load(authority.pem)),
        kind=CertificateKind.SERVER,
        authority=authority,
        provider="built-in authority",
        chain=authorities.chain_pem(authority),
    )
    row.save(force_insert=True)
    changes = {"hosts": [None, list(hosts)], "fingerprint": [None, row.fingerprint]}
    audit.record(actor, "certificates.issue_server", row, changes=changes)
    tell("certificate.issued", row)
    return ServerCertificate(row=row, key_pem=keys.to_pem(key))


def _check_hosts(hosts: Sequence[str]) -> None:
    if not hosts:
        raise errors.Invalid({"hosts": "Name at least one host."})
    for host in hosts:
        if not host or len(host) > 253 or not host.isascii() or any(mark in host for mark in "*/ \t\n"):
            raise errors.Invalid(
                {"hosts": f"“{host}” is no host name or address (wildcards are not allowed)."}
            )


@atomic
def add_root(*, actor: Actor, tenant: Tenant, kind: str, pem: str) -> Certificate:
    """Keep a root of somebody else, so that it can be installed in chargers and is known where they list it.

    kind    one of FOREIGN_ROOTS
    Raises  PermissionRefused, Invalid
    """
    require(actor, CHANGE, tenant)
    if kind not in FOREIGN_ROOTS:
        raise errors.Invalid({"kind": f"Must be one of {', '.join(FOREIGN_ROOTS)}."})
    if "PRIVATE KEY-----" in pem:
        raise errors.Invalid({"pem": "This holds a private key. Leave only the certificate."})
    try:
        found = reading.load_all(pem)
    except reading.UnreadableCertificate as error:
        raise errors.Invalid(
            {"pem": "Must be a certificate in PEM: -----BEGIN CERTIFICATE----- and so on."}
        ) from error
    root = found[0]
    if len(found) > 1 or not reading.is_self_signed(root):
        raise errors.Invalid({"pem": "Must be one root certificate, signed by itself."})
    if Certificate.objects.filter(fingerprint=reading.fingerprint_of(root)).exists() or (
        CertificateAuthority.objects.filter(fingerprint=reading.fingerprint_of(root)).exists()
    ):
        raise errors.Invalid({"pem": "This root is known already."})
    row = Certificate(
        **authorities.facts(root, root), tenant=tenant, kind=kind, state=CertificateState.INSTALLED
    )
    row.save(force_insert=True)
    audit.record(actor, "certificates.add_root", row, changes={"fingerprint": [None, row.fingerprint]})
    return row


# ---------------------------------------------------------------- the end
def revoke(
    *, actor: Actor, certificate: Certificate, reason: str = RevocationReason.UNSPECIFIED
) -> Certificate:
    """Take a certificate back: from now on nobody gets in with it, and the next revocation list names it.

    Its socket, if any, stays open (whitepaper §2.6.3); archive the charger to end it. An outside authority that
    cannot be told is no obstacle: an event says so.

    Raises  PermissionRefused, Invalid, AlreadyRevoked, NotRevocable
    """
    if certificate.tenant_id is None:
        require(actor, authorities.CHANGE)
    else:
        require(actor, CHANGE, certificate)
    if reason not in RevocationReason.values:
        raise errors.Invalid({"reason": f"Must be one of {', '.join(RevocationReason.values)}."})
    if certificate.kind not in REVOCABLE:
        raise errors.NotRevocable
    _revoke(actor, certificate, reason)
    if certificate.authority_id is None and certificate.kind != CertificateKind.V2G:
        _tell_provider(certificate, reason)
    return certificate


@atomic
def _revoke(actor: Actor, certificate: Certificate, reason: str) -> None:
    now = timezone.now()
    rows = Certificate.objects.filter(pk=certificate.pk).exclude(state=CertificateState.REVOKED)
    columns = {"state": CertificateState.REVOKED, "revoked_at": now, "updated_at": now}
    if not rows.update(**columns, revocation_reason=reason):
        raise errors.AlreadyRevoked
    before = certificate.state
    certificate.refresh_from_db()
    changes = {"state": [before, "revoked"], "reason": [None, reason]}
    audit.record(actor, "certificates.revoke", certificate, changes=changes)
    tell("certificate.revoked", certificate, reason=reason, at=now)
    if certificate.authority_id is not None:
        rows_of_ca = CertificateAuthority.objects.select_for_update(of=("self",))
        authorities.refresh_crl(rows_of_ca.get(pk=certificate.authority_id), now)


def _tell_provider(certificate: Certificate, reason: str) -> None:
    try:
        get_provider().revoke(certificate.pem, reason)
    except ProviderError as error:
        tell("certificate.revocation_not_told", certificate, problem=str(error)[:200])


def certificates_for(actor: Actor) -> QuerySet[Certificate]:
    """What an actor may see: its tenant's; administrators of the installation those of servers as well."""
    rows: QuerySet[Certificate] = Certificate.objects.all()
    if actor.tenant is None:
        return rows if actor.is_superuser else rows.none()
    visible = Q(tenant=actor.tenant)
    if actor.is_superuser:
        visible |= Q(tenant=None)
    return rows.filter(visible)


def tell(kind: str, row: Certificate, *, at: datetime | None = None, **data: str) -> None:
    """An event about a certificate, with its charger if it has one."""
    station = row.charge_point
    events.record(
        kind,
        tenant_id=row.tenant_id or default_tenant().pk,
        object_type="certificate",
        object_id=row.pk,
        charge_point=station.identity if station is not None else "",
        data={"serial_number": row.serial_number, "common_name": row.common_name, **data},
        at=at,
    )
