"""Two configurations side by side."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.comparing import compare
from chargepoints.models import ChargePoint
from chargepoints.selectors import variables_of
from chargepoints.services.variables import Entry, store_snapshot, store_value
from tests.api import V1, client_of, problem_of
from tests.browsing import messages_of, sign_in
from tests.factories import ChargePointFactory


@pytest.fixture
def second(tenant: Tenant) -> ChargePoint:
    return ChargePointFactory(tenant=tenant, identity="CP-Z")


@pytest.fixture(autouse=True)
def _snapshots(charge_point: ChargePoint, second: ChargePoint) -> None:
    ours = {
        "HeartbeatInterval": "60",
        "LocalPreAuthorize": "true",
        "Own": "=1+1",
        "WifiPassword": "a",
        "Old": "1",
    }
    theirs = {"HeartbeatInterval": "300", "LocalPreAuthorize": "TRUE", "WifiPassword": "b", "Empty": None}
    store_snapshot(charge_point.pk, [Entry(key=key, value=value) for key, value in ours.items()])
    del ours["Old"]
    store_snapshot(
        charge_point.pk, [Entry(key=key, value=value) for key, value in ours.items()], is_complete=True
    )
    store_snapshot(second.pk, [Entry(key=key, value=value) for key, value in theirs.items()])
    store_value(charge_point.pk, "ListVersion", "3", component="LocalAuthListCtrlr")


def test_compare_names_the_differences_and_what_nobody_can_tell(
    charge_point: ChargePoint, second: ChargePoint
) -> None:
    lines = compare(variables_of(charge_point), variables_of(second), only_different=True)

    assert [(line.name, line.left.text, line.right.text, line.is_same) for line in lines] == [
        ("Empty", "never listed", "no value", False),
        ("HeartbeatInterval", "60", "300", False),
        ("Old", "no longer listed", "never listed", False),
        ("Own", "=1+1", "never listed", False),
        ("WifiPassword", "secret", "secret", None),
    ]


def test_compare_all_shows_what_is_the_same_too(charge_point: ChargePoint, second: ChargePoint) -> None:
    lines = compare(variables_of(charge_point), variables_of(second), only_different=False)
    assert [line.name for line in lines if line.is_same] == ["LocalPreAuthorize"]


def test_compare_takes_an_unknown_key_for_one_that_is_not_there(
    charge_point: ChargePoint, second: ChargePoint
) -> None:
    store_snapshot(charge_point.pk, [], unknown=["Strange"])
    lines = compare(variables_of(charge_point), variables_of(second), only_different=True)
    assert "Strange" not in [line.name for line in lines]


def test_compare_page_shows_both_and_exports_without_formulas(
    viewer: Actor, charge_point: ChargePoint, second: ChargePoint, client: Client
) -> None:
    sign_in(client, viewer)
    url = reverse("admin:chargepoints_chargepoint_compare")
    text = client.get(url, {"left": "cp-a", "right": "CP-Z"}).content.decode()
    assert "300" in text
    assert "LocalPreAuthorize" not in text
    assert (
        "LocalPreAuthorize"
        in client.get(url, {"left": "cp-a", "right": "CP-Z", "show": "all"}).content.decode()
    )
    answer = client.get(url, {"left": "cp-a", "right": "CP-Z", "format": "csv"})
    lines = b"".join(answer).decode().splitlines()
    assert "Own,'=1+1,never listed,differs" in lines


def test_compare_page_knows_no_charger_of_another_tenant(
    viewer: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, viewer)
    url = reverse("admin:chargepoints_chargepoint_compare")
    answer = client.get(url, {"left": "CP-A", "right": "CP-B"})
    assert messages_of(answer) == ["There is no charge point “CP-B”."]
    assert '<option value="CP-B">' not in answer.content.decode()


def test_compare_over_the_api(viewer: Actor) -> None:
    answer = client_of(viewer).get(f"{V1}charge-points/CP-A/variables/compare/?with=cp-z")
    document = answer.json()
    assert (document["left"], document["right"]) == ("CP-A", "CP-Z")
    assert document["keys"][1] == {
        "name": "HeartbeatInterval",
        "left": {"value": "60", "state": ""},
        "right": {"value": "300", "state": ""},
        "same": False,
    }
    everything = client_of(viewer).get(f"{V1}charge-points/CP-A/variables/compare/?with=CP-Z&all=true").json()
    assert len(everything["keys"]) == 6


@pytest.mark.parametrize("other", ["", "CP-B", "nobody", "%00"])
def test_compare_with_an_unknown_charger_is_a_problem(
    other: str, viewer: Actor, other_charge_point: ChargePoint
) -> None:
    answer = client_of(viewer).get(f"{V1}charge-points/CP-A/variables/compare/?with={other}")
    assert "with" in problem_of(answer, 400)["errors"]
