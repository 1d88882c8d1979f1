"""Controls for the grid and swapped batteries, as people and programs see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.permissions import Actor
from chargepoints.models import ChargePoint
from tests.api import client_of
from tests.browsing import sign_in
from tests.factories import (
    T0,
    BatterySwapFactory,
    DerControlFactory,
    DerEventFactory,
    SwappedBatteryFactory,
)


def page_of(client: Client, charge_point: ChargePoint, tab: str) -> str:
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return client.get(f"{url}?tab={tab}").content.decode()


@pytest.fixture
def speaks_21(charge_point: ChargePoint) -> ChargePoint:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1")
    charge_point.refresh_from_db()
    return charge_point


# ---------------------------------------------------------------- the grid
def test_tab_tells_which_control_counts(operator: Actor, client: Client, speaks_21: ChargePoint) -> None:
    DerControlFactory(charge_point=speaks_21, control_id="default", priority=1)
    DerControlFactory(charge_point=speaks_21, control_id="better", priority=0)
    DerControlFactory(charge_point=speaks_21, control_id="old", is_superseded=True)
    DerControlFactory(
        charge_point=speaks_21, control_id="over", status="ended", is_default=False, starts_at=T0
    )
    curve = {"points": [{"x": 1.05, "y": 60}, {"x": 1.1, "y": 0}], "autonomous_v_ref": True}
    DerControlFactory(charge_point=speaks_21, control_type="VoltVar", content=curve)
    DerEventFactory(charge_point=speaks_21, info="259 V")
    sign_in(client, operator)

    page = page_of(client, speaks_21, "grid")

    for words in (
        "In force",
        "Waits",
        "Superseded",
        "Over",
        "(1.05; 60) → (1.1; 0)",
        "follow the voltage yes",
    ):
        assert words in page
    assert "259 V" in page
    assert "Set frequency droop…" in page


def test_tab_of_a_charger_without_controls_says_what_to_do(
    viewer: Actor, client: Client, speaks_21: ChargePoint
) -> None:
    sign_in(client, viewer)
    page = page_of(client, speaks_21, "grid")

    assert "asks the charger which ones it holds" in page
    assert "Set frequency droop…" not in page


def test_charger_of_another_version_has_no_such_tab_and_no_such_commands(
    operator: Actor, client: Client, charge_point: ChargePoint
) -> None:
    sign_in(client, operator)

    assert "?tab=grid" not in page_of(client, charge_point, "grid")
    commands = page_of(client, charge_point, "commands")
    assert "/set_der_droop/" not in commands
    assert "/request_battery_swap/" not in commands
    assert "/reset/" in commands


def test_alarms_are_listed_those_that_last_first_to_find(
    viewer: Actor, client: Client, charge_point: ChargePoint
) -> None:
    DerEventFactory(charge_point=charge_point, info="lasting")
    DerEventFactory(charge_point=charge_point, info="was-over", is_open=False)
    sign_in(client, viewer)

    page = client.get(reverse("admin:chargepoints_derevent_changelist"), {"open": "yes"}).content.decode()

    assert "lasting" in page
    assert "was-over" not in page


def test_controls_and_events_over_rest(
    viewer: Actor, stranger: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    DerControlFactory(charge_point=charge_point, control_id="mine")
    DerControlFactory(charge_point=other_charge_point)
    mine = DerEventFactory(charge_point=charge_point)
    DerEventFactory(charge_point=charge_point, is_open=False)
    client = client_of(viewer)

    controls = client.get("/api/v1/charge-points/cp-a/der-controls/?status=held").json()["results"]
    assert [(row["control_id"], row["content"]) for row in controls] == [("mine", {"percent": 50})]
    opened = client.get("/api/v1/der-events/?open=true&charge_point=cp-a").json()["results"]
    assert [row["id"] for row in opened] == [mine.pk]
    assert client_of(stranger).get("/api/v1/charge-points/cp-a/der-controls/").status_code == 404
    assert client_of(stranger).get(f"/api/v1/der-events/{mine.pk}/").status_code == 404


# ---------------------------------------------------------------- batteries
def test_swaps_are_found_by_tag_and_by_battery(
    viewer: Actor, client: Client, charge_point: ChargePoint
) -> None:
    swap = BatterySwapFactory(charge_point=charge_point, id_token_value="TAG-1")
    SwappedBatteryFactory(swap=swap, serial_number="B-77")
    SwappedBatteryFactory(swap=swap, serial_number="B-78")
    BatterySwapFactory(charge_point=charge_point, id_token_value="TAG-2", authorization="Blocked")
    sign_in(client, viewer)
    listing = reverse("admin:chargepoints_batteryswap_changelist")

    found = client.get(listing, {"q": "B-7"}).content.decode()
    whole = client.get(listing).content.decode()
    page = client.get(reverse("admin:chargepoints_batteryswap_change", args=[swap.pk])).content.decode()

    assert found.count("TAG-1") >= 1
    assert "TAG-2" not in found
    assert "Blocked" in whole
    assert "B-77" in page
    assert "12.50 %" in page


def test_export_holds_the_batteries_of_the_list_and_no_formula(
    viewer: Actor, client: Client, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    swap = BatterySwapFactory(charge_point=charge_point)
    SwappedBatteryFactory(swap=swap, serial_number="=cmd()")
    done = BatterySwapFactory(charge_point=charge_point, status="done")
    SwappedBatteryFactory(swap=done, serial_number="B-DONE", vendor_info="x", produced_on=T0.date())
    SwappedBatteryFactory(swap__charge_point=other_charge_point, serial_number="THEIRS")
    sign_in(client, viewer)
    url = reverse("admin:chargepoints_batteryswap_export")

    whole = b"".join(client.get(url)).decode()
    some = b"".join(client.get(url, {"status__exact": "done"})).decode()

    assert "'=cmd()" in whole
    assert "THEIRS" not in whole
    assert "B-DONE" in some
    assert "cmd" not in some


def test_swaps_over_rest(viewer: Actor, stranger: Actor, charge_point: ChargePoint) -> None:
    swap = BatterySwapFactory(charge_point=charge_point)
    SwappedBatteryFactory(swap=swap, serial_number="B-77")
    BatterySwapFactory(charge_point=charge_point, last_event_at=T0 - timedelta(days=2))
    client = client_of(viewer)

    (found,) = client.get("/api/v1/battery-swaps/?serial_number=B-77").json()["results"]
    assert (found["id"], found["batteries"][0]["soc"]) == (swap.pk, "12.50")
    after = client.get("/api/v1/battery-swaps/", {"after": (T0 - timedelta(days=1)).isoformat()}).json()
    assert [row["id"] for row in after["results"]] == [swap.pk]
    assert client_of(stranger).get(f"/api/v1/battery-swaps/{swap.pk}/").status_code == 404
