"""A reader with several addresses, merged by staff, is one person to whom reminders are sent, or not."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from donations.models import Subscription
from members import clock, merging, outbox
from members import services as member_services
from members.models import Bounce, Member, Merge, Message
from members.queries import get_member
from reminders import calendar, codes, dispatch, services, tasks
from reminders.codes import Purpose
from reminders.models import Reminder, ReminderSend, Unsubscription
from tests import factories
from tests.house import House
from tests.reminders.conftest import A_WISH, API, Desk, state_of
from tests.reminders.test_dispatch import JANUARY, a_gift
from tests.reminders.test_races import needs_postgresql, race
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.django_db

ADA, AT_WORK = "ada@example.org", "ada.at-work@example.org"
MONTHLY = calendar.Plan(date(2027, 1, 1), 1, every_months=1)


@pytest.fixture(autouse=True)
def _no_confirmation(settings: Any) -> None:
    settings.REMINDER_CONFIRM_RECURRING = False


def member(email: str) -> Member:
    found = get_member(email)
    assert found is not None
    return found


def member_of(desk: Desk, email: str) -> Member:
    """The member with this address, who gave long ago if never since."""
    if get_member(email) is None:
        a_gift(desk, email, at=desk.now - timedelta(days=400))
    return member(email)


def merge(desk: Desk, kept: str = ADA, duplicate: str = AT_WORK) -> Merge:
    """Staff find out that both are one person; each gave long ago."""
    return merging.merge(
        member_of(desk, kept),
        member_of(desk, duplicate),
        actor="staff:7",
        why="She wrote to us.",
        now=desk.now,
    )


# --- Who gave


@pytest.mark.parametrize(("asks", "gives"), [(ADA, AT_WORK), (AT_WORK, ADA)])
def test_who_gave_under_another_address_is_not_reminded(desk: Desk, asks: str, gives: str) -> None:
    reminder = desk.ask(asks)
    merge(desk)
    a_gift(desk, gives, at=desk.now + timedelta(days=1))
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "given")]
    assert desk.mails == []


@pytest.mark.parametrize("asks", [ADA, AT_WORK])
def test_when_the_merge_was_a_mistake_and_is_undone_the_reminder_comes(desk: Desk, asks: str) -> None:
    reminder = desk.ask(asks)
    noted = merge(desk)
    a_gift(desk, AT_WORK if asks == ADA else ADA, at=desk.now + timedelta(days=1))
    merging.undo(noted, actor="staff:7", now=desk.now)
    desk.go_and_work(JANUARY)
    assert [letter.to for letter in desk.mails] == [[asks]]
    assert state_of(reminder) == [("SENT", "")]


def test_who_gives_every_month_under_another_address_is_not_reminded(desk: Desk) -> None:
    reminder = desk.ask(ADA)
    merge(desk)
    payment = a_gift(desk, AT_WORK, at=desk.now - timedelta(days=300), interval="month")
    Subscription.objects.create(
        contribution=payment.contribution, stripe_id="sub_1", state="ACTIVE", amount_minor=500,
        currency="USD", interval="month",
    )  # fmt: skip
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "recurring")]


# --- What came of it


def conversions(reminder: Reminder) -> list[tuple[str, int | None]]:
    return list(reminder.sends.order_by("due_at").values_list("conversion", "value_minor"))


@pytest.fixture
def mailed(desk: Desk) -> Reminder:
    """Ada asked, and had her mail on the first of January."""
    reminder = desk.ask(ADA)
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SENT", "")]
    return reminder


def test_a_gift_under_another_address_is_assisted(desk: Desk, mailed: Reminder) -> None:
    merge(desk)
    a_gift(desk, AT_WORK, at=JANUARY + timedelta(days=3))
    desk.go_to(JANUARY + timedelta(days=3, hours=1))
    desk.count_gifts()
    assert conversions(mailed) == [("ASSISTED", 500)]


@pytest.mark.parametrize("days", [1, 40])
def test_a_gift_counts_also_when_the_merge_comes_long_after_it_and_no_more_when_it_is_undone(
    desk: Desk, mailed: Reminder, days: int
) -> None:
    a_gift(desk, AT_WORK, at=JANUARY + timedelta(days=3))
    desk.go_to(JANUARY + timedelta(days=4))
    assert desk.count_gifts() == 0
    desk.wait(days=days)
    desk.count_gifts()

    noted = merging.merge(
        member_of(desk, ADA), member(AT_WORK), actor="staff:7", why="She told us.", now=desk.now
    )
    desk.wait(minutes=1)
    assert [desk.count_gifts() for _ in range(3)] == [1, 0, 0]
    assert conversions(mailed) == [("ASSISTED", 500)]

    desk.wait(days=days)
    desk.count_gifts()
    merging.undo(noted, actor="staff:7", now=desk.now)
    desk.wait(minutes=1)
    assert [desk.count_gifts() for _ in range(3)] == [-1, 0, 0]
    assert conversions(mailed) == [("", None)]


def test_a_gift_by_the_link_stays_direct_whatever_is_merged_and_undone(desk: Desk, mailed: Reminder) -> None:
    mark = codes.make(Purpose.FROM_MAIL, mailed.sends.get().rid)
    a_gift(desk, AT_WORK, at=JANUARY + timedelta(days=3), source={"reminder": mark})
    desk.go_to(JANUARY + timedelta(days=4))
    desk.count_gifts()
    noted = merge(desk)
    desk.count_gifts()
    merging.undo(noted, actor="staff:7", now=desk.now)
    assert desk.count_gifts() == 0
    assert conversions(mailed) == [("DIRECT", 500)]


def test_each_gift_of_a_person_belongs_to_one_mail_and_the_earliest_finds_its_own_first(desk: Desk) -> None:
    here = desk.ask(ADA)
    there = desk.ask(AT_WORK, plan=calendar.Plan(date(2027, 1, 5), 5))
    desk.go_and_work(JANUARY)
    desk.go_and_work(there.sends.get().due_at)
    merge(desk)
    a_gift(desk, ADA, at=JANUARY + timedelta(days=6))
    a_gift(desk, ADA, at=JANUARY + timedelta(days=7))
    desk.go_to(JANUARY + timedelta(days=8))
    desk.count_gifts()
    assert [conversions(reminder) for reminder in (here, there)] == [[("ASSISTED", 500)]] * 2
    assert there.sends.get().converted_at == JANUARY + timedelta(
        days=6
    )  # of the mail before it, the later one


def test_a_gift_that_was_counted_while_merged_does_not_stop_the_reminder_after_undoing(
    desk: Desk, settings: Any
) -> None:
    settings.REMINDER_MAILS = 2
    reminder = desk.ask(ADA)
    noted = merge(desk)
    desk.go_and_work(JANUARY)
    a_gift(desk, AT_WORK, at=JANUARY + timedelta(days=1))
    desk.go_to(JANUARY + timedelta(days=2))
    desk.count_gifts()
    assert reminder.sends.get(step=1).conversion == "ASSISTED"

    merging.undo(noted, actor="staff:7", now=desk.now)
    desk.go_and_work(JANUARY + timedelta(days=28))
    assert state_of(reminder)[1] == ("SENT", "")
    assert len(desk.mails) == 2


# --- How many mails


def test_one_mail_in_28_days_over_all_addresses(desk: Desk) -> None:
    merge(desk)
    early, late = desk.ask(ADA), desk.ask(AT_WORK)
    assert desk.go_and_work(JANUARY).handed_over == 1
    assert state_of(early) == [("SENT", "")]
    assert state_of(late) == [("SUPPRESSED", "cap")]

    desk.go_to(JANUARY + timedelta(days=10))
    soon = desk.ask(AT_WORK, plan=calendar.Plan(date(2027, 1, 20), 20))
    later = desk.ask(AT_WORK, plan=calendar.Plan(date(2027, 2, 1), 1))
    desk.go_and_work(soon.sends.get().due_at)
    desk.go_and_work(later.sends.get().due_at)
    assert state_of(soon) == [("SUPPRESSED", "cap")]
    assert state_of(later) == [("SENT", "")]


def test_twelve_mails_a_year_over_all_addresses(desk: Desk, settings: Any) -> None:
    merge(desk)
    reminder = desk.ask(AT_WORK)
    earlier = desk.ask(ADA, plan=calendar.Plan(date(2027, 12, 1), 1))
    for number in range(12):
        day = JANUARY.date() - timedelta(days=29 * (number + 1))
        ReminderSend.objects.create(
            reminder=earlier, period=day.replace(day=1), step=1 + number % 2, person=earlier.email_hash,
            state="SENT", handed_on=day, decided_at=desk.now, due_at=desk.now, ready_at=desk.now,
        )  # fmt: skip
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "cap")]


def test_after_undoing_each_address_has_its_own_count(desk: Desk) -> None:
    noted = merge(desk)
    desk.ask(ADA)
    desk.go_and_work(JANUARY)
    merging.undo(noted, actor="staff:7", now=desk.now)
    other = desk.ask(AT_WORK, plan=calendar.Plan(date(2027, 1, 2), 2))
    desk.go_and_work(other.sends.get().due_at)
    assert state_of(other) == [("SENT", "")]


def test_a_single_reminder_goes_before_a_series_under_another_address(desk: Desk) -> None:
    merge(desk)
    series = desk.ask(ADA, plan=MONTHLY)
    single = desk.ask(AT_WORK, plan=calendar.Plan(date(2027, 1, 15), 15))
    desk.go_and_work(JANUARY)
    assert state_of(series)[0] == ("SUPPRESSED", "one_off_instead")
    desk.go_and_work(single.sends.get().due_at)
    assert state_of(single) == [("SENT", "")]


# --- Who wants none


def unsubscribe(desk: Desk, reminder: Reminder) -> None:
    code = codes.make(Purpose.UNSUBSCRIBE, reminder.public_id)
    assert services.cancel_all(code=code, now=desk.now) is not None


def test_whoever_unsubscribes_is_written_to_at_none_of_their_addresses(desk: Desk) -> None:
    merge(desk)
    here, there = desk.ask(ADA), desk.ask(AT_WORK)
    unsubscribe(desk, here)
    there.refresh_from_db()
    assert there.state == "CANCELLED"
    assert Unsubscription.objects.get().email_hash == here.email_hash
    desk.go_and_work(JANUARY)
    assert desk.mails == []


def test_who_had_unsubscribed_before_the_merge_is_left_alone_under_the_other_address(desk: Desk) -> None:
    here, there = desk.ask(ADA), desk.ask(AT_WORK)
    unsubscribe(desk, here)
    merge(desk)
    desk.go_and_work(JANUARY)
    assert state_of(there) == [("SUPPRESSED", "unsubscribed")]


def test_undoing_gives_the_other_address_its_reminders_back(desk: Desk) -> None:
    here, there = desk.ask(ADA), desk.ask(AT_WORK)
    unsubscribe(desk, here)
    merging.undo(merge(desk), actor="staff:7", now=desk.now)
    desk.go_and_work(JANUARY)
    assert state_of(there) == [("SENT", "")]


def test_who_unsubscribed_under_another_address_is_asked_to_say_yes_and_then_counts(desk: Desk) -> None:
    merge(desk)
    unsubscribe(desk, desk.ask(ADA))
    desk.wait(hours=1)
    again = desk.ask(AT_WORK)
    assert again.state == "PENDING_CONFIRM"

    desk.wait(hours=1)
    assert services.confirm(code=codes.make(Purpose.CONFIRM, again.public_id), now=desk.now)
    desk.go_and_work(JANUARY)
    assert state_of(again) == [("SENT", "")]
    assert Unsubscription.objects.count() == 1  # the first address still wants none


def test_starting_a_series_again_is_a_yes_too(desk: Desk) -> None:
    merge(desk)
    series = desk.ask(AT_WORK, plan=MONTHLY)
    unsubscribe(desk, desk.ask(ADA))
    desk.wait(hours=1)
    assert services.reactivate(code=codes.make(Purpose.STOP, series.public_id), now=desk.now)
    desk.go_and_work(series.sends.get(state="PLANNED").due_at)
    assert len(desk.mails) == 1


def test_who_called_a_mail_spam_is_left_alone_under_the_other_address(desk: Desk) -> None:
    from members import bounces

    merge(desk)
    reminder = desk.ask(ADA)
    bounces.note(email=AT_WORK, kind=Bounce.Kind.COMPLAINT, source=Bounce.Source.PROVIDER, now=desk.now)
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SUPPRESSED", "unsubscribed")]


def test_an_address_that_takes_no_mail_says_nothing_of_the_other(desk: Desk) -> None:
    from members import bounces

    merge(desk)
    reminder = desk.ask(ADA)
    bounces.note(email=AT_WORK, kind=Bounce.Kind.HARD, source=Bounce.Source.PROVIDER, now=desk.now)
    desk.go_and_work(JANUARY)
    assert state_of(reminder) == [("SENT", "")]


def test_who_asks_to_be_forgotten_is_forgotten_under_all_addresses(desk: Desk) -> None:
    merge(desk)
    desk.ask(ADA)
    desk.ask(AT_WORK)
    assert services.erase_person(email=AT_WORK, now=desk.now) == 2
    assert set(Reminder.objects.values_list("state", "email")) == {("CANCELLED", b"")}


def test_the_lot_falls_on_a_person_and_not_on_an_address(desk: Desk, settings: Any) -> None:
    settings.REMINDER_HOLD_OUT_PERCENT = 50
    for number in range(8):
        kept, duplicate = f"reader{number}@example.org", f"other{number}@example.org"
        merge(desk, kept, duplicate)
        assert desk.ask(kept).held_out == desk.ask(duplicate).held_out
    assert Reminder.objects.filter(held_out=True).exists()
    assert Reminder.objects.filter(held_out=False).exists()


# --- Cost


def test_a_batch_with_merged_readers_costs_no_more_however_many_they_are(desk: Desk) -> None:
    from django.test.utils import CaptureQueriesContext

    def cost(readers: range, due: Any) -> int:
        for number in readers:
            merge(desk, f"reader{number}@example.org", f"other{number}@example.org")
            desk.ask(f"reader{number}@example.org")
            desk.ask(f"other{number}@example.org")
        with CaptureQueriesContext(connection) as statements:
            found = dispatch.dispatch_due(now=due)
        assert (found.handed_over, found.suppressed) == (len(readers), len(readers))
        return len(statements)

    few = cost(range(1), JANUARY)
    desk.go_to(JANUARY)
    assert cost(range(1, 8), JANUARY + timedelta(days=31)) == few


# --- Two dispatchers


@pytest.mark.postgresql
@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_dispatcher_waits_for_another_that_writes_to_the_same_person(transactional_db: None) -> None:
    desk = Desk(campaign=factories.a_campaign())
    merge(desk)
    desk.ask(ADA)
    desk.ask(AT_WORK)
    decided, finish = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            assert dispatch.dispatch_due(now=JANUARY, limit=1).handed_over == 1
            decided.set()
            finish.wait(PATIENCE)

    def second() -> None:
        decided.wait(PATIENCE)
        try:
            assert dispatch.dispatch_due(now=JANUARY, limit=1).suppressed == 1
        finally:
            finish.set()

    def watch() -> None:
        until(lambda: finish.is_set() or somebody_waits_for_a_lock(), what="the second dispatcher")
        finish.set()

    assert race(first, second, watch) == []
    assert set(ReminderSend.objects.values_list("state", "reason")) == {
        ("HANDED_OVER", ""),
        ("SUPPRESSED", "cap"),
    }
    assert Message.objects.count() == 1


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


# --- Through the whole house


def ask(house: House, email: str) -> ReminderSend:
    body = {**A_WISH, "email": email}
    assert house.api.post(API, body, content_type="application/json").status_code == 202
    return ReminderSend.objects.latest("pk")


def mail_of_the_day(house: House, send: ReminderSend) -> None:
    house.stripe.advance(send.due_at - clock.now() + timedelta(minutes=1))
    tasks.dispatch_reminders()
    outbox.deliver_due(now=clock.now())
    tasks.dispatch_reminders()
    send.refresh_from_db()


@pytest.mark.parametrize("is_undone", [False, True])
def test_two_addresses_one_reader_from_gift_to_gift(house: House, mailoutbox: Any, is_undone: bool) -> None:
    """Given under both, asked under the first, gave again under the second: one person, until it is taken back."""
    house.give_and_pay(email=ADA)
    house.give_and_pay(email=AT_WORK)
    house.advance(days=4)  # a gift sooner than that would be asked about: did you mean to give twice?
    send = ask(house, ADA)
    noted = merging.merge(
        member(ADA), member(AT_WORK), actor="staff:7", why="One telephone call.", now=clock.now()
    )
    house.advance(days=1)
    mailoutbox.clear()
    house.give_and_pay(email=AT_WORK)
    assert [letter.to for letter in mailoutbox] == [[ADA]]  # the receipt, at the address that was kept
    if is_undone:
        merging.undo(noted, actor="staff:7", now=clock.now())
    mailoutbox.clear()
    mail_of_the_day(house, send)

    if is_undone:
        assert (send.state, send.reason) == ("SENT", "")
        assert [letter.to for letter in mailoutbox] == [[ADA]]
    else:
        assert (send.state, send.reason) == ("SUPPRESSED", "given")
        assert mailoutbox == []
    assert member(AT_WORK).contributions.count() == 2
    assert member(ADA).contributions.count() == 1
    house.assert_books_agree()


def test_a_reader_is_welcomed_once_and_told_of_a_failed_renewal_at_the_address_that_was_kept(
    house: House, mailoutbox: Any
) -> None:
    house.give_and_pay(email=ADA, interval="month", amount=500)
    house.give_and_pay(email=AT_WORK)
    merging.merge(member(ADA), member(AT_WORK), actor="staff:7", why="She told us.", now=clock.now())
    second = house.give_and_pay(email=AT_WORK, interval="month", amount=700)
    assert [letter.kind for letter in mailoutbox].count("welcome") == 1

    subscription = Subscription.objects.get(contribution__public_id=second["id"])
    house.stripe.controls.change_card(subscription.stripe_id, "4000000000000341")
    mailoutbox.clear()
    house.advance(days=32)
    failed = [letter for letter in mailoutbox if letter.kind == "payment_failed"]
    assert [letter.to for letter in failed] == [[ADA]]
    assert {address for letter in mailoutbox for address in letter.to} == {ADA}


def test_a_renewal_under_a_merged_address_costs_what_any_renewal_costs(house: House) -> None:
    from donations import inbox
    from donations.models import StripeEvent
    from tests.donations.test_query_ceilings import RENEW, counting

    house.give_and_pay(email=ADA)
    house.give_and_pay(email=AT_WORK, interval="month", amount=500, newsletter_consent=True)
    merging.merge(member(ADA), member(AT_WORK), actor="staff:7", why="She told us.", now=clock.now())
    house.advance(days=32)
    house.stripe.advance(timedelta(days=31))
    house.deliver(house.stripe.take_webhooks())
    paid = StripeEvent.objects.get(state="RECEIVED", type="invoice.paid")
    with counting() as cost:
        inbox.process(event_id=paid.pk, now=clock.now())
    assert len(cost) <= RENEW, cost
    assert Message.objects.filter(kind="receipt").latest("pk").recipient == ADA
    assert member_services.get_or_join(email=AT_WORK, now=clock.now()) == member(AT_WORK)
