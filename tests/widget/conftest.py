"""
A newspaper's page in a real browser, beside the real server and the offline Stripe.

The page lies at `localhost`, Sustainer at `127.0.0.1`: two origins, so that every call crosses from one to the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from tests import factories
from tests.browser import CHROMIUM
from tests.house import House

# A page that a test makes up lies nowhere, and so not on this machine: Chromium would have to ask first.
_FLAGS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each gets a profile of its own in it."""
    # Playwright's synchronous way runs a loop in this thread, by which Django thinks that we are asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Paper:
    """A newspaper's pages, as a reader sees them."""

    context: BrowserContext
    page: Page
    origin: str
    base: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, way: str = "", query: str = "", *, wait: bool = True) -> Locator:
        """The sample article with the widget in this way; returns the widget once its form is drawn."""
        self.page.goto(f"{self.origin}/dev/article/{way + '/' if way else ''}{query}")
        box = self.page.locator("sustainer-appeal")
        if wait:
            box.locator("form").first.wait_for(state="attached")
        return box

    def show(self, body: str, *, head: str = "", policy: str = "", path: str = "/page") -> Page:
        """A page of the test's own at the newspaper's origin."""
        html = (
            "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>News</title>"
            f"<script src='{self.base}/widget/v1.js' async></script>{head}</head><body>{body}</body></html>"
        )
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if policy:
            headers["Content-Security-Policy"] = policy
        self.page.route(f"{self.origin}{path}*", lambda route: route.fulfill(body=html, headers=headers))
        self.page.goto(f"{self.origin}{path}")
        return self.page

    def answers(self, **changes: Any) -> None:
        """From now on the campaign's answer has these fields as well (or other ones)."""

        def change(route: Any) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, json={**answer.json(), **changes})

        self.page.route("**/api/v1/campaigns/*/**", change)

    def pay(self, card: str = "4242424242424242") -> None:
        """On Stripe's page, as a reader does it."""
        self.page.wait_for_url("**/c/pay/**")
        if self.page.get_by_label("E-mail").is_editable():
            self.page.get_by_label("E-mail").fill("ada@example.org")
        self.page.get_by_label("Card number").fill(card)
        self.page.locator("button[value=pay]").click()

    def look_for_barriers(self) -> list[str]:
        """What axe finds on the page that is serious or critical for readers with disabilities."""
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def events(self) -> list[dict[str, Any]]:
        """What the widget told the page so far."""
        found: list[dict[str, Any]] = self.page.evaluate("window.heard")
        return found


AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
_LISTEN = """
window.heard = [];
for (const name of ["view", "interval", "amount", "continue", "reminder"]) {
  document.addEventListener(`sustainer:${name}`, (event) => heard.push({ name, ...event.detail }));
}
window.shifts = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) shifts.push(each.value);
}).observe({ type: "layout-shift", buffered: true });
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@pytest.fixture
def open_paper(
    chromium: Browser, live_server: Any, house: House, settings: Any
) -> Iterator[Callable[..., Paper]]:
    """Opens a browser profile at the newspaper: `open_paper(locale="ru-RU", width=320)`."""
    base = f"http://127.0.0.1:{live_server.thread.port}"
    origin = f"http://localhost:{live_server.thread.port}"
    settings.PUBLIC_BASE_URL = base
    settings.ALLOWED_ORIGINS = [origin]
    settings.CORS_ALLOWED_ORIGINS = [origin]
    factories.a_campaign(
        "podderzhite-nas", locale="ru", default_currency="EUR", title="Поддержите «Образцовую газету»"
    )
    papers: list[Paper] = []

    def make(*, locale: str = "en-US", width: int = 1000, height: int = 900, **more: Any) -> Paper:
        context = chromium.new_context(
            locale=locale, timezone_id="Europe/Riga", viewport={"width": width, "height": height}, **more
        )
        context.set_default_timeout(15_000)
        context.add_init_script(_LISTEN)
        paper = Paper(context, context.new_page(), origin, base)
        paper.page.on("pageerror", lambda error: paper.complaints.append(str(error)))
        paper.page.on("console", lambda said: said.type == "error" and paper.complaints.append(said.text))
        paper.page.on("request", lambda request: paper.requests.append(request.url))
        papers.append(paper)
        return paper

    yield make
    for paper in papers:
        paper.context.close()


@pytest.fixture
def paper(open_paper: Callable[..., Paper]) -> Paper:
    return open_paper()
