"""
The books must balance whatever readers, banks and newsrooms do, in whatever order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import params
from sandbox.checkout import create
from sandbox.checkout_fields import CREATE
from sandbox.errors import StripeError
from sandbox.server import Sandbox

CARDS = (
    "4242424242424242", "4000000000000002", "4000000000000259", "4000000000001976", "4000000000007726",
    "4000000000005126", "4000002760003184", "DE62370400440532013001",
)  # fmt: skip
DEEDS = st.lists(
    st.one_of(
        st.tuples(
            st.just("give"),
            st.sampled_from(CARDS),
            st.sampled_from(["card", "bank_debit"]),
            st.sampled_from(["month", "week", None]),
            st.sampled_from([("usd", 735), ("eur", 1500), ("jpy", 900), ("kwd", 5120)]),
        ),
        st.tuples(st.just("refund"), st.integers(0, 9), st.sampled_from([None, 100, 5000])),
        st.tuples(st.just("dispute"), st.integers(0, 9)),
        st.tuples(st.just("decide"), st.integers(0, 9), st.sampled_from(["won", "lost"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 5, 8, 33])),
        st.tuples(st.just("card"), st.integers(0, 9), st.sampled_from(CARDS[:2])),
    ),
    max_size=25,
)


def give(sandbox: Sandbox, card: str, method: str, interval: str | None, price: tuple[str, int]) -> None:
    data: dict[str, Any] = {
        "currency": price[0],
        "unit_amount": str(price[1]),
        "product_data": {"name": "Contribution"},
    }
    if interval:
        data["recurring"] = {"interval": interval}
    wish = {
        "mode": "subscription" if interval else "payment",
        "success_url": "https://news.example.org/thanks",
        "line_items": [{"quantity": "1", "price_data": data}],
    }
    with sandbox.account.lock:
        session = create(sandbox.account, params.read(wish, CREATE))
    sandbox.pay(session["id"], card=card, method=method)


def do(sandbox: Sandbox, deed: tuple[Any, ...]) -> None:
    """One deed; what Stripe would refuse is refused, and that must change nothing in the books either."""

    def pick(kind: str, number: int) -> str:
        found = sandbox.account.all(kind)
        return str(found[number % len(found)]["id"]) if found else "none"

    match deed:
        case ("give", card, method, interval, price):
            give(sandbox, card, method, interval, price)
        case ("refund", number, amount):
            sandbox.refund(pick("charge", number), amount)
        case ("dispute", number):
            sandbox.dispute(pick("charge", number))
        case ("decide", number, status):
            sandbox.close_dispute(pick("dispute", number), status)
        case ("wait", days):
            sandbox.advance(timedelta(days=days))
        case ("card", number, card):
            sandbox.change_card(pick("subscription", number), card)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(deeds=DEEDS)
def test_the_net_is_what_came_less_what_it_cost_and_what_went(deeds: list[tuple[Any, ...]]) -> None:
    sandbox = Sandbox(system_time=lambda: 1_798_804_800.0)
    for deed in deeds:
        try:
            do(sandbox, deed)
        except StripeError as refused:
            if refused.status not in (400, 402, 404):
                raise
        for books in sandbox.books().values():
            went = books["refunds"]["amount"] + books["disputes"]["amount"]
            assert books["net"] == books["charges"]["amount"] - books["fees"] - went
            assert books["charges"]["amount"] >= went
