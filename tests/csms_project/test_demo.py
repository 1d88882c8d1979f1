from __future__ import annotations

import asyncio
import csv
import os
import signal
import stat
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db.models import Model
from pytest_django import Settings

from accounts.models import IdToken, Tenant
from accounts.services import token_changes
from chargepoints.keys import verify_key
from chargepoints.models import ChargePoint
from csms_project.demo import catalog, seeding
from csms_project.demo.chargers import run_chargers, simulator_command, write_keys
from csms_project.demo.plan import plan_month
from csms_project.demo.removal import owned_models, remove_demo
from csms_project.demo.seeding import DemoError, ensure_demo, live_keys
from tests.factories import (
    T0,
    ChargePointFactory,
    CommandFactory,
    LocalListContentFactory,
    LocalListFactory,
    MeterValueFactory,
    TenantFactory,
)
from transactions.choices import TransactionState
from transactions.models import MeterLayout, MeterValue, Transaction

DAYS = 2


# ---------------------------------------------------------------- the plan


def test_plan_of_the_same_seed_is_the_same_month() -> None:
    assert plan_month(until=T0, seed=1) == plan_month(until=T0, seed=1)
    assert plan_month(until=T0, seed=1) != plan_month(until=T0, seed=2)


def test_plan_is_a_busy_month_that_ends_now() -> None:
    sessions = plan_month(until=T0)
    assert 300 < len(sessions) < 1500
    assert max(session.ended_at for session in sessions) <= T0
    assert min(session.started_at for session in sessions) >= T0 - timedelta(days=31)
    assert {session.identity for session in sessions} == {spec.identity for spec in catalog.CHARGERS}


def test_plan_never_has_two_sessions_on_a_connector() -> None:
    free_from: dict[tuple[str, int], object] = {}
    registers: dict[tuple[str, int], int] = {}
    for session in plan_month(until=T0):
        place = (session.identity, session.connector)
        assert session.started_at >= free_from.get(place, session.started_at)  # type: ignore[operator]
        assert session.meter_start_wh == registers.get(place, session.meter_start_wh)
        free_from[place], registers[place] = session.ended_at, session.meter_stop_wh


def test_plan_has_meters_that_only_rise() -> None:
    for session in plan_month(until=T0):
        curve = [
            session.meter_start_wh,
            *(sample.register_wh for sample in session.samples),
            session.meter_stop_wh,
        ]
        assert curve == sorted(curve)


# ---------------------------------------------------------------- seeding


@pytest.fixture
def demo(db: None) -> Tenant:
    return ensure_demo(now=T0, days=DAYS).tenant


def test_demo_has_two_sites_a_dozen_chargers_tags_and_prices(demo: Tenant) -> None:
    counts = {model.__name__: model._default_manager.filter(tenant=demo).count() for model in owned_models()}
    assert (counts["Location"], counts["ChargePoint"], counts["Tariff"]) == (2, 12, 3)
    assert counts["IdToken"] == len(catalog.TAGS)
    assert counts["Driver"] == len(catalog.DRIVERS)


def test_demo_sessions_are_priced_and_explained_and_unsuspicious(demo: Tenant) -> None:
    sessions = Transaction.objects.for_tenant(demo)
    assert len(sessions) == len(plan_month(until=T0, days=DAYS))
    for row in sessions:
        assert row.state == TransactionState.ENDED
        assert row.flags == []
        assert row.energy_wh == row.meter_stop_wh - row.meter_start_wh
        assert row.cost == 0 if row.is_free else row.cost > 0 or row.energy_wh == 0
        assert {"start", "stop", "energy", "cost"} <= set(row.ledger.values_list("kind", flat=True))
    assert MeterValue.objects.filter(tenant=demo).exists()


def test_demo_made_twice_is_made_once(demo: Tenant) -> None:
    before = Transaction.objects.count()
    again = ensure_demo(now=T0 + timedelta(days=1))
    assert not again.was_made
    assert again.tenant == demo
    assert Transaction.objects.count() == before


def test_tenant_of_somebody_else_with_that_name_is_not_touched(db: None) -> None:
    TenantFactory(slug="demo")
    with pytest.raises(DemoError, match="is not the demo"):
        ensure_demo(now=T0)
    assert remove_demo() is None
    assert Tenant.objects.filter(slug="demo").exists()


def test_charger_of_somebody_else_with_a_demo_name_is_not_touched(charge_point: ChargePoint) -> None:
    ChargePointFactory(tenant=charge_point.tenant, identity=catalog.CHARGERS[0].identity.lower())
    with pytest.raises(DemoError, match="exists in another tenant"):
        ensure_demo(now=T0)
    assert not Tenant.objects.filter(slug="demo").exists()


def test_live_keys_are_those_of_the_chargers(demo: Tenant) -> None:
    keys = live_keys(demo)
    assert len(keys) == sum(spec.is_live for spec in catalog.CHARGERS)
    for station in ChargePoint.objects.filter(identity__in=keys):
        assert verify_key(keys[station.identity].encode(), station.key_hash)


