"""The promises that are worked out beside the house, since a wrong judge helps nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.year import memberships, promises
from tests.year.offline import Stripe
from tests.year.post import Look, News, Post

START = datetime(2028, 1, 1, 12, tzinfo=UTC)
DAY = 86400


def at(day: float) -> int:
    """Unix seconds of a day of the year."""
    return int((START + timedelta(days=day)).timestamp())


def a_post(news: list[News], *, days: int = 60, made_good: bool = True) -> Post:
    """A look each third day; the last one is that of the reconciliation."""
    post = Post(Stripe("http://127.0.0.1"), news=news)
    post.looks = [Look(number, START + timedelta(days=3 * number), swept=True) for number in range(days // 3)]
    if made_good:
        post.made_good_at = len(post.looks) - 1
    return post


def an_invoice(**changes: Any) -> dict[str, Any]:
    return {
        "id": "in_1",
        "customer": "cus_1",
        "billing_reason": "subscription_cycle",
        "amount_paid": 500,
        "next_payment_attempt": None,
        "status_transitions": {"paid_at": changes.pop("paid_at", None)},
        "lines": {"data": [{"period": {"end": changes.pop("through", at(30))}}]},
        "parent": {"subscription_details": {"subscription": "sub_1"}},
        **changes,
    }


def refused(day: float, *, next_try: float | None = None, lost: bool = False) -> News:
    invoice = an_invoice(next_payment_attempt=None if next_try is None else at(next_try))
    return told("invoice.payment_failed", day, invoice, lost=lost)


def told(kind: str, day: float, about: dict[str, Any], *, lost: bool = False) -> News:
    look = -(-int(day * 100) // 300)
    return News(kind, at(day), about, look, None if lost else look)


def another_card(day: float, card: str, *, before: str | None = "pm_1", lost: bool = False) -> News:
    about = {"id": "sub_1", "status": "active", "default_payment_method": card}
    return replace(
        told("customer.subscription.updated", day, about, lost=lost),
        before={} if before is None else {"default_payment_method": before},
    )


@pytest.mark.parametrize(
    ("news", "expected"),
    [
        ([another_card(5, "pm_2")], 1),
        ([another_card(5, "pm_2"), another_card(9, "pm_3", before="pm_2")], 2),
        ([another_card(5, "pm_1", before="")], 0),  # the one with which it began
        ([another_card(5, "pm_1", before=None)], 0),  # something else was changed
        ([another_card(5, "pm_2", lost=True)], 0),  # nobody can say any more what was there before
        ([another_card(50, "pm_2", lost=True)], 1),  # Stripe still lists the event
    ],
)
def test_another_card_is_confirmed_once(news, expected):
    assert promises.of_new_cards(a_post(news)) == expected


def ended(day: float, *, reason: str, lost: bool = False) -> News:
    about = {
        "id": "sub_1",
        "ended_at": at(day),
        "cancel_at": None,
        "cancellation_details": {"reason": reason},
    }
    return told("customer.subscription.deleted", day, about, lost=lost)


def first_payment() -> News:
    return told("invoice.paid", 0, an_invoice(id="in_0", billing_reason="subscription_create"))


def test_a_renewal_that_is_lost_brings_a_mail_two_reminders_and_a_farewell():
    tries = [refused(1, next_try=4), refused(4, next_try=9), refused(9, next_try=16), refused(16)]

    owed = promises.of_dunning(a_post([first_payment(), *tries, ended(16, reason="payment_failed")]))

    assert owed == {"payment_failed": 1, "payment_reminder": 2, "payment_lapsed": 1}


def test_a_renewal_that_is_paid_before_the_next_look_brings_no_further_mail():
    news = [first_payment(), refused(1, next_try=4), told("invoice.paid", 4, an_invoice())]

    assert promises.of_dunning(a_post(news)) == {"payment_failed": 1}


def test_nobody_is_told_of_a_refusal_before_a_payment_of_theirs_is_known():
    tries = [refused(31, next_try=34), refused(34, next_try=39), refused(39)]
    never_told = replace(first_payment(), heard_at=None)
    told_late = replace(first_payment(), heard_at=12)  # on the 36th day

    assert promises.of_dunning(a_post([never_told, *tries, ended(39, reason="payment_failed")])) == {
        "payment_lapsed": 1  # the reconciliation, three weeks later, knows whom to tell
    }
    assert promises.of_dunning(a_post([told_late, *tries, ended(39, reason="payment_failed")])) == {
        "payment_failed": 1,
        "payment_lapsed": 1,
    }


def test_a_refusal_that_was_lost_and_a_payment_that_was_told_leave_nothing_to_warn_of():
    news = [refused(1, next_try=4, lost=True), told("invoice.paid", 4, an_invoice())]

    assert promises.of_dunning(a_post(news)) == {}


def test_a_new_card_ends_the_reminders():
    card = told("customer.updated", 4, {"id": "cus_1"})

    assert promises.of_dunning(a_post([first_payment(), refused(1, next_try=9)])) == {
        "payment_failed": 1,
        "payment_reminder": 3,
    }
    assert promises.of_dunning(a_post([first_payment(), refused(1, next_try=9), card])) == {
        "payment_failed": 1
    }


def test_an_end_that_comes_to_light_after_months_is_not_told_any_more():
    late = [first_payment(), ended(5, reason="payment_failed", lost=True)]

    assert promises.of_dunning(a_post(late)) == {}
    assert promises.of_dunning(a_post(late, days=30)) == {"payment_lapsed": 1}


def test_who_never_paid_is_told_of_no_end():
    assert promises.of_dunning(a_post([ended(5, reason="payment_failed")])) == {}


def test_the_first_payment_is_the_checkout_pages_to_explain():
    first = told("invoice.payment_failed", 1, an_invoice(billing_reason="subscription_create"))

    assert promises.of_dunning(a_post([first])) == {}


@pytest.mark.parametrize(
    ("reason", "paid", "expected"),
    [("cancellation_requested", True, 1), ("payment_failed", True, 0), ("cancellation_requested", False, 0)],
)
def test_who_wished_to_leave_is_told_of_the_end_once(reason, paid, expected):
    news = [ended(20, reason=reason)]
    if paid:
        news.append(told("invoice.paid", 1, an_invoice(paid_at=at(1))))

    assert memberships.farewells(a_post(news), {}, {}) == expected


def test_a_debit_that_arrives_after_the_end_brings_an_end_of_its_own():
    def paid(day: float, *, through: float, heard_on: float) -> News:
        invoice = an_invoice(id=f"in_{day}", paid_at=at(day), through=at(through))
        return replace(told("invoice.paid", day, invoice), heard_at=-(-int(heard_on) // 3))

    end = ended(12, reason="cancellation_requested")
    first = paid(0, through=10, heard_on=0)

    def ends(debit: News) -> int:
        return memberships.farewells(a_post([first, debit, end]), {}, {})

    assert (
        ends(paid(15, through=40, heard_on=15)) == 2
    )  # a member again from then on, and told when that was over
    assert ends(paid(9, through=40, heard_on=15)) == 1  # they were one all along; we heard of it late


def test_the_way_back_of_a_payment_tells_of_it():
    dispute = told("charge.dispute.created", 31, {"payment_intent": "pi_0"})
    post = a_post(
        [replace(first_payment(), heard_at=None), dispute, refused(34, next_try=39)], made_good=False
    )
    assert promises.of_dunning(post) == {}

    post.invoice_of = {"pi_0": an_invoice(id="in_0")}
    assert promises.of_dunning(post)["payment_failed"] == 1


def test_whoever_was_told_of_a_lost_dispute_is_not_told_of_the_end_as_well():
    news = [
        ended(20, reason="cancellation_requested"),
        told("invoice.paid", 1, an_invoice(paid_at=at(1), through=at(20))),
    ]
    lost = told("charge.dispute.closed", 18, {"id": "du_1", "status": "lost"})

    assert memberships.farewells(a_post(news), {}, {"sub_2": [lost]}) == 1
    assert memberships.farewells(a_post(news), {}, {"sub_1": [lost]}) == 0


def test_a_member_is_one_until_the_end_of_what_is_paid_and_two_weeks_of_grace():
    subscription = {"id": "sub_1", "status": "past_due", "pause_collection": None}
    [plan] = memberships.plans([subscription], [an_invoice(status="paid", paid_at=at(0), through=at(30))], {})

    assert plan.is_member(START + timedelta(days=43))
    assert not plan.is_member(START + timedelta(days=44))


@pytest.mark.parametrize(
    ("status", "pause"), [("canceled", None), ("paused", None), ("active", {"behavior": "void"})]
)
def test_no_grace_for_who_left_or_pauses(status, pause):
    subscription = {"id": "sub_1", "status": status, "pause_collection": pause}
    [plan] = memberships.plans([subscription], [an_invoice(status="paid", paid_at=at(0), through=at(30))], {})

    assert plan.is_member(START + timedelta(days=29))
    assert not plan.is_member(START + timedelta(days=31))


def test_money_that_went_back_whole_gives_nothing():
    charges = [{"id": "ch_1", "amount": 500}, {"id": "ch_2", "amount": 500}, {"id": "ch_3", "amount": 500}]
    refunds = [
        {"charge": "ch_1", "amount": 300, "status": "succeeded", "created": at(2)},
        {"charge": "ch_1", "amount": 200, "status": "pending", "created": at(5)},
        {"charge": "ch_2", "amount": 500, "status": "failed", "created": at(2)},
    ]
    disputes = [{"charge": "ch_3", "status": "lost"}, {"charge": "ch_2", "status": "won"}]

    found = memberships.money_back(charges, refunds, disputes, lambda dispute: memberships.moment(at(9)))

    assert found == {"ch_1": memberships.moment(at(5)), "ch_3": memberships.moment(at(9))}


def a_refund(**changes: Any) -> dict[str, Any]:
    return {"id": "re_1", "charge": "ch_1", "created": at(4), "status": "succeeded", **changes}


def test_a_refund_is_told_and_that_it_failed_is_told_to_whoever_was_told_of_it():
    refund = a_refund(status="failed")
    given = told("refund.created", 4, a_refund())
    failed = told("refund.failed", 8, refund)

    assert promises.of_money_back(a_post([given, failed]), [refund]) == {"refunded": 1, "refund_failed": 1}
    assert promises.of_money_back(a_post([given]), [refund]) == {"refunded": 1}
    assert promises.of_money_back(a_post([failed]), [refund]) == {}


def test_a_refund_of_which_its_charge_alone_tells_is_told():
    lost = told("refund.created", 4, a_refund(), lost=True)
    charge = told("charge.refunded", 4, {"id": "ch_1"})

    assert promises.of_money_back(a_post([lost, charge]), [a_refund()]) == {"refunded": 1}
    assert promises.of_money_back(a_post([lost]), [a_refund()]) == {}


def test_a_lost_dispute_is_told_if_the_news_is_fresh():
    closed = {"id": "du_1", "status": "lost"}

    assert promises.of_money_back(a_post([told("charge.dispute.closed", 9, closed)]), []) == {
        "dispute_lost": 1
    }
    late = told("charge.dispute.closed", 9, closed, lost=True)
    assert promises.of_money_back(a_post([late]), []) == {}


def a_first(day: float, **changes: Any) -> promises.First:
    moment = memberships.moment(at(day))
    first = {"email": "ada@example.org", "fingerprint": "card", "paid_at": moment}
    return promises.First(**{**first, "booked_at": moment, "card_known_at": moment, **changes})


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (a_first(2), 1),
        (a_first(2, fingerprint="another"), 1),
        (a_first(2, email="grace@example.org"), 1),
        (a_first(2, email="grace@example.org", fingerprint="another"), 0),
        (a_first(2, email="grace@example.org", card_known_at=None), 0),
        (a_first(5), 0),
        (a_first(2, booked_at=memberships.moment(at(30))), 0),
    ],
)
def test_a_second_charge_within_days_by_the_same_person_or_card_is_asked_about(second, expected):
    assert promises.of_second_charges([second, a_first(1)]) == expected


@pytest.mark.parametrize(("is_linked", "known"), [(True, True), (False, False)])
def test_the_card_of_a_plan_is_known_once_its_charge_is_linked_with_it(is_linked, known):
    charge = {
        "id": "ch_0",
        "status": "succeeded",
        "payment_intent": "pi_0",
        "billing_details": {"email": "ada@example.org"},
        "payment_method_details": {"type": "card", "card": {"fingerprint": "card"}},
    }
    link = {"id": "inpay_0", "payment": {"payment_intent": "pi_0"}}
    post = a_post(
        [
            first_payment(),
            told("charge.succeeded", 0, charge),
            told("invoice_payment.paid", 0, link, lost=not is_linked),
        ],
        made_good=False,
    )

    [first] = promises.firsts(
        post,
        [charge],
        {"pi_0": an_invoice(id="in_0", billing_reason="subscription_create")},
        {"ch_0": memberships.moment(at(0))},
    )

    assert first.booked_at is not None
    assert (first.card_known_at is not None) == known


@pytest.mark.parametrize(
    ("day", "wish", "due"),
    [
        (datetime(2028, 1, 19, 12, tzinfo=UTC), "next_month", datetime(2028, 2, 1, 10, tzinfo=UTC)),
        (datetime(2028, 1, 20, 12, tzinfo=UTC), "next_month", datetime(2028, 3, 1, 10, tzinfo=UTC)),
        (datetime(2028, 11, 30, 12, tzinfo=UTC), "in_3_months", datetime(2029, 2, 28, 10, tzinfo=UTC)),
    ],
)
def test_a_reminder_is_due_when_it_was_promised(day, wish, due):
    assert promises.of_reminders([(day, wish)], until=due) == 1
    assert promises.of_reminders([(day, wish)], until=due - timedelta(seconds=1)) == 0
