"""Before money is taken: who is told what and when, and that nothing is taken of which nobody was told."""

from __future__ import annotations

import re
import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection, connections

from donations import before_money, card_expiry, gateway, holds, notice_desk, price_changes
from donations.errors import InvalidWish, PaymentsUnavailable, UnknownContribution
from donations.models import Notice, Payment, Subscription
from donations.money import Money
from members import clock
from members.models import Message
from tests.house import House, session_of
from tests.paper import Page, open_page

ANNUAL: dict[str, Any] = {"interval": "year", "amount": 5000, "email": "grace@example.org"}
MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}


def kinds() -> list[str]:
    return [letter.kind for letter in mail.outbox]


def link_in(letter: Any, word: str) -> str:
    found = re.search(rf"{re.escape(settings.PUBLIC_BASE_URL)}(/support/{word}/\S+)", letter.body)
    assert found, letter.body
    return found[1]


def charge_at() -> Any:
    return Subscription.objects.get().current_period_end


def to_days_before(house: House, days: float) -> None:
    """Let time pass, and everything happen that follows, to so many days before the next payment."""
    house.stripe.set_clock(charge_at() - timedelta(days=days))
    house.catch_up()


def in_words(day: Any) -> str:
    return f"{day:%B} {day.day}, {day:%Y}"


def until_told(house: House) -> None:
    """The mail server is back: let it take what waits, and be noted that it did."""
    while (
        Notice.objects.filter(state="HANDED_OVER").exists()
        or not Notice.objects.filter(state="ACCEPTED").exists()
    ):
        house.advance(hours=2)


def charges(house: House) -> int:
    return int(house.stripe.books()["USD"]["charges"]["count"])


@pytest.fixture
def annual(house) -> House:
    """Grace gives once a year; her first payment was today."""
    house.give_and_pay(**ANNUAL)
    mail.outbox.clear()
    return house


@pytest.fixture
def unreachable(monkeypatch) -> Any:
    """A mail server that is away for as long as the test says."""

    class Away:
        def __init__(self) -> None:
            self.is_away = True

    away = Away()
    send = mail.backends.locmem.EmailBackend.send_messages

    def send_messages(self: Any, messages: Any) -> Any:
        if away.is_away:
            raise smtplib.SMTPServerDisconnected("away")
        return send(self, messages)

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", send_messages)
    return away


# --- An annual payment --------------------------------------------------------------------------------


def test_a_reader_who_becomes_known_late_is_told_then_and_the_payment_waits_for_it(house):
    house.stripe.pay(session_of(house.begin(**ANNUAL)))
    first_payment = house.stripe.take_webhooks()  # all that tells of it was lost ...
    about_plan = [one for one in first_payment if one.type == "customer.subscription.created"]
    house.deliver(about_plan)
    house.catch_up()
    to_days_before(house, 20)
    to_days_before(house, 10)
    found = Notice.objects.get()
    assert (found.state, found.reason, found.hold) == ("UNSENDABLE", "no_address", "HELD")

    for webhook in first_payment:  # ... until somebody looked
        signature = house.stripe.sign(webhook.body)
        house.deliver([replace(webhook, headers={"Stripe-Signature": signature})])
    house.catch_up()
    house.advance(hours=1)
    until_told(house)

    assert sorted(kinds()) == ["receipt", "renewal_notice", "welcome"]
    found.refresh_from_db()
    assert found.state == "ACCEPTED"
    assert found.takes_at >= found.accepted_at + timedelta(days=15)
    assert charges(house) == 1
    house.stripe.set_clock(found.takes_at + timedelta(hours=2))
    house.catch_up()
    house.advance(hours=2)
    assert charges(house) == 2


def test_an_annual_payment_is_announced_21_days_before_with_amount_day_and_a_link_to_stop(annual):
    to_days_before(annual, 22)
    assert kinds() == []
    to_days_before(annual, 21)

    assert kinds() == ["renewal_notice"]
    [letter] = mail.outbox
    day = in_words(charge_at())
    assert letter.to == ["grace@example.org"]
    assert letter.subject == f"Your annual contribution continues on {day}"
    assert f"Next payment: {day}" in letter.body
    assert "Annual contribution: $50.00" in letter.body
    assert link_in(letter, "stop")


