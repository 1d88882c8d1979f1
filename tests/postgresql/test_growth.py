"""A year of data in small: what seeds it, and that no page reads more of a big table than it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import Tenant, User
from chargepoints.models import ChargePoint, OcppMessage, StatusEvent
from csms_project.common import big_tables, partitions
from csms_project.common.admin import BigTable
from csms_project.common.models import Event
from csms_project.dashboard.site import CsmsAdminSite
from csms_project.growth import commands
from csms_project.growth.measuring import open_page, visitors, visits
from csms_project.growth.plans import BIG, recorded
from csms_project.growth.seeding import Amounts, SeedError, remove, seed
from tests.factories import ChargePointFactory, TransactionFactory
from transactions.models import LedgerEntry, MeterValue, Transaction

pytestmark = pytest.mark.django_db
AMOUNTS = Amounts(chargers=100, sessions=4_000, meter_values=20_000, messages=20_000)
FEW = Amounts(chargers=10, sessions=100, meter_values=1_000, messages=500)
#: A statement may read this share of a big table; the large tenant has more than half of each.
SHARE = 0.25
#: Addresses that read more, and why they may.
EXEMPT = {
    "page=200": "a page far down is found by walking along the index; the keys only",
    "p=40": "the same",
    "/export/": "the whole list is what is asked for; its keys first",
    "stop_reason=": "no index, because every session has one; a period bounds it",
    "object_type=": "no index, because it says little without the object",
    "connector_id=": "no index, because it says little without the charge point; that or a period bounds it",
}


#: Pages about big tables: the administrator of all opens these only.
OF_BIG = ("event", "home", "ledger", "message", "meter", "status", "transaction")


def silent(line: str) -> None:
    """Say nothing."""


# ---------------------------------------------------------------- seeding


def test_seeded_year_has_what_was_asked_for_and_can_be_removed(tenant: Tenant, superuser: User) -> None:
    mine = TransactionFactory(connector__evse__charge_point__tenant=tenant)
    now = timezone.now()
    made = seed(FEW, now=now, force=True, say=silent)
    assert (made["sessions"], made["messages"]) == (100, 500)
    assert 900 <= made["samples"] <= 1_100
    seeded = Transaction.objects.exclude(pk=mine.pk)
    assert seeded.filter(state="active").exists()
    assert seeded.filter(state="ended").count() > 80
    assert seeded.filter(started_at__gt=now).count() == 0
    assert LedgerEntry.objects.count() == StatusEvent.objects.count() == 400
    for table in partitions.TABLES:
        assert partitions.count_default(table) == 0
    assert ChargePoint.objects.for_tenant(tenant).count() == 1

    remove(say=silent)
    assert list(Transaction.objects.all()) == [mine]
    assert not Tenant.objects.filter(slug__startswith="seed-").exists()
    for model in (MeterValue, OcppMessage, StatusEvent, Event, LedgerEntry):
        assert not model.objects.exists(), model
    assert set(User.objects.values_list("username", flat=True)) == {superuser.username}
    assert remove(say=silent) == 0


def test_rows_arrive_in_the_order_of_their_time(tenant: Tenant) -> None:
    seed(FEW, now=timezone.now(), say=silent)
    for model, name in ((OcppMessage, "received_at"), (Transaction, "started_at"), (Event, "created_at")):
        moments = list(model.objects.order_by("pk").values_list(name, flat=True))
        assert moments == sorted(moments), model


def test_real_data_is_not_mixed_with_seeded_unless_asked(tenant: Tenant) -> None:
    ChargePointFactory(tenant=tenant)
    with pytest.raises(SeedError, match="not seeded"):
        seed(FEW, now=timezone.now(), say=silent)


def test_seeding_twice_is_refused() -> None:
    seed(FEW, now=timezone.now(), say=silent)
    with pytest.raises(SeedError, match="--remove"):
        seed(FEW, now=timezone.now(), force=True, say=silent)


def test_command_line_seeds_measures_and_removes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "refresh_statistics", lambda: None)  # no VACUUM in a test's transaction
    out = StringIO()
    call_command(
        "bench", "seed", "--chargers", "10", "--sessions", "100", "--meter-values", "1k", "--messages", "500",
        stdout=out,
    )  # fmt: skip
    assert "sessions: 100" in out.getvalue()

    out = StringIO()
    only = ["bench", "pages", "--only", "/api/v1/tariffs/", "--repeat", "1", "--visitor", "seed-1"]
    call_command(*only, "--budget", "60000", stdout=out)
    assert "owner of seed-1: /api/v1/tariffs/?ordering=-name" in out.getvalue()
    assert "0 over 60000 ms, 0 read a big table through, 0 failed." in out.getvalue()
    with pytest.raises(SystemExit, match="1"):
        call_command(*only, "--budget", "0", "--all", stdout=StringIO())

    out = StringIO()
    call_command("bench", "seed", "--remove", stdout=out)
    assert "rows deleted" in out.getvalue()
    with pytest.raises(CommandError, match="nobody"):
        call_command("bench", "pages", stdout=StringIO())


# ---------------------------------------------------------------- plans


def rows_read(plan: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    """(big table, rows that were looked at, kind of scan) of each part of a plan that was run."""
    table = plan.get("Relation Name", "")
    for name in BIG:
        if table == name or table.startswith(f"{name}_"):
            seen = plan["Actual Rows"] + sum(plan.get(f"Rows Removed by {why}", 0) for why in _REMOVED)
            yield name, round(seen * plan["Actual Loops"]), plan["Node Type"]
    for part in plan.get("Plans", ()):
        yield from rows_read(part)


_REMOVED = ("Filter", "Index Recheck", "Join Filter")


def faults_of(sql: str, parameters: Any, sizes: dict[str, int]) -> list[str]:
    """What a statement does to big tables that it should not."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", parameters)
        plan = cursor.fetchone()[0]
    found = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    total: dict[str, int] = {}
    scanned = set()
    for table, rows, kind in rows_read(found):
        total[table] = total.get(table, 0) + rows
        if kind == "Seq Scan" and rows:
            scanned.add(table)
    return [
        *(f"no index of {table} serves it" for table in sorted(scanned)),
        *(
            f"reads {rows} of {sizes[table]} {table}"
            for table, rows in total.items()
            if rows > sizes[table] * SHARE
        ),
    ]


