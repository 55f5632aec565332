"""A newsroom moves in: what its account at Stripe held before us is in our books, and nobody got a mail (A3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from donations import gateway, queries, reconciliation, services
from donations.models import (
    Campaign,
    ChargeTrace,
    Contribution,
    Dispute,
    Dunning,
    Payment,
    Refund,
    StripeEvent,
    StripeImport,
    StripeImportProblem,
    Subscription,
)
from members import clock
from members import queries as members
from members.models import Member, Membership, Message
from tests.donations.strangers import OtherSoftware
from tests.house import House

pytestmark = pytest.mark.django_db


@pytest.fixture
def before(house: House, settings: Any) -> OtherSoftware:
    """The program that the newsroom used until now; its events never reach us."""
    house.stripe.deliver("drop")
    return OtherSoftware(settings.STRIPE_API_BASE)


def imported(*options: str) -> str:
    """What the command says."""
    said = StringIO()
    call_command("import_stripe", "--campaign", "support-us", *options, stdout=said, stderr=StringIO())
    return said.getvalue()


def everything() -> dict[str, Any]:
    """All that an import writes, apart from our own numbers."""
    return {
        model.__name__: sorted(model.objects.values_list(*names))
        for model, names in (
            (Contribution, ("amount_minor", "currency", "interval", "created_at", "origin")),
            (Subscription, ("stripe_id", "state", "amount_minor", "current_period_end", "revision")),
            (
                Payment,
                ("stripe_charge_id", "state", "amount_minor", "paid_at", "fee_minor", "refunded_minor"),
            ),
            (Refund, ("stripe_id", "state", "amount_minor")),
            (Dispute, ("stripe_id", "state")),
            (Membership, ("source_kind", "annual_minor", "started_at", "paid_through", "ended_at")),
            (Member, ("joined_at", "locale")),
        )
    }


def test_readers_of_before_are_members_and_the_books_agree(house: House, before: OtherSoftware) -> None:
    for number in range(3):
        before.subscribe(before.a_reader(f"grace{number}@example.org"), 500 + 100 * number)
    before.subscribe(before.a_reader("eve@example.org"), 6000, interval="year")
    house.stripe.advance(timedelta(days=65))
    before.charge(receipt_email="ada@example.org")

    said = imported()
    house.work()

    assert "subscriptions                  4               4" in said, said
    house.assert_books_agree()
    assert Payment.objects.filter(state="SUCCEEDED").count() == 3 * 3 + 1 + 1
    assert not Payment.objects.filter(receipt_number=None).exists()
    assert not Payment.objects.filter(fee_minor=None).exists(), "fees came with the charges"
    assert not Message.objects.exists(), "nobody is written to about the past"
    grace = members.get_member("grace1@example.org")
    assert grace is not None
    [membership] = Membership.objects.filter(member=grace)
    assert (membership.annual_minor, membership.ended_at) == (600 * 12, None)
    subscription = Subscription.objects.get(contribution__member=grace)
    assert grace.joined_at == subscription.contribution.created_at
    assert membership.paid_through == subscription.current_period_end
    assert subscription.contribution.email == "", "the address is the member's alone"
    compared = reconciliation.compare(now=clock.now(), since=clock.now() - timedelta(days=99), dry_run=True)
    assert {drift.kind for drift in compared.drifts} <= {"payout"}, compared.drifts


def test_what_comes_after_the_import_is_handled_as_for_any_other(house: House, before: OtherSoftware) -> None:
    subscription = before.subscribe(before.a_reader("grace@example.org"), 500)
    house.stripe.advance(timedelta(days=40))
    imported()
    house.stripe.take_webhooks()
    house.stripe.deliver("normal")

    house.advance(days=31)
    assert Payment.objects.filter(state="SUCCEEDED").count() == 3
    [receipt] = Message.objects.all()
    assert receipt.kind == "receipt"

    before.stripe.v1.subscriptions.cancel(subscription)
    house.catch_up()
    assert Subscription.objects.get().state == "CANCELLED"
    house.assert_books_agree()


def test_a_new_card_of_an_imported_reader_pays_the_next_renewal(house: House, before: OtherSoftware) -> None:
    customer = before.a_reader("grace@example.org")
    first = before.stripe.v1.customers.retrieve(customer).invoice_settings.default_payment_method
    subscription = before.subscribe(customer, 500, default_payment_method=str(first))
    imported()
    house.stripe.deliver("normal")

    other = before.stripe.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer}).id
    before.stripe.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": other}})
    house.catch_up()

    assert str(before.stripe.v1.subscriptions.retrieve(subscription).default_payment_method) == other


def test_to_import_twice_is_to_import_once(house: House, before: OtherSoftware) -> None:
    before.subscribe(before.a_reader("grace@example.org"), 500)
    intent = before.charge(receipt_email="ada@example.org")
    house.stripe.advance(timedelta(days=33))
    before.stripe.v1.refunds.create({"payment_intent": intent, "amount": 500})
    imported()
    house.work()
    first = everything()

    house.stripe.advance(timedelta(minutes=5))
    said = imported()
    house.work()

    assert everything() == first
    assert "subscriptions                  1               0             1" in said, said
    assert StripeImport.objects.filter(stage="DONE").count() == 2
    assert not Message.objects.exists()


def test_killed_at_any_call_to_stripe_and_called_again_it_comes_to_the_same(
    house: House, before: OtherSoftware, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty subscriptions in pages of a few, and the process dies again and again."""
    customers = [before.a_reader(f"grace{number}@example.org") for number in range(12)]
    for number in range(60):
        before.subscribe(customers[number % 12], 300 + number)
    before.charge(receipt_email="ada@example.org")
    original, calls = gateway.list_page, 0

    class Killed(BaseException):
        """What no `except Exception` catches."""

    def dies(kind: str, *, after: str = "") -> Any:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise Killed
        page, _ = original(kind, after=after)
        return page[:25], len(page) > 25

    monkeypatch.setattr(gateway, "list_page", dies)
    for _ in range(30):
        try:
            imported()
            break
        except Killed:
            continue

    monkeypatch.setattr(gateway, "list_page", original)
    house.work()
    assert StripeImport.objects.get().stage == "DONE"
    assert queries.get_books() == house.stripe.books()
    assert Subscription.objects.count() == 60
    assert Member.objects.count() == 13
    assert not Message.objects.exists()


