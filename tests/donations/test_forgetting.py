"""What is no longer needed about a person is forgotten."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from donations import inbox, services
from donations.models import Contribution, Payment, StripeEvent
from members import clock, outbox
from members.models import Member, Message


def test_who_left_a_page_unpaid_is_forgotten_after_a_week(house, settings):
    settings.ALLOWED_ORIGINS = ["https://news.example"]
    house.begin(
        name="Charlie Sample", email="charlie@example.org", return_url="https://news.example/?from=charlie"
    )
    house.advance(hours=2)
    unpaid = Contribution.objects.get()
    assert unpaid.email == "charlie@example.org"
    services.forget_unpaid(now=clock.now())
    unpaid.refresh_from_db()
    assert unpaid.email == "charlie@example.org", "not before a week is over"

    assert services.forget_unpaid(now=clock.now() + timedelta(days=8)) == 1

    unpaid.refresh_from_db()
    assert (unpaid.email, unpaid.name, unpaid.checkout_url, unpaid.return_url) == ("", "", "", "")
    assert unpaid.amount_minor == 2500
    assert services.forget_unpaid(now=clock.now() + timedelta(days=8)) == 0


def test_a_gift_that_is_on_its_way_or_has_arrived_keeps_its_reader(house):
    house.give_and_pay()
    house.give_and_pay(email="grace@example.org", currency="EUR", amount=1000, method="bank_debit")

    services.forget_unpaid(now=clock.now() + timedelta(days=3))
    assert Contribution.objects.get(payments__state="PROCESSING").email == "grace@example.org"

    house.advance(days=8)
    assert set(Payment.objects.values_list("state", flat=True)) == {"SUCCEEDED"}
    assert {member.email for member in Member.objects.all()} == {"ada@example.org", "grace@example.org"}


def test_a_mail_of_long_ago_is_forgotten_and_not_sent_again(house, mailoutbox):
    house.give_and_pay()
    sent = len(mailoutbox)
    message = Message.objects.get(kind="receipt")
    assert message.context["receipt_number"]

    assert outbox.forget_sent(now=clock.now() + timedelta(days=91)) == sent

    message = Message.objects.get(kind="receipt")
    assert (message.context, message.recipient, message.state) == ({}, "", "SENT")
    house.work()
    assert len(mailoutbox) == sent


def test_the_body_of_an_event_is_sealed_and_forgotten_after_a_month(house):
    house.give_and_pay()
    event = StripeEvent.objects.filter(type="checkout.session.completed").get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM donations_stripeevent WHERE id = %s", [event.pk])
        [raw] = cursor.fetchone()
    assert b"ada@example.org" not in bytes(raw)
    assert "ada@example.org" in event.payload

    assert inbox.purge_payloads(now=clock.now() + timedelta(days=29)) == 0
    assert inbox.purge_payloads(now=clock.now() + timedelta(days=31)) == StripeEvent.objects.count()
    assert not inbox.replay(event_id=event.pk, now=clock.now())
