"""Reading tables that grow without end: pages, counts and searches that cost the same in the tenth year.

Lists are sorted by what an index of the tenant (or charge point) holds, so that a page is a short walk along it.
Who sees all tenants has no such index: there the newest rows of each tenant are merged, on PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

#: Pages that begin later are found by key first: rows that are passed over need no joins.
DEEP = 500
#: Rows that are read together of a long list.
PIECE = 1000
#: So many tenants have a part each in a statement.
FEW_TENANTS = 10
#: Rows are counted up to here.
COUNTED = 10_000


def read_page(rows: QuerySet[Any], start: int, stop: int, *, all_tenants: bool = False) -> list[Any]:
    """rows[start:stop], in their order.

    all_tenants  the rows are of every tenant, so that no index has them in this order
    """
    if all_tenants and connection.vendor == "postgresql":
        if start >= DEEP or _tenants(rows).count() <= FEW_TENANTS:
            return list(rows.filter(pk__in=_merged_keys(rows, start, stop)))
        return list(rows.filter(pk__in=_newest_of_each_tenant(rows, stop))[start:stop])
    if start >= DEEP:
        keys = list(rows.values_list("pk", flat=True)[start:stop])
        return list(rows.filter(pk__in=keys))
    return list(rows[start:stop])


def read_all(rows: QuerySet[Any], limit: int, *, all_tenants: bool = False) -> Iterator[Any]:
    """rows[:limit] in pieces, tenant after tenant where there are several."""
    for part in tenant_by_tenant(rows) if all_tenants else [rows]:
        # The keys first, so that no piece looks for its place; a short piece to begin with: somebody waits for it.
        keys = list(part.values_list("pk", flat=True)[:limit])
        for start, stop in pairwise(chain((0,), range(PIECE // 5, len(keys), PIECE), (len(keys),))):
            yield from rows.filter(pk__in=keys[start:stop])
        limit -= len(keys)


def count_or_estimate(rows: QuerySet[Any], *, all_tenants: bool = False) -> int:
    """How many rows: exact up to COUNTED, beyond that what the planner believes, at least COUNTED."""
    if connection.vendor != "postgresql":
        return rows.count()
    counted = 0
    for part in tenant_by_tenant(rows) if all_tenants else [rows]:
        counted += part[: COUNTED + 1 - counted].count()
        if counted > COUNTED:
            return max(_estimate(rows), COUNTED)
    return counted


def value_at(rows: QuerySet[Any], position: int, name: str, *, all_tenants: bool = False) -> Any:
    """A field of the row at a position of the list, None where the list is shorter.

    all_tenants  of the lists of all tenants, the one of which that row is the newest
    """
    if not all_tenants or connection.vendor != "postgresql":
        return next(iter(rows.values_list(name, flat=True)[position : position + 1]), None)
    of_tenant = rows.filter(tenant=OuterRef("pk")).values(name)[position : position + 1]
    found = _tenants(rows).annotate(found=Subquery(of_tenant)).values_list("found", flat=True)
    return max((value for value in found if value is not None), default=None)


def every_tenant(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The same rows, with the tenants named: an index that begins with the tenant serves a range of its next column."""
    return rows.filter(tenant__in=list(_tenants(rows).values_list("pk", flat=True)))


def _newest_of_each_tenant(rows: QuerySet[Any], count: int) -> list[Any]:
    """Keys of the first rows of each tenant, by one plan for all; among them are the first ones of all."""
    of_tenant = rows.filter(tenant=OuterRef("pk")).values("pk")[:count]
    found = _tenants(rows).annotate(found=ArraySubquery(of_tenant)).values_list("found", flat=True)
    keys = list(chain.from_iterable(found))
    if rows.model._meta.get_field("tenant").null:
        keys += rows.filter(tenant=None).values_list("pk", flat=True)[:count]
    return keys


def _merged_keys(rows: QuerySet[Any], start: int, stop: int) -> list[Any]:
    """Keys of rows[start:stop], from the lists of all tenants merged by the database.

    Every tenant has a part of the statement, and a plan of its own.
    """
    order = [str(term) for term in rows.query.order_by]
    names = list(dict.fromkeys(["pk", *(term.removeprefix("-") for term in order)]))
    first, *others = [part.values_list(*names)[:stop] for part in tenant_by_tenant(rows)]
    return [row[0] for row in first.union(*others, all=True).order_by(*order)[start:stop]]


def tenant_by_tenant(rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """The rows of each tenant, in their order."""
    for pk in _tenants(rows).values_list("pk", flat=True):
        yield rows.filter(tenant=pk)
    if rows.model._meta.get_field("tenant").null:
        yield rows.filter(tenant=None)


def _tenants(rows: QuerySet[Any]) -> QuerySet[Any]:
    related: Any = rows.model._meta.get_field("tenant").related_model
    tenants: QuerySet[Any] = related._default_manager.order_by("pk")
    return tenants


def _estimate(rows: QuerySet[Any]) -> int:
    with connection.cursor() as cursor:
        sql, parameters = rows.order_by().values("pk").query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        plan = cursor.fetchone()[0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])
