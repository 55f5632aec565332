"""A reader gives: once, monthly, annually; from the API to the books."""

from __future__ import annotations

import pytest

from donations.models import Contribution, Payment, StripeEvent
from members.models import Member, Membership


def receipts(mailoutbox):
    return [mail for mail in mailoutbox if "eceipt" in mail.subject]


def test_ada_gives_once_and_gets_one_receipt(house, mailoutbox):
    answer = house.give_and_pay(interval="once", amount=2500)

    assert house.status(answer)["status"] == "paid"
    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.currency, payment.state) == (2500, "USD", "SUCCEEDED")
    assert (payment.fee_minor, payment.net_minor) == (103, 2397)
    assert Member.objects.get().email == "ada@example.org"
    assert [mail.to for mail in receipts(mailoutbox)] == [["ada@example.org"]]
    assert not Membership.objects.exists()
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["month", "year"])
def test_grace_gives_again_and_again_and_is_a_member(house, mailoutbox, interval):
    answer = house.give_and_pay(interval=interval, amount=5000, email="grace@example.org")

    standing = house.status(answer)
    assert standing["status"] == "active"
    assert standing["next_payment_at"] is not None
    membership = Membership.objects.get()
    assert membership.tier.slug == ("patron" if interval == "month" else "supporter")
    assert len(receipts(mailoutbox)) == 1
    house.assert_books_agree()
    assert not Contribution.objects.exclude(checkout_state="COMPLETED").exists()
    assert not StripeEvent.objects.filter(state="PARKED").exists()
