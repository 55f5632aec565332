"""What Stripe still tells, and what is read again from old files, does not bring back who was erased."""

from __future__ import annotations

import json
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from donations import doubles, erasing, facts, inbox, naming, queries, reconciliation, tasks
from donations.models import (
    Campaign,
    ChargeTrace,
    Contribution,
    FileImport,
    Payment,
    StripeCustomer,
    StripeEvent,
    StripeImportProblem,
    Subscription,
)
from members import clock
from members.models import Member
from tests.donations.strangers import OtherSoftware
from tests.house import House, session_of
from tests.rights.conftest import ask_erasure, settle, where_told

ADA = {"email": "ada.wrenfield@example.org", "name": "Ada Wrenfield"}
HEAD = "email,name,amount,currency,date,interval,campaign,reference\n"


@pytest.fixture
def ada(house: House) -> Member:
    house.give_and_pay(**ADA)
    return Member.objects.get()


def forget_late(house: House) -> int:
    return naming.forget_late_news(since=clock.now() - naming.LATELY)


def test_a_dispute_that_comes_later_is_booked_and_names_nobody(house: House, ada: Member) -> None:
    settle(house, ask_erasure(ada))
    [charge] = [key for key, row in house.stripe.account.objects.items() if row["object"] == "charge"]
    house.advance(days=40)
    house.stripe.controls.dispute(charge)
    house.catch_up()
    forget_late(house)

    assert Payment.objects.get().disputes.count() == 1
    assert where_told() == set()
    house.assert_books_agree()


def test_the_event_of_the_payment_itself_can_come_after_the_erasure(house: House, ada: Member) -> None:
    """Of a second gift Stripe told nothing until the reader was gone."""
    second = house.begin(**{**ADA, "amount": 1000})
    house.stripe.pay(session_of(second), card="5555555555554444")
    late = house.stripe.take_webhooks()
    assert any(b"wrenfield" in webhook.body.lower() for webhook in late)
    settle(house, ask_erasure(ada))

    reconciliation.reconcile(since=clock.now() - timedelta(days=1), now=clock.now())
    house.catch_up()
    assert forget_late(house) > 0

    assert sorted(Payment.objects.values_list("amount_minor", "state")) == [
        (1000, "SUCCEEDED"),
        (2500, "SUCCEEDED"),
    ]
    assert not Member.objects.exclude(email=b"").exists()
    assert not ChargeTrace.objects.exists()
    assert doubles.note_marks() == 0
    assert where_told() == set()
    house.assert_books_agree()


def test_what_began_in_the_minute_of_the_erasure_is_ended(house: House, ada: Member, mailoutbox: Any) -> None:
    """Paid on Stripe's page; Stripe told nothing of it until the reader was gone."""
    begun = house.begin(**ADA, interval="month")
    house.stripe.pay(session_of(begun), card="5555555555554444")
    house.stripe.take_webhooks()
    settle(house, ask_erasure(ada))
    reconciliation.reconcile(since=clock.now() - timedelta(days=1), now=clock.now())
    house.catch_up()
    assert Subscription.objects.get().state == "ACTIVE"

    tasks.forget_late_news()
    house.catch_up()
    tasks.forget_late_news()

    assert Subscription.objects.get().state == "CANCELLED"
    assert not StripeCustomer.objects.filter(deleted_at=None).exists()
    assert erasing.end_what_began_late(now=clock.now()) == 0
    customers = [row for row in house.stripe.account.objects.values() if row["object"] == "customer"]
    assert "wrenfield" not in json.dumps(customers).casefold()
    assert mailoutbox[-1].kind == "erasure_begins"
    assert where_told() == set()
    house.assert_books_agree()


def test_an_event_that_is_told_again_is_not_acted_on_again(house: House, ada: Member) -> None:
    events = [(event.stripe_id, event.payload) for event in StripeEvent.objects.order_by("pk")]
    settle(house, ask_erasure(ada))
    count = StripeEvent.objects.count()

    for _, text in events:
        envelope, _ = inbox.read_envelope(text.encode())
        assert not inbox.keep(envelope, text, now=clock.now())
    house.work()

    assert StripeEvent.objects.count() == count
    assert where_told() == set()


def test_a_page_paid_under_no_member_yet_makes_nobody(house: House, ada: Member) -> None:
    """Its first payment, by bank debit, arrives when its reader is gone."""
    begun = house.begin(**{**ADA, "currency": "EUR", "amount": 1000})
    house.stripe.pay(session_of(begun), method="bank_debit")
    house.catch_up()
    settle(house, ask_erasure(ada), tries=6)
    house.advance(days=8)
    forget_late(house)

    assert Payment.objects.get(currency="EUR").state == "SUCCEEDED"
    assert not Member.objects.exclude(email=b"").exists()
    assert where_told() == set()
    house.assert_books_agree()


def test_comparing_with_stripe_brings_nobody_back(house: House, ada: Member) -> None:
    settle(house, ask_erasure(ada))

    reconciliation.reconcile(since=clock.now() - timedelta(days=20), now=clock.now())
    found = reconciliation.compare(now=clock.now())
    house.catch_up()
    forget_late(house)

    assert found.drifts == []
    assert where_told() == set()


