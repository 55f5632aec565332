"""Whoever gave twice by accident is asked once, and can undo it with one press (issue: "Never twice")."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from donations import doubles, links
from donations.models import ChargeTrace, DoubleCharge, Payment, Refund, Subscription
from members import clock
from members.models import Membership, Message
from tests.house import House, session_of

pytestmark = pytest.mark.django_db

State = DoubleCharge.State


def asked() -> list[Message]:
    return list(Message.objects.filter(kind=doubles.SECOND_CHARGE))


def question(house: House) -> str:
    """The path of the page that the mail leads to."""
    [message] = asked()
    return str(message.context["undo_url"]).split("testserver", 1)[-1].replace("http://localhost:8000", "")


def page_of(notice: DoubleCharge) -> str:
    return reverse("support:double", args=[links.double_page(notice).rstrip("/").rsplit("/", 1)[1]])


def twice(house: House, **second: Any) -> DoubleCharge:
    """A form sent twice, past the widget's own guard, both paid."""
    house.give_and_pay(amount=2500)
    house.give_and_pay(**{"amount": 2500, **second})
    return DoubleCharge.objects.get()


def test_a_form_that_was_sent_twice_is_asked_about_once(house: House) -> None:
    notice = twice(house)

    [message] = asked()
    assert notice.second.paid_at >= notice.first.paid_at
    assert message.state == Message.State.SENT
    assert (message.context["first_text"], message.context["second_text"]) == ("$25.00", "$25.00")
    house.advance(days=1)
    assert len(asked()) == 1


def test_two_plans_of_one_reader_are_noticed(house: House) -> None:
    notice = twice(house, interval="month", amount=700)
    house.give_and_pay(interval="month", amount=700)

    assert DoubleCharge.objects.count() == 2
    assert notice.match == DoubleCharge.Match.MEMBER


def test_the_same_card_with_another_address_is_noticed_and_tells_nothing_of_the_other(house: House) -> None:
    house.give_and_pay(email="one@example.org", amount=4200)
    house.give_and_pay(email="two@example.org", amount=2500)

    notice = DoubleCharge.objects.get()
    [message] = asked()
    assert notice.match == DoubleCharge.Match.CARD
    assert message.recipient == "two@example.org"
    assert "42" not in " ".join(message.context.values()).replace(message.context["undo_url"], "")


def test_another_card_and_another_address_are_two_readers(house: House) -> None:
    house.give_and_pay(email="one@example.org")
    house.give_and_pay(email="two@example.org", card="5555555555554444")

    assert not DoubleCharge.objects.exists()


def test_a_renewal_and_a_gift_after_days_are_no_accident(house: House) -> None:
    house.give_and_pay(interval="month", amount=700)
    house.advance(days=30)
    house.give_and_pay(amount=2500)  # the day before the renewal
    house.advance(days=2)
    assert Payment.objects.filter(is_renewal=True).exists()
    house.advance(days=2)
    house.give_and_pay(amount=2500)

    assert not DoubleCharge.objects.exists()


def test_it_can_be_switched_off(house: House, settings: Any) -> None:
    settings.DOUBLE_CHARGE_DAYS = 0
    house.give_and_pay()
    house.give_and_pay()

    assert not DoubleCharge.objects.exists()
    assert not ChargeTrace.objects.exists()


def test_a_gift_that_was_given_back_before_is_not_asked_about(house: House) -> None:
    house.give_and_pay()
    house.stripe.refund(house.stripe.account.all("charge")[0]["id"])
    house.give_and_pay()

    assert not DoubleCharge.objects.exists()


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_of_events_the_same_is_noticed_once(house: House, seed: int) -> None:
    for minutes in (0, 5, 5):
        house.stripe.advance(timedelta(minutes=minutes))
        house.stripe.pay(session_of(house.begin(amount=2500)))
    intents = [payment["id"] for payment in house.stripe.account.all("payment_intent")]
    webhooks = house.stripe.take_webhooks() * 2
    random.Random(seed).shuffle(webhooks)
    for webhook in webhooks:
        house.deliver([webhook])
        house.work()

    seconds = DoubleCharge.objects.values_list("second__stripe_payment_intent_id", flat=True)
    assert len(asked()) == 2
    assert len(set(seconds)) == 2
    first = Payment.objects.order_by("paid_at").first()
    assert first is not None
    assert first.stripe_payment_intent_id not in seconds
    assert set(seconds) < set(intents)


def test_undoing_gives_the_second_back_and_leaves_the_first(house: House, client: Client) -> None:
    notice = twice(house)

    page = client.post(page_of(notice), {"act": "undo"}).content.decode()
    house.catch_up()

    notice.refresh_from_db()
    assert "The second gift is undone" in page
    assert notice.state == State.UNDONE
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount_minor, refund.reason) == (notice.second, 2500, "duplicate")
    assert not Payment.objects.get(pk=notice.first_id).refunded_minor
    assert Message.objects.filter(kind="refunded").count() == 1
    house.assert_books_agree()


