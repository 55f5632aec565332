"""A reader gives: once, monthly, annually; from the API to the books."""

from __future__ import annotations

from uuid import UUID

import pytest

from donations import queries
from donations.models import Contribution, Payment, StripeEvent
from members import clock
from members import services as members_services
from members.models import Consent, Member, Membership
from sandbox.errors import StripeError
from tests import factories
from tests.checked import CheckedSandbox
from tests.house import House, session_of

PLEASANT = ("receipt", "welcome", "contribution_changed")


def receipts(mailoutbox):
    return [mail for mail in mailoutbox if "eceipt" in mail.subject]


def test_ada_gives_once_and_gets_one_receipt(house, mailoutbox):
    answer = house.give_and_pay(interval="once", amount=2500)

    assert house.status(answer)["status"] == "paid"
    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.currency, payment.state) == (2500, "USD", "SUCCEEDED")
    assert (payment.fee_minor, payment.net_minor) == (103, 2397)
    assert Member.objects.get().email == "ada@example.org"
    assert [mail.to for mail in receipts(mailoutbox)] == [["ada@example.org"]]
    assert not Membership.objects.exists()
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["month", "year"])
def test_grace_gives_again_and_again_and_is_a_member(house, mailoutbox, interval):
    answer = house.give_and_pay(interval=interval, amount=5000, email="grace@example.org")

    standing = house.status(answer)
    assert standing["status"] == "active"
    assert standing["next_payment_at"] is not None
    membership = Membership.objects.get()
    assert membership.tier.slug == ("patron" if interval == "month" else "supporter")
    assert len(receipts(mailoutbox)) == 1
    house.assert_books_agree()
    assert not Contribution.objects.exclude(checkout_state="COMPLETED").exists()
    assert not StripeEvent.objects.filter(state="PARKED").exists()


@pytest.mark.parametrize(
    ("currency", "amount", "interval"),
    [
        ("EUR", 1000, "once"),
        ("JPY", 1000, "once"),
        ("JPY", 800, "month"),
        ("KWD", 5000, "once"),
        ("KWD", 10000, "year"),
        ("UGX", 1000000, "once"),
    ],
)
def test_every_kind_of_currency_arrives_to_the_last_unit(house, currency, amount, interval):
    house.give_and_pay(currency=currency, amount=amount, interval=interval)

    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.currency) == (amount, currency)
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["once", "month"])
def test_a_reader_who_covers_the_fee_is_told_both_parts(house, mailoutbox, interval):
    answer = house.give_and_pay(interval=interval, amount=200, cover_fees=True)

    assert (answer["amount"], answer["fee_cover"]) == (200, 37)
    payment = Payment.objects.get()
    assert payment.amount_minor == 237
    assert payment.net_minor == 200
    [receipt] = receipts(mailoutbox)
    assert "$2.37" in receipt.body
    assert "$0.37" in receipt.body
    house.assert_books_agree()


def test_a_declined_card_leaves_the_gift_open_and_the_next_card_pays_it(house, mailoutbox):
    answer = house.begin(interval="month", amount=500)
    with pytest.raises(StripeError):
        house.stripe.pay(session_of(answer), card="4000000000000002")
    house.catch_up()
    assert house.status(answer)["status"] == "pending"

    house.stripe.pay(session_of(answer))
    house.catch_up()

    assert house.status(answer)["status"] == "active"
    assert len(receipts(mailoutbox)) == 1
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["once", "month"])
def test_a_bank_debit_is_thanked_for_when_it_has_arrived(house, mailoutbox, interval):
    answer = house.give_and_pay(method="bank_debit", interval=interval, currency="EUR", amount=1000)
    assert house.status(answer)["status"] == "processing"
    assert not receipts(mailoutbox)

    house.advance(days=8)

    assert house.status(answer)["status"] == ("paid" if interval == "once" else "active")
    assert len(receipts(mailoutbox)) == 1
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["once", "month"])
def test_a_bank_debit_that_bounces_is_no_gift(house, mailoutbox, interval):
    answer = house.give_and_pay(method="bank_debit", interval=interval, currency="EUR", amount=1000)
    [intent] = house.stripe.account.all("payment_intent")
    house.stripe.controls.settle(intent["id"], paid=False)
    house.catch_up()

    assert house.status(answer)["status"] == "failed"
    assert not receipts(mailoutbox)
    assert not Member.objects.exists()
    house.assert_books_agree()


