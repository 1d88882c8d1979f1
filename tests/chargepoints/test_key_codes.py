"""A key code is a secret: neither stored in the open nor shown (2.0.1 C04.FR.04)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import Invalid
from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from accounts.services import tokens
from chargepoints import commands
from chargepoints.choices import CommandStatus, ReservationStatus
from chargepoints.models import Command, Connection, Reservation
from chargepoints.orders import order_of
from chargepoints.redaction import MASK, redact
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.browsing import sign_in

CODE = "739154"


@pytest.fixture
def code(tenant: Tenant) -> IdToken:
    row: IdToken = factories.IdTokenFactory(tenant=tenant, value=CODE, type="KeyCode")
    return row


def everything_kept() -> str:
    """What is stored in the open of orders and of what happened."""
    kept = [
        *Command.objects.values_list("payload", "request", "response", "summary"),
        *AuditEntry.objects.values_list("changes", "object_name"),
        *Event.objects.values_list("data"),
        *Reservation.objects.values_list("id_token_value"),
    ]
    return json.dumps(kept, default=str)


def order(actor: Actor, connection: Connection, action: str, **payload: object) -> Command:
    return commands.queue(actor=actor, charge_point=connection.charge_point, action=action, payload=payload)


@pytest.mark.parametrize("names_type", [False, True])
def test_start_with_a_code_is_kept_without_it_and_sent_with_it(
    technician: Actor, connection: Connection, code: IdToken, names_type: bool
) -> None:
    given = {"id_token_type": "KeyCode"} if names_type else {}
    command = order(technician, connection, "remote_start", id_token=CODE, **given)

    assert command.payload == {"id_token": MASK, "id_token_type": "KeyCode"}
    assert order_of(command, with_types=True) == {
        "id_token": CODE,
        "id_token_type": "KeyCode",
        "remote_start_id": command.pk,
    }
    assert CODE not in everything_kept()


def test_same_code_with_another_type_is_no_secret(
    technician: Actor, connection: Connection, code: IdToken, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value=CODE, type="ISO14443")

    assert order(technician, connection, "remote_start", id_token=CODE).payload == {"id_token": CODE}


def test_code_of_another_tenant_is_not_known_here(
    technician: Actor, connection: Connection, other_tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=other_tenant, value=CODE, type="KeyCode")

    assert order(technician, connection, "remote_start", id_token=CODE).payload == {"id_token": CODE}


def test_reservation_for_a_code_knows_its_token_and_not_the_code(
    technician: Actor, connection: Connection, code: IdToken
) -> None:
    until = (factories.now() + timedelta(hours=1)).isoformat()
    command = order(technician, connection, "reserve_now", id_token=CODE, expires_at=until)
    commands.complete(command.pk, status=CommandStatus.ACCEPTED, response={"status": "Accepted"})

    row = Reservation.objects.get()
    assert (row.status, row.id_token, row.id_token_value) == (ReservationStatus.ACTIVE, code, MASK)
    assert row.shown_token == "(key code)"
    assert CODE not in everything_kept()


def test_messages_of_2x_are_stored_without_it() -> None:
    token = {"idToken": CODE, "type": "KeyCode", "additionalInfo": [{"additionalIdToken": "x", "type": "y"}]}

    kept = redact({"idToken": token, "localAuthorizationList": [{"idToken": token}]})

    assert CODE not in json.dumps(kept)
    assert kept["idToken"]["type"] == "KeyCode"


def test_changes_of_a_code_are_told_without_it(technician: Actor, owner: Actor, code: IdToken) -> None:
    tokens.update_token(actor=owner, token=code, value="111222")
    tokens.block_tokens(actor=owner, tokens=[code])

    assert CODE not in everything_kept()
    assert "111222" not in everything_kept()
    assert str(code) == code.shown_value == f"key code #{code.pk}"


def test_code_does_not_become_something_that_is_shown(owner: Actor, code: IdToken) -> None:
    with pytest.raises(Invalid, match="stays one"):
        tokens.update_token(actor=owner, token=code, type="ISO14443")


def test_pages_of_tags_do_not_show_it(owner: Actor, code: IdToken, client: Client) -> None:
    sign_in(client, owner)
    change = reverse("admin:accounts_idtoken_change", args=[code.pk])
    for path in (reverse("admin:accounts_idtoken_changelist"), change):
        assert CODE not in client.get(path).content.decode()
    export = client.get(reverse("admin:accounts_idtoken_export"))
    assert CODE not in b"".join(export).decode()
    answer = client.post(
        change, {"type": "KeyCode", "status": "Blocked", "note": "", "personal_message": "Hello"}
    )
    assert answer.status_code == 302
    code.refresh_from_db()
    assert (code.value, code.status, code.personal_message) == (CODE, "Blocked", "Hello")
