"""Configuration as chargers report it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from chargepoints.configuring import AFTER_BOOT
from chargepoints.models import ChargePoint, Variable, VariableChange
from chargepoints.selectors import find_configuration_state, find_value, variables_of
from chargepoints.services.variables import Entry, store_snapshot, store_unknown, store_value
from csms_project.common.models import Event
from tests.factories import T0, CommandFactory


def history(charge_point: ChargePoint) -> list[tuple[str, str, str, str | None, str | None]]:
    rows = VariableChange.objects.filter(charge_point=charge_point).order_by("id")
    return list(rows.values_list("name", "kind", "source", "old", "new"))


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


def test_store_snapshot_of_all_keys_marks_what_is_gone(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="1")])
    store_snapshot(other_charge_point.pk, [Entry(key="B", value="1")])

    store_snapshot(charge_point.pk, [Entry(key="A", value="1")], is_complete=True, at=T0)

    assert list(variables_of(charge_point).values_list("name", "gone_at")) == [("A", None), ("B", T0)]
    assert find_value(charge_point, "B") is None
    assert find_value(other_charge_point, "b") == "1"
    assert history(charge_point) == [("B", "gone", "read", "1", None)]


def test_store_snapshot_with_a_key_that_is_back_says_so(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="1")], is_complete=True)
    store_snapshot(charge_point.pk, [Entry(key="A", value="1")], is_complete=True)
    store_snapshot(charge_point.pk, [Entry(key="B", value="1")])

    assert find_value(charge_point, "B") == "1"
    assert history(charge_point)[-1] == ("B", "added", "read", None, "1")


def test_store_first_snapshot_is_no_change(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1")], is_complete=True)

    assert history(charge_point) == []


def test_store_snapshot_keeps_what_changed_and_how_it_is_known(charge_point: ChargePoint) -> None:
    after_boot = CommandFactory(charge_point=charge_point, requested_by=None, requested_by_name=AFTER_BOOT)
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="1")])
    store_snapshot(charge_point.pk, [Entry(key="A", value="2"), Entry(key="B", value="1")])
    store_snapshot(charge_point.pk, [Entry(key="A", value="3"), Entry(key="C")], command=after_boot)

    assert history(charge_point) == [
        ("A", "changed", "read", "1", "2"),
        ("A", "changed", "boot", "2", "3"),
        ("C", "added", "boot", None, None),
    ]
    assert VariableChange.objects.filter(command_id=after_boot.pk).count() == 2


def test_change_that_nobody_here_ordered_is_an_event(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="1")])
    store_value(charge_point.pk, "B", "2")
    assert not Event.objects.exists()

    store_snapshot(charge_point.pk, [Entry(key="A", value="2"), Entry(key="B", value="2")])
    event = Event.objects.get(kind="configuration.changed")
    assert event.charge_point == "CP-A"
    assert event.data == {"keys": ["A"], "count": 1, "source": "read"}


def test_store_value_says_which_command_set_it(charge_point: ChargePoint) -> None:
    command = CommandFactory(charge_point=charge_point, requested_by_name="operator")
    store_snapshot(charge_point.pk, [Entry(key="A", value="1")])
    store_value(charge_point.pk, "A", "1", command=command)
    store_value(charge_point.pk, "a", "2", command=command, at=T0)

    change = VariableChange.objects.get()
    assert (change.source, change.old, change.new) == ("set", "1", "2")
    assert (change.command_id, change.requested_by_name) == (command.pk, "operator")
    assert Variable.objects.get().set_at == T0


def test_store_secret_again_is_a_change_without_values(charge_point: ChargePoint) -> None:
    store_value(charge_point.pk, "AuthorizationKey", "hunter2")
    store_value(charge_point.pk, "AuthorizationKey", "hunter3")

    assert history(charge_point) == [
        ("AuthorizationKey", "added", "set", None, "***"),
        ("AuthorizationKey", "changed", "set", "***", "***"),
    ]


def test_store_snapshot_that_does_not_list_a_write_only_secret_keeps_it(charge_point: ChargePoint) -> None:
    store_value(charge_point.pk, "AuthorizationKey", "hunter2")
    store_snapshot(charge_point.pk, [Entry(key="A")], is_complete=True)

    assert variables_of(charge_point).get(name="AuthorizationKey").gone_at is None


def test_store_unknown_key_is_shown_as_unknown(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="A", value="1")])
    store_snapshot(charge_point.pk, [], unknown=["a", "Strange"], at=T0)
    store_unknown(charge_point.pk, "Stranger")

    rows = variables_of(charge_point).values_list("name", "value", "is_unknown", "gone_at")
    assert list(rows) == [("A", "1", True, T0), ("Strange", None, True, None), ("Stranger", None, True, None)]
    assert find_value(charge_point, "A") is None
    assert history(charge_point) == [("A", "gone", "read", "1", None)]


def test_store_snapshot_notes_when_it_was_read(charge_point: ChargePoint) -> None:
    assert find_configuration_state(charge_point) is None
    store_snapshot(charge_point.pk, [Entry(key="A")], at=T0, is_complete=True)
    store_snapshot(charge_point.pk, [Entry(key="A")], at=T0 + timedelta(hours=1))

    state = find_configuration_state(charge_point)
    assert state is not None
    assert (state.whole_read_at, state.partly_read_at) == (T0, T0 + timedelta(hours=1))


def test_store_snapshot_takes_the_same_statements_for_any_number_of_keys(
    charge_point: ChargePoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def entries(value: str) -> list[Entry]:
        return [Entry(key=f"Key{number}", value=value) for number in range(20)]

    store_snapshot(charge_point.pk, entries("1"), is_complete=True)
    # Savepoint and its release, charge point, rows, what a device model said, upsert, changes, event, state.
    with django_assert_num_queries(9):
        store_snapshot(charge_point.pk, entries("2"), is_complete=True)
    assert VariableChange.objects.count() == 20


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


def test_store_value_that_waits_for_a_reboot_says_so_until_it_is_read_after_a_boot(
    charge_point: ChargePoint,
) -> None:
    store_value(charge_point.pk, "HeartbeatInterval", "60", reboot_required=True, at=T0)
    store_snapshot(charge_point.pk, [Entry(key="HeartbeatInterval", value="60")])
    assert Variable.objects.get().reboot_required

    ChargePoint.objects.update(last_boot_at=T0 + timedelta(minutes=1))
    store_snapshot(charge_point.pk, [Entry(key="HeartbeatInterval", value="60")])
    row = Variable.objects.get()
    assert (row.reboot_required, row.needs_reboot) == (False, True)


def test_store_text_that_no_database_takes_is_mended(charge_point: ChargePoint) -> None:
    store_snapshot(charge_point.pk, [Entry(key="K" * 80, value="a\0b")])

    row = Variable.objects.get()
    assert (row.name, row.value) == ("K" * 50, "ab")


@pytest.mark.django_db
def test_store_for_a_deleted_charge_point_does_nothing() -> None:
    assert store_snapshot(12345, [Entry(key="A", value="1")]) == 0
    store_value(12345, "A", "1")
    store_unknown(12345, "A")

    assert not Variable.objects.exists()
