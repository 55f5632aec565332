"""Who gave in which year and month, beside second reckonings from the gifts themselves."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest

from donations import gateway
from donations.models import Contribution, Payment
from donations.reports import catalogue, giving, periods, years
from donations.reports.catalogue import Question, Window
from donations.reports.giving import Gift
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, Filters, load
from members import clock
from members.models import Member
from tests.house import House


def gifts_of_some(seed: int) -> list[Gift]:
    chance = random.Random(seed)
    some = [
        Gift(
            chance.randint(1, 25),
            date(
                chance.choice([2017, 2021, 2022, 2023, 2024, 2025, 2025, 2026, 2026]),
                chance.randint(1, 12),
                1,
            ),
            chance.choice(["USD", "USD", "EUR"]),
            chance.choice(["once", "month"]),
            chance.randint(1, 5) * 100,
        )
        for _ in range(60)
    ]
    return sorted(some, key=lambda gift: gift.day)


@pytest.mark.parametrize("seed", range(12))
def test_everybody_is_in_one_group_of_years(seed: int) -> None:
    some, everybody = gifts_of_some(seed), set(range(1, 31))

    found = years.annual_view(some, 2026, everybody)

    expected: Counter[str] = Counter()
    for person in everybody:
        gave = [
            any(gift.person_id == person and gift.day.year == 2026 - ago for gift in some)
            for ago in range(12)
        ]
        match gave:
            case [True, True, *_]:
                expected["this_year consecutive"] += 1
            case [True, False, *earlier]:
                expected["this_year reactivated" if any(earlier) else "this_year new"] += 1
            case [False, True, True, *_]:
                expected["last_year consecutive"] += 1
            case [False, True, False, *earlier]:
                expected["last_year reactivated" if any(earlier) else "last_year new"] += 1
            case [False, False, True, *_]:
                expected["lapsed"] += 1
            case [_, _, _, *earlier] if any(earlier[:3]):
                expected["deep_lapsed"] += 1
            case [*ever] if any(ever):
                expected["ultra_lapsed"] += 1
            case _:
                expected["never"] += 1
    told = {
        **{
            f"{group} {kind}": number
            for group in ("this_year", "last_year")
            for kind, number in found[group].items()
        },
        **{group: found[group] for group in ("lapsed", "deep_lapsed", "ultra_lapsed", "never")},
    }
    assert {name: number for name, number in told.items() if number} == dict(expected)
    assert sum(told.values()) == len(everybody)
    assert years.annual_view(some, 2026, None)["never"] is None


@pytest.mark.parametrize("seed", range(12))
def test_gains_and_losses_lead_from_one_year_to_the_next_to_the_cent(seed: int) -> None:
    some = gifts_of_some(seed)

    found = years.gains_and_losses(some, 2026)["currencies"]

    def given(person: int, year: int, currency: str = "") -> int:
        return sum(
            gift.amount_minor
            for gift in some
            if gift.person_id == person and gift.day.year == year and currency in ("", gift.currency)
        )

    for currency in ("USD", "EUR"):
        expected: dict[str, list[int]] = {name: [0, 0] for name in (*years.GAINS, "same", *years.LOSSES)}
        for person in range(1, 26):
            now, then = given(person, 2026, currency), given(person, 2025, currency)
            if not now and not then:
                continue
            if not given(person, 2026):
                kind = "lapsed"
            elif given(person, 2025):
                kind = "same" if now == then else "upgraded" if now > then else "downgraded"
            else:
                earlier = any(gift.person_id == person and gift.day.year < 2025 for gift in some)
                kind = "recaptured" if earlier else "new"
            expected[kind][0] += 1
            expected[kind][1] += now - then
        told = found[currency]
        assert {name: [told[name]["persons"], told[name]["value"]] for name in expected} == expected
        assert told["before"] + sum(told[name]["value"] for name in expected) == told["after"]
        for figure in (*years.GAINS, *years.LOSSES):
            rows = years.explain_gains(lambda: some, 2026, figure)
            assert sum(row["value"] for row in rows if row["currency"] == currency) == told[figure]["value"]


def test_the_rows_behind_a_gain_name_payments_and_no_reader(house: House) -> None:
    house.give_and_pay(amount=2500, email="ada@example.org")
    asked = Question(
        Period(periods.day_of(clock.now()), periods.day_of(clock.now())),
        Granularity.YEAR,
        EVERYTHING,
        clock.now(),
    )
    report = catalogue.get("members")
    assert report is not None

    told = report.answer(asked)
    page = catalogue.explain(report, asked, "new", Window(0, 9))

    assert told["gains_and_losses"]["currencies"]["USD"]["new"] == {"persons": 1, "value": 2500}
    assert page.total == {"USD": 2500}
    assert page.rows[0]["payment"] == str(Payment.objects.get().public_id)
    assert told["annual_view"]["this_year"] == {"consecutive": 0, "reactivated": 0, "new": 1}
    assert told["annual_view"]["never"] == Member.objects.count() - 1 == 0


# --- Monthly givers, and those who came back


def stop(house: House, contribution: Contribution) -> None:
    """It ends at once, and Stripe tells so."""
    gateway.end_now(contribution.subscription.stripe_id)
    house.catch_up()


def monthly_givers(day: date) -> dict[str, int]:
    (part,) = giving.members(load(), EVERYTHING, Period(day, day), Granularity.DAY)
    return {name: number for name, number in part["monthly_givers"].items() if number}


def test_a_monthly_giver_is_called_by_when_they_last_paid(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    house.give_and_pay(interval="year", amount=5000, email="hedy@example.org")
    paid_on = periods.day_of(Payment.objects.get(amount_minor=500).paid_at)
    stop(house, Contribution.objects.get(interval="month"))

    def since(months: int, days: int) -> dict[str, int]:
        """So many days after the day whose month ago that payment was."""
        day = paid_on
        while periods.months_ago(day, months) < paid_on:
            day += timedelta(days=1)
        while periods.months_ago(day + timedelta(days=1), months) == paid_on:
            day += timedelta(days=1)  # the last of them, in a month that is shorter
        return monthly_givers(day + timedelta(days=days))

    assert since(1, 0) == {"active": 1}
    assert since(1, 1) == since(3, 0) == {"delinquent": 1}
    assert since(3, 1) == since(6, 0) == {"recent_lapsed": 1}
    assert since(6, 1) == since(36, 0) == {"deep_lapsed": 1}
    assert since(36, 1) == {"longer_ago": 1}


def test_who_pauses_or_gives_by_the_year_is_not_delinquent(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    plans, soon = load(), periods.day_of(clock.now()) + timedelta(days=45)
    stretch = plans[0].stretches[0]

    def called(**changes: object) -> dict[str, int]:
        plans[0].stretches[0] = replace(stretch, **changes)
        (part,) = giving.members(plans, EVERYTHING, Period(soon, soon), Granularity.DAY)
        return {name: number for name, number in part["monthly_givers"].items() if number}

    assert called() == {"delinquent": 1}
    assert called(interval="year") == {"yearly": 1}
    assert called(is_paused=True, base=0) == {"paused": 1}
    assert called(ended_as="voluntary", base=0) == {"delinquent": 1}


def test_who_had_lapsed_and_gives_again_is_recovered(house: House) -> None:
    for name in ("grace", "hedy"):
        house.give_and_pay(interval="month", amount=500, email=f"{name}@example.org")
    house.stripe.advance(timedelta(days=1))
    for contribution in Contribution.objects.all():
        stop(house, contribution)
    left_on = periods.day_of(clock.now())
    house.stripe.advance(timedelta(days=3))
    house.give_and_pay(amount=2500, email="grace@example.org")
    back_on = periods.day_of(clock.now())

    def told(first: date, last: date, filters: Filters = EVERYTHING) -> tuple[int, int]:
        (part,) = giving.members(load(), filters, Period(first, last), Granularity.YEAR)
        return part["recovered_lapsed"]["numerator"], part["recovered_lapsed"]["denominator"]

    span = (back_on - left_on).days
    assert told(left_on + timedelta(days=1), back_on) == (1, 2)
    assert told(left_on + timedelta(days=1), back_on - timedelta(days=1))[0] == 0, "nothing was given yet"
    assert told(left_on, back_on) == (0, 0), "they lapsed within the window, not before it"
    days = giving.members(load(), EVERYTHING, Period(left_on + timedelta(days=1), back_on), Granularity.DAY)
    assert [day["recovered_lapsed"]["denominator"] for day in days] == [2, 0, 0], "each day looks at the last"
    assert span == 3
