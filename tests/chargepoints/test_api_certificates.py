"""Certificates, requests, authorities and security events over REST."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from accounts.permissions import Actor
from chargepoints.choices import CertificateRequestState
from chargepoints.models import CertificateAuthority, CertificateRequest, ChargePoint, SecurityEvent
from chargepoints.pki import reading
from chargepoints.pki.reading import HashData
from chargepoints.services import authorities, certificate_requests, certificates, installed_certificates
from csms_project.common import crypto
from csms_project.common.models import AuditEntry
from tests import factories
from tests.api import V1, client_of, names, problem_of
from tests.chargepoints.certs import ADMIN, csr_pem, make_authority

pytestmark = pytest.mark.django_db


@pytest.fixture
def authority() -> CertificateAuthority:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    return make_authority()


def test_certificates_are_found_by_charger_state_and_end(
    operator: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    soon = timezone.now() + timedelta(days=5)
    ending = factories.CertificateFactory(charge_point=charge_point, not_after=soon)
    revoked = factories.CertificateFactory(charge_point=charge_point, state="revoked")
    factories.CertificateFactory(charge_point=other_charge_point)
    factories.CertificateFactory(charge_point=None, kind="server")
    client = client_of(operator)

    def ids(query: str) -> list[int]:
        return sorted(names(client.get(f"{V1}certificates/?{query}"), "id"))

    assert ids("") == sorted([ending.pk, revoked.pk])
    assert ids("state=revoked") == [revoked.pk]
    assert ids("charge_point=cp-a") == sorted([ending.pk, revoked.pk])
    assert ids(f"serial_number={ending.serial_number.lower()}") == [ending.pk]
    assert ids(f"expires_before={(soon + timedelta(days=1)).isoformat().replace('+00:00', 'Z')}") == [
        ending.pk
    ]
    problem_of(client.get(f"{V1}certificates/?state=lost"), 400)


def test_certificate_is_revoked_with_its_reason(
    authority: CertificateAuthority, operator: Actor, technician: Actor, charge_point: ChargePoint
) -> None:
    row = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    path = f"{V1}certificates/{row.pk}/revoke/"
    problem_of(client_of(technician).post(path), 403)
    problem_of(client_of(operator).post(path, {"reason": "boredom"}), 400)
    shown = client_of(operator).post(path, {"reason": "keyCompromise"}).json()
    assert (shown["state"], shown["revocation_reason"]) == ("revoked", "keyCompromise")
    assert certificates.find_valid_certificate(fingerprint=row.fingerprint) is None
    assert problem_of(client_of(operator).post(path), 409)["code"] == "already_revoked"


def test_requests_are_decided(operator: Actor, technician: Actor, charge_point: ChargePoint) -> None:
    first, second = (factories.CertificateRequestFactory(charge_point=charge_point) for _ in range(2))
    path = f"{V1}certificate-requests/"
    client = client_of(operator)
    assert sorted(names(client.get(f"{path}?state=waiting"), "id")) == [first.pk, second.pk]
    problem_of(client_of(technician).post(f"{path}{first.pk}/approve/"), 403)
    shown = client.post(f"{path}{first.pk}/approve/").json()
    assert (shown["state"], shown["decided_by_name"]) == (CertificateRequestState.RECEIVED, operator.name)
    shown = client.post(f"{path}{second.pk}/refuse/", {"reason": "Not ours."}).json()
    assert (shown["state"], shown["problem"]) == (CertificateRequestState.REFUSED, "Not ours.")
    problem_of(client.post(f"{path}{second.pk}/approve/"), 409)
    problem_of(client.post(f"{path}{second.pk}/retry/"), 409)


def test_failed_request_is_tried_again(operator: Actor, charge_point: ChargePoint) -> None:
    row = factories.CertificateRequestFactory(charge_point=charge_point, state="failed")
    shown = client_of(operator).post(f"{V1}certificate-requests/{row.pk}/retry/").json()
    assert shown["state"] == CertificateRequestState.RECEIVED
    assert CertificateRequest.objects.get().next_attempt_at is not None


def test_authorities_are_shown_without_their_keys(authority: CertificateAuthority, viewer: Actor) -> None:
    answer = client_of(viewer).get(f"{V1}certificate-authorities/?kind=issuing&state=active")
    (shown,) = answer.json()["results"]
    assert (shown["common_name"], shown["crl_url"]) == (
        "Acme Group ECDSA Issuing CA 1",
        f"/pki/{authority.fingerprint[:16]}.crl",
    )
    text = json.dumps(answer.json())
    secret = crypto.decrypt(authority.private_key).splitlines()[1]
    assert "private" not in text.lower()
    assert authority.private_key not in text
    assert secret not in text
    bundle = client_of(viewer).get(f"{V1}certificate-authorities/bundle/").json()
    assert len(reading.load_all(bundle["roots"])) == 1
    assert len(reading.load_all(bundle["bundle"])) == 2
    problem_of(client_of(viewer).post(f"{V1}certificate-authorities/"), 405)


def test_roots_and_lists_are_published_to_everybody(authority: CertificateAuthority, client: Client) -> None:
    root = authority.parent
    assert root is not None
    name = authority.fingerprint[:16]
    assert client.get("/pki/roots.pem").content.decode() == root.pem
    assert client.get("/pki/bundle.pem").content.decode() == authorities.bundle_pem()
    assert client.get(f"/pki/{name}.pem").content.decode() == authority.pem
    der = client.get(f"/pki/{name}.cer")
    assert (der["Content-Type"], x509.load_der_x509_certificate(der.content)) == (
        "application/pkix-cert",
        reading.load(authority.pem),
    )
    crl = client.get(f"/pki/{name}.crl")
    assert crl["Content-Type"] == "application/pkix-crl"
    assert x509.load_der_x509_crl(crl.content).issuer == reading.load(authority.pem).subject
    assert client.post("/pki/roots.pem").status_code == 405
    for missing in ("0" * 16 + ".crl", "x.crl", "../settings.pem"):
        assert client.get(f"/pki/{missing}").status_code == 404


def test_nothing_is_published_without_an_authority(client: Client) -> None:
    for name in ("roots.pem", "bundle.pem"):
        assert client.get(f"/pki/{name}").status_code == 404


def test_roots_in_a_charger_are_listed_with_their_names(
    authority: CertificateAuthority, viewer: Actor, stranger: Actor, charge_point: ChargePoint
) -> None:
    root = authority.parent
    assert root is not None
    strange = HashData(algorithm="SHA256", issuer_name_hash="ab", issuer_key_hash="cd", serial_number="1")
    names_ = [root.names()[1], strange]
    use = "CentralSystemRootCertificate"
    installed_certificates.listed(charge_point.pk, use, names_, at=timezone.now())
    path = f"{V1}charge-points/CP-A/installed-certificates/"
    shown = client_of(viewer).get(path).json()
    assert (shown["count"], shown["next"]) == (2, None)
    found = {row["serial_number"]: row for row in shown["results"]}
    ours = found[root.serial_number]
    assert (ours["name"], ours["fingerprint"], ours["is_last"]) == (root.common_name, root.fingerprint, False)
    assert ours["hash_algorithm"] == "SHA384"
    assert found["1"]["name"] is None
    problem_of(client_of(stranger).get(path), 404)


# ---------------------------------------------------------------- security events
@pytest.fixture
def events(charge_point: ChargePoint, other_charge_point: ChargePoint) -> dict[str, SecurityEvent]:
    make = factories.SecurityEventFactory
    make(charge_point=other_charge_point, type="TamperDetectionActivated", is_alert=True)
    return {
        "tamper": make(charge_point=charge_point, type="TamperDetectionActivated", is_alert=True),
        "odd": make(charge_point=charge_point, type="InvalidMessages"),
        "vendor": make(charge_point=charge_point, type="VendorThing"),
        "csms": make(charge_point=charge_point, type="failedToAuthenticateAtCSMS"),
    }


def _ids(client: Any, query: str) -> list[int]:
    return sorted(names(client.get(f"{V1}security-events/?{query}"), "id"))


def test_security_events_are_found_by_severity_type_and_charger(
    support: Actor, events: dict[str, SecurityEvent]
) -> None:
    client = client_of(support)
    critical, normal = (
        sorted(events[name].pk for name in group) for group in (("tamper", "vendor"), ("odd", "csms"))
    )
    assert _ids(client, "severity=critical") == critical
    assert _ids(client, "severity=normal") == normal
    assert _ids(client, "charge_point=cp-a") == sorted(critical + normal)
    assert _ids(client, "charge_point=CP-B") == []
    assert _ids(client, "open=true") == _ids(client, "alert=true") == [events["tamper"].pk]
    assert _ids(client, "type=invalidmessages") == [events["odd"].pk]
    problem_of(client.get(f"{V1}security-events/?severity=huge"), 400)


def test_alert_ends_when_somebody_acknowledges_it(
    technician: Actor, support: Actor, events: dict[str, SecurityEvent]
) -> None:
    path = f"{V1}security-events/{events['tamper'].pk}/acknowledge/"
    problem_of(client_of(support).post(path), 403)
    shown = client_of(technician).post(path).json()
    assert (shown["acknowledged_by_name"], shown["severity"]) == (technician.name, "critical")
    assert _ids(client_of(support), "open=true") == []
    problem_of(client_of(technician).post(path), 409)
    assert AuditEntry.objects.get(action="security_events.acknowledge").object_type == "securityevent"
