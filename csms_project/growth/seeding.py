"""Fill a database with a year of use, and empty it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Model
from django.db.transaction import atomic

from accounts.models import Tenant, User
from chargepoints.models import ChargePoint, GatewayNode
from csms_project.common import partitions
from csms_project.demo.removal import owned_models
from csms_project.growth import year
from csms_project.growth.fleet import IDENTITY, LAYOUTS, SLUG, make_fleet
from csms_project.growth.rows import run
from transactions.models import MeterLayout, Transaction

Say = Callable[[str], None]


class SeedError(Exception):
    """The database cannot be seeded; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much of each; the rest follows from the sessions and the chargers."""

    chargers: int = 500
    sessions: int = 200_000
    meter_values: int = 10_000_000
    messages: int = 5_000_000


def seed(amounts: Amounts, *, now: datetime, force: bool = False, say: Say = print) -> dict[str, int]:
    """Write the year before `now` in one transaction; returns the rows by kind.  `refresh_statistics` belongs after it.

    Raises  SeedError  not PostgreSQL, real data without `force`, or seeded before
    """
    _require_empty(force)
    made: dict[str, int] = {}

    def done(kind: str, count: int) -> None:
        made[kind] = count
        say(f"{kind}: {count:,}")

    with atomic():
        # Durable at the end is enough, and big sorts fit into memory.
        run("SET LOCAL synchronous_commit = off; SET LOCAL work_mem = '256MB'; SET LOCAL jit = off")
        fleet = make_fleet(chargers=amounts.chargers, now=now)
        points = fleet.chargers
        done("charge points", points)
        _make_months(now - year.YEAR, now)
        run("SET LOCAL lock_timeout = 0")  # partitions are made in haste
        year.number_fleet(SLUG, now)
        done("sessions", year.sessions(amounts.sessions, points=points, now=now))
        done("samples", sum(year.meter_values(amounts.meter_values, sessions=amounts.sessions, now=now)))
        done("messages", sum(year.messages(amounts.messages, points=points, now=now)))
        for kind, count in year.rest(points=points, now=now):
            done(kind, count)
    return made


def refresh_statistics() -> None:
    """What autovacuum does in the course of a year."""
    run("VACUUM (ANALYZE)")


def remove(*, say: Say = print) -> int:
    """Delete what `seed` has made and nothing else; returns the number of rows."""
    _require_postgresql()
    ids = list(Tenant.objects.filter(slug__startswith=SLUG).values_list("pk", flat=True))
    if not ids:
        return 0
    deleted = 0
    with atomic():
        Tenant.objects.filter(pk__in=ids).update(default_tariff=None)
        # In any order: foreign keys are checked at the commit.
        for model in owned_models():
            count = _empty(model, ids)
            deleted += count
            if count:
                say(f"{model._meta.verbose_name_plural}: {count:,}")
        deleted += MeterLayout.objects.filter(digest__in=[digest for digest, _ in LAYOUTS]).delete()[0]
        deleted += User.objects.filter(username__startswith=SLUG).delete()[0]
        deleted += GatewayNode.objects.filter(host__startswith=SLUG).delete()[0]
        deleted += Tenant.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _empty(model: type[Model], tenant_ids: list[int]) -> int:
    table = model._meta.db_table
    parameters = {"ids": tenant_ids}
    if table in partitions.TABLES and not model._default_manager.exclude(tenant_id__in=tenant_ids).exists():
        count = model._default_manager.count()
        run(f'TRUNCATE "{table}"')
        return count
    return run(f'DELETE FROM "{table}" WHERE tenant_id = ANY(%(ids)s)', parameters)  # noqa: S608


def _make_months(start: datetime, now: datetime) -> None:
    months = [partitions.month_of(start)]
    while months[-1] <= partitions.month_of(now):
        months.append(partitions.next_month(months[-1]))
    for table in partitions.TABLES:
        partitions.ensure_months(table, months)


def _require_postgresql() -> None:
    if connection.vendor != "postgresql":
        raise SeedError("The rows are made inside PostgreSQL: set DATABASE_URL to one.")


def _require_empty(force: bool) -> None:
    _require_postgresql()
    if ChargePoint.objects.filter(tenant__slug__startswith=SLUG).exists():
        raise SeedError("It is seeded already: manage.py bench seed --remove")
    real = ChargePoint.objects.exclude(tenant__slug__startswith=SLUG)
    if not force and (real.exists() or Transaction.objects.exists()):
        raise SeedError(
            "There are charge points or sessions in this database that are not seeded. Take another"
            f" database, or --force: the seeded rows are of tenants “{SLUG}…” and of charge points “{IDENTITY}…”."
        )
