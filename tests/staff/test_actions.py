"""What staff do for a reader, from the button to Stripe and back to the books."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from donations import offline, wishes
from donations.models import Campaign, Payment, Refund, StripeEvent, Subscription
from donations.money import Money
from members import audit, clock
from members.models import AuditEntry, Member, Membership, Message, StaffNote
from tests.house import House

WHY = "Grace wrote to us on Monday."
Desk = Callable[[str], Client]


def press(client: Client, slug: str, row: Any, **fields: str) -> Any:
    """Open the form, fill it in as shown, and send it."""
    address = f"/admin/do/{slug}/{row.pk}/"
    page = client.get(address)
    assert page.status_code == 200, page
    shown = dict(re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"', page.content.decode()))
    shown |= re.findall(r'<select name="(\w+)"[^>]*>\s*<option value="(\w*)"', page.content.decode())
    return client.post(address, {**shown, "why": WHY, **fields}, follow=True)


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def log() -> list[tuple[str, str]]:
    kept = AuditEntry.objects.exclude(act__in=["LOOKED"]).order_by("number")
    return [(entry.act, entry.what) for entry in kept]


@pytest.fixture
def payment(grace: Member) -> Payment:
    return Payment.objects.get()


@pytest.fixture
def plan(grace: Member) -> Subscription:
    return Subscription.objects.get()


def test_a_payment_is_given_back_whole(house: House, payment: Payment, desk_of: Desk) -> None:
    answer = press(desk_of("finance"), "refund", payment)
    assert "Stripe gives USD 5.00 back" in said(answer)
    payment.refresh_from_db()
    assert payment.refunded_minor == 0, "the books wait for Stripe's word"

    house.catch_up()
    payment.refresh_from_db()
    assert payment.refunded_minor == 500
    assert Refund.objects.get().reason == "requested_by_customer"
    assert Message.objects.filter(kind="refunded").exists()
    assert log() == [("ASKED", "refund"), ("DONE", "refund")]
    house.assert_books_agree()


def test_a_cheque_is_not_given_back_through_stripe(house: House, grace: Member, desk_of: Desk) -> None:
    entry = offline.Entry(
        campaign=Campaign.objects.get(),
        amount=Money(2000, "USD"),
        received_on=clock.now().date(),
        method="CHEQUE",
        email=grace.email,
    )
    cheque = offline.record_offline_gift(
        entry, key=uuid.uuid4(), with_receipt=True, actor="staff:1", now=clock.now()
    ).payment
    fina = desk_of("finance")
    assert f"/refund/{cheque.pk}/" not in fina.get(f"/admin/person/{grace.pk}/").content.decode()

    answer = press(fina, "refund", cheque)

    assert "void it under Offline gifts" in answer.content.decode()
    assert not Refund.objects.exists()


def test_a_part_is_given_back_and_then_no_more_than_the_rest(
    house: House, payment: Payment, desk_of: Desk
) -> None:
    fina = desk_of("finance")
    press(fina, "refund", payment, amount="2.00", reason="duplicate")
    house.catch_up()
    assert 'value="3.00"' in fina.get(f"/admin/do/refund/{payment.pk}/").content.decode()
    answer = press(fina, "refund", payment, amount="3.01")
    assert "Between nothing and USD 3.00" in answer.content.decode()
    assert Refund.objects.get().amount_minor == 200
    assert log()[-1] == ("REFUSED", "refund")


def test_pressing_twice_gives_back_once(house: House, payment: Payment, desk_of: Desk) -> None:
    fina = desk_of("finance")
    address = f"/admin/do/refund/{payment.pk}/"
    page = fina.get(address).content.decode()
    shown = dict(re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"', page))
    wish = {**shown, "amount": "1.00", "reason": "duplicate", "why": WHY}
    fina.post(address, wish)
    fina.post(address, wish)
    house.catch_up()
    assert Refund.objects.get().amount_minor == 100


def test_what_stripe_refuses_is_told_in_its_words_and_changes_nothing(
    house: House, payment: Payment, desk_of: Desk
) -> None:
    """The same payment was given back at Stripe's own pages meanwhile, and we have not heard of it."""
    charge = next(key for key, row in house.stripe.account.objects.items() if row["object"] == "charge")
    house.stripe.controls.refund(charge, 500)
    answer = press(desk_of("finance"), "refund", payment)
    page = answer.content.decode()
    assert "already been refunded" in page
    assert "Nothing was changed." in page
    assert not Refund.objects.exists()
    assert log() == [("ASKED", "refund"), ("REFUSED", "refund")]


def test_a_disputed_payment_is_not_given_back_as_well(house: House, payment: Payment, desk_of: Desk) -> None:
    charge = next(key for key, row in house.stripe.account.objects.items() if row["object"] == "charge")
    house.stripe.controls.dispute(charge)
    house.catch_up()
    answer = press(desk_of("finance"), "refund", payment)
    assert "answer the dispute instead" in answer.content.decode()


def test_a_contribution_is_ended_and_goes_on_after_all(
    house: House, plan: Subscription, desk_of: Desk
) -> None:
    sam = desk_of("support")
    assert "No further payment is taken" in said(press(sam, "stop", plan))
    house.catch_up()
    plan.refresh_from_db()
    assert plan.cancel_at is not None
    press(sam, "keep", plan)
    house.catch_up()
    plan.refresh_from_db()
    assert plan.cancel_at is None


