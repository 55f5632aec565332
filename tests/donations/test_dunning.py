"""A renewal that fails: what its reader is told, when, and when we are quiet."""

from __future__ import annotations

import itertools
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection, connections

from donations import dunning, inbox, links
from donations.models import Campaign, Dunning, Payment, Subscription
from members import clock, outbox
from members.models import Message
from sandbox import pages_portal
from tests import factories
from tests.house import House, session_of
from tests.paper import Page, open_page

FAILS, PAYS, CONFIRMS = "4000000000000341", "4242424242424242", "4000002760003184"
MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}
A_MONTH = {"days": 31, "hours": 2}


def change_card(house: House, card: str) -> None:
    """From now on renewals are charged to this card; the bank did it, not the reader."""
    house.stripe.controls.change_card(Subscription.objects.latest("pk").stripe_id, card)
    house.catch_up()


@pytest.fixture
def failing(house) -> House:
    """Grace gives monthly, and her card has stopped to pay; her first renewal has just been refused."""
    house.give_and_pay(**MONTHLY)
    change_card(house, FAILS)
    mail.outbox.clear()
    house.advance(**A_MONTH)
    return house


def letters() -> list[Any]:
    """The mails that left, oldest first; without those that only confirm that another card was given."""
    return [letter for letter in mail.outbox if letter.kind != "contribution_changed"]


def kinds() -> list[str]:
    return [letter.kind for letter in letters()]


def sent_at(*wanted: str) -> list[Any]:
    return list(
        Message.objects.filter(kind__in=wanted, state="SENT")
        .order_by("sent_at")
        .values_list("sent_at", flat=True)
    )


def link_in(letter: Any, word: str) -> str:
    """The address in a mail whose path starts with that word, without the house's own address."""
    found = re.search(rf"{re.escape(settings.PUBLIC_BASE_URL)}(/support/{word}/\S+)", letter.body)
    assert found, letter.body
    return found[1]


def day_by_day(house: House, days: int) -> None:
    for _ in range(days):
        house.advance(days=1)


def give_another_card(house: House, reader: Any, card: str) -> None:
    """Follow the link in the mail to Stripe's page, and type in another card there."""
    path = link_in(letters()[0], "card")
    answer = reader.post(path, open_page(reader, path).fields)
    assert answer.status_code == 303
    assert answer["Location"].startswith(settings.STRIPE_API_BASE)
    account = house.stripe.account
    with account.lock:
        session = account.find("billing_portal.session", answer["Location"].rsplit("/", 1)[1])
        pages_portal.change_card(account, session, card)
    house.catch_up()


# --- At once --------------------------------------------------------------------------------------


def test_a_refusal_that_we_hear_of_before_we_know_the_reader_is_told_once_we_do(house):
    house.stripe.pay(session_of(house.begin(**MONTHLY)))
    first_payment = house.stripe.take_webhooks()  # lost on their way
    [subscription] = house.stripe.account.all("subscription")
    house.stripe.controls.change_card(subscription["id"], FAILS)
    house.advance(**A_MONTH)
    assert kinds() == []

    for webhook in first_payment:
        signature = house.stripe.sign(webhook.body)
        house.deliver([replace(webhook, headers={"Stripe-Signature": signature})])
    house.catch_up()
    house.advance(hours=2)

    assert sorted(kinds()) == ["payment_failed", "receipt", "welcome"]


def test_a_refused_renewal_is_told_at_once_with_the_day_of_the_next_try(failing):
    assert kinds() == ["payment_failed"]
    [letter] = mail.outbox
    comes = Payment.objects.get(state="FAILED").next_attempt_at
    assert letter.to == ["grace@example.org"]
    assert "$5.00" in letter.body
    assert "Your bank declined the payment." in letter.body
    assert f"we will try again on {comes:%B} {comes.day}, {comes:%Y}" in letter.body