def test_it_is_recorded_as_accepted_by_the_mail_server_and_never_doubled(annual):
    for days in (21, 20.5, 20, 18, 15, 14, 7, 1):
        to_days_before(annual, days)

    assert kinds() == ["renewal_notice"]
    found = Notice.objects.get()
    assert (found.state, found.hold) == ("ACCEPTED", "NONE")
    assert found.accepted_at == Message.objects.get(kind="renewal_notice").sent_at
    assert found.next_look_at is None, "nothing is left to decide"
    annual.advance(days=2)
    assert Payment.objects.filter(state="SUCCEEDED").count() == 2
    annual.assert_books_agree()


def test_each_year_has_its_own_notice(annual):
    for _ in range(2):
        to_days_before(annual, 21)
        to_days_before(annual, 1)
        annual.advance(days=2)

    assert kinds() == ["renewal_notice", "receipt", "renewal_notice", "receipt"]


def test_a_monthly_payment_is_not_announced(house):
    house.give_and_pay(**MONTHLY)
    mail.outbox.clear()
    for _ in range(6):
        house.advance(days=10)

    assert "renewal_notice" not in kinds()
    assert not Notice.objects.exists()


def test_the_link_stops_it_with_one_press_and_no_payment_is_taken(annual, reader):
    to_days_before(annual, 21)
    path = link_in(mail.outbox[0], "stop")
    assert "You give $50.00 each year." in open_page(reader, path).text
    stopped = Page(reader.post(path, {"act": "stop"}).content.decode())
    assert in_words(charge_at()) in stopped.text
    annual.catch_up()
    to_days_before(annual, 1)
    annual.advance(days=3)

    assert Subscription.objects.get().state == "CANCELLED"
    assert charges(annual) == 1
    annual.assert_books_agree()


def test_who_has_stopped_before_is_not_told(annual, reader):
    to_days_before(annual, 25)
    gateway.end_at_period_end(Subscription.objects.get().stripe_id, wanted=True)
    annual.catch_up()
    to_days_before(annual, 15)
    assert kinds() == []

    gateway.end_at_period_end(Subscription.objects.get().stripe_id, wanted=False)
    annual.catch_up()
    annual.work()
    assert Notice.objects.get().hold == "HELD", "who goes on after all is told first"


def test_the_notice_speaks_the_readers_language(house):
    house.give_and_pay(**ANNUAL, locale="ru")
    mail.outbox.clear()
    to_days_before(house, 21)

    assert mail.outbox[0].subject.startswith("Ваш ежегодный взнос")


# --- Not told in time -----------------------------------------------------------------------------------


def test_a_payment_that_was_not_announced_by_day_15_is_held_and_staff_see_why(
    annual, unreachable, admin_client
):
    for days in (21, 19, 17, 15.2):
        to_days_before(annual, days)
    assert Notice.objects.get().hold == "NONE"
    to_days_before(annual, 15)

    found = Notice.objects.get()
    assert (found.hold, found.accepted_at) == ("HELD", None)
    assert annual.stripe.account.objects[Subscription.objects.get().stripe_id]["pause_collection"] == {
        "behavior": "keep_as_draft",
        "resumes_at": None,
    }
    page = admin_client.get("/admin/donations/notice/").content.decode()
    assert "Stripe waits" in page
    assert found.reason in page
    to_days_before(annual, 0.1)
    annual.stripe.advance(timedelta(days=10))
    annual.catch_up()
    assert charges(annual) == 1


def test_once_it_is_told_a_held_payment_is_taken_on_the_day_that_the_notice_names(annual, unreachable):
    wanted = charge_at()
    for days in (21, 18, 15, 13):
        to_days_before(annual, days)
    unreachable.is_away = False
    until_told(annual)

    found = Notice.objects.get()
    assert found.state == "ACCEPTED"
    assert found.takes_at > wanted
    assert found.takes_at >= found.accepted_at + timedelta(days=15)
    assert f"Next payment: {in_words(found.takes_at)}" in mail.outbox[0].body
    while clock.now() < found.takes_at:
        assert charges(annual) == 1
        annual.advance(days=1)
    annual.advance(hours=2)
    annual.advance(hours=2)

    assert charges(annual) == 2
    assert Notice.objects.get().hold == "RELEASED"
    assert Subscription.objects.get().state == "ACTIVE"
    assert kinds() == ["renewal_notice", "receipt"]
    renewal = Payment.objects.get(is_renewal=True)
    assert renewal.period_start == wanted, "the year that it pays for began when it always does"
    annual.assert_books_agree()
    to_days_before(annual, 21)
    assert kinds()[-1] == "renewal_notice"


