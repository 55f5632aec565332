"""A reader signs in from the mail, fetches everything that is kept, and is erased: in a real browser."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from members import clock, data_rights
from members.models import DataRequest, Member
from tests.account.conftest import GRACE, link_in_mail
from tests.browser import CHROMIUM
from tests.house import House
from tests.rights.conftest import settle
from tests.widget.conftest import AXE

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def page(chromium: Browser, live_server: Any, settings: Any) -> Iterator[Page]:
    settings.PUBLIC_BASE_URL = live_server.url
    context = chromium.new_context(locale="en-US", viewport={"width": 390, "height": 844})
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def barriers(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [each["id"] for each in found["violations"] if each["impact"] in ("serious", "critical")]


def test_a_reader_takes_everything_along_and_is_erased(givers: House, page: Page, settings: Any) -> None:
    base = settings.PUBLIC_BASE_URL
    page.goto(f"{base}/account/data/")
    page.get_by_label("The e-mail address with which you give").fill(GRACE)
    page.get_by_role("button", name="Send me a link").click()
    page.wait_for_url("**/sent/**")
    page.goto(base + link_in_mail())
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{base}/account/data/")
    assert barriers(page) == []

    page.get_by_role("button", name="Gather my data").click()
    page.get_by_text("We are gathering it").wait_for()
    data_rights.answer_waiting(now=clock.now())
    page.reload()
    assert barriers(page) == []
    with page.expect_download() as saved:
        page.get_by_role("link", name="Your data of").click()
    file = zipfile.ZipFile(io.BytesIO(Path(saved.value.path()).read_bytes()))
    assert {"everything.json", "payments.csv"} <= set(file.namelist())

    page.get_by_role("link", name="What that means, and how to do it").click()
    assert barriers(page) == []
    page.get_by_role("button", name="Erase me now").click()
    page.get_by_role("alert").wait_for()
    assert barriers(page) == []
    page.get_by_label("End my contribution as well, at once").check()
    page.get_by_label("I know that this cannot be undone").check()
    page.get_by_role("button", name="Erase me now").click()
    page.get_by_text("We are erasing everything").wait_for()
    assert barriers(page) == []

    settle(givers, DataRequest.objects.get(kind="ERASE"))
    page.reload()
    page.wait_for_url("**/account/sign-in/**")
    assert not Member.objects.filter(contributions__interval="month").exclude(email=b"").exists()