def test_a_page_that_is_left_unpaid_expires(house):
    answer = house.begin(interval="once")
    house.advance(hours=2)

    assert house.status(answer)["status"] == "expired"
    assert not Member.objects.exists()


def test_a_renewal_is_booked_receipted_and_prolongs_the_membership(house, mailoutbox):
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    before = Membership.objects.get().paid_through

    house.advance(days=32)

    membership = Membership.objects.get()
    assert membership.paid_through > before
    assert list(membership.steps.values_list("kind", flat=True)) == ["STARTED", "RENEWED"]
    assert len(receipts(mailoutbox)) == 2
    house.assert_books_agree()


def test_a_renewal_that_fails_is_told_with_a_link_that_mends_it(house, api, mailoutbox, settings):
    answer = house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    [subscription] = house.stripe.account.all("subscription")
    house.stripe.controls.change_card(subscription["id"], "4000000000000341")

    house.advance(days=32)

    assert house.status(answer)["status"] == "past_due"
    [mail] = [mail for mail in mailoutbox if "/support/card/" in mail.body]
    link = mail.body.split(settings.PUBLIC_BASE_URL)[1].split()[0]
    assert api.get(link).status_code == 200
    leads_to = api.post(link)
    assert leads_to.status_code == 303
    assert leads_to["Location"].startswith(settings.STRIPE_API_BASE)
    assert Member.objects.count() == 1


@pytest.mark.parametrize("in_turn", [(1, 2), (2, 1)])
def test_two_memberships_that_begin_in_one_second_are_welcomed_once(
    house_out_of_time, mailoutbox, monkeypatch, in_turn
):
    ids = iter([UUID(int=number) for number in in_turn])
    monkeypatch.setattr(Contribution._meta.get_field("public_id"), "_get_default", lambda: next(ids))
    for _ in in_turn:
        house_out_of_time.give_and_pay(interval="month", amount=500, email="grace@example.org")

    assert len(set(Membership.objects.values_list("started_at", flat=True))) == 1
    assert [mail.kind for mail in mailoutbox].count("welcome") == 1


def test_a_membership_ends_kindly_when_no_card_works_any_more(house, mailoutbox):
    answer = house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    [subscription] = house.stripe.account.all("subscription")
    house.stripe.controls.change_card(subscription["id"], "4000000000000341")

    house.advance(days=70)
    members_services.end_due_memberships(now=clock.now())
    house.work()

    assert house.status(answer)["status"] == "cancelled"
    assert Membership.objects.get().ended_at is not None
    # Two months of news at once: nobody is asked for a card that cannot help any more, nor told of the end twice.
    assert [mail.kind for mail in mailoutbox if mail.kind not in PLEASANT] == ["payment_lapsed"]
    [lapsed] = [mail for mail in mailoutbox if mail.kind == "payment_lapsed"]
    assert "/support/again/" in lapsed.body
    house.assert_books_agree()


def test_money_that_is_given_back_leaves_the_books(house):
    answer = house.give_and_pay(interval="once", amount=2500)
    [charge] = house.stripe.account.all("charge")
    house.stripe.controls.refund(charge["id"], amount=1000)
    house.catch_up()
    assert house.status(answer)["status"] == "paid"
    house.assert_books_agree()

    house.stripe.controls.refund(charge["id"], amount=1500)
    house.catch_up()

    assert house.status(answer)["status"] == "refunded"
    assert Payment.objects.get().refunded_minor == 2500
    house.assert_books_agree()


