"""Upgrades, downgrades and changes of the interval, as readers make them, beside a second reckoning from the wishes."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort

from donations import wishes
from donations.models import Contribution, ContributionChange
from donations.money import Money
from donations.reports import catalogue, recurring, upgrades
from donations.reports.catalogue import Question, Window
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, load
from members import clock
from tests.donations.reports.test_recurring import DAYS, histories
from tests.house import House

EVER = Period(date(2020, 1, 1), date(2035, 12, 31))


def change(house: House, **wish: object) -> None:
    contribution = Contribution.objects.select_related("campaign").get()
    wishes.change_terms(contribution, by=wishes.READER, now=clock.now(), **wish)
    house.catch_up()
    house.stripe.advance(timedelta(days=1))


def told(**more: object) -> dict[str, tuple[int, int]]:
    found = upgrades.upgrades(upgrades.amount_changes(load(**more), EVER), ["USD"])["USD"]
    return {name: (one["count"], one["twelfths"]) for name, one in found.items() if one["count"]}


@pytest.fixture
def monthly(house: House) -> House:
    """Grace gives 5.00 a month, since today."""
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    house.stripe.advance(timedelta(days=1))
    return house


def test_more_less_and_by_the_year(monthly: House) -> None:
    assert told() == {}
    change(monthly, amount=Money(800, "USD"))
    before = clock.now()
    change(monthly, amount=Money(600, "USD"))
    change(monthly, interval="year", amount=Money(6000, "USD"))

    assert told() == {
        "upgrades": (1, 3_600),
        "downgrades": (2, -2_400 - 1_200),
        "to_annual": (1, 6_000 - 12 * 600),
    }
    assert told(known_at=before) == {"upgrades": (1, 3_600)}
    # The same from what Grace wished.
    expected: Counter[str] = Counter()
    for wish in ContributionChange.objects.all():
        year = {"month": 12, "year": 1}
        delta = (
            wish.after["amount"] * year[wish.after["interval"]]
            - wish.before["amount"] * year[wish.before["interval"]]
        )
        expected["upgrades" if delta > 0 else "downgrades"] += delta
    assert {name: sum_ for name, (_, sum_) in told().items() if name != "to_annual"} == dict(expected)


def test_a_year_for_twelve_months_is_a_change_that_comes_to_nothing(monthly: House) -> None:
    change(monthly, interval="year", amount=Money(6000, "USD"))

    assert told() == {"to_annual": (1, 0)}
    assert recurring.mrr_on(load(), EVER.last)["USD"]["base"] == 6_000


def test_a_fee_that_is_covered_from_now_on_is_no_upgrade(monthly: House) -> None:
    change(monthly, cover_fees=True)

    assert told() == {}
    sums = recurring.mrr_on(load(), EVER.last)["USD"]
    assert (sums["base"], sums["cover"]) == (500 * 12, 46 * 12)
    change(monthly, amount=Money(1000, "USD"))  # with its cover of 0.61
    assert told() == {"upgrades": (1, 6_000)}


def test_the_report_tells_it_and_its_rows_add_up(monthly: House) -> None:
    change(monthly, amount=Money(900, "USD"))
    today = clock.now().date()
    asked = Question(Period(today - timedelta(days=7), today), Granularity.YEAR, EVERYTHING, clock.now())
    report = catalogue.get("mrr")
    assert report is not None

    parts = report.answer(asked)["USD"]
    page = catalogue.explain(report, asked, "upgrades", Window(0, 9))

    assert sum(part["changes"]["upgrades"]["twelfths"] for part in parts) == page.total["USD"] == 4_800
    assert page.rows[0]["before"] == {"interval": "month", "twelfths": 6_000}
    assert page.rows[0]["contribution"] == str(Contribution.objects.get().public_id)


@given(histories())
@effort(max_examples=60, deadline=None)
def test_what_plans_gained_and_lost_is_what_a_second_look_finds(plans):
    """Another way: day by day, what each plan last came to while it ran."""
    period = Period(date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=DAYS + 1))
    expected: Counter[tuple[str, str]] = Counter()
    for plan in plans:
        days = [plan.on(period.first + timedelta(days=number)) for number in range(DAYS + 2)]
        lives = [
            list(run)
            for is_over, run in itertools.groupby(days, lambda one: bool(one and one.ended_as))
            if not is_over
        ]
        for life in lives:
            ran = [stood.base for stood in life if stood and not stood.is_paused]
            for one, other in itertools.pairwise(ran):
                expected[plan.currency, "upgrades"] += max(other - one, 0)
                expected[plan.currency, "downgrades"] += min(other - one, 0)

    found = upgrades.upgrades(upgrades.amount_changes(plans, period), ["USD", "EUR"])

    for currency, each in found.items():
        for figure in ("upgrades", "downgrades"):
            assert each[figure]["twelfths"] == expected[currency, figure]
