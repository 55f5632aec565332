"""The support page with its script, in a real browser under the real security policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from donations.models import Campaign, Contribution
from donations.money import Money
from tests import factories
from tests.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def page(live_server, stripe_sandbox, settings, tmp_path) -> Iterator[Browser]:
    """Chromium at the appeal."""
    settings.PUBLIC_BASE_URL = live_server.url
    factories.a_campaign()
    with Browser(tmp_path / "profile") as browser:
        browser.open(f"{live_server.url}/support/support-us/")
        yield browser


def text(page, selector: str) -> str:
    return str(page.run(f"document.querySelector('{selector}').innerText"))


def is_at_stripe(page, settings) -> None:
    page.wait_for(f"location.href.startsWith('{settings.STRIPE_API_BASE}/c/pay/')")


def test_continue_leads_to_stripes_page_in_the_same_tab(page, settings):
    page.click("label[for=interval-year]")
    page.click("label[for=amount-USD-year-2500]")
    page.click("#cover_fees")
    page.click("#email")
    page.type("grace@example.org")
    page.click("#continue")

    is_at_stripe(page, settings)
    contribution = Contribution.objects.get()
    assert (contribution.interval, contribution.amount) == ("year", Money(2500, "USD"))
    assert contribution.fee_cover_minor > 0
    assert contribution.email == "grace@example.org"
    assert contribution.idempotency_hash is not None
    assert page.complaints == []


def test_another_currency_shows_its_amounts_at_once_and_keeps_what_was_typed(page, settings):
    page.click("#email")
    page.type("ada@example.org")
    page.click("a[data-currency=JPY]")

    visible = "[...document.querySelectorAll('.panel')].filter(p => p.offsetParent).map(p => p.id).join()"
    assert page.run(visible) == "amounts-JPY-month"
    page.click("#continue")
    is_at_stripe(page, settings)
    contribution = Contribution.objects.get()
    assert contribution.amount == Money(300, "JPY")
    assert contribution.email == "ada@example.org"


def test_a_currency_without_that_interval_moves_to_one_that_it_has(page):
    page.click("a[data-currency=UGX]")

    assert page.run("document.querySelector('#interval-once').checked") is True
    assert page.run("document.querySelector('#interval-month').disabled") is True


def test_an_amount_of_ones_own_is_priced_while_one_types(page, settings):
    page.click("label[for=amount-USD-month-other]")
    page.type("7,50")

    page.wait_for("document.querySelector('#amounts-USD-month .quoted').innerText.includes('$8.03')")
    page.click("#continue")
    is_at_stripe(page, settings)
    assert Contribution.objects.get().amount == Money(750, "USD")


def test_an_amount_that_cannot_be_is_explained_beside_it(page):
    page.click("label[for=amount-USD-month-other]")
    page.type("1")
    page.click("#continue")

    page.wait_for("document.querySelector('#fault-USD-month').innerText === 'The least amount is $2.'")
    assert page.run("document.activeElement.id") == "other-USD-month"
    assert page.run("document.querySelector('#continue').getAttribute('aria-disabled')") == "false"
    assert not Contribution.objects.exists()


def test_what_only_the_server_can_judge_comes_back_beside_its_field(page):
    page.click("#email")
    page.type("ada@")
    page.click("#continue")

    page.wait_for("document.querySelector('#fault-email') !== null")
    assert page.run("document.querySelector('#email').value") == "ada@"
    assert not Contribution.objects.exists()


def test_while_stripe_is_away_the_reader_is_told_and_pressing_again_is_the_same_gift(
    page, stripe_sandbox, settings
):
    stripe_sandbox.fault("POST /v1/checkout/sessions", "unavailable", times=20)
    page.click("#continue")

    page.wait_for("!document.querySelector('[data-alert]').hidden")
    assert "Nothing was charged" in text(page, "[data-alert]")
    stripe_sandbox.faults.clear()
    page.click("#continue")
    is_at_stripe(page, settings)
    assert Contribution.objects.count() == 1


def test_pressing_many_times_is_one_gift(page, settings):
    page.run("for (let i = 0; i < 5; i++) document.querySelector('#continue').click()")

    is_at_stripe(page, settings)
    assert Contribution.objects.count() == 1


def test_coming_back_from_stripe_lets_one_choose_again(page, settings):
    page.click("#continue")
    is_at_stripe(page, settings)
    page.run("history.back()")
    page.wait_for("document.querySelector('#continue') !== null && document.readyState === 'complete'")
    page.click("label[for=amount-USD-month-1000]")
    page.click("#continue")

    is_at_stripe(page, settings)
    assert {c.amount_minor for c in Contribution.objects.all()} == {500, 1000}


def test_a_campaign_that_ended_meanwhile_says_so(page):
    Campaign.objects.update(ends_at="2021-01-01T00:00:00Z")
    page.click("#continue")

    page.wait_for("document.body.innerText.includes('This appeal has ended')")


def test_the_page_fits_a_small_phone(page):
    page.ask("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True)

    for interval in ("once", "month"):
        page.click(f"label[for=interval-{interval}]")
        for currency in ("USD", "KWD", "JPY"):
            page.click(f"a[data-currency={currency}]")
            assert page.run("document.documentElement.scrollWidth") <= 320


def test_the_form_works_without_its_script_too(page, settings):
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.ask("Page.reload")
    page.wait_for("document.readyState === 'complete'")
    page.click("label[for=interval-once]")
    page.click("#continue")

    is_at_stripe(page, settings)
    assert Contribution.objects.get().interval == "once"
