"""Handshakes that are about security profiles: certificates in our books, events, upgrades."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.choices import OnboardingMode
from accounts.models import Tenant
from chargepoints.choices import CertificateState, SecurityProfile
from chargepoints.client_certificates import ClientCertificate
from chargepoints.models import Certificate, ChargePoint, Connection, GatewayNode, SecurityEvent
from chargepoints.services.connections import Connected, Refused
from csms_project.common.models import Event
from tests import factories
from tests.chargepoints.handshakes import accepted, connect
from tests.factories import T0

FINGERPRINT = "ab" * 32
HOUR = timedelta(hours=1)


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(lease_until=T0 + timedelta(minutes=1))
    return row


@pytest.fixture
def secured(charge_point: ChargePoint) -> ChargePoint:
    """A charger of profile 3."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(security_profile=3, key_hash="")
    charge_point.refresh_from_db()
    return charge_point


def shown(charge_point: ChargePoint, **more: Any) -> ClientCertificate:
    given: dict[str, Any] = {
        "common_names": (charge_point.identity,),
        "organisations": (charge_point.tenant.certificate_organization,),
        "fingerprint": FINGERPRINT,
    }
    return ClientCertificate(**given | more)


def by_certificate(
    node: GatewayNode, charge_point: ChargePoint, certificate: ClientCertificate | None = None, **fields: Any
) -> Connected | Refused:
    given = {"is_secure": True, "username": None, "password": None}
    return connect(
        node,
        charge_point.identity,
        certificate=certificate or shown(charge_point),
        **given | fields,
    )


def refused(outcome: Connected | Refused) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.detail


# ---------------------------------------------------------------- whose it may be
def test_certificate_of_an_outside_authority_is_judged_by_what_it_says(
    node: GatewayNode, secured: ChargePoint
) -> None:
    assert accepted(by_certificate(node, secured)).charge_point_id == secured.pk
    assert Connection.objects.get().security_profile == 3


def test_certificate_must_name_the_organisation_of_the_charger(
    node: GatewayNode, secured: ChargePoint, settings: Any
) -> None:
    foreign = shown(secured, organisations=("Maker",))
    assert "belongs to “Maker”" in refused(by_certificate(node, secured, foreign))
    settings.TLS_CLIENT_ORGANISATIONS = ["Maker"]
    accepted(by_certificate(node, secured, foreign))


def test_certificate_must_name_the_operator_where_one_is_set(node: GatewayNode, secured: ChargePoint) -> None:
    by_name = shown(secured)
    Tenant.objects.filter(pk=secured.tenant_id).update(cpo_name="Volta Charging")
    assert "not to “Volta Charging”" in refused(by_certificate(node, secured, by_name))
    accepted(by_certificate(node, secured, shown(secured, organisations=("Volta Charging",))))


@pytest.mark.parametrize("column", ["serial_number", "box_serial_number", "certificate_name"])
def test_certificate_may_carry_another_name_of_the_charger(
    node: GatewayNode, secured: ChargePoint, column: str
) -> None:
    ChargePoint.objects.filter(pk=secured.pk).update(**{column: "SN-0815"})
    accepted(by_certificate(node, secured, shown(secured, common_names=("SN-0815",))))


def test_certificate_name_that_was_set_is_the_only_one(node: GatewayNode, secured: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=secured.pk).update(serial_number="SN-1", certificate_name="SN-2")
    assert "is that of “SN-1”" in refused(
        by_certificate(node, secured, shown(secured, common_names=("SN-1",)))
    )


# ---------------------------------------------------------------- what our books say
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": CertificateState.ISSUED}, ""),
        ({"state": CertificateState.DELIVERED}, ""),
        ({"state": CertificateState.INSTALLED}, ""),
        ({"state": CertificateState.SUPERSEDED, "superseded_at": T0 - 30 * 24 * HOUR}, ""),
        ({"state": CertificateState.SUPERSEDED, "superseded_at": T0 - 32 * 24 * HOUR}, "replaced by a newer"),
        ({"state": CertificateState.REVOKED, "revoked_at": T0}, "was revoked on 2026-03-02"),
        ({"state": CertificateState.REJECTED}, "refused by the charger"),
        ({"kind": "server"}, "not made for a charger"),
        ({"charge_point": None}, "another charge point"),
    ],
)
def test_certificate_that_we_know_is_good_as_long_as_our_books_say_so(
    node: GatewayNode, secured: ChargePoint, fields: dict[str, Any], words: str
) -> None:
    given = {"charge_point": secured, "fingerprint": FINGERPRINT} | fields
    factories.CertificateFactory(**given)
    outcome = by_certificate(node, secured)
    if words:
        assert words in refused(outcome)
    else:
        accepted(outcome)


