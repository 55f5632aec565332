"""What reaches the bank is told by events, and each payout says what it is made of, to the cent."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.urls import reverse

from donations import payouts, queries, reconciliation
from donations.models import BalanceEntry, Payment, Payout
from members import clock
from tests.house import House

pytestmark = pytest.mark.django_db

DEBIT = {"currency": "EUR", "amount": 1000}


def pay_out_daily(house: House) -> None:
    house.stripe.change_settings(payouts={"interval": "daily"})


def the_charge(house: House) -> str:
    [charge] = [charge["id"] for charge in house.stripe.account.all("charge")]
    return str(charge)


def at_stripe(house: House) -> list[tuple[str, int, str]]:
    return sorted((row["id"], row["amount"], row["status"]) for row in house.stripe.account.all("payout"))


def in_the_books() -> list[tuple[str, int, str]]:
    rows = Payout.objects.values_list("stripe_id", "amount_minor", "state")
    return sorted((stripe_id, amount, state.lower()) for stripe_id, amount, state in rows)


def test_a_payout_is_booked_with_all_that_it_is_made_of(house: House) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    house.stripe.refund(the_charge(house), 500)
    house.advance(days=5)

    [payout] = Payout.objects.all()
    made_of = payouts.get_breakdown(payout)
    assert in_the_books() == at_stripe(house)
    assert payout.state == Payout.State.PAID
    assert (made_of.parts["payments"].count, made_of.parts["payments"].amount_minor) == (1, 2500)
    assert (made_of.parts["refunds"].count, made_of.parts["refunds"].amount_minor) == (1, -500)
    assert sum(part.net_minor for part in made_of.parts.values()) == payout.amount_minor
    assert made_of.difference is not None
    assert made_of.difference.minor == 0
    assert not payouts.get_unbalanced().exists()
    house.assert_books_agree()


def test_each_currency_is_paid_out_by_itself(house: House) -> None:
    pay_out_daily(house)
    for currency, amount in (("USD", 2500), ("EUR", 1500), ("JPY", 3000)):
        house.give_and_pay(currency=currency, amount=amount)
    house.advance(days=5)

    assert sorted(Payout.objects.values_list("currency", flat=True)) == ["EUR", "JPY", "USD"]
    assert not payouts.get_unbalanced().exists()
    house.assert_books_agree()


def test_a_payout_that_the_bank_sends_back_is_part_of_the_next(house: House) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    house.advance(days=5)
    [first] = Payout.objects.all()
    house.stripe.fail_payout(first.stripe_id, code="account_closed")
    house.advance(days=5)

    again = Payout.objects.exclude(pk=first.pk).get()
    first.refresh_from_db()
    assert (first.state, first.failure_code) == (Payout.State.FAILED, "account_closed")
    assert (again.state, again.amount_minor) == (Payout.State.PAID, first.amount_minor)
    assert payouts.get_breakdown(again).parts["earlier_payouts"].net_minor == first.amount_minor
    assert not payouts.get_unbalanced().exists()
    house.assert_books_agree()


def test_the_fee_and_net_of_payments_come_with_a_payout_as_well(house: House) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    expected = Payment.objects.values_list("fee_minor", "net_minor", "settlement_currency").get()
    BalanceEntry.objects.all().delete()
    Payment.objects.update(fee_minor=None, net_minor=None, settlement_minor=None, settlement_currency="")

    house.advance(days=5)

    assert Payment.objects.values_list("fee_minor", "net_minor", "settlement_currency").get() == expected
    house.assert_books_agree()


def test_a_line_that_came_before_its_payment_finds_it_later(house: House) -> None:
    """The payment's own events were lost, and found by the comparison with Stripe."""
    pay_out_daily(house)
    answer = house.begin(amount=2500)
    house.stripe.pay(answer["checkout_url"].rsplit("/", 1)[1])
    house.stripe.take_webhooks()  # lost
    house.advance(days=5)
    [line] = BalanceEntry.objects.all()
    assert line.payment is None
    assert [entry.pk for entry in payouts.get_lines_without_cause()] == [line.pk]

    now = clock.now()
    assert reconciliation.reconcile(since=now - timedelta(days=10), now=now).missed
    house.work()

    line.refresh_from_db()
    payment = Payment.objects.get()
    assert line.payment == payment
    assert payment.net_minor == line.net_minor is not None
    assert not payouts.get_lines_without_cause().exists()
    house.assert_books_agree()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_and_number_of_events_do_not_matter(house: House, seed: int) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    house.advance(days=5)
    [payout] = Payout.objects.all()
    house.stripe.fail_payout(payout.stripe_id, code="declined")
    house.stripe.advance(timedelta(days=5))
    webhooks = house.stripe.take_webhooks() * 2
    random.Random(seed).shuffle(webhooks)
    house.deliver(webhooks)
    house.work()
    house.work()

    assert in_the_books() == at_stripe(house)
    assert not payouts.get_unbalanced().exists()
    house.assert_books_agree()


def test_stripe_out_of_reach_leaves_the_payout_for_later(house: House) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    house.stripe.advance(timedelta(days=5))
    house.stripe.fault(call="GET /v1/balance_transactions*", kind="server_error", times=30)
    house.catch_up()
    assert Payout.objects.get().listed_at is None
    assert queries.get_books() == house.stripe.books()

    for _ in range(10):
        house.work()

    assert Payout.objects.get().listed_at is not None


def test_a_payout_that_does_not_add_up_is_said_and_found(house: House, admin_client, caplog) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    house.advance(days=5)
    BalanceEntry.objects.filter(payout__isnull=False).update(amount_minor=2400, net_minor=2400 - 103)
    BalanceEntry.objects.update(fee_minor=103)
    Payout.objects.update(listed_at=None, listed_minor=None)

    assert payouts.list_lines(now=clock.now()) == 1

    assert payouts.get_unbalanced().count() == 1
    page = admin_client.get(reverse("admin:donations_payout_changelist"), {"adds_up": "no"})
    assert "a payout does not add up" in caplog.text
    assert Payout.objects.get().stripe_id in page.content.decode()


def test_staff_see_what_a_payout_is_made_of(house: House, admin_client) -> None:
    pay_out_daily(house)
    house.give_and_pay(amount=2500)
    house.advance(days=5)
    payout = Payout.objects.get()

    page = admin_client.get(reverse("admin:donations_payout_change", args=[payout.pk])).content.decode()

    assert "1 payments: USD 25.00" in page
