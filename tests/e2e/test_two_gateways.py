"""Two gateway processes, one database: who owns a charger, and what happens when one of them dies or stands still.

Only collected with TEST_DATABASE_URL (see `conftest.py`): SQLite serves one process.
"""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.models import User
from chargepoints.choices import CommandStatus
from chargepoints.models import Command, Connection, GatewayNode, OcppMessage
from chargepoints.selectors import live_connections
from csms_project.common.models import Event
from tests.e2e.conftest import MakeProduct, open_charger, order, register, wait_ended
from tests.e2e.product import ENVIRONMENT, Product, wait_until
from tests.e2e.sockets import Charger, RawSocket, call_text, frame
from tests.e2e.test_processes import GATEWAY, WEB, get, health

pytestmark = pytest.mark.server

LEASE_S = 3
#: Nothing listens there: the processes have nobody who carries messages between them.
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["redis", "no redis"])
def pair(request: pytest.FixtureRequest, make_product: MakeProduct) -> tuple[Product, Product]:
    """Two gateways, with Redis and without: then they know only what stands in the rows."""
    settings = {"OCPP_NODE_LEASE_S": str(LEASE_S), "OCPP_PING_INTERVAL_S": "60"}
    if request.param == "no redis":
        settings["REDIS_URL"] = NO_REDIS
    return make_product(*GATEWAY, **settings), make_product(*GATEWAY, **settings)


def owner_of(identity: str) -> int:
    """Process id of the node that owns the charger, 0 when it is offline."""
    row = live_connections().filter(charge_point__identity=identity).select_related("node").first()
    return row.node.pid if row is not None else 0


def accept_reset(charger: Charger, identity: str) -> str:
    """Order a reset, let the charger accept it, and return how the command ended."""
    command = order(identity, "reset", kind="Soft")
    message = charger.receive()
    assert message[2] == "Reset"
    charger.send([3, message[1], {"status": "Accepted"}])
    return wait_ended(command).status


