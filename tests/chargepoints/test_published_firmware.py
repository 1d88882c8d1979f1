"""Firmware that local controllers publish: on their page and over REST."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, PublishedFirmware
from tests import factories
from tests.api import client_of, problem_of
from tests.browsing import sign_in
from tests.conftest import ActorFor

PLACE = "http://10.0.0.1/fw.bin"


@pytest.fixture
def published(charge_point: ChargePoint) -> PublishedFirmware:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.0.1")
    row: PublishedFirmware = factories.PublishedFirmwareFactory(
        charge_point=charge_point, status="Published", locations=[PLACE], reported_at=factories.T0
    )
    return row


def path(charge_point: ChargePoint, *parts: object) -> str:
    below = "".join(f"{part}/" for part in parts)
    return f"/api/v1/charge-points/{charge_point.identity}/published-firmware/{below}"


def page(client: Client, charge_point: ChargePoint) -> str:
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return client.get(url, {"tab": "firmware"}).content.decode()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("", "Ordered"),
        ("Downloading", "Downloading"),
        ("Published", "Offered"),
        ("InvalidChecksum", "Wrong checksum"),
        ("PublishFailed", "Could not be published"),
    ],
)
def test_tab_tells_how_it_stands(
    owner: Actor,
    client: Client,
    charge_point: ChargePoint,
    published: PublishedFirmware,
    status: str,
    words: str,
) -> None:
    PublishedFirmware.objects.update(status=status)

    text = page(sign_in(client, owner), charge_point)

    assert words in text
    assert PLACE in text
    assert "Unpublish firmware" in text


def test_tab_says_what_is_no_longer_offered(
    owner: Actor, client: Client, charge_point: ChargePoint, published: PublishedFirmware
) -> None:
    PublishedFirmware.objects.update(ended_at=factories.T0)

    assert "No longer offered" in page(sign_in(client, owner), charge_point)


def test_tab_of_other_chargers_says_nothing_of_it(
    owner: Actor, client: Client, charge_point: ChargePoint
) -> None:
    assert "Published for the chargers behind it" not in page(sign_in(client, owner), charge_point)


def test_viewer_sees_it_and_cannot_publish(
    tenant: Tenant,
    actor_for: ActorFor,
    client: Client,
    charge_point: ChargePoint,
    published: PublishedFirmware,
) -> None:
    text = page(sign_in(client, actor_for(tenant, Role.VIEWER)), charge_point)

    assert PLACE in text
    assert "Unpublish firmware" not in text


def test_rest_lists_what_a_controller_offers(
    owner: Actor, charge_point: ChargePoint, published: PublishedFirmware
) -> None:
    (shown,) = client_of(owner).get(path(charge_point)).json()["results"]

    assert (shown["status"], shown["is_offered"], shown["locations"]) == ("Published", True, [PLACE])
    assert client_of(owner).get(path(charge_point, shown["id"])).json() == shown


def test_rest_shows_it_to_nobody_else(
    other_tenant: Tenant,
    actor_for: ActorFor,
    charge_point: ChargePoint,
    published: PublishedFirmware,
    client: Client,
) -> None:
    stranger = client_of(actor_for(other_tenant, Role.OWNER))

    problem_of(stranger.get(path(charge_point)), 404)
    assert client.get(path(charge_point)).status_code == 401
    assert (
        client_of(actor_for(charge_point.tenant, Role.OWNER)).post(path(charge_point), {}).status_code == 405
    )
