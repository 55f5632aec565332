"""What readers are told before money is taken, as the judge works it out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.year import announcements
from tests.year.memberships import moment
from tests.year.post import News
from tests.year.test_promises import a_post, an_invoice, at, told


def a_subscription(*, interval: str = "year", next_payment: float, **changes: Any) -> dict[str, Any]:
    price = {"recurring": {"interval": interval}}
    return {
        "id": "sub_1",
        "status": "active",
        "pause_collection": None,
        "cancel_at": None,
        "default_payment_method": "pm_1",
        "items": {"data": [{"price": price, "current_period_end": at(next_payment)}]},
        **changes,
    }


def created(*, lost: bool = False, **changes: Any) -> News:
    return told("customer.subscription.created", 1, a_subscription(**changes), lost=lost)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"next_payment": 50}, 1),
        ({"next_payment": 50, "interval": "month"}, 0),
        ({"next_payment": 50, "cancel_at": at(50)}, 0),
        ({"next_payment": 50, "status": "past_due"}, 0),
        ({"next_payment": 50, "pause_collection": {"behavior": "void"}}, 0),
        ({"next_payment": 50, "lost": True}, 0),  # known only after it was taken
        ({"next_payment": 90}, 0),  # the year is over before it is time
    ],
)
def test_an_annual_payment_is_announced_if_we_know_of_it(changes, expected):
    paid = told("invoice.paid", 1, an_invoice())

    assert announcements.of_annual_payments(a_post([created(**changes), paid], days=60)) == expected


def test_a_payment_waits_until_somebody_is_known_to_be_told_of_it():
    lost = told("invoice.paid", 1, an_invoice(), lost=True)

    assert announcements.of_annual_payments(a_post([created(next_payment=50), lost])) == 1
    assert announcements.of_annual_payments(a_post([created(next_payment=50), lost], made_good=False)) == 0


def test_each_annual_payment_is_announced_once():
    news = [
        told("invoice.paid", 1, an_invoice()),
        created(next_payment=30),
        told("customer.subscription.updated", 30, a_subscription(next_payment=70)),
    ]

    assert announcements.of_annual_payments(a_post(news, days=80)) == 2


@pytest.mark.parametrize(
    ("good_until", "expected"),
    [((2028, 1), 2), ((2028, 2), 0), ((2030, 12), 0)],  # the payment comes on 20 February
)
def test_a_card_that_will_have_expired_is_warned_of_twice(good_until, expected):
    year, month = good_until
    methods = {"pm_1": {"type": "card", "card": {"exp_year": year, "exp_month": month}}}

    assert announcements.of_cards(a_post([created(next_payment=50)]), methods) == expected


def test_another_card_before_the_second_warning_ends_the_warnings():
    methods = {
        "pm_1": {"type": "card", "card": {"exp_year": 2028, "exp_month": 1}},
        "pm_2": {"type": "card", "card": {"exp_year": 2031, "exp_month": 1}},
    }
    new_card = told(
        "customer.subscription.updated",
        30,
        a_subscription(next_payment=50, default_payment_method="pm_2"),
        lost=True,  # Stripe is asked, so that it does not matter whether we were told
    )

    assert announcements.of_cards(a_post([created(next_payment=50), new_card]), methods) == 1


def test_a_card_that_is_replaced_at_a_stop_is_the_one_of_which_the_sweeps_of_that_stop_ask():
    methods = {
        "pm_1": {"type": "card", "card": {"exp_year": 2028, "exp_month": 1}},
        "pm_2": {"type": "card", "card": {"exp_year": 2031, "exp_month": 1}},
    }
    post = a_post([created(next_payment=50)])
    first = next(look for look in post.looks if moment(at(50)) <= look.at + timedelta(days=30))
    a_second_later = int(first.at.timestamp()) + 1
    changed = a_subscription(next_payment=50, default_payment_method="pm_2")
    post.news.append(
        News("customer.subscription.updated", a_second_later, changed, first.number, first.number)
    )

    assert announcements.of_cards(post, methods) == 0


def test_a_bank_account_does_not_expire():
    methods = {"pm_1": {"type": "sepa_debit"}}

    assert announcements.of_cards(a_post([created(next_payment=50)]), methods) == 0
