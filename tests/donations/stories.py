"""
What can happen to gifts, as verbs: readers give, banks refuse, cards are changed, money goes back, time passes.

A verb that finds nothing to act on does nothing, so that any sequence of verbs is a story. Which of several things it
acts on is said by a number, counted round, and the oldest is the first: the same verbs tell the same story each time.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.account import PREFIXES, Account
from sandbox.errors import StripeError
from sandbox.server import Sandbox
from tests.house import GOOD_CARD, House, session_of
from tests.year.offline import Refused, Stripe

START = datetime(2028, 1, 29, 10, 30, tzinfo=UTC)  # of a leap year, shortly before its first month ends

READERS = ("ada@example.org", "grace@example.org", "charlie@example.org")
AMOUNTS = {
    "USD": {"once": 1999, "month": 500, "year": 5000},
    "EUR": {"once": 1000, "month": 1234, "year": 2500},
    "JPY": {"once": 1500, "month": 701, "year": 15000},
    "KWD": {"once": 19990, "month": 1510, "year": 12340},
}
DECLINED = "4000000000000002"
FAILS_LATER = "4000000000000341"  # can be saved, and each charge fails
REFUND_FAILS, REFUND_WAITS = "4000000000005126", "4000000000007726"
BANK_DISPUTES, BANK_INQUIRES = "4000000000000259", "4000000000001976"
CARDS = (GOOD_CARD, "5555555555554444", REFUND_FAILS, REFUND_WAITS, BANK_DISPUTES, BANK_INQUIRES)
WAYS = ("pays", "pays", "pays", "is declined, then pays", "is declined", "leaves", "debit", "debit bounces")


def a_stripe(seed: int) -> Sandbox:
    """An account of which everything is known beforehand: its clock stands still, and its ids come from a seed."""
    sandbox = Sandbox(system_time=START.timestamp)
    _name_by_seed(sandbox.account, seed)
    return sandbox


def _name_by_seed(account: Account, seed: int) -> None:
    """Dice for each kind of thing, so that how often somebody asks does not change how the things are called."""

    def new_id(kind: str) -> str:
        dice = account.hidden.setdefault("dice", {})  # put back with everything else
        thrown = dice.setdefault(kind, random.Random(f"{seed}:{kind}")).getrandbits(96)
        return f"{PREFIXES[kind]}_{thrown:024x}"

    account.new_id = new_id  # type: ignore[method-assign]


class Story:
    """A story that is being played. `bodies` are all events so far, as Stripe told them, in order."""

    def __init__(self, house: House, *, then: str = "cancel", settle_in: tuple[str, ...] = ()) -> None:
        self.house = house
        self.stripe = house.stripe
        self.by_http = Stripe(self.stripe.account.public_url)
        self.stripe.account.settle_in = settle_in
        self.stripe.change_settings(payouts={"interval": "daily"}, collection={"then": then})
        self.bodies: list[bytes] = []

    def listen(self) -> list[bytes]:
        """What Stripe told since it was asked last."""
        news = [webhook.body for webhook in self.stripe.take_webhooks()]
        self.bodies += news
        return news

    # --- Readers

    def give(
        self,
        reader: int,
        interval: str,
        currency: str,
        way: str = "pays",
        card: int = 0,
        cover_fees: bool = False,
        twice: bool = False,
    ) -> None:
        """Begin a gift and go to Stripe's page; `twice` another one in the next minute, by accident."""
        for _ in range(2 if twice else 1):
            answer = self.house.begin(
                email=READERS[reader % len(READERS)],
                interval=interval,
                currency=currency,
                amount=AMOUNTS[currency][interval],
                cover_fees=cover_fees,
            )
            session = session_of(answer)
            if way.startswith("is declined"):
                self._try(self.stripe.pay, session, card=DECLINED)
            if way in ("pays", "is declined, then pays"):
                self._try(self.stripe.pay, session, card=CARDS[card % len(CARDS)])
            elif way.startswith("debit"):
                self._try(self.stripe.pay, session, method="bank_debit")
                if way == "debit bounces":
                    for intent in self._all("payment_intent", status="processing")[-1:]:
                        self._try(self.stripe.settle, intent["id"], paid=False)
            self.pass_time(minutes=1)

    def give_a_new_card(self, which: int, card: int = 0) -> None:
        """On the portal's page, where the link in our mail leads as well."""
        for subscription in self._one(self._running(), which):
            with contextlib.suppress(Refused):
                page = self.by_http.api(
                    "POST",
                    "billing_portal/sessions",
                    customer=subscription["customer"],
                    **{"flow_data[type]": "payment_method_update"},
                )
                self.by_http.submit(page["url"], do="save_card", card=CARDS[card % len(CARDS)])

    def pay_what_is_open(self, which: int) -> None:
        for invoice in self._one(self._all("invoice", status="open"), which):
            self._try(self.stripe.pay_invoice, invoice["id"], GOOD_CARD)

    def cancel(self, which: int, when: str) -> None:
        """`when`: "at once", "at the end", or "not after all"."""
        for subscription in self._one(self._running(), which):
            path = f"subscriptions/{subscription['id']}"
            if when == "at once":
                self._ask("DELETE", path)
            else:
                self._ask("POST", path, cancel_at_period_end="true" if when == "at the end" else "false")

    def pause(self, which: int, how: str) -> None:
        """`how`: "void" (until resumed), "until" (for 40 days), "stands still" (Stripe's own pause), or "resume"."""
        for subscription in self._one(self._running(), which):
            path = f"subscriptions/{subscription['id']}"
            if how == "stands still":
                self._ask("POST", f"{path}/pause", **{"bill_for[unused_time_from][type]": "none"})
            elif how == "resume" and subscription["status"] == "paused":
                self._ask("POST", f"{path}/resume")
            elif how == "resume":
                self._ask("POST", path, pause_collection="")
            else:
                until = int((self.now() + timedelta(days=40)).timestamp())
                more = {"pause_collection[resumes_at]": until} if how == "until" else {}
                self._ask("POST", path, **{"pause_collection[behavior]": "void", **more})

    def change_amount(self, which: int, factor: int) -> None:
        for subscription in self._one(self._running(), which):
            item = subscription["items"]["data"][0]
            price = item["price"]
            self._ask(
                "POST",
                f"subscriptions/{subscription['id']}",
                **{
                    "items[0][id]": item["id"],
                    "items[0][price_data][currency]": price["currency"],
                    "items[0][price_data][product]": price["product"],
                    "items[0][price_data][unit_amount]": AMOUNTS[price["currency"].upper()]["month"] * factor,
                    "items[0][price_data][recurring][interval]": price["recurring"]["interval"],
                    "proration_behavior": "none",
                },
            )

    # --- Banks

    def card_begins_to_fail(self, which: int) -> None:
        for subscription in self._one(self._running(), which):
            self._try(self.stripe.change_card, subscription["id"], FAILS_LATER)

    def dispute(self, which: int, inquiry: bool = False) -> None:
        for charge in self._one(self._paid(disputed=False, refunded=False), which):
            self._try(self.stripe.dispute, charge["id"], inquiry=inquiry)

    def bank_goes_on(self, which: int, how: str) -> None:
        """`how`: "answer", "escalate", "won" or "lost"."""
        for dispute in self._one(self._all("dispute"), which):
            if how == "answer":
                self._try(self.stripe.answer_dispute, dispute["id"])
            elif how == "escalate":
                self._try(self.stripe.escalate_dispute, dispute["id"])
            else:
                self._try(self.stripe.close_dispute, dispute["id"], how)

    def payout_comes_back(self, which: int) -> None:
        for payout in self._one(self._all("payout"), which):
            self._try(self.stripe.fail_payout, payout["id"])

    # --- Staff

    def refund(self, which: int, share: int) -> None:
        """Give back all that is left of a charge (`share` 1), or a half, a third of it."""
        for charge in self._one(self._paid(), which):
            amount = (charge["amount"] - charge["amount_refunded"]) // share
            amount -= amount % (10 if charge["currency"] == "kwd" else 1)
            if amount > 0:
                self._try(self.stripe.refund, charge["id"], amount=amount)

    def refund_goes_on(self, which: int, how: str) -> None:
        """`how`: "arrives" or "fails"."""
        for refund in self._one(self._all("refund"), which):
            act = self.stripe.settle_refund if how == "arrives" else self.stripe.fail_refund
            self._try(act, refund["id"])

    # --- Time

    def pass_time(self, **by: float) -> None:
        self.stripe.advance(timedelta(**by))
        self.listen()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.stripe.account.now(), UTC)

    # --- Small things

    def has(self, kind: str, **wanted: Any) -> bool:
        """Whether Stripe knows something of the kind."""
        return bool(self._all(kind, **wanted))

    def _all(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """Stripe's objects of a kind, the oldest first."""
        found = reversed(self.stripe.account.all(kind))
        return [thing for thing in found if all(thing[key] == value for key, value in wanted.items())]

    def _running(self) -> list[dict[str, Any]]:
        ended = ("canceled", "incomplete_expired")
        return [one for one in self._all("subscription") if one["status"] not in ended]

    def _paid(self, **wanted: Any) -> list[dict[str, Any]]:
        return self._all("charge", status="succeeded", **wanted)

    def _one(self, found: list[dict[str, Any]], which: int) -> list[dict[str, Any]]:
        return [found[which % len(found)]] if found else []

    def _try(self, act: Callable[..., Any], *what: Any, **how: Any) -> None:
        """Do what Stripe may refuse: a card that is declined, money that was given back before."""
        with contextlib.suppress(StripeError):
            act(*what, **how)
        self.listen()

    def _ask(self, method: str, path: str, **form: Any) -> None:
        with contextlib.suppress(Refused):
            self.by_http.api(method, path, **form)
        self.listen()