def test_a_sweep_that_did_not_run_for_weeks_holds_first_and_tells_then(annual):
    annual.stripe.set_clock(charge_at() - timedelta(days=3))
    annual.catch_up()

    found = Notice.objects.get()
    assert found.hold == "HELD"
    assert kinds() == ["renewal_notice"]
    assert found.takes_at >= clock.now() + timedelta(days=15)


def test_while_stripe_is_away_the_hold_is_tried_again(annual, unreachable):
    to_days_before(annual, 16)
    annual.stripe.fault("POST /v1/subscriptions/*", "unavailable", times=9)
    to_days_before(annual, 15)
    assert Notice.objects.get().hold == "WANTED"
    annual.stripe.faults.clear()
    annual.advance(minutes=1)
    assert Notice.objects.get().hold == "HELD"


def test_a_crash_after_stripe_was_told_tells_it_again(annual, unreachable, monkeypatch):
    to_days_before(annual, 16)
    with monkeypatch.context() as patch:
        patch.setattr(holds, "_row", lambda _notice: 1 / 0)
        annual.stripe.set_clock(charge_at() - timedelta(days=15))
        with pytest.raises(ZeroDivisionError):
            annual.catch_up()
    assert Notice.objects.get().hold == "WANTED"
    annual.catch_up()
    assert Notice.objects.get().hold == "HELD"


def test_an_answer_of_stripe_that_got_lost_changes_nothing(annual, unreachable):
    to_days_before(annual, 16)
    annual.stripe.fault("POST /v1/subscriptions/*", "lost_answer", times=9)
    to_days_before(annual, 15)
    annual.stripe.faults.clear()
    annual.advance(minutes=1)

    assert Notice.objects.get().hold == "HELD"


def test_somebody_who_resumes_it_at_stripe_is_not_enough(annual, unreachable):
    for days in (21, 15, 14):
        to_days_before(annual, days)
    gateway.let_go(Subscription.objects.get().stripe_id)
    annual.catch_up()
    annual.advance(hours=1)

    assert Notice.objects.get().hold == "HELD"
    assert Subscription.objects.get().state == "PAUSED"


def test_an_address_that_mail_cannot_reach_holds_the_payment_until_staff_told_the_reader(
    annual, admin_client
):
    to_days_before(annual, 22)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "django.core.mail.backends.locmem.EmailBackend.send_messages",
            lambda _self, _messages: _refuse(),
        )
        to_days_before(annual, 21)
        to_days_before(annual, 20)
    found = Notice.objects.get()
    assert (found.state, found.reason, found.hold) == ("UNSENDABLE", "recipient_refused", "NONE")
    to_days_before(annual, 14)
    assert Notice.objects.get().hold == "HELD"

    answer = admin_client.post(
        "/admin/donations/notice/", {"action": "told_otherwise", "_selected_action": [found.pk]}
    )
    assert answer.status_code == 302
    found.refresh_from_db()
    assert (found.state, found.reason) == ("ACCEPTED", "told_by_staff")
    assert found.actor
    while clock.now() < found.takes_at:
        assert charges(annual) == 1
        annual.advance(days=1)
    annual.advance(hours=3)
    annual.advance(hours=3)
    assert charges(annual) == 2


def _refuse() -> None:
    raise smtplib.SMTPRecipientsRefused({"grace@example.org": (550, b"no such user")})


def test_a_reader_may_stop_while_the_payment_waits_and_owes_nothing(annual, unreachable, reader):
    for days in (21, 15, 13):
        to_days_before(annual, days)
    unreachable.is_away = False
    until_told(annual)
    path = link_in(mail.outbox[0], "stop")
    to_days_before(annual, 0.5)
    annual.advance(days=2)
    assert "ends at once" in open_page(reader, path).text
    reader.post(path, {"act": "stop"})
    annual.catch_up()
    annual.advance(days=30)

    assert Subscription.objects.get().state == "CANCELLED"
    assert charges(annual) == 1
    assert Notice.objects.get().state == "DROPPED"


def test_a_member_whose_payment_waits_is_not_called_paused(annual, unreachable):
    from members import queries
    from members.models import Member

    for days in (21, 15, 13):
        to_days_before(annual, days)

    held = queries.get_current_membership(Member.objects.get(), clock.now())
    assert held is not None
    assert held.state_at(clock.now()) == "ACTIVE"


