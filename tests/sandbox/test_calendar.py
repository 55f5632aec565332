"""
Periods of subscriptions over the years, beside a calendar that was written by somebody else.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.periods import period_start
from sandbox.server import Sandbox
from tests.sandbox.test_books import give

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
ANCHORS = st.integers(0, 37 * 366 * 86400).map(lambda second: FIRST + timedelta(seconds=second))
MONTH_ENDS = st.builds(
    lambda year, month, second: (
        datetime(year, month, 1, tzinfo=UTC) + relativedelta(months=1) - timedelta(seconds=second)
    ),
    st.integers(2024, 2060),
    st.integers(1, 12),
    st.integers(1, 4 * 86400),
)
"""The last four days of months, where calendars go wrong."""


def expected(anchor: datetime, interval: str, count: int) -> datetime:
    return anchor + relativedelta(**{f"{interval}s": count})  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    anchor=ANCHORS | MONTH_ENDS,
    interval=st.sampled_from(["day", "week", "month", "year"]),
    every=st.integers(1, 12),
    cycle=st.integers(0, 60),
)
def test_each_period_begins_where_the_calendar_says(
    anchor: datetime, interval: str, every: int, cycle: int
) -> None:
    start = period_start(int(anchor.timestamp()), {"interval": interval, "interval_count": every}, cycle)
    assert datetime.fromtimestamp(start, UTC) == expected(anchor, interval, every * cycle)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(anchor=ANCHORS | MONTH_ENDS, interval=st.sampled_from(["week", "month", "year"]), data=st.data())
def test_a_gift_is_paid_once_for_each_period_and_without_a_gap(
    anchor: datetime, interval: str, data: st.DataObject
) -> None:
    sandbox = Sandbox(system_time=lambda: anchor.timestamp(), set_to={"cards": {"updated": 1}})
    give(sandbox, "4242424242424242", "card", interval, ("eur", 1500))
    cycles = data.draw(st.integers(1, {"week": 60, "month": 30, "year": 9}[interval]))

    end = expected(anchor, interval, cycles) + timedelta(hours=2)
    while (now := datetime.fromtimestamp(sandbox.account.now(), UTC)) < end:
        step = timedelta(days=data.draw(st.integers(1, 700)))
        sandbox.set_clock(min(now + step, end))

    invoices = sandbox.account.all("invoice")[::-1]
    periods = [invoice["lines"]["data"][0]["period"] for invoice in invoices]
    assert [datetime.fromtimestamp(period["start"], UTC) for period in periods] == [
        expected(anchor, interval, cycle) for cycle in range(cycles + 1)
    ]
    assert all(one["end"] == next_one["start"] for one, next_one in itertools.pairwise(periods))
    assert all(invoice["status"] == "paid" for invoice in invoices)
    for invoice, period in list(zip(invoices, periods, strict=True))[1:]:
        assert invoice["created"] == period["start"]
        assert invoice["status_transitions"]["paid_at"] == period["start"] + 3600


@pytest.mark.parametrize(
    ("begin", "interval", "days"),
    [
        ("2027-01-31", "month", ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]),
        ("2028-01-30", "month", ["2028-02-29", "2028-03-30"]),
        ("2028-02-29", "year", ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2027-12-31", "month", ["2028-01-31", "2028-02-29", "2028-03-31"]),
    ],
)
def test_months_and_leap_years_as_everybody_would_count_them(
    begin: str, interval: str, days: list[str]
) -> None:
    anchor = datetime.fromisoformat(begin).replace(tzinfo=UTC, hour=23, minute=59)
    starts = [
        period_start(int(anchor.timestamp()), {"interval": interval, "interval_count": 1}, cycle)
        for cycle in range(1, len(days) + 1)
    ]
    assert [datetime.fromtimestamp(start, UTC).date().isoformat() for start in starts] == days
    assert {datetime.fromtimestamp(start, UTC).time() for start in starts} == {anchor.time()}


def test_a_year_in_one_jump_does_each_step_once() -> None:
    sandbox = Sandbox(system_time=lambda: 1_798_804_800.0, set_to={"payouts": {"interval": "daily"}})
    sandbox.account.listens = False
    for number in range(20):
        give(sandbox, "4242424242424242", "card", "year" if number % 4 == 0 else "month", ("eur", 1500))

    sandbox.advance(timedelta(days=365, hours=2))

    statement = sandbox.statement()["EUR"]
    assert statement["gross"]["count"] == 5 * 2 + 15 * 13
    assert statement["payouts"]["count"] == 12, "the last renewals are not available yet"
