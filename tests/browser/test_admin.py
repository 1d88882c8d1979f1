"""The admin in a real browser: phones, dark mode, keyboard, live parts, charts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PATHS = [
    "/admin/",
    "/admin/chargepoints/chargepoint/",
    "/admin/chargepoints/chargepoint/add/",
    "/admin/chargepoints/fleettask/",
    "/admin/chargepoints/chargepoint/compare/",
    "/admin/chargepoints/configurationtemplate/",
    "/admin/chargepoints/configurationtemplate/add/",
    "/admin/chargepoints/configurationtemplate/drift/",
    "/admin/chargepoints/location/",
    "/admin/chargepoints/ocppmessage/",
    "/admin/chargepoints/refusedconnection/",
    "/admin/transactions/transaction/",
    "/admin/transactions/tariff/",
    "/admin/transactions/tariff/add/",
    "/admin/accounts/idtoken/",
    "/admin/accounts/idtoken/import/",
    "/admin/accounts/user/",
    "/admin/accounts/tenant/",
    "/admin/common/auditentry/",
]
TABS = ["overview", "sessions", "commands", "configuration", "messages", "events", "settings"]


def first_of(page: Page, listed: str) -> str:
    """Address of the first row of a list, without its query."""
    page.goto(listed)
    link = page.locator(f"#result_list a[href*='{listed}']").first.get_attribute("href")
    assert link is not None
    return link.partition("?")[0]


def charge_point(page: Page) -> str:
    return first_of(page, "/admin/chargepoints/chargepoint/")


def ended_session(page: Page) -> str:
    page.goto("/admin/transactions/transaction/?state__exact=ended")
    link = page.locator("#result_list a[href*='/transaction/']").first.get_attribute("href")
    assert link is not None
    return link.partition("?")[0]


def too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def test_pages_on_a_phone_do_not_scroll_sideways(site: Site) -> None:
    page = site.sign_in(phone=True)
    own = charge_point(page)
    paths = [*PATHS, ended_session(page), *(f"{own}?tab={tab}" for tab in TABS)]
    wide = []
    for path in paths:
        page.goto(path)
        wide += [path] if too_wide(page) else []
    assert wide == []


def test_menu_on_a_phone_opens_and_leads_on(site: Site) -> None:
    page = site.sign_in(phone=True)
    menu = page.locator("#nav-sidebar")
    expect(menu).to_be_hidden()
    page.locator("#header-inner .material-symbols-outlined:visible").first.click()
    menu.get_by_role("link", name="Sessions").click()
    expect(page).to_have_url(f"{site.base}/admin/transactions/transaction/")


def test_dark_mode_darkens_page_and_cards(site: Site) -> None:
    page = site.sign_in(dark=True)
    lightness = """selector => {
        const canvas = document.createElement('canvas').getContext('2d');
        canvas.fillStyle = getComputedStyle(document.querySelector(selector)).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
        return (r + g + b) / 3;
    }"""
    assert page.evaluate(lightness, "#main") < 60
    assert page.evaluate(lightness, ".cs-card") < 60
    assert page.evaluate(lightness, ".cs-tile") < 60


def test_login_and_first_page_work_by_keyboard_alone(site: Site) -> None:
    page = site.open()
    page.goto("/admin/login/")
    expect(page.locator("#id_username")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type("only for the tests")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")
    tile = page.locator(".cs-tile").first
    while not tile.evaluate("tile => tile === document.activeElement"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement !== document.body"), "focus left the page"
    assert tile.evaluate("tile => getComputedStyle(tile).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.base}/admin/chargepoints/chargepoint/")


@pytest.mark.parametrize("is_dark", [False, True])
def test_charts_of_a_session_are_visible(is_dark: bool, site: Site) -> None:
    page = site.sign_in(dark=is_dark)
    page.goto(ended_session(page))
    charts = page.locator(".cs-chart")
    expect(charts).to_have_count(2)
    for chart in charts.all():
        drawn = chart.screenshot()
        chart.locator(".cs-line, .cs-area").evaluate_all(
            "parts => parts.forEach(p => p.style.display = 'none')"
        )
        assert chart.screenshot() != drawn


def test_bars_of_the_home_page_have_height(site: Site) -> None:
    page = site.sign_in()
    heights = page.locator(".cs-column > div").evaluate_all("bars => bars.map(bar => bar.offsetHeight)")
    assert len(heights) == 14
    assert max(heights) > 100


def test_page_of_a_charge_point_refreshes_itself(site: Site) -> None:
    page = site.sign_in()
    page.goto(charge_point(page))
    with page.expect_response(lambda answer: answer.url.endswith("/live/")) as answer:
        page.evaluate("htmx.trigger('#live', 'load')")
    assert answer.value.status == 200
    expect(page.locator("#live .cs-title")).to_contain_text("DEMO-")


def test_live_part_after_the_end_of_the_session_leads_to_the_login(site: Site) -> None:
    page = site.sign_in()
    page.goto(charge_point(page))
    page.context.clear_cookies()
    page.wait_for_url("**/admin/login/**")
    assert any("401" in trouble for trouble in site.troubles)
    site.troubles.clear()


def test_tariff_is_priced_while_typing_and_rows_are_added(site: Site) -> None:
    page = site.sign_in()
    page.goto("/admin/transactions/tariff/add/")
    page.locator("#id_name").fill("Browser tariff")
    page.locator("#id_elements-0-energy_price").fill("0.5")
    expect(page.locator("#example")).to_contain_text("10.00 EUR")
    page.get_by_role("button", name="Add a row").click()
    expect(page.locator("#id_elements-1-energy_price")).to_be_focused()
    page.locator("#id_elements-1-flat_price").fill("1")
    expect(page.locator("#example")).to_contain_text("11.00 EUR")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Browser tariff").first).to_be_visible()


def test_charging_profile_is_drawn_while_typing_and_rows_are_added(site: Site) -> None:
    page = site.sign_in()
    page.goto("/admin/chargepoints/chargingprofile/add/")
    page.get_by_role("link", name="Night tariff").click()
    expect(page.locator("#preview svg")).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("06:00 10 A · 22:00 32 A")
    expect(page.locator("#id_elements-0-weekday")).to_be_hidden()
    page.get_by_role("button", name="Add a limit").click()
    expect(page.locator("#id_elements-2-at")).to_be_focused()
    page.locator("#id_elements-2-at").fill("12:00")
    page.locator("#id_elements-2-limit").fill("16")
    expect(page.locator("#preview")).to_contain_text("12:00 16 A")
    page.locator("#id_times").select_option("weekly")
    expect(page.locator("#id_elements-0-weekday")).to_be_visible()
    page.locator("#id_times").select_option("daily")
    page.locator("#id_name").fill("Browser profile")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Browser profile").first).to_be_visible()


def test_first_steps_lead_from_site_to_key(site: Site) -> None:
    page = site.sign_in(tenant="Default")
    steps = page.get_by_role("region", name="First steps")
    steps.get_by_role("link", name="Add a location").click()
    page.locator("#id_name").fill("Yard")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/admin/")
    steps.get_by_role("link", name="Register a charger").click()
    page.locator("#id_identity").fill("BROWSER-1")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#secret-1")).to_have_text(f"{site.base.replace('http', 'ws')}/ocpp/BROWSER-1")
    assert len(page.locator("#secret-3").inner_text()) >= 16
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.goto("/admin/")
    expect(steps.locator("li.done")).to_have_count(2)


def test_switch_of_the_tenant_changes_what_is_shown(site: Site) -> None:
    page = site.sign_in()
    page.goto("/admin/chargepoints/chargepoint/")
    expect(page.locator("#result_list")).to_contain_text("DEMO-")
    with page.expect_navigation():
        page.get_by_label("Organisation").select_option(label="Default")
    expect(page.get_by_text("DEMO-HAM-01")).to_have_count(0)


def test_forms_name_every_field(site: Site) -> None:
    page = site.sign_in()
    own = charge_point(page)
    nameless = """() => [...document.querySelectorAll('#content input, #content select, #content textarea')]
        .filter(f => f.type !== 'hidden' && f.offsetParent !== null)
        .filter(f => !f.labels?.length && !f.getAttribute('aria-label') && !f.getAttribute('aria-labelledby'))
        .map(f => f.name || f.id || f.outerHTML.slice(0, 80))"""
    found = {}
    for path in (
        "/admin/transactions/tariff/add/",
        "/admin/chargepoints/chargingprofile/add/",
        "/admin/chargepoints/chargingprofile/set/",
        f"{own.replace('change', 'command')}reset/",
        f"{own}?tab=settings",
    ):
        page.goto(path)
        found[path] = page.evaluate(nameless)
    assert found == {path: [] for path in found}


def test_live_part_says_that_it_is_old_while_the_server_does_not_answer(site: Site) -> None:
    page = site.sign_in()
    page.clock.install()
    page.reload()
    page.route("**/admin/home/live/", lambda route: route.abort())
    page.clock.run_for(11_000)
    notice = page.locator("#live-outage")
    expect(notice).to_contain_text("The server has not answered since")
    expect(page.locator("#live")).to_have_class("cs-stale")
    page.unroute("**/admin/home/live/")
    page.clock.run_for(11_000)
    expect(notice).to_have_count(0)
    expect(page.locator("#live")).not_to_have_class("cs-stale")
    # Browser and htmx tell of the request that was cut.
    expected = ("net::ERR_FAILED", "htmx:")
    site.troubles[:] = [text for text in site.troubles if not any(word in text for word in expected)]
