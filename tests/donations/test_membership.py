"""What the ledger knows reaches the membership: through Stripe's pages, its dashboard and its clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from donations import facts, fulfilment, gateway
from donations.models import Contribution, SubscriptionChange
from members import clock, queries
from members import services as members
from members.models import Member, Membership, MembershipState, Message
from tests.house import House

State = MembershipState
MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}
NEVER_PAYS = "4000000000000341"


def grace() -> Member:
    found = queries.get_member("grace@example.org")
    assert found is not None
    return found


def membership() -> Membership:
    return Membership.objects.get()


def kinds() -> list[str]:
    steps = membership().steps.effective().order_by("at", "place")
    return [step.kind for step in steps]


def state(at: datetime | None = None) -> State | None:
    return queries.get_state(grace(), at or clock.now())


def change(house: House, **wish: Any) -> None:
    """What staff do in Stripe's dashboard."""
    [subscription] = house.stripe.account.all("subscription")
    gateway._client().v1.subscriptions.update(subscription["id"], wish)  # type: ignore[arg-type]
    house.catch_up()


def latest_charge(house: House) -> str:
    charges = [charge for charge in house.stripe.account.all("charge") if charge["status"] == "succeeded"]
    return str(max(charges, key=lambda charge: charge["created"])["id"])


# --- Late payments


def test_a_card_that_fails_leads_from_grace_to_past_due_to_a_lapse(house, settings):
    settings.MEMBERSHIP_GRACE_DAYS = 5
    house.give_and_pay(**MONTHLY)
    house.stripe.controls.change_card(house.stripe.account.all("subscription")[0]["id"], NEVER_PAYS)
    house.advance(days=32)
    due = membership().paid_through

    assert state() == State.GRACE
    assert membership().next_try_at is not None
    assert state(due + timedelta(days=6)) == State.PAST_DUE
    house.advance(days=40)
    assert state() == State.LAPSED
    assert kinds() == ["STARTED", "PAST_DUE", "LAPSED"]
    assert not Message.objects.filter(kind="membership_ended").exists()


def test_another_card_recovers(house):
    house.give_and_pay(**MONTHLY)
    [subscription] = house.stripe.account.all("subscription")
    house.stripe.controls.change_card(subscription["id"], NEVER_PAYS)
    house.advance(days=32)
    house.stripe.controls.change_card(subscription["id"], "4242424242424242")
    house.advance(days=10)

    assert kinds() == ["STARTED", "PAST_DUE", "RENEWED", "RECOVERED"]
    assert state() == State.ACTIVE
    assert membership().next_try_at is None


# --- Changes at Stripe


def test_a_pause_until_a_day_begins_when_paid_time_is_over_and_ends_with_a_payment(house):
    house.give_and_pay(**MONTHLY)
    began = clock.now()
    back = int((began + timedelta(days=45)).timestamp())
    change(house, pause_collection={"behavior": "void", "resumes_at": back})
    house.advance(days=2)

    assert state() == State.ACTIVE
    assert membership().resumes_at == began.fromtimestamp(back, tz=began.tzinfo)
    house.advance(days=35)
    assert state() == State.PAUSED
    assert queries.members_on(clock.now()).members == 0
    house.advance(days=30)
    assert state() == State.ACTIVE
    assert kinds() == ["STARTED", "PAUSED", "RESUMED", "RENEWED"]


def test_another_amount_lifts_the_tier_when_it_was_changed(house):
    house.give_and_pay(**MONTHLY)
    house.advance(days=3)
    [subscription] = house.stripe.account.all("subscription")
    item = subscription["items"]["data"][0]
    price = {
        "currency": "usd",
        "unit_amount": 1000,
        "product": item["price"]["product"],
        "recurring": {"interval": "month"},
    }
    change(house, items=[{"id": item["id"], "price_data": price}], proration_behavior="none")

    assert membership().annual_minor == 120_00
    assert kinds() == ["STARTED", "TIER_CHANGED"]
    changed = SubscriptionChange.objects.get()
    assert (changed.amount_before, changed.amount_after) == (500, 1000)
    assert queries.members_on(changed.at - timedelta(seconds=1)).by_tier() == {"friend": 1}
    assert queries.members_on(changed.at).by_tier() == {"patron": 1}


def test_an_end_that_was_asked_for_comes_with_the_paid_time_and_one_that_was_taken_back_does_not(house):
    house.give_and_pay(**MONTHLY)
    change(house, cancel_at_period_end=True)
    assert state() == State.ENDING
    assert membership().ends_at == membership().paid_through

    change(house, cancel_at_period_end=False)
    assert state() == State.ACTIVE
    change(house, cancel_at_period_end=True)
    house.advance(days=40)
    assert state() == State.ENDED
    assert kinds() == ["STARTED", "CANCELLED", "CANCELLATION_WITHDRAWN", "CANCELLED", "ENDED"]


