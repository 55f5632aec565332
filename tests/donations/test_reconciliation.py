"""What Stripe told and we did not hear is found and acted on (RELIABILITY.md: I1, I2, F4, F5; STYLE.md: replays)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import chain
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from donations import gateway, inbox, reconciliation, tasks
from donations.models import Payment, ReconcileRun, StripeEvent
from members import clock
from members.models import Message
from tests.house import House, session_of

pytestmark = pytest.mark.django_db


def reconcile(*options: str) -> str:
    """What the command says."""
    said = StringIO()
    call_command("reconcile_stripe", *options, stdout=said)
    return said.getvalue()


def some_life(house: House) -> list[dict[str, Any]]:
    """Gifts of every kind, a renewal, a refund and a page left unpaid; Stripe has told nothing yet."""
    answers = []
    for number, interval in enumerate(["once", "month", "year", "once"]):
        answers.append(house.begin(interval=interval, amount=5000, email=f"ada{number}@example.org"))
        house.stripe.pay(session_of(answers[-1]))
    answers.append(house.begin())
    [charge, *_] = house.stripe.account.all("charge")
    house.stripe.refund(charge["id"], amount=500)
    return answers


def lose(letters: list[Any], *, every: int) -> list[Any]:
    """Those that are left when each so-and-so-many-th is lost on the way."""
    return [letter for number, letter in enumerate(letters) if number % every]


@pytest.mark.parametrize("every", [5, 3, 2])
def test_events_that_were_lost_on_the_way_are_found_and_the_books_agree(house, every):
    some_life(house)
    house.stripe.advance(timedelta(hours=2))
    letters = house.stripe.take_webhooks()
    heard = lose(letters, every=every)
    house.deliver(heard)
    house.work()

    said = reconcile()

    assert f"{len(letters) - len(heard)} were missing and were fetched." in said
    house.work()
    house.assert_books_agree()
    assert Message.objects.filter(kind="receipt").count() == Payment.objects.filter(state="SUCCEEDED").count()


def test_after_twenty_days_without_a_word_the_books_agree_again(house):
    some_life(house)
    house.stripe.deliver("drop")
    for _ in range(20):
        house.stripe.advance(timedelta(days=1))
        house.stripe.take_webhooks()
    house.begin()
    now = clock.now()

    assert "0 were missing" not in reconcile("--since", (now - timedelta(days=21)).isoformat())

    house.work()
    house.assert_books_agree()


def test_a_renewal_that_nobody_told_us_of_is_booked(house):
    house.give_and_pay(interval="month", amount=500)
    house.stripe.deliver("drop")
    house.advance(days=32)
    assert Payment.objects.filter(state="SUCCEEDED").count() == 1

    reconcile()
    house.work()

    assert Payment.objects.filter(state="SUCCEEDED").count() == 2
    house.assert_books_agree()


def test_a_dry_run_says_what_is_missing_and_changes_nothing(house):
    answer = house.begin()
    house.stripe.pay(session_of(answer))

    said = reconcile("--dry-run")

    assert "1  checkout.session.completed" in said
    assert "missing and would be fetched." in said
    assert not StripeEvent.objects.exists()
    assert not ReconcileRun.objects.exists()
    assert house.status(answer)["status"] == "pending"


def test_to_reconcile_twice_is_to_reconcile_once(house):
    some_life(house)
    house.stripe.advance(timedelta(hours=2))
    reconcile()
    house.work()
    events, payments = StripeEvent.objects.count(), Payment.objects.count()

    assert "0 were missing and were fetched." in reconcile()

    house.catch_up()  # and what was late comes after all
    assert (StripeEvent.objects.count(), Payment.objects.count()) == (events, payments)
    house.assert_books_agree()
    assert [run.missed for run in ReconcileRun.objects.filter(scope="EVENTS").order_by("pk")] == [events, 0]


def test_a_key_of_the_other_mode_stops_everything(house, settings):
    some_life(house)
    settings.STRIPE_LIVEMODE = True

    with pytest.raises(CommandError, match="Check STRIPE_SECRET_KEY"):
        reconcile()

    assert not StripeEvent.objects.exists()
    assert ReconcileRun.objects.get().problem == "WrongMode"


def test_what_was_found_before_stripe_went_away_is_kept(house, monkeypatch):
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0)
    monkeypatch.setattr("donations.reconciliation.events._PAGE", 5)
    some_life(house)
    list_events = gateway.list_events

    def break_off(**period: Any) -> Any:
        for number, event in enumerate(list_events(**period)):
            if number == 12:
                raise gateway.PaymentsUnavailable("Payments cannot be reached.")
            yield event

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "list_events", break_off)
        with pytest.raises(CommandError, match="cannot be reached"):
            reconcile()
    assert StripeEvent.objects.count() == 10
    assert ReconcileRun.objects.get().problem == "PaymentsUnavailable"

    reconcile()
    house.work()
    house.assert_books_agree()


def test_an_event_that_nobody_can_read_does_not_hide_the_others(house, monkeypatch):
    answer = house.begin()
    house.stripe.pay(session_of(answer))
    list_events = gateway.list_events
    monkeypatch.setattr(
        gateway, "list_events", lambda **period: chain([{"id": "evt_odd"}], list_events(**period))
    )

    reconcile()

    assert house.status(answer)["status"] == "paid"
    assert not StripeEvent.objects.filter(stripe_id="evt_odd").exists()


def test_the_schedule_looks_back_to_the_last_complete_comparison(house):
    tasks.reconcile_stripe()
    house.stripe.deliver("drop")
    answer = house.begin()
    house.stripe.pay(session_of(answer))
    house.stripe.take_webhooks()
    # For ten days neither events nor comparisons came through; one that broke off is no comparison.
    house.stripe.advance(timedelta(days=9))
    reconcile_run = ReconcileRun.objects.create(
        started_at=clock.now(), since=clock.now() - timedelta(days=3), problem="PaymentsUnavailable"
    )
    house.stripe.advance(timedelta(days=1))

    tasks.reconcile_stripe()
    house.work()

    assert ReconcileRun.objects.order_by("pk").last().since < reconcile_run.since
    assert house.status(answer)["status"] == "paid"
    house.assert_books_agree()


def test_a_short_comparison_by_hand_does_not_count_as_a_complete_one(house):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    day = timedelta(days=1)
    for started_at, since in ((now - 8 * day, now - 11 * day), (now - day, now - 2 * day)):
        ReconcileRun.objects.create(started_at=started_at, finished_at=started_at, since=since)

    assert now - 9 * day < reconciliation.due_since(now=now) < now - 8 * day
    assert reconciliation.due_since(now=now - 7 * day) == now - 10 * day


def test_nothing_is_asked_for_that_stripe_has_forgotten(house):
    now = clock.now()

    report = reconciliation.reconcile(since=now - timedelta(days=400), now=now)

    assert report.since == now - reconciliation.HORIZON


def test_every_event_of_a_month_is_in_the_inbox_and_done(house):
    some_life(house)
    house.deliver(lose(house.stripe.take_webhooks(), every=2))
    house.stripe.advance(timedelta(days=28))
    house.stripe.deliver("drop")
    house.stripe.take_webhooks()

    reconcile("--since", (clock.now() - reconciliation.HORIZON).date().isoformat())
    house.work()

    told = gateway.list_events(since=clock.now() - reconciliation.HORIZON, until=clock.now())
    done = StripeEvent.objects.filter(state__in=["PROCESSED", "IGNORED"])
    assert {event["id"] for event in told} == set(done.values_list("stripe_id", flat=True))
    backlog = inbox.get_backlog()
    assert (backlog.waiting, backlog.parked, backlog.quarantined) == (0, 0, 0)
