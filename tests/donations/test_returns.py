"""Money that goes back: the books, the membership and the reader's mail follow (PRODUCT.md, $1 and $2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from donations import returns
from donations.models import Dispute, Payment, Refund, Subscription
from members import clock
from members.models import Membership, Message
from tests.house import House

pytestmark = pytest.mark.django_db


def charges(house: House) -> list[str]:
    return [charge["id"] for charge in house.stripe.account.all("charge") if charge["status"] == "succeeded"]


def mails(kind: str) -> list[Message]:
    return list(Message.objects.filter(kind=kind).order_by("pk"))


def test_a_refund_of_a_renewal_is_booked_on_the_renewal(house: House) -> None:
    house.give_and_pay(interval="month", amount=700)
    house.advance(days=32)
    renewal = Payment.objects.get(is_renewal=True)

    house.stripe.refund(renewal.stripe_charge_id)
    house.catch_up()

    renewal.refresh_from_db()
    assert renewal.refunded_minor == 700
    assert not Payment.objects.get(is_renewal=False).refunded_minor
    assert Membership.objects.get().paid_through == Payment.objects.get(is_renewal=False).period_end
    [mail] = mails(returns.REFUNDED)
    assert (mail.context["amount_text"], mail.context["left_text"]) == ("$7.00", "")
    house.assert_books_agree()


def test_several_parts_of_one_payment_are_told_one_by_one(house: House) -> None:
    house.give_and_pay(amount=2500)
    for amount in (500, 700):
        house.stripe.refund(charges(house)[0], amount)
        house.catch_up()

    assert [mail.context["amount_text"] for mail in mails(returns.REFUNDED)] == ["$5.00", "$7.00"]
    assert [mail.context["left_text"] for mail in mails(returns.REFUNDED)] == ["$20.00", "$13.00"]
    assert Payment.objects.get().refunded_minor == 1200
    house.assert_books_agree()


def test_a_part_that_went_back_keeps_the_membership(house: House) -> None:
    house.give_and_pay(interval="year", amount=6000)
    before = Membership.objects.get().paid_through

    house.stripe.refund(charges(house)[0], 1000)
    house.catch_up()

    assert Membership.objects.get().paid_through == before


def test_a_refund_that_fails_later_is_told_and_the_money_is_ours_again(house: House) -> None:
    house.give_and_pay(card="4000000000005126", amount=2500)
    house.stripe.refund(charges(house)[0])
    house.catch_up()
    assert len(mails(returns.REFUNDED)) == 1

    house.advance(days=10)

    assert Refund.objects.get().state == Refund.State.FAILED
    assert Payment.objects.get().refunded_minor == 0
    [mail] = mails(returns.REFUND_FAILED)
    assert mail.context["amount_text"] == "$25.00"
    house.assert_books_agree()


def test_a_refund_that_failed_before_its_mail_left_is_not_told_at_all(house: House) -> None:
    house.give_and_pay(card="4000000000005126", amount=2500)
    house.stripe.refund(charges(house)[0])
    house.stripe.advance(timedelta(days=10))
    house.catch_up()

    assert not Message.objects.filter(kind=returns.REFUNDED, state="SENT").exists()
    assert not mails(returns.REFUND_FAILED)


def test_old_refunds_that_we_hear_of_for_the_first_time_are_no_news(house: House) -> None:
    house.give_and_pay(amount=2500)
    house.stripe.deliver("hold")
    house.stripe.refund(charges(house)[0])
    house.stripe.advance(timedelta(days=40))
    house.stripe.deliver("normal")
    house.catch_up()

    assert not Message.objects.filter(kind=returns.REFUNDED).exists()


def dispute(house: House, status: str = "") -> dict[str, Any]:
    found = house.stripe.dispute(charges(house)[-1])
    house.catch_up()
    if status:
        house.stripe.close_dispute(found["id"], status)
        house.catch_up()
    return dict(found)


def test_a_lost_dispute_ends_the_plan_and_tells_the_reader_once(house: House) -> None:
    house.give_and_pay(interval="month", amount=700)
    dispute(house, "lost")
    house.catch_up()

    assert Dispute.objects.get().state == Dispute.State.LOST
    assert Subscription.objects.get().state == Subscription.State.CANCELLED
    [membership] = Membership.objects.all()
    assert membership.ends_at is not None
    assert membership.ends_at <= clock.now()
    [mail] = mails(returns.DISPUTE_LOST)
    assert mail.context["interval"] == "month"
    house.assert_books_agree()


def test_a_newsroom_can_let_a_disputed_plan_go_on(house: House, settings: Any) -> None:
    settings.END_PLAN_ON_LOST_DISPUTE = False
    house.give_and_pay(interval="month", amount=700)

    dispute(house, "lost")

    assert Subscription.objects.get().state == Subscription.State.ACTIVE


def test_a_dispute_that_is_won_changes_nothing_for_the_reader(house: House) -> None:
    house.give_and_pay(interval="month", amount=700)
    before = Membership.objects.get().paid_through

    dispute(house, "won")

    assert Dispute.objects.get().state == Dispute.State.WON
    assert Subscription.objects.get().state == Subscription.State.ACTIVE
    assert Membership.objects.get().paid_through == before
    assert not mails(returns.DISPUTE_LOST)
    house.assert_books_agree()


def test_while_the_bank_decides_the_reader_is_a_member(house: House) -> None:
    house.give_and_pay(interval="month", amount=700)
    before = Membership.objects.get().paid_through

    dispute(house)

    assert Membership.objects.get().paid_through == before
    house.assert_books_agree()


def test_staff_see_which_disputes_to_answer_and_by_when(house: House, admin_client: Client) -> None:
    house.give_and_pay(amount=2500)
    found = dispute(house)

    page = admin_client.get(reverse("admin:donations_dispute_changelist"), {"state__exact": "NEEDS_RESPONSE"})

    assert found["id"] in page.content.decode()
    assert Dispute.objects.get().answer_due_at is not None
