"""Monthly recurring revenue: it moves by what happened, and what moved adds up."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from donations.reports import periods, recurring
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Plan, Stretch, load
from donations.reports.recurring import Kind
from members import services as members
from tests.donations.reports.people import START, a_contribution, a_person, a_plan, follow

YEAR = Period(date(2026, 1, 1), date(2026, 12, 31))
NEVER = datetime(2030, 1, 1, tzinfo=UTC)


def on(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def paid(*moments: datetime) -> tuple[members.Paid, ...]:
    return tuple(
        members.Paid(f"in_{number}", at, through=at + timedelta(days=31), is_renewal=number > 0)
        for number, at in enumerate(moments)
    )


def moved(period: Period = YEAR, **known: datetime) -> list[tuple[str, str, int]]:
    return [
        (str(one.day), one.kind.value, one.twelfths) for one in recurring.movements(load(**known), period)
    ]


@pytest.fixture
def ada(appeal):
    return a_contribution(appeal, a_person("ada"))


def test_a_plan_counts_without_its_fee_cover_and_a_yearly_one_by_the_twelfth(appeal):
    ada, grace = a_person("ada"), a_person("grace")
    monthly = a_contribution(appeal, ada, amount_minor=1000, fee_cover_minor=61)
    yearly = a_contribution(appeal, grace, interval="year", amount_minor=5000)
    for one in (monthly, yearly):
        follow(one, a_plan(one), now=START)

    figures = recurring.mrr(load(), Period(date(2026, 1, 1), date(2026, 1, 1)), Granularity.DAY, None)

    assert figures["USD"][0]["closing"] == {"twelfths": 12_000 + 5_000, "minor": 1417}
    assert figures["USD"][0]["fee_cover"]["twelfths"] == 61 * 12
    assert figures["USD"][0]["arr"] == 17_000
    assert figures["USD"][0]["plans"] == 2


def test_new_more_less_gone_and_back(ada):
    plan = a_plan(
        ada,
        payments=paid(on(1, 1), on(2, 1)),
        amounts=(members.Amount("up", on(1, 10), 12_000), members.Amount("down", on(2, 10), 6_000)),
        wishes_to_leave=(members.Switch("bye", on(2, 20), is_on=True, until=on(3, 4)),),
    )
    follow(ada, plan, now=on(4, 1))
    again = a_contribution(ada.campaign, ada.member, amount_minor=300)
    follow(again, a_plan(again, payments=paid(on(5, 1))), now=on(5, 1))

    assert moved() == [
        ("2026-01-01", "new", 6_000),
        ("2026-01-10", "expansion", 6_000),
        ("2026-02-10", "contraction", -6_000),
        ("2026-03-04", "churn", -6_000),
        ("2026-05-01", "reactivation", 3_600),
    ]


def test_the_loss_of_one_of_two_plans_is_less_and_not_a_farewell(ada):
    follow(ada, a_plan(ada, payments=paid(on(1, 1), on(2, 1), on(3, 1))), now=on(3, 2))
    other = a_contribution(ada.campaign, ada.member, currency="EUR", amount_minor=700)
    follow(other, a_plan(other, payments=paid(on(1, 5)), ended_at=on(1, 20)), now=on(3, 2))

    assert moved() == [
        ("2026-01-01", "new", 6_000),
        ("2026-01-05", "expansion", 8_400),
        ("2026-01-20", "contraction", -8_400),
    ]


def test_a_pause_is_less_and_its_end_more(ada):
    pauses = (members.Switch("on", on(1, 10), is_on=True), members.Switch("off", on(1, 20), is_on=False))
    follow(ada, a_plan(ada, payments=paid(on(1, 1)), pauses=pauses), now=on(1, 25))

    assert moved()[1:] == [("2026-01-10", "contraction", -6_000), ("2026-01-20", "expansion", 6_000)]
    assert recurring.mrr_on(load(), date(2026, 1, 15)) == {}
    assert recurring.alive_on(load(), date(2026, 1, 15)) == {ada.member_id}


def test_a_plan_that_is_ended_and_begun_anew_on_one_day_is_no_loss(ada):
    follow(ada, a_plan(ada, payments=paid(on(1, 1)), ended_at=on(1, 10)), now=on(1, 10))
    yearly = a_contribution(ada.campaign, ada.member, interval="year", amount_minor=7_200)
    follow(yearly, a_plan(yearly, payments=paid(on(1, 10, 13))), now=on(1, 10, 14))

    assert moved()[1:] == [("2026-01-10", "expansion", 1_200)]


def test_a_late_payment_counts_until_the_plan_is_given_up_and_then_it_failed(ada):
    failures = (members.Failed("in_1", on(2, 1)),)
    plan = a_plan(ada, payments=paid(on(1, 1)), failures=failures)
    follow(ada, plan, now=on(2, 2))
    assert recurring.mrr_on(load(), date(2026, 2, 10))["USD"]["base"] == 6_000

    follow(ada, replace(plan, ended_at=on(2, 20), is_lost=True), now=on(2, 21))

    february = Period(date(2026, 2, 1), date(2026, 2, 28))
    (row,) = recurring.churn(load(), february, Granularity.MONTH, None)
    assert row["customers"] == {"numerator": 1, "denominator": 1, "value": 1.0}
    assert row["payment_failed"]["numerator"] == 1
    assert row["voluntary"]["numerator"] == 0
    assert row["mrr"]["USD"]["gross"] == {"numerator": 6_000, "denominator": 6_000, "value": 1.0}
    assert row["normalised"] == {"numerator": 1, "denominator": 1, "value": 1.0}


def test_nobody_at_the_start_makes_no_rate(ada):
    follow(ada, a_plan(ada), now=START)

    (row,) = recurring.churn(load(), Period(date(2026, 1, 1), date(2026, 1, 31)), Granularity.MONTH, None)

    assert row["customers"] == {"numerator": 0, "denominator": 0, "value": None}


def test_last_months_number_stays_as_it_was_told_when_late_news_comes(ada):
    follow(ada, a_plan(ada, payments=paid(on(1, 1), on(2, 1), on(3, 1))), now=on(3, 1))
    then = on(3, 15)
    before = moved(known_at=then), recurring.mrr_on(load(known_at=then), date(2026, 2, 28))
    ended = a_plan(ada, payments=paid(on(1, 1)), ended_at=on(2, 10))  # all of it was otherwise

    follow(ada, ended, now=on(4, 1))

    assert (moved(known_at=then), recurring.mrr_on(load(known_at=then), date(2026, 2, 28))) == before
    assert (
        moved() == [("2026-01-01", "new", 6_000), ("2026-02-01", "churn", -6_000)] or moved()[1][1] == "churn"
    )
    assert recurring.mrr_on(load(), date(2026, 2, 28)) == {}


def test_those_of_a_cohort_who_stayed(appeal):
    for number, months in enumerate([1, 2, 2, 3]):
        one = a_contribution(appeal, a_person(f"reader{number}"))
        moments = [on(1, 1), on(2, 1), on(3, 1)][:months]
        plan = a_plan(one, payments=paid(*moments), ended_at=moments[-1] + timedelta(days=20))
        follow(one, plan, now=on(5, 1))

    (row,) = recurring.retention(load(), YEAR, None, date(2026, 4, 30))

    assert (row["cohort"], row["interval"], row["size"]) == (date(2026, 1, 1), "month", 4)
    assert [month["numerator"] for month in row["months"]] == [3, 1, 0, 0]


# --- Made-up histories

DAYS = 40
ENDS = ["", "", "voluntary", "payment_failed"]
moments = st.integers(0, DAYS * 24).map(
    lambda hours: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours)
)


@st.composite
def histories(draw):
    plans = []
    for number in range(draw(st.integers(1, 5))):
        told = st.tuples(moments, st.booleans(), st.sampled_from(ENDS), st.integers(1, 99_999))
        stretches = [
            Stretch(
                since=at,
                base=0 if ended_as or is_paused else amount,
                cover=0,
                interval="month",
                is_paused=is_paused,
                ended_as=ended_as,
            )
            for at, is_paused, ended_as, amount in sorted(
                draw(st.lists(told, min_size=1, max_size=5, unique_by=lambda one: one[0]))
            )
        ]
        person, currency = draw(st.integers(1, 3)), draw(st.sampled_from(["USD", "EUR"]))
        plans.append(Plan(f"plan {number}", person, currency, "month", "", stretches))
    return plans


@given(histories(), st.integers(0, DAYS), st.integers(0, DAYS), st.sampled_from(list(Granularity)))
@effort(max_examples=60, deadline=None)
def test_what_moved_is_the_difference_to_the_last_twelfth_of_a_cent(plans, one, other, granularity):
    days = sorted([one, other])
    period = Period(*(date(2026, 3, 1) + timedelta(days=day) for day in days))

    for currency, parts in recurring.mrr(plans, period, granularity, None).items():
        for part in parts:
            opening, closing = part["opening"]["twelfths"], part["closing"]["twelfths"]
            assert opening + sum(each["twelfths"] for each in part["movements"].values()) == closing
        for figure in ("opening", "closing", *Kind):
            rows = recurring.explain_mrr(plans, period, currency, figure)
            told = sum(row["twelfths"] for row in rows)
            if figure == "opening":
                assert told == parts[0]["opening"]["twelfths"]
            elif figure == "closing":
                assert told == parts[-1]["closing"]["twelfths"]
            else:
                assert told == sum(part["movements"][figure]["twelfths"] for part in parts)


@given(histories())
@effort(max_examples=60, deadline=None)
def test_each_movement_is_called_what_a_second_look_calls_it(plans):
    """Another way: day by day, each person's plans from the beginning."""
    period = Period(date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=DAYS + 1))
    expected: Counter[tuple[date, int, str, str]] = Counter()
    for person in {plan.person_id for plan in plans}:
        theirs = [plan for plan in plans if plan.person_id == person]
        before: dict[str, int] = defaultdict(int)
        was_alive = had_any = False
        for day in (period.first + timedelta(days=number) for number in range(DAYS + 2)):
            end = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
            stands = [
                (plan.currency, max((s for s in plan.stretches if s.since < end), key=lambda s: s.since))
                for plan in theirs
                if any(s.since < end for s in plan.stretches)
            ]
            after: dict[str, int] = defaultdict(int)
            for currency, stood in stands:
                after[currency] += stood.base
            is_alive = any(not stood.ended_as for _, stood in stands)
            for currency in ("USD", "EUR"):
                if change := after[currency] - before[currency]:
                    if is_alive and not was_alive:
                        kind = "reactivation" if had_any else "new"
                    elif was_alive and not is_alive:
                        kind = "churn"
                    else:
                        kind = "expansion" if change > 0 else "contraction"
                    expected[day, person, currency, kind] += change
            before, was_alive, had_any = after, is_alive, had_any or bool(stands)

    told: Counter[tuple[date, int, str, str]] = Counter()
    for one in recurring.movements(plans, period):
        if one.twelfths:
            told[one.day, one.person_id, one.currency, one.kind.value] += one.twelfths
    assert told == expected


def test_days_weeks_months_quarters_and_years_divide_a_period_without_gaps():
    period = Period(date(2026, 11, 17), date(2027, 4, 2))
    for granularity in Granularity:
        parts = list(period.parts(granularity))
        assert (parts[0].first, parts[-1].last) == (period.first, period.last)
        assert all(a.last + periods.ONE_DAY == b.first for a, b in itertools.pairwise(parts))
    assert [str(part.first) for part in period.parts(Granularity.QUARTER)] == [
        "2026-11-17",
        "2027-01-01",
        "2027-04-01",
    ]
