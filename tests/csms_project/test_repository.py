"""What a fresh clone relies on."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
# In pieces, so that this file does not find itself.
REGISTRY = re.compile("pypi" + r"\.org|pythonhosted" + r"\.org|(?:extra-)?index" + "-url|--find" + "-links")


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


def test_every_locked_package_has_a_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text().strip())
        assert [entry.split(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_development_has_the_versions_of_production() -> None:
    production, development = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert {name: development.get(name) for name in production} == production


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lock, wanted in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-dev.lock", project["optional-dependencies"]["dev"]),
    ):
        names = {re.split(r"[\[>=<; ]", line)[0].lower() for line in wanted}
        assert names - _pins(lock).keys() == set()


def test_no_file_names_a_package_registry() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    assert [str(file) for file in files if REGISTRY.search(file.read_text(errors="replace"))] == []
