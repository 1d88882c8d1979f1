"""A command for many chargers over real sockets: ordered over REST, carried on by the jobs of the server."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.models import User
from tests.e2e.conftest import open_charger, register
from tests.e2e.product import ENVIRONMENT, Product, wait_until
from tests.e2e.sockets import Charger
from tests.factories import T0

pytestmark = pytest.mark.server


class Client:
    """The REST API, signed in as the first administrator."""

    def __init__(self, product: Product) -> None:
        self.base = f"http://127.0.0.1:{product.port}/api/v1/"
        self.headers = {"Content-Type": "application/json"}
        password = ENVIRONMENT["CSMS_ADMIN_PASSWORD"]
        # Hashed as the product does: the tests' own hasher is unknown to it.
        User.objects.update(password=PBKDF2PasswordHasher().encode(password, "salt-of-the-tests", 1000))
        body = {"username": "admin", "password": password}
        self.headers["Authorization"] = f"Bearer {self('auth/token/', body)['access']}"

    def __call__(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.base + path, data, self.headers), timeout=20) as response:
            return json.load(response)

    def outcomes(self, task: int) -> dict[str, tuple[str, str]]:
        """Status and words for each charger."""
        rows = self(f"fleet-tasks/{task}/items/")["results"]
        return {row["charge_point"]: (row["status"], row["outcome"]) for row in rows}


def answer(charger: Charger, *answers: Any) -> None:
    """Answer the CALL that comes next."""
    call = charger.receive()
    assert (call[0], call[2]) == (2, "ClearCache")
    charger.send([answers[0], call[1], *answers[1:]])


def test_each_charger_has_its_own_outcome_and_the_failed_are_tried_again(product: Product) -> None:
    client = Client(product)
    register("FLEET-OFF")
    names = ["FLEET-YES", "FLEET-NO", "FLEET-ERROR", "FLEET-OFF"]
    with ExitStack() as stack:
        yes, no, error = (stack.enter_context(open_charger(product, name)) for name in names[:3])
        body = {"title": "Caches", "action": "clear_cache", "charge_points": names}
        task = client("fleet-tasks/", body)["id"]
        answer(yes, 3, {"status": "Accepted"})
        answer(no, 3, {"status": "Rejected"})
        answer(error, 4, "InternalError", "out of memory", {})

        done = wait_until(lambda: _ended(client, task), "the task has ended")

        assert (done["state"], done["counts"]["accepted"], done["counts"]["failed"]) == ("done", 1, 3)
        assert client.outcomes(task) == {
            "FLEET-YES": ("accepted", ""),
            "FLEET-NO": ("rejected", "The charger refused."),
            "FLEET-ERROR": ("failed", "InternalError: out of memory"),
            "FLEET-OFF": ("offline", "The charger was offline."),
        }

        client(f"fleet-tasks/{task}/retry/", {})
        answer(no, 3, {"status": "Accepted"})
        answer(error, 3, {"status": "Accepted"})
        wait_until(lambda: _ended(client, task), "the second try has ended")
        assert [status for status, _ in client.outcomes(task).values()].count("accepted") == 3


def test_charger_that_is_waited_for_gets_its_order_when_it_connects(product: Product) -> None:
    client = Client(product)
    register("FLEET-LATE", accepted_at=T0)
    body = {"title": "Later", "action": "clear_cache", "charge_points": ["FLEET-LATE"], "expires_in": 60}
    task = client("fleet-tasks/", body)["id"]
    wait_until(lambda: client(f"fleet-tasks/{task}/")["state"] == "running", "the task is running")
    assert client.outcomes(task)["FLEET-LATE"][0] == "waiting"

    with Charger(product.url, "FLEET-LATE") as charger:
        answer(charger, 3, {"status": "Accepted"})
        wait_until(lambda: _ended(client, task), "the task has ended")

    assert client.outcomes(task)["FLEET-LATE"][0] == "accepted"


def _ended(client: Client, task: int) -> dict[str, Any] | None:
    shown: dict[str, Any] = client(f"fleet-tasks/{task}/")
    return shown if shown["ended_at"] is not None else None
