"""What no event tells any more is found by looking at the things themselves, and mended by the same inbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from donations import gateway, inbox, reconciliation, services
from donations.errors import PaymentsUnavailable
from donations.models import (
    Contribution,
    Dispute,
    Payment,
    Payout,
    ReconcileFinding,
    ReconcileRun,
    Refund,
    StripeEvent,
    Subscription,
)
from members import clock
from members.models import Member, Membership, Message
from tests.house import House, session_of

pytestmark = pytest.mark.django_db

LONG_AGO = "2020-01-01"


def reconcile(*options: str) -> str:
    said = StringIO()
    call_command("reconcile_stripe", *options, stdout=said, stderr=StringIO())
    return said.getvalue()


def charges(house: House) -> list[dict[str, Any]]:
    return [dict(charge) for charge in house.stripe.account.all("charge") if charge["status"] == "succeeded"]


def two_months_of_silence(house: House) -> None:
    """Stripe's events of that time are gone for good when anybody looks."""
    house.stripe.deliver("drop")
    for _ in range(12):
        house.stripe.advance(timedelta(days=5))
        house.stripe.take_webhooks()


def everything(house: House) -> dict[str, Any]:
    """What the books, memberships and mails come to, apart from when we heard of it."""
    return {
        "payments": sorted(
            Payment.objects.values_list(
                "state",
                "amount_minor",
                "currency",
                "paid_at",
                "refunded_minor",
                "is_renewal",
                "fee_minor",
                "net_minor",
            )
        ),
        "subscriptions": sorted(Subscription.objects.values_list("stripe_id", "state", "current_period_end")),
        "refunds": sorted(Refund.objects.values_list("stripe_id", "state")),
        "disputes": sorted(Dispute.objects.values_list("stripe_id", "state", "rank")),
        "payouts": sorted(Payout.objects.values_list("stripe_id", "state", "listed_minor")),
        "checkouts": sorted(Contribution.objects.values_list("stripe_session_id", "checkout_state")),
        "members": Member.objects.count(),
        "paid_through": sorted(Membership.objects.values_list("paid_through", flat=True)),
        "receipts": Message.objects.filter(kind="receipt").count(),
    }


def test_gifts_and_renewals_of_which_no_event_is_left_are_booked(house: House) -> None:
    house.stripe.change_settings(payouts={"interval": "daily"})
    answers = [
        house.begin(interval=interval, amount=5000, email=f"reader{number}@example.org")
        for number, interval in enumerate(["once", "month", "year"])
    ]
    house.stripe.deliver("drop")
    for answer in answers:
        house.stripe.pay(session_of(answer))
    house.stripe.refund(charges(house)[0]["id"], amount=500)
    two_months_of_silence(house)

    said = reconcile("--since", LONG_AGO)
    house.work()

    assert "0 events at Stripe" not in said
    house.assert_books_agree()
    paid = Payment.objects.filter(state="SUCCEEDED")
    assert paid.count() == len(charges(house)) == 4  # one, one, and the monthly one twice by now
    assert Member.objects.count() == 3
    assert Membership.objects.count() == 2
    assert Message.objects.filter(kind="receipt").count() == 4
    assert sorted(filter(None, paid.values_list("paid_at", flat=True))) == sorted(
        datetime.fromtimestamp(charge["created"], tz=UTC) for charge in charges(house)
    )
    assert set(Payout.objects.values_list("stripe_id", flat=True)) == {
        payout["id"] for payout in house.stripe.account.all("payout")
    }


def test_what_became_of_known_gifts_is_found(house: House) -> None:
    """Cancelled, refunded, disputed and lost while nobody listened."""
    for number in range(3):
        house.give_and_pay(amount=1000 + number, email=f"reader{number}@example.org")
    house.give_and_pay(interval="month", amount=700)
    house.stripe.deliver("drop")
    first, second, third, monthly = charges(house)
    house.stripe.refund(first["id"])
    dispute = house.stripe.dispute(second["id"])
    house.stripe.close_dispute(dispute["id"], "lost")
    house.stripe.dispute(third["id"])
    gateway.end_now(Subscription.objects.get().stripe_id)
    two_months_of_silence(house)

    reconcile("--since", LONG_AGO)
    house.work()

    house.assert_books_agree()
    assert Subscription.objects.get().state == Subscription.State.CANCELLED
    # The second one was lost as well: nobody answered the bank in time.
    assert sorted(Dispute.objects.values_list("stripe_status", flat=True)) == ["lost", "lost"]
    assert Refund.objects.get().state == Refund.State.SUCCEEDED
    assert monthly["status"] == "succeeded"


def test_to_look_at_objects_brings_the_same_books_as_the_events_would(house: House) -> None:
    """The oracle: the same journey with every event heard."""
    answers = [house.begin(interval=interval, amount=5000) for interval in ("once", "month")]
    for answer in answers:
        house.stripe.pay(session_of(answer))
    house.stripe.advance(timedelta(days=40))
    letters = house.stripe.take_webhooks()
    now = clock.now()
    reconciliation.compare(since=now - timedelta(days=100), now=now)
    house.work()
    by_objects = everything(house)

    reconciliation.reconcile(since=now - timedelta(days=29), now=now)
    house.work()

    assert letters
    assert everything(house) == by_objects


def test_to_compare_twice_changes_nothing_more(house: House) -> None:
    house.stripe.deliver("drop")
    house.stripe.pay(session_of(house.begin()))
    two_months_of_silence(house)
    reconcile("--since", LONG_AGO)
    house.work()
    before = everything(house), StripeEvent.objects.count()

    said = reconcile("--since", LONG_AGO)
    house.work()

    assert (everything(house), StripeEvent.objects.count()) == before
    assert "Repaired" in said
    assert not ReconcileFinding.objects.exclude(outcome="REPAIRED").exists()


