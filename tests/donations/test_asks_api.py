"""What a widget is told: the whole appeal, whether to ask here and now, and for how long that holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError

from donations import queries, tally
from donations.models import AskCount, AskSwitch, AskTest, AskVariant, Campaign, VariantAsk
from members import clock
from tests import factories

PATH = "/api/v1/campaigns/support-us/"


@pytest.fixture(autouse=True)
def _fresh_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_sheet", tally._Sheet())


def ask(api: Any, *, browser: str = "A browser", headers: dict[str, str] | None = None, **query: Any) -> Any:
    answer = api.get(PATH, query, headers={"User-Agent": browser, **(headers or {})})
    assert answer.status_code == 200, answer.content
    return answer


def anew(api: Any, **how: Any) -> dict[str, Any]:
    """The answer, when what was kept is old."""
    cache.clear()
    return dict(ask(api, **how).json())


def a_test(campaign: Campaign, slug: str = "words", **changes: Any) -> AskTest:
    """Two ways to ask: the campaign's own, and one with other words and amounts."""
    test = AskTest.objects.create(
        campaign=campaign, slug=slug, **{"seed": f"seed-{slug}", "starts_at": factories.LONG_AGO, **changes}
    )
    AskVariant.objects.create(test=test, slug="own")
    warm = AskVariant.objects.create(
        test=test, slug="warm", title="Dear reader", message="We ask you.\n\nPlease.", button="Give now"
    )
    VariantAsk.objects.create(
        variant=warm, currency="USD", interval="month", suggested=[700, 900], default_minor=900
    )
    return test


# --- The whole of it --------------------------------------------------------------------------------


def test_an_appeal_has_all_that_a_widget_draws(appeal, api, settings):
    settings.PRIVACY_URL = "https://gazette.example/privacy"
    Campaign.objects.update(
        newsletter_text="Send me the letter.",
        payment_methods=["visa", "ideal", "sepa_debit", "paypal", "of our own"],
    )
    found = ask(api).json()

    assert (found["show"], found["hidden_because"], found["variant"], found["button"]) == (
        True,
        "",
        None,
        None,
    )
    assert found["support_url"] == settings.PUBLIC_BASE_URL + "/support/support-us/"
    assert found["privacy_url"] == "https://gazette.example/privacy"
    assert found["newsletter"] == {"text": "Send me the letter.", "version": "newsletter-1"}
    assert found["quiet_days_after_gift"] == 90
    assert found["fee_cover"]["USD"] == {"rate_ppm": 29_000, "fixed_minor": 30}
    assert set(found["fee_cover"]) == {"USD", "EUR", "JPY", "KWD", "UGX"}
    assert found["methods"]["EUR"] == {
        "once": ["visa", "ideal", "sepa_debit", "paypal"],
        "month": ["visa", "sepa_debit", "paypal"],
        "year": ["visa", "sepa_debit", "paypal"],
    }
    assert found["methods"]["UGX"] == {"once": ["visa"]}
    assert found["reminder"]["calendar"] is True
    assert [choice["value"] for choice in found["reminder"]["choices"]] == [
        "next_month", "in_3_months", "every_3_months",
    ]  # fmt: skip
    assert all(choice["label"] and choice["promise"] for choice in found["reminder"]["choices"])
    assert found["reminder"]["consent_version"] == settings.REMINDER_CONSENT_VERSION


def test_what_the_newsroom_did_not_set_is_not_offered(appeal, api, settings):
    settings.PRIVACY_URL = None
    settings.STRIPE_FEE_RATES = "*:0%"
    found = ask(api).json()

    assert (found["newsletter"], found["privacy_url"], found["fee_cover"]) == (None, None, None)


def test_the_reminder_speaks_the_campaigns_language(db, api):
    factories.a_campaign(locale="ru")
    labels = [choice["label"] for choice in ask(api).json()["reminder"]["choices"]]

    assert labels[2].lower() == "каждые 3 месяца"


def test_the_form_for_reminders_and_the_widget_offer_the_same(appeal, api, reader):
    page = reader.get("/support/support-us/").content.decode()
    for choice in ask(api).json()["reminder"]["choices"]:
        assert f'value="{choice["value"]}"' in page
        assert choice["label"] in page


def test_a_goal_that_cannot_be_told_is_left_out(appeal, api, monkeypatch):
    Campaign.objects.update(goal_minor=100_000)
    assert anew(api)["progress"] == {"currency": "USD", "goal": 100_000, "raised": 0}

    def too_slow(campaign: Campaign) -> None:
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(queries, "get_progress", too_slow)
    assert anew(api)["progress"] is None