def test_a_change_of_which_only_the_object_tells_is_seen_against_what_we_knew(house):
    """Reconciliation fetches a subscription: nobody says what it was before."""
    house.give_and_pay(**MONTHLY)
    change(house, metadata={"note": "nothing of ours"})
    [subscription] = house.stripe.account.all("subscription")
    paused = {**subscription, "pause_collection": {"behavior": "void", "resumes_at": None}}

    assert facts.subscription_before({"object": paused}) is None
    known = facts.subscription_before({"object": paused, "previous_attributes": {"pause_collection": None}})
    assert known is not None
    assert (known.is_paused, facts.subscription(paused).is_paused) == (False, True)
    broken = {"object": paused, "previous_attributes": {"items": {"data": []}}}
    assert facts.subscription_before(broken) is None


# --- Money back


def test_a_renewal_that_was_refunded_no_longer_counts_and_the_first_payment_still_does(house):
    house.give_and_pay(**MONTHLY)
    first_end = membership().paid_through
    house.advance(days=33)
    house.stripe.controls.refund(latest_charge(house))
    house.catch_up()

    assert kinds() == ["STARTED", "RENEWED", "GIVEN_BACK"]
    assert membership().paid_through == first_end
    assert not state().is_member
    assert state(first_end - timedelta(seconds=1)) == State.ACTIVE


def test_a_refund_in_part_takes_nothing_away(house):
    house.give_and_pay(**MONTHLY)
    house.stripe.controls.refund(latest_charge(house), amount=100)
    house.catch_up()

    assert kinds() == ["STARTED"]
    assert state() == State.ACTIVE


def test_a_dispute_counts_when_it_is_lost_and_not_before(house):
    house.give_and_pay(**MONTHLY)
    dispute = house.stripe.controls.dispute(latest_charge(house))
    house.catch_up()
    assert state() == State.ACTIVE

    house.advance(days=4)
    lost_at = clock.now()
    house.stripe.controls.close_dispute(dispute["id"], "lost")
    house.catch_up()
    assert kinds()[:2] == ["STARTED", "GIVEN_BACK"]
    assert not state().is_member
    assert state(lost_at - timedelta(hours=1)) == State.ACTIVE, "what was reported then stays true"


# --- Gifts that are given once

ONCE: dict[str, Any] = {"email": "grace@example.org", "amount": 10000}


def test_by_default_a_single_gift_makes_nobody_a_member(house):
    house.give_and_pay(**ONCE)

    assert not Membership.objects.exists()
    assert state() is None


@pytest.fixture
def half_a_year(settings) -> None:
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 6
    settings.NEWSROOM_TIME_ZONE = "Europe/Amsterdam"


def test_where_the_newsroom_says_so_it_makes_one_for_a_time(house, half_a_year):
    house.give_and_pay(**ONCE)
    found = membership()

    assert found.annual_minor == 200_00
    assert found.tier is not None
    assert found.tier.slug == "patron"
    assert state() == State.ACTIVE
    members.end_due_memberships(now=found.ends_at)
    assert state(found.ends_at) == State.ENDED
    assert Message.objects.filter(kind="membership_ended").count() == 1


def test_another_gift_prolongs_it_and_a_refund_of_either_takes_its_months(house, half_a_year):
    house.give_and_pay(**ONCE)
    once = membership().ends_at
    house.advance(days=20)
    house.give_and_pay(**ONCE)
    twice = membership().ends_at
    assert twice > once + timedelta(days=170)

    house.stripe.controls.refund(latest_charge(house))
    house.catch_up()
    assert membership().ends_at == once
    [first] = [one["id"] for one in house.stripe.account.all("charge") if not one["refunded"]]
    house.stripe.controls.refund(first)
    house.catch_up()
    assert state() == State.ENDED
    assert kinds() == ["STARTED", "RENEWED", "GIVEN_BACK", "GIVEN_BACK", "ENDED"]


def test_what_was_promised_for_a_gift_stays_when_the_newsroom_promises_less(house, half_a_year, settings):
    house.give_and_pay(**ONCE)
    end = membership().ends_at
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 0
    house.give_and_pay(**ONCE)
    assert membership().ends_at == end

    [charge, _] = house.stripe.account.all("charge")
    house.stripe.controls.refund(charge["id"], amount=100)
    house.catch_up()
    assert membership().ends_at == end


def test_gifts_from_before_the_newsroom_promised_anything_give_nothing_afterwards(house, settings):
    house.give_and_pay(**ONCE)
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 6
    house.stripe.controls.refund(latest_charge(house), amount=100)
    house.catch_up()

    assert not Membership.objects.exists()


# --- All of it again


def test_telling_everything_again_changes_nothing(house, half_a_year):
    house.give_and_pay(**MONTHLY)
    house.give_and_pay(**ONCE)
    change(house, pause_collection={"behavior": "void"})
    house.advance(days=40)
    change(house, pause_collection="")
    house.advance(days=40)

    def written() -> list[Any]:
        return [
            (row.pk, row.told, row.ended_at, list(row.steps.values_list("pk", "kind")))
            for row in Membership.objects.order_by("pk")
        ]

    before = written()
    assert len(before) == 2
    Membership.objects.update(told="")  # as if nothing had been told yet
    for contribution in Contribution.objects.all():
        fulfilment.follow_through(contribution, now=clock.now())
    assert written() == before
