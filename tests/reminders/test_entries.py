"""A reminder in the reader's own calendar: read by a parser that is not ours, and by other rules than ours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import icalendar
import pytest
from dateutil import rrule, tz
from django.test import Client
from hypothesis import given
from hypothesis import settings as trial
from hypothesis import strategies as st

from members.models import Message
from reminders import calendar, ics, vtimezone
from reminders.models import Reminder, ReminderSend
from tests import factories
from tests.paper import Page
from tests.reminders.conftest import API, NOON, Desk

pytestmark = pytest.mark.django_db

ZONES = sorted(name for name in available_timezones() if "/" in name or name == "UTC")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Desk:
    """The edges read the desk's clock."""
    monkeypatch.setattr("members.clock.now", lambda: desk.now)
    return desk


def read(body: bytes | str) -> Any:
    """The one entry of a file, after checks of what every line has to be."""
    raw = body if isinstance(body, bytes) else body.encode()
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    assert all(b"\n" not in line and b"\r" not in line for line in lines)
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # no letter is cut in two
    file = icalendar.Calendar.from_ical(raw)
    assert (file["VERSION"], file["CALSCALE"]) == ("2.0", "GREGORIAN")
    assert not [error for component in file.walk() for error in component.errors]
    [entry] = file.walk("VEVENT")
    entry.method = str(file["METHOD"])
    entry.file = file
    return entry


def get(api: Client, address: str = f"{API}calendar.ics", **query: str) -> Any:
    response = api.get(address, query)
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    return read(response.content)


def assert_nothing_is_stored() -> None:
    for model in (Reminder, ReminderSend, Message):
        assert not model._default_manager.exists()


def change_page(entry: Any) -> str:
    """The link in the entry's own words that leads to where it is changed."""
    [link] = re.findall(r"https?://[^/]+(/reminders/calendar/\S+)", entry["DESCRIPTION"])
    return str(link)


def press(api: Client, page: str, act: str, **changes: str) -> Any:
    """Fill in the entry's page and press a button; the file that comes."""
    form = Page(api.get(page).content.decode())
    response = api.get("/reminders/calendar/", {**form.fields, **changes, "act": act}, follow=True)
    assert response.status_code == 200, response.content
    return read(response.content)


# --- The entry


def test_an_entry_has_all_that_a_calendar_needs(clock: Desk, api: Client) -> None:
    entry = get(api, remind="next_month", campaign="support-us", time_zone="Europe/Riga")

    assert entry.method == "PUBLISH"
    assert entry["DTSTART"].dt == datetime(2027, 1, 1, 10, 0, tzinfo=ZoneInfo("Europe/Riga"))
    assert entry["DTSTAMP"].dt == entry["LAST-MODIFIED"].dt == NOON
    assert entry["SUMMARY"] == "Support The Sample Gazette"
    assert entry["ORGANIZER"] == "mailto:members@gazette.example"
    assert "/support/support-us/?" in entry["URL"]
    assert entry["STATUS"] == "CONFIRMED"
    [alarm] = entry.walk("VALARM")
    assert (alarm["ACTION"], alarm["TRIGGER"].dt) == ("DISPLAY", timedelta(0))
    assert_nothing_is_stored()


def test_the_same_wish_is_the_same_entry_for_everybody_and_taken_twice_replaces_itself(
    clock: Desk, api: Client
) -> None:
    wish = {"remind": "next_month", "campaign": "support-us"}
    first = get(api, **wish)
    clock.wait(seconds=1)
    second = get(api, **wish, interval="month", amount="500", currency="USD")
    other = get(api, remind="in_3_months", campaign="support-us")

    assert first["UID"] == second["UID"] != other["UID"]
    assert first["SEQUENCE"] < second["SEQUENCE"] < 2**31


def test_names_with_every_kind_of_sign_come_back_as_they_were(
    clock: Desk, api: Client, settings: Any
) -> None:
    settings.NEWSROOM_NAME = 'The "Gazette"; a, b \\ c: Новая газета ' + "ж" * 90
    entry = get(api, remind="next_month", locale="ru")

    assert entry["SUMMARY"].endswith(settings.NEWSROOM_NAME)
    assert entry["ORGANIZER"].params["CN"] == settings.NEWSROOM_NAME.replace('"', "'")


# --- Changing and cancelling it, by its own link


def test_the_entrys_own_link_changes_it_and_then_cancels_it(clock: Desk, api: Client) -> None:
    before = get(
        api, remind="next_month", campaign="support-us", interval="month", amount="500", currency="USD",
        time_zone="Europe/Riga",
    )  # fmt: skip
    clock.wait(days=2)
    assert "January 1, 2027" in Page(api.get(change_page(before)).content.decode()).text
    changed = press(api, change_page(before), "change", remind="on_day", new_day="2027-05-02")

    assert (changed["UID"], changed.method) == (before["UID"], "PUBLISH")
    assert changed["SEQUENCE"] > before["SEQUENCE"]
    assert changed["DTSTART"].dt == datetime(2027, 5, 2, 10, 0, tzinfo=ZoneInfo("Europe/Riga"))
    assert changed["URL"] == before["URL"], "what it is for stays"

    clock.wait(days=200)  # long after its day
    cancelled = press(api, change_page(changed), "cancel")
    assert (cancelled["UID"], cancelled.method, cancelled["STATUS"]) == (before["UID"], "CANCEL", "CANCELLED")
    assert cancelled["SEQUENCE"] > changed["SEQUENCE"]
    assert cancelled["DTSTART"].dt == changed["DTSTART"].dt
    assert cancelled["ORGANIZER"] == before["ORGANIZER"]
    assert not cancelled.walk("VALARM")
    assert_nothing_is_stored()