def test_an_import_from_stripe_brings_nobody_back(house: House, ada: Member, settings: Any) -> None:
    """Also what was never in our books: a charge of other software, under the same address."""
    OtherSoftware(settings.STRIPE_API_BASE).charge(900, receipt_email=ADA["email"])
    settle(house, ask_erasure(ada))

    call_command("import_stripe", "--campaign", "support-us", stdout=StringIO(), stderr=StringIO())

    assert StripeImportProblem.objects.get(kind="charge").code == "was_erased"
    assert not Member.objects.exclude(email=b"").exists()
    assert where_told() == set()


def import_file(folder: Path, rows: str) -> str:
    said = StringIO()
    file = folder / "readers.csv"
    file.write_text(HEAD + rows)
    call_command("import_csv", str(file), "--campaign", "support-us", "--skip-bad-rows", stdout=said)
    return said.getvalue()


def test_an_old_file_brings_nobody_back(house: House, ada: Member, tmp_path: Path) -> None:
    settle(house, ask_erasure(ada))
    day = date(2020, 5, 1)

    said = import_file(
        tmp_path,
        f"{ADA['email']},Ada Wrenfield,12.50,USD,{day},once,,A1\n{ADA['email']},,,,,,,\nnew@example.org,,,,,,,\n",
    )

    assert "was_erased" in said
    assert [member.email for member in Member.objects.exclude(email=b"")] == ["new@example.org"]
    assert where_told() == set()


def test_a_file_that_was_imported_before_the_erasure_is_known_and_brings_nobody_back(
    house: House, ada: Member, tmp_path: Path
) -> None:
    row = f"{ADA['email']},Ada Wrenfield,12.50,USD,2020-05-01,once,,A1\n"
    import_file(tmp_path, row)
    assert where_told() != set()
    settle(house, ask_erasure(ada))

    said = import_file(tmp_path, row)

    assert "changed_since" not in said
    assert Payment.objects.count() == 2
    assert where_told() == set()


def test_a_file_that_waits_to_be_imported_is_forgotten_if_it_names_the_reader(
    house: House, ada: Member
) -> None:
    waiting = {
        name: FileImport.objects.create(
            campaign=Campaign.objects.get(),
            content=HEAD + f"{email},,,,,,,\n",
            digest=name,
            uploaded_by="staff:1",
            uploaded_at=clock.now(),
        )
        for name, email in (("hers", ADA["email"].upper()), ("others", "grace@example.org"))
    }
    settle(house, ask_erasure(ada))

    assert FileImport.objects.get(pk=waiting["hers"].pk).content == ""
    assert "grace@" in FileImport.objects.get(pk=waiting["others"].pk).content


def test_who_comes_again_is_welcome_as_somebody_new(house: House, ada: Member, mailoutbox: Any) -> None:
    settle(house, ask_erasure(ada))
    house.give_and_pay(card="5555555555554444", **ADA)
    forget_late(house)

    again = Member.objects.exclude(email=b"").get()
    assert (again.email, again.name) == (ADA["email"], ADA["name"])
    assert Contribution.objects.filter(member=again).count() == 1
    assert mailoutbox[-1].kind == "receipt"
    assert any(ADA["email"] in event.payload for event in StripeEvent.objects.all()), "news of today"


def test_an_event_that_nobody_could_act_on_loses_the_person_and_keeps_the_money(
    house: House, ada: Member
) -> None:
    text = StripeEvent.objects.get(type="checkout.session.completed").payload
    event = {**json.loads(text), "id": "evt_parked"}
    envelope, _ = inbox.read_envelope(json.dumps(event).encode())
    inbox.keep(envelope, json.dumps(event), now=clock.now())
    StripeEvent.objects.filter(stripe_id="evt_parked").update(state="PARKED", waits_for="pi_unknown")
    settle(house, ask_erasure(ada))

    bare = json.loads(StripeEvent.objects.get(stripe_id="evt_parked").payload)
    assert facts.session(bare["data"]["object"]).amount_total == 2500
    assert "wrenfield" not in json.dumps(bare).casefold()


def test_what_is_taken_out_of_an_event_leaves_what_the_books_need(house: House) -> None:
    """Every event of a year's life, without its person, is still read as it was."""
    house.give_and_pay(**ADA, interval="month", amount=500)
    house.advance(days=32)
    [charge, *_] = [key for key, row in house.stripe.account.objects.items() if row["object"] == "charge"]
    house.stripe.controls.refund(charge, 100)
    house.stripe.controls.dispute(charge)
    house.catch_up()
    readers = {
        "invoice": facts.invoice,
        "payment_intent": facts.intent,
        "charge": facts.charge,
        "refund": facts.refund,
        "dispute": facts.dispute,
        "subscription": facts.subscription,
        "customer": facts.customer,
        "checkout.session": facts.session,
    }
    personal = ("email", "name", "card", "payer", "fingerprint")
    seen = set()
    for event in StripeEvent.objects.all():
        told = json.loads(event.payload)["data"]["object"]
        read = readers.get(told["object"])
        if read is None:
            continue
        seen.add(told["object"])
        whole, bare = read(told), read(naming.without_person(told))
        for name in whole.__dataclass_fields__:
            if name not in personal:
                assert getattr(bare, name) == getattr(whole, name), (event.type, name)
    assert seen >= {
        "invoice",
        "payment_intent",
        "charge",
        "refund",
        "dispute",
        "subscription",
        "checkout.session",
    }


def test_where_nobody_was_erased_nothing_is_looked_at(house: House, ada: Member) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as statements:
        assert forget_late(house) == 0
    assert len(statements) == 1
    assert queries.get_books()