@pytest.fixture
def _small_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are to a small year what the real ones are to a real one."""
    monkeypatch.setattr(BigTable, "look_back", 100)
    monkeypatch.setattr(big_tables, "COUNTED", 100)
    monkeypatch.setattr("csms_project.common.api.filters.COUNTED", 100)

    def render(self: TemplateResponse) -> TemplateResponse:
        # What is read is read before; drawing it, and the frame around it, take most of the time.
        self.content = b""
        return self

    monkeypatch.setattr(TemplateResponse, "render", render)
    monkeypatch.setattr(CsmsAdminSite, "each_context", lambda site, request: {})


def test_statement_without_an_index_and_index_read_to_its_end_are_noticed() -> None:
    seed(FEW, now=timezone.now(), say=silent)
    tenant = Tenant.objects.get(slug="seed-1")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL enable_seqscan = off")
    sizes = dict.fromkeys(BIG, 100)
    without = "SELECT id FROM transactions_transaction WHERE stop_reason = %s"
    assert faults_of(without, ["x"], sizes)[0] == "no index of transactions_transaction serves it"
    long = "SELECT id FROM transactions_transaction WHERE tenant_id = %s AND stop_reason = 'x' ORDER BY started_at"
    assert faults_of(long, [tenant.pk], sizes)[0].startswith("reads ")
    assert faults_of("SELECT id FROM transactions_transaction WHERE id = %s", [1], sizes) == []


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("_small_scale")
def test_no_page_reads_a_big_table_through() -> None:
    """Walks the admin and the API as the owner of the largest tenant and as an administrator of all.

    At this size the planner would read some tables from front to back whatever the indexes; told not to, it shows
    whether an index serves. What it reads is counted, because an index read from end to end is no better.
    """
    now = timezone.now()
    seed(AMOUNTS, now=now, say=silent)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL jit = off")
        sizes = {}
        for table in BIG:
            cursor.execute(f"SELECT count(*) FROM {table}")
            sizes[table] = cursor.fetchone()[0]
    assert min(sizes.values()) >= 4_000

    seen: set[str] = set()
    faults, failed, opened = [], [], 0
    for visitor in [visitor for visitor in visitors() if "seed-5" not in visitor.name]:
        for client, address in visits(visitor, now=now, choices=2):
            if visitor.tenant is None and not any(part in address for part in OF_BIG):
                continue
            with recorded() as statements:
                status = open_page(client, address)
            opened += 1
            assert not connection.closed_in_transaction, address
            if status >= 500:
                failed.append(f"{visitor.name}: {address}")
            if any(part in address for part in EXEMPT):
                continue
            for sql, parameters in statements.read:
                key = f"{sql} {parameters}"
                if key in seen or not any(table in sql for table in BIG):
                    continue
                seen.add(key)
                faults += [
                    f"{visitor.name}: {address} {text}\n  {sql}" for text in faults_of(sql, parameters, sizes)
                ]
    assert failed == []
    assert faults == [], "\n".join(faults)
    assert opened > 1_000
    assert len(seen) > 300
