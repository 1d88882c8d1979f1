"""`manage.py fleet`: orders to many chargers on the command line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import Tenant
from chargepoints.choices import CommandStatus, FleetTaskState
from chargepoints.management.commands import fleet as fleet_command
from chargepoints.models import ChargePoint, FleetTask
from tests import factories
from tests.chargepoints.fleets import answer, chargers, statuses, step


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("fleet", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def home(tenant: Tenant) -> Tenant:
    """The tenant as the default one."""
    Tenant.objects.filter(slug=settings.DEFAULT_TENANT).delete()
    Tenant.objects.filter(pk=tenant.pk).update(slug=settings.DEFAULT_TENANT)
    tenant.refresh_from_db()
    return tenant


def identities(task: FleetTask) -> list[str]:
    return [item.charge_point.identity for item in task.items.order_by("pk")]


def test_send_to_all_of_the_default_organisation(home: Tenant, other_charge_point: ChargePoint) -> None:
    chargers(home, 2)
    out = run("send", "reset", "--payload", '{"kind": "Soft"}', "--all", "--batch-size", "1")

    task = FleetTask.objects.get()
    assert out == f"Task {task.pk} “Reset”: 2 charge points.\n"
    assert (task.title, task.batch_size, task.requested_via, identities(task)) == (
        "Reset",
        1,
        "cli",
        ["F-1", "F-2"],
    )
    assert task.items.earliest("pk").payload == {"kind": "Soft"}


def test_send_to_a_site_a_model_or_by_name(tenant: Tenant, charge_point: ChargePoint) -> None:
    factories.ChargePointFactory(tenant=tenant, identity="M", model="Wallbox")
    assert charge_point.location is not None
    for arguments, wanted in (
        (["--site", charge_point.location.name.upper(), "--tenant", "acme"], ["CP-A"]),
        (["--model", "wallbox", "--tenant", "acme"], ["M"]),
        (["--identity", "m", "--identity", "cp-a"], ["CP-A", "M"]),
    ):
        run("send", "clear_cache", *arguments)
        assert identities(FleetTask.objects.latest("pk")) == wanted


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["clear_cache"], "Say to whom"),
        (["clear_cache", "--identity", "CP-A", "--all"], "--identity goes alone"),
        (["clear_cache", "--identity", "NOBODY"], "There is no charge point “NOBODY”"),
        (["clear_cache", "--identity", "CP-A", "--tenant", "rival"], "There is no charge point"),
        (["clear_cache", "--identity", "CP-A", "--tenant", "none"], "There is no organisation “none”"),
        (["clear_cache", "--model", "X", "--tenant", "acme"], "No charge point fits"),
        (["reset", "--identity", "CP-A", "--payload", "{"], "--payload is not JSON"),
        (["reset", "--identity", "CP-A", "--payload", "[]"], "must be a JSON object"),
        (["reset", "--identity", "CP-A", "--payload", '{"kind": "x"}'], "kind: Must be one of"),
        (["make_coffee", "--identity", "CP-A"], "There is no command"),
        (["clear_cache", "--identity", "CP-A", "--batch-size", "0"], "batch_size: Must be"),
        (["clear_cache", "--identity", "CP-A", "--not-before", "soon"], "--not-before must be"),
        (["clear_cache", "--identity", "CP-A", "--not-before", "2026-13-45"], "--not-before must be"),
    ],
)
def test_what_is_wrong_is_said(charge_point: ChargePoint, arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        run("send", *arguments)
    assert not FleetTask.objects.exists()


def work(monkeypatch: pytest.MonkeyPatch, *answers: tuple[ChargePoint, CommandStatus]) -> None:
    """A worker and a gateway at work while the command line waits."""
    left = list(answers)

    def pause(seconds: float) -> None:
        step()
        while left:
            answer(*left.pop(0))

    monkeypatch.setattr(fleet_command, "pause", pause)


def test_wait_tells_the_outcome(home: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    (charge_point,) = chargers(home, 1)
    work(monkeypatch, (charge_point, CommandStatus.ACCEPTED))
    out = run("send", "clear_cache", "--all", "--wait", "30")
    assert out.splitlines()[-1].endswith("Done. 1/1 ended, 1 accepted.")


def test_wait_ends_with_code_2_when_an_order_failed(home: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = chargers(home, 2)
    work(monkeypatch, (first, CommandStatus.ACCEPTED), (second, CommandStatus.REJECTED))
    out = StringIO()
    with pytest.raises(CommandError, match="1 order failed") as caught:
        call_command("fleet", "send", "clear_cache", "--all", "--wait", "30", stdout=out)
    assert caught.value.returncode == 2
    assert "F-2  clear_cache  The charger refused." in out.getvalue()


def test_wait_that_is_over_too_soon_ends_with_code_3(home: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    chargers(home, 1)
    moments = iter([0.0, 0.0, 31.0])
    monkeypatch.setattr(fleet_command, "clock", lambda: next(moments))
    monkeypatch.setattr(fleet_command, "pause", lambda seconds: None)
    with pytest.raises(CommandError, match="goes on") as caught:
        run("send", "clear_cache", "--all", "--wait", "30")
    assert caught.value.returncode == 3


def test_list_show_retry_and_cancel(home: Tenant) -> None:
    here, _ = chargers(home, 2, online=False)
    factories.ConnectionFactory(charge_point=here)
    run("send", "clear_cache", "--all", "--title", "Night work")
    task = FleetTask.objects.get()
    number = str(task.pk)
    step()

    assert "0 accepted, 1 failed" in run("list", "--open")
    shown = run("show", number)
    assert f"Task {number} “Night work”: Running. 1/2 ended" in shown
    assert "  F-2  clear_cache  Offline  The charger was offline.\n" in shown
    assert "F-1" not in run("show", number, "--status", "offline")
    document: dict[str, Any] = json.loads(run("show", number, "--json"))
    assert document["counts"] == {"offline": 1, "under_way": 1}
    assert [item["charge_point"] for item in document["items"]] == ["F-1", "F-2"]

    assert "1 order again" in run("retry", number)
    assert statuses(task) == ["under_way", "waiting"]
    assert "Cancelled" in run("cancel", number)
    task.refresh_from_db()
    assert task.state == FleetTaskState.CANCELLED
    step()
    assert run("list", "--open") == "There are no tasks.\n"
    assert "2 orders again" in run("retry", number, "--with-cancelled")


@pytest.mark.parametrize("act", ["show", "retry", "cancel"])
def test_unknown_task_is_named(db: None, act: str) -> None:
    with pytest.raises(CommandError, match="There is no task 99"):
        run(act, "99")


def test_acts_that_are_not_possible_are_explained(home: Tenant) -> None:
    chargers(home, 1)
    run("send", "clear_cache", "--all")
    number = str(FleetTask.objects.get().pk)
    with pytest.raises(CommandError, match="Nothing of this task has failed"):
        run("retry", number)
    run("cancel", number)
    with pytest.raises(CommandError, match="has ended"):
        run("cancel", number)
    with pytest.raises(CommandError, match="There is no organisation"):
        run("list", "--tenant", "none")