# --- Whether to ask ---------------------------------------------------------------------------------


def test_a_page_with_hard_news_asks_nobody(appeal, api):
    found = ask(api, quiet=1)

    assert (found.json()["show"], found.json()["hidden_because"]) == (False, "quiet")
    assert "public" in found["Cache-Control"]
    assert ask(api).json()["show"] is True
    assert ask(api, quiet=0).json()["show"] is True


def test_a_campaign_that_has_ended_asks_nobody(appeal, api):
    Campaign.objects.update(ends_at=clock.now() - timedelta(days=1))

    assert anew(api)["hidden_because"] == "not_running"


def test_the_switch_stops_all_asking_and_lets_the_support_page_be(appeal, api, reader):
    AskSwitch.objects.update(is_off=True)

    assert anew(api)["hidden_because"] == "off"
    assert reader.get("/support/support-us/").status_code == 200


def test_what_is_kept_is_nowhere_older_than_a_minute(appeal, api, monkeypatch):
    """What lay here for a while may lie so much shorter in a browser, so that the switch takes a minute at most."""
    start = clock.now()
    ages = []
    for seconds in range(0, 62, 5):
        monkeypatch.setattr(clock, "now", lambda at=start + timedelta(seconds=seconds): at)
        answer = ask(api)
        if seconds == 5:
            AskSwitch.objects.update(is_off=True)
        max_age = int(answer["Cache-Control"].rpartition("=")[2])
        if answer.json()["show"]:
            ages.append(seconds + max_age)

    assert ages
    assert max(ages) <= 5 + 60


def test_sensitive_pages_show_only_words_that_are_marked_as_safe(appeal, api):
    assert anew(api, sensitive=1)["hidden_because"] == "quiet"
    Campaign.objects.update(is_safe=True)
    assert anew(api, sensitive=1)["show"] is True


# --- Tests ------------------------------------------------------------------------------------------


def browsers(count: int) -> list[str]:
    return [f"Browser {number}" for number in range(count)]


def test_a_variant_changes_words_and_amounts_and_nothing_else(appeal, api):
    a_test(appeal)
    found = {answer["variant"]["name"]: answer for answer in (anew(api, browser=one) for one in browsers(12))}
    own, warm = found["own"], found["warm"]
    [monthly] = [row for row in warm["asks"] if (row["currency"], row["interval"]) == ("USD", "month")]

    assert warm["variant"] == {"test": "words", "name": "warm"}
    assert (warm["title"], warm["message"]) == ("Dear reader", ["We ask you.", "Please."])
    assert warm["button"] == "Give now"
    assert (monthly["amounts"], monthly["default"], monthly["minimum"]) == ([700, 900], 900, 200)
    changed = {"variant", "title", "message", "button", "asks"}
    assert {k: v for k, v in own.items() if k not in changed} == {
        k: v for k, v in warm.items() if k not in changed
    }
    assert own["title"] == "Support The Sample Gazette"


def test_a_reader_sees_the_same_each_time_and_the_answer_is_theirs_alone(appeal, api):
    a_test(appeal)
    for browser in browsers(6):
        first, again = ask(api, browser=browser), ask(api, browser=browser)
        later = anew(api, browser=browser)

        assert first.json()["variant"] == again.json()["variant"] == later["variant"]
        assert first["Cache-Control"].startswith("private, max-age=")
        assert again["ETag"] == first["ETag"]


def test_an_answer_by_lot_costs_no_statement_once_it_is_known(appeal, api, django_assert_num_queries):
    a_test(appeal)
    for browser in browsers(8):
        ask(api, browser=browser)
    with django_assert_num_queries(0):
        for browser in browsers(8):
            ask(api, browser=browser)


def test_a_test_of_another_time_or_place_changes_nothing(appeal, api):
    a_test(appeal, "over", ends_at=clock.now() - timedelta(days=1))
    a_test(appeal, "later", starts_at=clock.now() + timedelta(days=1))
    a_test(appeal, "there", countries="NL BE")
    answer = ask(api)

    assert answer.json()["variant"] is None
    assert "public" in answer["Cache-Control"]


