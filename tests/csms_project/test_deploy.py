"""The examples in deploy/: what they call exists, and what they set is documented."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import load_command_class

DEPLOY: Path = settings.BASE_DIR / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OURS = {"gateway", "prepare", "up", "web", "worker"}


def _check(arguments: list[str]) -> None:
    """A command line after `manage.py` that must be understood."""
    name, *rest = arguments
    if name in OURS:
        load_command_class("csms_project", name).create_parser("manage.py", name).parse_args(rest)
    else:
        assert name in {"check", "collectstatic"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_starts_a_command_that_exists(unit: Path) -> None:
    lines = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        python, script, *arguments = shlex.split(line.replace("%i", "8001"))
        assert (python, script) == ("/srv/csms/.venv/bin/python", "manage.py")
        _check(arguments)


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if "prepare" not in unit.name], ids=lambda unit: unit.name
)
def test_unit_gives_a_process_the_time_that_it_needs(unit: Path) -> None:
    text = unit.read_text()
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0]) > 28
    assert "Type=notify" in text
    assert "Restart=always" in text


def test_variables_of_the_environment_file_are_documented() -> None:
    text = (DEPLOY / "csms.env.example").read_text()
    names = {name.removesuffix("_FILE") for name in re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)}
    documented = set(
        re.findall(r"^\| `([A-Z_]+)`", (settings.BASE_DIR / "docs/settings.md").read_text(), re.MULTILINE)
    )
    assert {"DATABASE_URL", "SECRET_KEY"} <= names
    assert names <= documented


def test_containers_start_commands_that_exist_with_files_that_exist() -> None:
    folder = DEPLOY / "container"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    for name in ("prepare", "gateway", "web", "worker"):
        _check(services[name]["command"])
        assert services[name]["stop_grace_period"] == "35s"
    mounted = [volume.split(":")[0] for volume in services["proxy"]["volumes"]]
    assert [path for path in mounted if path != "./tls" and not (folder / path).exists()] == []
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (folder / "Containerfile").read_text(), re.MULTILINE)
    assert [path for line in copied for path in line.split() if not (settings.BASE_DIR / path).exists()] == []


def test_proxy_keeps_the_path_as_it_was_sent() -> None:
    gateway = (DEPLOY / "nginx" / "csms-gateway.conf").read_text()
    assert re.findall(r"^proxy_pass (.*);$", gateway, re.MULTILINE) == ["http://csms_gateways"]
    assert "proxy_set_header Upgrade" in gateway
    timeout = int(re.findall(r"proxy_read_timeout (\d+)s", gateway)[0])
    assert timeout > settings.OCPP_PING_INTERVAL_S + settings.OCPP_PONG_TIMEOUT_S
