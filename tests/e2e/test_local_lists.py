"""Lists of tags in chargers, kept in step over real sockets by the jobs of a running server (OCPP 1.6 §3.5, §5.15)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from accounts.services import rows, tokens
from chargepoints.models import ChargePoint, LocalList
from chargepoints.services import local_list
from csms_project.common.models import Event
from ocpp_gateway import simulator
from tests import factories
from tests.e2e.conftest import register
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import Charger

pytestmark = pytest.mark.server

SYSTEM = Actor.system("tests", via="cli")
VALUES = ("A1", "B2", "C3", "D4", "E5")
ALL = {value.lower(): "Accepted" for value in VALUES}


@pytest.fixture
def tags(product: Product, request: pytest.FixtureRequest) -> list[IdToken]:
    """The tags of an organisation that no other test has."""
    tenant = factories.TenantFactory(slug=f"lists-{abs(hash(request.node.name))}")
    return [factories.IdTokenFactory(tenant=tenant, value=value) for value in VALUES]


class Simulated:
    """A charge point of the simulator, whose loop runs in a thread of its own."""

    def __init__(self, product: Product, identity: str) -> None:
        station = simulator.Station(url=product.url, identity=identity, key=factories.CHARGER_KEY)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.charger = self.do(self._made(station))

    async def _made(self, station: simulator.Station) -> simulator.ChargePoint16:
        return simulator.ChargePoint16(station)

    def do(self, work: Any) -> Any:
        """Run a coroutine of the charger."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(40)

    def connect(self) -> None:
        self.do(self.charger.connect())
        self.do(self.charger.boot())

    @property
    def tags(self) -> dict[str, str]:
        """What its list says."""
        held = self.charger.local_list.items()
        return {tag: entry["idTagInfo"]["status"] for tag, entry in held}

    def close(self) -> None:
        self.do(self.charger.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def simulated(product: Product, identity: str, tenant: Tenant) -> Iterator[Simulated]:
    """A registered charge point of the simulator, not yet connected."""
    register(identity, tenant=tenant)
    charger = Simulated(product, identity)
    try:
        yield charger
    finally:
        charger.close()


def keep(identity: str, **wish: Any) -> None:
    """Let the list of this charger be kept."""
    charge_point = ChargePoint.objects.get(identity=identity)
    local_list.change(actor=SYSTEM, charge_point=charge_point, is_kept=True, **wish)


def row_of(identity: str) -> LocalList:
    return LocalList.objects.select_related("holds").get(charge_point__identity=identity)


def wait_state(identity: str, state: str) -> LocalList:
    wait_until(lambda: row_of(identity).state == state, f"the list of {identity} is {state}")
    return row_of(identity)


def test_list_follows_the_tags_and_decides_while_the_charger_is_offline(
    product: Product, tags: list[IdToken]
) -> None:
    with simulated(product, "LISTED", tags[0].tenant) as charger:
        keep("LISTED")
        charger.connect()
        row = wait_state("LISTED", "in_step")
        assert (charger.tags, row.version, charger.charger.local_list_version) == (ALL, 1, 1)

        tokens.block_tokens(actor=SYSTEM, tokens=[tags[1]])
        wait_until(lambda: charger.tags["b2"] == "Blocked", "the block has reached the charger")
        rows.delete_row(actor=SYSTEM, row=tags[4], permission="id_tokens.change")
        tokens.create_token(actor=SYSTEM, tenant=tags[0].tenant, value="F6")
        wait_until(lambda: charger.tags.keys() == {"a1", "b2", "c3", "d4", "f6"}, "so have the others")
        row = wait_state("LISTED", "in_step")
        assert charger.charger.local_list_version == row.version == row.last_version

        charger.charger.configuration["AllowOfflineTxForUnknownId"] = "false"
        charger.do(charger.charger.go_offline())
        decided = [charger.do(charger.charger.authorize(tag)) for tag in ("F6", "b2", "E5")]
        assert decided == ["Accepted", "Blocked", "Invalid"]

        tokens.unblock_tokens(actor=SYSTEM, tokens=[tags[1]])
        wait_state("LISTED", "due")
        charger.connect()
        wait_until(lambda: charger.tags["b2"] == "Accepted", "what changed meanwhile arrives at connect")


def test_list_is_sent_in_parts_and_one_without_room_not_at_all(product: Product, tags: list[IdToken]) -> None:
    with simulated(product, "SMALL", tags[0].tenant) as charger:
        charger.charger.configuration["SendLocalListMaxLength"] = "2"
        charger.charger.configuration["LocalAuthListMaxLength"] = "5"
        keep("SMALL")
        charger.connect()
        row = wait_state("SMALL", "in_step")
        assert (charger.tags, row.version) == (ALL, 3)

        tokens.create_token(actor=SYSTEM, tenant=tags[0].tenant, value="F6")
        row = wait_state("SMALL", "failed")
        assert row.last_error == "There are 6 tags and the charger has room for 5: choose 1 fewer."
        assert charger.tags == ALL
        assert Event.objects.filter(kind="local_list.failed", charge_point="SMALL").count() == 1


def test_charger_that_was_written_to_by_somebody_else_is_put_right(
    product: Product, tags: list[IdToken]
) -> None:
    with simulated(product, "SHARED", tags[0].tenant) as charger:
        keep("SHARED")
        charger.connect()
        wait_state("SHARED", "in_step")
        foreign = {"idTag": "ZZ", "idTagInfo": {"status": "Accepted"}}
        charger.charger.local_list, charger.charger.local_list_version = {"zz": foreign}, 70

        tokens.block_tokens(actor=SYSTEM, tokens=[tags[0]])

        wait_until(lambda: charger.tags == ALL | {"a1": "Blocked"}, "the whole list was sent")
        assert charger.charger.local_list_version == wait_state("SHARED", "in_step").version == 71


def test_charger_that_switched_its_list_off_is_not_asked_again(product: Product, tags: list[IdToken]) -> None:
    with simulated(product, "WITHOUT", tags[0].tenant) as charger:
        charger.charger.configuration["LocalAuthListEnabled"] = "false"
        keep("WITHOUT")
        charger.connect()

        assert wait_state("WITHOUT", "not_supported").last_error == "The charger keeps no local list."


@pytest.mark.parametrize("was_taken", [True, False])
def test_connection_that_ends_before_the_answer_leaves_a_question_to_the_version(
    product: Product, tags: list[IdToken], was_taken: bool
) -> None:
    identity = f"CUT-{was_taken}"
    register(identity, tenant=tags[0].tenant)
    keep(identity)
    with Charger(product.url, identity) as charger:
        assert charger.boot()["status"] == "Accepted"
        answer(charger, "GetConfiguration", {"configurationKey": []})
        answer(charger, "GetLocalListVersion", {"listVersion": 8})
        call = charger.receive()
        assert (call[2], call[3]["updateType"], call[3]["listVersion"]) == ("SendLocalList", "Full", 9)
    wait_state(identity, "failed")

    with Charger(product.url, identity) as charger:
        answer(charger, "GetLocalListVersion", {"listVersion": 9 if was_taken else 8})
        if not was_taken:
            again = answer(charger, "SendLocalList", {"status": "Accepted"})
            assert (again["updateType"], again["listVersion"]) == ("Full", 10)
        row = wait_state(identity, "in_step")
        assert row.holds is not None
        assert (row.version, row.holds.count, row.failures) == (9 if was_taken else 10, 5, 0)


def answer(charger: Charger, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Answer the next call, which must be of this action; returns its payload."""
    call = charger.receive()
    assert call[2] == action
    charger.send([3, call[1], payload])
    return dict(call[3])
