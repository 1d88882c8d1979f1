"""What is sent after a boot because a template says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Tenant
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.errors import ChargePointsError
from chargepoints.models import ChargePoint, Command, ConfigurationTemplate, Connection, VariableChange
from chargepoints.services import boot_settings, drift
from chargepoints.services.variables import Entry, store_snapshot
from chargepoints.wanted import PROFILE, Source, Value
from tests.factories import ConfigurationTemplateFactory, ModelProfileFactory

pytestmark = pytest.mark.usefixtures("connection")


@pytest.fixture
def template(tenant: Tenant) -> ConfigurationTemplate:
    made: ConfigurationTemplate = ConfigurationTemplateFactory(
        tenant=tenant, entries={"HeartbeatInterval": "300"}, apply_at_boot=True
    )
    return made


@pytest.fixture
def booted(template: ConfigurationTemplate, charge_point: ChargePoint) -> ChargePoint:
    return boot(charge_point)


def boot(charge_point: ChargePoint) -> ChargePoint:
    charge_point.last_boot_at = timezone.now()
    charge_point.save(update_fields=["last_boot_at"])
    return charge_point


def tell(charge_point: ChargePoint, value: str, command: Command | None = None) -> None:
    store_snapshot(
        charge_point.pk, [Entry(key="HeartbeatInterval", value=value)], is_complete=True, command=command
    )


def step(**later: Any) -> int:
    return boot_settings.step(timezone.now() + timedelta(**later))


def sent() -> list[tuple[str, dict[str, Any]]]:
    return list(Command.objects.order_by("pk").values_list("action", "payload"))


READ: tuple[str, dict[str, Any]] = ("get_configuration", {})
SET = ("change_configuration", {"key": "HeartbeatInterval", "value": "300"})


def test_boot_is_followed_by_a_read_and_then_by_what_differs_once(booted: ChargePoint) -> None:
    step()
    step()
    assert sent() == [READ]

    tell(booted, "60", Command.objects.get())
    step()
    step()
    assert sent() == [READ, SET]
    command = Command.objects.get(action="change_configuration")
    assert (command.requested_by, command.requested_by_name, command.requested_via) == (
        None,
        "boot settings",
        "job",
    )


def test_boot_of_a_charger_in_line_sends_nothing(booted: ChargePoint) -> None:
    tell(booted, "300")
    assert step() == 1
    assert step() == 0
    assert sent() == []


def test_boot_that_orders_the_read_itself_is_not_read_twice(booted: ChargePoint, tenant: Tenant) -> None:
    tenant.auto_configure = True
    tenant.save()
    step()
    assert sent() == []
    tell(booted, "60")
    step()
    assert sent() == [SET]


def test_boot_whose_own_read_fails_is_read_after_a_while(booted: ChargePoint) -> None:
    booted.auto_configure = True
    booted.save()
    step()
    assert sent() == []
    step(minutes=3)
    assert sent() == [READ]


def test_next_boot_sends_again_what_the_charger_has_lost(booted: ChargePoint) -> None:
    tell(booted, "60")
    step()
    commands.complete(Command.objects.get().pk, status=CommandStatus.ACCEPTED)
    boot(booted)
    tell(booted, "60")
    step()
    assert sent() == [SET, SET]


def test_charger_that_boots_again_and_again_gets_a_value_a_few_times_an_hour(booted: ChargePoint) -> None:
    for _ in range(6):
        tell(booted, "60")
        step()
        for command in Command.objects.filter(status=CommandStatus.QUEUED):
            commands.complete(command.pk, status=CommandStatus.ACCEPTED)
        boot(booted)
    assert sent() == [SET] * boot_settings.MAX_TRIES


@pytest.mark.parametrize("change", ["template", "firmware"])
def test_refused_value_is_sent_again_only_after_a_change(
    change: str, booted: ChargePoint, template: ConfigurationTemplate
) -> None:
    tell(booted, "60")
    step()
    commands.complete(Command.objects.get().pk, status=CommandStatus.REJECTED)
    boot(booted)
    tell(booted, "60")
    step()
    assert len(sent()) == 1

    if change == "template":
        template.entries.update(value="301")
    else:
        booted.firmware_version = "2.0"
        booted.save()
    boot(booted)
    tell(booted, "60")
    step()
    assert len(sent()) == 2


def test_boot_before_the_template_was_changed_is_left_alone(
    booted: ChargePoint, template: ConfigurationTemplate
) -> None:
    tell(booted, "60")
    template.save()  # changed after the boot
    step()
    assert sent() == []


@pytest.mark.parametrize(
    "values",
    [
        {"registration_status": "Pending"},
        {"archived_at": timezone.now()},
        {"last_boot_at": timezone.now() - timedelta(hours=2)},
        {"last_boot_at": None},
    ],
    ids=["pending", "archived", "long ago", "never"],
)
def test_charger_that_may_not_or_need_not_be_set_is_left_alone(
    values: dict[str, Any], booted: ChargePoint
) -> None:
    ChargePoint.objects.filter(pk=booted.pk).update(**values)
    assert step() == 0
    assert sent() == []


def test_offline_charger_is_left_alone(booted: ChargePoint) -> None:
    Connection.objects.all().delete()
    assert step() == 0
    assert sent() == []


def test_template_without_apply_at_boot_sends_nothing(
    template: ConfigurationTemplate, booted: ChargePoint
) -> None:
    template.apply_at_boot = False
    template.save()
    boot(booted)
    tell(booted, "60")
    assert step() == 0
    assert sent() == []


def test_value_of_a_template_that_does_not_apply_at_boot_overrules_one_that_does(
    booted: ChargePoint, tenant: Tenant
) -> None:
    ConfigurationTemplateFactory(tenant=tenant, entries={"HeartbeatInterval": "900"}, priority=5)
    boot(booted)
    tell(booted, "60")
    step()
    assert sent() == []


def test_charger_that_no_template_fits_is_not_read(
    booted: ChargePoint, template: ConfigurationTemplate
) -> None:
    template.model = "Other*"
    template.save()
    boot(booted)
    assert step() == 1
    assert step() == 0
    assert sent() == []


def test_changes_that_the_read_finds_are_reported_after_boot(booted: ChargePoint) -> None:
    tell(booted, "10")
    boot(booted)
    Command.objects.all().delete()
    step()
    tell(booted, "60", Command.objects.get(action="get_configuration"))
    assert VariableChange.objects.get().source == "boot"


def test_order_that_is_refused_leaves_the_others_alone(
    booted: ChargePoint, tenant: Tenant, template: ConfigurationTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    template.entries.create(tenant=tenant, key="A", value="1")
    queue = commands.queue

    def refuse(**order: Any) -> Command:
        if order["payload"]["key"] == "A":
            raise ChargePointsError("No.")
        return queue(**order)

    monkeypatch.setattr(commands, "queue", refuse)
    store_snapshot(
        booted.pk,
        [Entry(key="A", value="x"), Entry(key="HeartbeatInterval", value="60")],
        is_complete=True,
    )
    assert step() == 1
    assert sent() == [SET]


def test_boot_settings_of_another_source_are_sent(
    charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (Value(key="HeartbeatInterval", text="300"),)
    profile = Source(label="Model profile", values=values, layer=PROFILE, apply_at_boot=True)
    monkeypatch.setattr(drift, "_loaders", [])
    drift.register_sources(lambda tenants: {pk: [profile] for pk in tenants})
    boot(charge_point)
    tell(charge_point, "60")
    step()
    assert sent() == [SET]


@pytest.mark.parametrize("auto", [True, False])
def test_model_profile_is_sent_to_chargers_that_may_be_set_up(auto: bool, charge_point: ChargePoint) -> None:
    profile = ModelProfileFactory(
        tenant=charge_point.tenant,
        boot_configuration={"HeartbeatInterval": "300", "AuthorizationKey": "x" * 20},
    )
    charge_point.model_profile, charge_point.auto_configure = profile, auto
    charge_point.save()
    boot(charge_point)
    tell(charge_point, "60")
    step()
    assert sent() == ([SET] if auto else [])
    (row,) = drift.report(drift.Scope(tenant=charge_point.tenant)).rows
    assert (row.key, row.wanted.source.template_id) == ("HeartbeatInterval", None)


def test_model_profile_that_a_charger_does_not_follow_wants_nothing(charge_point: ChargePoint) -> None:
    ModelProfileFactory(tenant=charge_point.tenant, boot_configuration={"HeartbeatInterval": "300"})
    tell(charge_point, "60")
    assert drift.report(drift.Scope(tenant=charge_point.tenant)).covered == 0
