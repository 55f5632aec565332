"""A reminder arrives once, on time, or not at all for a reason that staff can see."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from donations.models import Contribution, Dispute, Payment, Subscription
from members import addresses, crypto, outbox
from members import services as member_services
from members.models import Member, Message
from reminders import calendar, dispatch, services
from reminders.models import Reminder, ReminderSend, Switch, Unsubscription
from tests.reminders.conftest import Desk, Postman, state_of, the_send

pytestmark = pytest.mark.django_db

JANUARY = datetime(2027, 1, 1, 10, 0, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
MONTHLY = calendar.Plan(date(2027, 1, 1), 1, every_months=1)


@pytest.fixture(autouse=True)
def _no_confirmation(settings: Any) -> None:
    settings.REMINDER_CONFIRM_RECURRING = False


def a_gift(desk: Desk, email: str, *, at: datetime, **changes: Any) -> Payment:
    """A gift that arrived, as the ledger writes it down."""
    member = member_services.get_or_join(email=email, now=at)
    contribution = Contribution.objects.create(
        campaign=desk.campaign, member=member, interval=changes.pop("interval", "once"), amount_minor=500,
        currency="USD", livemode=False, created_at=at, checkout_attempted_at=at, checkout_state="COMPLETED",
        source=changes.pop("source", {}), stripe_session_id=f"cs_{at.timestamp()}_{email}",
    )  # fmt: skip
    return Payment.objects.create(
        contribution=contribution, state="SUCCEEDED", amount_minor=500, currency="USD", created_at=at, paid_at=at,
        stripe_payment_intent_id=f"pi_{at.timestamp()}_{email}", **changes,
    )  # fmt: skip


# --- Once, and on time


def test_a_reminder_arrives_in_the_morning_of_its_day_and_not_before(desk: Desk) -> None:
    reminder = desk.ask()
    desk.go_and_work(JANUARY - timedelta(seconds=1))
    assert desk.mails == []

    desk.go_and_work(JANUARY)
    assert [letter.to for letter in desk.mails] == [["charlie@example.org"]]
    assert state_of(reminder) == [("SENT", "")]
    reminder.refresh_from_db()
    assert reminder.state == "DONE"


def test_working_again_and_again_sends_nothing_more(desk: Desk) -> None:
    desk.ask()
    for _ in range(3):
        desk.go_and_work(JANUARY)
    desk.go_and_work(JANUARY + timedelta(days=40))
    assert len(desk.mails) == 1


def test_a_worker_that_was_down_for_four_days_catches_up(desk: Desk) -> None:
    desk.ask()
    desk.go_and_work(JANUARY + timedelta(days=4))
    assert len(desk.mails) == 1


def test_more_than_seven_days_late_is_too_late_and_staff_see_it(desk: Desk) -> None:
    reminder = desk.ask()
    found = desk.go_and_work(JANUARY + timedelta(days=10))
    assert (found.expired, desk.mails) == (1, [])
    assert state_of(reminder) == [("EXPIRED", "")]
    reminder.refresh_from_db()
    assert reminder.state == "EXPIRED"


def test_nobody_is_woken_at_night(desk: Desk) -> None:
    desk.ask(time_zone="Asia/Tokyo")
    found = desk.go_and_work(JANUARY + timedelta(hours=6))  # one in the morning in Tokyo, nine hours late
    assert (found.waiting, desk.mails) == (1, [])
    desk.go_and_work(datetime(2027, 1, 2, 1, 0, tzinfo=UTC))
    assert len(desk.mails) == 1


def test_a_clock_that_jumps_back_sends_nothing_twice(desk: Desk) -> None:
    desk.ask(plan=MONTHLY)
    desk.go_and_work(JANUARY)
    desk.go_and_work(JANUARY - timedelta(days=20))
    desk.go_and_work(JANUARY)
    assert len(desk.mails) == 1


def test_while_staff_hold_reminders_back_nothing_is_sent(desk: Desk) -> None:
    desk.ask()
    Switch.objects.update_or_create(pk=1, defaults={"is_paused": True})
    assert desk.go_and_work(JANUARY) == dispatch.Dispatched()
    Switch.objects.update(is_paused=False)
    desk.work()
    assert len(desk.mails) == 1


# --- A series


def test_a_series_goes_on_month_by_month_and_asks_after_six_mails_whether_to_go_on(desk: Desk) -> None:
    reminder = desk.ask(plan=calendar.Plan(date(2027, 1, 1), 1, every_months=2))
    for count in range(10):
        month = calendar.add_months(date(2027, 1, 1), 2 * count)
        desk.go_and_work(calendar.due_at(month, UTC_ZONE))
    assert desk.kinds == ["reminder"] * 6 + ["reminder_keep_going"]
    reminder.refresh_from_db()
    assert reminder.state == "PENDING_CONFIRM"


def test_whoever_says_go_on_is_reminded_again(desk: Desk) -> None:
    reminder = desk.ask(plan=calendar.Plan(date(2027, 1, 1), 1, every_months=2))
    Reminder.objects.update(mails_without_answer=6)
    desk.go_and_work(JANUARY)
    assert desk.kinds == ["reminder_keep_going"]

    desk.wait(days=1)
    assert services.confirm(code=code_in(desk, "confirm"), now=desk.now) is not None
    desk.go_and_work(datetime(2027, 3, 1, 10, tzinfo=UTC))
    assert desk.kinds == ["reminder_keep_going", "reminder"]
    assert [state for state, _ in state_of(reminder)] == ["SENT", "SENT", "PLANNED"]


def test_whoever_does_not_say_go_on_is_left_alone(desk: Desk) -> None:
    reminder = desk.ask(plan=MONTHLY)
    Reminder.objects.update(mails_without_answer=6)
    desk.go_and_work(JANUARY)
    desk.wait(days=29)
    services.tidy(now=desk.now)
    reminder.refresh_from_db()
    assert reminder.state == "EXPIRED"
    assert services.confirm(code=code_in(desk, "confirm"), now=desk.now) is None


def code_in(desk: Desk, page: str) -> str:
    """The code in the last mail's link to a page."""
    found = re.search(rf"/reminders/([\w-]+)/{page}/", str(desk.mails[-1].body))
    assert found, desk.mails[-1].body
    return found[1]


