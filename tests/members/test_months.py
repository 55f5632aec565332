"""The newsroom's calendar: months that end, leap days, and clocks that jump."""

from __future__ import annotations

import calendar as almanac
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.calendar import add_months, end_of_day

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Amsterdam", "America/New_York", "America/St_Johns", "America/Sao_Paulo",
        "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Apia", "Africa/Cairo",
    )
]  # fmt: skip
zones = st.sampled_from(ZONES)
moments = st.datetimes(
    min_value=datetime(2012, 1, 1),  # noqa: DTZ001  (the zone is given beside)
    max_value=datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2027-01-31", 1, "2027-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2027-01-31", 2, "2027-03-31"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-11-24", 12, "2027-11-24"),
    ],
)
def test_a_month_ends_where_the_calendar_says(start: str, months: int, end: str) -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    evening = datetime.fromisoformat(f"{start}T23:30:00").replace(tzinfo=zone)

    assert add_months(evening, months, zone).astimezone(zone).date() == date.fromisoformat(end)


def test_the_day_is_the_newsrooms_and_not_that_of_utc() -> None:
    """Half past eleven in New York on 31 January is February in UTC."""
    zone = ZoneInfo("America/New_York")
    given_at = datetime(2027, 2, 1, 4, 30, tzinfo=UTC)

    assert add_months(given_at, 1, zone).astimezone(zone) == datetime(2027, 2, 28, 23, 30, tzinfo=zone)


@given(moment=moments, months=st.integers(1, 120), zone=zones)
def test_months_later_it_is_the_same_day_and_time_there_or_the_months_last_day(
    moment: datetime, months: int, zone: ZoneInfo
) -> None:
    begins, ends = moment.astimezone(zone), add_months(moment, months, zone).astimezone(zone)
    counted = (ends.year - begins.year) * 12 + ends.month - begins.month
    last = almanac.monthrange(ends.year, ends.month)[1]

    assert counted == months
    assert ends.day == min(begins.day, last)
    apart = ends.replace(tzinfo=None) - datetime.combine(ends.date(), begins.time())
    assert timedelta() <= apart <= timedelta(hours=1), "later only by as much as clocks are put forward"


@given(first=moments, second=moments, months=st.integers(0, 60), zone=zones)
def test_who_gave_later_is_a_member_no_shorter(
    first: datetime, second: datetime, months: int, zone: ZoneInfo
) -> None:
    earlier, later = sorted((first, second))
    # An hour that comes twice is the only exception, and it is an hour.
    assert add_months(earlier, months, zone) <= add_months(later, months, zone) + timedelta(hours=1)


@given(moment=moments, zone=zones)
def test_a_day_ends_where_the_next_begins(moment: datetime, zone: ZoneInfo) -> None:
    day = moment.astimezone(zone).date()
    end = end_of_day(day, zone)

    assert (end - timedelta(microseconds=1)).astimezone(zone).date() == day
    assert end.astimezone(zone).date() > day
    assert end > moment
