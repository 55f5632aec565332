"""A reader gives on the newspaper's page: from the article to Stripe's page and back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from donations.models import Campaign, Contribution, Payment
from donations.money import Money
from tests.widget import contract
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER


def is_at_stripe(paper) -> None:
    paper.page.wait_for_url("**/c/pay/**")


def test_once_from_the_article_to_the_thank_you(paper, house):
    box = paper.open()
    box.get_by_text("Once", exact=True).click()
    box.get_by_text("$50", exact=True).click()
    expect(box.get_by_text("You give $50, once.")).to_be_visible()
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()

    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()
    expect(box.get_by_text("Nothing more will be charged.")).to_be_visible()
    contribution = Contribution.objects.get()
    assert (contribution.interval, contribution.amount) == ("once", Money(5000, "USD"))
    assert contribution.source["component"] == "widget-inline"
    assert contribution.source["page_url"] == f"{paper.origin}/dev/article/"
    assert paper.page.url == f"{paper.origin}/dev/article/", "what is passed on names no gift"
    assert paper.complaints == []


def test_monthly_with_the_fee_on_top_to_the_cent(paper, house):
    paper.answers(**contract.FULL)
    box = paper.open()
    box.get_by_text("$10", exact=True).click()
    box.get_by_text("I add $0.61 for the payment fee").click()
    box.get_by_text("Send me the newsletter as well.").click()
    expect(box.get_by_text("You give $10.61 today and then every month")).to_be_visible()
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()

    expect(box.get_by_text("$10.61 each month")).to_be_visible()
    expect(box.get_by_text("$0.61 of it for the payment fee")).to_be_visible()
    expect(box.get_by_text("Next payment")).to_be_visible()
    contribution = Contribution.objects.get()
    assert contribution.total == Money(1061, "USD")
    assert contribution.newsletter_consent is True
    assert Payment.objects.get().amount_minor == 1061


def test_annually(paper, house):
    box = paper.open()
    box.get_by_text("Annual", exact=True).click()
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()

    expect(box.get_by_text("$50 each year")).to_be_visible()
    assert Contribution.objects.get().newsletter_consent is False, "the box is never ticked beforehand"


def test_a_card_that_is_declined_and_then_another_one(paper, house):
    box = paper.open()
    box.get_by_role("button", name="Continue").click()
    paper.pay("4000000000000002")
    expect(paper.page.get_by_role("alert")).to_be_visible()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()

    expect(box.get_by_text("$5 each month")).to_be_visible()


def test_a_page_that_is_left_unpaid_says_that_nothing_was_charged(paper):
    box = paper.open()
    box.get_by_role("button", name="Continue").click()
    is_at_stripe(paper)
    paper.page.get_by_role("link", name="Go back").click()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")

    expect(box.get_by_text("Nothing was charged. You can choose again")).to_be_visible()
    expect(box.get_by_role("button", name="Continue")).to_be_enabled()
    assert paper.page.url == f"{paper.origin}/dev/article/"


def test_the_browsers_own_way_back_lets_one_choose_again(paper):
    box = paper.open()
    box.get_by_role("button", name="Continue").click()
    is_at_stripe(paper)
    paper.page.go_back()
    box.get_by_text("$10", exact=True).click()
    box.get_by_role("button", name="Continue").click()
    is_at_stripe(paper)

    assert {each.amount_minor for each in Contribution.objects.all()} == {500, 1000}


def test_in_russian_with_russian_numbers(open_paper, house):
    paper = open_paper(locale="ru-RU")
    box = paper.open("russian")
    box.get_by_text("Один раз", exact=True).click()
    box.get_by_text("Другая", exact=True).click()
    box.get_by_label("Ваша сумма в EUR").fill("1 234,50")
    expect(box.get_by_text("Вы даёте 1 234,50 €, один раз.")).to_be_visible()
    box.get_by_role("button", name="Продолжить").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/russian/*")
    house.catch_up()

    expect(box.get_by_role("heading", name="Спасибо!")).to_be_visible()
    contribution = Contribution.objects.get()
    assert contribution.amount == Money(123_450, "EUR")
    assert contribution.locale == "ru"


def test_in_yen_which_have_no_cents(paper, house):
    box = paper.open()
    box.get_by_label("Currency").select_option("JPY")
    box.get_by_text("Other", exact=True).click()
    amount = box.get_by_label("Your amount in JPY")
    amount.fill("500.5")
    expect(box.get_by_text("Write an amount in digits, such as 300.")).to_be_visible()
    amount.fill("1,200")
    expect(box.get_by_text("You give ¥1,200 today")).to_be_visible()
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()

    expect(box.get_by_text("¥1,200 each month")).to_be_visible()
    assert Payment.objects.get().amount_minor == 1200


def test_by_keyboard_alone(paper):
    paper.open()
    press = paper.page.keyboard.press

    def goes_to(script: str) -> None:
        """Tab until the focus within the widget is there; a keyboard has nothing else."""
        for _ in range(30):
            press("Tab")
            if paper.page.evaluate(f"(e => e && {script})(document.activeElement.shadowRoot?.activeElement)"):
                return
        raise AssertionError(f"the keyboard does not come to {script}")

    goes_to("e.name === 'interval'")
    press("ArrowLeft")
    goes_to("e.name === 'amount'")
    for _ in range(2):
        press("ArrowRight")
    goes_to("e.id === 'other'")
    paper.page.keyboard.type("7.50")
    press("Enter")
    is_at_stripe(paper)

    contribution = Contribution.objects.get()
    assert (contribution.interval, contribution.amount) == ("once", Money(750, "USD"))


def test_a_window_holds_the_focus_closes_on_escape_and_gives_the_focus_back(paper):
    box = paper.open("button")
    opener = box.get_by_role("button", name="Support us")
    opener.focus()
    paper.page.keyboard.press("Enter")
    expect(box.get_by_role("dialog")).to_be_visible()
    seen = set()
    for _ in range(30):
        paper.page.keyboard.press("Tab")
        seen.add(paper.page.evaluate("document.activeElement.localName"))
    assert seen <= {"sustainer-appeal", "body"}, "nothing of the page behind it can be reached"
    paper.page.keyboard.press("Escape")

    expect(box.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()


@pytest.mark.parametrize("way", ["bar", "button", "modal"])
def test_every_variant_leads_to_a_gift_and_a_thank_you(paper, house, way):
    box = paper.open(way)
    if way != "modal":
        box.get_by_role("button", name="Support us").click()
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/{way}/*")
    house.catch_up()

    expect(box.get_by_role("dialog").get_by_role("heading", name="Thank you!")).to_be_visible()
    assert Contribution.objects.get().source["component"] == f"widget-{way}"
    box.get_by_role("button", name="Close").click()
    expect(box.get_by_role("dialog")).to_be_hidden()


def test_pressing_many_times_is_one_gift(paper):
    box = paper.open()
    box.evaluate(
        "(e) => { for (let i = 0; i < 5; i++) e.shadowRoot.querySelector('[part=continue]').click() }"
    )
    is_at_stripe(paper)

    assert Contribution.objects.count() == 1


def test_a_reload_still_knows_the_gift_and_another_one_can_follow(paper, house):
    box = paper.open(query="?utm_source=letter&p=1")
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()
    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()
    paper.page.reload()

    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()
    assert Contribution.objects.get().source["utm_source"] == "letter"
    paper.page.get_by_role("link", name="One button").click()
    paper.page.get_by_role("link", name="In the article").click()
    expect(box.get_by_role("button", name="Continue")).to_be_visible()


# --- What links choose ---


def chosen(box) -> tuple[str, str, str]:
    """Currency, interval and amount as they are chosen now."""
    return tuple(
        box.evaluate(
            """(e) => [
                e.shadowRoot.querySelector("select").value,
                e.shadowRoot.querySelector("[name=interval]:checked").value,
                e.shadowRoot.querySelector("[name=amount]:checked").value + e.shadowRoot.querySelector("#other").value,
            ]"""
        )
    )


LINKS = {
    "": ("USD", "month", "500"),
    "?amount=5000&interval=once&currency=USD": ("USD", "once", "5000"),
    "?amount=1234&interval=once": ("USD", "once", "other12.34"),
    "?amount=800&currency=JPY&campaign=support-us": ("JPY", "month", "800"),
    "?amount=5000&interval=once&campaign=another-one": ("USD", "month", "500"),
    "?amount=1&interval=week&currency=XXX": ("USD", "month", "500"),
    "?amount=9e9&interval=&currency=usd": ("USD", "month", "500"),
    "?interval=month&currency=UGX": ("UGX", "once", "1000000"),
    "?amount=<b>&sustainer=thanks&contribution=1": ("USD", "month", "500"),
}


def test_a_link_chooses_and_what_is_not_on_offer_is_passed_over(paper):
    assert {query: chosen(paper.open(query=query)) for query in LINKS} == LINKS
    assert paper.complaints == []


def test_a_reminders_link_raises_an_amount_that_is_not_enough_any_more_and_says_so(paper):
    box = paper.open(query="?amount=100&interval=month&currency=USD&reminder=abc")

    expect(box.get_by_text("we have put that in instead of $1")).to_be_visible()
    assert chosen(box) == ("USD", "month", "200")
    box.get_by_role("button", name="Continue").click()
    is_at_stripe(paper)
    assert Contribution.objects.get().source["reminder"] == "abc"


# --- When something is in the way ---


def test_while_stripe_is_away_the_reader_is_told_and_pressing_again_is_the_same_gift(paper, stripe_sandbox):
    stripe_sandbox.fault("POST /v1/checkout/sessions", "unavailable", times=20)
    box = paper.open()
    box.get_by_role("button", name="Continue").click()

    expect(box.get_by_role("alert")).to_contain_text("payment partner does not answer. Nothing was charged.")
    expect(box.get_by_text("As soon as payments work again")).to_be_visible()
    stripe_sandbox.faults.clear()
    box.get_by_role("button", name="Continue").click()
    is_at_stripe(paper)
    assert Contribution.objects.count() == 1


def refusal(code: str, **fields: str) -> dict:
    error = {"code": code, "message": "In English.", "fields": {n: [{"code": c}] for n, c in fields.items()}}
    return {"error": error}


REFUSALS = [
    (400, refusal("invalid_request", amount="amount_too_small"), "The appeal has changed."),
    (400, refusal("invalid_request", campaign="campaign_ended"), "This appeal has ended."),
    (429, refusal("too_many_requests"), "Try again in 2 min."),
    (502, refusal("payments_refused"), "The payment page could not be opened."),
    (503, refusal("try_again"), "Our server does not answer."),
    (500, "<html>no JSON</html>", "Our server does not answer."),
    (418, {"error": None}, "This did not work."),
]


def test_a_refusal_is_said_in_words_and_the_form_stays(paper):
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*", "Retry-After": "90"}
    box = paper.open()
    answers: list[dict] = []
    paper.page.route("**/contributions/", lambda route: route.fulfill(headers=headers, **answers[-1]))
    for status, body, words in REFUSALS:
        answers.append({"status": status, **({"body": body} if isinstance(body, str) else {"json": body})})
        box.get_by_role("button", name="Continue").click()

        expect(box.get_by_role("alert")).to_contain_text(words)
        expect(box.get_by_role("alert")).to_contain_text("Nothing was charged.")
        expect(box.get_by_role("button", name="Continue")).to_have_attribute("aria-disabled", "false")


def test_without_a_network_the_reader_is_told_and_nothing_is_lost(paper):
    box = paper.open()
    box.get_by_text("$10", exact=True).click()
    paper.context.set_offline(True)
    box.get_by_role("button", name="Continue").click()

    expect(box.get_by_role("alert")).to_contain_text("You seem to be offline. Nothing was charged.")
    paper.context.set_offline(False)
    box.get_by_role("button", name="Continue").click()
    is_at_stripe(paper)
    assert Contribution.objects.get().amount == Money(1000, "USD")


def test_a_page_that_is_not_on_the_list_for_the_way_back_still_gives(paper, settings):
    box = paper.open()
    settings.ALLOWED_ORIGINS = []
    box.get_by_role("button", name="Continue").click()

    is_at_stripe(paper)
    assert Contribution.objects.count() == 1


def test_an_appeal_that_ended_meanwhile_says_so(paper):
    box = paper.open()
    Campaign.objects.update(ends_at="2021-01-01T00:00:00Z")
    box.get_by_role("button", name="Continue").click()

    expect(box.get_by_role("alert")).to_contain_text("This appeal has ended.")


# --- Afterwards ---


THANKED = "?sustainer=thanks&contribution=da5d44e1-35f2-45e5-84f5-695944d58e02"
PLAN = {"status": "active", "interval": "month", "amount": 500, "fee_cover": 0, "currency": "USD"}


def stands(paper, **changes) -> None:
    """The gift of `THANKED` stands like this from now on."""
    standing = {**PLAN, "next_payment_at": "2026-12-24T10:00:00Z", **changes}
    headers = {"Access-Control-Allow-Origin": "*"}
    paper.page.route("**/contributions/*/", lambda route: route.fulfill(json=standing, headers=headers))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("failed", "Your bank did not accept it. Nothing was charged."),
        ("expired", "The payment page was left unpaid and has closed."),
        ("past_due", "The newest e-mail about it tells how it stands."),
    ],
)
def test_what_did_not_go_well_is_said_as_well(paper, status, words):
    stands(paper, status=status, next_payment_at=None)
    box = paper.open(query=THANKED, wait=False)

    expect(box.get_by_text(words)).to_be_visible()


def test_a_gift_that_failed_can_be_chosen_again(paper):
    stands(paper, status="failed", next_payment_at=None)
    box = paper.open(query=THANKED, wait=False)
    box.get_by_role("button", name="Choose again").click()

    expect(box.get_by_role("button", name="Continue")).to_be_visible()


def test_whoever_meant_to_give_once_makes_it_so(paper):
    stands(paper, can_be_made_one_time=True, membership={"tier": "Friend", "until": "2027-01-07"})
    asked = []
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}

    def answer(route) -> None:
        asked.append(route.request.method)
        route.fulfill(status=202, json={}, headers=headers)

    paper.page.route("**/make-one-time/", answer)
    box = paper.open(query=THANKED, wait=False)
    expect(box.get_by_text("Friend, until January 7, 2027")).to_be_visible()
    box.get_by_role("button", name="Make it one-time").click()

    expect(box.get_by_text("This gift stays, and nothing more will be charged.")).to_be_visible()
    assert asked == ["POST"]


def test_news_that_comes_in_pieces_is_told_once_and_whole(paper):
    """The day of the next payment comes with an event of its own; what is drawn stays, with what was pressed in it."""
    days = [None, "2026-12-24T10:00:00Z"]

    def answer(route) -> None:
        day = days.pop(0) if len(days) > 1 else days[0]
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(json={**PLAN, "next_payment_at": day}, headers=headers)

    paper.page.route("**/contributions/*/", answer)
    box = paper.open(query=THANKED, wait=False)
    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()

    assert box.get_by_text("December 24, 2026").count() == 1


def test_a_plan_that_was_made_one_time_is_told_as_a_gift_that_is_given_once(paper):
    stands(paper, was_made_one_time=True, next_payment_at=None, can_be_made_one_time=False)
    box = paper.open(query=THANKED, wait=False)

    expect(box.get_by_text("Nothing more will be charged.")).to_be_visible()
    expect(box.get_by_text("each month")).to_have_count(0)


def test_the_link_to_pass_on_holds_nothing_of_the_gift(open_paper):
    paper = open_paper(permissions=["clipboard-read", "clipboard-write"])
    stands(paper)
    box = paper.open(query=THANKED, wait=False)
    box.get_by_role("button", name="Tell a friend").click()

    expect(box.get_by_text("The link is copied.")).to_be_visible()
    assert paper.page.evaluate("navigator.clipboard.readText()") == f"{paper.origin}/dev/article/"


def test_a_rest_on_this_device_only_for_whoever_ticks_it(paper):
    stands(paper)
    box = paper.open(query=THANKED, wait=False)
    tick = box.get_by_label("Do not ask me again on this device for 90 days.")
    expect(tick).not_to_be_checked()
    assert paper.page.evaluate("localStorage.length") == 0
    tick.check()
    assert paper.page.evaluate("Object.keys(localStorage)") == ["sustainer:rests-until"]
    paper.requests.clear()
    paper.page.get_by_role("link", name="A bar at the foot").click()
    paper.page.get_by_role("link", name="In the article").click()
    box.locator(".away").wait_for(state="attached")

    assert not [each for each in paper.requests if "/api/" in each], "whoever is not asked costs no request"


def test_the_tick_can_be_taken_away(paper):
    stands(paper)
    box = paper.open(query=THANKED, wait=False)
    tick = box.get_by_label("Do not ask me again")
    tick.check()
    tick.uncheck()

    assert paper.page.evaluate("localStorage.length") == 0
