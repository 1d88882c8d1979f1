"""Certificates in the admin: authorities, lists, decisions, the tab of a charge point, alerts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.choices import Role
from accounts.models import Tenant, User
from accounts.permissions import Actor
from chargepoints.choices import AuthorityState, CertificateState
from chargepoints.models import (
    Certificate,
    CertificateAuthority,
    CertificateRequest,
    ChargePoint,
    Command,
    Connection,
    FleetTaskItem,
    InstalledCertificate,
    SecurityEvent,
)
from chargepoints.pki import reading
from chargepoints.services import authorities, certificate_requests, installed_certificates
from csms_project.common import crypto
from tests import factories
from tests.browsing import sign_in
from tests.chargepoints.certs import ADMIN, csr_pem, make_authority, self_signed
from tests.conftest import ActorFor

pytestmark = pytest.mark.django_db
AUTHORITIES = "chargepoints_certificateauthority"


@pytest.fixture
def authority() -> CertificateAuthority:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    return make_authority()


@pytest.fixture
def root_client(superuser: User, tenant: Tenant, client: Client) -> Client:
    """Signed in as an administrator of the installation."""
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    client.force_login(superuser)
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def tab(client: Client, charge_point: ChargePoint) -> str:
    return text_of(client, f"{url('chargepoints_chargepoint_change', charge_point.pk)}?tab=certificates")


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


# ---------------------------------------------------------------- authorities
def test_first_authority_is_made_from_the_empty_list(root_client: Client) -> None:
    text = text_of(root_client, url(f"{AUTHORITIES}_changelist"))
    assert "There is no certificate authority yet" in text
    assert url(f"{AUTHORITIES}_create") in text
    form = {"name": "Acme Group", "key_kind": "ec-p256"}
    answer = root_client.post(url(f"{AUTHORITIES}_create"), form, follow=True)
    assert said(answer) == ["Acme Group ECDSA Root CA 1 and Acme Group ECDSA Issuing CA 1 are made."]
    text = answer.content.decode()
    assert "Download the roots" in text
    assert "Replace the ECDSA root…" in text
    again = root_client.post(url(f"{AUTHORITIES}_create"), form)
    assert "There is an authority with keys of this kind already" in again.content.decode()


def test_succession_is_asked_about_and_done(
    root_client: Client, authority_of_root: CertificateAuthority
) -> None:
    path = url(f"{AUTHORITIES}_replace", authority_of_root.pk)
    assert "the chargers need nothing new" in text_of(root_client, path)
    answer = root_client.post(path, {"key_kind": ""}, follow=True)
    assert said(answer) == [f"{authority_of_root} is replaced; it stays trusted until it expires."]
    authority_of_root.refresh_from_db()
    assert authority_of_root.state == AuthorityState.RETIRED
    assert said(root_client.post(path, {"key_kind": ""}, follow=True)) == [
        "This authority has been replaced already."
    ]
    root = authority_of_root.parent
    assert root is not None
    root_client.post(url(f"{AUTHORITIES}_replace", root.pk), {"key_kind": "ec-p384"})
    assert authorities.find_active("root", "ec") != root


@pytest.fixture
def authority_of_root(root_client: Client) -> CertificateAuthority:
    return make_authority()


@pytest.mark.parametrize("role", list(Role))
def test_authorities_are_seen_by_all_and_changed_by_no_member(
    role: Role, tenant: Tenant, actor_for: ActorFor, authority: CertificateAuthority, client: Client
) -> None:
    sign_in(client, actor_for(tenant, role))
    text = text_of(client, url(f"{AUTHORITIES}_changelist"))
    assert "New authority" not in text
    assert "Replace the" not in text
    page = text_of(client, url(f"{AUTHORITIES}_change", authority.pk))
    assert authority.fingerprint in page
    for name, args in ((f"{AUTHORITIES}_create", ()), (f"{AUTHORITIES}_replace", (authority.pk,))):
        assert client.get(url(name, *args)).status_code == 403
        assert client.post(url(name, *args), {"name": "Mine", "key_kind": ""}).status_code == 403
    assert client.get(url(f"{AUTHORITIES}_delete", authority.pk)).status_code == 403
    assert client.get(url(f"{AUTHORITIES}_add")).status_code == 403


def test_nobody_sees_authorities_without_a_login(authority: CertificateAuthority, client: Client) -> None:
    for path in (url(f"{AUTHORITIES}_changelist"), url(f"{AUTHORITIES}_change", authority.pk)):
        assert client.get(path).status_code == 302


def test_root_is_installed_in_the_chargers_that_do_not_hold_it(
    authority: CertificateAuthority,
    operator: Actor,
    support: Actor,
    charge_point: ChargePoint,
    tenant: Tenant,
    other_charge_point: ChargePoint,
    client: Client,
) -> None:
    root = authority.parent
    assert root is not None
    holder = factories.ChargePointFactory(tenant=tenant, identity="HOLDER")
    installed_certificates.listed(
        holder.pk, "CentralSystemRootCertificate", [root.names()[2]], at=timezone.now()
    )
    path = url(f"{AUTHORITIES}_install", root.pk)
    sign_in(client, operator)
    assert path in text_of(client, url(f"{AUTHORITIES}_change", root.pk))
    assert path not in text_of(client, url(f"{AUTHORITIES}_change", authority.pk))
    assert "left out" in text_of(client, path)
    answer = client.post(path, {"which": "0", "offline": "86400"})
    item = FleetTaskItem.objects.get()
    assert answer["Location"] == url("chargepoints_fleettask_change", item.task.pk)
    assert (item.charge_point, item.task.expires_in) == (charge_point, 86400)
    assert item.payload["certificate"] == root.pem
    sign_in(client, support)
    assert client.post(path, {"which": "0", "offline": "86400"}).status_code == 403
    assert FleetTaskItem.objects.count() == 1


def test_root_that_all_hold_starts_no_task(
    authority: CertificateAuthority, operator: Actor, client: Client
) -> None:
    root = authority.parent
    assert root is not None
    sign_in(client, operator)
    order = {"which": "0", "offline": "86400"}
    answer = client.post(url(f"{AUTHORITIES}_install", root.pk), order, follow=True)
    assert said(answer) == ["All of these chargers hold this root already."]
    answer = client.post(url(f"{AUTHORITIES}_install", authority.pk), order, follow=True)
    assert said(answer) == ["Only a root that is trusted."]


def test_private_keys_are_on_no_page(root_client: Client, authority_of_root: CertificateAuthority) -> None:
    pages = [
        url(f"{AUTHORITIES}_changelist"),
        url(f"{AUTHORITIES}_change", authority_of_root.pk),
        url(f"{AUTHORITIES}_history", authority_of_root.pk),
        url("common_auditentry_changelist"),
    ]
    secret = crypto.decrypt(authority_of_root.private_key).splitlines()[1]
    for path in pages:
        text = text_of(root_client, path)
        assert secret not in text
        assert authority_of_root.private_key not in text


# ---------------------------------------------------------------- certificates
def test_certificate_is_revoked_after_its_reason_was_asked(
    authority: CertificateAuthority, operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    row = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    sign_in(client, operator)
    page = text_of(client, url("chargepoints_certificate_change", row.pk))
    path = url("chargepoints_certificate_revoke", row.pk)
    assert path in page
    assert "cannot be undone" in re.sub(r"\s+", " ", text_of(client, path))
    row.refresh_from_db()
    assert row.state == CertificateState.ISSUED
    answer = client.post(path, {"reason": "cessationOfOperation"}, follow=True)
    assert said(answer) == [f"{row} is revoked."]
    row.refresh_from_db()
    assert (row.state, row.revocation_reason) == (CertificateState.REVOKED, "cessationOfOperation")
    assert path not in text_of(client, url("chargepoints_certificate_change", row.pk))


def test_many_certificates_are_revoked_after_a_question(
    authority: CertificateAuthority, operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    rows = [
        certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem()) for _ in "ab"
    ]
    sign_in(client, operator)
    path = url("chargepoints_certificate_changelist")
    data = {"action": "revoke", "_selected_action": [row.pk for row in rows]}
    assert "This cannot be undone" in client.post(path, data).content.decode()
    client.post(path, {**data, "confirmed": "1", "reason": "superseded"})
    assert {row.state for row in Certificate.objects.all()} == {CertificateState.REVOKED}


@pytest.mark.parametrize(
    "query", ["validity=valid", "validity=month", "validity=expired", "state__exact=revoked"]
)
def test_list_filters(operator: Actor, charge_point: ChargePoint, client: Client, query: str) -> None:
    now = timezone.now()
    make = factories.CertificateFactory
    expected = {
        "validity=valid": make(
            charge_point=charge_point, not_after=now + timedelta(days=200), state="revoked"
        ),
        "validity=month": make(charge_point=charge_point, not_after=now + timedelta(days=9)),
        "validity=expired": make(
            charge_point=charge_point, not_after=now - timedelta(days=9), state="expired"
        ),
    }
    expected["state__exact=revoked"] = expected["validity=valid"]
    sign_in(client, operator)
    answer = client.get(f"{url('chargepoints_certificate_changelist')}?{query}")
    found = list(answer.context["cl"].result_list)
    assert expected[query] in found
    assert len(found) == (2 if query == "validity=valid" else 1)


def test_servers_certificates_are_for_administrators(
    authority: CertificateAuthority, operator: Actor, superuser: User, client: Client
) -> None:
    row = factories.CertificateFactory(charge_point=None, kind="server", common_name="csms.example")
    sign_in(client, operator)
    assert "csms.example" not in text_of(client, url("chargepoints_certificate_changelist"))
    assert client.get(url("chargepoints_certificate_change", row.pk)).status_code == 404
    client.force_login(superuser)
    assert "csms.example" in text_of(client, url("chargepoints_certificate_changelist"))


def test_root_of_a_manufacturer_is_kept_and_offered(
    operator: Actor, charge_point: ChargePoint, connection: Connection, client: Client
) -> None:
    factories.TenantFactory(slug=django_settings.DEFAULT_TENANT)
    sign_in(client, operator)
    path = url("chargepoints_certificate_root")
    bad = client.post(path, {"kind": "manufacturer_root", "pem": "nonsense"})
    assert "Must be a certificate in PEM" in bad.content.decode()
    client.post(path, {"kind": "manufacturer_root", "pem": self_signed()})
    row = Certificate.objects.get(kind="manufacturer_root")
    install = url("chargepoints_certificate_install", charge_point.pk)
    assert "Maker Root" in text_of(client, install)
    client.post(install, {"root": f"root-{row.pk}"})
    command = Command.objects.get()
    assert command.payload == {"certificate_type": "ManufacturerRootCertificate", "certificate": row.pem}


# ---------------------------------------------------------------- requests
def test_request_is_approved_or_refused(operator: Actor, charge_point: ChargePoint, client: Client) -> None:
    first, second = (factories.CertificateRequestFactory(charge_point=charge_point) for _ in "ab")
    sign_in(client, operator)
    page = text_of(client, url("chargepoints_certificaterequest_change", first.pk))
    approve = url("chargepoints_certificaterequest_step", first.pk, "approve")
    assert approve in page
    assert said(client.post(approve, follow=True)) == [
        "The request is approved; the certificate is on its way."
    ]
    assert said(client.post(approve, follow=True)) == ["This request does not wait for a decision any more."]
    refuse = url("chargepoints_certificaterequest_step", second.pk, "refuse")
    client.post(refuse, {"reason": "Not ours."})
    states = {row.pk: (row.state, row.problem) for row in CertificateRequest.objects.all()}
    assert states == {first.pk: ("received", ""), second.pk: ("refused", "Not ours.")}
    assert client.get(url("chargepoints_certificaterequest_step", first.pk, "eat")).status_code == 404


def test_many_requests_are_decided_after_a_question(
    operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    rows = [factories.CertificateRequestFactory(charge_point=charge_point) for _ in "ab"]
    sign_in(client, operator)
    path = url("chargepoints_certificaterequest_changelist")
    data = {"action": "approve", "_selected_action": [row.pk for row in rows]}
    assert "signed for these chargers" in client.post(path, data).content.decode()
    client.post(path, {**data, "confirmed": "1"})
    assert {row.state for row in CertificateRequest.objects.all()} == {"received"}


# ---------------------------------------------------------------- the tab
def test_tab_says_what_to_do_while_there_is_nothing(
    operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, operator)
    text = tab(client, charge_point)
    assert "There is no certificate authority yet" in text
    assert "CpoName (OrganizationName in OCPP 2.x) must be “Acme”" in text
    assert "We know of no certificate in this charger" in text


def test_tab_shows_certificates_requests_and_roots_with_their_acts(
    authority: CertificateAuthority, operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    row = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    asked = factories.CertificateRequestFactory(charge_point=charge_point, problem="Please look.")
    root = authority.parent
    assert root is not None
    use = "CentralSystemRootCertificate"
    installed_certificates.listed(charge_point.pk, use, [root.names()[0]], at=timezone.now())
    sign_in(client, operator)
    text = tab(client, charge_point)
    held = InstalledCertificate.objects.get()
    for path in (
        url("chargepoints_certificate_revoke", row.pk),
        url("chargepoints_certificaterequest_step", asked.pk, "approve"),
        url("chargepoints_certificate_delete_root", held.pk),
        url("chargepoints_certificate_install", charge_point.pk),
    ):
        assert path in text
    assert root.common_name in text
    assert "Please look." in text


def test_tab_of_a_viewer_has_no_acts(
    authority: CertificateAuthority, viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    row = certificate_requests.sign_for(actor=ADMIN, charge_point=charge_point, csr=csr_pem())
    sign_in(client, viewer)
    text = tab(client, charge_point)
    assert row.serial_number in text
    for word in ("Revoke…", "New certificate", "Install a root…", "Approve…"):
        assert word not in text


def test_orders_of_the_tab_wait_for_a_charger_that_is_offline(
    operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, operator)
    for name in ("ask", "renew", "renew_v2g"):
        path = url(f"chargepoints_certificate_{name}", charge_point.pk)
        assert "The charger is offline" in text_of(client, path)
        assert "for a day" in said(client.post(path, follow=True))[0]
    rows = Command.objects.order_by("pk")
    assert [(row.action, row.waits_for_connection) for row in rows] == [
        ("get_installed_certificate_ids", True),
        ("get_installed_certificate_ids", True),
        ("trigger_message", True),
        ("trigger_message", True),
    ]
    assert [row.payload["message"] for row in rows[2:]] == ["SignCertificate", "SignV2GCertificate"]


def test_charger_of_2x_is_asked_for_everything_at_once(
    operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.0.1")
    sign_in(client, operator)
    client.post(url("chargepoints_certificate_ask", charge_point.pk))
    row = Command.objects.get()
    assert (row.action, row.payload) == ("get_installed_certificate_ids", {})


def test_tab_tells_what_certificates_are_for(
    operator: Actor, charge_point: ChargePoint, client: Client, settings: Settings
) -> None:
    sign_in(client, operator)
    assert "New certificate for vehicles" not in tab(client, charge_point), "nobody would sign it"
    settings.PLUG_AND_CHARGE_PROVIDER = "chargepoints.plug_and_charge.FixedProvider"
    factories.CertificateRequestFactory(charge_point=charge_point, purpose="V2GCertificate")
    use = "V2GCertificateChain"
    name = reading.HashData(
        algorithm="SHA384", issuer_name_hash="AB", issuer_key_hash="CD", serial_number="1F"
    )
    chains = {name.key(): [name, name]}
    installed_certificates.listed(charge_point.pk, use, [name], at=timezone.now(), chains=chains)
    text = tab(client, charge_point)
    for words in (
        "New certificate for vehicles",
        "Vehicles (ISO 15118-2)",
        "The charger&#x27;s own, for vehicles",
        "SHA384 · 2 above it",
    ):
        assert words in text
    held = InstalledCertificate.objects.get()
    page = text_of(client, url("chargepoints_certificate_delete_root", held.pk))
    assert "the certificate that the charger shows to vehicles" in page


def test_certificates_for_vehicles_are_asked_for_by_who_may_and_for_own_chargers(
    viewer: Actor, operator: Actor, other_tenant: Tenant, charge_point: ChargePoint, client: Client
) -> None:
    path = url("chargepoints_certificate_renew_v2g", charge_point.pk)
    assert client.get(path).status_code == 302
    sign_in(client, viewer)
    assert client.post(path).status_code == 403
    foreign = factories.ChargePointFactory(tenant=other_tenant)
    sign_in(client, operator)
    assert client.post(url("chargepoints_certificate_renew_v2g", foreign.pk)).status_code == 404
    assert not Command.objects.exists()


def test_last_root_is_deleted_only_after_a_warning(
    authority: CertificateAuthority,
    operator: Actor,
    charge_point: ChargePoint,
    connection: Connection,
    client: Client,
) -> None:
    root = authority.parent
    assert root is not None
    use = "CentralSystemRootCertificate"
    installed_certificates.listed(charge_point.pk, use, [root.names()[0]], at=timezone.now())
    held = InstalledCertificate.objects.get()
    sign_in(client, operator)
    path = url("chargepoints_certificate_delete_root", held.pk)
    assert "may never connect by TLS again" in text_of(client, path)
    client.post(path)
    assert Command.objects.get().payload == held.order
    factories.InstalledCertificateFactory(charge_point=charge_point)
    assert "may never connect" not in text_of(client, path)


def test_roots_of_another_tenants_charger_are_not_there(
    operator: Actor, other_charge_point: ChargePoint, client: Client
) -> None:
    held = factories.InstalledCertificateFactory(charge_point=other_charge_point)
    sign_in(client, operator)
    assert client.get(url("chargepoints_certificate_delete_root", held.pk)).status_code == 404
    assert client.post(url("chargepoints_certificate_delete_root", held.pk)).status_code == 404
    assert not Command.objects.exists()


def test_support_may_not_delete_roots(support: Actor, charge_point: ChargePoint, client: Client) -> None:
    held = factories.InstalledCertificateFactory(charge_point=charge_point)
    sign_in(client, support)
    assert client.post(url("chargepoints_certificate_delete_root", held.pk)).status_code == 403


# ---------------------------------------------------------------- alerts
def test_open_alerts_are_on_the_home_page_until_somebody_acknowledges_them(
    technician: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint, client: Client
) -> None:
    make = factories.SecurityEventFactory
    row = make(charge_point=charge_point, type="TamperDetectionActivated", is_alert=True)
    make(charge_point=other_charge_point, type="AttemptedReplayAttacks", is_alert=True)
    make(charge_point=charge_point, type="InvalidMessages")
    sign_in(client, technician)
    home = text_of(client, reverse("admin:index"))
    assert "TamperDetectionActivated" in home
    assert "AttemptedReplayAttacks" not in home
    assert "InvalidMessages" not in home
    path = url("chargepoints_securityevent_changelist")
    assert list(client.get(f"{path}?alert=open").context["cl"].result_list) == [row]
    client.post(path, {"action": "acknowledge", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.acknowledged_by_name == technician.name
    assert "TamperDetectionActivated" not in text_of(client, reverse("admin:index"))


def test_events_are_listed_by_severity(support: Actor, charge_point: ChargePoint, client: Client) -> None:
    for kind in ("TamperDetectionActivated", "InvalidMessages", "Unheard"):
        factories.SecurityEventFactory(charge_point=charge_point, type=kind)
    sign_in(client, support)
    path = url("chargepoints_securityevent_changelist")

    def kinds(query: str) -> set[str]:
        return {row.type for row in client.get(f"{path}?{query}").context["cl"].result_list}

    assert kinds("severity=critical") == {"TamperDetectionActivated", "Unheard"}
    assert kinds("severity=normal") == {"InvalidMessages"}
    assert client.post(path, {"action": "acknowledge", "_selected_action": [1]}).status_code in (200, 302)
    assert not SecurityEvent.objects.exclude(acknowledged_at=None).exists()


def test_waiting_requests_and_ending_certificates_are_on_the_home_page(
    operator: Actor, charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, operator)
    assert "wait for approval" not in text_of(client, reverse("admin:index"))
    factories.CertificateRequestFactory(charge_point=charge_point)
    near = timezone.now() + timedelta(days=3)
    factories.CertificateFactory(
        charge_point=charge_point, not_before=near - timedelta(days=365), not_after=near
    )
    home = text_of(client, reverse("admin:index"))
    assert "wait for approval" in home
    assert "end soon" in home
