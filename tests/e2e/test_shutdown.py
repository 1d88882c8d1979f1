"""SIGTERM: what was received is stored and answered, then the sockets close with 1012."""

from __future__ import annotations

import signal
import time

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from chargepoints.models import Connection, GatewayNode, OcppMessage
from tests.e2e.conftest import MakeProduct, open_charger
from tests.e2e.product import Product
from tests.e2e.sockets import VERSION, Charger, RawSocket, upgrade_request
from tests.factories import T0

pytestmark = pytest.mark.server

CHARGERS = 5
CALLS = 150


def send_burst(charger: Charger) -> None:
    for number in range(CALLS):
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": str(number)}
        charger.send([2, f"b{number}", "StatusNotification", status])


def answers_until_closed(charger: Charger) -> tuple[list[str], int]:
    """The ids answered, all with a CALLRESULT, and the close code."""
    answered = []
    try:
        while True:
            frame = orjson.loads(charger.ws.recv(10))
            assert frame[0] == 3, frame
            answered.append(frame[1])
    except ConnectionClosed as closed:
        return answered, closed.rcvd.code if closed.rcvd is not None else 1006


def wait_end(product: Product) -> float:
    """Wait for the process to end; returns the seconds it took."""
    began = time.monotonic()
    assert product.process.wait(15) == 0, product.log
    return time.monotonic() - began


def test_terminate_under_load_answers_all_that_it_stores(make_product: MakeProduct) -> None:
    product = make_product()
    chargers = [open_charger(product, f"BURST-{number}") for number in range(CHARGERS)]
    for charger in chargers:
        send_burst(charger)
    product.terminate()
    results = [answers_until_closed(charger) for charger in chargers]
    assert wait_end(product) < 10
    for charger, (answered, code) in zip(chargers, results, strict=True):
        rows = OcppMessage.objects.filter(
            charge_point__identity=charger.identity, action="StatusNotification"
        )
        assert code == 1012
        assert answered == [f"b{number}" for number in range(len(answered))]
        assert rows.count() == len(answered)
        charger.close()
    assert "Traceback" not in product.log


def test_terminate_marks_chargers_offline_and_the_node_stopped(make_product: MakeProduct) -> None:
    product = make_product()
    with open_charger(product, "OFFLINE") as charger:
        start = charger.start("TAG", at=T0.isoformat())
        product.terminate()
        assert charger.closed_with() == 1012
    assert wait_end(product) < 10
    assert start > 0
    assert not Connection.objects.exists()
    assert GatewayNode.objects.get().stopped_at is not None


def test_interrupt_with_dead_and_half_open_clients_ends_in_time(make_product: MakeProduct) -> None:
    product = make_product(OCPP_HANDSHAKE_TIMEOUT_S="60", OCPP_PING_INTERVAL_S="60")
    with RawSocket(product.port) as silent, RawSocket(product.port) as half, open_charger(product, "FINE"):
        silent.send(upgrade_request("/ocpp/NOBODY", [VERSION])[:-2])
        half.send(b"GET /ocpp/")
        product.process.send_signal(signal.SIGINT)
        assert wait_end(product) < 10
