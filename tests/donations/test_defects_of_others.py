"""
The kinds of defect that other software shipped, each kept out by name.

Most are kept out by tests beside what they are about: the table in docs/payments.md says by which. Here are the rest.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from donations import inbox, queries, reconciliation
from donations.errors import PaymentsUnavailable
from donations.models import Contribution, Payment, StripeEvent, Subscription
from members import clock
from members.models import Membership, Message
from tests.house import House, session_of
from tests.paper import PAGE, open_page, send

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}


def events_of(house: House) -> list[dict[str, Any]]:
    """What Stripe has to tell, decoded."""
    return [json.loads(letter.body) for letter in house.stripe.take_webhooks()]


def hear(house: House, *events: dict[str, Any]) -> None:
    """Let events arrive, one after the other, each acted on at once."""
    for event in events:
        envelope = inbox.envelope_of(event)
        inbox.keep(envelope, json.dumps(event), now=clock.now())
        inbox.process_waiting(now=clock.now())


def newest(house: House, kind: str) -> dict[str, Any]:
    return dict(max(house.stripe.account.all(kind), key=lambda thing: thing["created"]))


def test_each_test_that_is_said_to_keep_a_defect_out_exists() -> None:
    """A list of promises in a document outlives the tests that it names."""
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", (ROOT / "docs/payments.md").read_text())

    assert len(named) > 15
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


# --- What comes more than once


def test_an_invoice_that_is_told_to_be_paid_twice_is_receipted_once(house: House) -> None:
    """Stripe delivers at least once, and under another id what was sent by hand: readers get two receipts."""
    house.stripe.pay(session_of(house.begin(**MONTHLY)))
    events = events_of(house)
    [paid] = [event for event in events if event["type"] == "invoice.paid"]

    hear(house, *events, paid, {**paid, "id": "evt_sent_by_hand"}, paid)
    house.work()

    assert Payment.objects.count() == 1
    assert Message.objects.filter(kind="receipt").count() == 1
    house.assert_books_agree()


# --- What Stripe does not say this time


def without_a_card(event: dict[str, Any]) -> None:
    event["data"]["object"]["default_payment_method"] = None


def without_a_period(event: dict[str, Any]) -> None:
    for item in event["data"]["object"]["items"]["data"]:
        item["current_period_end"] = item["current_period_start"] = None


@pytest.mark.parametrize("lacking", [without_a_card, without_a_period])
def test_a_description_that_lacks_something_does_not_make_us_forget_it(
    house: House, lacking: Callable[[dict[str, Any]], None]
) -> None:
    """A null in an answer is stored over what was known, and the next charge or its date is gone."""
    house.stripe.pay(session_of(house.begin(**MONTHLY)))
    events = events_of(house)
    hear(house, *events)
    known = Subscription.objects.values("default_payment_method", "current_period_end").get()
    assert all(known.values())
    [created] = [event for event in events if event["type"] == "customer.subscription.created"]
    emptier = copy.deepcopy(created)
    emptier |= {
        "id": "evt_emptier",
        "type": "customer.subscription.updated",
        "created": created["created"] + 1,
    }
    lacking(emptier)

    hear(house, emptier)

    assert StripeEvent.objects.get(stripe_id="evt_emptier").state == "PROCESSED"
    assert Subscription.objects.values("default_payment_method", "current_period_end").get() == known


def test_a_fee_that_is_known_is_not_forgotten_by_a_description_without_it(house: House) -> None:
    """The same charge is told again as it was before its fee was known, and the fee becomes zero."""
    house.stripe.pay(session_of(house.begin()))
    events = events_of(house)
    [bare] = [event for event in events if event["type"] == "charge.succeeded"]
    assert bare["data"]["object"]["balance_transaction"] is None
    hear(house, *events)
    house.work()
    known = Payment.objects.values("fee_minor", "net_minor", "stripe_charge_id").get()
    assert all(known.values())

    hear(house, {**bare, "id": "evt_again", "created": bare["created"] + 60})
    house.work()

    assert Payment.objects.values("fee_minor", "net_minor", "stripe_charge_id").get() == known
    house.assert_books_agree()


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "reset_before", "unavailable"])
def test_a_hiccup_of_stripe_while_we_ask_changes_nothing_that_is_known(house: House, kind: str) -> None:
    """An error in place of an answer is taken for "there is nothing", and a payment's reason or refund is lost."""
    house.give_and_pay(**MONTHLY)
    house.stripe.change_card(Subscription.objects.get().stripe_id, "4000000000000341")
    house.stripe.advance(timedelta(days=32))
    before = (queries.get_books(), list(Payment.objects.values()), list(Membership.objects.values()))
    events = events_of(house)
    failed = [event for event in events if event["type"] == "invoice.payment_failed"]
    house.stripe.fault("GET /v1/invoice_payments", kind, 99)

    hear(house, *failed)

    assert StripeEvent.objects.get(stripe_id=failed[0]["id"]).state == "RECEIVED", "it waits, and is not lost"
    assert (queries.get_books(), list(Payment.objects.values()), list(Membership.objects.values())) == before
    house.stripe.clear_faults()
    hear(house, *(event for event in events if event not in failed))
    house.advance(hours=1)
    assert Payment.objects.get(is_renewal=True).failure_code == "generic_decline"
    house.assert_books_agree()


