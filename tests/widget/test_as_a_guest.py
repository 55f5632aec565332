"""The widget is a guest on the newspaper's page: quick, quiet where it should be, and never in the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from donations.models import Campaign
from tests.widget import contract
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER

APPEAL = '<sustainer-appeal campaign="support-us"><a href="/support">Support us</a></sustainer-appeal>'


def asked(paper) -> list[str]:
    """What was fetched from Sustainer, without its host."""
    return [each.removeprefix(paper.base) for each in paper.requests if each.startswith(paper.base)]


def test_one_request_for_the_script_and_one_for_the_campaign_and_none_to_anybody_else(paper):
    paper.open()

    assert asked(paper) == ["/widget/v1.js", "/api/v1/campaigns/support-us/"]
    others = [each for each in paper.requests if not each.startswith((paper.base, paper.origin, "data:"))]
    assert others == []


def test_several_boxes_of_one_campaign_ask_once(paper):
    page = paper.show(
        APPEAL * 2 + '<sustainer-appeal campaign="support-us" variant="bar"></sustainer-appeal>'
    )
    expect(page.get_by_role("button", name="Continue")).to_have_count(2)

    assert asked(paper).count("/api/v1/campaigns/support-us/") == 1


def test_nothing_moves_when_it_comes(paper):
    """The box is in view, and text follows it: what moves would be seen."""
    paper.answers(**contract.FULL)
    style = (
        "sustainer-appeal { --sustainer-min-height: 1000px } "
        "sustainer-appeal:not(:defined) { display: block; min-height: 1000px }"
    )
    paper.page.set_viewport_size({"width": 800, "height": 1400})
    page = paper.show(f"<h1>News</h1>{APPEAL}<p>More news.</p>", head=f"<style>{style}</style>")
    page.locator("sustainer-appeal form").first.wait_for()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    assert page.evaluate("shifts") == []
    box = page.locator("sustainer-appeal").bounding_box()
    assert box["height"] == 1000


def test_under_the_strictest_policy_without_a_violation(paper):
    """The sample article has it: no inline style, no inline script, no eval, and trusted types with no exception."""
    paper.answers(**contract.FULL)
    box = paper.open()
    box.get_by_text("Other", exact=True).click()
    box.get_by_label("Your amount in USD").fill("7")
    box.get_by_text("Remind me later").click()
    box.get_by_label("Your e-mail address").fill("charlie@example.org")
    box.get_by_role("button", name="Remind me by e-mail").click()
    expect(box.get_by_role("button", name="Remind me by e-mail")).to_be_hidden()
    paper.page.route("**/contributions/", lambda route: route.fulfill(status=418, json={}))
    box.get_by_role("button", name="Continue").click()
    expect(box.get_by_role("alert")).to_be_visible()

    assert paper.page.evaluate("violations") == []


def test_it_keeps_nothing_and_sends_no_cookie(paper):
    paper.context.add_cookies([{"name": "login", "value": "secret", "url": paper.base}])
    sent = []
    paper.page.on("request", lambda request: sent.append((request.url, request.all_headers())))
    paper.open()

    calls = [headers for url, headers in sent if "/api/" in url]
    assert calls
    assert not any("cookie" in headers or "referer" in headers for headers in calls)
    assert paper.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_the_page_hears_what_happens_and_nothing_personal(paper):
    paper.answers(**{**contract.FULL, "variant": {"test": "copy", "name": "b"}})
    box = paper.open()
    box.get_by_text("Once", exact=True).click()
    box.get_by_text("$50", exact=True).click()
    expect(box.get_by_text("You give $50, once.")).to_be_visible()
    box.scroll_into_view_if_needed()
    paper.page.route("**/contributions/", lambda route: route.abort())
    box.get_by_role("button", name="Continue").click()
    expect(box.get_by_role("alert")).to_be_visible()

    about = {"campaign": "support-us", "component": "widget-inline", "test": {"test": "copy", "name": "b"}}
    amount = {"amount": 5000, "currency": "USD", "interval": "once"}
    heard = {each["name"]: each for each in paper.events()}
    assert heard == {
        "view": {"name": "view", **about},
        "interval": {"name": "interval", **about, "interval": "once"},
        "amount": {"name": "amount", **about, **amount, "is_other": False},
        "continue": {"name": "continue", **about, **amount, "cover_fees": False},
    }


# --- When to be silent ---


def test_on_a_page_of_hard_news_it_asks_nobody_and_loads_nothing(paper):
    box = paper.open("quiet", wait=False)
    box.locator(".away").wait_for(state="attached")

    assert asked(paper) == ["/widget/v1.js"]
    assert box.bounding_box()["height"] == 0


def test_where_the_server_says_not_to_ask_there_is_nothing(paper):
    for why in ("off", "held_out", "member"):
        paper.answers(show=False, hidden_because=why)
        box = paper.open(wait=False)
        box.locator(".away").wait_for(state="attached")

        assert box.bounding_box()["height"] == 0
        assert paper.events() == []


def test_a_campaign_that_is_over_leaves_no_trace(paper):
    Campaign.objects.update(ends_at="2021-01-01T00:00:00Z")
    box = paper.open(wait=False)
    box.locator(".away").wait_for(state="attached")

    assert box.bounding_box()["height"] == 0


def test_a_readers_token_goes_along_where_the_paper_gives_one(paper):
    sent = []
    paper.page.on("request", lambda request: sent.append(request))
    page = paper.show('<sustainer-appeal campaign="support-us" reader-token="abc"></sustainer-appeal>')
    page.locator("sustainer-appeal form").first.wait_for()

    call = next(each for each in sent if "/campaigns/" in each.url and each.method == "GET")
    assert call.all_headers()["authorization"] == "Bearer abc"


# --- When things break ---


def test_while_the_server_is_slow_a_plain_link_waits_with_the_reader(paper):
    held = []
    paper.page.route("**/api/v1/campaigns/**", lambda route: held.append(route))
    paper.page.clock.install()
    box = paper.open(wait=False)
    box.locator("[aria-busy]").wait_for(state="attached")
    paper.page.clock.run_for(4100)

    link = box.get_by_role("link", name="You can give on our support page")
    expect(link).to_have_attribute("href", f"{paper.base}/support/support-us/")
    paper.page.clock.run_for(6000)
    expect(box.get_by_role("link", name="Open the support page")).to_be_visible()
    assert paper.page.evaluate("1") == 1
    for route in held:
        route.abort()


def test_when_the_server_is_away_another_try_can_find_it_again(paper):
    paper.page.route("**/api/v1/campaigns/**", lambda route: route.abort())
    box = paper.open(wait=False)
    expect(box.get_by_role("heading", name="The form could not be loaded")).to_be_visible()
    paper.page.unroute("**/api/v1/campaigns/**")
    box.get_by_role("button", name="Try again").click()

    expect(box.get_by_role("button", name="Continue")).to_be_visible()


@pytest.mark.parametrize("way", ["bar", "modal", "button"])
def test_a_server_that_is_away_never_gets_into_the_readers_way(paper, way):
    paper.page.route("**/api/v1/campaigns/**", lambda route: route.abort())
    box = paper.open(way, wait=False)
    if way == "button":
        link = box.get_by_role("link", name="Support us")
        expect(link).to_have_attribute("href", f"{paper.base}/support/support-us/")
    else:
        box.locator(".away").wait_for(state="attached")
    assert not box.get_by_role("dialog").count()


NONSENSE = [
    "null",
    "[]",
    "{}",
    '{"asks": 1}',
    '{"asks": [{}], "is_running": true}',
    '{"asks": [{"currency": "ZZZ"}], "is_running": true, "currencies": []}',
    "<html>",
    "",
]


def test_an_answer_that_makes_no_sense_ends_in_a_plain_link(paper):
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json"}
    answers: list[str] = []
    paper.page.route("**/api/v1/campaigns/**", lambda route: route.fulfill(body=answers[-1], headers=headers))
    for answer in NONSENSE:
        answers.append(answer)
        box = paper.open(wait=False)
        expect(box.get_by_role("link", name="Open the support page")).to_be_visible()

    assert paper.complaints == []


def test_texts_of_a_campaign_are_text_whatever_they_hold(paper):
    attack = "<img src=x onerror=alert(1)>{amount}"
    paper.answers(title=attack, message=[attack], button=attack, payment_methods=[attack])
    box = paper.open()

    expect(box.get_by_role("heading", name=attack)).to_be_visible()
    assert box.locator("img").count() == 0
    assert paper.complaints == []


def test_without_scripts_a_plain_link_leads_to_the_page_that_works_without_them(open_paper):
    paper = open_paper(java_script_enabled=False)
    box = paper.open(wait=False)
    box.get_by_role("link", name="Support The Sample Gazette").click()
    expect(paper.page.get_by_role("button", name="Continue")).to_be_visible()

    assert paper.page.url == f"{paper.base}/support/support-us/"


def test_the_script_put_there_twice_and_elements_that_come_and_go(paper):
    page = paper.show(APPEAL, head=f"<script src='{paper.base}/widget/v1.js?again' async></script>")
    page.locator("sustainer-appeal form").first.wait_for()
    page.evaluate(
        """() => {
            const box = document.querySelector("sustainer-appeal");
            for (let i = 0; i < 20; i++) { box.remove(); document.body.append(box); }
            box.setAttribute("variant", "nonsense");
            box.setAttribute("locale", "--");
            box.setAttribute("currency", "EUR");
        }"""
    )

    expect(page.get_by_role("button", name="Continue")).to_have_count(1)
    expect(page.get_by_label("Currency")).to_have_value("EUR")
    assert paper.complaints == []


def test_it_wears_the_papers_colours(paper):
    style = (
        "sustainer-appeal { --sustainer-accent: rgb(0, 80, 0) } "
        "sustainer-appeal::part(continue) { border-radius: 0 }"
    )
    page = paper.show(APPEAL, head=f"<style>{style}</style>")
    button = page.get_by_role("button", name="Continue")

    expect(button).to_have_css("background-color", "rgb(0, 80, 0)")
    expect(button).to_have_css("border-radius", "0px")


def test_dark_only_where_the_page_is_dark_too(open_paper):
    """Most papers have only a light page, whatever their reader's system prefers."""
    paper = open_paper(color_scheme="dark")
    page = paper.show(APPEAL)
    box = page.locator("sustainer-appeal [part=box]")
    expect(box).to_have_css("background-color", "rgb(255, 255, 255)")
    page.evaluate("document.documentElement.style.colorScheme = 'light dark'")
    expect(box).to_have_css("background-color", re.compile(r"rgb\(32, 31, 28\)"))
