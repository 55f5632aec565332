"""The reminders' report: from a wish to a gift, beside a second reckoning from the rows."""

from __future__ import annotations

from datetime import timedelta

from donations.reports import catalogue, periods
from donations.reports.catalogue import Question, Window
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters
from reminders.models import Reminder, ReminderSend
from reminders.reports import funnel
from tests.reminders.conftest import Desk


def test_the_way_from_a_wish_to_a_gift(desk: Desk) -> None:
    begun = desk.now
    for number in range(3):
        desk.ask(f"reader{number}@example.org")
    first = ReminderSend.objects.earliest("due_at")
    desk.go_and_work(first.ready_at)
    period = Period(periods.day_of(begun), periods.day_of(desk.now + timedelta(days=40)))
    mailed = ReminderSend.objects.filter(state__in=["SENT", "HANDED_OVER"])
    one, other = mailed.order_by("pk")[:2]
    given = {"conversion": "DIRECT", "converted_at": desk.now + timedelta(days=2), "value_minor": 500}
    ReminderSend.objects.filter(pk=one.pk).update(**given, value_currency="USD", begun_at=desk.now)
    held = {"state": "HELD_OUT", "handed_on": None}
    ReminderSend.objects.filter(pk=other.pk).update(**held)

    found = funnel(period)

    assert found["asked"] == Reminder.objects.count() == 3
    assert found["confirmed"]["denominator"] == 3
    assert found["mailed"] == mailed.count() == 2
    assert found["held_out"] == 1
    assert found["due"] == ReminderSend.objects.count()
    assert found["direct"] == {"numerator": 1, "denominator": 2, "value": 0.5}
    assert found["begun"]["numerator"] == 1
    assert found["held_out_gave"] == {"numerator": 0, "denominator": 1, "value": 0.0}
    assert found["lift"] == 0.5
    assert found["value"] == {"USD": {"direct": 500}}

    report = catalogue.get("reminders")
    assert report is not None
    asked = Question(period, Granularity.YEAR, Filters(), desk.now)
    page = catalogue.explain(report, asked, "direct", Window(0, 10))
    assert (page.count, page.total) == (1, {"USD": 500})
    assert [row["value"] for row in page.rows] == [500]


def test_nothing_was_asked_and_nothing_is_divided(desk: Desk) -> None:
    found = funnel(Period(periods.day_of(desk.now), periods.day_of(desk.now)))

    assert found["direct"]["value"] is None
    assert found["lift"] is None
    assert found["median_days"] is None
