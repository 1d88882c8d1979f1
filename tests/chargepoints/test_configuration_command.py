"""Configurations on the command line."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Tenant
from chargepoints.models import ChargePoint, ConfigurationTemplate, FleetTask
from chargepoints.services.variables import Entry, store_snapshot
from csms_project.common.models import AuditEntry
from tests.factories import T0, ChargePointFactory, ConfigurationTemplateFactory

OURS = ("--tenant", "acme")


def run(*arguments: str) -> list[str]:
    """The lines that the command writes."""
    out = StringIO()
    call_command("configuration", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture(autouse=True)
def drifting(charge_point: ChargePoint, tenant: Tenant) -> ConfigurationTemplate:
    store_snapshot(
        charge_point.pk,
        [
            Entry(key="HeartbeatInterval", value="60"),
            Entry(key="NumberOfConnectors", value="2", is_readonly=True),
        ],
        unknown=["Strange"],
        at=T0,
        is_complete=True,
    )
    made: ConfigurationTemplate = ConfigurationTemplateFactory(
        tenant=tenant, name="Base", entries={"HeartbeatInterval": "300", "NumberOfConnectors": "3"}
    )
    return made


def test_show_tells_the_keys_and_their_marks() -> None:
    assert run("show", "cp-a") == [
        "All keys were read on 2026-03-02 10:00 UTC.",
        "HeartbeatInterval = 60",
        "NumberOfConnectors = 2  (read-only)",
        "Strange = –  (unknown to the charger)",
    ]


def test_compare_tells_the_differences(tenant: Tenant) -> None:
    other = ChargePointFactory(tenant=tenant, identity="CP-Z")
    store_snapshot(other.pk, [Entry(key="HeartbeatInterval", value="60")])
    assert run("compare", "CP-A", "CP-Z") == ["NumberOfConnectors: 2 | never listed (differs)"]
    assert len(run("compare", "CP-A", "CP-Z", "--all")) == 3
    assert run("compare", "CP-A", "CP-A") == ["No differences."]


def test_drift_tells_what_differs_and_why(other_charge_point: ChargePoint) -> None:
    assert run("drift", *OURS) == [
        "CP-A  HeartbeatInterval: 60 → 300  Differs, Base.",
        "CP-A  NumberOfConnectors: 2 → 3  Read-only, Base. The charger takes no value for this key.",
        "1 chargers with a template, 0 in line.",
    ]


def test_apply_shows_and_sends_only_when_told_so() -> None:
    lines = run("apply", "CP-A", "--template", "Base", *OURS)
    assert lines[-1] == "Nothing was sent: add --yes to send them."
    assert not FleetTask.objects.exists()

    run("apply", "CP-A", "--yes", "--reset", "--expires-in", "60", *OURS)
    task = FleetTask.objects.get()
    assert list(task.items.values_list("action", flat=True)) == ["change_configuration", "reset"]
    assert task.expires_in == 60
    assert AuditEntry.objects.get(action="fleet.start").via == "cli"


def test_export_and_import_carry_a_template(tmp_path: Path, other_tenant: Tenant) -> None:
    file = tmp_path / "template.json"
    file.write_text("\n".join(run("export", "Base", *OURS)))
    assert json.loads(file.read_text())["name"] == "Base"
    lines = run("import", str(file), "--tenant", "rival")
    assert lines == ["Template “Base” was made.", "It is not in use yet: check it first."]
    assert ConfigurationTemplate.objects.get(tenant=other_tenant).entries.count() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nobody"), "There is no charge point “nobody”."),
        (("drift", "CP-B", *OURS), "There is no charge point “CP-B”."),
        (("drift", "--tenant", "nobody"), "There is no organisation “nobody”."),
        (("drift", "--site", "Nowhere", *OURS), "There is no location “Nowhere”."),
        (("drift", "--template", "None", *OURS), "There is no template “None”."),
        (("export", "None", *OURS), "There is no template “None”."),
        (("import", "/nowhere.json", *OURS), "cannot be read"),
        (("apply", "--yes", "--tenant", "rival"), "There is nothing to send"),
    ],
)
def test_what_is_not_there_is_told(
    arguments: tuple[str, ...], words: str, other_charge_point: ChargePoint
) -> None:
    with pytest.raises(CommandError, match=words.replace("“", ".").replace("”", ".")):
        run(*arguments)