def post(product: Product, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    """Send JSON to the REST API."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{product.port}/api/v1/{path}", orjson.dumps(body), headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(orjson.loads(answer.read()))


def sign_in(product: Product) -> str:
    """An access token of the first admin."""
    password = ENVIRONMENT["CSMS_ADMIN_PASSWORD"]
    # Hashed as the product does: the tests' own hasher is unknown to it.
    User.objects.update(password=PBKDF2PasswordHasher().encode(password, "salt-of-the-tests", 1000))
    return str(post(product, "auth/token/", {"username": "admin", "password": password})["access"])


# ---------------------------------------------------------------- newest socket wins
def test_newest_socket_wins_on_any_node_and_commands_follow_it(pair: tuple[Product, Product]) -> None:
    first, second = pair
    with open_charger(first, "HOP") as old:
        assert owner_of("HOP") == first.process.pid
        with Charger(second.url, "HOP") as new:
            assert old.closed_with(10) == 4000
            new.boot()
            assert owner_of("HOP") == second.process.pid
            assert accept_reset(new, "HOP") == CommandStatus.ACCEPTED
            with Charger(first.url, "HOP") as newest:
                assert new.closed_with(10) == 4000
                assert accept_reset(newest, "HOP") == CommandStatus.ACCEPTED
                assert owner_of("HOP") == first.process.pid
    assert not Event.objects.filter(kind="charge_point.disconnected", data__code=4000).exists()


# ---------------------------------------------------------------- a node that dies
def test_chargers_of_a_killed_node_are_offline_soon_after_its_lease(pair: tuple[Product, Product]) -> None:
    first, second = pair
    with open_charger(first, "ORPHAN"), open_charger(second, "SAFE"):
        pid = first.process.pid
        first.kill()
        began = time.monotonic()
        wait_until(lambda: owner_of("ORPHAN") == 0, "ORPHAN is offline", LEASE_S + 10)
        assert owner_of("SAFE") == second.process.pid
        # No worker runs: the other gateway cleans up and tells it.
        wait_until(lambda: Connection.objects.count() == 1, "its row is removed", LEASE_S + 10)
        assert time.monotonic() - began < LEASE_S + 10
        assert Event.objects.filter(kind="charge_point.disconnected", charge_point="ORPHAN").count() == 1
        assert GatewayNode.objects.get(pid=pid).stopped_at is None
        with Charger(second.url, "ORPHAN") as again:
            assert accept_reset(again, "ORPHAN") == CommandStatus.ACCEPTED


# ---------------------------------------------------------------- a node that stands still
def test_node_that_stood_still_lets_go_of_what_others_own(pair: tuple[Product, Product]) -> None:
    first, second = pair
    for identity in ("MOVED", "STAYED"):
        register(identity)
    with RawSocket(first.port) as moved, Charger(first.url, "STAYED") as stayed:
        moved.open("MOVED")
        stayed.boot()
        os.kill(first.process.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: owner_of("STAYED") == 0, "the lease has run out", LEASE_S + 5)
            with Charger(second.url, "MOVED") as new:
                new.boot()
                # Sent to the process that stands still; nobody reads it now.
                status = {"connectorId": 1, "errorCode": "NoError", "status": "Faulted"}
                moved.send(frame(1, call_text("StatusNotification", status)))
                stayed.send([2, "kept", "Heartbeat", {}])
                os.kill(first.process.pid, signal.SIGCONT)
                assert moved.read_close() == 4000
                assert stayed.receive()[:2] == [3, "kept"]
                wait_until(lambda: owner_of("STAYED") == first.process.pid, "STAYED is online again")
                assert owner_of("MOVED") == second.process.pid
                assert accept_reset(new, "MOVED") == CommandStatus.ACCEPTED
                assert accept_reset(stayed, "STAYED") == CommandStatus.ACCEPTED
        finally:
            os.kill(first.process.pid, signal.SIGCONT)
    assert not OcppMessage.objects.filter(action="StatusNotification").exists()


def test_restart_of_one_node_moves_its_chargers_to_the_other(pair: tuple[Product, Product]) -> None:
    first, second = pair
    with open_charger(first, "ROLLING") as old:
        first.terminate()
        assert old.closed_with(10) == 1012
        with Charger(second.url, "ROLLING") as new:
            assert accept_reset(new, "ROLLING") == CommandStatus.ACCEPTED
            assert first.process.wait(20) == 0
            assert owner_of("ROLLING") == second.process.pid


# ---------------------------------------------------------------- Redis away
@pytest.fixture(params=["refuses", "hangs"])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis that is away: nobody listens, or somebody takes the connection and never answers."""
    if request.param == "refuses":
        yield NO_REDIS
        return
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"redis://127.0.0.1:{silent.getsockname()[1]}/0"


def reset_over_http(web: Product, identity: str, charger: Charger, token: str) -> float:
    """Order a reset as an integrator does and let the charger accept it; returns the seconds the request took."""
    began = time.monotonic()
    command = post(
        web, f"charge-points/{identity}/commands/", {"action": "reset", "payload": {"kind": "Soft"}}, token
    )
    took = time.monotonic() - began
    message = charger.receive(5)
    charger.send([3, message[1], {"status": "Accepted"}])
    row = Command.objects.get(pk=command["id"])
    assert wait_ended(row).status == CommandStatus.ACCEPTED
    return took


def test_without_redis_chargers_are_served_commands_flow_and_nobody_waits(
    make_product: MakeProduct, redis_url: str
) -> None:
    gateway, web = make_product(*GATEWAY, REDIS_URL=redis_url), make_product(*WEB, REDIS_URL=redis_url)
    with open_charger(gateway, "LONELY") as charger:
        assert "currentTime" in charger.call("Heartbeat", {})
        shown = health(gateway)
        assert (shown["status"], shown["checks"]["writer"]) == ("degraded", "ok")
        assert get(gateway, "/health")[0] == get(gateway, "/health/live")[0] == 200
        assert get(web, "/health")[0] == 200
        token = sign_in(web)
        took = [reset_over_http(web, "LONELY", charger, token) for _ in range(3)]
        # The channel layer is waited for once and then left alone; the rest is what a request takes here.
        assert max(took) < 2
    wait_until(lambda: "node.layer_away" in gateway.log or redis_url != NO_REDIS, "it is told")
    assert gateway.log.count("node.layer_away") <= 1
    assert "Traceback" not in gateway.log + web.log
