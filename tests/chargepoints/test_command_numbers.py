"""Numbers that an order leaves to us."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connection, Variable
from chargepoints.services import local_list
from chargepoints.services.variables import store_snapshot
from tests import factories

LOG = {"log_type": "SecurityLog", "location": "https://files.example.org/"}
FULL = {"update_type": "Full"}


def order(actor: Actor, connection: Connection, action: str, key: str = "", **payload: object) -> Command:
    return commands.queue(
        actor=actor,
        charge_point=connection.charge_point,
        action=action,
        payload=payload,
        idempotency_key=key,
    )


def test_request_ids_follow_one_another(technician: Actor, connection: Connection) -> None:
    given = [order(technician, connection, "get_log", **LOG) for _ in range(2)]
    own = order(technician, connection, "get_log", **LOG, request_id=40)
    last = order(technician, connection, "get_log", **LOG)

    assert [row.payload["request_id"] for row in (*given, own, last)] == [1, 2, 40, 41]


def test_request_ids_go_on_after_a_raw_message_and_begin_again_at_the_end(
    technician: Actor, connection: Connection
) -> None:
    raw: dict[str, Any] = {"logType": "SecurityLog", "requestId": 2**31 - 1, "log": {"remoteLocation": "x"}}
    order(technician, connection, "GetLog", **raw)

    assert order(technician, connection, "get_log", **LOG).payload["request_id"] == 1


def test_request_id_of_another_charge_point_does_not_count(
    technician: Actor, connection: Connection, charge_point: ChargePoint
) -> None:
    other = factories.ChargePointFactory(tenant=charge_point.tenant)
    factories.CommandFactory(charge_point=other, action="get_log", payload={"request_id": 90})

    assert order(technician, connection, "get_log", **LOG).payload["request_id"] == 1


def test_list_version_follows_what_the_charger_holds_and_what_is_on_its_way(
    technician: Actor, connection: Connection
) -> None:
    local_list.store_version(connection.charge_point_id, 7, at=factories.T0)
    first = order(technician, connection, "send_local_list", **FULL)
    second = order(technician, connection, "send_local_list", **FULL)
    commands.complete(second.pk, status=CommandStatus.FAILED)
    third = order(technician, connection, "send_local_list", **FULL)

    assert [row.payload["version"] for row in (first, second, third)] == [8, 9, 9]


@pytest.mark.parametrize("version", [-1, 0])
def test_list_version_where_there_is_no_list_yet_is_one(
    technician: Actor, connection: Connection, version: int
) -> None:
    local_list.store_version(connection.charge_point_id, version, at=factories.T0)

    assert order(technician, connection, "send_local_list", **FULL).payload["version"] == 1


def test_known_list_version_is_no_configuration_key(connection: Connection) -> None:
    local_list.store_version(connection.charge_point_id, 7, at=factories.T0)

    store_snapshot(connection.charge_point_id, [], is_complete=True)

    row = Variable.objects.get()
    assert (row.component, row.name, row.value, row.is_readonly) == (
        "LocalAuthListCtrlr",
        "ListVersion",
        "7",
        True,
    )


def test_repeat_with_the_same_key_gets_the_number_given_first(
    technician: Actor, connection: Connection
) -> None:
    first, again = (order(technician, connection, "send_local_list", "k", **FULL) for _ in range(2))

    assert first == again
    assert order(technician, connection, "send_local_list", "k", **FULL, version=1) == first
    with pytest.raises(errors.IdempotencyConflict):
        order(technician, connection, "send_local_list", "k", **FULL, version=2)


def test_two_callers_with_one_key_at_the_same_time_get_one_number(
    technician: Actor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = order(technician, connection, "get_log", "k", **LOG)
    find, answers = commands._find_earlier, [None]
    # The second caller looks before the first one has committed.
    monkeypatch.setattr(commands, "_find_earlier", lambda *asked: answers.pop() if answers else find(*asked))

    assert order(technician, connection, "get_log", "k", **LOG) == first
    assert Command.objects.count() == 1


def test_order_that_the_version_spoken_does_not_take_is_refused_at_once(
    technician: Actor, connection: Connection
) -> None:
    with pytest.raises(errors.InvalidPayload, match=r"ReserveNow of OCPP 1\.6: idTag: too long"):
        order(technician, connection, "reserve_now", id_token="T" * 21, expires_at="2099-01-01T00:00:00Z")

    assert not Command.objects.exists()
