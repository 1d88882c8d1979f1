"""The built-in certificate authority: roots and issuing authorities, their succession, revocation lists, bundles.

For each family of keys (ECDSA, RSA) there is at most one root and one issuing authority that sign. Those before them
sign no more and stay trusted until they expire. Private keys are encrypted with FIELD_ENCRYPTION_KEYS and leave the
database only to sign.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from django.conf import settings
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from accounts.selectors import default_tenant
from chargepoints import errors
from chargepoints.choices import AuthorityKind, AuthorityState, CertificateState
from chargepoints.models import Certificate, CertificateAuthority
from chargepoints.pki import issuing, keys, reading
from csms_project.common import audit, crypto, events

ROOT_YEARS = 20
ISSUING_YEARS = 5
_YEAR = timedelta(days=365)
CHANGE = "authorities.change"


# ---------------------------------------------------------------- making and succession
@atomic
def create(
    *, actor: Actor, name: str, key_kind: str = keys.KeyKind.EC_P256, at: datetime | None = None
) -> CertificateAuthority:
    """Make a root and an issuing authority; returns the issuing one.

    name    of the organisation that runs this installation
    Raises  PermissionRefused, Invalid, AuthorityExists
    """
    require(actor, CHANGE)
    name = " ".join(name.split())
    if not 1 <= len(name) <= 40:
        raise errors.Invalid({"name": "Must have 1 to 40 characters."})
    if key_kind not in keys.KeyKind.values:
        raise errors.Invalid({"key_kind": f"Must be one of {', '.join(keys.KeyKind.values)}."})
    family = keys.family_of_kind(key_kind)
    if find_active(AuthorityKind.ROOT, family) is not None:
        raise errors.AuthorityExists
    at = at or timezone.now()
    root = _make_root(actor, name, key_kind, at)
    return _make_issuing(actor, root, at)


@atomic
def rotate_issuing(
    *, actor: Actor, family: str = keys.KeyFamily.EC, key_kind: str = "", at: datetime | None = None
) -> CertificateAuthority:
    """Let a new issuing authority sign from now on; what the old one has signed stays good.

    key_kind  "": as before
    Raises    PermissionRefused, NoAuthority, Invalid
    """
    require(actor, CHANGE)
    root = _locked_active(AuthorityKind.ROOT, family)
    if root is None:
        raise errors.NoAuthority
    _retire(AuthorityKind.ISSUING, family)
    return _make_issuing(actor, root, at or timezone.now(), key_kind=_same_family(family, key_kind))


@atomic
def replace_root(
    *, actor: Actor, family: str = keys.KeyFamily.EC, key_kind: str = "", at: datetime | None = None
) -> CertificateAuthority:
    """Make a new root and issuing authority; the old root vouches for the new one and stays trusted.

    Both roots are offered until the old one expires: chargers that know only the old one accept the new one by the
    certificate that the old one has signed for it (whitepaper M05.FR.09). Returns the new root.

    Raises  PermissionRefused, NoAuthority, Invalid
    """
    require(actor, CHANGE)
    old = _locked_active(AuthorityKind.ROOT, family)
    if old is None:
        raise errors.NoAuthority
    at = at or timezone.now()
    kind = _same_family(family, key_kind) or old.key_kind
    _retire(AuthorityKind.ROOT, family)
    root = _make_root(actor, old.organization, kind, at)
    vouched = issuing.make_authority(
        issuer_of(old),
        public_key=reading.load(root.pem).public_key(),
        name=reading.load(root.pem).subject,
        at=at,
        valid_for=ROOT_YEARS * _YEAR,
        path_length=None,
    )
    root.cross_signed_pem = reading.to_pem(vouched)
    root.save(update_fields=["cross_signed_pem", "updated_at"])
    _retire(AuthorityKind.ISSUING, family)
    _make_issuing(actor, root, at)
    return root


def _same_family(family: str, key_kind: str) -> str:
    if key_kind and (key_kind not in keys.KeyKind.values or keys.family_of_kind(key_kind) != family):
        raise errors.Invalid(
            {"key_kind": "The key must be of the same family; make another authority instead."}
        )
    return key_kind


def _make_root(actor: Actor, name: str, key_kind: str, at: datetime) -> CertificateAuthority:
    key = keys.generate(key_kind)
    number = _next_number(AuthorityKind.ROOT, key_kind)
    label = f"{name} {keys.family_of_kind(key_kind).label} Root CA {number}"
    subject = issuing.distinguished_name(common_name=label, organization=name)
    made = issuing.make_root(
        key=key, name=subject, at=at, valid_for=ROOT_YEARS * _YEAR, uses_pss=settings.PKI_RSA_PSS
    )
    return _store(actor, made, made, key, key_kind, AuthorityKind.ROOT, None)


def _make_issuing(
    actor: Actor, root: CertificateAuthority, at: datetime, *, key_kind: str = ""
) -> CertificateAuthority:
    key_kind = key_kind or root.key_kind
    key = keys.generate(key_kind)
    number = _next_number(AuthorityKind.ISSUING, key_kind)
    label = f"{root.organization} {keys.family_of_kind(key_kind).label} Issuing CA {number}"
    made = issuing.make_authority(
        issuer_of(root),
        public_key=key.public_key(),
        name=issuing.distinguished_name(common_name=label, organization=root.organization),
        at=at,
        valid_for=ISSUING_YEARS * _YEAR,
        path_length=0,
    )
    return _store(actor, made, reading.load(root.pem), key, key_kind, AuthorityKind.ISSUING, root)


def _next_number(kind: AuthorityKind, key_kind: str) -> int:
    family = keys.family_of_kind(key_kind)
    return int(CertificateAuthority.objects.filter(kind=kind, family=family).count()) + 1


def _store(
    actor: Actor,
    made: x509.Certificate,
    issuer: x509.Certificate,
    key: keys.PrivateKey,
    key_kind: str,
    kind: AuthorityKind,
    parent: CertificateAuthority | None,
) -> CertificateAuthority:
    row = CertificateAuthority(
        **facts(made, issuer),
        kind=kind,
        family=keys.family_of_kind(key_kind),
        key_kind=key_kind,
        parent=parent,
        private_key=crypto.encrypt(keys.to_pem(key)),
    )
    row.save(force_insert=True)
    refresh_crl(row, timezone.now())
    changes = {"fingerprint": [None, row.fingerprint], "not_after": [None, row.not_after.isoformat()]}
    audit.record(actor, "authorities.create", row, changes=changes)
    tell("authority.created", row)
    return row


def facts(made: x509.Certificate, issuer: x509.Certificate) -> dict[str, object]:
    """The columns of `CertificateFacts`."""
    found = reading.facts_of(made)
    return {
        "serial_number": found.serial_number,
        "subject": found.subject[:500],
        "issuer": found.issuer[:500],
        "common_name": found.common_name[:200],
        "organization": found.organization[:200],
        "fingerprint": found.fingerprint,
        "key": found.key[:40],
        "not_before": found.not_before,
        "not_after": found.not_after,
        "pem": reading.to_pem(made),
        "hashes": reading.all_hashes(made, issuer),
    }


def _retire(kind: AuthorityKind, family: str) -> None:
    now = timezone.now()
    CertificateAuthority.objects.filter(kind=kind, family=family, state=AuthorityState.ACTIVE).update(
        state=AuthorityState.RETIRED, retired_at=now, updated_at=now
    )


def tell(kind: str, row: CertificateAuthority) -> None:
    """An event about an authority; it stands with the tenant that every installation has."""
    events.record(
        kind,
        tenant_id=default_tenant().pk,
        object_type="certificate_authority",
        object_id=row.pk,
        data={"name": row.common_name, "fingerprint": row.fingerprint},
    )


# ---------------------------------------------------------------- finding
def find_active(kind: str, family: str) -> CertificateAuthority | None:
    """The one that signs with keys of this family."""
    rows: QuerySet[CertificateAuthority] = CertificateAuthority.objects.filter(
        kind=kind, family=family, state=AuthorityState.ACTIVE
    )
    return rows.first()


def _locked_active(kind: str, family: str) -> CertificateAuthority | None:
    rows = CertificateAuthority.objects.select_for_update(of=("self",), no_key=True)
    return rows.filter(kind=kind, family=family, state=AuthorityState.ACTIVE).first()


def find_issuing(family: str) -> CertificateAuthority | None:
    """Who signs a key of this family: its own kind, else whoever there is."""
    now = timezone.now()
    rows = CertificateAuthority.objects.filter(
        kind=AuthorityKind.ISSUING, state=AuthorityState.ACTIVE, not_after__gt=now
    ).select_related("parent")
    found = {row.family: row for row in rows}
    return found.get(family) or next(iter(found.values()), None)


def is_ready() -> bool:
    """Whether anybody can sign."""
    return CertificateAuthority.objects.filter(
        kind=AuthorityKind.ISSUING, state=AuthorityState.ACTIVE, not_after__gt=timezone.now()
    ).exists()


def trusted(kind: str | None = None) -> QuerySet[CertificateAuthority]:
    """Authorities whose signatures are good, the newest first."""
    rows: QuerySet[CertificateAuthority] = CertificateAuthority.objects.filter(not_after__gt=timezone.now())
    return rows.filter(kind=kind) if kind else rows


def roots_pem() -> str:
    """All roots that are trusted, the newest first."""
    return "".join(row.pem for row in trusted(AuthorityKind.ROOT))


def bundle_pem() -> str:
    """All authorities that are trusted: what checks the certificates of chargers."""
    return "".join(row.pem for row in trusted())


def chain_pem(authority: CertificateAuthority) -> str:
    """What stands above a certificate of this authority, without the root that one must know already.

    While the root before is trusted, the new root as the old one vouches for it is part of the chain: whoever knows
    only the old one can follow.
    """
    parts = [authority.pem]
    root = authority.parent
    if root is not None and root.cross_signed_pem:
        vouched = reading.load(root.cross_signed_pem)
        if vouched.not_valid_after_utc > timezone.now():
            parts.append(root.cross_signed_pem)
    return "".join(parts)


# ---------------------------------------------------------------- signing
def issuer_of(row: CertificateAuthority) -> issuing.Issuer:
    """The authority with its private key: never keep, log or show it.

    Raises  crypto.InvalidToken  the encryption key is gone
    """
    return issuing.Issuer(
        certificate=reading.load(row.pem),
        key=keys.from_pem(crypto.decrypt(row.private_key)),
        uses_pss=settings.PKI_RSA_PSS,
        crl_url=public_url(f"{row.public_name}.crl"),
        certificate_url=public_url(f"{row.public_name}.cer"),
    )


def public_url(name: str) -> str:
    """Where a revocation list or an authority is published; "" without PUBLIC_URL.

    Plain HTTP where the site allows it is what checkers expect (RFC 5280 §4.2.1.13), so the scheme is as configured.
    """
    base: str = settings.PUBLIC_URL
    return f"{base.rstrip('/')}/pki/{name}" if base else ""


@atomic
def reencrypt(*, actor: Actor) -> int:
    """Encrypt all private keys with the newest of FIELD_ENCRYPTION_KEYS; returns how many.

    Raises  PermissionRefused, crypto.InvalidToken  a key was encrypted with one that is gone
    """
    require(actor, CHANGE)
    rows = list(CertificateAuthority.objects.select_for_update(of=("self",)).order_by("pk"))
    for row in rows:
        row.private_key = crypto.encrypt(crypto.decrypt(row.private_key))
        row.save(update_fields=["private_key", "updated_at"])
    audit.record(actor, "authorities.reencrypt", changes={"count": [None, len(rows)]})
    return len(rows)


# ---------------------------------------------------------------- revocation lists
def refresh_crl(row: CertificateAuthority, now: datetime) -> None:
    """Make the authority's list of what it has revoked anew."""
    valid_for = timedelta(days=settings.PKI_CRL_DAYS)
    row.crl_number += 1
    row.crl = issuing.make_crl(
        issuer_of(row), revoked=_revoked_by(row), number=row.crl_number, at=now, valid_for=valid_for
    )
    row.crl_made_at, row.crl_next_update = now, now + valid_for
    row.save(update_fields=["crl", "crl_number", "crl_made_at", "crl_next_update", "updated_at"])


def _revoked_by(row: CertificateAuthority) -> Iterable[issuing.Revoked]:
    rows = Certificate.objects.filter(authority=row, state=CertificateState.REVOKED).order_by(
        "revoked_at", "pk"
    )
    for serial, at, reason in rows.values_list("serial_number", "revoked_at", "revocation_reason"):
        yield issuing.Revoked(serial_number=int(serial, 16), at=at, reason=reason or "unspecified")


def refresh_due(now: datetime) -> int:
    """Make the lists anew that run out soon, and note who has expired; returns how many."""
    expired = CertificateAuthority.objects.exclude(state=AuthorityState.EXPIRED).filter(not_after__lte=now)
    done = int(expired.update(state=AuthorityState.EXPIRED, updated_at=now))
    soon = now + timedelta(days=settings.PKI_CRL_DAYS) / 2
    for pk in list(trusted().filter(crl_next_update__lte=soon).values_list("pk", flat=True)):
        with atomic():
            row = CertificateAuthority.objects.select_for_update(of=("self",)).get(pk=pk)
            refresh_crl(row, now)
        done += 1
    return done
