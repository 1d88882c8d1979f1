"""Making certificates and revocation lists: roots, issuing authorities, chargers, servers.

Only what the whitepaper asks for stands in them (§2.6.1): names, key usage, serial number; and never anything that a
request asks for beside its names and its key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from chargepoints.pki.keys import PrivateKey
from chargepoints.pki.requests import Request

#: Clocks of chargers are slow: what we make is valid a little before it was made.
BACKDATED = timedelta(hours=1)
_MAX_NAME = 64  # of X.520


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who signs.

    uses_pss  RSA signatures as the whitepaper recommends (A00.FR.505); False: PKCS#1 v1.5, for old chargers
    crl_url, certificate_url  where others find its revocation list and itself; "" leaves them out
    """

    certificate: x509.Certificate
    key: PrivateKey
    uses_pss: bool = True
    crl_url: str = ""
    certificate_url: str = ""


def distinguished_name(*, common_name: str, organization: str) -> x509.Name:
    """O and CN, cut to what X.520 allows."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:_MAX_NAME]),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_MAX_NAME]),
        ]
    )


def make_root(
    *, key: PrivateKey, name: x509.Name, at: datetime, valid_for: timedelta, uses_pss: bool = True
) -> x509.Certificate:
    """A root that signs itself."""
    builder = _builder(name, name, key.public_key(), at, at + valid_for)
    builder = _as_authority(builder, path_length=None).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return _sign(builder, key, uses_pss=uses_pss)


def make_authority(
    issuer: Issuer,
    *,
    public_key: CertificatePublicKeyTypes,
    name: x509.Name,
    at: datetime,
    valid_for: timedelta,
    path_length: int | None,
) -> x509.Certificate:
    """An authority below another: one that issues, or a new root that the old one vouches for."""
    builder = _builder(name, issuer.certificate.subject, public_key, at, _end(issuer, at, valid_for))
    return _issue(_as_authority(builder, path_length=path_length), issuer)


def make_charger(
    issuer: Issuer,
    *,
    public_key: CertificatePublicKeyTypes,
    name: x509.Name,
    at: datetime,
    valid_for: timedelta,
) -> x509.Certificate:
    """A client certificate; without alternative names, so that it passes for no server (A00.FR.511)."""
    builder = _builder(name, issuer.certificate.subject, public_key, at, _end(issuer, at, valid_for))
    return _issue(_as_end(builder, ExtendedKeyUsageOID.CLIENT_AUTH), issuer)


def make_server(
    issuer: Issuer,
    *,
    public_key: CertificatePublicKeyTypes,
    organization: str,
    hosts: Sequence[str],
    at: datetime,
    valid_for: timedelta,
) -> x509.Certificate:
    """The gateway's own: the first host is its common name (A00.FR.510), all are alternative names."""
    name = distinguished_name(common_name=hosts[0], organization=organization)
    builder = _builder(name, issuer.certificate.subject, public_key, at, _end(issuer, at, valid_for))
    builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(hosts)), critical=False)
    # TLS_RSA suites encrypt with the key (A00.FR.317).
    is_rsa = isinstance(public_key, rsa.RSAPublicKey)
    return _issue(_as_end(builder, ExtendedKeyUsageOID.SERVER_AUTH, key_encipherment=is_rsa), issuer)


def make_for_vehicles(
    issuer: Issuer, *, request: Request, at: datetime, valid_for: timedelta
) -> x509.Certificate:
    """What a charger shows to vehicles (ISO 15118-2 table F.3): a TLS server of the domain CPO."""
    name = x509.Name(
        [
            *distinguished_name(
                common_name=request.common_name or "SECC", organization=request.organization or "CPO"
            ),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "CPO"),
        ]
    )
    key, end = request.csr.public_key(), _end(issuer, at, valid_for)
    builder = _builder(name, issuer.certificate.subject, key, at, end)
    return _issue(_as_end(builder, ExtendedKeyUsageOID.SERVER_AUTH, key_agreement=True), issuer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """One line of a revocation list."""

    serial_number: int
    at: datetime
    reason: str


def make_crl(
    issuer: Issuer, *, revoked: Iterable[Revoked], number: int, at: datetime, valid_for: timedelta
) -> bytes:
    """A revocation list in DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at)
        .next_update(at + valid_for)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    for line in revoked:
        builder = builder.add_revoked_certificate(_crl_line(line))
    signed = builder.sign(issuer.key, hashes.SHA256(), rsa_padding=_padding(issuer.key, issuer.uses_pss))
    return signed.public_bytes(serialization.Encoding.DER)


def _crl_line(line: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(line.serial_number).revocation_date(line.at)
    reason = x509.ReasonFlags(line.reason)
    if reason is not x509.ReasonFlags.unspecified:  # RFC 5280 §5.3.1: left out then
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


# ---------------------------------------------------------------- parts
def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, at: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _end(issuer: Issuer, at: datetime, valid_for: timedelta) -> datetime:
    """Nothing lives longer than what vouches for it."""
    return min(at + valid_for, issuer.certificate.not_valid_after_utc)


def _as_authority(builder: x509.CertificateBuilder, *, path_length: int | None) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)


def _as_end(
    builder: x509.CertificateBuilder,
    purpose: x509.ObjectIdentifier,
    *,
    key_encipherment: bool = False,
    key_agreement: bool = False,
) -> x509.CertificateBuilder:
    usage = _usage(digital_signature=True, key_encipherment=key_encipherment, key_agreement=key_agreement)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_agreement: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=key_agreement,
        encipher_only=False,
        decipher_only=False,
    )


def _issue(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.Certificate:
    builder = builder.add_extension(_authority_key(issuer), critical=False)
    if issuer.crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(issuer.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if issuer.certificate_url:
        place = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer.certificate_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    return _sign(builder, issuer.key, uses_pss=issuer.uses_pss)


def _authority_key(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    key = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key.value)


def _sign(builder: x509.CertificateBuilder, key: PrivateKey, *, uses_pss: bool) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256(), rsa_padding=_padding(key, uses_pss))


def _padding(key: PrivateKey, uses_pss: bool) -> padding.PSS | padding.PKCS1v15 | None:
    if not isinstance(key, rsa.RSAPrivateKey):
        return None
    if not uses_pss:
        return padding.PKCS1v15()
    return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


def _alternatives(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative(host) for host in dict.fromkeys(hosts)]


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
