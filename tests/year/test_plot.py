"""The plot of a year: the same for the same seed, and all that a newsroom meets is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.cards import PLAIN, behaviour
from tests.year import plot

START = datetime(2028, 1, 1, 12, tzinfo=UTC)


def a_plot(seed: int = 1, readers: int = 200, days: int = plot.DAYS) -> plot.Plot:
    return plot.write(seed=seed, readers=readers, days=days, start=START)


def test_a_seed_tells_the_same_story_each_time_and_another_seed_another():
    assert a_plot(7) == a_plot(7)
    assert a_plot(7).deeds != a_plot(8).deeds


def test_a_reader_lives_the_same_life_among_few_as_among_many():
    few, many = a_plot(readers=10), a_plot(readers=100)

    assert many.readers[:10] == few.readers
    assert tuple(deed for deed in many.deeds if deed.reader < 10) == few.deeds


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_year_of_the_default_size_has_all_that_a_newsroom_meets(seed):
    story = a_plot(seed)
    does = {deed.does for deed in story.deeds}

    assert {(reader.currency, reader.interval) for reader in story.readers} == {
        (currency, interval) for currency in plot.CURRENCIES for interval in ("once", "month", "year")
    }
    assert {reader.payment for reader in story.readers} >= {
        "pays", "is declined, then pays", "leaves", "debit", "debit bounces", "passes 3-D Secure"
    }  # fmt: skip
    assert does >= {
        "give", "card fails", "new card", "cancel", "pause", "resume", "refund", "dispute", "bank decides",
        "ask for a reminder", "give again", "undo the second", "card will expire",
    }  # fmt: skip
    cards = {reader.card for reader in story.readers}
    assert {plot.REFUND_FAILS, plot.BANK_DISPUTES, plot.BANK_INQUIRES} <= cards
    assert {deed.detail for deed in story.deeds if deed.does == "bank decides"} == set(plot.DECISIONS)


def test_the_smallest_year_still_gives_in_every_currency_once_monthly_and_annually():
    story = a_plot(readers=18)

    assert len({(reader.currency, reader.interval) for reader in story.readers}) == 18


def test_the_clock_never_moves_by_more_than_three_days_and_stops_at_month_ends():
    story = a_plot()
    gaps = [later - earlier for earlier, later in zip(story.stops, story.stops[1:], strict=False)]

    assert max(gaps) == 3
    days = {(START + timedelta(days=stop)).date() for stop in story.stops}
    assert {(day.month, day.day) for day in days} >= {(1, 31), (2, 29), (4, 30), (8, 31), (12, 31)}
    assert {deed.day for deed in story.deeds} <= set(story.stops)


def test_nothing_happens_before_its_reader_gave():
    story = a_plot()
    gave: set[int] = set()
    for deed in story.deeds:
        assert (deed.reader in gave) is (deed.does != "give"), deed
        gave.add(deed.reader)

    assert gave == set(range(200))


def test_the_plot_can_be_read_by_people():
    lines = list(a_plot(readers=18).lines())

    assert len(lines) == len(a_plot(readers=18).deeds)
    assert any("give" in line and "KWD month" in line for line in lines)
    assert lines == sorted(lines, key=lambda line: line[:10])


@pytest.mark.parametrize(("year", "expected"), [(2026, 2028), (2028, 2028), (2097, 2104)])
def test_a_year_has_a_29th_of_february(year, expected):
    assert plot.start_of(year) == datetime(expected, 1, 1, 12, tzinfo=UTC)


def test_every_reader_has_cards_of_their_own_that_the_sandbox_takes():
    numbers = [plot.card_of(reader, nth) for reader in range(200) for nth in range(2)]

    assert len(set(numbers)) == 400
    assert all(behaviour(number) == PLAIN for number in numbers)
