"""Security profiles in the admin: lowering by hand, addresses, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.choices import RefusalReason
from chargepoints.models import ChargePoint
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.browsing import sign_in


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


def change(charge_point: ChargePoint) -> str:
    return reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])


def settings_form(charge_point: ChargePoint, **data: Any) -> dict[str, Any]:
    count = charge_point.connectors.count()
    inline = {"connectors-TOTAL_FORMS": count, "connectors-INITIAL_FORMS": count}
    for number, connector in enumerate(charge_point.connectors.all()):
        inline[f"connectors-{number}-id"] = connector.pk
        inline[f"connectors-{number}-charge_point"] = charge_point.pk
    return {"identity": charge_point.identity, "security_profile": 1, **inline, **data}


def test_lowering_the_profile_must_be_confirmed_and_is_told(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.update(security_profile=2)
    answer = signed_in.post(change(charge_point), settings_form(charge_point))
    assert "This lowers the security from profile 2" in answer.content.decode()
    charge_point.refresh_from_db()
    assert charge_point.security_profile == 2

    signed_in.post(change(charge_point), settings_form(charge_point, lower_anyway="on"))
    charge_point.refresh_from_db()
    assert charge_point.security_profile == 1
    assert AuditEntry.objects.get(action="charge_points.change").changes["security_profile"] == [2, 1]
    assert Event.objects.get(kind="charge_point.security_profile_lowered").data["from"] == 2


def test_raising_the_profile_needs_no_confirmation(signed_in: Client, charge_point: ChargePoint) -> None:
    signed_in.post(
        change(charge_point), settings_form(charge_point, security_profile=3, certificate_name="SN-7")
    )
    charge_point.refresh_from_db()
    assert (charge_point.security_profile, charge_point.certificate_name) == (3, "SN-7")
    assert not Event.objects.filter(kind="charge_point.security_profile_lowered").exists()


@pytest.mark.parametrize(
    ("profile", "public_url", "expected"),
    [
        (0, "https://csms.example.com", "wss://csms.example.com/ocpp/CP-A"),
        (1, "https://csms.example.com", "ws://csms.example.com/ocpp/CP-A"),
        (2, "https://csms.example.com", "wss://csms.example.com/ocpp/CP-A"),
        (1, "http://10.0.0.1:8000", "ws://10.0.0.1:8000/ocpp/CP-A"),
        (3, "http://10.0.0.1:8000", "wss://10.0.0.1:8000/ocpp/CP-A"),
    ],
)
def test_address_fits_the_profile(
    signed_in: Client, charge_point: ChargePoint, settings: Any, profile: int, public_url: str, expected: str
) -> None:
    settings.PUBLIC_URL = public_url
    ChargePoint.objects.update(security_profile=profile)
    assert signed_in.get(change(charge_point)).context["ocpp_url"] == expected


def test_address_of_profile_1_has_tls_where_a_higher_profile_is_welcome(
    signed_in: Client, charge_point: ChargePoint, settings: Any
) -> None:
    settings.PUBLIC_URL, settings.OCPP_ACCEPT_HIGHER_PROFILE = "https://csms.example.com", True
    assert signed_in.get(change(charge_point)).context["ocpp_url"].startswith("wss://")


def test_new_charge_point_is_offered_tls_where_the_site_has_it(signed_in: Client, settings: Any) -> None:
    add = reverse("admin:chargepoints_chargepoint_add")
    assert signed_in.get(add).context["adminform"].form.initial["security_profile"] == 1
    settings.PUBLIC_URL = "https://csms.example.com"
    assert signed_in.get(add).context["adminform"].form.initial["security_profile"] == 2


def test_failed_tls_handshake_cannot_be_registered(signed_in: Client, tenant: Tenant) -> None:
    row = factories.RefusedConnectionFactory(
        tenant=tenant,
        identity="TLS: 192.0.2.9",
        reason=RefusalReason.TLS,
        detail="no cipher suite in common",
    )
    listed = signed_in.get(reverse("admin:chargepoints_refusedconnection_changelist")).content.decode()
    assert "no cipher suite in common" in listed
    assert "Register this charger" not in listed
    path = reverse("admin:chargepoints_refusedconnection_register", args=[row.pk])
    signed_in.post(path, {"connectors": 1, "security_profile": 1})
    assert not ChargePoint.objects.filter(identity__startswith="TLS").exists()
