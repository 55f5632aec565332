"""
A process can die between any two steps, and no reader pays twice or goes without a receipt.

Each piece of work is first walked through to count its steps, then done as many times, dying one step later each
time; then the client asks again, Stripe tells again, the sweeps run twice, and the end must be as if nothing had
happened: some 250 deaths in all (RELIABILITY.md: I19, F8, F12).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from donations import inbox, queries, services
from donations.models import Contribution, Payment
from members import clock, outbox
from members.models import Message
from tests.crashing import Process, steps_of
from tests.house import House, session_of

pytestmark = pytest.mark.django_db(transaction=True)

CARD_THAT_FAILS_LATER = "4000000000000341"
LEASES_ARE_OVER = timedelta(minutes=7)


def a_reader(number: int) -> str:
    return f"ada{number}@example.org"


def a_card(number: int) -> str:
    """A card of their own: readers with the same one would be asked whether they gave twice."""
    digits = f"42424242{number:07}"
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(digits)]
    return digits + str(-sum(value - 9 * (value > 9) for value in doubled) % 10)


def sweep(house: House) -> None:
    """Time passes, so that the leases of dead workers run out; then every sweep runs twice."""
    house.stripe.advance(LEASES_ARE_OVER)
    # Leases on mail go by the database's clock, which no test can move.
    Message.objects.filter(state="SENDING").update(leased_until=clock.now() - timedelta(days=1))
    for _ in range(2):
        house.catch_up()


def outcome(answer: dict[str, Any]) -> dict[str, Any]:
    """What a reader and an accountant see of one contribution, without ids and moments."""
    row = Contribution.objects.get(public_id=answer["id"])
    mails = Message.objects.filter(member=row.member) if row.member else Message.objects.none()
    return {
        "status": queries.get_contribution(row.public_id).status,
        "checkout": row.checkout_state,
        "problem": row.checkout_problem,
        "payments": sorted(
            Payment.objects.filter(contribution=row).values_list(
                "state",
                "amount_minor",
                "refunded_minor",
                "fee_minor",
                "net_minor",
                "failure_code",
                "is_renewal",
            )
        ),
        "subscription": row.subscription.state if hasattr(row, "subscription") else "",
        "steps": sorted(row.member.memberships.values_list("steps__kind", "tier__slug"))
        if row.member
        else [],
        "mails": sorted(mails.values_list("kind", "state")),
    }


def sessions_of(house: House, answer: dict[str, Any]) -> list[str]:
    """The ids of all pages that Stripe opened for one contribution."""
    found = house.stripe.account.all("checkout.session")
    return [item["id"] for item in found if item["client_reference_id"] == answer["id"]]


# --- Beginning to give


@pytest.mark.parametrize("interval", ["once", "month"])
def test_a_crash_while_somebody_begins_to_give_costs_a_second_try_at_most(house, interval):
    def ask(number: int) -> Any:
        return house.give(
            key=f"key-{number}", interval=interval, email=a_reader(number), newsletter_consent=True
        )

    steps = steps_of(lambda: ask(0))
    assert any(step.startswith("POST /v1/checkout/sessions") for step in steps), steps
    answers = []
    for number in range(1, len(steps) + 2):
        process = Process(die_before=number - 1)
        process.run(lambda number=number: ask(number))
        assert process.is_dead == (number <= len(steps)), number

        [first, second] = [ask(number), ask(number)]
        assert first.status_code == 201, first.content
        assert first.json() == second.json()
        answers.append(first.json())
        house.stripe.pay(session_of(first.json()), card=a_card(number))
    house.catch_up()

    assert [len(sessions_of(house, answer)) for answer in answers] == [1] * len(answers)
    # One row for each key: none was written twice, and none was left behind.
    assert Contribution.objects.filter(checkout_state="COMPLETED").count() == len(answers)
    assert Contribution.objects.count() == len(answers) + 1
    expected = outcome(answers[-1])
    assert [outcome(answer) for answer in answers] == [expected] * len(answers)
    assert expected["status"] == ("paid" if interval == "once" else "active")
    house.assert_books_agree()


# --- Hearing of an event


def test_a_crash_while_an_event_is_taken_in_loses_it_to_nobody(house):
    def tell(number: int) -> Any:
        answer = house.begin(email=a_reader(number))
        house.stripe.pay(session_of(answer), card=a_card(number))
        return answer, house.stripe.take_webhooks()

    _, letters = tell(0)
    steps = steps_of(lambda: house.deliver(letters))
    answers = []
    for number in range(1, len(steps) + 2):
        answer, letters = tell(number)
        Process(die_before=number - 1).run(lambda letters=letters: house.deliver(letters))
        house.deliver(letters)  # whatever got no answer is told again; here, all of it
        answers.append(answer)
    sweep(house)

    assert [outcome(answer) for answer in answers] == [outcome(answers[-1])] * len(answers)
    house.assert_books_agree()


# --- Acting on events


def once(house: House, number: int) -> dict[str, Any]:
    answer = house.begin(email=a_reader(number), name="Ada", newsletter_consent=True)
    house.stripe.pay(session_of(answer), card=a_card(number))
    return answer


def monthly(house: House, number: int) -> dict[str, Any]:
    answer = house.begin(email=a_reader(number), interval="month", amount=500, cover_fees=True)
    house.stripe.pay(session_of(answer), card=a_card(number))
    return answer


def refunded(house: House, number: int) -> dict[str, Any]:
    answer = once(house, number)
    intent = house.stripe.account.objects[session_of(answer)]["payment_intent"]
    house.stripe.refund(house.stripe.account.objects[intent]["latest_charge"], amount=1000)
    return answer


def act(house: House) -> None:
    inbox.process_waiting(now=clock.now())


JOURNEYS: list[Callable[[House, int], dict[str, Any]]] = [monthly, refunded]


def test_a_crash_between_any_two_steps_of_acting_on_a_gift_changes_nothing_in_the_end(house):
    points = die_everywhere(house, once, before=lambda step: True)
    assert points >= 45, f"{points} points"


@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_crash_before_any_change_of_a_longer_journey_changes_nothing_in_the_end(house, journey):
    # To die before a step that only reads is to die after the change before it.
    points = die_everywhere(house, journey, before=lambda step: not step.startswith(("SELECT", "GET")))
    assert points >= 40, f"{points} points"


def die_everywhere(
    house: House, journey: Callable[[House, int], dict[str, Any]], *, before: Callable[[str], bool]
) -> int:
    """Play a journey again and again, dying before each of these steps and after the last; how many times."""

    def hear(number: int) -> dict[str, Any]:
        answer = journey(house, number)
        house.deliver(house.stripe.take_webhooks())
        return answer

    untouched = hear(0)
    steps = steps_of(lambda: act(house))
    sweep(house)
    expected = outcome(untouched)
    points = [number for number, step in enumerate(steps) if before(step)] + [len(steps)]
    for number in points:
        answer = hear(number + 1)
        process = Process(die_before=number)
        process.run(lambda: act(house))
        assert process.is_dead == (number < len(steps)), f"{number} of {len(steps)}"

        sweep(house)
        assert outcome(answer) == expected, f"died before step {number}: {steps[number : number + 1]}"
    house.assert_books_agree()
    return len(points)


# --- Taking up a new card, which asks Stripe to charge


def test_a_crash_while_a_new_card_is_taken_up_charges_it_once(house):
    readers = 30
    stripe_itself = stripe.StripeClient(
        "sk_test_newsroom", base_addresses={"api": house.stripe.account.public_url}
    )
    answers = [monthly(house, number) for number in range(readers)]
    for subscription in house.stripe.account.all("subscription"):
        house.stripe.change_card(subscription["id"], CARD_THAT_FAILS_LATER)
    house.advance(days=33)
    assert {queries.get_contribution(answer["id"]).status for answer in answers} == {"past_due"}

    def give_another_card(answer: dict[str, Any]) -> None:
        customer = Contribution.objects.get(public_id=answer["id"]).stripe_customer_id
        method = stripe_itself.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        stripe_itself.v1.customers.update(
            customer, {"invoice_settings": {"default_payment_method": method.id}}
        )
        house.deliver(house.stripe.take_webhooks())

    give_another_card(answers[0])
    steps = steps_of(lambda: act(house))
    assert [step for step in steps if step.startswith("POST /v1/invoices")], steps
    sweep(house)
    expected = outcome(answers[0])
    assert expected["status"] == "active"
    points = [number for number, step in enumerate(steps) if not step.startswith(("SELECT", "GET"))]
    for number, answer in zip([*points, len(steps)], answers[1:], strict=False):
        give_another_card(answer)
        Process(die_before=number).run(lambda: act(house))
        sweep(house)
        assert outcome(answer) == expected, f"died before step {number}: {steps[number : number + 1]}"
    assert 8 <= len(points) < readers - 1
    house.assert_books_agree()


# --- Fees and mail


def test_a_crash_while_fees_are_fetched_leaves_no_payment_without_its_fee(house):
    def wait_for_fees(number: int) -> dict[str, Any]:
        answer = once(house, number)
        house.deliver(house.stripe.take_webhooks())
        act(house)
        return answer

    def settle() -> int:
        return services.settle(now=clock.now())

    untouched = wait_for_fees(0)
    steps = steps_of(settle)
    sweep(house)
    for number in range(1, len(steps) + 2):
        answer = wait_for_fees(number)
        Process(die_before=number - 1).run(settle)
        sweep(house)
        assert outcome(answer) == outcome(untouched), f"died before step {number - 1} of {steps}"
    house.assert_books_agree()


def test_a_crash_while_mail_goes_out_sends_no_second_message(house, mailoutbox):
    def owe(number: int) -> dict[str, Any]:
        answer = monthly(house, number)
        house.deliver(house.stripe.take_webhooks())
        act(house)
        return answer

    def deliver() -> outbox.Delivered:
        return outbox.deliver_due(now=clock.now())

    owe(0)
    steps = steps_of(deliver)
    assert steps.count("MAIL") == 2  # a receipt and a welcome
    for number in range(1, len(steps) + 2):
        owe(number)
        mailoutbox.clear()
        Process(die_before=number - 1).run(deliver)
        sweep(house)

        # A reader's program shows two copies under one Message-ID as one message.
        seen = {mail.extra_headers["Message-ID"] for mail in mailoutbox}
        assert len(seen) == 2, f"died before step {number - 1} of {steps}"
        assert len(mailoutbox) <= 3
        assert {mail.to[0] for mail in mailoutbox} == {a_reader(number)}
        assert not Message.objects.exclude(state="SENT").exists()