def test_certificate_of_another_charger_is_refused(
    node: GatewayNode, secured: ChargePoint, other_charge_point: ChargePoint
) -> None:
    factories.CertificateFactory(charge_point=other_charge_point, fingerprint=FINGERPRINT)
    assert "another charge point" in refused(by_certificate(node, secured))


def test_new_certificate_is_in_use_from_its_first_connection(node: GatewayNode, secured: ChargePoint) -> None:
    old = factories.CertificateFactory(
        charge_point=secured, state=CertificateState.INSTALLED, not_before=T0 - 900 * 24 * HOUR
    )
    new = factories.CertificateFactory(
        charge_point=secured, fingerprint=FINGERPRINT, state=CertificateState.DELIVERED
    )
    accepted(by_certificate(node, secured))
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == ("superseded", "installed")
    accepted(by_certificate(node, secured, received_at=T0 + HOUR))
    assert Certificate.objects.get(pk=new.pk).last_used_at == T0 + HOUR


def test_handshake_without_a_certificate_asks_for_none(node: GatewayNode, charge_point: ChargePoint) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        accepted(connect(node))
    assert not [query for query in queries if "chargepoints_certificate" in query["sql"]]
    assert not [query for query in queries if "securityprofileupgrade" in query["sql"]]


# ---------------------------------------------------------------- events
def test_refusals_are_a_security_event_again_after_an_hour_of_silence(
    node: GatewayNode, secured: ChargePoint
) -> None:
    for minutes in (0, 10, 50):
        by_certificate(
            node,
            secured,
            shown(secured, problem="it expired"),
            received_at=T0 + timedelta(minutes=minutes),
        )
    connect(node, secured.identity, received_at=T0)
    connect(node, secured.identity, password=None, received_at=T0)
    rows = SecurityEvent.objects.order_by("pk")
    assert list(rows.values_list("tech_info", flat=True)) == [
        "Noted here: Client certificate not accepted: it expired",
        "Noted here: Security profile not met: set to profile 3, came without TLS",
    ]
    by_certificate(node, secured, shown(secured, problem="it expired"), received_at=T0 + 2 * HOUR)
    assert rows.count() == 3
    assert Event.objects.filter(kind="charge_point.security_event").count() == 3


@pytest.mark.usefixtures("charge_point")
def test_missing_key_is_no_security_event(node: GatewayNode) -> None:
    connect(node, password=None)
    assert not SecurityEvent.objects.exists()


# ---------------------------------------------------------------- strangers
@pytest.fixture
def host(db: None) -> Tenant:
    row: Tenant = factories.TenantFactory(
        slug="default", name="Default", onboarding_mode=OnboardingMode.PENDING
    )
    return row


@pytest.mark.parametrize(
    ("fields", "profile"),
    [
        ({}, SecurityProfile.BASIC),
        ({"password": None}, SecurityProfile.NONE),
        ({"is_secure": True}, SecurityProfile.TLS_BASIC),
        ({"is_secure": True, "password": None}, SecurityProfile.NONE),
    ],
)
def test_stranger_keeps_the_profile_that_it_comes_with(
    node: GatewayNode, host: Tenant, fields: dict[str, Any], profile: int
) -> None:
    accepted(connect(node, "NEW", **fields))
    assert ChargePoint.objects.get(identity="NEW").security_profile == profile


def test_stranger_with_a_certificate_keeps_its_name(node: GatewayNode, host: Tenant) -> None:
    certificate = ClientCertificate(common_names=("SN-9",), organisations=("Default",))
    accepted(connect(node, "NEW", is_secure=True, username=None, password=None, certificate=certificate))
    row = ChargePoint.objects.get(identity="NEW")
    assert (row.security_profile, row.certificate_name, row.key_hash) == (3, "SN-9", "")
    other = ClientCertificate(common_names=("SN-8",), organisations=("Default",))
    outcome = connect(node, "NEW", is_secure=True, username=None, password=None, certificate=other)
    assert "is that of “SN-8”" in refused(outcome)