def test_a_series_is_cancelled_as_a_whole(clock: Desk, api: Client) -> None:
    clock.go_to(datetime(2027, 1, 31, 12, tzinfo=UTC))
    series = get(api, remind="every_1_month")
    cancelled = press(api, change_page(series), "cancel")

    assert cancelled["RRULE"].to_ical() == series["RRULE"].to_ical()
    assert "RECURRENCE-ID" not in cancelled


def test_an_entry_outlives_its_appeal(clock: Desk, api: Client) -> None:
    entry = get(
        api, remind="next_month", campaign="support-us", interval="month", amount="500", currency="USD"
    )
    page = change_page(entry)
    clock.campaign.ends_at = clock.now
    clock.campaign.save()
    assert press(api, page, "cancel").method == "CANCEL"

    form = Page(api.get(page).content.decode())
    over = api.get("/reminders/calendar/", {**form.fields, "act": "change"}, follow=True)
    assert (over.status_code, "no appeal at the moment" in over.content.decode()) == (410, True)

    factories.a_campaign(slug="another")
    assert "/support/another/" in press(api, page, "change")["URL"]


def test_a_day_that_cannot_be_is_explained_on_the_entrys_page(clock: Desk, api: Client) -> None:
    page = change_page(get(api, remind="next_month"))
    form = Page(api.get(page).content.decode())
    response = api.get(
        "/reminders/calendar/", {**form.fields, "act": "change", "remind": "on_day", "new_day": "2020-01-01"}
    )

    assert response.status_code == 400
    assert "Please choose a day in the future" in response.content.decode()


@pytest.mark.parametrize(
    "changes",
    [{"uid": "x"}, {"uid": ""}, {"day": "2027-02-30"}, {"day": "0001-01-01"}, {"day": "9999-12-31"}, {"every": "0"},
     {"every": "25"}, {"anchor": "32"}, {"time_zone": "X\r\nBEGIN:VEVENT"}],
)  # fmt: skip
def test_what_states_no_entry_of_ours_gets_no_file(clock: Desk, api: Client, changes: dict[str, str]) -> None:
    link = urlsplit(change_page(get(api, remind="next_month")))
    query = {name: values[0] for name, values in parse_qs(link.query).items()}

    assert api.get(link.path, {**query, **changes, "act": "cancel"}).status_code == 404
    stated = {name: query[name] for name in ("uid", "day")}
    assert api.get(f"{API}calendar-cancelled.ics", {**stated, **changes}).status_code == 400


def test_no_file_can_be_made_to_hold_another_entry(clock: Desk, api: Client) -> None:
    response = api.get(f"{API}calendar.ics", {"remind": "next_month", "uid": "x\r\nEND:VEVENT"})
    assert response.status_code == 400


# --- The days of a series, by dateutil's reading of the rule


@trial(deadline=None)
@given(
    day=st.dates(date(2026, 1, 1), date(2032, 12, 31)),
    every=st.integers(1, 24),
)
def test_a_calendar_has_the_days_that_our_own_reminders_have(day: date, every: int) -> None:
    plan = calendar.every_months(day, every)
    entry = read(ics.published(_entry(plan, ZoneInfo("UTC")), now=NOON))
    start = datetime.combine(plan.day, calendar.TEN)
    rule = rrule.rrulestr(entry["RRULE"].to_ical().decode(), dtstart=start)

    ours, following = [], plan.day
    for _ in range(30):
        ours.append(datetime.combine(following, calendar.TEN))
        month = calendar.add_months(following, every)
        following = calendar.day_in(month, plan.anchor_day)
    assert [found for found, _ in zip(rule, range(30), strict=False)] == ours


def _entry(plan: calendar.Plan, zone: ZoneInfo) -> ics.Entry:
    return ics.Entry(UUID(int=1), plan, zone, "Support", ("Gazette", "members@gazette.example"))


# --- The rules of a zone, by dateutil's reading of them


def mornings(zone: ZoneInfo) -> Iterator[datetime]:
    """Ten o'clock on the first of each month of ten years, and on the days around each change of the clocks."""
    day, offset = date(2027, 1, 2), None
    while day < date(2037, 1, 1):
        local = datetime(day.year, day.month, day.day, 10, tzinfo=zone)
        if day.day == 1:
            yield local
        if local.utcoffset() != offset:
            yield from (local + timedelta(days=days) for days in (-1, 0, 1))
            offset = local.utcoffset()
        day += timedelta(days=1)


@pytest.mark.parametrize("letters", sorted({name[:2] for name in ZONES}))
def test_ten_in_the_morning_stays_ten_by_the_files_own_rules(letters: str) -> None:
    """As a program reads it that knows no zone by name: for all zones of the tz database."""
    for name in (name for name in ZONES if name.startswith(letters)):
        zone = ZoneInfo(name)
        written = "\r\n".join([*vtimezone.lines(zone, first=date(2027, 1, 1)), ""])
        by_rules = tz.tzical(io.StringIO(written)).get(name)
        for local in mornings(zone):
            assert local.replace(tzinfo=by_rules).utcoffset() == local.utcoffset(), local


@pytest.mark.parametrize(
    "name", ["Europe/Riga", "America/New_York", "Australia/Sydney", "Europe/Dublin", "UTC"]
)
def test_where_the_clocks_change_by_a_rule_it_holds_for_ever_and_the_file_is_short(name: str) -> None:
    lines = vtimezone.lines(ZoneInfo(name), first=date(2027, 1, 1))

    assert len(lines) <= 24
    assert len([line for line in lines if line.startswith("RRULE:")]) == (0 if name == "UTC" else 2)