def test_a_contribution_is_paused_until_a_day_and_resumed_before(
    house: House, plan: Subscription, desk_of: Desk
) -> None:
    sam = desk_of("support")
    until = clock.now().date() + timedelta(days=60)
    assert "Paused until the end of" in said(press(sam, "pause", plan, until=f"{until}"))
    house.catch_up()
    plan.refresh_from_db()
    assert plan.state == Subscription.State.PAUSED
    assert plan.pause_resumes_at is not None
    assert plan.pause_resumes_at.date() == until + timedelta(days=1)

    house.advance(days=35)
    assert Payment.objects.count() == 1, "nothing is taken during a pause"
    press(sam, "resume", plan)
    house.advance(days=31)
    assert Payment.objects.filter(state="SUCCEEDED").count() == 2
    house.assert_books_agree()


@pytest.mark.parametrize("until", ["2020-01-01", "2036-01-01"])
def test_a_pause_ends_within_a_year(plan: Subscription, desk_of: Desk, until: str) -> None:
    answer = press(desk_of("support"), "pause", plan, until=until)
    assert "within the next year" in answer.content.decode()


def test_the_amount_changes_from_the_next_payment_on(house: House, plan: Subscription, desk_of: Desk) -> None:
    press(desk_of("support"), "change-amount", plan, amount="7,50")
    house.catch_up()
    plan.refresh_from_db()
    assert plan.amount_minor == 750
    house.advance(days=32)
    assert Payment.objects.order_by("-paid_at")[0].amount_minor == 750


@pytest.mark.parametrize(
    ("amount", "words"), [("x", "not an amount"), ("5.00", "already"), ("0.01", "cannot be charged")]
)
def test_an_amount_that_cannot_be_is_refused_in_words(
    plan: Subscription, desk_of: Desk, amount: str, words: str
) -> None:
    answer = press(desk_of("support"), "change-amount", plan, amount=amount)
    assert words in answer.content.decode()


def test_a_receipt_is_sent_again_to_the_address_of_now(house: House, payment: Payment, desk_of: Desk) -> None:
    press(desk_of("support"), "resend-receipt", payment)
    house.work()
    first, again = Message.objects.filter(kind="receipt").order_by("owed_at")
    assert again.state == Message.State.SENT
    assert again.context == first.context
    assert again.recipient == first.recipient


def test_a_membership_is_given_until_a_day_and_ended(grace: Member, desk_of: Desk) -> None:
    from members.models import Tier

    sam = desk_of("support")
    until = clock.now().date() + timedelta(days=90)
    press(sam, "give-membership", grace, tier=str(Tier.objects.all()[0].pk), until=f"{until}")
    given = Membership.objects.get(source_kind="COMPLIMENTARY")
    assert StaffNote.objects.get().text == WHY
    assert StaffNote.objects.get().actor.startswith("staff:")
    press(sam, "end-membership", given)
    given.refresh_from_db()
    assert given.ended_at is not None


def test_an_event_that_waits_is_acted_on_again(house: House, grace: Member, desk_of: Desk) -> None:
    event = StripeEvent.objects.filter(state="PROCESSED")[0]
    fina = desk_of("finance")
    assert "waits its turn" in press(fina, "replay", event).content.decode()
    StripeEvent.objects.filter(pk=event.pk).update(state="PARKED", waits_for="sub_unknown")
    press(fina, "replay", event)
    house.work()
    event.refresh_from_db()
    assert event.state == "PROCESSED"


def test_the_log_names_who_asked_and_keeps_the_reason_sealed(payment: Payment, desk_of: Desk) -> None:
    press(desk_of("finance"), "refund", payment)
    entry = AuditEntry.objects.get(act="ASKED")
    assert entry.actor.startswith("staff:")
    assert entry.subject == f"donations.payment:{payment.pk}"
    assert entry.member_id == payment.contribution.member_id
    assert entry.facts == {"amount": "5.00", "currency": "USD", "reason": "requested_by_customer"}
    assert entry.reason.text == WHY
    assert audit.verify().broken_at is None


def test_no_action_goes_without_a_reason(payment: Payment, desk_of: Desk) -> None:
    answer = press(desk_of("finance"), "refund", payment, why=" ")
    assert "This field is required" in answer.content.decode()
    assert log() == []


def test_who_asked_for_a_change_stands_in_the_story(house: House, plan: Subscription, desk_of: Desk) -> None:
    sam = desk_of("support")
    press(sam, "change-amount", plan, amount="7,50")
    house.catch_up()
    wishes.pause(plan.contribution, payments=1, by=wishes.LINK, now=clock.now())
    house.catch_up()
    page = sam.get(f"/admin/person/{plan.contribution.member_id}/").content.decode()
    assert "Asked for a change: amount" in page
    assert "USD 5.00 / month → USD 7.50 / month" in page
    assert "by a mail&#x27;s link" in page
    assert Message.objects.filter(kind="contribution_changed", state="SENT").count() == 2
    listed = sam.get("/admin/donations/contributionchange/", {"instead_of_stopping__exact": "0"})
    assert listed.status_code == 200
    assert desk_of("editor").get("/admin/donations/contributionchange/").status_code == 403
