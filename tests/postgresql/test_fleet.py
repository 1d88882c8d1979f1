"""Fleet tasks carried on by several workers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from accounts.permissions import Actor
from chargepoints.models import Command, FleetTask
from chargepoints.services import fleet
from tests import factories
from tests.chargepoints.fleets import chargers, orders, reload, statuses, step

WORKERS = 4


def at_once(act: Any) -> list[Any]:
    """The act in several threads that begin together, each with a connection of its own."""
    start = Barrier(WORKERS)

    def work(_: int) -> Any:
        start.wait(10)
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(work, range(WORKERS)))


def started(count: int, **options: Any) -> FleetTask:
    tenant = factories.TenantFactory(slug="acme")
    given = orders(chargers(tenant, count))
    actor = Actor.system("tests", via="cli")
    return fleet.start_task(actor=actor, tenant=tenant, title="Many", orders=given, **options)


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_each_order_once() -> None:
    task = started(30)

    at_once(step)

    assert statuses(task) == ["under_way"] * 30
    sent = Command.objects.values_list("charge_point", flat=True)
    assert len(sent) == len(set(sent)) == 30


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_do_not_overfill_a_batch() -> None:
    task = started(12, batch_size=5)

    at_once(step)

    assert statuses(task).count("under_way") == 5
    assert Command.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_task_that_is_cancelled_while_workers_send_leaves_nothing_waiting() -> None:
    task = started(30)
    actor = Actor.system("tests", via="cli")
    cancel = partial(fleet.cancel_task, actor=actor, task=task)
    turns: Iterator[Callable[[], Any]] = iter([cancel, *[step] * (WORKERS - 1)])

    at_once(lambda: next(turns)())
    step()

    assert set(statuses(task)) == {"cancelled"}
    assert set(Command.objects.values_list("status", flat=True)) <= {"cancelled"}
    assert reload(task).ended_at is not None