def test_the_link_changes_the_card_without_signing_in_and_what_is_owed_is_paid_at_once(failing, reader):
    give_another_card(failing, reader, PAYS)

    assert Subscription.objects.get().state == "ACTIVE"
    assert Dunning.objects.get().state == "RECOVERED"
    assert kinds() == ["payment_failed", "receipt"]
    receipt = next(letter for letter in mail.outbox if letter.kind == "receipt")
    assert "Thank you for staying with us" in receipt.body
    failing.assert_books_agree()


def test_a_payment_that_comes_after_all_is_thanked_for_once_and_on_its_receipt(failing):
    change_card(failing, PAYS)
    day_by_day(failing, 4)

    assert kinds() == ["payment_failed", "receipt"]
    assert "the payment that had failed has arrived" in letters()[1].body
    failing.advance(**A_MONTH)
    assert kinds() == ["payment_failed", "receipt", "receipt"]
    assert "had failed" not in letters()[2].body


def test_a_renewal_that_the_bank_wants_confirmed_leads_to_the_page_that_asks_the_bank(house, reader):
    house.give_and_pay(**MONTHLY)
    change_card(house, CONFIRMS)
    mail.outbox.clear()
    house.advance(**A_MONTH)

    assert kinds() == ["payment_failed"]
    assert "Your bank asks you to confirm the payment." in letters()[0].body
    assert "Confirm the payment" in letters()[0].body
    path = link_in(letters()[0], "card")
    page = open_page(reader, path)
    assert "Confirm your payment" in page.text
    [invoice] = [each for each in house.stripe.account.all("invoice") if each["status"] == "open"]
    assert reader.post(path, page.fields)["Location"] == invoice["hosted_invoice_url"]

    house.stripe.controls.pay_invoice(invoice["id"], CONFIRMS, three_d_secure="pass")
    house.catch_up()
    assert kinds() == ["payment_failed", "receipt"]
    assert Subscription.objects.get().state == "ACTIVE"


def test_after_a_refusal_that_only_another_card_mends_no_next_try_is_promised(failing):
    failing.stripe.controls.listening.set_mode("drop")
    failing.stripe.advance(timedelta(days=4))
    found = {"failure_code": "lost_card", "next_attempt_at": clock.now() + timedelta(days=3)}
    Payment.objects.filter(state="FAILED").update(**found)
    failing.work()

    assert kinds() == ["payment_failed", "payment_reminder"]
    assert "We will not try again by ourselves" in letters()[1].body


def test_the_mail_speaks_the_readers_language(house):
    house.give_and_pay(**MONTHLY, locale="ru")
    change_card(house, FAILS)
    mail.outbox.clear()
    house.advance(**A_MONTH)

    assert letters()[0].subject == "Платёж не прошёл"
    assert "Банк отклонил платёж." in letters()[0].body


def test_the_first_payment_is_the_checkout_pages_to_explain(house):
    house.give_and_pay(**{**MONTHLY, "currency": "EUR"}, method="bank_debit", card="DE62370400440532013001")
    day_by_day(house, 8)

    assert "payment_failed" not in kinds()


# --- While Stripe goes on trying ----------------------------------------------------------------------


def test_reminders_come_while_stripe_tries_and_never_two_mails_within_three_days(failing):
    day_by_day(failing, 20)

    assert kinds() == [
        "payment_failed",
        "payment_reminder",
        "payment_reminder",
        "payment_reminder",
        "payment_lapsed",
    ]
    moments = sent_at("payment_failed", "payment_reminder")
    assert all(later - earlier >= timedelta(days=3) for earlier, later in itertools.pairwise(moments))


def test_no_reminder_comes_once_it_is_paid(failing):
    day_by_day(failing, 2)
    change_card(failing, PAYS)
    day_by_day(failing, 25)

    assert "payment_reminder" not in kinds()


