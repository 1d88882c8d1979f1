"""Chargers in numbers, and a gateway that sends and answers their commands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from accounts.models import Tenant
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, FleetTask
from chargepoints.services import fleet_steps
from chargepoints.services.fleet import Order
from tests import factories
from tests.chargepoints.sending import send


def chargers(tenant: Tenant, count: int, *, online: bool = True) -> list[ChargePoint]:
    """Charge points F-1, F-2, …"""
    made: list[ChargePoint] = [
        factories.ChargePointFactory(tenant=tenant, identity=f"F-{n}") for n in range(1, count + 1)
    ]
    for charge_point in made if online else ():
        connect(charge_point)
    return made


def connect(charge_point: ChargePoint) -> None:
    factories.ConnectionFactory(charge_point=charge_point)


def orders(
    charge_points: Iterable[ChargePoint], action: str = "clear_cache", **payload: object
) -> list[Order]:
    return [Order(charge_point=row, action=action, payload=payload) for row in charge_points]


def step(seconds: float = 0) -> int:
    """One run of the job, so many seconds from now."""
    return fleet_steps.step(timezone.now() + timedelta(seconds=seconds))


def answer(
    charge_point: ChargePoint, status: CommandStatus = CommandStatus.ACCEPTED, summary: str = ""
) -> Command:
    """The charger's oldest queued command is sent and answered."""
    command = Command.objects.filter(charge_point=charge_point, status=CommandStatus.QUEUED).earliest("id")
    send(command, charge_point.connection)
    done = commands.complete(command.pk, status=status, summary=summary)
    assert done is not None
    return done


def statuses(task: FleetTask) -> list[str]:
    """Of the task's orders, as they were given."""
    return [item.status for item in task.items.order_by("pk")]


def reload(task: FleetTask) -> FleetTask:
    return FleetTask.objects.get(pk=task.pk)
