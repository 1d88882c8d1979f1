"""Fixtures of tests with real sockets and processes. One server serves all tests that need no special one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from accounts.services.tenants import ensure_default_tenant, ensure_first_admin
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connection
from ocpp_gateway.wire.errors import V16
from tests import factories
from tests.e2e.product import POSTGRESQL_URL, Database, Product, migrate, wait_until
from tests.e2e.sockets import Charger

# Several processes share a database there: on SQLite they refuse to (test_processes.py), and nothing is left to test.
collect_ignore = [] if POSTGRESQL_URL else ["test_two_gateways.py"]

MakeProduct = Callable[..., Product]


@pytest.fixture(scope="session")
def template(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """A migrated database with tenant and admin, copied for each server."""
    directory = tmp_path_factory.mktemp("template")
    database = Database(directory).create()
    migrate(database, directory)
    with django_db_blocker.unblock(), database.as_default():
        ensure_default_tenant()
        ensure_first_admin("admin", "only for the tests")
    yield database
    database.drop()


@pytest.fixture(scope="session")
def shared_product(template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The server of all tests that break nothing; at its end no error may be in its log."""
    directory = tmp_path_factory.mktemp("product")
    product = Product(database=Database(directory).create(template), directory=directory).start()
    yield product
    product.stop()
    product.database.drop()
    assert [line for line in product.log.splitlines() if "Traceback" in line] == []


@pytest.fixture
def product(shared_product: Product, django_db_blocker: DjangoDbBlocker) -> Iterator[Product]:
    """The shared server; the models of the test read and write its database."""
    with django_db_blocker.unblock(), shared_product.database.as_default():
        yield shared_product


@pytest.fixture
def make_product(
    template: Database, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[MakeProduct]:
    """Start a server with settings of its own: `make_product(OCPP_WRITER_HOLD_S="2")`; one for each test."""
    database = Database(tmp_path).create(template)
    made: list[Product] = []

    def make(*command: str, **settings: str) -> Product:
        options: dict[str, Any] = {"command": command} if command else {}
        made.append(Product(database=database, directory=tmp_path, extra=settings, **options))
        return made[-1].start()

    with django_db_blocker.unblock(), database.as_default():
        yield make
        for product in made:
            product.stop()
    database.drop()


# ---------------------------------------------------------------- rows
def register(identity: str, **fields: Any) -> ChargePoint:
    """Register a charger with two connectors in the default tenant, whose key is `factories.CHARGER_KEY`."""
    tenant = fields.pop("tenant", None) or ensure_default_tenant()
    row: ChargePoint = factories.ChargePointFactory(tenant=tenant, identity=identity, connectors=2, **fields)
    return row


def register_tag(value: str) -> IdToken:
    """Make a tag that may charge."""
    tag: IdToken = factories.IdTokenFactory(tenant=default_tenant(), value=value)
    return tag


def default_tenant() -> Tenant:
    """The tenant of all chargers here."""
    return ensure_default_tenant()


def open_charger(
    product: Product, identity: str, *, boot: bool = True, version: str = V16, **fields: Any
) -> Charger:
    """Register a charger, connect it, and let it boot."""
    register(identity, **fields)
    charger = Charger(product.url, identity, version=version)
    if boot:
        assert charger.boot()["status"] == "Accepted"
    return charger


def is_online(identity: str) -> bool:
    """Whether a live socket of the charger is in the books."""
    return Connection.objects.filter(charge_point__identity=identity).exists()


def wait_offline(identity: str, timeout_s: float = 40.0) -> None:
    """Wait until the books say that the charger is gone."""
    wait_until(lambda: not is_online(identity), f"{identity} is offline", timeout_s)


# ---------------------------------------------------------------- commands
def order(identity: str, action: str, /, *, timeout_s: int | None = None, **payload: Any) -> Command:
    """Queue a command, as an operator does; for a charger that is offline it waits a minute."""
    return commands.queue(
        actor=Actor.system("tests", via="cli"),
        charge_point=ChargePoint.objects.get(identity=identity),
        action=action,
        payload=payload,
        timeout_s=timeout_s,
        expires_in=60,
    )


def wait_ended(command: Command, timeout_s: float = 40.0) -> Command:
    """Wait until a command has its final state."""

    def has_ended() -> bool:
        command.refresh_from_db()
        return command.status not in (CommandStatus.QUEUED, CommandStatus.SENT)

    wait_until(has_ended, f"{command.action} has ended", timeout_s)
    return command