def test_the_last_gate_keeps_an_invoice_of_which_nobody_was_told_from_being_paid(annual):
    """No sweep ran for a month; the house is back in the hour between the draft and its payment."""
    annual.stripe.set_clock(charge_at() + timedelta(minutes=5))
    drawn_up = [letter for letter in annual.stripe.take_webhooks() if letter.type == "invoice.created"]
    annual.deliver(drawn_up)
    annual.work()
    annual.stripe.advance(timedelta(days=2))
    annual.catch_up()

    found = Notice.objects.get(hold="HELD")
    assert charges(annual) == 1
    assert kinds() == ["renewal_notice"]
    while clock.now() < found.takes_at:
        annual.advance(days=1)
        found.refresh_from_db()
    annual.advance(hours=3)
    annual.advance(hours=3)
    assert charges(annual) == 2


def test_a_clock_that_jumps_over_everything_is_told_to_staff_and_breaks_nothing(annual):
    annual.stripe.advance(timedelta(days=400))
    annual.catch_up()

    assert charges(annual) == 2
    assert Notice.objects.get(reason="charged_untold").state == "DROPPED"
    annual.assert_books_agree()


@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_give_one_notice_and_one_hold(annual):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time, and this machine's threads share its file")
    annual.stripe.set_clock(charge_at() - timedelta(days=14))
    annual.deliver(annual.stripe.take_webhooks())
    now, start = clock.now(), threading.Barrier(6)

    def sweep(_: int) -> int:
        try:
            start.wait()
            return before_money.sweep(now=now)
        finally:
            connections.close_all()
            clock.close_connection()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(sweep, range(6)))
    before_money.sweep(now=now)
    annual.catch_up()

    assert Notice.objects.get().hold == "HELD"
    assert kinds() == ["renewal_notice"]


# --- Cards ------------------------------------------------------------------------------------------------


