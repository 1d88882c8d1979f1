"""The database goes away and comes back: nothing is acknowledged that is not stored, nothing is refused for it."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.conftest import MakeProduct, open_charger, register, register_tag
from tests.e2e.product import Product, storage_away, wait_until
from tests.e2e.sockets import TIMEOUT_S, Charger
from tests.factories import T0
from transactions.models import Transaction

pytestmark = pytest.mark.server

HOLD = {"OCPP_WRITER_HOLD_S": "2", "E2E_SQLITE_TIMEOUT_S": "1"}


def stop_payload(transaction_id: int) -> dict[str, object]:
    return {"transactionId": transaction_id, "meterStop": 4321, "timestamp": "2026-03-02T11:00:00Z"}


def handshake_status(product: Product, identity: str) -> int:
    """101, or the status of the refusal."""
    try:
        with Charger(product.url, identity):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_storage_away_holds_messages_then_closes_and_recovers(make_product: MakeProduct) -> None:
    product = make_product(**HOLD)
    register_tag("TAG")
    register("NEWCOMER")
    with open_charger(product, "HELD") as charger:
        transaction_id = charger.start("TAG", meter_start=1000, at=T0.isoformat())
        with storage_away(product.database):
            charger.send([2, "stop", "StopTransaction", stop_payload(transaction_id)])
            with pytest.raises(ConnectionClosed) as closed:
                charger.receive()  # no CALLRESULT, no CALLERROR
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            assert handshake_status(product, "NEWCOMER") == 503
            assert handshake_status(product, "HELD") == 503
            assert Transaction.objects.get().ended_at is None
    began = time.monotonic()
    wait_until(lambda: handshake_status(product, "HELD") == 101, "handshakes are served again", TIMEOUT_S)
    assert time.monotonic() - began < 5
    with Charger(product.url, "HELD") as charger:
        for _ in range(2):
            charger.call("StopTransaction", stop_payload(transaction_id))
    assert Transaction.objects.get().energy_wh == Decimal("3321.000")
    assert "Traceback" not in product.log


def test_storage_away_for_a_moment_only_delays_the_answer(make_product: MakeProduct) -> None:
    product = make_product(OCPP_WRITER_HOLD_S="20", E2E_SQLITE_TIMEOUT_S="1")
    register_tag("TAG")
    with open_charger(product, "PATIENT") as charger:
        transaction_id = charger.start("TAG", meter_start=1000, at=T0.isoformat())
        with storage_away(product.database):
            charger.send([2, "stop", "StopTransaction", stop_payload(transaction_id)])
            wait_until(lambda: "writer.storage_away" in product.log, "the writer notices")
            charger.send([2, "beat", "Heartbeat", {}])
        assert charger.receive()[:2] == [3, "stop"]
        assert charger.receive()[:2] == [3, "beat"]
    assert Transaction.objects.get().energy_wh == Decimal("3321.000")


def test_storage_away_at_terminate_ends_in_time_without_an_answer(make_product: MakeProduct) -> None:
    product = make_product(**HOLD)
    register_tag("TAG")
    with open_charger(product, "UNLUCKY") as charger:
        transaction_id = charger.start("TAG", at=T0.isoformat())
        with storage_away(product.database):
            charger.send([2, "stop", "StopTransaction", stop_payload(transaction_id)])
            wait_until(lambda: "writer.storage_away" in product.log, "the writer notices")
            product.terminate()
            with pytest.raises(ConnectionClosed):
                charger.receive()
            assert product.process.wait(15) == 0
    assert Transaction.objects.get().ended_at is None