def test_a_subscription_is_taken_whole_or_not_at_all(
    house: House, before: OtherSoftware, monkeypatch: pytest.MonkeyPatch
) -> None:
    before.subscribe(before.a_reader("grace@example.org"), 500)

    def breaks(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("donations.stripe_import.fulfilment.follow_through", breaks)
    with pytest.raises(OSError, match="disk"):
        imported()
    assert not Contribution.objects.exists()
    assert not Member.objects.exists()

    monkeypatch.undo()
    imported()
    assert queries.get_books() == house.stripe.books()


def test_a_dry_run_says_what_would_be_taken_and_stores_nothing(house: House, before: OtherSoftware) -> None:
    before.subscribe(before.a_reader("grace@example.org"), 500)
    before.subscribe(before.a_reader("eve@example.org"), 500, interval="week")
    before.charge(receipt_email="ada@example.org")

    said = imported("--dry-run")

    assert "1 month  USD" in said
    assert "1 once   USD" in said
    assert "1 other_rhythm: It is not paid once a month or once a year." in said
    assert "Nothing was stored." in said
    assert not StripeImport.objects.exists()
    assert not Contribution.objects.exists()
    assert not Member.objects.exists()


@pytest.mark.parametrize(
    ("code", "wish"),
    [
        ("other_rhythm", {"every": 3}),
        ("several_prices", {"more_items": (300,)}),
    ],
)
def test_what_cannot_be_gone_on_with_is_left_out_and_said(
    house: House, before: OtherSoftware, code: str, wish: dict[str, Any]
) -> None:
    subscription = before.subscribe(before.a_reader("grace@example.org"), 500, **wish)

    said = imported()

    assert f"left out: subscription {subscription}: {code}" in said
    assert StripeImportProblem.objects.get(kind="subscription").code == code
    assert not Contribution.objects.exists(), "its charges are not taken for gifts that were given once"


def test_a_payer_without_an_address_is_left_out(house: House, before: OtherSoftware) -> None:
    before.subscribe(before.a_reader(None), 500)
    before.charge()
    imported()
    codes = StripeImportProblem.objects.exclude(kind="payment_intent").values_list("kind", "code")
    assert sorted(codes) == [("charge", "no_address"), ("subscription", "no_address")]
    assert not Contribution.objects.exists()


def test_only_one_product_and_no_single_charges_if_that_is_wished(
    house: House, before: OtherSoftware
) -> None:
    wanted = before.subscribe(before.a_reader("grace@example.org"), 500)
    product = before.product
    before.product = before.stripe.v1.products.create({"name": "Concert tickets"}).id
    before.subscribe(before.a_reader("eve@example.org"), 700)
    before.charge(receipt_email="ada@example.org")

    imported("--product", product, "--without-one-off")

    assert [row.stripe_id for row in Subscription.objects.all()] == [wanted]
    assert Contribution.objects.count() == 1


def test_refunds_disputes_and_ends_of_before_are_booked_and_nobody_hears_of_them(
    house: House, before: OtherSoftware
) -> None:
    subscription = before.subscribe(before.a_reader("grace@example.org"), 500)
    returned = before.charge(receipt_email="ada@example.org")
    before.stripe.v1.refunds.create({"payment_intent": returned})
    disputed = before.charge(receipt_email="eve@example.org")
    dispute = house.stripe.dispute(before.charge_of(disputed))
    house.stripe.advance(timedelta(days=1))
    house.stripe.close_dispute(dispute["id"], "lost")
    before.stripe.v1.subscriptions.cancel(subscription)

    imported()
    house.work()

    assert queries.get_books() == house.stripe.books()
    assert Refund.objects.get().state == "SUCCEEDED"
    assert Dispute.objects.get().state == "LOST"
    assert Subscription.objects.get().state == "CANCELLED"
    house.stripe.advance(timedelta(days=32))
    house.work()
    services.settle(now=timezone.now())
    assert not Message.objects.exists()


def test_a_refusal_of_before_is_known_and_only_the_next_one_is_written_about(
    house: House, before: OtherSoftware
) -> None:
    customer = before.a_reader("grace@example.org")
    subscription = before.subscribe(customer, 500)
    house.stripe.change_card(subscription, "4000000000000341")
    house.stripe.advance(timedelta(days=31, hours=12))

    imported()
    house.work()

    assert Subscription.objects.get().state == "PAST_DUE"
    assert Dunning.objects.get().quiet_because == "imported"
    assert not Message.objects.exists()

    house.stripe.take_webhooks()
    house.stripe.deliver("normal")
    house.advance(days=8)
    assert Message.objects.filter(kind="payment_failed").count() == 1


def test_a_change_of_amount_before_the_import_counts(house: House, before: OtherSoftware) -> None:
    subscription = before.subscribe(before.a_reader("grace@example.org"), 500)
    house.stripe.advance(timedelta(days=40))
    item = before.stripe.v1.subscriptions.retrieve(subscription)["items"].data[0]
    price = {
        "currency": "usd",
        "product": before.product,
        "recurring": {"interval": "month"},
        "unit_amount": 900,
    }
    before.stripe.v1.subscriptions.update(
        subscription, {"items": [{"id": item.id, "price_data": price}], "proration_behavior": "none"}
    )
    house.stripe.advance(timedelta(days=31))

    imported()

    assert Contribution.objects.get().amount_minor == 500
    assert Subscription.objects.get().amount_minor == 900
    assert Membership.objects.get().annual_minor == 900 * 12
    assert queries.get_books() == house.stripe.books()


def test_gifts_that_began_with_us_are_left_alone(house: House, settings: Any) -> None:
    house.give_and_pay(interval="month", amount=500)
    house.give_and_pay(email="ada@example.org")
    first = everything()

    said = imported()

    assert everything() == first
    assert "subscriptions                  1               0             1" in said, said
    assert not Contribution.objects.filter(origin="STRIPE").exists()


def test_the_key_of_another_account_stops_it(house: House, before: OtherSoftware) -> None:
    before.subscribe(before.a_reader("grace@example.org"), 500)
    imported()
    Subscription.objects.update(stripe_id="sub_elsewhere")
    Payment.objects.update(stripe_charge_id="ch_elsewhere")

    with pytest.raises(CommandError, match="Stripe knows none"):
        imported()


def test_the_other_mode_stops_it(house: House, before: OtherSoftware, settings: Any) -> None:
    before.subscribe(before.a_reader("grace@example.org"), 500)
    settings.STRIPE_LIVEMODE = True
    with pytest.raises(CommandError, match="other mode"):
        imported()
    assert not Contribution.objects.exists()


def test_other_choices_do_not_continue_an_import_that_is_under_way(
    house: House, before: OtherSoftware
) -> None:
    StripeImport.objects.create(
        campaign=Campaign.objects.get(), livemode=False, started_at=datetime(2026, 11, 1, tzinfo=UTC)
    )

    with pytest.raises(CommandError, match="other choices"):
        imported("--without-one-off")

    said = StringIO()
    call_command("import_stripe", "--give-up", stdout=said)
    assert "1 imports were given up." in said.getvalue()
    imported("--without-one-off")


def test_an_import_remembers_cards_and_asks_nobody_about_two_charges(
    house: House, before: OtherSoftware
) -> None:
    for _ in range(2):
        before.charge(receipt_email="ada@example.org")
    imported()
    house.work()
    assert ChargeTrace.objects.exclude(card_hash="").count() == 2
    assert not Message.objects.exists()
    assert not StripeEvent.objects.exists()
