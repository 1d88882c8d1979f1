"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from accounts.choices import Role
from accounts.permissions import PERMISSIONS
from csms_project.common import metrics
from csms_project.common.jobs import registered

DOCS = settings.BASE_DIR / "docs"
PAGES = sorted([*DOCS.glob("*.md"), settings.BASE_DIR / "README.md", settings.BASE_DIR / "CHANGELOG.md"])


def _rows(page: Path) -> list[list[str]]:
    """Cells of all table rows of a page, headers included."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _names(page: Path) -> set[str]:
    return {match for row in _rows(page) for match in re.findall(r"^`([A-Z][A-Z0-9_]+)`$", row[0])}


def test_every_variable_of_the_settings_is_documented_and_no_other() -> None:
    code = (settings.BASE_DIR / "csms_project" / "settings.py").read_text()
    calls = re.findall(r"\b(?:env\.\w+|load_secret|read_secret)\(\s*([^,)]+)", code)
    read = {name for call in calls for name in re.findall(r'"([A-Z][A-Z0-9_]+)"', call)}
    outside = {"PROMETHEUS_MULTIPROC_DIR"}  # of the metrics library
    assert _names(DOCS / "settings.md") == read | outside


def test_permission_table_is_that_of_the_code() -> None:
    table = {
        row[0].strip("`"): row[1:] for row in _rows(DOCS / "security.md") if "." in row[0] and len(row) == 6
    }
    expected = {
        action: ["✓" if role in roles else "" for role in Role] for action, roles in PERMISSIONS.items()
    }
    assert table == expected
    header = next(row for row in _rows(DOCS / "security.md") if row[0] == "Action")
    assert header[1:] == [role.label for role in Role]


def test_metrics_and_jobs_are_in_the_deployment_guide() -> None:
    text = (DOCS / "deployment.md").read_text()
    missing = [name for name in metrics.metric_names() if f"`{name}" not in text]
    missing += [item.name for item in registered() if f"`{item.name}`" not in text]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    text = (settings.BASE_DIR / "README.md").read_text()
    assert [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in text] == []
