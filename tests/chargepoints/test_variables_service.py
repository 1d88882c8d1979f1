"""Configuration as chargers report it."""

from __future__ import annotations

import pytest

from chargepoints.models import ChargePoint, Variable
from chargepoints.selectors import variables_of
from chargepoints.services.variables import Entry, store_snapshot, store_value
from tests.factories import T0


def test_store_snapshot_keeps_values_as_reported(charge_point: ChargePoint) -> None:
    stored = store_snapshot(
        charge_point.pk,
        [Entry(key="HeartbeatInterval", value="300"), Entry(key="Vendor", value=None, is_readonly=True)],
        at=T0,
    )

    rows = variables_of(charge_point).values_list("name", "value", "is_readonly", "tenant", "updated_at")
    assert stored == 2
    assert list(rows) == [
        ("HeartbeatInterval", "300", False, charge_point.tenant_id, T0),
        ("Vendor", None, True, charge_point.tenant_id, T0),
    ]


def test_store_snapshot_again_replaces_values_and_keeps_others(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="1")])
    store_snapshot(charge_point.pk, [Entry(key="a", value="2")])

    rows = variables_of(charge_point).values_list("name_key", "value")
    assert list(rows) == [("a", "2"), ("b", "1")]


def test_store_snapshot_of_all_keys_forgets_what_is_gone(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="1")])
    store_snapshot(other_charge_point.pk, [Entry(key="B", value="1")])

    store_snapshot(charge_point.pk, [Entry(key="A", value="1")], is_complete=True)

    assert list(variables_of(charge_point).values_list("name", flat=True)) == ["A"]
    assert variables_of(other_charge_point).count() == 1


def test_store_snapshot_with_a_key_twice_keeps_the_last(charge_point: ChargePoint) -> None:
    assert store_snapshot(charge_point.pk, [Entry(key="Key", value="1"), Entry(key="KEY", value="2")]) == 1

    assert Variable.objects.get().value == "2"


@pytest.mark.parametrize("key", ["AuthorizationKey", "WifiPassword", "SimPin", "api_key"])
def test_store_secret_is_hidden(charge_point: ChargePoint, key: str) -> None:
    store_snapshot(charge_point.pk, [Entry(key=key, value="hunter2")])
    store_value(charge_point.pk, key, "hunter3")

    row = Variable.objects.get()
    assert (row.value, row.is_secret) == ("***", True)


@pytest.mark.parametrize("key", ["LocalAuthListEnabled", "HeartbeatInterval", "MaxKeys", "IdTokenType"])
def test_store_plain_value_is_shown(charge_point: ChargePoint, key: str) -> None:
    store_value(charge_point.pk, key, "1")

    assert Variable.objects.get().value == "1"


def test_store_url_hides_its_credentials(charge_point: ChargePoint) -> None:
    store_value(charge_point.pk, "DiagnosticsUrl", "ftp://u:hunter2@files.example.org/")

    row = variables_of(charge_point).get()
    assert (row.value, row.is_secret) == ("ftp://***@files.example.org/", False)


def test_store_value_that_waits_for_a_reboot_says_so_until_it_is_read(charge_point: ChargePoint) -> None:
    store_value(charge_point.pk, "HeartbeatInterval", "60", reboot_required=True)
    assert Variable.objects.get().reboot_required

    store_snapshot(charge_point.pk, [Entry(key="HeartbeatInterval", value="60")])
    assert not Variable.objects.get().reboot_required


def test_store_text_that_no_database_takes_is_mended(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="K" * 80, value="a\0b")])

    row = Variable.objects.get()
    assert (row.name, row.value) == ("K" * 50, "ab")


@pytest.mark.django_db
def test_store_for_a_deleted_charge_point_does_nothing() -> None:
    assert store_snapshot(12345, [Entry(key="A", value="1")]) == 0
    store_value(12345, "A", "1")

    assert not Variable.objects.exists()
