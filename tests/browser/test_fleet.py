"""Tasks for many chargers, and warnings before sending, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_admin import charge_point, too_wide

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def start_task(page: Page) -> None:
    """Read one key of all chargers that the first page lists."""
    page.goto("/admin/chargepoints/chargepoint/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("command_get_configuration")
    page.locator("button[name=index]").click()
    page.locator("#id_keys").fill("HeartbeatInterval")
    page.locator("#id_task_title").fill("Read the interval")
    page.locator("form.cs-card button[type=submit]").click()
    expect(page).to_have_url(re.compile(r"/fleettask/\d+/change/"))


def test_task_is_started_from_the_list_and_shows_its_outcomes_by_itself(site: Site) -> None:
    page = site.sign_in()
    start_task(page)
    expect(page.locator("#live")).to_contain_text("Read the interval")
    orders = page.locator("#orders")
    # Demo chargers are offline now and then: of all of them some answer, and the task ends.
    expect(orders.locator("td .cs-chip", has_text="Accepted").first).to_be_visible(timeout=60_000)
    expect(page.locator("#live .cs-chip", has_text="Done")).to_be_visible(timeout=60_000)
    expect(orders.get_by_role("link", name="Command").first).to_be_visible()
    orders.get_by_role("link", name=re.compile(r"^Accepted \d+$")).click()
    expect(page).to_have_url(re.compile("status=accepted"))
    with page.expect_download() as saved:
        page.get_by_role("link", name="Export as CSV").click()
    assert saved.value.suggested_filename.startswith("task-")
    path = page.url
    phone = site.sign_in(phone=True)
    phone.goto(path)
    assert not too_wide(phone)


def test_what_speaks_against_a_command_is_shown_before_it_is_sent(site: Site) -> None:
    page = site.sign_in()
    own = charge_point(page)
    page.goto(own.replace("/change/", "/command/remote_start/"))
    page.locator("#id_id_token").fill("NOBODY")
    page.locator("#id_if_offline").select_option("3600")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The tag NOBODY is not known here")
    expect(page.locator("#id_id_token")).to_have_value("NOBODY")
    page.get_by_role("button", name="Send anyway").click()
    expect(page).to_have_url(re.compile("tab=commands"))