def test_a_country_comes_before_a_region_and_the_lowest_position_first(appeal, api, settings):
    settings.COUNTRY_HEADER = "CF-IPCountry"
    for slug, place in (
        ("all", {}),
        ("eu", {"region": "EU"}),
        ("europe", {"region": "EUROPE", "position": 1}),
        ("dutch", {"countries": "NL BE", "position": 7}),
        ("dutch-too", {"countries": "NL", "position": 9}),
    ):
        a_test(appeal, slug, **place)

    def test_in(country: str) -> str:
        headers = {"CF-IPCountry": country}
        return str(anew(api, headers=headers)["variant"]["test"])

    assert [test_in(code) for code in ("NL", "BE", "DE", "CH", "JP", "XX", "nonsense")] == [
        "dutch", "dutch", "eu", "europe", "all", "all", "all",
    ]  # fmt: skip


def test_the_proxys_word_chooses_the_currency_if_the_campaign_takes_it(appeal, api, settings):
    assert ask(api, headers={"CF-IPCountry": "JP"}).json()["default_currency"] == "USD"
    settings.COUNTRY_HEADER = "CF-IPCountry"
    found = {code: ask(api, headers={"CF-IPCountry": code}) for code in ("JP", "NL", "CH", "XX")}

    assert {code: answer.json()["default_currency"] for code, answer in found.items()} == {
        "JP": "JPY", "NL": "EUR", "CH": "USD", "XX": "USD",
    }  # fmt: skip
    assert all("private" in answer["Cache-Control"] for answer in found.values())


def test_on_a_sensitive_page_a_reader_gets_their_variant_if_it_is_safe_else_the_campaigns_words_else_none(
    appeal, api
):
    a_test(appeal)
    mine = {one: ask(api, browser=one).json()["variant"]["name"] for one in browsers(8)}
    AskVariant.objects.filter(slug="warm").update(is_safe=True)

    for browser, variant in mine.items():
        found = anew(api, browser=browser, sensitive=1)
        assert found["show"] is (variant == "warm")
        assert found["variant"] == ({"test": "words", "name": "warm"} if variant == "warm" else None)
    Campaign.objects.update(is_safe=True)
    assert all(anew(api, browser=browser, sensitive=1)["show"] for browser in mine)


# --- Hold-out and counts ----------------------------------------------------------------------------


def counted() -> dict[str, tuple[int, int]]:
    tally.write_now(now=clock.now())
    rows = AskCount.objects.select_related("variant")
    return {row.variant.slug if row.variant else "": (row.shown, row.held) for row in rows}


def test_some_readers_are_asked_nothing_by_lot_and_both_kinds_are_counted(appeal, api):
    Campaign.objects.update(hold_out_percent=50)
    cache.clear()
    held = [not ask(api, browser=browser).json()["show"] for browser in browsers(40)]

    assert 8 <= sum(held) <= 32  # deterministic: the lots of these forty
    assert ask(api, browser=browsers(40)[held.index(True)]).json()["hidden_because"] == "held_out"
    assert counted() == {"": (40 - sum(held), sum(held) + 1)}


def test_a_hold_out_has_a_time(appeal, api):
    now = clock.now()
    Campaign.objects.update(hold_out_percent=100, hold_out_starts_at=now - timedelta(days=1))
    assert anew(api)["hidden_because"] == "held_out"
    Campaign.objects.update(hold_out_ends_at=now - timedelta(hours=1))
    assert anew(api)["show"] is True


def test_variants_are_counted_each_for_itself(appeal, api):
    a_test(appeal)
    names = [ask(api, browser=browser).json()["variant"]["name"] for browser in browsers(20)]

    assert counted() == {name: (names.count(name), 0) for name in ("own", "warm")}


def test_nothing_is_counted_where_nothing_is_tried(appeal, api):
    for query in ({}, {"quiet": 1}):
        ask(api, **query)

    assert counted() == {}


def test_counting_never_costs_a_reader_the_appeal(appeal, api, monkeypatch):
    a_test(appeal)

    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(tally, "insert_new", full)
        names = [ask(api, browser=browser).json()["variant"]["name"] for browser in browsers(4)]
    assert not AskCount.objects.exists()

    assert sum(shown for shown, _ in counted().values()) == len(names)  # and nothing was lost


@pytest.mark.django_db(transaction=True)
def test_a_count_of_what_is_gone_is_dropped_and_the_appeal_goes_on(appeal, api):
    test = a_test(appeal)
    for browser in browsers(4):
        ask(api, browser=browser)  # the first is written down, three are not yet
    test.delete()

    assert anew(api)["variant"] is None
    assert counted() == counted() == {}
