"""Security profiles in the admin: lowering by hand, addresses, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, RefusalReason
from chargepoints.models import ChargePoint, Command, Connection, SecurityProfileUpgrade
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.browsing import sign_in
from tests.chargepoints.sending import send


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


# ---------------------------------------------------------------- upgrades
def upgrade(charge_point: ChargePoint, act: str = "") -> str:
    return reverse(f"admin:chargepoints_chargepoint_upgrade{act}", args=[charge_point.pk])


def row() -> SecurityProfileUpgrade:
    found: SecurityProfileUpgrade = SecurityProfileUpgrade.objects.get()
    return found


def test_settings_lead_to_the_upgrade(signed_in: Client, charge_point: ChargePoint) -> None:
    page = signed_in.get(change(charge_point) + "?tab=settings").content.decode()
    assert upgrade(charge_point) in page
    assert "Raise the security profile" in page
    ChargePoint.objects.update(security_profile=2, pending_security_profile=3)
    page = signed_in.get(change(charge_point) + "?tab=settings").content.decode()
    assert "on its way to 3: TLS and client certificate" in page
    ChargePoint.objects.update(security_profile=3, pending_security_profile=None)
    assert upgrade(charge_point) not in signed_in.get(change(charge_point)).content.decode()


def test_upgrade_page_shows_what_each_profile_needs(signed_in: Client, charge_point: ChargePoint) -> None:
    answer = signed_in.get(upgrade(charge_point))
    assert [item["step"].name for item in answer.context["steps"]][-1] == "root"
    answer = signed_in.get(upgrade(charge_point) + "?target=3")
    shown = {item["step"].name: item["url"] for item in answer.context["steps"]}
    assert shown["certificate"] == shown["root"] == change(charge_point) + "?tab=certificates"
    assert "change_configuration/?key=CpoName&value=" in shown["cpo_name"]
    assert shown["connected"] == ""
    assert signed_in.get(upgrade(charge_point) + "?target=9").context["target"] == 2


def test_upgrade_is_started_tried_again_and_called_off(signed_in: Client, connection: Connection) -> None:
    charge_point = connection.charge_point
    signed_in.post(upgrade(charge_point), {"target_profile": 2, "how": "ocpp", "confirm": "on"})
    assert (row().status, row().target_profile) == ("requested", 2)
    page = signed_in.get(upgrade(charge_point)).content.decode()
    assert "On the way to profile 2: TLS and key" in page
    assert "Try again" not in page
    sent = send(Command.objects.get(), connection)
    commands.complete(sent.pk, status=CommandStatus.TIMED_OUT)
    page = signed_in.get(upgrade(charge_point)).content.decode()
    assert "did not answer" in page
    assert "Try again" in page
    assert (
        "asked for the new profile again" in signed_in.get(upgrade(charge_point, "_retry")).content.decode()
    )
    signed_in.post(upgrade(charge_point, "_retry"))
    assert row().status == "requested"
    assert "set its security profile" in signed_in.get(upgrade(charge_point, "_cancel")).content.decode()
    signed_in.post(upgrade(charge_point, "_cancel"))
    assert row().status == "cancelled"
    assert "Earlier upgrades" in signed_in.get(upgrade(charge_point)).content.decode()


def test_upgrade_by_hand_at_the_charger(signed_in: Client, charge_point: ChargePoint) -> None:
    signed_in.post(upgrade(charge_point), {"target_profile": 3, "how": "hand", "confirm": "on"})
    assert (row().status, row().over_ocpp) == ("waiting", False)
    page = signed_in.get(upgrade(charge_point)).content.decode()
    assert "at the charger" in page
    assert "Try again" not in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"target_profile": 2, "how": "ocpp"}, "required"),
        ({"target_profile": 1, "how": "ocpp", "confirm": "on"}, "Select a valid choice"),
        ({"target_profile": 2, "how": "ocpp", "confirm": "on"}, "offline"),
    ],
)
def test_upgrade_that_cannot_be_started_says_why(
    signed_in: Client, charge_point: ChargePoint, data: dict[str, Any], words: str
) -> None:
    assert words in signed_in.post(upgrade(charge_point), data).content.decode()
    assert not SecurityProfileUpgrade.objects.exists()


def test_upgrade_without_a_key_says_so_at_its_field(signed_in: Client, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=0, key_hash="")
    answer = signed_in.post(upgrade(charge_point), {"target_profile": 2, "how": "hand", "confirm": "on"})
    assert "needs an authorization key" in answer.context["form"].errors["target_profile"][0]


def test_upgrade_is_shown_to_all_and_made_by_few(
    client: Client, support: Actor, charge_point: ChargePoint
) -> None:
    sign_in(client, support)
    answer = client.get(upgrade(charge_point))
    assert (answer.status_code, answer.context["form"]) == (200, None)
    data = {"target_profile": 2, "how": "hand", "confirm": "on"}
    assert client.post(upgrade(charge_point), data).status_code == 403
    assert not SecurityProfileUpgrade.objects.exists()


def test_upgrade_page_of_the_highest_profile_says_so(signed_in: Client, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=3)
    page = signed_in.get(upgrade(charge_point)).content.decode()
    assert "This is the highest profile" in page
    assert "Start the upgrade" not in page


def test_chargers_are_found_by_profile_and_upgrade(signed_in: Client, charge_point: ChargePoint) -> None:
    other = factories.ChargePointFactory(tenant=charge_point.tenant, identity="CP-C", security_profile=2)
    factories.SecurityProfileUpgradeFactory(
        charge_point=other, from_profile=2, target_profile=3, status="fell_back"
    )
    factories.SecurityProfileUpgradeFactory(charge_point=charge_point, status="done")
    rows = reverse("admin:chargepoints_chargepoint_changelist")

    def found(**query: str) -> list[str]:
        return [row.identity for row in signed_in.get(rows, query).context["cl"].result_list]

    assert found(security_profile__exact="1") == ["CP-A"]
    assert found(upgrade="open") == found(upgrade="fell_back") == ["CP-C"]