def test_undoing_a_plan_ends_it_and_the_membership_with_it(house: House, client: Client) -> None:
    notice = twice(house, interval="month", amount=700)

    client.post(page_of(notice), {"act": "undo"})
    house.catch_up()

    assert Subscription.objects.get().state == Subscription.State.CANCELLED
    [membership] = Membership.objects.all()
    assert membership.ends_at is not None
    assert membership.ends_at <= clock.now()
    house.assert_books_agree()


def test_pressing_twice_gives_back_once(house: House, client: Client) -> None:
    notice = twice(house)

    pages = [client.post(page_of(notice), {"act": "undo"}) for _ in range(3)]
    house.catch_up()

    assert {page.status_code for page in pages} == {200}
    assert Refund.objects.count() == len(house.stripe.account.all("refund")) == 1


def test_a_look_at_the_page_changes_nothing(house: House, client: Client) -> None:
    """Programs that check mails follow every link."""
    notice = twice(house)

    for _ in range(3):
        assert "Did you mean to give twice?" in client.get(page_of(notice)).content.decode()
    client.head(page_of(notice))

    notice.refresh_from_db()
    assert notice.state == State.OPEN
    assert not house.stripe.account.all("refund")


def test_whoever_meant_both_says_so_and_can_still_change_their_mind(house: House, client: Client) -> None:
    notice = twice(house)

    assert "Thank you for both!" in client.post(page_of(notice), {"act": "keep"}).content.decode()
    notice.refresh_from_db()
    assert notice.state == State.KEPT
    client.post(page_of(notice), {"act": "undo"})
    house.catch_up()

    assert Refund.objects.count() == 1
    page = client.post(page_of(notice), {"act": "keep"}).content.decode()
    assert "The second gift is undone" in page


def test_with_stripe_away_it_is_undone_as_soon_as_stripe_is_back(house: House, client: Client) -> None:
    notice = twice(house)
    house.stripe.fault(call="POST /v1/refunds", kind="server_error", times=3)

    page = client.post(page_of(notice), {"act": "undo"}).content.decode()
    assert "We are undoing the second gift" in page
    house.advance(minutes=30)

    notice.refresh_from_db()
    assert notice.state == State.UNDONE
    assert len(house.stripe.account.all("refund")) == 1
    house.advance(minutes=10)
    house.assert_books_agree()


def test_an_answer_that_was_lost_does_not_give_back_twice(house: House, client: Client) -> None:
    notice = twice(house)
    house.stripe.fault(call="POST /v1/refunds", kind="lost_answer", times=3)

    client.post(page_of(notice), {"act": "undo"})
    house.advance(minutes=30)

    notice.refresh_from_db()
    assert notice.state == State.UNDONE
    assert len(house.stripe.account.all("refund")) == 1


def test_what_stripe_refuses_is_said_and_shown_to_staff(
    house: House, client: Client, admin_client: Client
) -> None:
    notice = twice(house)
    second = notice.second.stripe_charge_id
    house.stripe.dispute(second)

    page = client.post(page_of(notice), {"act": "undo"}).content.decode()

    assert "This needs a person" in page
    listed = admin_client.get(reverse("admin:donations_doublecharge_changelist"), {"state": "REFUSED"})
    assert str(notice) in listed.content.decode() or "REFUSED" in listed.content.decode()


@pytest.mark.parametrize("ending", ["cut", "longer", "made up"])
def test_a_link_that_was_cut_or_made_up_is_refused_in_words(
    house: House, client: Client, ending: str
) -> None:
    notice = twice(house)
    token = links.double_page(notice).rstrip("/").rsplit("/", 1)[1]

    answer = client.post(
        reverse("support:double", args=[{"cut": token[:-4], "longer": token + "x"}.get(ending, "nonsense")]),
        {"act": "undo"},
    )

    assert answer.status_code == 400
    assert "This link is not complete" in answer.content.decode()
    assert not house.stripe.account.all("refund")


def test_a_link_for_another_purpose_does_not_undo(house: House, client: Client) -> None:
    twice(house, interval="month", amount=700)
    other = links.stop_page(Subscription.objects.get()).rstrip("/").rsplit("/", 1)[1]

    assert client.post(reverse("support:double", args=[other]), {"act": "undo"}).status_code == 400


def test_the_link_ends_after_two_weeks(house: House, client: Client, monkeypatch: Any) -> None:
    notice = twice(house)
    address = page_of(notice)
    monkeypatch.setattr(links, "DOUBLE", replace(links.DOUBLE, life=timedelta(seconds=-1)))

    answer = client.post(address, {"act": "undo"})

    assert answer.status_code == 410
    assert "14 days" in answer.content.decode()


def test_what_is_remembered_of_a_card_is_a_hash_and_is_forgotten(house: House) -> None:
    house.give_and_pay()
    [trace] = ChargeTrace.objects.all()
    [charge] = house.stripe.account.all("charge")
    fingerprint = charge["payment_method_details"]["card"]["fingerprint"]
    assert trace.card_hash
    assert fingerprint not in trace.card_hash

    doubles.forget_traces(now=clock.now() + timedelta(days=18))

    assert not ChargeTrace.objects.exists()
