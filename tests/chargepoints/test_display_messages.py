"""Messages on displays as people and programs handle them: service, REST and admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.errors import AccountsError
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.choices import ShownState
from chargepoints.errors import Invalid
from chargepoints.models import ChargePoint, Command, Connection, DisplayMessage, DisplayReading, ShownMessage
from chargepoints.services import display_messages
from csms_project.common.models import AuditEntry
from tests.api import client_of
from tests.browsing import sign_in
from tests.conftest import ActorFor
from tests.factories import DisplayMessageFactory, ShownMessageFactory, VariableFactory

PATH = "/api/v1/display-messages/"
BODY = {"name": "Welcome", "content": "Welcome", "language": "en"}


# ---------------------------------------------------------------- service
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"transaction_id": "tx-1"}, "charge_point"),
        ({"language": "no tag"}, "language"),
        ({"extra": [{"content": "Hallo"}]}, "extra"),
        ({"extra": [{"content": "Hallo", "language": "de", "format": "PDF"}]}, "extra"),
        ({"extra": [{"content": "x" * 1025, "language": "de"}]}, "extra"),
        ({"extra": [{"content": "Hallo", "language": "de"}] * 5}, "extra"),
        ({"extra": ["Hallo"]}, "extra"),
        ({"content": ""}, "content"),
    ],
)
def test_message_that_is_wrong_is_named(
    owner: Actor, tenant: Tenant, fields: dict[str, Any], wrong: str
) -> None:
    with pytest.raises((Invalid, AccountsError)) as caught:
        display_messages.create_message(actor=owner, tenant=tenant, **{**BODY, **fields})

    errors: Any = caught.value
    assert list(errors.errors) == [wrong]
    assert not DisplayMessage.objects.exists()


def test_message_of_another_tenants_charger_is_refused(
    owner: Actor, tenant: Tenant, other_charge_point: ChargePoint
) -> None:
    with pytest.raises(AccountsError, match="no such object"):
        display_messages.create_message(actor=owner, tenant=tenant, charge_point=other_charge_point, **BODY)


def test_deleted_message_is_taken_off_the_chargers_that_hold_it(
    owner: Actor, charge_point: ChargePoint
) -> None:
    message = DisplayMessageFactory(tenant=charge_point.tenant)
    ShownMessageFactory(charge_point=charge_point, message=message, number=message.pk)
    waiting = ShownMessageFactory(tenant=charge_point.tenant, message=message, status=ShownState.DUE)

    display_messages.delete_message(actor=owner, message=message)

    row = ShownMessage.objects.get(charge_point=charge_point)
    assert (row.status, row.message, row.next_attempt_at is not None) == (ShownState.CLEARING, None, True)
    assert not ShownMessage.objects.filter(pk=waiting.pk).exists()
    assert AuditEntry.objects.filter(action="display_messages.delete").count() == 1


def test_what_a_charger_cannot_show_is_known_before(charge_point: ChargePoint) -> None:
    VariableFactory(
        charge_point=charge_point, component="DisplayMessageCtrlr", name="SupportedFormats", value="ASCII"
    )
    message = DisplayMessageFactory(tenant=charge_point.tenant)

    assert display_messages.problems_on(message, [charge_point]) == {
        charge_point.pk: ["The charger does not know the format UTF8; it knows ASCII."]
    }


# ---------------------------------------------------------------- REST
def test_message_is_made_changed_and_deleted(operator: Actor, tenant: Tenant) -> None:
    client = client_of(operator)
    extra = [{"content": "Willkommen", "format": "UTF8", "language": "de"}]

    made = client.post(PATH, {**BODY, "extra": extra}, format="json")
    changed = client.patch(f"{PATH}{made.json()['id']}/", {"state": "Idle"}, format="json")

    assert made.status_code == 201
    assert made.json()["extra"] == extra
    assert (changed.json()["state"], changed.json()["extra"]) == ("Idle", extra)
    assert client.delete(f"{PATH}{made.json()['id']}/").status_code == 204
    assert not DisplayMessage.objects.exists()


def test_problem_names_the_field(operator: Actor) -> None:
    response = client_of(operator).post(PATH, {**BODY, "transaction_id": "tx-1"}, format="json")

    assert response.status_code == 400
    assert "Choose the charger" in str(response.json())


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.SUPPORT, 403), (Role.TECHNICIAN, 201)]
)
def test_message_is_made_by_those_who_may(
    tenant: Tenant, actor_for: ActorFor, role: Role, status: int
) -> None:
    assert client_of(actor_for(tenant, role)).post(PATH, BODY, format="json").status_code == status


def test_message_of_another_tenant_is_not_there(stranger: Actor, tenant: Tenant) -> None:
    message = DisplayMessageFactory(tenant=tenant)
    client = client_of(stranger)

    for path in ("", "chargers/"):
        assert client.get(f"{PATH}{message.pk}/{path}").status_code == 404
    assert client.post(f"{PATH}{message.pk}/resend/").status_code == 404
    assert client.delete(f"{PATH}{message.pk}/").status_code == 404


def test_how_it_stands_on_chargers_is_told(viewer: Actor, charge_point: ChargePoint) -> None:
    message = DisplayMessageFactory(tenant=charge_point.tenant)
    ShownMessageFactory(charge_point=charge_point, message=message, number=message.pk)
    client = client_of(viewer)

    of_message = client.get(f"{PATH}{message.pk}/chargers/").json()
    of_charger = client.get("/api/v1/charge-points/cp-a/display-messages/?status=held").json()

    assert of_message["results"] == of_charger["results"]
    assert of_charger["results"][0]["sent"]["content"] == "Welcome"
    assert client.get("/api/v1/charge-points/cp-a/display-messages/?status=refused").json()["results"] == []


def test_message_is_sent_again_where_it_was_refused(
    operator: Actor, viewer: Actor, charge_point: ChargePoint
) -> None:
    message = DisplayMessageFactory(tenant=charge_point.tenant)
    row = ShownMessageFactory(charge_point=charge_point, message=message, status=ShownState.REFUSED)

    assert client_of(viewer).post(f"{PATH}{message.pk}/resend/").status_code == 403
    assert client_of(operator).post(f"{PATH}{message.pk}/resend/").json() == {"count": 1}
    row.refresh_from_db()
    assert row.status == ShownState.DUE


# ---------------------------------------------------------------- admin
FORM = {
    "name": "Welcome",
    "content": "Welcome",
    "format": "UTF8",
    "language": "en",
    "languages": "de: Willkommen\nfr: Bienvenue : entrez",
    "priority": "NormalCycle",
    "state": "Idle",
    "is_active": "on",
}


def test_form_makes_and_changes_a_message(operator: Actor, client: Client) -> None:
    sign_in(client, operator)

    client.post(reverse("admin:chargepoints_displaymessage_add"), FORM)
    row = DisplayMessage.objects.get()
    page = reverse("admin:chargepoints_displaymessage_change", args=[row.pk])
    shown = client.get(page).content.decode()
    client.post(page, {**FORM, "languages": "de: Hallo", "state": ""})

    assert [(part["language"], part["content"]) for part in row.extra] == [
        ("de", "Willkommen"),
        ("fr", "Bienvenue : entrez"),
    ]
    assert "fr: Bienvenue : entrez" in shown
    row.refresh_from_db()
    assert ([part["content"] for part in row.extra], row.state) == (["Hallo"], "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"languages": "Willkommen"}, "does not look like"),
        ({"languages": "de: ü", "format": "ASCII"}, "not ASCII"),
        ({"transaction_id": "tx-1"}, "Choose the charger"),
    ],
)
def test_form_says_what_is_wrong(operator: Actor, client: Client, change: dict[str, str], words: str) -> None:
    sign_in(client, operator)

    response = client.post(reverse("admin:chargepoints_displaymessage_add"), {**FORM, **change})

    assert words in response.content.decode()
    assert not DisplayMessage.objects.exists()


def test_list_and_pages_show_where_a_message_stands(
    viewer: Actor, client: Client, charge_point: ChargePoint
) -> None:
    message = DisplayMessageFactory(tenant=charge_point.tenant, name="Opening hours", model="Duo*")
    ShownMessageFactory(
        charge_point=charge_point, message=message, status=ShownState.REFUSED, problem="It has no display."
    )
    ShownMessageFactory(
        charge_point=charge_point, status=ShownState.FOREIGN, reported={"content": "From the factory"}
    )
    sign_in(client, viewer)

    listed = client.get(reverse("admin:chargepoints_displaymessage_changelist")).content.decode()
    page = client.get(reverse("admin:chargepoints_displaymessage_change", args=[message.pk])).content.decode()
    tab = client.get(
        reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk]) + "?tab=display"
    ).content.decode()

    assert "0 of 1, 1 refused" in listed
    assert "It has no display." in page
    assert "Opening hours" in tab
    assert "From the factory" in tab


def test_charger_is_asked_from_its_page(operator: Actor, client: Client, connection: Connection) -> None:
    charge_point = connection.charge_point
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.0.1")
    sign_in(client, operator)

    client.post(reverse("admin:chargepoints_displaymessage_ask", args=[charge_point.pk]))

    command = Command.objects.get()
    assert (command.action, command.requested_by_name) == ("get_display_messages", operator.name)
    assert DisplayReading.objects.get().request_id == command.payload["request_id"]


def test_offline_charger_cannot_be_asked(operator: Actor, client: Client, charge_point: ChargePoint) -> None:
    sign_in(client, operator)

    page = client.post(
        reverse("admin:chargepoints_displaymessage_ask", args=[charge_point.pk]), follow=True
    ).content.decode()

    assert "The charge point is offline" in page
    assert not Command.objects.exists()


def test_message_is_sent_again_from_the_list(
    operator: Actor, client: Client, charge_point: ChargePoint
) -> None:
    message = DisplayMessageFactory(tenant=charge_point.tenant)
    row = ShownMessageFactory(charge_point=charge_point, message=message, status=ShownState.REFUSED)
    sign_in(client, operator)

    client.post(
        reverse("admin:chargepoints_displaymessage_changelist"),
        {"action": "send_again", "_selected_action": [message.pk]},
    )

    row.refresh_from_db()
    assert row.status == ShownState.DUE