def set_card_end(house: House, *, months_after_charge: int) -> None:
    """The card on which the next payment goes is good to the end of that month."""
    subscription = house.stripe.account.objects[Subscription.objects.get().stripe_id]
    method = house.stripe.account.objects[subscription["default_payment_method"]]
    months = charge_at().year * 12 + charge_at().month - 1 + months_after_charge
    method["card"] |= {"exp_year": months // 12, "exp_month": months % 12 + 1}


def look(house: House) -> None:
    card_expiry.look_at_cards(now=clock.now())
    house.work()


def test_a_card_that_expires_before_the_next_payment_warns_30_and_7_days_before_once_each(annual):
    set_card_end(annual, months_after_charge=-1)
    told = []
    for days in (40, 31, 30, 29, 22, 21, 14, 8, 7, 6, 3, 1):
        to_days_before(annual, days)
        before = len(mail.outbox)
        look(annual)
        told += [(days, letter.kind) for letter in mail.outbox[before:] if letter.kind == "card_expiring"]

    assert told == [(30, "card_expiring"), (7, "card_expiring")]
    letter = next(letter for letter in mail.outbox if letter.kind == "card_expiring")
    assert in_words(charge_at()) in letter.body
    assert "$50.00 each year" in letter.body
    assert link_in(letter, "card")


def test_a_card_that_is_good_to_the_end_of_the_payments_month_is_not_warned_of(annual):
    set_card_end(annual, months_after_charge=0)
    for days in (30, 7):
        to_days_before(annual, days)
        look(annual)

    assert "card_expiring" not in kinds()


def test_a_reader_who_becomes_known_late_is_warned_of_the_card_then(house):
    house.stripe.pay(session_of(house.begin(**ANNUAL)))
    first_payment = house.stripe.take_webhooks()
    house.deliver([one for one in first_payment if one.type == "customer.subscription.created"])
    house.catch_up()
    set_card_end(house, months_after_charge=-1)
    to_days_before(house, 30)
    look(house)
    assert mail.outbox == []
    house.advance(days=2)
    look(house)

    for webhook in first_payment:
        signature = house.stripe.sign(webhook.body)
        house.deliver([replace(webhook, headers={"Stripe-Signature": signature})])
    house.advance(hours=1)
    look(house)

    assert kinds().count("card_expiring") == 1


def test_of_a_monthly_gifts_card_only_the_last_payment_before_its_end_warns(house):
    house.give_and_pay(**MONTHLY)
    set_card_end(house, months_after_charge=1)
    mail.outbox.clear()
    for _ in range(90):
        house.advance(days=1)
        look(house)

    assert kinds().count("card_expiring") == 2


def test_who_gave_another_card_or_got_one_from_the_bank_is_not_warned(annual):
    set_card_end(annual, months_after_charge=-1)
    to_days_before(annual, 30)
    look(annual)
    assert kinds() == ["card_expiring"]
    subscription = Subscription.objects.get()
    annual.stripe.controls.replace_card(subscription.default_payment_method)
    annual.catch_up()
    to_days_before(annual, 7)
    look(annual)

    assert kinds().count("card_expiring") == 1


def test_a_warning_that_waits_is_withdrawn_when_the_card_is_replaced(annual, unreachable):
    set_card_end(annual, months_after_charge=-1)
    to_days_before(annual, 30)
    look(annual)
    annual.stripe.controls.replace_card(Subscription.objects.get().default_payment_method)
    annual.catch_up()
    unreachable.is_away = False
    annual.advance(days=1)

    assert kinds() == []
    assert Message.objects.get(kind="card_expiring").failure_code == "withdrawn"


def test_a_warning_that_waits_is_withdrawn_when_the_reader_gives_another_card(annual, unreachable):
    set_card_end(annual, months_after_charge=-1)
    to_days_before(annual, 30)
    look(annual)
    annual.stripe.controls.change_card(Subscription.objects.get().stripe_id, "5555555555554444")
    annual.catch_up()
    unreachable.is_away = False
    annual.advance(days=1)

    assert "card_expiring" not in kinds()


def test_while_stripe_is_away_the_look_is_made_up_for_later(annual):
    set_card_end(annual, months_after_charge=-1)
    to_days_before(annual, 30)
    annual.stripe.fault("GET /v1/subscriptions/*", "unavailable", times=9)
    look(annual)
    assert kinds() == []
    annual.stripe.faults.clear()
    look(annual)
    assert kinds() == ["card_expiring"]


def test_a_bank_debit_has_no_end(house):
    house.give_and_pay(**{**ANNUAL, "currency": "EUR"}, method="bank_debit")
    house.advance(days=6)
    mail.outbox.clear()
    to_days_before(house, 30)
    look(house)

    assert "card_expiring" not in kinds()


def test_a_card_is_warned_of_though_the_word_that_it_took_anothers_place_was_lost(annual):
    annual.stripe.controls.change_card(Subscription.objects.get().stripe_id, "5555555555554444")
    annual.stripe.take_webhooks()  # and nobody hands them over
    set_card_end(annual, months_after_charge=-1)
    to_days_before(annual, 30)
    look(annual)

    assert kinds() == ["card_expiring"]


def test_each_card_is_asked_about_once_for_each_look(annual):
    to_days_before(annual, 29)
    look(annual)
    before = list(annual.stripe.calls)
    look(annual)
    assert annual.stripe.calls == before


# --- Another amount -----------------------------------------------------------------------------------------


def announce(house: House, *, minor: int = 700) -> Notice:
    begun = Subscription.objects.get().contribution.created_at
    return price_changes.announce(
        subscription=Subscription.objects.get(),
        new_amount=Money(minor, "USD"),
        effective_at=begun + timedelta(days=20),
        actor="staff:1",
        now=clock.now(),
    )


@pytest.fixture
def monthly(house) -> House:
    house.give_and_pay(**MONTHLY)
    mail.outbox.clear()
    return house


def amount_at_stripe(house: House) -> int:
    item = house.stripe.account.objects[Subscription.objects.get().stripe_id]["items"]["data"][0]
    return int(item["price"]["unit_amount"])


def test_another_amount_is_told_before_and_charged_from_the_day_that_the_mail_names(monthly):
    announced = announce(monthly)
    day_of_change = announced.takes_at
    monthly.advance(days=5)
    assert kinds() == []
    monthly.advance(days=2)
    assert kinds() == ["price_notice"]
    [letter] = mail.outbox
    assert "Until now: $5.00" in letter.body
    assert "New amount: $7.00" in letter.body
    assert f"For payments from: {in_words(day_of_change)}" in letter.body
    assert link_in(letter, "stop")
    monthly.advance(days=12)
    assert amount_at_stripe(monthly) == 500
    monthly.advance(days=1, hours=1)

    assert amount_at_stripe(monthly) == 700
    assert Subscription.objects.get().amount == Money(700, "USD")
    monthly.advance(days=12)
    assert Payment.objects.get(is_renewal=True).amount == Money(700, "USD")
    assert kinds() == ["price_notice", "receipt"]
    monthly.assert_books_agree()


def test_a_change_of_which_nobody_could_be_told_waits_for_the_notice(monthly, unreachable):
    announced = announce(monthly)
    for _ in range(22):
        monthly.advance(days=1)
    assert amount_at_stripe(monthly) == 500
    unreachable.is_away = False
    until_told(monthly)

    found = Notice.objects.get()
    assert kinds()[-1] == "price_notice"
    assert found.takes_at > announced.takes_at
    assert found.takes_at >= found.accepted_at + timedelta(days=7)
    assert f"For payments from: {in_words(found.takes_at)}" in mail.outbox[-1].body
    while clock.now() < found.takes_at:
        assert amount_at_stripe(monthly) == 500
        monthly.advance(days=1)
    monthly.advance(minutes=1)
    assert amount_at_stripe(monthly) == 700


def test_a_reader_who_stops_after_the_notice_keeps_the_old_amount_to_the_end(monthly, reader):
    announce(monthly)
    monthly.advance(days=8)
    reader.post(link_in(mail.outbox[0], "stop"), {"act": "stop"})
    monthly.catch_up()
    for _ in range(5):
        monthly.advance(days=5)

    assert amount_at_stripe(monthly) == 500
    assert charges(monthly) == 1


def test_announcing_the_same_twice_is_once_and_another_one_replaces_it(monthly):
    first = announce(monthly)
    assert announce(monthly).pk == first.pk
    assert Notice.objects.count() == 1
    second = announce(monthly, minor=900)
    assert Notice.objects.get(pk=first.pk).reason == "replaced"
    for _ in range(21):
        monthly.advance(days=1)

    assert kinds() == ["price_notice"]
    assert amount_at_stripe(monthly) == 900
    assert Notice.objects.get(pk=second.pk).applied_at is not None


def test_a_crash_after_stripe_changed_the_amount_changes_it_once(monthly, monkeypatch):
    announce(monthly)
    monthly.advance(days=8)
    with monkeypatch.context() as patch:
        patch.setattr(price_changes, "_note_applied", lambda _notice, now: 1 / 0)
        monthly.stripe.advance(timedelta(days=13))
        with pytest.raises(ZeroDivisionError):
            monthly.catch_up()
    monthly.catch_up()
    monthly.advance(minutes=1)

    found = Notice.objects.get()
    assert found.applied_at is not None
    assert found.state == "ACCEPTED"
    assert amount_at_stripe(monthly) == 700


@pytest.mark.parametrize(
    ("minor", "currency", "days", "code"),
    [
        (700, "USD", 7, "invalid"),
        (500, "USD", 20, "invalid"),
        (700, "EUR", 20, "currency_not_offered"),
        (10**13, "USD", 20, "amount_not_chargeable"),
    ],
)
def test_a_change_that_cannot_be_is_refused(monthly, minor, currency, days, code):
    with pytest.raises(InvalidWish) as refused:
        price_changes.announce(
            subscription=Subscription.objects.get(),
            new_amount=Money(minor, currency),
            effective_at=clock.now() + timedelta(days=days),
            actor="staff:1",
            now=clock.now(),
        )
    assert refused.value.code == code
    assert not Notice.objects.exists()


def test_what_has_ended_cannot_be_changed(monthly):
    gateway.end_now(Subscription.objects.get().stripe_id)
    monthly.catch_up()
    with pytest.raises(UnknownContribution):
        announce(monthly)


def test_the_readers_own_change_needs_no_notice(monthly):
    row = Subscription.objects.get()
    gateway.change_amount(
        row.stripe_id,
        item=row.item_id,
        product=row.product_id,
        amount=Money(900, "USD"),
        interval="month",
        because="reader",
    )
    monthly.catch_up()
    monthly.advance(days=5)

    assert kinds() == []
    assert Subscription.objects.get().amount == Money(900, "USD")


def test_stripe_out_of_reach_is_our_error_of_that_name(monthly):
    monthly.stripe.fault("POST /v1/subscriptions/*", "unavailable", times=9)
    with pytest.raises(PaymentsUnavailable):
        gateway.hold_collection(Subscription.objects.get().stripe_id)


def test_staff_see_how_many_payments_wait(annual, unreachable):
    for days in (21, 15):
        to_days_before(annual, days)
    assert notice_desk.get_standing() == notice_desk.Standing(waiting_payments=1, unsendable=0)