def test_the_first_of_a_month_is_never_within_the_28_days_of_the_one_before(desk: Desk) -> None:
    reminder = desk.ask(plan=MONTHLY)
    desk.go_and_work(datetime(2027, 1, 1, 10, 3, tzinfo=UTC))
    desk.go_and_work(datetime(2027, 2, 1, 10, 2, tzinfo=UTC))
    desk.go_and_work(datetime(2027, 3, 1, 10, 1, tzinfo=UTC))  # 28 days on, and a minute less
    assert [state for state, _ in state_of(reminder)] == ["SENT", "SENT", "SENT", "PLANNED"]


# --- Two mails, if two were promised


def test_a_second_mail_comes_four_weeks_later_with_other_words(desk: Desk, settings: Any) -> None:
    settings.REMINDER_MAILS = 2
    reminder = desk.ask()
    desk.go_and_work(JANUARY)
    desk.go_and_work(JANUARY + timedelta(days=27))
    assert desk.kinds == ["reminder"]
    desk.go_and_work(JANUARY + timedelta(days=28))
    desk.go_and_work(JANUARY + timedelta(days=60))
    assert desk.kinds == ["reminder", "reminder_second"]
    reminder.refresh_from_db()
    assert reminder.state == "DONE"


def test_a_reader_who_came_from_the_first_mail_gets_no_second(desk: Desk, settings: Any) -> None:
    settings.REMINDER_MAILS = 2
    reminder = desk.ask()
    desk.go_and_work(JANUARY)
    reminder.sends.filter(step=1).update(begun_at=JANUARY + timedelta(hours=1))
    desk.go_and_work(JANUARY + timedelta(days=28))
    assert state_of(reminder) == [("SENT", ""), ("SUPPRESSED", "answered")]


# --- Reasons not to write


def test_who_gave_a_minute_before_gets_none_even_if_it_is_given_back(desk: Desk) -> None:
    reminder = desk.ask("Ada@example.org")
    payment = a_gift(desk, "ada@example.org", at=JANUARY - timedelta(minutes=1))
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=500)
    desk.go_and_work(JANUARY)
    assert desk.mails == []
    assert state_of(reminder) == [("SUPPRESSED", "given")]


def test_a_gift_from_before_asking_is_no_reason(desk: Desk) -> None:
    a_gift(desk, "ada@example.org", at=desk.now - timedelta(days=1))
    desk.ask("ada@example.org")
    desk.go_and_work(JANUARY)
    assert len(desk.mails) == 1


def test_after_a_gift_a_series_pauses_once_and_goes_on(desk: Desk) -> None:
    reminder = desk.ask("ada@example.org", plan=MONTHLY)
    desk.go_and_work(JANUARY)
    a_gift(desk, "ada@example.org", at=JANUARY + timedelta(days=3))
    desk.go_and_work(datetime(2027, 2, 1, 10, tzinfo=UTC))
    desk.go_and_work(datetime(2027, 3, 1, 10, tzinfo=UTC))
    assert state_of(reminder) == [("SENT", ""), ("SUPPRESSED", "given"), ("SENT", ""), ("PLANNED", "")]


