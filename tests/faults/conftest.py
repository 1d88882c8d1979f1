"""One site for all fault tests that do not need a server of their own; it is whole at the start of each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.site import Site

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest.fixture(scope="session")
def whole_site() -> Iterator[Site]:
    """The site; its processes end with the run."""
    site = Site()
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def site(whole_site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The site, every part of which runs; the logs are shown when the test fails."""
    whole_site.mend()
    yield whole_site
    if request.node.stash.get(_failed, True):
        sys.stdout.write(whole_site.tell())
    complaints = whole_site.complaints()
    whole_site.remove_extra_servers()
    assert complaints == []
