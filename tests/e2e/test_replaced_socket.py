"""A second socket of the same charger: the newest authenticated one speaks for it."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Connection
from tests.e2e.conftest import is_online, open_charger, order, register, wait_ended
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import CLOSE, VERSION, Charger, RawSocket, basic, frame

pytestmark = pytest.mark.server


def token(identity: str) -> object:
    return Connection.objects.get(charge_point__identity=identity).token


def test_connect_again_closes_the_old_socket_and_serves_the_new_one(product: Product) -> None:
    with open_charger(product, "TWICE") as old, Charger(product.url, "TWICE") as new:
        assert old.closed_with() == 4000
        assert "currentTime" in new.call("Heartbeat", {})
        assert is_online("TWICE")


def test_connect_again_late_close_of_the_old_socket_leaves_the_charger_online(product: Product) -> None:
    register("LATE-CLOSE")
    with RawSocket(product.port) as old:
        old.open("LATE-CLOSE")
        with Charger(product.url, "LATE-CLOSE") as new:
            new.boot()
            taken = token("LATE-CLOSE")
            assert old.read_close() == 4000
            old.send(frame(CLOSE, (1000).to_bytes(2, "big")))
            old.read_to_end()
            command = order("LATE-CLOSE", "clear_cache")
            call = new.receive()
            new.send([3, call[1], {"status": "Accepted"}])
            assert wait_ended(command).status == CommandStatus.ACCEPTED
            assert token("LATE-CLOSE") == taken
            assert "currentTime" in new.call("Heartbeat", {})


def test_connect_again_with_a_wrong_key_changes_nothing(product: Product) -> None:
    with open_charger(product, "INTRUDED") as charger:
        taken = token("INTRUDED")
        with RawSocket(product.port) as raw:
            headers = [VERSION, ("Authorization", basic("INTRUDED", "0" * 40))]
            assert raw.upgrade("/ocpp/INTRUDED", headers) == 401
        assert "currentTime" in charger.call("Heartbeat", {})
        assert token("INTRUDED") == taken


def test_connect_again_open_command_fails_as_replaced(product: Product) -> None:
    with open_charger(product, "REPLACED-CALL") as old:
        command = order("REPLACED-CALL", "reset", kind="Soft")
        assert old.receive()[2] == "Reset"
        with Charger(product.url, "REPLACED-CALL") as new:
            assert wait_ended(command).status == CommandStatus.FAILED
            assert command.error["code"] == "ConnectionReplaced"
            retry = order("REPLACED-CALL", "reset", kind="Soft")
            call = new.receive()
            new.send([3, call[1], {"status": "Accepted"}])
            assert wait_ended(retry).status == CommandStatus.ACCEPTED


def test_connect_many_times_at_once_one_socket_remains(product: Product) -> None:
    register("STORM")
    chargers = [Charger(product.url, "STORM") for _ in range(10)]
    assert [charger.closed_with() for charger in chargers[:-1]] == [4000] * 9
    with chargers[-1] as last:
        last.boot()
        assert Connection.objects.filter(charge_point__identity="STORM").count() == 1
    for charger in chargers[:-1]:
        charger.close()


def test_archive_of_a_connected_charger_closes_its_socket(product: Product) -> None:
    with open_charger(product, "RETIRED") as charger:
        row = ChargePoint.objects.get(identity="RETIRED")
        ChargePoint.objects.filter(pk=row.pk).update(archived_at=row.created_at)
        assert charger.closed_with() == 1008
        with pytest.raises(InvalidStatus):
            Charger(product.url, "RETIRED")
    wait_until(lambda: not is_online("RETIRED"), "the charger is offline")
