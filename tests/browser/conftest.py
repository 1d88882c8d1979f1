"""A browser at the admin of a running demo.  Pages may speak to their own host only, and without errors."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.product import ENVIRONMENT, Database, Product

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 375, "height": 812}


@dataclass
class Site:
    """Where the admin is, and pages at it."""

    base: str
    browser: Browser
    troubles: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, *, phone: bool = False, dark: bool = False) -> Page:
        """A new visitor."""
        context = self.browser.new_context(
            base_url=self.base,
            viewport={**(PHONE if phone else DESKTOP)},  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            has_touch=phone,
        )
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on(
            "console", lambda m: self.troubles.append(f"{m.type}: {m.text}") if m.type == "error" else None
        )
        page.on("request", lambda request: self._check(request.url))
        return page

    def sign_in(self, *, tenant: str = "Demo Charging", phone: bool = False, dark: bool = False) -> Page:
        """The administrator of the installation, at home in a tenant."""
        page = self.open(phone=phone, dark=dark)
        page.goto("/admin/login/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(ENVIRONMENT["CSMS_ADMIN_PASSWORD"])
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/")
        with page.expect_navigation():
            page.get_by_label("Organisation").select_option(label=tenant)
        return page

    def _check(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.troubles.append(f"another host: {url}")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory: Path = tmp_path_factory.mktemp("demo")
    command = ("manage.py", "up", "--demo", "--port", "{port}")
    product = Product(database=Database(directory).create(), directory=directory, command=command).start()
    yield product
    product.stop()
    product.database.drop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


@pytest.fixture
def site(demo: Product, browser: Browser) -> Iterator[Site]:
    site = Site(base=f"http://127.0.0.1:{demo.port}", browser=browser)
    yield site
    for context in site.contexts:
        context.close()
    assert site.troubles == []
