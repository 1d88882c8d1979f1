"""The built-in authority: keys, succession, revocation lists, bundles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.errors import PermissionRefused
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import errors
from chargepoints.choices import AuthorityKind, AuthorityState
from chargepoints.models import CertificateAuthority, ChargePoint
from chargepoints.pki import keys, reading
from chargepoints.services import authorities, certificate_requests, certificates
from csms_project.common import crypto
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.certs import ADMIN, csr_pem, make_authority, rsa_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _default_tenant() -> None:
    """Events of the installation stand with the tenant that every one has."""
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)


def verify(pem: str, chain: str, roots: str) -> Any:
    """Raises unless the certificate of a charger leads to one of the roots."""
    ends = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    verifier = (
        PolicyBuilder()
        .store(Store(reading.load_all(roots)))
        .time(timezone.now())
        .extension_policies(ee_policy=ends, ca_policy=ExtensionPolicy.webpki_defaults_ca())
        .build_client_verifier()
    )
    return verifier.verify(reading.load(pem), reading.load_all(chain))


def roots() -> list[CertificateAuthority]:
    return list(CertificateAuthority.objects.filter(kind=AuthorityKind.ROOT).order_by("pk"))


def test_new_authority_is_a_root_and_one_that_issues() -> None:
    issuing = make_authority()
    root = issuing.parent
    assert root is not None
    assert (root.kind, issuing.kind) == (AuthorityKind.ROOT, AuthorityKind.ISSUING)
    assert root.common_name == "Acme Group ECDSA Root CA 1"
    assert reading.is_self_signed(reading.load(root.pem))
    assert reading.is_issued_by(reading.load(issuing.pem), reading.load(root.pem))
    assert issuing.not_after < root.not_after
    assert Event.objects.filter(kind="authority.created").count() == 2
    assert AuditEntry.objects.filter(action="authorities.create").count() == 2


def test_private_keys_are_encrypted_and_in_no_trail() -> None:
    issuing = make_authority()
    assert "PRIVATE" not in issuing.private_key
    plain = crypto.decrypt(issuing.private_key)
    assert plain.startswith("-----BEGIN PRIVATE KEY-----")
    written = " ".join(
        [
            *(str(entry.changes) for entry in AuditEntry.objects.all()),
            *(str(e.data) for e in Event.objects.all()),
        ]
    )
    assert plain.splitlines()[1] not in written
    assert issuing.private_key not in written


def test_second_authority_of_a_family_is_refused_but_the_other_family_gets_its_own() -> None:
    make_authority()
    with pytest.raises(errors.AuthorityExists):
        make_authority(keys.KeyKind.EC_P384)
    assert make_authority(keys.KeyKind.RSA_2048).family == keys.KeyFamily.RSA


@pytest.mark.parametrize(("name", "kind"), [("", "ec-p256"), ("x" * 41, "ec-p256"), ("Acme", "rsa-1024")])
def test_authority_needs_a_name_and_a_known_kind_of_key(name: str, kind: str) -> None:
    with pytest.raises(errors.Invalid):
        authorities.create(actor=ADMIN, name=name, key_kind=kind)


def test_only_administrators_of_the_installation_touch_authorities(owner: Actor) -> None:
    for act in (
        lambda: authorities.create(actor=owner, name="Acme"),
        lambda: authorities.rotate_issuing(actor=owner),
        lambda: authorities.replace_root(actor=owner),
        lambda: authorities.reencrypt(actor=owner),
        lambda: certificates.issue_server(actor=owner, hosts=["csms.example"]),
    ):
        with pytest.raises(PermissionRefused):
            act()
    assert not CertificateAuthority.objects.exists()


def test_keys_are_signed_by_their_own_family_where_there_is_one() -> None:
    ec = make_authority()
    assert authorities.find_issuing(keys.KeyFamily.RSA) == ec
    rsa = make_authority(keys.KeyKind.RSA_2048)
    assert authorities.find_issuing(keys.KeyFamily.RSA) == rsa
    assert authorities.find_issuing(keys.KeyFamily.EC) == ec


def test_new_issuing_authority_signs_and_what_the_old_one_signed_stays_good(
    charge_point: ChargePoint,
) -> None:
    old = make_authority()
    before = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    new = authorities.rotate_issuing(actor=ADMIN)
    after = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    old.refresh_from_db()
    assert (old.state, new.state, new.parent) == (AuthorityState.RETIRED, AuthorityState.ACTIVE, old.parent)
    assert (before.authority, after.authority) == (old, new)
    for made in (before, after):
        verify(made.pem, made.chain, authorities.roots_pem())
        assert certificates.find_valid_certificate(fingerprint=made.fingerprint) == made
    assert old.pem in certificates.client_ca_bundle()


def test_new_root_is_offered_beside_the_old_one_and_followed_by_who_knows_only_that(
    charge_point: ChargePoint,
) -> None:
    old_root = make_authority().parent
    assert old_root is not None
    new_root = authorities.replace_root(actor=ADMIN)
    made = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    old_root.refresh_from_db()
    assert old_root.state == AuthorityState.RETIRED
    assert new_root.common_name.endswith("Root CA 2")
    assert authorities.roots_pem() == new_root.pem + old_root.pem
    assert made.authority is not None
    assert made.authority.parent == new_root
    verify(made.pem, made.chain, old_root.pem)
    verify(made.pem, made.chain, new_root.pem)


def test_succession_without_an_authority_says_so() -> None:
    for act in (authorities.rotate_issuing, authorities.replace_root):
        with pytest.raises(errors.NoAuthority):
            act(actor=ADMIN)


def test_succession_keeps_to_its_family() -> None:
    make_authority()
    with pytest.raises(errors.Invalid):
        authorities.rotate_issuing(actor=ADMIN, key_kind=keys.KeyKind.RSA_2048)
    assert authorities.rotate_issuing(actor=ADMIN, key_kind=keys.KeyKind.EC_P384).key == "ECDSA P-384"


def test_revoked_certificate_is_on_the_next_list(charge_point: ChargePoint) -> None:
    issuing = make_authority()
    made = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    issuing.refresh_from_db()
    number = issuing.crl_number
    certificates.revoke(actor=ADMIN, certificate=made, reason="keyCompromise")
    issuing.refresh_from_db()
    crl = x509.load_der_x509_crl(bytes(issuing.crl))
    assert crl.get_revoked_certificate_by_serial_number(int(made.serial_number, 16)) is not None
    assert issuing.crl_number == number + 1


def test_lists_are_made_anew_before_they_run_out(settings: Settings) -> None:
    issuing = make_authority()
    now = timezone.now()
    assert authorities.refresh_due(now) == 0
    assert authorities.refresh_due(now + timedelta(days=4)) == 2
    fresh = CertificateAuthority.objects.get(pk=issuing.pk)
    assert fresh.crl_next_update is not None
    assert fresh.crl_next_update > now + timedelta(days=10)


def test_expired_authority_signs_no_more() -> None:
    issuing = make_authority()
    assert authorities.is_ready()
    CertificateAuthority.objects.filter(pk=issuing.pk).update(not_after=timezone.now())
    assert not authorities.is_ready()
    assert authorities.find_issuing(keys.KeyFamily.EC) is None
    authorities.refresh_due(timezone.now())
    issuing.refresh_from_db()
    assert issuing.state == AuthorityState.EXPIRED
    assert authorities.rotate_issuing(actor=ADMIN).state == AuthorityState.ACTIVE


def test_keys_are_encrypted_anew_when_the_encryption_key_was_rotated(settings: Settings) -> None:
    issuing = make_authority()
    old = list(settings.FIELD_ENCRYPTION_KEYS)
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *old]
    assert authorities.reencrypt(actor=ADMIN) == 2
    settings.FIELD_ENCRYPTION_KEYS = [new]
    issuing.refresh_from_db()
    assert authorities.issuer_of(issuing).certificate == reading.load(issuing.pem)


def test_lost_encryption_key_is_an_error_that_says_what_is_missing(
    charge_point: ChargePoint, settings: Settings
) -> None:
    make_authority()
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(Exception, match="FIELD_ENCRYPTION_KEYS no longer holds its key"):
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())


@pytest.mark.parametrize("kind", [keys.KeyKind.EC_P256, keys.KeyKind.RSA_2048])
def test_server_certificate_comes_with_its_key_which_is_not_kept(kind: str) -> None:
    make_authority()
    make_authority(keys.KeyKind.RSA_2048)
    made = certificates.issue_server(actor=ADMIN, hosts=["csms.example", "10.0.0.7"], key_kind=kind)
    key = keys.from_pem(made.key_pem)
    certificate = reading.load(made.row.pem)
    assert reading.public_bytes(key.public_key()) == reading.public_bytes(certificate.public_key())
    server = PolicyBuilder().store(Store(reading.load_all(authorities.roots_pem()))).time(timezone.now())
    verifier = server.build_server_verifier(x509.DNSName("csms.example"))
    assert verifier.verify(certificate, reading.load_all(made.row.chain))
    assert made.row.common_name == "csms.example"
    assert made.row.tenant_id is None
    columns = [str(getattr(made.row, field.attname)) for field in made.row._meta.concrete_fields]
    assert not any("PRIVATE" in value for value in columns)


@pytest.mark.parametrize("hosts", [[], ["*.example"], ["a b"], ["ws://x"], ["ü.example"]])
def test_server_certificate_needs_real_host_names(hosts: list[str]) -> None:
    make_authority()
    with pytest.raises(errors.Invalid):
        certificates.issue_server(actor=ADMIN, hosts=hosts)


def test_rsa_request_gets_an_rsa_chain(charge_point: ChargePoint) -> None:
    make_authority()
    make_authority(keys.KeyKind.RSA_2048)
    csr = csr_pem(rsa_key())
    made = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr)
    chain = reading.load_all(made.full_chain)
    assert [keys.family_of(item.public_key()) for item in chain] == [keys.KeyFamily.RSA] * 2
    verify(made.pem, made.chain, authorities.roots_pem())


def test_published_addresses_stand_in_what_is_signed(
    charge_point: ChargePoint, tenant: Tenant, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://csms.example/"
    issuing = make_authority()
    made = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    points = reading.load(made.pem).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name is not None
    assert points[0].full_name[0].value == f"https://csms.example/pki/{issuing.fingerprint[:16]}.crl"
