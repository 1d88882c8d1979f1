"""The form of a command: what speaks against it is shown once, and nothing is refused for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection
from tests.browsing import sign_in


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


def send(client: Client, charge_point: ChargePoint, action: str, **data: Any) -> Any:
    url = reverse("admin:chargepoints_chargepoint_command", args=[charge_point.pk, action])
    return client.post(url, data)


def warned(response: Any) -> list[str]:
    """What is shown, with the question whether to send it all the same."""
    assert response.status_code == 200
    text = response.content.decode()
    found: list[str] = response.context["warnings"]
    assert all(warning in text for warning in found)
    assert ("Send anyway" in text) == bool(found)
    return found


RESET = {"kind": "Soft", "confirm": "on"}


def test_first_post_shows_the_warning_and_sends_nothing_the_second_sends(
    signed_in: Client, connection: Connection
) -> None:
    charge_point = connection.charge_point
    charge_point.connectors.filter(ocpp_number=1).update(status="Charging")

    first = send(signed_in, charge_point, "reset", **RESET)
    assert warned(first) == ["A session is running on connector 1: ended by the reset, in good order."]
    assert not Command.objects.exists()
    assert '<option value="Soft" selected' in first.content.decode()

    second = send(signed_in, charge_point, "reset", **RESET, warned=first.context["warned"])
    assert second.status_code == 302
    assert Command.objects.get().action == "reset"


def test_what_is_known_meanwhile_is_shown_before_it_is_sent(
    signed_in: Client, connection: Connection
) -> None:
    charge_point = connection.charge_point
    charge_point.connectors.filter(ocpp_number=1).update(status="Charging")
    first = send(signed_in, charge_point, "reset", **RESET)
    charge_point.connectors.filter(ocpp_number=2).update(status="Charging")

    again = send(signed_in, charge_point, "reset", **RESET, warned=first.context["warned"])

    assert "connectors 1 and 2" in warned(again)[0]
    assert not Command.objects.exists()


def test_command_without_doubts_is_sent_at_once(signed_in: Client, connection: Connection) -> None:
    assert send(signed_in, connection.charge_point, "reset", **RESET).status_code == 302
    assert Command.objects.exists()


def test_that_the_charger_is_offline_is_said_with_the_form_and_not_asked_again(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    url = reverse("admin:chargepoints_chargepoint_command", args=[charge_point.pk, "clear_cache"])
    assert "The charger is offline. Choose below" in signed_in.get(url).content.decode()
    refused = send(signed_in, charge_point, "clear_cache")
    assert warned(refused) == []
    assert "offline" in str(refused.context["form"].non_field_errors())
    assert send(signed_in, charge_point, "clear_cache", if_offline="3600").status_code == 302
    assert Command.objects.get().waits_for_connection


def test_other_doubts_about_an_offline_charger_are_asked_with_it(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    charge_point.connectors.filter(ocpp_number=1).update(status="Charging")
    first = send(signed_in, charge_point, "reset", **RESET, if_offline="3600")
    assert warned(first) == [
        "The charger is offline: the command waits until it connects.",
        "A session is running on connector 1: ended by the reset, in good order.",
    ]
    data = {**RESET, "if_offline": "3600", "warned": first.context["warned"]}
    assert send(signed_in, charge_point, "reset", **data).status_code == 302


def test_online_charger_has_no_notice(signed_in: Client, connection: Connection) -> None:
    url = reverse("admin:chargepoints_chargepoint_command", args=[connection.charge_point_id, "raw"])
    assert "is offline" not in signed_in.get(url).content.decode()


def test_wrong_arguments_are_told_instead(signed_in: Client, connection: Connection) -> None:
    connection.charge_point.connectors.filter(ocpp_number=1).update(status="Charging")
    answer = send(signed_in, connection.charge_point, "unlock_connector", connector="", confirm="on")
    assert warned(answer) == []
    assert "connector" in answer.context["form"].errors
