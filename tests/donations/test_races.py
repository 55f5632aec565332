"""
Many at once: requests, deliveries and workers; each thing happens once (RELIABILITY.md: I5, I21, F1, F8, F11, F33).

Real threads and processes on a real PostgreSQL: SQLite lets one writer in at a time and ignores row locks.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import Client

from donations import doubles, inbox, services
from donations.models import (
    BalanceEntry,
    Campaign,
    ChargeTrace,
    Contribution,
    DoubleCharge,
    Payment,
    StripeEvent,
)
from members import clock, outbox
from members.models import Member, Membership, MembershipStep, Message
from tests.house import A_GIFT, CONTRIBUTIONS, House, session_of
from tests.waiting import PATIENCE, until

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "postgresql" not in django_settings.DATABASES["default"]["ENGINE"],
        reason="needs PostgreSQL: SQLite has no row locks",
    ),
]


@pytest.fixture(autouse=True)
def patience(_django_db_helper: None) -> Iterator[None]:
    """Threads share the pool's connections; however slow the machine, each gets its turn."""
    pool: Any = connection.pool
    usual, pool.timeout = pool.timeout, PATIENCE
    yield
    pool.timeout = usual


def at_once(threads: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` gave in each of so many threads that began together."""
    start = threading.Barrier(threads)

    def run(number: int) -> Any:
        start.wait()
        try:
            return act(number)
        finally:
            connections.close_all()
            clock.close_connection()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def ask(key: str = "", **changes: Any) -> Any:
    """What `House.give` does, with a client of its own."""
    headers = {"Idempotency-Key": key} if key else {}
    client = Client(raise_request_exception=False)
    return client.post(CONTRIBUTIONS, {**A_GIFT, **changes}, content_type="application/json", headers=headers)


def pages_of(house: House, answer: dict[str, Any]) -> list[dict[str, Any]]:
    found = house.stripe.account.all("checkout.session")
    return [item for item in found if item["client_reference_id"] == answer["id"]]


# --- Requests


def test_fifty_copies_of_one_request_are_one_gift(house):
    responses = at_once(50, lambda _: ask(key="tea"))

    # Whoever is not answered at once is told to ask again, and gets the same answer then.
    assert {response.status_code for response in responses} <= {201, 409}
    for response in responses:
        if response.status_code == 409:
            assert response.json()["error"]["code"] == "idempotency_key_in_use"
    answer = house.give(key="tea").json()
    assert all(response.json() == answer for response in responses if response.status_code == 201)
    assert any(response.status_code == 201 for response in responses)
    assert Contribution.objects.count() == 1
    assert len(pages_of(house, answer)) == len(house.stripe.account.all("checkout.session")) == 1

    house.stripe.pay(session_of(answer))
    house.catch_up()
    assert house.status(answer)["status"] == "paid"
    house.assert_books_agree()


def test_a_double_click_without_a_key_can_be_paid_on_one_page_alone(house):
    first, second = [response.json() for response in at_once(2, lambda _: ask())]
    assert first["id"] != second["id"]
    house.stripe.pay(session_of(first))
    house.advance(hours=2)

    assert house.status(first)["status"] == "paid"
    assert house.status(second)["status"] == "expired"
    assert Payment.objects.count() == Message.objects.filter(kind="receipt").count() == 1
    house.assert_books_agree()


def test_an_event_that_comes_before_stripes_answer_finds_its_gift(house, monkeypatch):
    open_checkout = services.gateway.open_checkout
    told: list[Any] = []

    def pay_before_the_answer(wish: Any) -> Any:
        page = open_checkout(wish)
        house.stripe.pay(page.id)
        told.extend(house.stripe.take_webhooks())
        at_once(1, lambda _: (house.deliver(told), inbox.process_waiting(now=clock.now())))
        return page

    monkeypatch.setattr(services.gateway, "open_checkout", pay_before_the_answer)
    answer = house.begin()
    house.work()

    assert house.status(answer)["status"] == "paid"
    assert Contribution.objects.get().checkout_state == "COMPLETED"
    house.assert_books_agree()


# --- Deliveries


def test_a_thousand_deliveries_of_one_event_have_one_effect(house):
    answer = house.begin()
    house.stripe.pay(session_of(answer))
    letters = house.stripe.take_webhooks()
    [completed] = [letter for letter in letters if letter.type == "checkout.session.completed"]
    signature = completed.headers["Stripe-Signature"]
    now = clock.now()

    def deliver(_: int) -> int:
        new = 0
        for _ in range(50):
            new += inbox.receive(body=completed.body, signature=signature, now=now)
            inbox.process_waiting(now=now)
        return new

    assert sum(at_once(20, deliver)) == 1
    event = StripeEvent.objects.get()
    assert (event.state, event.attempts) == ("PROCESSED", 1)
    assert Payment.objects.count() == Member.objects.count() == Message.objects.count() == 1

    house.deliver(letters)
    house.work()
    house.assert_books_agree()


# --- Workers


def mixed_journeys(house: House) -> list[dict[str, Any]]:
    """Some two hundred events of gifts that succeed, fail, are refunded and disputed, stored and not acted on."""
    answers = []
    for number in range(5):
        for wish in (
            {"email": f"ada{number}@example.org"},
            {"email": "grace@example.org", "interval": "month", "amount": 500},  # one reader, many gifts
            {"email": f"grace{number}@example.org", "interval": "year", "amount": 5000, "cover_fees": True},
        ):
            answers.append(house.begin(**wish))
            house.stripe.pay(session_of(answers[-1]))
    charges = [charge["id"] for charge in house.stripe.account.all("charge")]
    house.stripe.refund(charges[0])
    house.stripe.refund(charges[1], amount=100)
    house.stripe.close_dispute(house.stripe.dispute(charges[2])["id"], "lost")
    house.stripe.advance(timedelta(days=32))
    house.deliver(house.stripe.take_webhooks())
    return answers


def assert_each_effect_once(house: House) -> None:
    """One receipt and one step of membership for each payment, one entry for each movement; books agree."""
    house.work()
    house.assert_books_agree()
    paid = Payment.objects.filter(state="SUCCEEDED")
    assert paid.count() > 15
    assert Message.objects.filter(kind="receipt").count() == paid.count()
    recurring = paid.exclude(stripe_invoice_id=None)
    steps = MembershipStep.objects.effective().filter(kind__in=["STARTED", "RENEWED"])
    assert sorted(steps.values_list("reference", flat=True)) == sorted(
        recurring.values_list("stripe_invoice_id", flat=True)
    )
    assert Membership.objects.count() == Contribution.objects.exclude(interval="once").count()
    assert Member.objects.count() == 11
    assert BalanceEntry.objects.filter(payment__isnull=False).count() == paid.count()
    assert not paid.filter(fee_minor=None).exists()


def test_gifts_of_one_reader_that_are_booked_at_once_each_prolong_the_membership(house, settings):
    """Each is booked under the lock of its own contribution; none may overlook the others."""
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 6
    house.give_and_pay(interval="month", amount=500)  # Ada is a member already, whom all of them find
    for _ in range(4):
        house.stripe.pay(session_of(house.begin()))
    webhooks = house.stripe.take_webhooks()
    house.deliver([one for one in webhooks if b'"checkout.session.completed"' in one.body])
    events = list(StripeEvent.objects.filter(state="RECEIVED").values_list("pk", flat=True))
    now = clock.now()

    at_once(4, lambda number: inbox.process(event_id=events[number], now=now))

    membership = Membership.objects.get(source_kind="GIFT")
    assert (membership.ends_at.year - now.year) * 12 + membership.ends_at.month - now.month == 24
    steps = membership.steps.effective().values_list("kind", flat=True)
    assert sorted(steps) == ["RENEWED", "RENEWED", "RENEWED", "STARTED"]


@pytest.mark.parametrize("workers", [2, 6])
def test_workers_over_one_inbox_do_each_thing_once(house, workers):
    mixed_journeys(house)
    assert StripeEvent.objects.filter(state="RECEIVED").count() >= 150
    now = clock.now()

    def work(_: int) -> int:
        return inbox.process_waiting(now=now)

    at_once(workers, work)

    assert not StripeEvent.objects.filter(state__in=["RECEIVED", "PARKED"]).exists()
    at_once(workers, lambda _: (services.settle(now=now), outbox.deliver_due(now=now)))
    assert_each_effect_once(house)


def test_two_events_of_one_gift_at_the_same_moment_make_one_payment(house):
    now = clock.now()
    for number in range(10):
        answer = house.begin(email=f"ada{number}@example.org")
        house.stripe.pay(session_of(answer))
        house.deliver(house.stripe.take_webhooks())
        ids = list(StripeEvent.objects.filter(state="RECEIVED").values_list("pk", flat=True))
        at_once(len(ids), lambda index, ids=ids: inbox.process(event_id=ids[index], now=now))
        # Whoever had to wait for another was woken by it, and not left for the hourly sweep.
        inbox.process_waiting(now=now)
        assert not StripeEvent.objects.filter(state="PARKED").exists()
        assert Payment.objects.filter(contribution__public_id=answer["id"]).count() == 1
    house.work()
    assert Message.objects.filter(kind="receipt").count() == 10
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["once", "month"])
def test_two_copies_of_one_page_that_are_paid_at_the_same_moment_are_both_booked(house, interval):
    Campaign.objects.update(reminds_abandoned=True)
    answers = [house.begin(interval=interval, amount=1000, reminder_consent=True) for _ in range(3)]
    house.advance(hours=3)
    for answer in answers:
        for _ in range(3):
            house.stripe.pay(house.stripe.recover(session_of(answer))["id"])
    house.deliver(house.stripe.take_webhooks())
    now = clock.now()
    at_once(6, lambda _: inbox.process_waiting(now=now))

    house.work()
    house.assert_books_agree()
    assert Payment.objects.filter(state="SUCCEEDED").count() == 9
    assert Message.objects.filter(kind="receipt").count() == 9
    assert Contribution.objects.filter(copy_of=None).count() == 3
    assert Contribution.objects.count() == (3 if interval == "once" else 9)


def test_an_event_parked_while_its_cause_is_being_committed_is_woken_at_once(house, monkeypatch):
    answer = house.begin(interval="month", amount=500)
    house.stripe.pay(session_of(answer))
    house.deliver(house.stripe.take_webhooks())
    now = clock.now()
    event = dict(StripeEvent.objects.values_list("type", "pk"))
    inbox.process(event_id=event["invoice.paid"], now=now)
    wake = inbox._wake

    def wake_and_be_overtaken(known: Any) -> None:
        wake(known)
        if connection.in_atomic_block:  # our payment intent is written and not committed: nobody else sees it
            at_once(1, lambda _: inbox.process(event_id=event["charge.succeeded"], now=now))
            assert StripeEvent.objects.filter(state="PARKED").count() == 1

    monkeypatch.setattr(inbox, "_wake", wake_and_be_overtaken)
    inbox.process(event_id=event["invoice_payment.paid"], now=now)
    assert not StripeEvent.objects.filter(state="PARKED").exists()

    monkeypatch.undo()
    house.work()
    house.assert_books_agree()


def test_workers_whose_clocks_disagree_by_ten_minutes_double_nothing(house):
    mixed_journeys(house)
    now = clock.now()
    at_once(3, lambda number: inbox.process_waiting(now=now + timedelta(minutes=10 * (number - 1))))
    house.stripe.advance(timedelta(minutes=20))
    assert_each_effect_once(house)


# --- Workers that are killed

WORKER = """
import django
django.setup()
from donations import inbox
from members import clock
print("ready", flush=True)
while True:
    inbox.process_waiting(now=clock.now(), limit=10)
"""


def a_worker(house: House) -> subprocess.Popen[bytes]:
    """A process of its own that acts on the events of this test's database until it is killed."""
    at = connection.settings_dict
    login = f"{at['USER']}:{at['PASSWORD']}" if at["PASSWORD"] else at["USER"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"postgres://{login}@{at['HOST']}:{at['PORT']}/{at['NAME']}",
        "STRIPE_API_BASE": django_settings.STRIPE_API_BASE,
    }
    return subprocess.Popen(
        [sys.executable, "-c", WORKER], env=environment, stdout=subprocess.PIPE, cwd=django_settings.BASE_DIR
    )


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.communicate()


def test_workers_that_are_killed_in_the_middle_lose_and_double_nothing(house):
    mixed_journeys(house)
    done = StripeEvent.objects.exclude(state="RECEIVED")
    for _ in range(4):
        before = done.count()
        worker = a_worker(house)
        try:
            # Killed when it has begun, wherever it is by then.
            until(lambda before=before: done.count() > before or not waiting(), what="a worker's first event")
        finally:
            kill(worker)
        house.stripe.advance(inbox.LEASE)  # until then nobody else may touch what it had in its hands

    house.stripe.advance(inbox.LEASE)
    assert_each_effect_once(house)


def waiting() -> bool:
    return StripeEvent.objects.filter(state="RECEIVED").exists()


def test_twenty_workers_ask_once_about_a_gift_that_was_given_twice(house: House) -> None:
    for _ in range(2):
        house.stripe.pay(session_of(house.begin(amount=2500)))
    house.deliver(house.stripe.take_webhooks())
    inbox.process_waiting(now=clock.now())
    assert ChargeTrace.objects.filter(looked_at=None).count() == 2
    now = clock.now()

    noticed = at_once(20, lambda _: doubles.notice_due(now=now))

    assert sum(noticed) == 1
    assert DoubleCharge.objects.count() == 1
    assert Message.objects.filter(kind=doubles.SECOND_CHARGE).count() == 1
