"""
Whatever happened to gifts, and however we came to hear of it, the books, memberships and mails are the same.

Hypothesis makes up stories: several readers over months and years. What Stripe told of each is told to fresh houses:
in order, in any order with repetitions, and with losses that a reconciliation makes good.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import hypothesis
import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from donations import before_money, doubles, dunning, inbox, payouts, reconciliation, returns, services
from members import clock
from members import services as members
from sandbox.server import Running
from tests.donations import retelling, stories
from tests.house import House

pytestmark = pytest.mark.django_db

LONG_RUN = int(os.environ.get("HISTORIES", "0"))  # how many stories; 0 for the same few each time
A_FEW = {"sqlite": 6, "postgresql": 2}  # what is shown is our logic; a look on the other database is enough

WHICH = st.integers(0, 5)
SWEEPS = (
    lambda now: inbox.process_waiting(now=now),
    lambda now: payouts.list_lines(now=now),
    lambda now: services.settle(now=now),
    lambda now: dunning.write_due(now=now),
    lambda now: doubles.notice_due(now=now),
    lambda now: returns.end_disputed_plans(now=now),
    lambda now: before_money.sweep(now=now),
    lambda now: members.end_due_memberships(now=now),
)


class Histories(RuleBasedStateMachine):
    """A story that Hypothesis makes up, step by step; at its end it is told to one house after the other."""

    house: ClassVar[House]
    running: ClassVar[Running]

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        then=st.sampled_from(["cancel", "unpaid", "past_due"]),
        settle_in=st.sampled_from([(), ("eur", "usd")]),
    )
    def begin(self, seed: int, then: str, settle_in: tuple[str, ...]) -> None:
        self.seed = seed
        self.forgotten = retelling.a_house_that_is_forgotten()
        self.forgotten.__enter__()
        house = House(self.house.api, self.running.use(stories.a_stripe(seed)))
        self.story = stories.Story(house, then=then, settle_in=settle_in)

    # --- What can happen

    @rule(
        reader=st.integers(0, 2),
        interval=st.sampled_from(["once", "month", "year"]),
        currency=st.sampled_from(sorted(stories.AMOUNTS)),
        way=st.sampled_from(stories.WAYS),
        card=st.integers(0, len(stories.CARDS) - 1),
        cover_fees=st.booleans(),
        twice=st.booleans(),
    )
    def give(self, **wish: Any) -> None:
        self.story.give(**wish)

    @rule(days=st.sampled_from([1, 3, 8, 20, 32, 62, 95, 370]))
    def pass_time(self, days: int) -> None:
        self.story.pass_time(days=days)

    @precondition(lambda self: self.story.has("subscription"))
    @rule(which=WHICH)
    def card_begins_to_fail(self, which: int) -> None:
        self.story.card_begins_to_fail(which)
        self.story.pass_time(days=32)

    @precondition(lambda self: self.story.has("subscription"))
    @rule(which=WHICH, card=st.integers(0, 1))
    def give_a_new_card(self, which: int, card: int) -> None:
        self.story.give_a_new_card(which, card)

    @precondition(lambda self: self.story.has("invoice", status="open"))
    @rule(which=WHICH)
    def pay_what_is_open(self, which: int) -> None:
        self.story.pay_what_is_open(which)

    @precondition(lambda self: self.story.has("subscription"))
    @rule(which=WHICH, when=st.sampled_from(["at once", "at the end", "not after all"]))
    def cancel(self, which: int, when: str) -> None:
        self.story.cancel(which, when)

    @precondition(lambda self: self.story.has("subscription"))
    @rule(which=WHICH, how=st.sampled_from(["void", "until", "stands still", "resume"]))
    def pause(self, which: int, how: str) -> None:
        self.story.pause(which, how)

    @precondition(lambda self: self.story.has("subscription"))
    @rule(which=WHICH, factor=st.integers(1, 20))
    def change_amount(self, which: int, factor: int) -> None:
        self.story.change_amount(which, factor)

    @precondition(lambda self: self.story.has("charge"))
    @rule(which=WHICH, share=st.integers(1, 3))
    def refund(self, which: int, share: int) -> None:
        self.story.refund(which, share)

    @precondition(lambda self: self.story.has("refund"))
    @rule(which=WHICH, how=st.sampled_from(["arrives", "fails"]))
    def refund_goes_on(self, which: int, how: str) -> None:
        self.story.refund_goes_on(which, how)

    @precondition(lambda self: self.story.has("charge"))
    @rule(which=WHICH, inquiry=st.booleans())
    def dispute(self, which: int, inquiry: bool) -> None:
        self.story.dispute(which, inquiry)

    @precondition(lambda self: self.story.has("dispute"))
    @rule(which=WHICH, how=st.sampled_from(["answer", "escalate", "won", "lost"]))
    def bank_goes_on(self, which: int, how: str) -> None:
        self.story.bank_goes_on(which, how)

    @precondition(lambda self: self.story.has("payout"))
    @rule(which=WHICH)
    def payout_comes_back(self, which: int) -> None:
        self.story.payout_comes_back(which)

    # --- The end

    def teardown(self) -> None:
        if not hasattr(self, "story"):
            return
        try:
            if sys.exc_info()[0] is None:
                check(self.story, seed=self.seed)
        finally:
            self.forgotten.__exit__(None, None, None)


# --- What is checked

# What no object tells: that a reader gave another card, when a bank decided, when a debit arrived.
ONLY_EVENTS = ("customer.updated", "charge.dispute.closed", "checkout.session.async_payment_succeeded")
SILENCE = timedelta(days=28)  # Stripe lists events for 30 days


def check(story: stories.Story, *, seed: int) -> None:
    """Tell the story to one fresh house after the other, and compare what came of it."""
    story.pass_time(minutes=75)  # what is due at Stripe soon after belongs to the story
    if not story.bodies:
        return
    dice = random.Random(seed)
    in_order = told(story, story.bodies)

    found = told(story, in_any_order(story.bodies, dice), between=lambda: sweep_now_and_then(dice))
    assert_same(in_order, found, "in another order")

    horizon = story.now() - SILENCE
    lost = [body for body in story.bodies if retelling.created_at(body) > horizon and dice.random() < 0.4]
    heard = in_any_order([body for body in story.bodies if body not in lost], dice)
    found = told(story, heard, reconcile=reconcile_events)
    assert_same(in_order, found, "with losses, after a comparison of events")

    share = dice.choice([0.1, 0.5, 1.0])
    since = dice.choice([retelling.created_at(body) for body in story.bodies])
    heard = [
        body
        for body in story.bodies
        if retelling.created_at(body) < since
        or dice.random() > share
        or retelling.kind_of(body) in ONLY_EVENTS
    ]
    found = told(story, heard, reconcile=reconcile_objects)
    objects_tell = retelling.what_objects_tell
    assert_same(objects_tell(in_order), objects_tell(found), "with losses, after a comparison of objects")


def told(story: stories.Story, bodies: Sequence[bytes], **how: Callable[[], None]) -> retelling.Picture:
    """What comes of it when a fresh house hears this, and does all that is left to do."""
    # What is put off for a while is done as well.
    return retelling.what_comes_of(story.house, bodies, minutes=(3, 70, 3), **how)


def in_any_order(bodies: Sequence[bytes], dice: random.Random) -> list[bytes]:
    """Each of them, and some again."""
    shuffled = [*bodies, *dice.sample(bodies, k=len(bodies) // 4)]
    dice.shuffle(shuffled)
    return shuffled


def sweep_now_and_then(dice: random.Random) -> None:
    if dice.random() < 0.1:
        dice.choice(SWEEPS)(clock.now())


def reconcile_events() -> None:
    now = clock.now()
    reconciliation.reconcile(since=now - reconciliation.HORIZON, now=now)


def reconcile_objects() -> None:
    now = clock.now()
    services.settle(now=now)
    reconciliation.compare(since=stories.START - timedelta(days=1), now=now)
    again = reconciliation.compare(since=stories.START - timedelta(days=1), now=now, dry_run=True)
    assert again.drifts == []


def assert_same(wanted: retelling.Picture, found: retelling.Picture, how: str) -> None:
    difference = retelling.differences(wanted, found)
    assert not difference, f"told {how}:\n{difference}"


# --- The tests


@pytest.fixture
def long_membership(settings: Any) -> None:
    """Gifts that are given once make members as well."""
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 3


def play(house: House, running: Running, *, examples: int, steps: int, **how: Any) -> None:
    machine = type("Told", (Histories,), {"house": house, "running": running})
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(hypothesis.HealthCheck),
            **how,
        ),
    )


@pytest.mark.usefixtures("long_membership")
def test_any_history_told_in_any_way_gives_the_same_books(
    house_out_of_time: House, running_sandbox: Running
) -> None:
    if LONG_RUN:
        play(house_out_of_time, running_sandbox, examples=LONG_RUN, steps=20, derandomize=False)
    else:
        play(
            house_out_of_time, running_sandbox, examples=A_FEW[connection.vendor], steps=12, derandomize=True
        )
