"""The appeal and its form, without JavaScript, as the plainest browser has them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from donations import forms
from donations.models import Ask, Campaign, Contribution
from donations.money import Money
from tests import factories
from tests.house import A_GIFT
from tests.paper import PAGE, Page, open_page, send

# --- The appeal -----------------------------------------------------------------------------------


def test_the_appeal_shows_its_message_and_what_it_asks_for(reader, appeal):
    page = open_page(reader)

    assert "Support The Sample Gazette" in page.text
    assert "We report what others will not." in page.text
    assert "Support us monthly, starting from just $2." in page.text
    assert page.radios["interval"] == ["once", "month", "year"]
    assert page.radios["amount_USD_month"] == ["200", "500", "1000", "other"]
    assert page.fields["interval"] == "month"
    assert page.fields["amount_USD_month"] == "500", "the editor's default"
    assert "Visa" in page.text


def test_starting_from_follows_the_monthly_minimum(reader, appeal):
    Ask.objects.filter(currency="USD", interval="month").update(minimum_minor=350)

    assert "starting from just $3.50" in open_page(reader).text


def test_the_fee_of_each_suggestion_is_told_to_the_cent(reader, appeal):
    # 2.00 at 2.9 % + 0.30: from 2.37 the fee takes 0.37.
    assert "Payment fee: $0.37. With it you give $2.37." in open_page(reader).text


def test_the_goal_shows_what_came_in(reader, house):
    Campaign.objects.update(goal_minor=100_00)
    house.give_and_pay(amount=2500)

    assert "$25 of $100 raised so far" in open_page(reader).text


@pytest.mark.parametrize(
    ("query", "currency", "interval", "amount", "other"),
    [
        ("?amount=1000&interval=once&currency=EUR", "EUR", "once", "1000", ""),
        ("?amount=1234&interval=once&currency=USD", "USD", "once", "other", "12.34"),
        ("?amount=1000&interval=month&currency=KWD", "KWD", "month", "1000", ""),
        ("?amount=1010&interval=month&currency=KWD", "KWD", "month", "other", "1.010"),
        ("?amount=500000&interval=once&currency=UGX", "UGX", "once", "other", "5000"),
        ("?amount=777&interval=month&currency=JPY", "JPY", "month", "other", "777"),
        ("?interval=year", "USD", "year", "5000", ""),
        # What is not on offer is passed over.
        ("?amount=1&interval=once", "USD", "once", "2500", ""),
        ("?amount=1005&interval=month&currency=KWD", "KWD", "month", "1000", ""),
        ("?amount=99999999999999&interval=once", "USD", "once", "2500", ""),
        ("?amount=5.00&interval=week&currency=XYZ", "USD", "month", "500", ""),
        ("?amount=-500&interval=MONTH&currency=eur", "USD", "month", "500", ""),
        ("?amount=٥٠٠&currency=%00", "USD", "month", "500", ""),
        ("?interval=month&currency=UGX", "UGX", "once", "1000000", ""),
    ],
)
def test_a_link_chooses_what_it_may(reader, appeal, query, currency, interval, amount, other):
    fields = open_page(reader, PAGE + query).fields

    assert (fields["currency"], fields["interval"]) == (currency, interval)
    assert fields[f"amount_{currency}_{interval}"] == amount
    assert fields[f"other_{currency}_{interval}"] == other


def test_the_page_speaks_the_language_asked_for_else_the_campaigns_else_the_browsers(reader, appeal):
    factories.a_campaign("podderzhite-nas", locale="ru")
    factories.a_campaign("soutenez-nous", locale="fr")

    def language(address, browser):
        return Page(reader.get(address, headers={"Accept-Language": browser}).content.decode()).language

    assert language("/support/podderzhite-nas/", "en") == "ru"
    assert language("/support/podderzhite-nas/?lang=en", "ru") == "en"
    assert language(PAGE, "ru") == "en"
    assert language("/support/soutenez-nous/", "ru") == "ru"
    assert language("/support/soutenez-nous/", "de") == "en"
    assert language(PAGE + "?lang=xx", "ru") == "en"


def test_a_russian_page_writes_amounts_as_russians_do(reader, appeal):
    page = open_page(reader, PAGE + "?lang=ru&currency=EUR&amount=250&interval=month")

    assert "2 €" in page.text
    assert "Support" not in page.text.replace("Support The Sample Gazette", "")
    assert page.fields["other_EUR_month"] == "2.50"


def test_no_page_has_inline_code_and_each_field_has_a_label(reader, appeal):
    page = open_page(reader, PAGE + "?interval=once&amount=1234")

    assert page.inline == []
    assert [script["src"] for script in page.scripts] == ["/static/support/support.js"]
    visible = [control for control in page.controls if control.get("type") != "hidden"]
    assert visible
    assert all(control["id"] in page.labelled for control in visible)
    assert len(page.ids) == len(set(page.ids))


def test_coming_back_from_stripe_is_met_with_kind_words(reader, appeal):
    assert "nothing was charged" in open_page(reader, PAGE + "?back=1").text
    assert "nothing was charged" not in open_page(reader).text


def test_an_appeal_that_is_over_or_not_begun_says_so(reader, appeal):
    factories.a_campaign("over", ends_at=timezone.now() - timedelta(days=1))
    factories.a_campaign("later", starts_at=timezone.now() + timedelta(days=1))

    assert "This appeal has ended" in open_page(reader, "/support/over/").text
    assert "has not begun yet" in open_page(reader, "/support/later/").text
    assert "amount" not in str(open_page(reader, "/support/over/").fields)


def test_an_appeal_without_amounts_offers_nothing(reader, db):
    Campaign.objects.create(slug="bare", title="Bare", starts_at=factories.LONG_AGO)

    assert "page_key" not in open_page(reader, "/support/bare/").fields


def test_the_first_page_lists_the_running_appeals(reader, appeal):
    factories.a_campaign("over", title="Over", ends_at=timezone.now() - timedelta(days=1))

    page = open_page(reader, "/support/")

    assert PAGE in page.links
    assert "Over" not in page.text
    assert reader.get("/").headers["Location"] == "/support/"


def test_without_appeals_the_first_page_says_so(reader, db):
    assert "no appeal at the moment" in open_page(reader, "/support/").text


# --- Giving without JavaScript ---------------------------------------------------------------------


def test_a_plain_form_leads_to_stripes_page(reader, house):
    page = open_page(reader, PAGE + "?interval=once")

    response = send(reader, page, email="Ada@Example.org", name="Ada", cover_fees="1", newsletter_consent="1")

    assert response.status_code == 303
    contribution = Contribution.objects.get()
    assert response.headers["Location"] == contribution.checkout_url
    assert contribution.checkout_url.startswith(settings.STRIPE_API_BASE)
    assert contribution.amount == Money(2500, "USD")
    assert contribution.fee_cover == Money(106, "USD")
    assert (contribution.email, contribution.name) == ("Ada@example.org", "Ada")
    assert contribution.newsletter_consent
    assert contribution.source == {
        "page_url": "http://testserver/support/support-us/",
        "component": "support_page",
    }


@pytest.mark.parametrize(
    ("currency", "typed", "minor"),
    [
        ("USD", "7", 700),
        ("USD", "7.5", 750),
        ("USD", " 7,50 ", 750),
        ("USD", "1 250.00", 125000),
        ("EUR", "1\N{NARROW NO-BREAK SPACE}250,50", 125050),
        ("JPY", "1200", 1200),
        ("KWD", "1.250", 1250),
    ],
)
def test_an_amount_of_ones_own_is_read_as_people_write_it(reader, house, currency, typed, minor):
    page = open_page(reader, f"{PAGE}?interval=once&currency={currency}")
    own = {f"amount_{currency}_once": "other", f"other_{currency}_once": typed}

    response = send(reader, page, **own)

    assert response.status_code == 303
    assert Contribution.objects.get().amount == Money(minor, currency)


@pytest.mark.parametrize(
    ("currency", "typed", "words"),
    [
        ("USD", "1.99", "The least amount is $2."),
        ("USD", "0", "The least amount is $2."),
        ("USD", "20001", "The largest amount is $20,000."),
        ("USD", "", "write one in digits, such as 25.00."),
        ("USD", "ten", "write one in digits"),
        ("USD", "-5", "The least amount is $2."),
        ("USD", "1e3", "write one in digits"),
        ("USD", "1,000", "write one in digits"),
        ("USD", "7.505", "write one in digits"),
        ("USD", "٧", "write one in digits"),
        ("USD", "9" * 200, "write one in digits"),
        ("JPY", "500.5", "write one in digits, such as 1000."),
        ("KWD", "1.255", "The amount has to be a multiple of KWD 0.010."),
        ("UGX", "5000.50", "The amount has to be a multiple of UGX 1."),
    ],
)
def test_an_amount_that_cannot_be_is_explained_and_kept(reader, house, currency, typed, words):
    page = open_page(reader, f"{PAGE}?interval=once&currency={currency}")
    own = {f"amount_{currency}_once": "other", f"other_{currency}_once": typed, "email": "ada@example.org"}

    response = send(reader, page, **own)

    assert response.status_code == 400
    again = Page(response.content.decode())
    assert words in again.text
    assert "Nothing was charged" in again.text
    assert again.fields["other_" + currency + "_once"] == typed
    assert again.fields["email"] == "ada@example.org"
    assert f"#other-{currency}-once" in again.links, "the summary leads to the field"
    assert not Contribution.objects.exists()


def test_all_faults_are_told_at_once_beside_their_fields(reader, house):
    page = open_page(reader, PAGE + "?interval=once")

    response = send(
        reader, page, amount_USD_once="other", other_USD_once="1", email="ada@", name="4242 4242 4242 4242"
    )

    again = Page(response.content.decode())
    assert response.status_code == 400
    assert {"#other-USD-once", "#email", "#name"} <= set(again.links)
    assert "not an e-mail address that we can write to" in again.text
    assert again.fields["email"] == "ada@"
    marked = {control["id"] for control in again.controls if control.get("aria-invalid") == "true"}
    assert marked == {"other-USD-once", "email", "name"}


def test_what_a_reader_types_comes_back_as_text_and_never_as_html(reader, house):
    page = open_page(reader, PAGE + "?interval=once")

    response = send(reader, page, name='"><script>alert(1)</script>', email="<b>@x")

    assert response.status_code == 400
    assert b"<script>alert" not in response.content
    assert len(Page(response.content.decode()).scripts) == 1


def test_a_currency_or_interval_that_is_not_on_offer_falls_back_and_asks_again(reader, house):
    page = open_page(reader)

    response = send(reader, page, currency="XYZ", interval="week", amount_USD_month="")

    assert response.status_code == 400
    fields = Page(response.content.decode()).fields
    assert (fields["currency"], fields["interval"]) == ("USD", "month")


def test_pressing_twice_is_one_gift(reader, house):
    page = open_page(reader)

    first, second = send(reader, page), send(reader, page)

    assert first.headers["Location"] == second.headers["Location"]
    assert Contribution.objects.count() == 1


def test_changing_ones_mind_on_the_same_page_is_another_gift(reader, house):
    page = open_page(reader)

    first, second = send(reader, page), send(reader, page, amount_USD_month="1000")

    assert first.headers["Location"] != second.headers["Location"]
    assert Contribution.objects.count() == 2


def test_while_stripe_is_away_nothing_is_lost_and_a_second_press_completes(reader, house):
    page = open_page(reader)
    house.stripe.fault("POST /v1/checkout/sessions", "unavailable", times=20)

    response = send(reader, page, email="grace@example.org")

    again = Page(response.content.decode())
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "30"
    assert "Nothing was charged. Please try again in a minute." in again.text
    assert again.fields["page_key"] == page.fields["page_key"]
    assert again.fields["email"] == "grace@example.org"

    house.stripe.faults.clear()
    assert send(reader, again).status_code == 303
    assert Contribution.objects.count() == 1


def test_stripe_refusing_us_is_said_without_blaming_the_reader(reader, house, settings):
    page = open_page(reader)
    settings.STRIPE_SECRET_KEY = "sk_live_of_somebody_else"

    response = send(reader, page)

    assert response.status_code == 502
    assert "could not be opened. Nothing was charged" in response.content.decode()


def test_a_form_that_comes_back_after_paying_leads_to_the_thanks(reader, house):
    page = open_page(reader, PAGE + "?interval=once")
    location = send(reader, page, email="ada@example.org").headers["Location"]
    house.stripe.pay(location.rsplit("/", 1)[1], card="4242424242424242")
    house.catch_up()

    response = send(reader, page, email="ada@example.org")

    assert response.status_code == 303
    assert "/thanks/" in response.headers["Location"]
    assert Contribution.objects.count() == 1


def test_a_form_that_comes_back_when_its_page_has_closed_gets_a_new_one(reader, house):
    page = open_page(reader)
    send(reader, page)
    house.advance(hours=2)

    response = send(reader, page)

    again = Page(response.content.decode())
    assert response.status_code == 409
    assert "has closed. Nothing was charged" in again.text
    assert send(reader, again).status_code == 303


def test_a_campaign_that_ends_while_one_chooses_takes_nothing(reader, house):
    page = open_page(reader)
    Campaign.objects.update(ends_at=timezone.now())

    response = send(reader, page)

    assert "This appeal has ended" in response.content.decode()
    assert not Contribution.objects.exists()


def test_a_form_from_elsewhere_is_refused_in_words(reader, house):
    page = open_page(reader)

    response = send(reader, page, csrfmiddlewaretoken="x" * 64)

    assert response.status_code == 403
    assert "Please send the form once more" in response.content.decode()
    assert not Contribution.objects.exists()


def test_the_marks_of_a_newspapers_link_stay_with_the_gift(reader, house):
    page = open_page(reader, PAGE + "?interval=once&utm_source=mail&utm_campaign=autumn&utm_term=%3Cb%3E")

    send(reader, page)

    source = Contribution.objects.get().source
    assert (source["utm_source"], source["utm_campaign"]) == ("mail", "autumn")
    assert "utm_term" not in source


def test_the_readers_language_goes_with_the_gift(reader, house):
    page = open_page(reader, PAGE + "?lang=ru")

    send(reader, page, PAGE + "?lang=ru")

    assert Contribution.objects.get().locale == "ru"


def test_the_appeal_needs_few_queries(reader, appeal, django_assert_max_num_queries):
    with django_assert_max_num_queries(2):
        reader.get(PAGE)


# --- The quote for the form's script --------------------------------------------------------------


def quote(reader, **query):
    return reader.get(PAGE + "quote/", {"currency": "USD", "interval": "month", **query})


def test_a_typed_amount_is_quoted_in_minor_units_and_words(reader, appeal):
    answer = quote(reader, amount="7,50").json()

    assert answer == {"amount": 750, "sums": "Payment fee: $0.53. With it you give $8.03."}


def test_a_typed_amount_that_cannot_be_is_refused_in_words(reader, appeal):
    response = quote(reader, amount="1")

    assert response.status_code == 400
    assert response.json()["error"] == {"code": "amount_too_small", "message": "The least amount is $2."}
    assert quote(reader, amount="x").json()["error"]["code"] == "invalid"


@pytest.mark.parametrize("query", [{"currency": "XYZ"}, {"interval": "week"}])
def test_what_is_not_on_offer_has_no_quote(reader, appeal, query):
    assert quote(reader, amount="5", **query).status_code == 404


# --- Small things -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "locale", "text"),
    [
        (Money(500, "USD"), "en", "$5"),
        (Money(750, "USD"), "en", "$7.50"),
        (Money(100050, "USD"), "en", "$1,000.50"),
        (Money(100000, "USD"), "en", "$1,000"),
        (Money(100000, "EUR"), "ru", "1 000 €"),
        (Money(750, "EUR"), "ru", "7,50 €"),
        (Money(1200, "JPY"), "en", "¥1,200"),
        (Money(15000, "KWD"), "en", "KWD 15"),
        (Money(7500, "KWD"), "en", "KWD 7.500"),
        (Money(1000000, "UGX"), "en", "UGX 10,000"),
    ],
)
def test_a_whole_amount_is_written_without_its_zeros(money, locale, text):
    assert re.sub(r"\s", " ", forms.short(money, locale)) == text


def test_a_page_and_a_widget_write_down_the_same_gift(reader, house):
    """The page and the API write down the same wish in the same way."""
    house.begin(**{**A_GIFT, "email": "ada@example.org", "amount": 2500})
    page = open_page(reader, PAGE + "?interval=once")
    send(reader, page, email="ada@example.org")

    by_api, by_page = Contribution.objects.order_by("pk").values(
        "amount_minor", "currency", "interval", "locale"
    )
    assert by_api == by_page