def test_no_reminder_comes_once_the_reader_gave_another_card_until_that_is_refused_too(failing, reader):
    failing.advance(hours=1)
    give_another_card(failing, reader, FAILS)  # it is tried at once, and refused
    found = Dunning.objects.get()
    assert found.acted_at is not None
    assert found.last_failed_at >= found.acted_at
    assert kinds() == ["payment_failed"], "not two mails within three days, even about another card"
    day_by_day(failing, 4)
    assert kinds() == ["payment_failed", "payment_reminder"]

    Dunning.objects.update(acted_at=clock.now())
    mail.outbox.clear()
    Payment.objects.filter(state="FAILED").update(next_attempt_at=clock.now() + timedelta(days=20))
    Dunning.objects.update(next_look_at=clock.now() + timedelta(days=4))
    failing.stripe.controls.listening.set_mode("drop")
    failing.stripe.advance(timedelta(days=4, hours=1))
    failing.work()
    assert kinds() == []
    assert Dunning.objects.get().quiet_because == "reader_acted"


def test_no_reminder_comes_while_another_contribution_of_the_reader_runs(failing):
    failing.give_and_pay(**MONTHLY)
    mail.outbox.clear()
    day_by_day(failing, 10)

    assert kinds() == []
    assert Dunning.objects.get().quiet_because == "another_plan"


def test_no_reminder_comes_once_the_contribution_was_ended(failing, reader):
    path = link_in(letters()[0], "stop")
    assert "ends at once" in Page(reader.get(path).content.decode()).text
    page = Page(reader.post(path, {"act": "stop"}).content.decode())
    assert "Your contribution is stopped" in page.text
    failing.catch_up()
    day_by_day(failing, 20)

    assert Dunning.objects.get().state == "STOPPED"
    assert not {"payment_reminder", "payment_lapsed"} & set(kinds())
    assert [each["status"] for each in failing.stripe.account.all("invoice")] == ["void", "paid"]


def test_a_reader_whom_mail_cannot_reach_is_left_alone(failing):
    Message.objects.filter(kind="payment_failed").update(
        state="FAILED", sent_at=None, failure_code="recipient_refused"
    )
    mail.outbox.clear()
    day_by_day(failing, 8)

    assert kinds() == []
    assert Dunning.objects.get().quiet_because == "unreachable"


def test_shortly_before_a_try_its_outcome_is_awaited(failing):
    day_by_day(failing, 2)
    found = Payment.objects.get(state="FAILED")
    Payment.objects.filter(pk=found.pk).update(next_attempt_at=clock.now() + timedelta(days=1, hours=5))
    failing.stripe.controls.listening.set_mode("drop")
    failing.stripe.advance(timedelta(days=1))
    failing.work()
    assert kinds() == ["payment_failed"]

    failing.stripe.advance(timedelta(hours=8))
    failing.work()
    assert kinds() == ["payment_failed", "payment_reminder"]


# --- The end ------------------------------------------------------------------------------------------


def test_the_end_is_told_kindly_and_leads_back_to_the_page_as_it_was_filled_in(failing, reader):
    day_by_day(failing, 20)

    assert Dunning.objects.get().state == "LOST"
    letter = letters()[-1]
    assert letter.kind == "payment_lapsed"
    assert "You owe nothing" in letter.body
    answer = reader.get(link_in(letter, "again"))
    assert answer.status_code == 302
    page = open_page(reader, answer["Location"])
    assert page.fields["interval"] == "month"
    assert page.fields["amount_USD_month"] == "500"


def test_coming_back_leads_to_an_appeal_that_runs(failing, reader):
    day_by_day(failing, 20)
    Campaign.objects.update(ends_at=clock.now())
    factories.a_campaign("support-us-now")

    answer = reader.get(link_in(letters()[-1], "again"))
    assert answer["Location"].startswith("/support/support-us-now/?amount=500&interval=month&currency=USD")


def test_nobody_elses_id_leads_back(reader, db):
    assert reader.get("/support/again/7c9e6679-7425-40de-944b-e07fc1f90ae7/").status_code == 404