@pytest.mark.parametrize("state", ["ACTIVE", "PAST_DUE", "PAUSED"])
def test_who_gives_every_month_is_not_reminded(desk: Desk, state: str) -> None:
    payment = a_gift(desk, "grace@example.org", at=desk.now - timedelta(days=60), interval="month")
    Subscription.objects.create(
        contribution=payment.contribution, stripe_id="sub_1", state=state, amount_minor=500, currency="USD",
        interval="month",
    )  # fmt: skip
    reminder = desk.ask("grace@example.org")
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "recurring")]


def test_who_asked_the_bank_for_money_back_lately_is_not_reminded(desk: Desk) -> None:
    payment = a_gift(desk, "ada@example.org", at=desk.now - timedelta(days=60))
    Dispute.objects.create(
        payment=payment, stripe_id="dp_1", state="LOST", stripe_status="lost", amount_minor=500, currency="USD",
        opened_at=JANUARY - timedelta(days=89),
    )  # fmt: skip
    reminder = desk.ask("ada@example.org")
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "disputed")]


def test_who_unsubscribed_is_not_reminded(desk: Desk) -> None:
    reminder = desk.ask()
    Unsubscription.objects.create(email_hash=reminder.email_hash, since=desk.now)
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "unsubscribed")]


def test_an_address_that_refused_a_mail_gets_none(desk: Desk, postman: Postman) -> None:
    postman.answers["charlie@example.org"] = "RCPT 550 no such user"
    first = desk.ask()
    desk.go_and_work(JANUARY)
    assert state_of(first) == [("FAILED", "bounced")]

    desk.wait(days=40)
    second = desk.ask()
    desk.go_and_work(datetime(2027, 3, 1, 10, tzinfo=UTC))
    desk.go_and_work(datetime(2027, 4, 1, 10, tzinfo=UTC))
    assert state_of(second) == [("SUPPRESSED", "bounced")]


def test_an_appeal_that_is_over_asks_nobody_any_more(desk: Desk) -> None:
    reminder = desk.ask()
    desk.campaign.ends_at = JANUARY - timedelta(days=1)
    desk.campaign.save()
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "campaign_over")]


def test_of_two_reminders_within_28_days_the_earlier_is_sent(desk: Desk) -> None:
    days = [date(2027, 1, 10), date(2027, 2, 6), date(2027, 3, 1)]
    reminders = [desk.ask(plan=calendar.Plan(day, day.day)) for day in days]
    for day in days:
        desk.go_and_work(calendar.due_at(day, UTC_ZONE))
    ends = [state_of(reminder) for reminder in reminders]
    assert ends == [[("SENT", "")], [("SUPPRESSED", "cap")], [("SENT", "")]]


def test_two_reminders_on_one_day_are_one_mail(desk: Desk) -> None:
    series = desk.ask(plan=MONTHLY)
    single = desk.ask()
    found = desk.go_and_work(JANUARY)
    assert (found.handed_over, found.suppressed, len(desk.mails)) == (1, 1, 1)
    assert the_send(single).state == "SENT"
    assert state_of(series)[0] == ("SUPPRESSED", "cap")


def test_a_single_reminder_later_in_the_month_comes_instead_of_the_series(desk: Desk) -> None:
    series = desk.ask(plan=MONTHLY)
    single = desk.ask(plan=calendar.Plan(date(2027, 1, 20), 20))
    desk.go_and_work(JANUARY)
    desk.go_and_work(datetime(2027, 1, 20, 10, tzinfo=UTC))
    assert state_of(series)[0] == ("SUPPRESSED", "one_off_instead")
    assert state_of(single) == [("SENT", "")]


def test_nobody_gets_more_than_twelve_in_a_year(desk: Desk) -> None:
    reminder = desk.ask(plan=MONTHLY)
    for number in range(12):
        at = desk.now - timedelta(days=200 - number)
        ReminderSend.objects.create(
            reminder=reminder, period=calendar.add_months(date(2025, 1, 1), number), step=1,
            person=reminder.email_hash, state="SENT", due_at=at, ready_at=at, decided_at=at, handed_on=at.date(),
        )  # fmt: skip
    desk.go_and_work(JANUARY)
    assert ("SUPPRESSED", "cap") in state_of(reminder)


def test_the_held_out_get_no_mail_and_are_counted(desk: Desk, settings: Any) -> None:
    settings.REMINDER_HOLD_OUT_PERCENT = 100
    reminder = desk.ask()
    desk.go_and_work(JANUARY)
    assert desk.mails == []
    assert state_of(reminder) == [("HELD_OUT", "")]


