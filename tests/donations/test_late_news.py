"""
News that was on its way for long changes nothing that is true by now.

Each of these was found by a made-up history (test_histories.py) before it had a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from donations import doubles, inbox, reconciliation
from donations.models import DoubleCharge, Dunning, Payment, Refund, Subscription
from members import clock
from members.models import Message
from tests.donations import retelling
from tests.donations.stories import FAILS_LATER, START, Story
from tests.house import House

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(house_out_of_time: House) -> Story:
    return Story(house_out_of_time)


def hear(bodies: Sequence[bytes]) -> None:
    """Let events arrive in this order, whenever they were made."""
    retelling.tell(bodies)


def split(bodies: Sequence[bytes], *kinds: str) -> tuple[list[bytes], list[bytes]]:
    """Those of other types, and those of these types."""
    late = [body for body in bodies if retelling.kind_of(body) in kinds]
    assert late, kinds
    return [body for body in bodies if body not in late], late


def the_card(story: Story) -> str:
    [subscription] = story.stripe.account.all("subscription")
    return str(subscription["default_payment_method"])


# --- Refunds


@pytest.mark.parametrize("lost", [["invoice_payment.paid"], ["invoice_payment.paid", "invoice.paid"]])
def test_a_refund_of_a_renewal_is_booked_although_the_word_of_what_was_paid_is_lost(
    story: Story, lost: list[str]
) -> None:
    story.give(0, "month", "USD")
    story.pass_time(days=32)
    renewal = max(story.stripe.account.all("charge"), key=lambda charge: charge["created"])
    story.stripe.controls.refund(renewal["id"])
    story.pass_time(minutes=1)
    heard, _ = split(story.bodies, *lost)

    hear(heard)
    assert not Refund.objects.exists()
    story.pass_time(minutes=20)
    inbox.process_waiting(now=clock.now())

    assert Refund.objects.get().payment.stripe_payment_intent_id == renewal["payment_intent"]
    assert Message.objects.filter(kind="refunded").count() == 1


# --- Cards


def test_news_of_an_earlier_card_does_not_bring_it_back(story: Story) -> None:
    story.give(0, "month", "USD")
    story.give_a_new_card(0, card=0)
    story.pass_time(minutes=5)
    story.give_a_new_card(0, card=1)
    story.pass_time(minutes=5)
    before, given = split(story.bodies, "customer.updated")
    [customer] = story.stripe.account.all("customer")

    hear([*before, *reversed(given)])

    assert the_card(story) == customer["invoice_settings"]["default_payment_method"]


def test_a_card_of_a_customer_whom_we_do_not_know_yet_is_taken_up(story: Story) -> None:
    """The checkout's own event is still on its way when the reader changes the card on the portal's page."""
    story.give(0, "month", "USD")
    story.give_a_new_card(0, card=1)
    story.pass_time(minutes=5)
    before, given = split(story.bodies, "customer.updated")
    [customer] = story.stripe.account.all("customer")

    hear([*given, *before])

    assert the_card(story) == customer["invoice_settings"]["default_payment_method"]


def test_whoever_gave_a_new_card_is_not_asked_for_one_by_news_of_an_earlier_refusal(story: Story) -> None:
    story.give(0, "month", "USD")
    story.card_begins_to_fail(0)
    story.pass_time(days=32)
    [subscription] = story.stripe.account.all("subscription")
    story.stripe.change_card(subscription["id"], FAILS_LATER)
    story.pass_time(minutes=1)
    before, refused = split(story.bodies, "invoice.payment_failed")
    refused = refused[:1]

    hear([*before, *refused])
    story.house.work()

    assert Dunning.objects.get().acted_at is not None
    assert not Message.objects.filter(kind="payment_failed", state__in=["OWED", "SENT"]).exists()


# --- When it was paid


def test_what_became_of_a_charge_does_not_say_when_it_was_paid(story: Story) -> None:
    """A dispute two months later tells the charge anew; the receipt was dated by it."""
    story.give(0, "once", "USD")
    story.pass_time(days=62)
    story.dispute(0)
    before, updated = split(story.bodies, "charge.updated")

    hear([*reversed(updated), *before])
    story.house.work()

    assert Payment.objects.get().paid_at == START
    [receipt] = Message.objects.filter(kind="receipt")
    assert receipt.context["paid_on"] == "January 29, 2028"


def test_to_compare_charges_does_not_date_a_debit_by_the_day_it_was_asked_for(story: Story) -> None:
    story.give(0, "once", "EUR", way="debit")
    story.pass_time(days=8)
    before, _ = split(
        story.bodies,
        "charge.succeeded",
        "charge.updated",
        "payment_intent.succeeded",
        "payment_intent.processing",
    )
    hear(before)
    arrived_at = Payment.objects.get().paid_at
    assert arrived_at is not None
    assert arrived_at > START + timedelta(days=4)

    reconciliation.compare(now=clock.now())

    payment = Payment.objects.get()
    assert payment.stripe_charge_id
    assert payment.paid_at == arrived_at


# --- Which came first


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_which_of_several_charges_was_the_first_does_not_depend_on_which_we_heard_of_first(
    story: Story, order: tuple[int, ...]
) -> None:
    told = []
    for _ in range(3):
        heard = len(story.bodies)
        story.give(0, "once", "USD")
        told.append(story.bodies[heard:])
    for number in order:
        hear(told[number])
        doubles.notice_due(now=clock.now())

    first, *later = Payment.objects.order_by("paid_at")
    assert sorted(DoubleCharge.objects.values_list("first", "second")) == sorted(
        (first.pk, payment.pk) for payment in later
    )
    assert Message.objects.filter(kind="second_charge").count() == 2


# --- Debits


def test_a_debit_that_came_back_while_nobody_listened_is_found(story: Story) -> None:
    story.give(0, "once", "EUR", way="debit bounces")
    story.give(1, "month", "EUR", way="debit bounces")
    before, _ = split(
        story.bodies,
        *("charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"),
        "checkout.session.async_payment_failed",
    )
    hear(before)
    assert set(Payment.objects.values_list("state", flat=True)) == {"PROCESSING"}

    reconciliation.compare(now=clock.now())

    assert set(Payment.objects.values_list("state", flat=True)) == {"FAILED"}
    assert reconciliation.compare(now=clock.now(), dry_run=True).drifts == []


def test_a_debit_that_is_under_way_is_not_found_to_have_failed(story: Story) -> None:
    """A renewal by debit was tried and is not paid yet; nothing more can be said of it, and no mail sent."""
    story.give(0, "month", "EUR", way="debit")
    story.pass_time(days=8)
    hear(story.bodies)
    [subscription] = story.stripe.account.all("subscription")
    renewal = datetime.fromtimestamp(subscription["items"]["data"][0]["current_period_end"], UTC)
    story.stripe.set_clock(renewal + timedelta(hours=30))
    assert story.stripe.account.all("payment_intent")[0]["status"] == "processing"
    story.stripe.take_webhooks()

    reconciliation.compare(now=clock.now())
    story.house.work()

    assert set(Payment.objects.values_list("state", flat=True)) == {"SUCCEEDED"}
    assert not Message.objects.filter(kind="payment_failed").exists()


# --- The end


def left_unpaid(house: House) -> Story:
    """A membership whose payments ended in March, and a change of its amount in May."""
    story = Story(house, then="unpaid")
    story.give(0, "month", "USD")
    story.card_begins_to_fail(0)
    story.pass_time(days=50)
    story.pass_time(days=50)
    story.change_amount(0, 3)
    story.pass_time(minutes=5)
    return story


def test_the_day_on_which_payments_ended_is_told_by_its_own_event(house_out_of_time: House) -> None:
    """A later word about the same subscription came first, and an end of two months ago was told as news."""
    story = left_unpaid(house_out_of_time)

    hear(list(reversed(story.bodies)))
    story.house.work()

    dunning = Dunning.objects.order_by("first_failed_at")[0]
    assert dunning.closed_at == dunning.last_failed_at
    assert not Message.objects.filter(kind="payment_lapsed").exists()


def test_the_mail_about_an_end_comes_once_although_the_last_payment_is_told_after_it(
    story: Story,
) -> None:
    story.give(0, "month", "USD")
    story.pass_time(days=32)
    story.card_begins_to_fail(0)
    story.pass_time(days=45)
    rest, paid = split(story.bodies, "invoice.paid")
    rest, begun = split(rest, "checkout.session.completed")
    rest, ended = split(rest, "customer.subscription.deleted")

    hear([*begun, paid[0], *ended, *paid[1:], *rest])
    story.house.work()

    assert Subscription.objects.get().state == "CANCELLED"
    assert (
        list(Message.objects.filter(kind="payment_lapsed").values_list("state", flat=True)).count("SENT") == 1
    )


def test_the_same_verbs_tell_the_same_story(house_out_of_time: House) -> None:
    """What these tests stand on: ids and moments come from the seed alone."""

    def play() -> list[Any]:
        story = Story(house_out_of_time)
        story.give(0, "month", "USD", cover_fees=True)
        story.pass_time(days=40)
        return [inbox.read_envelope(body)[0] for body in story.bodies]

    account = house_out_of_time.stripe.account
    with retelling.a_house_that_is_forgotten(), retelling.a_stripe_that_is_put_back(account):
        once = play()

    assert play() == once