def test_when_stripe_gives_up_at_the_first_refusal_one_mail_comes_and_not_two(house):
    house.give_and_pay(**MONTHLY)
    change_card(house, FAILS)
    mail.outbox.clear()
    house.stripe.controls.change_settings(collection={"retries": []})
    house.advance(**A_MONTH)
    day_by_day(house, 2)

    assert kinds() == ["payment_lapsed"]


def test_a_contribution_left_overdue_for_ever_is_told_that_no_try_follows(failing):
    failing.stripe.controls.listening.set_mode("drop")
    Payment.objects.filter(state="FAILED").update(next_attempt_at=None)
    failing.stripe.advance(timedelta(days=4))
    failing.work()

    assert kinds() == ["payment_failed", "payment_reminder"]
    assert "We will not try again by ourselves" in letters()[1].body


# --- In any order, twice, and at once ---------------------------------------------------------------


def test_a_refusal_that_is_told_after_the_money_brings_no_mail(house):
    house.give_and_pay(**MONTHLY)
    change_card(house, FAILS)
    mail.outbox.clear()
    house.stripe.advance(timedelta(**A_MONTH))
    refused = house.stripe.take_webhooks()
    house.stripe.controls.change_card(Subscription.objects.get().stripe_id, PAYS)
    house.stripe.advance(timedelta(days=4))
    paid = house.stripe.take_webhooks()

    house.deliver(paid)
    house.work()
    for letter in refused:  # days later, by reconciliation: no signature is asked for then
        envelope, event = inbox.read_envelope(letter.body)
        inbox.keep(envelope, json.dumps(event), now=clock.now())
    house.work()

    assert kinds() == ["receipt"]
    assert "had failed" not in letters()[0].body
    assert Dunning.objects.get().state == "RECOVERED"
    house.assert_books_agree()


def test_a_mail_that_waits_when_the_money_comes_is_withdrawn(house):
    house.give_and_pay(**MONTHLY)
    change_card(house, FAILS)
    mail.outbox.clear()
    house.stripe.advance(timedelta(**A_MONTH))
    house.stripe.controls.change_card(Subscription.objects.get().stripe_id, PAYS)
    house.stripe.advance(timedelta(days=4))
    house.catch_up()  # both are told at once, before any mail leaves

    assert kinds() == ["receipt"]
    assert Message.objects.get(kind="payment_failed").failure_code == "withdrawn"
    assert "had failed" not in letters()[0].body, "nobody told the reader that it had"


def test_a_mail_is_looked_at_once_more_right_before_it_leaves(failing, monkeypatch):
    """Its worker has it already, so that it cannot be withdrawn; the money comes before it is handed over."""
    Message.objects.filter(kind="payment_failed").update(state="OWED", sent_at=None)
    mail.outbox.clear()
    look = outbox._last_look

    def paid_meanwhile(message: Any) -> Any:
        Payment.objects.filter(state="FAILED").update(state="SUCCEEDED", paid_at=clock.now())
        return look(message)

    monkeypatch.setattr(outbox, "_last_look", paid_meanwhile)
    outbox.deliver_due(now=clock.now())

    assert kinds() == []
    assert Message.objects.get(kind="payment_failed").failure_code == "withdrawn"


def test_a_look_that_fails_puts_the_mail_off_and_holds_up_no_other(failing, monkeypatch):
    Message.objects.filter(kind="payment_failed").update(state="OWED", sent_at=None)
    mail.outbox.clear()
    failing.give_and_pay(email="ada@example.org")
    mail.outbox.clear()
    Message.objects.filter(kind__in=["receipt"]).update(state="OWED", sent_at=None)
    Message.objects.filter(kind="payment_failed").update(
        state="OWED", sent_at=None, next_attempt_at=clock.now()
    )
    monkeypatch.setattr(dunning, "_reader_acted", lambda _dunning: 1 / 0)
    outbox.deliver_due(now=clock.now())

    assert "payment_failed" not in kinds()
    assert "receipt" in kinds()
    waits = Message.objects.get(kind="payment_failed")
    assert (waits.state, waits.failure_code) == ("OWED", "not_decided")