def test_live_keys_follow_a_rotated_secret(demo: Tenant, settings: Settings) -> None:
    old = live_keys(demo)
    settings.CHARGER_KEY_PEPPERS = ["another-secret-of-the-installation"]
    new = live_keys(demo)
    identity = next(iter(new))
    assert new[identity] != old[identity]
    assert verify_key(new[identity].encode(), ChargePoint.objects.get(identity=identity).key_hash)


# ---------------------------------------------------------------- removal


def _rows(exclude: type[Model] | None = None) -> dict[str, int]:
    models = [model for model in apps.get_models() if model is not exclude]
    return {model._meta.label: model._base_manager.count() for model in models}


def _keep_a_list(charge_point: ChargePoint) -> None:
    """What people leave behind at a charger: a list of some tags, one that it holds, and a change on its way."""
    tenant = charge_point.tenant
    held = LocalListContentFactory(tenant=tenant, tags={"A": "Accepted"})
    row = LocalListFactory(
        charge_point=charge_point, holds=held, command=CommandFactory(charge_point=charge_point)
    )
    row.tokens.add(IdToken.objects.filter(tenant=tenant).first())
    token_changes.note(tenant.pk)


def test_removal_leaves_everything_as_it_was(
    charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    MeterValueFactory(charge_point=charge_point)
    # Layouts say what values mean; they belong to no tenant.
    before = _rows(exclude=MeterLayout)
    ensure_demo(now=T0, days=DAYS)
    assert _rows(exclude=MeterLayout) != before
    _keep_a_list(ChargePoint.objects.get(identity=catalog.CHARGERS[0].identity))
    deleted = remove_demo()
    assert deleted is not None
    assert deleted > 100
    assert _rows(exclude=MeterLayout) == before


def test_removal_without_a_demo_does_nothing(charge_point: ChargePoint) -> None:
    assert remove_demo() is None


def test_every_model_of_a_tenant_is_removed() -> None:
    with_tenant = {
        model
        for model in apps.get_models()
        if any(field.related_model is Tenant for field in model._meta.fields)
    }
    assert with_tenant == set(owned_models())


def test_command_makes_and_removes(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, "plan_month", lambda **_: [])
    out = StringIO()
    call_command("demo", stdout=out)
    call_command("demo", stdout=out)
    call_command("demo", "--remove", stdout=out)
    call_command("demo", "--remove", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "The demo tenant is made."
    assert lines[1] == "The demo tenant exists."
    assert lines[2].startswith("The demo is removed: ")
    assert lines[3] == "There is no demo tenant."


def test_command_reports_a_name_that_is_taken(db: None) -> None:
    TenantFactory(slug="demo")
    with pytest.raises(CommandError, match="is not the demo"):
        call_command("demo")


# ---------------------------------------------------------------- the chargers' process


def test_keys_file_is_for_its_owner_only_and_renewed(tmp_path: Path) -> None:
    write_keys({"A": "old"}, tmp_path)
    path = write_keys({"A": "one", "B": "two"}, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        assert list(csv.reader(file)) == [["A", "one"], ["B", "two"]]


def test_simulator_accepts_the_command_line(tmp_path: Path) -> None:
    from ocpp_gateway.simulator.config import parse

    keys = write_keys({"DEMO-1": "k" * 40}, tmp_path)
    command = simulator_command(url="ws://127.0.0.1:1/ocpp", keys=keys)
    config, _ = parse(command[3:], prog="simulator")
    assert config.identities == ["DEMO-1"]
    assert config.tolerate_outages
    live = [spec for spec in catalog.CHARGERS if spec.is_live]
    assert config.ocpp == tuple(spec.ocpp for spec in live)
    assert {"1.6", "2.0.1", "2.1"} == set(config.ocpp)
    assert config.cables == (1, 2)
    assert not any("k" * 40 in part for part in command)


@pytest.mark.server
def test_chargers_end_when_their_parent_dies(tmp_path: Path) -> None:
    keys = write_keys({"DEMO-1": "k" * 40}, tmp_path)
    child = simulator_command(url="ws://127.0.0.1:1/ocpp", keys=keys)
    parent = (
        "import subprocess, sys, os, signal\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent, *child],
        cwd=django_settings.BASE_DIR,
        stdout=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    # The pipe that we read is the child's too: run() returned because the child has ended and closed it.
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.strip().isdigit()


@pytest.mark.server
def test_task_ends_its_process_when_told_to_stop(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    code = (
        "import os, pathlib, sys\n"
        f"pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\n"
        "sys.stdin.read()\n"
    )

    async def main() -> None:
        stop = asyncio.Event()
        task = asyncio.ensure_future(run_chargers([sys.executable, "-c", code])(stop))
        async with asyncio.timeout(20):
            while not (marker.exists() and marker.read_text()):
                await asyncio.sleep(0.01)
            stop.set()
            await task

    asyncio.run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)
