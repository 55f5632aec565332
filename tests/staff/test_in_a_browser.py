"""The desk in a real browser, under the policy that allows nothing inline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django_otp.oath import totp

from staff.models import AuthenticatorApp
from tests.browser import CHROMIUM, Browser
from tests.house import House
from tests.staff.conftest import GRACE, PASSWORD, somebody

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
    pytest.mark.real_sign_in,
]


def test_from_signing_in_to_a_revealed_address(live_server: Any, house: House, tmp_path: Path) -> None:
    house.give_and_pay(interval="month", amount=500, **GRACE)
    somebody("support", "sam")
    with Browser(tmp_path / "profile") as page:
        page.open(f"{live_server.url}/admin/login/?next=/admin/members/member/")
        page.click("#id_username")
        page.type("sam")
        page.click("#id_password")
        page.type(PASSWORD)
        page.click("button.default")
        page.wait_for("document.querySelector('img.qr')?.naturalWidth > 100")
        device = AuthenticatorApp.objects.get()
        page.click("#id_code")
        page.type(f"{totp(device.secret):06d}")
        page.click("button.default")
        page.wait_for("document.querySelectorAll('.codes li').length === 10")

        page.open(f"{live_server.url}/admin/")
        page.click(".find [name=q]")
        page.type(GRACE["email"])
        page.click(".find button")
        page.wait_for("document.querySelector('header.person h1')?.innerText === '•••••'")
        assert GRACE["name"] not in page.run("document.body.innerText")
        page.click("header.person .button")
        page.wait_for("document.querySelector('#id_why') !== null")
        page.click("#id_why")
        page.type("Gracelyn asks where her receipt is.")
        page.click("button.default")
        page.wait_for(f"document.querySelector('header.person h1')?.innerText === {GRACE['name']!r}")
        assert (
            page.run("getComputedStyle(document.querySelector('#header')).backgroundColor")
            == "rgb(15, 76, 92)"
        )
        assert page.complaints == []
