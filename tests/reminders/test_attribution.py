"""Which gifts came of reminders, through the whole house; and the mails that nobody asked for by date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from donations.models import Contribution
from members import clock, outbox
from members.models import Message
from reminders import attribution, calendar, dispatch, followup, outcomes, queries, services, tasks
from reminders.models import Reminder, ReminderSend
from tests.house import House
from tests.reminders.conftest import A_WISH, API, Desk, state_of
from tests.reminders.test_dispatch import JANUARY, a_gift

pytestmark = pytest.mark.django_db


def mark_of(send: ReminderSend) -> str:
    from reminders import codes

    return codes.make(codes.Purpose.FROM_MAIL, send.rid)


def the_conversion(reminder: Reminder) -> tuple[str, int | None]:
    send = reminder.sends.earliest("due_at")
    return send.conversion, send.value_minor


@pytest.fixture
def mailed(desk: Desk) -> Reminder:
    reminder = desk.ask("ada@example.org")
    desk.go_and_work(JANUARY)
    return reminder


# --- Direct, assisted, neither


def test_a_gift_by_the_link_is_direct_even_forty_days_later_and_from_another_address(
    desk: Desk, mailed: Reminder
) -> None:
    at = JANUARY + timedelta(days=40)
    a_gift(desk, "grace@example.org", at=at, source={"reminder": mark_of(mailed.sends.get())})
    desk.go_to(at + timedelta(minutes=5))
    assert desk.count_gifts() == 1
    assert the_conversion(mailed) == ("DIRECT", 500)
    assert desk.count_gifts() == 0


def test_a_gift_without_the_link_on_day_13_is_assisted(desk: Desk, mailed: Reminder) -> None:
    a_gift(desk, "ada@example.org", at=JANUARY + timedelta(days=13))
    desk.go_to(JANUARY + timedelta(days=13, hours=1))
    desk.count_gifts()
    assert the_conversion(mailed) == ("ASSISTED", 500)


def test_a_gift_without_the_link_on_day_15_is_neither(desk: Desk, mailed: Reminder) -> None:
    a_gift(desk, "ada@example.org", at=JANUARY + timedelta(days=15))
    desk.go_to(JANUARY + timedelta(days=16))
    assert desk.count_gifts() == 0


def test_a_gift_of_another_person_is_not_of_this_reminder(desk: Desk, mailed: Reminder) -> None:
    a_gift(desk, "grace@example.org", at=JANUARY + timedelta(days=1))
    desk.go_to(JANUARY + timedelta(days=2))
    assert desk.count_gifts() == 0


@pytest.mark.parametrize("mark", ["forged", "x" * 43, ""])
def test_a_forged_mark_counts_for_nothing(desk: Desk, mailed: Reminder, mark: str) -> None:
    a_gift(desk, "grace@example.org", at=JANUARY + timedelta(days=1), source={"reminder": mark})
    desk.go_to(JANUARY + timedelta(days=2))
    assert desk.count_gifts() == 0


def test_pressing_continue_is_an_answer_even_without_paying(desk: Desk, mailed: Reminder) -> None:
    Contribution.objects.create(
        campaign=desk.campaign, interval="once", amount_minor=500, currency="USD", livemode=False,
        created_at=JANUARY + timedelta(hours=1), checkout_attempted_at=JANUARY,
        source={"reminder": mark_of(mailed.sends.get())},
    )  # fmt: skip
    Reminder.objects.update(mails_without_answer=5)
    desk.go_to(JANUARY + timedelta(hours=2))
    desk.count_gifts()
    assert mailed.sends.get().begun_at == JANUARY + timedelta(hours=1)
    mailed.refresh_from_db()
    assert mailed.mails_without_answer == 0


def test_a_gift_by_the_link_from_another_address_stops_the_second_mail(desk: Desk, settings: Any) -> None:
    settings.REMINDER_MAILS = 2
    reminder = desk.ask("ada@example.org")
    desk.go_and_work(JANUARY)
    mark = mark_of(reminder.sends.get(step=1))
    a_gift(desk, "grace@example.org", at=JANUARY + timedelta(days=1), source={"reminder": mark})
    desk.go_to(JANUARY + timedelta(days=28))
    desk.count_gifts()
    desk.work()
    assert state_of(reminder)[1] == ("SUPPRESSED", "given")


# --- Numbers


def test_the_lift_compares_the_mailed_with_the_held_out(desk: Desk, settings: Any) -> None:
    for number in range(4):
        settings.REMINDER_HOLD_OUT_PERCENT = 100 if number % 2 else 0
        desk.ask(f"reader{number}@example.org")
    desk.go_and_work(JANUARY)
    a_gift(desk, "reader0@example.org", at=JANUARY + timedelta(days=1))
    desk.go_to(JANUARY + timedelta(days=30))
    desk.count_gifts()

    found = queries.get_stats(now=desk.now)
    assert found["lift"]["mailed"] == {"numerator": 1, "denominator": 2, "value": 0.5}
    assert found["lift"]["held_out"] == {"numerator": 0, "denominator": 2, "value": 0.0}
    assert found["lift"]["difference"] == 0.5
    low, high = found["lift"]["interval"]
    assert -1 < low < 0.5 < high < 1
    assert found["converted"] == {"ASSISTED": 1}
    assert found["value"] == {"USD": {"ASSISTED": 500}}
    assert found["median_days"] == 1.0


def test_an_interval_is_the_textbooks() -> None:
    # Newcombe 1998, the example 56/70 - 48/80 of method 10: 0.0524 to 0.3339.
    assert queries.newcombe(56, 70, 48, 80) == pytest.approx([0.0524, 0.3339], abs=0.0001)
    assert queries.newcombe(1, 2, 0, 0) is None


# --- Through the whole house


@pytest.fixture
def _no_limit(settings: Any) -> None:
    settings.REMINDERS_PER_ADDRESS = 0


def ask(house: House, **changes: Any) -> Any:
    return house.api.post(API, {**A_WISH, **changes}, content_type="application/json")


def test_a_reader_is_reminded_gives_by_the_link_and_is_counted(house: House, mailoutbox: Any) -> None:
    assert ask(house).status_code == 202
    house.stripe.advance(ReminderSend.objects.get().due_at - clock.now() + timedelta(minutes=1))
    tasks.dispatch_reminders()
    outbox.deliver_due(now=clock.now())
    tasks.dispatch_reminders()
    assert [letter.to for letter in mailoutbox] == [["charlie@example.org"]]

    send = ReminderSend.objects.get()
    house.give_and_pay(email="grace@example.org", source={"reminder": mark_of(send)})
    tasks.follow_reminders()
    send.refresh_from_db()
    assert (send.state, send.conversion, send.value_minor, send.value_currency) == (
        "SENT",
        "DIRECT",
        2500,
        "USD",
    )


def test_when_payments_do_not_work_a_reader_can_ask_to_be_told(house: House, mailoutbox: Any) -> None:
    response = ask(house, remind="when_payments_work", email="ada@example.org")
    assert response.json()["promise"].startswith("One e-mail when payments work again")
    reminder = Reminder.objects.get()

    morning = calendar.next_morning(clock.now(), services.zones.of_reader(time_zone="", country=""))
    assert dispatch.dispatch_due(now=morning, payments_work=False).waiting == 1
    assert dispatch.dispatch_due(now=morning + timedelta(minutes=6), payments_work=True).handed_over == 1
    outbox.deliver_due(now=morning + timedelta(minutes=6))
    outcomes.follow_outbox(now=morning + timedelta(minutes=6))
    assert [letter.kind for letter in mailoutbox] == ["reminder_outage"]

    services.tidy(now=morning + timedelta(days=2))
    reminder.refresh_from_db()
    assert (reminder.state, reminder.email) == ("DONE", "")


def test_stripe_is_asked_whether_it_is_there_only_while_somebody_waits(house: House) -> None:
    assert not followup.payments_work_again(now=clock.now())
    assert not [call for call in house.stripe.calls if "is_anybody_there" in call]
    ask(house, remind="when_payments_work")
    assert followup.payments_work_again(now=clock.now())
    assert [call for call in house.stripe.calls if "is_anybody_there" in call]


def test_payments_that_stay_away_for_three_days_are_forgotten(desk: Desk) -> None:
    reminder = desk.ask(kind=Reminder.Kind.OUTAGE, due_at=desk.now)
    for _ in range(13):
        desk.wait(hours=6)
        desk.work(payments_work=False)
    assert state_of(reminder) == [("EXPIRED", "")]
    assert desk.mails == []


def abandon(house: House, *, consent: bool, **changes: Any) -> Contribution:
    answer = house.begin(email="charlie@example.org", reminder_consent=consent, **changes)
    house.advance(hours=3)
    return Contribution.objects.get(public_id=answer["id"])


@pytest.mark.parametrize(("campaign", "reader"), [(False, True), (True, False)])
def test_a_page_left_unpaid_is_nobodys_business_without_a_yes(
    house: House, campaign: bool, reader: bool
) -> None:
    from donations.models import Campaign

    Campaign.objects.update(reminds_abandoned=campaign)
    assert abandon(house, consent=reader).checkout_state == "EXPIRED"
    assert followup.take_up_abandoned(now=clock.now()) == 0


def test_a_page_left_unpaid_brings_one_mail_where_both_agreed(house: House, mailoutbox: Any) -> None:
    from donations.models import Campaign

    Campaign.objects.update(reminds_abandoned=True)
    assert abandon(house, consent=True).checkout_state == "EXPIRED"
    assert [followup.take_up_abandoned(now=clock.now()) for _ in range(2)] == [1, 0]
    send = ReminderSend.objects.get()
    assert send.due_at >= clock.now() + timedelta(hours=12)
    for _ in range(2):
        dispatch.dispatch_due(now=send.due_at)
        outbox.deliver_due(now=send.due_at)
    assert [letter.kind for letter in mailoutbox] == ["reminder_abandoned"]
    assert "$25" in mailoutbox[0].body  # where its button leads: test_way_back


def test_who_paid_after_all_is_not_written_to(house: House, mailoutbox: Any) -> None:
    from donations.models import Campaign

    Campaign.objects.update(reminds_abandoned=True)
    abandon(house, consent=True)
    house.give_and_pay(email="charlie@example.org")
    mailoutbox.clear()
    followup.take_up_abandoned(now=clock.now())
    send = ReminderSend.objects.get()
    dispatch.dispatch_due(now=send.due_at)
    send.refresh_from_db()
    assert (send.state, send.reason) == ("SUPPRESSED", "given")


# --- Privacy


def test_an_address_is_forgotten_thirty_days_after_the_end_and_the_hash_stays(
    desk: Desk, mailed: Reminder
) -> None:
    email_hash = mailed.email_hash
    services.tidy(now=JANUARY + timedelta(days=29))
    mailed.refresh_from_db()
    assert mailed.email == "ada@example.org"

    services.tidy(now=JANUARY + timedelta(days=31))
    mailed.refresh_from_db()
    assert (mailed.email, mailed.email_hash, mailed.source) == ("", email_hash, {})
    message = Message.objects.get()
    assert (message.recipient, message.context) == ("", {})
    assert services.tidy(now=JANUARY + timedelta(days=31)) == 0


def test_who_asks_to_be_forgotten_is_forgotten_at_once(desk: Desk) -> None:
    reminder = desk.ask("ada@example.org")
    assert services.erase_person(email="ADA@example.org", now=desk.now) == 1
    desk.go_and_work(JANUARY)
    reminder.refresh_from_db()
    assert (reminder.email, reminder.state, desk.mails) == ("", "CANCELLED", [])


def test_no_log_line_names_anybody(desk: Desk, capsys: Any) -> None:
    desk.ask("ada@example.org")
    desk.go_and_work(JANUARY)
    written = "".join(capsys.readouterr())
    assert "ada@" not in written


def test_the_hash_of_a_forgotten_address_survives_a_change_of_keys(
    desk: Desk, mailed: Reminder, settings: Any
) -> None:
    from members import rotation

    services.tidy(now=JANUARY + timedelta(days=31))
    before = Reminder.objects.get().email_hash
    settings.LOOKUP_HASH_KEYS = [("new", b"n" * 32), *settings.LOOKUP_HASH_KEYS]
    for _ in rotation.rotate():
        pass
    assert Reminder.objects.get().email_hash == before


def test_gifts_are_counted_again_after_a_pause_of_the_workers(desk: Desk, mailed: Reminder) -> None:
    desk.count_gifts()
    a_gift(desk, "ada@example.org", at=JANUARY + timedelta(days=1))
    attribution.count_gifts(now=datetime(2027, 1, 20, tzinfo=UTC))
    assert the_conversion(mailed) == ("ASSISTED", 500)