def test_a_dry_run_tells_of_the_drift_and_stores_nothing(house: House) -> None:
    house.give_and_pay()
    house.stripe.deliver("drop")
    house.stripe.refund(charges(house)[0]["id"], amount=500)
    two_months_of_silence(house)
    events = StripeEvent.objects.count()

    said = reconcile("--since", LONG_AGO, "--dry-run")

    assert "a refund that is not in our books" in said
    assert StripeEvent.objects.count() == events
    assert not Refund.objects.exists()
    assert not ReconcileRun.objects.exists()


def test_a_key_of_another_account_stops_before_anything_is_stored(house: House) -> None:
    house.give_and_pay()
    events = StripeEvent.objects.count()
    Payment.objects.update(stripe_charge_id="ch_of_another_account")
    Contribution.objects.update(stripe_session_id="cs_test_of_another_account")

    with pytest.raises(CommandError, match="Check that STRIPE_SECRET_KEY"):
        reconcile()

    assert StripeEvent.objects.count() == events
    assert ReconcileRun.objects.get().problem == "WrongAccount"


def test_one_thing_that_stripe_knows_is_enough_to_go_on(house: House) -> None:
    house.give_and_pay()
    Contribution.objects.update(stripe_session_id="cs_test_of_another_account")

    reconcile()

    assert not ReconcileRun.objects.exclude(problem="").exists()


def test_what_stripe_does_not_list_is_said_and_left_as_it_is(house: House, admin_client: Any) -> None:
    house.give_and_pay()
    house.give_and_pay(email="other@example.org")
    house.stripe.advance(timedelta(days=4))
    first = Payment.objects.order_by("pk").first()
    assert first is not None
    Payment.objects.filter(pk=first.pk).update(stripe_charge_id="ch_unknown")
    house.stripe.deliver("drop")

    with pytest.raises(CommandError, match="1 differences are left"):
        reconcile("--since", LONG_AGO)

    page = admin_client.get(reverse("admin:donations_reconcilefinding_changelist"), {"outcome": "UNKNOWN"})
    assert "ch_unknown" in page.content.decode()
    assert Payment.objects.get(pk=first.pk).state == Payment.State.SUCCEEDED


def test_what_other_software_sells_in_the_same_account_is_left_alone(house: House) -> None:
    client = gateway._client()
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://shop.example.org/",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Mug"}},
                }
            ],
        }
    )
    house.stripe.deliver("drop")
    house.stripe.pay(session.id, email="shopper@example.org")
    two_months_of_silence(house)

    reconcile("--since", LONG_AGO)

    assert not ReconcileFinding.objects.exists()
    assert not Payment.objects.exists()


def test_an_id_that_is_missing_matches_no_row_that_has_none(house: House) -> None:
    """A payment of which the charge is not known yet must not be taken for a charge without an id."""
    house.begin(email="reader@example.org")
    house.give_and_pay(method="bank_debit", card="DE89370400440532013000", currency="EUR", amount=1000)
    assert Payment.objects.filter(stripe_invoice_id=None).exists()

    now = clock.now()
    comparison = reconciliation.compare(now=now)

    assert comparison.drifts == []


def test_stripe_going_away_in_the_middle_overwrites_nothing(house: House, monkeypatch: Any) -> None:
    house.give_and_pay(interval="month", amount=700)
    before = everything(house)
    list_objects = gateway.list_objects

    def break_off(kind: str, *, since: datetime) -> Iterator[dict[str, Any]]:
        yield from list_objects(kind, since=since)
        if kind == "invoice":
            raise PaymentsUnavailable("Payments cannot be reached.")

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "list_objects", break_off)
        with pytest.raises(CommandError, match="cannot be reached"):
            reconcile()

    assert everything(house) == before
    assert ReconcileRun.objects.filter(scope="OBJECTS").get().problem == "PaymentsUnavailable"
    reconcile()
    assert everything(house) == before


def test_many_pages_left_unpaid_are_all_closed(house: House) -> None:
    for number in range(3):
        house.begin(email=f"reader{number}@example.org")
    house.stripe.deliver("drop")
    two_months_of_silence(house)

    reconcile("--since", LONG_AGO)

    assert set(Contribution.objects.values_list("checkout_state", flat=True)) == {"EXPIRED"}


def test_two_comparisons_at_once_book_everything_once(house: House, monkeypatch: Any) -> None:
    house.stripe.deliver("drop")
    house.stripe.pay(session_of(house.begin()))
    two_months_of_silence(house)
    now = clock.now()
    process_waiting = inbox.process_waiting

    def another_in_between(*, now: datetime, limit: int | None = None) -> int:
        monkeypatch.setattr(inbox, "process_waiting", process_waiting)
        reconciliation.compare(since=now - timedelta(days=100), now=now)
        return process_waiting(now=now, limit=limit)

    monkeypatch.setattr(inbox, "process_waiting", another_in_between)
    reconciliation.compare(since=now - timedelta(days=100), now=now)
    house.work()

    assert Payment.objects.count() == 1
    assert Message.objects.filter(kind="receipt").count() == 1
    house.assert_books_agree()


def test_a_page_that_was_paid_in_silence_does_not_keep_others_from_being_closed(house: House) -> None:
    """The sweep over forgotten pages tells the inbox itself, so that the same rows do not come first each time."""
    house.stripe.deliver("drop")
    house.stripe.pay(session_of(house.begin()))
    two_months_of_silence(house)

    services.expire_forgotten_checkouts(now=clock.now())
    house.work()

    assert Contribution.objects.get().checkout_state == "COMPLETED"
    assert Message.objects.filter(kind="receipt").count() == 1