def test_a_refund_that_fails_days_later_is_ours_again(house):
    answer = house.give_and_pay(card="4000000000005126", interval="once", amount=2500)
    [charge] = house.stripe.account.all("charge")
    house.stripe.controls.refund(charge["id"])
    house.catch_up()
    house.advance(days=10)

    assert house.status(answer)["status"] == "paid"
    assert Payment.objects.get().refunded_minor == 0
    house.assert_books_agree()


@pytest.mark.parametrize(("outcome", "counted"), [("won", 0), ("lost", 1)])
def test_a_dispute_takes_the_money_until_it_is_won(house, outcome, counted):
    house.give_and_pay(interval="once", amount=2500)
    [charge] = house.stripe.account.all("charge")
    dispute = house.stripe.controls.dispute(charge["id"])
    house.catch_up()
    assert queries.get_books()["USD"]["disputes"] == {"count": 1, "amount": 2500}
    house.assert_books_agree()

    house.stripe.controls.close_dispute(dispute["id"], outcome)
    house.catch_up()

    assert queries.get_books()["USD"]["disputes"]["count"] == counted
    house.assert_books_agree()


def test_money_that_settles_in_another_currency_keeps_both_figures(db, settings, running_sandbox, api):
    settings.STRIPE_API_BASE = running_sandbox.url
    stripe = CheckedSandbox(settle_in={"usd"})
    running_sandbox.use(stripe)
    factories.a_campaign()
    house = House(api, stripe)

    house.give_and_pay(currency="EUR", amount=1000)

    payment = Payment.objects.get()
    assert (payment.amount_minor, payment.currency) == (1000, "EUR")
    assert payment.settlement_currency == "USD"
    assert payment.net_minor == payment.settlement_minor - payment.fee_minor
    house.assert_books_agree()
    assert not stripe.problems


def test_the_same_key_gives_the_same_answer_and_another_wish_is_refused(house):
    first = house.give(key="a-key-of-a-widget")
    again = house.give(key="a-key-of-a-widget")
    other = house.give(key="a-key-of-a-widget", amount=5000)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert Contribution.objects.count() == 1


def test_a_second_gift_of_the_same_reader_joins_nobody_new(house):
    house.give_and_pay(email="ada@example.org")
    house.give_and_pay(email="Ada@Example.ORG", interval="month", amount=500)

    assert Member.objects.count() == 1
    assert Contribution.objects.filter(member=Member.objects.get()).count() == 2


def test_a_reader_who_gave_no_address_is_known_by_the_one_at_stripe(house, mailoutbox):
    answer = house.begin(email=..., interval="once")
    house.stripe.pay(session_of(answer), email="ada@example.org", name="Ada Sample")
    house.catch_up()

    member = Member.objects.get()
    assert (member.email, member.name) == ("ada@example.org", "Ada Sample")
    contribution = Contribution.objects.get()
    assert (contribution.email, contribution.name) == ("", "")
    assert len(receipts(mailoutbox)) == 1


def test_consent_to_the_newsletter_is_kept_with_its_text_and_time(house):
    house.give_and_pay(newsletter_consent=True)

    consent = Consent.objects.get()
    assert (consent.purpose, consent.text_version) == ("newsletter", "newsletter-1")
    assert consent.granted_at == Contribution.objects.get().created_at


def test_stripe_is_told_an_opaque_id_and_nothing_else_about_the_reader(house):
    house.give_and_pay(
        interval="month", amount=500, name="Grace Sample", source={"page_url": "https://news.example/a?b"}
    )

    [session] = house.stripe.account.all("checkout.session")
    assert session["metadata"] == {"contribution": session["client_reference_id"]}
    assert "news.example" not in str(session["metadata"]) + str(session["client_reference_id"])
    assert Contribution.objects.get().source["page_url"] == "https://news.example/a"