def test_a_list_that_breaks_off_half_way_is_not_taken_for_the_whole(house: House) -> None:
    """Half a list is believed, and what stood on its other half is deleted or called lost."""
    for number in range(3):
        house.give_and_pay(**{**MONTHLY, "email": f"reader{number}@example.org"})
    before = (queries.get_books(), Subscription.objects.filter(state="ACTIVE").count())
    house.stripe.fault("GET /v1/subscriptions", "server_error", 99)

    with pytest.raises(PaymentsUnavailable):
        reconciliation.compare(now=clock.now())

    assert (queries.get_books(), Subscription.objects.filter(state="ACTIVE").count()) == before


# --- Money as people write it

AS_TYPED = [
    ("USD", "19.99", 1999, "$19.99"),
    ("USD", "19,99", 1999, "$19.99"),
    ("USD", "4.35", 435, "$4.35"),  # 4.35 * 100 is 434.99999999999994
    ("EUR", "8.20", 820, "€8.20"),
    ("KWD", "19.990", 19990, "KWD\xa019.990"),
    ("KWD", "1.010", 1010, "KWD\xa01.010"),
    ("JPY", "1999", 1999, "¥1,999"),
]


@pytest.mark.parametrize(("currency", "typed", "minor", "written"), AS_TYPED)
def test_what_is_typed_on_our_page_is_charged_booked_and_receipted_to_the_last_digit(
    house: House, reader: Client, mailoutbox: list[Any], currency: str, typed: str, minor: int, written: str
) -> None:
    """19.99 becomes 1998 on the way through a float, or a hundred times too much in yen."""
    page = open_page(reader, f"{PAGE}?interval=once&currency={currency}")
    filled = {f"amount_{currency}_once": "other", f"other_{currency}_once": typed, "email": "ada@example.org"}
    answer = send(reader, page, **filled)
    check_to_the_last_digit(house, answer.headers["Location"].rsplit("/", 1)[1], currency, minor)
    assert written in mailoutbox[0].body


@pytest.mark.parametrize("interval", ["once", "month"])
@pytest.mark.parametrize(("currency", "minor"), [("USD", 1999), ("USD", 435), ("KWD", 19990), ("JPY", 1999)])
def test_what_the_api_is_told_is_charged_booked_and_told_again_to_the_last_digit(
    house: House, currency: str, minor: int, interval: str
) -> None:
    """The amount is multiplied by a hundred once more, or read as whole dollars."""
    answer = house.begin(currency=currency, amount=minor, interval=interval)
    check_to_the_last_digit(house, session_of(answer), currency, minor)
    assert house.status(answer)["amount"] == minor


@pytest.mark.parametrize("amount", ["19.99", 19.99, "1e3", True, [1999]], ids=repr)
def test_an_amount_that_is_no_whole_number_of_cents_is_refused_and_not_rounded(
    house: House, amount: Any
) -> None:
    """A text or a fraction is cut to what fits, and the reader pays something else than the page said."""
    assert house.give(amount=amount).status_code == 400
    assert not Contribution.objects.exists()


def check_to_the_last_digit(house: House, session: str, currency: str, minor: int) -> None:
    assert house.stripe.account.objects[session]["amount_total"] == minor
    house.stripe.pay(session)
    house.catch_up()

    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.currency) == (minor, currency)
    assert newest(house, "charge")["amount"] == minor
    assert queries.get_books()[currency]["charges"] == {"count": 1, "amount": minor}
    house.assert_books_agree()
