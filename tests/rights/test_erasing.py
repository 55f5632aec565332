"""Who asks to be erased is gone from every table and from Stripe's records of payers; the books stay as they were."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from requests.adapters import HTTPAdapter

from donations import queries
from donations.models import Payment, StripeCustomer, Subscription
from members import audit, clock, crypto, data_rights, merging, outbox
from members.models import AuditEntry, DataRequest, ErasedAddress, Member, Merge, Message
from reminders.models import Reminder
from tests.house import House
from tests.rights.conftest import AT_WORK, CANARY, ask_erasure, remind, settle, where_told

ADA = "ada@example.org"


def customers_at_stripe(house: House) -> str:
    found = [row for row in house.stripe.account.objects.values() if row["object"] == "customer"]
    assert found
    return json.dumps(found).casefold()


@pytest.fixture
def ada(house: House) -> Member:
    house.give_and_pay(name="Ada Sample")
    return Member.objects.get()


@pytest.fixture
def grace(house: House) -> Member:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    return Member.objects.get()


def test_nothing_in_the_house_says_who_it_was(
    house: House, canary: Member, mailoutbox: Any, capfd: Any
) -> None:
    assert {place.split("_")[0].split(".")[0] for place in where_told()} >= {
        "members",
        "donations",
        "reminders",
    }
    charges = queries.get_books()["USD"]["charges"]
    payments = sorted(Payment.objects.values_list("pk", "amount_minor", "state", "receipt_number"))

    request = settle(house, ask_erasure(canary, stop_giving=True))

    assert request.state == DataRequest.State.DONE
    assert where_told() == set()
    assert sorted(Payment.objects.values_list("pk", "amount_minor", "state", "receipt_number")) == payments
    house.assert_books_agree()
    assert queries.get_books()["USD"]["charges"] == charges
    assert "wrenfield" not in customers_at_stripe(house)
    assert "wrenfield" not in "".join(capfd.readouterr()).casefold()
    last = [mail for mail in mailoutbox if mail.kind == "erasure_begins"]
    assert [mail.to for mail in last] == [[CANARY["email"]]]


def test_no_hash_of_an_address_is_left_but_those_that_keep_mail_away(house: House, canary: Member) -> None:
    hashes = [one.casefold() for one in crypto.lookup_hashes(CANARY["email"].casefold())]
    assert {"members_member.email_hash", "members_message.recipient_hash"} <= where_told(*hashes)

    settle(house, ask_erasure(canary, stop_giving=True))

    assert where_told(*hashes) == {"members_erasedaddress.email_hash", "reminders_unsubscription.email_hash"}
    assert {one.erased_at for one in Member.objects.all()} == {ErasedAddress.objects.first().erased_at}  # type: ignore[union-attr]
    remind(house, AT_WORK["email"])
    assert Reminder.objects.exclude(state="CANCELLED").get().state == "PENDING_CONFIRM"


def test_that_it_was_done_stands_in_the_audit_log_and_names_nobody(house: House, ada: Member) -> None:
    request = settle(house, ask_erasure(ada))

    entry = AuditEntry.objects.get(what="erase a reader")
    assert (entry.act, entry.actor, entry.subject) == ("DONE", "reader", audit.subject_of(request))
    assert entry.at == request.done_at
    assert audit.verify().broken_at is None


def test_who_gives_regularly_is_told_why_not_and_everything_stays(house: House, grace: Member) -> None:
    with pytest.raises(data_rights.ErasureRefused) as refused:
        ask_erasure(grace)

    assert refused.value.code == "still_giving"
    assert "Stop your contribution first" in str(refused.value)
    assert not DataRequest.objects.exists()
    assert Subscription.objects.get().state == "ACTIVE"


def test_who_gives_regularly_can_have_that_ended_at_once(house: House, grace: Member) -> None:
    request = ask_erasure(grace, stop_giving=True)
    outbox.deliver_due(now=clock.now())
    data_rights.answer_waiting(now=clock.now())
    request.refresh_from_db()
    grace.refresh_from_db()
    assert (request.problem, grace.email) == ("waits_for_stripe", "grace@example.org"), "Stripe's event first"

    assert settle(house, request).state == "DONE"

    assert Subscription.objects.get().state == "CANCELLED"
    assert [one["status"] for one in house.stripe.account.all("subscription")] == ["canceled"]
    grace.refresh_from_db()
    assert grace.email == ""


def test_a_contribution_that_began_meanwhile_refuses_it(house: House, ada: Member, mailoutbox: Any) -> None:
    request = ask_erasure(ada)
    house.give_and_pay(card="5555555555554444", interval="month", amount=500)

    assert settle(house, request).state == "REFUSED"

    ada.refresh_from_db()
    assert (request.problem, ada.email, Subscription.objects.get().state) == ("still_giving", ADA, "ACTIVE")


def test_the_last_mail_leaves_before_the_address_is_gone(house: House, ada: Member) -> None:
    request = ask_erasure(ada)
    data_rights.answer_waiting(now=clock.now())
    request.refresh_from_db()
    assert (request.state, request.problem) == ("WORKING", "last_mail")
    ada.refresh_from_db()
    assert ada.email == ADA


def test_a_mail_server_that_is_away_for_days_keeps_nobody_from_being_erased(
    house: House, ada: Member
) -> None:
    request = ask_erasure(ada)
    later = clock.now() + timedelta(days=3)
    data_rights.answer_waiting(now=later)
    data_rights.answer_waiting(now=later + timedelta(minutes=16))

    request.refresh_from_db()
    assert request.state == "DONE"
    assert where_told("ada@") == set()
    assert Message.objects.get(kind="erasure_begins").state == "FAILED"


def test_what_a_worker_still_wrote_meanwhile_is_found_a_quarter_of_an_hour_later(
    house: House, ada: Member
) -> None:
    """It had read the address before that was gone, and its transaction ended afterwards."""
    request = ask_erasure(ada)
    outbox.deliver_due(now=clock.now())
    data_rights.answer_waiting(now=clock.now())
    request.refresh_from_db()
    assert "person" in request.steps
    assert request.is_open
    outbox.owe(
        kind="data_ready",
        member=ada,
        recipient=ADA,
        dedup_key="late",
        context={"page_url": "https://news.example/", "until_text": "ada@example.org"},
        locale="en",
        now=clock.now(),
    )
    assert where_told("ada@") != set()

    settle(house, request)

    assert where_told("ada@") == set()


def test_nothing_is_owed_to_who_is_erased(house: House, ada: Member, mailoutbox: Any) -> None:
    settle(house, ask_erasure(ada))
    sent = len(mailoutbox)
    [charge] = [key for key, row in house.stripe.account.objects.items() if row["object"] == "charge"]
    house.stripe.controls.refund(charge, 100)
    house.catch_up()

    assert len(mailoutbox) == sent
    assert Payment.objects.get().refunded_minor == 100
    house.assert_books_agree()


def test_stripe_away_puts_it_off(house: House, grace: Member, monkeypatch: Any) -> None:
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0)
    request = ask_erasure(grace, stop_giving=True)
    outbox.deliver_due(now=clock.now())
    with monkeypatch.context() as nobody_there:
        nobody_there.setattr(HTTPAdapter, "send", Mock(side_effect=requests.exceptions.ConnectTimeout))
        data_rights.answer_waiting(now=clock.now())
    request.refresh_from_db()
    assert (request.state, request.problem) == ("WORKING", "waits_for_stripe")

    assert settle(house, request).state == "DONE"
    assert "grace" not in customers_at_stripe(house)
    assert StripeCustomer.objects.get().deleted_at is not None


def test_a_fault_of_ours_is_tried_again(house: House, ada: Member, monkeypatch: Any) -> None:
    request = ask_erasure(ada)
    outbox.deliver_due(now=clock.now())
    with monkeypatch.context() as patch:
        patch.setattr("donations.naming._named", lambda text: 1 / 0)
        data_rights.answer_waiting(now=clock.now())
    request.refresh_from_db()
    assert (request.state, request.problem, request.attempts) == ("WORKING", "ZeroDivisionError", 1)

    assert settle(house, request).state == "DONE"


def test_a_second_wish_is_the_first_and_later_ones_find_nobody(house: House, ada: Member) -> None:
    first = ask_erasure(ada)
    assert ask_erasure(ada) == first
    settle(house, first)

    with pytest.raises(data_rights.Erased):
        ask_erasure(ada)
    with pytest.raises(data_rights.Erased):
        data_rights.ask_download(ada, now=clock.now())
    assert Message.objects.filter(kind="erasure_begins").count() == 1


def test_who_is_erased_is_merged_with_nobody(house: House, ada: Member) -> None:
    house.give_and_pay(email="grace@example.org", card="5555555555554444")
    grace = Member.objects.exclude(pk=ada.pk).get()
    request = ask_erasure(ada)

    def merge() -> None:
        merging.merge(grace, ada, actor="staff:1", why="The same flat.", now=clock.now())

    with pytest.raises(merging.CannotMerge, match="being erased"):
        merge()
    settle(house, request)
    with pytest.raises(merging.CannotMerge, match="was erased"):
        merge()


def test_a_merge_is_not_undone_under_the_hands_of_who_erases(
    house: House, canary: Member, client: Client
) -> None:
    ask_erasure(canary, stop_giving=True)
    merged = Merge.objects.get()
    with pytest.raises(merging.CannotMerge):
        merging.undo(merged, actor="staff:1", now=clock.now())

    client.force_login(User.objects.create_superuser("sample-admin"))
    answer = client.post(reverse("admin:members_merge_undo", args=[merged.pk]), follow=True)
    assert answer.status_code == 200
    assert "being erased right now" in answer.content.decode()
    merged.refresh_from_db()
    assert merged.undone_at is None