def test_what_the_mail_server_did_not_take_for_a_day_is_written_anew(failing):
    Message.objects.filter(kind="payment_failed").update(
        state="FAILED", sent_at=None, failure_code="not_in_time"
    )
    mail.outbox.clear()
    failing.advance(hours=2)

    assert kinds() == ["payment_failed"]
    assert Message.objects.filter(kind="payment_failed").count() == 2


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_events_ends_in_the_same_state(house, seed):
    house.give_and_pay(**MONTHLY)
    house.stripe.controls.change_card(Subscription.objects.get().stripe_id, FAILS)
    mail.outbox.clear()
    house.stripe.advance(timedelta(days=50))
    house.catch_up(seed=seed, duplicates=True)
    house.advance(days=1)

    found = Dunning.objects.get()
    assert found.state == "LOST"
    assert found.last_failed_at - found.first_failed_at == timedelta(days=15)
    assert kinds() == ["payment_lapsed"]


@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_write_one_reminder(failing):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time, and this machine's threads share its file")
    failing.stripe.advance(timedelta(days=4))
    failing.deliver(failing.stripe.take_webhooks())
    inbox.process_waiting(now=clock.now())
    Dunning.objects.update(next_look_at=clock.now())
    now, start = clock.now(), threading.Barrier(6)

    def sweep(_: int) -> int:
        try:
            start.wait()
            return dunning.write_due(now=now)
        finally:
            connections.close_all()
            clock.close_connection()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(sweep, range(6))) <= 1
    assert Message.objects.filter(kind="payment_reminder").count() == 1


# --- Stopping from a mail ---------------------------------------------------------------------------


@pytest.fixture
def stop_link(house) -> str:
    house.give_and_pay(**MONTHLY)
    mail.outbox.clear()
    return links.stop_page(Subscription.objects.get()).removeprefix(settings.PUBLIC_BASE_URL)


def test_looking_at_the_link_stops_nothing(house, reader, stop_link):
    page = open_page(reader, stop_link)
    assert "You give $5.00 each month." in page.text
    reader.post(stop_link)
    house.catch_up()

    assert Subscription.objects.get().cancel_at is None


def test_one_press_stops_it_with_the_time_that_is_paid_and_another_lets_it_go_on(house, reader, stop_link):
    stopped = Page(reader.post(stop_link, {"act": "stop"}).content.decode())
    house.catch_up()
    until = Subscription.objects.get().current_period_end
    assert f"ends on {until:%B} {until.day}, {until:%Y}" in stopped.text
    assert Subscription.objects.get().cancel_at == until
    assert "Your contribution is stopped" in open_page(reader, stop_link).text

    kept = Page(reader.post(stop_link, {"act": "keep"}).content.decode())
    house.catch_up()
    assert "Your contribution goes on" in kept.text
    assert Subscription.objects.get().cancel_at is None

    reader.post(stop_link, {"act": "stop"})
    house.advance(**A_MONTH)
    assert Subscription.objects.get().state == "CANCELLED"
    assert reader.get(stop_link).status_code == 410
    assert reader.post(stop_link, {"act": "stop"}).status_code == 410
    house.assert_books_agree()


def test_the_link_of_one_purpose_opens_no_other(house, reader, stop_link):
    assert reader.get(stop_link.replace("/stop/", "/card/")).status_code == 400
    assert reader.get("/support/stop/x/").status_code == 400


def test_while_stripe_is_away_nothing_is_stopped_and_the_page_says_so(house, reader, stop_link):
    house.stripe.fault("POST /v1/subscriptions/*", "unavailable", times=20)
    answer = reader.post(stop_link, {"act": "stop"})

    assert answer.status_code == 503
    assert "Nothing was changed" in answer.content.decode()