def test_the_lot_falls_on_about_as_many_as_it_should(settings: Any) -> None:
    settings.REMINDER_HOLD_OUT_PERCENT = 5
    hashes = [crypto.lookup_hash(f"reader{number}@example.org") for number in range(4000)]
    drawn = [email_hash for email_hash in hashes if services.is_held_out(email_hash)]
    assert 130 <= len(drawn) <= 270
    assert drawn == [email_hash for email_hash in hashes if services.is_held_out(email_hash)]


def test_a_key_that_is_missing_holds_up_only_those_who_need_it(desk: Desk) -> None:
    broken = desk.ask("ada@example.org")
    fine = desk.ask("charlie@example.org")
    sealed = Reminder._meta.get_field("email").seal(fine, "elsewhere@example.org")
    Reminder.objects.filter(pk=broken.pk).update(email=sealed)  # moved from another row: does not open
    desk.go_and_work(JANUARY)
    assert state_of(broken) == [("SUPPRESSED", "address_unreadable")]
    assert state_of(fine) == [("SENT", "")]


# --- The mail server


def test_a_mail_that_could_not_leave_within_the_hour_is_decided_anew(desk: Desk, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    reminder = desk.ask("ada@example.org")
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("HANDED_OVER", "")]

    a_gift(desk, "ada@example.org", at=JANUARY + timedelta(minutes=30))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    desk.go_and_work(JANUARY + timedelta(hours=2))
    desk.work()
    assert state_of(reminder) == [("SUPPRESSED", "given")]
    assert desk.mails == []


def test_a_mail_server_that_is_back_gets_the_mail_once(desk: Desk, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    reminder = desk.ask()
    desk.go_and_work(JANUARY)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    for _ in range(3):
        desk.wait(hours=1)
        desk.work()
    assert len(desk.mails) == 1
    assert state_of(reminder) == [("SENT", "")]


def test_a_line_cut_after_the_content_sends_no_second_copy(desk: Desk, postman: Postman) -> None:
    postman.answers["charlie@example.org"] = "CUT"
    reminder = desk.ask()
    desk.go_and_work(JANUARY)
    for _ in range(3):
        desk.wait(hours=3)
        desk.work()
    assert postman.recipients == ["charlie@example.org"]
    assert state_of(reminder) == [("FAILED", "outcome_unknown")]


def test_a_worker_that_died_while_sending_sends_no_second_copy(desk: Desk) -> None:
    desk.ask()
    desk.go_to(JANUARY)
    dispatch.dispatch_due(now=desk.now)
    # It had marked the row and was at the mail server when it died; the database's clock goes on.
    claim = Reminder.objects.get().public_id
    Message.objects.update(
        state="SENDING", claimed_by=claim, leased_until=timezone.now() - timedelta(minutes=1), unsure=1
    )
    desk.work()
    assert desk.mails == []
    assert Message.objects.get().failure_code == "outcome_unknown"


def test_a_worker_that_died_before_sending_costs_nothing(desk: Desk) -> None:
    desk.ask()
    desk.go_to(JANUARY)
    dispatch.dispatch_due(now=desk.now)
    claim = Reminder.objects.get().public_id
    Message.objects.update(
        state="SENDING", claimed_by=claim, leased_until=timezone.now() - timedelta(minutes=1)
    )
    desk.work()
    assert len(desk.mails) == 1


# --- What a batch costs


def test_a_batch_costs_the_same_number_of_statements_however_large_it_is(
    desk: Desk, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        desk.ask(f"reader{number}@example.org")
    desk.go_to(JANUARY)
    with django_assert_max_num_queries(30):
        found = dispatch.dispatch_due(now=desk.now)
    assert found.handed_over == 40


def test_a_small_batch_says_that_there_is_more(desk: Desk) -> None:
    for number in range(5):
        desk.ask(f"reader{number}@example.org")
    desk.go_to(JANUARY)
    rounds = [dispatch.dispatch_due(now=desk.now, limit=2) for _ in range(3)]
    assert [(found.handed_over, found.more) for found in rounds] == [(2, True), (2, True), (1, False)]
    outbox.deliver_due(now=desk.now)
    assert len({letter.to[0] for letter in desk.mails}) == 5


def test_members_with_another_spelling_are_the_same_person(desk: Desk) -> None:
    Member.objects.all().delete()
    reminder = desk.ask("CHARLIE@example.org")
    assert reminder.email_hash == crypto.lookup_hash(addresses.identity("charlie@example.org"))
