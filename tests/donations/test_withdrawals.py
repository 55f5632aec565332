"""Until when one may withdraw, by place and day; and what goes back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from donations import withdrawal_rules, withdrawals
from donations.errors import NotPossibleNow
from donations.models import Contribution, ContributionChange, Payment, Refund, Withdrawal
from donations.withdrawal_rules import Rule
from members import clock
from members.models import Message
from tests.house import House

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("made", "is_renewal", "until"),
    [
        ("2026-06-18T12:00", False, None),  # a day before the law
        ("2026-06-19T12:00", False, "2026-07-03T22:00"),
        ("2026-06-18T22:30", False, "2026-07-03T22:00"),  # it is the 19th in Berlin already
        ("2026-10-20T12:00", False, "2026-11-03T23:00"),  # winter has come meanwhile
        ("2026-12-01T12:00", True, None),
        ("2027-04-01T12:00", True, "2027-04-15T22:00"),
    ],
)
def test_the_days_are_whole_ones_of_the_newsroom(made: str, is_renewal: bool, until: str | None) -> None:
    moment = datetime.fromisoformat(made).replace(tzinfo=UTC)
    found = withdrawal_rules.right(moment, BERLIN, is_renewal=is_renewal)
    assert (found.until if found else None) == (
        datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    )


def test_the_most_generous_rule_counts() -> None:
    rules = (
        Rule("Here", 14, False, date(2026, 1, 1), None, ""),
        Rule("There", 30, False, date(2026, 1, 1), date(2027, 1, 1), ""),
    )
    found = withdrawal_rules.right(datetime(2026, 5, 1, tzinfo=UTC), ZoneInfo("UTC"), rules=rules)
    assert found is not None
    assert found.place == "There"
    later = withdrawal_rules.right(datetime(2027, 5, 1, tzinfo=UTC), ZoneInfo("UTC"), rules=rules)
    assert later is not None
    assert later.place == "Here"


def test_a_pure_gift_is_no_contract_and_one_that_makes_a_member_is(house: House, settings: object) -> None:
    house.give_and_pay()
    pure = Contribution.objects.get()
    assert withdrawals.right_of(pure, now=clock.now()) is None
    with pytest.raises(NotPossibleNow):
        withdrawals.declare(pure, actor="reader", now=clock.now())

    Contribution.objects.update(membership_months=12)
    made = withdrawals.declare(Contribution.objects.get(), actor="reader", now=clock.now())
    house.catch_up()
    house.advance(minutes=11)
    made.refresh_from_db()
    assert made.closed_at is not None
    assert Payment.objects.get().is_returned


def test_what_was_given_back_before_is_not_given_back_twice(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    charge = Payment.objects.get().stripe_charge_id
    house.stripe.controls.refund(charge, 200)
    house.catch_up()
    withdrawals.declare(Contribution.objects.get(), actor="link", now=clock.now())
    assert Message.objects.get(kind="withdrawn").context["amount_text"] == "$3.00"
    house.catch_up()
    assert sorted(Refund.objects.values_list("amount_minor", flat=True)) == [200, 300]
    house.assert_books_agree()


def test_a_disputed_payment_waits_for_people_to_look(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    house.stripe.controls.dispute(Payment.objects.get().stripe_charge_id)
    house.catch_up()
    withdrawals.declare(Contribution.objects.get(), actor="reader", now=clock.now())
    house.catch_up()
    row = Withdrawal.objects.get()
    assert (row.problem, row.closed_at) == ("payments_refused", None)
    assert row.next_try_at is not None
    assert row.next_try_at - clock.now() > timedelta(hours=23)


def test_it_stands_among_the_changes_whoever_acts(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    withdrawals.declare(Contribution.objects.get(), actor="reader", now=clock.now())
    row = ContributionChange.objects.get()
    assert (row.kind, row.state, row.after["is_ended"]) == ("WITHDRAWAL", "CONFIRMED", True)
