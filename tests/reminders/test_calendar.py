"""A reminder is due at ten in the morning where its reader lives, in every month and whatever the clocks do."""

from __future__ import annotations

import calendar as months
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders import calendar, zones
from reminders.calendar import NoSuchDay
from tests.reminders import tzif

ZONES = [
    "Europe/Riga", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago",
    "Africa/Casablanca", "Pacific/Chatham", "Asia/Tehran", "America/St_Johns", "UTC",
]  # fmt: skip
EVERY_ZONE = sorted(name for name in available_timezones() if zones.is_zone(name))
EARLY, LATE = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2040-01-01")
DAYS = st.dates(date(2026, 1, 1), date(2040, 12, 31))


def ten_by_search(day: date, zone: ZoneInfo) -> datetime:
    """An independent calculation: walk through the day's minutes in UTC until a clock on the wall says 10:00."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while True:
        local = moment.astimezone(zone)
        if local.date() == day and (local.hour, local.minute) == (10, 0):
            return moment
        moment += timedelta(minutes=1)
        assert moment < datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=30)


@settings(deadline=None)
@given(day=DAYS, name=st.sampled_from(EVERY_ZONE))
def test_due_is_ten_on_the_wall(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    assert calendar.due_at(day, zone) == ten_by_search(day, zone)


@pytest.mark.parametrize("name", ZONES)
def test_each_day_of_ten_years_has_one_due_moment_in_daylight(name: str) -> None:
    zone = ZoneInfo(name)
    day, seen = date(2026, 1, 1), set()
    while day < date(2036, 1, 1):
        due = calendar.due_at(day, zone)
        assert due.astimezone(zone).date() == day
        assert not calendar.is_night(due, zone)
        seen.add(due)
        day += timedelta(days=1)
    assert len(seen) == 3652


# --- Every zone, against the tz database itself


@settings(deadline=None, max_examples=1000)
@given(day=DAYS, name=st.sampled_from(EVERY_ZONE))
def test_due_is_what_the_tz_database_says_on_any_day_in_any_zone(day: date, name: str) -> None:
    assert calendar.due_at(day, ZoneInfo(name)).timestamp() == tzif.ten_on_the_wall(day, name)


@pytest.mark.parametrize("letters", sorted({name[:2] for name in EVERY_ZONE}))
def test_due_is_what_the_tz_database_says_around_each_change_of_the_clocks(letters: str) -> None:
    """Gaps and overlaps, month ends and leap days: in every zone, at every change from 2026 to 2040."""
    ends = [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1), date(2027, 2, 28), date(2026, 12, 31)]
    for name in (name for name in EVERY_ZONE if name.startswith(letters)):
        moments, _ = tzif.changes(name, until=2040)
        changes = [datetime.fromtimestamp(at, UTC).date() for at in moments]
        around = [
            day + timedelta(days=days)
            for day in changes
            if EARLY.date() < day < LATE.date()
            for days in (-1, 0, 1)
        ]
        for day in [*ends, *around]:
            assert calendar.due_at(day, ZoneInfo(name)).timestamp() == tzif.ten_on_the_wall(day, name), (
                name,
                day,
            )


@pytest.mark.parametrize("letters", sorted({name[:2] for name in EVERY_ZONE}))
def test_each_day_has_its_own_ten_o_clock_in_daylight_in_every_zone(letters: str) -> None:
    for name in (name for name in EVERY_ZONE if name.startswith(letters)):
        zone, before = ZoneInfo(name), None
        for number in range(800):
            due = calendar.due_at(date(2026, 12, 1) + timedelta(days=number), zone)
            assert not calendar.is_night(due, zone)
            assert before is None or timedelta(hours=22) <= due - before <= timedelta(hours=26)
            before = due


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 3, 7), datetime(2026, 3, 7, 15, tzinfo=UTC)),
        (date(2026, 3, 8), datetime(2026, 3, 8, 14, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 1, 15, tzinfo=UTC)),
    ],
)
def test_new_york_around_its_clock_changes(day: date, expected: datetime) -> None:
    assert calendar.due_at(day, ZoneInfo("America/New_York")) == expected


@settings(deadline=None)
@given(moment=st.datetimes(EARLY, LATE), name=st.sampled_from(ZONES))
def test_the_next_morning_is_the_first_ten_o_clock_after(moment: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    now = moment.replace(tzinfo=UTC)
    morning = calendar.next_morning(now, zone)
    assert now < morning <= now + timedelta(hours=25)
    local = morning.astimezone(zone)
    assert (local.hour, local.minute) == (10, 0)


# --- Months


@settings(deadline=None)
@given(day=st.dates(date(1970, 1, 1), date(2400, 12, 31)), count=st.integers(0, 24))
def test_months_are_counted_like_on_a_calendar_on_the_wall(day: date, count: int) -> None:
    year, month = day.year, day.month
    for _ in range(count):  # turning over one leaf at a time
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    assert calendar.add_months(day, count) == date(year, month, 1)


@settings(deadline=None)
@given(anchor=st.integers(1, 31), start=st.dates(date(1970, 1, 1), date(2400, 1, 1)))
def test_a_month_that_is_too_short_gives_its_last_day_and_the_next_returns(anchor: int, start: date) -> None:
    for count in range(14):
        month = calendar.add_months(start, count)
        day = calendar.day_in(month, anchor)
        last = months.monthrange(month.year, month.month)[1]
        assert day.month == month.month
        assert day.day == (anchor if anchor <= last else last)


def test_the_31st_of_january_comes_back_in_march() -> None:
    plan = calendar.every_months(date(2027, 1, 31), 1)
    zone = ZoneInfo("Europe/Riga")
    days = []
    for _ in range(3):
        days.append(plan.day)
        plan = calendar.following(
            plan.day, anchor_day=31, every=1, zone=zone, after=calendar.due_at(plan.day, zone)
        )
    assert days == [date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30)]


def test_a_leap_day_is_the_28th_in_other_years() -> None:
    assert calendar.in_months(date(2028, 2, 29), 12).day == date(2029, 2, 28)
    assert calendar.every_months(date(2028, 2, 29), 24).anchor_day == 29


def test_the_month_after_the_31st_of_december_is_never_march() -> None:
    assert calendar.next_month(date(2026, 12, 31)).period == date(2027, 2, 1)


@pytest.mark.parametrize(
    ("today", "day"),
    [
        (date(2026, 11, 19), date(2026, 12, 1)),
        (date(2026, 11, 20), date(2027, 1, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_next_month_is_at_least_a_few_days_away(today: date, day: date) -> None:
    assert calendar.next_month(today).day == day


def test_months_that_were_missed_are_not_made_up_for() -> None:
    zone = ZoneInfo("UTC")
    after = datetime(2027, 5, 3, tzinfo=UTC)
    plan = calendar.following(date(2027, 1, 1), anchor_day=1, every=1, zone=zone, after=after)
    assert plan.day == date(2027, 6, 1)


# --- Days that are refused


@pytest.mark.parametrize("count", [0, -3, 0.6, "3", 25, True, None])
def test_impossible_frequencies_are_refused(count: object) -> None:
    with pytest.raises(NoSuchDay):
        calendar.check_frequency(count)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-11-24", "date_in_the_past"), ("2026-11-23", "date_in_the_past"), ("0001-01-01", "date_in_the_past"),
        ("2028-06-01", "date_too_far"), ("9999-12-31", "date_too_far"),
        ("2027-02-29", "invalid"), ("2027-02-30", "invalid"), ("0000-01-01", "invalid"), ("10000-01-01", "invalid"),
        ("1795000000", "invalid"), ("2027-1-1", "invalid"), ("20270101", "invalid"), ("2027-W01-1", "invalid"),
        ("٢٠٢٧-٠١-٠١", "invalid"), ("2027-01-01T02:30", "invalid"), ("", "invalid"),
    ],
)  # fmt: skip
def test_days_that_cannot_be_kept_are_refused(text: str, code: str) -> None:
    with pytest.raises(NoSuchDay) as refused:
        calendar.on_day(text, today=date(2026, 11, 24))
    assert refused.value.code == code


def test_a_day_within_eighteen_months_is_taken() -> None:
    assert calendar.on_day("2028-05-31", today=date(2026, 11, 24)).day == date(2028, 5, 31)
    assert calendar.on_day("2028-02-29", today=date(2026, 11, 24)).day == date(2028, 2, 29)


def test_this_month_in_the_guardians_words_is_tomorrow() -> None:
    assert calendar.in_month_of("2026-11-01", today=date(2026, 11, 24)).day == date(2026, 11, 25)
    assert calendar.in_month_of("2026-12-17", today=date(2026, 11, 24)).day == date(2026, 12, 1)
    with pytest.raises(NoSuchDay):
        calendar.in_month_of("2026-10-31", today=date(2026, 11, 24))


# --- Zones


@pytest.mark.parametrize(
    ("zone", "country", "expected"),
    [
        ("Asia/Tokyo", "GB", "Asia/Tokyo"), ("", "GB", "Europe/London"), ("", "US", "America/New_York"),
        ("", "RU", "Europe/Moscow"), ("", "LV", "Europe/Riga"), ("", "XX", "UTC"), ("", "", "UTC"),
    ],
)  # fmt: skip
def test_a_reader_lives_where_they_say_else_where_most_of_the_country_does(
    zone: str, country: str, expected: str
) -> None:
    assert zones.of_reader(time_zone=zone, country=country).key == expected


@pytest.mark.parametrize("name", ["Mars/Phobos", "localtime", "../etc/passwd", "", "EST5EDT2", "Europe"])
def test_what_is_no_zone_is_none(name: str) -> None:
    assert not zones.is_zone(name)
