"""Readers change what we know of them: a name, a language, what we may send, the address."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client

from donations.account import personal
from donations.models import Contribution
from members import clock, merging, outbox, services, sessions
from members import queries as members
from members.models import AddressChange, Consent, Member, Merge, Message
from tests.account.conftest import ADA, CHARLIE, GRACE
from tests.account.conftest import sign_in as by_mail
from tests.house import House

NEW = "grace.new@example.org"


def person(email: str) -> Member:
    found = members.get_member(email)
    assert found is not None
    return found.person


def ask(client: Client, email: str) -> str:
    """Ask for another address, and take the link's path from the mail."""
    assert client.post("/account/personal/address/", {"email": email}).status_code == 303
    outbox.deliver_due(now=clock.now())
    assert mail.outbox[-1].to == [email]
    found = re.search(r"https?://\S+/account/personal/address/\S+", mail.outbox[-1].body)
    assert found
    return urlsplit(found[0]).path


# --- Name and language


def test_a_reader_takes_another_name_and_keeps_it(readers: None, browser_of) -> None:
    client = browser_of(GRACE)
    assert client.post("/account/personal/", {"part": "name", "name": " Грейс О’Нил "}).status_code == 303
    assert "Грейс О’Нил" in client.get("/account/").content.decode()

    early = clock.now() - timedelta(days=900)  # a gift of long ago, of which we hear only now
    services.get_or_join(email=GRACE, name="Somebody Else", locale="de", now=early)
    assert person(GRACE).name == "Грейс О’Нил"


def test_a_reader_may_have_no_name(readers: None, browser_of) -> None:
    browser_of(GRACE).post("/account/personal/", {"part": "name", "name": ""})
    services.get_or_join(email=GRACE, name="Grace", locale="en", now=clock.now())

    assert person(GRACE).name == ""


@pytest.mark.parametrize("name", ["x" * 101, "a\u202eb", "4242 4242 4242 4242", "a\x00b", "line\nbreak"])
def test_a_name_that_harms_is_refused_and_nothing_is_lost(readers: None, browser_of, name: str) -> None:
    answer = browser_of(GRACE).post("/account/personal/", {"part": "name", "name": name})

    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert person(GRACE).name == "Grace Sample"


def test_another_language_is_that_of_pages_and_of_mails_to_come(
    givers: House, browser_of, program_of
) -> None:
    answer = browser_of(GRACE).post("/account/personal/", {"part": "language", "language": "ru"})
    assert answer["Location"].endswith("lang=ru")
    mail.outbox.clear()
    givers.advance(days=32)

    assert any("Спасибо" in sent.body for sent in mail.outbox), [sent.subject for sent in mail.outbox]
    assert browser_of(GRACE).get("/account/")["Content-Language"] == "ru"
    assert program_of(GRACE).patch(
        "/api/v1/me/", {"locale": "xx"}, content_type="application/json"
    ).status_code == 400  # fmt: skip
    assert (
        browser_of(GRACE).post("/account/personal/", {"part": "language", "language": "xx"}).status_code
        == 400
    )
    assert Contribution.objects.get(interval="month").locale == "ru"


def test_a_program_changes_what_it_names_and_nothing_else(readers: None, program_of) -> None:
    program = program_of(GRACE)
    told = program.patch("/api/v1/me/", {"name": "G. Sample"}, content_type="application/json").json()
    assert (told["name"], told["locale"]) == ("G. Sample", "en")
    told = program.patch("/api/v1/me/", {"locale": "ru"}, content_type="application/json").json()
    assert (told["name"], told["locale"]) == ("G. Sample", "ru")
    refused = program.patch("/api/v1/me/", {"email": NEW}, content_type="application/json")
    assert refused.json()["error"]["fields"]["email"][0]["code"] == "unknown_field"


# --- What we may send


def test_consents_are_given_and_taken_back_and_both_stay_on_record(readers: None, browser_of) -> None:
    client = browser_of(GRACE)
    client.post("/account/personal/", {"part": "consents", "newsletter": "1"})
    given = Consent.objects.get()
    assert (given.purpose, given.text_version, given.source) == (
        "newsletter",
        "account-newsletter-1",
        "account",
    )
    assert re.search(
        r'id="consent-newsletter"[^>]* checked', client.get("/account/personal/").content.decode()
    )

    client.post("/account/personal/", {"part": "consents", "newsletter": "1"})
    assert Consent.objects.count() == 1, "the same again is the same"
    client.post("/account/personal/", {"part": "consents"})
    given.refresh_from_db()
    assert given.withdrawn_at is not None
    assert (
        " checked"
        not in client.get("/account/personal/").content.decode().split("consents")[1].split("</section")[0]
    )


def test_a_consent_that_came_with_a_gift_is_taken_back_here(house: House, browser_of) -> None:
    house.give_and_pay(email=GRACE, newsletter_consent=True)
    browser_of(GRACE).post("/account/personal/", {"part": "consents", "appeals": "1"})

    standing = {row.purpose: row.withdrawn_at is None for row in Consent.objects.all()}
    assert standing == {"newsletter": False, "appeals": True}


def test_a_program_allows_one_thing_and_leaves_the_other(readers: None, program_of) -> None:
    program = program_of(GRACE)
    program.patch("/api/v1/me/consents/", {"appeals": True}, content_type="application/json")
    told = program.patch("/api/v1/me/consents/", {"newsletter": True}, content_type="application/json").json()

    assert {each["purpose"]: each["granted_at"] is not None for each in told} == {
        "newsletter": True,
        "appeals": True,
    }
    refused = program.patch("/api/v1/me/consents/", {"newsletter": "yes"}, content_type="application/json")
    assert refused.status_code == 400


def test_reminders_are_there_to_be_stopped_under_whichever_address(
    givers: House, browser_of, api: Client
) -> None:
    for email in (ADA, GRACE):
        wish = {"email": email, "remind": "next_month", "consent_version": "reminder-2"}
        assert api.post("/api/v1/reminders/", wish, content_type="application/json").status_code == 202
    page = browser_of(ADA).get("/account/personal/").content.decode()
    assert page.count("Stop it") == 1
    assert "One e-mail on" in page
    merging.merge(kept=person(GRACE), duplicate=person(ADA), actor="staff:1", why="One.", now=clock.now())
    page = browser_of(ADA).get("/account/personal/").content.decode()
    assert page.count("Stop it") == 2

    links = re.findall(r'href="https?://[^/]+(/reminders/[^/]+/stop/)', page)
    for link in links:
        assert api.post(link, {"act": "yes"}).status_code in (200, 302, 303)
    assert "Stop it" not in browser_of(GRACE).get("/account/personal/").content.decode()


# --- The address


def test_another_address_is_confirmed_there_and_told_to_the_old_one(givers: House, browser_of) -> None:
    client = browser_of(GRACE)
    path = ask(client, NEW)
    assert person(GRACE).email == GRACE, "nothing changes before the link is opened"
    assert NEW in client.get(path).content.decode()
    assert client.post(path).status_code == 303
    outbox.deliver_due(now=clock.now())

    assert person(GRACE).email == person(NEW).email == NEW
    assert mail.outbox[-1].to == [GRACE]
    assert "g…@example.org" in mail.outbox[-1].body
    assert NEW not in mail.outbox[-1].body
    assert NEW in client.get("/account/personal/").content.decode(), "still signed in"
    assert "$5.00" in client.get("/account/payments/").content.decode()


def test_after_that_both_addresses_lead_to_the_new_ones_mailbox(givers: House, browser_of) -> None:
    client = browser_of(GRACE)
    client.post(ask(client, NEW))
    for typed in (GRACE, NEW):
        fresh = by_mail(Client(), typed)
        assert mail.outbox[-1].to == [NEW]
        assert "$5.00" in fresh.get("/account/payments/").content.decode()
    mail.outbox.clear()
    givers.advance(days=32)
    assert {sent.to[0] for sent in mail.outbox} == {NEW}, "and receipts as well"


def test_stripes_customer_follows(givers: House, browser_of) -> None:
    client = browser_of(GRACE)
    client.post(ask(client, NEW))
    assert personal.follow_addresses(now=clock.now()) == 1

    customers = [row for row in givers.stripe.account.objects.values() if row["object"] == "customer"]
    told = {row["email"] for row in customers}
    assert NEW in told
    assert GRACE not in told
    assert personal.follow_addresses(now=clock.now()) == 0
    givers.catch_up()
    assert person(GRACE).email == NEW


def test_stripe_out_of_reach_is_asked_again(givers: House, browser_of, settings) -> None:
    client = browser_of(GRACE)
    client.post(ask(client, NEW))
    there, settings.STRIPE_API_BASE = settings.STRIPE_API_BASE, "http://127.0.0.1:9"
    assert personal.follow_addresses(now=clock.now()) == 0
    assert AddressChange.objects.get().passed_on_at is None

    settings.STRIPE_API_BASE = there
    assert personal.follow_addresses(now=clock.now()) == 1


def test_back_to_the_old_address_and_forth_again(readers: None, browser_of) -> None:
    client = browser_of(GRACE)
    for address in (NEW, GRACE, NEW, "third@example.org", GRACE):
        assert client.post(ask(client, address)).status_code == 303
        assert {person(each).email for each in (GRACE, NEW)} == {address}
    assert Member.objects.filter(merged_into=None).count() == 2  # Grace, and Ada


def test_an_address_of_ones_own_that_gave_before_comes_along(givers: House, browser_of) -> None:
    """Who is signed in as Grace and opens a link that went to Ada's address is both."""
    client = browser_of(GRACE)
    client.post(ask(client, ADA))
    page = client.get("/account/payments/").content.decode()

    assert "$25.00" in page
    assert "$5.00" in page
    assert person(GRACE).email == ADA


def test_a_link_that_a_stranger_asked_for_opens_nothing_for_its_victim(givers: House, browser_of) -> None:
    """Grace has Ada's mailbox written to; if Ada presses the button, Grace must not see Ada's gifts."""
    grace, ada = browser_of(GRACE), browser_of(ADA)
    path = ask(grace, ADA)
    assert Client().post(path).status_code == 303, "a stranger is asked to sign in"
    for method in ("get", "post"):
        assert getattr(ada, method)(path).status_code == 404

    assert person(ADA).email == ADA
    assert not Merge.objects.exists()
    assert "$25.00" not in grace.get("/account/payments/").content.decode()


def test_an_address_that_belongs_to_yet_another_person_needs_staff(readers: None, browser_of) -> None:
    charlie = services.get_or_join(email=CHARLIE, locale="en", now=clock.now())
    merging.merge(kept=person(ADA), duplicate=charlie, actor="staff:1", why="One.", now=clock.now())
    client = browser_of(GRACE)
    answer = client.post(ask(client, CHARLIE))

    assert answer.status_code == 409
    assert "We know this address" in answer.content.decode()
    assert person(GRACE).email == GRACE
    assert person(CHARLIE).email == ADA


def test_asking_tells_nobody_who_is_known(readers: None, browser_of) -> None:
    client = browser_of(GRACE)
    known = client.post("/account/personal/address/", {"email": ADA})
    unknown = client.post("/account/personal/address/", {"email": CHARLIE})

    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_the_link_lives_for_an_hour_once_and_only_the_newest(
    readers: None, browser_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser_of(GRACE)
    first = ask(client, NEW)
    second = ask(client, "other@example.org")
    assert client.post(first).status_code == 410
    assert client.post(second).status_code == 303
    assert client.post(second).status_code == 410

    third = ask(client, NEW)
    there = clock.now() + timedelta(minutes=61)
    monkeypatch.setattr(clock, "now", lambda: there)
    assert client.post(third).status_code == 410
    assert person(GRACE).email == "other@example.org"


@pytest.mark.parametrize("email", ["", "x", "grace@example.org", "GRACE@Example.ORG"])
def test_what_is_no_other_address_is_refused(readers: None, browser_of, email: str) -> None:
    answer = browser_of(GRACE).post("/account/personal/address/", {"email": email})

    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not Message.objects.exists()


def test_a_mailbox_cannot_be_filled_from_here(readers: None, browser_of, settings) -> None:
    settings.SIGN_INS_PER_ADDRESS = 1
    client = browser_of(GRACE)
    assert client.post("/account/personal/address/", {"email": CHARLIE}).status_code == 303
    answer = client.post("/account/personal/address/", {"email": CHARLIE})

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


def test_a_program_changes_the_address_as_well(readers: None, program_of) -> None:
    program = program_of(GRACE)
    asked = program.post("/api/v1/me/address/", {"email": NEW}, content_type="application/json")
    assert (asked.status_code, asked.json()) == (202, {"status": "accepted"})
    outbox.deliver_due(now=clock.now())
    found = re.search(r"/account/personal/address/([\w-]+)/", mail.outbox[-1].body)
    assert found
    other = program_of(ADA).post(
        "/api/v1/me/address/confirm/", {"token": found[1]}, content_type="application/json"
    )
    assert other.json()["error"]["code"] == "link_invalid"
    told = program.post(
        "/api/v1/me/address/confirm/", {"token": found[1]}, content_type="application/json"
    ).json()

    assert told["email"] == NEW
    assert program.get("/api/v1/me/").json()["email"] == NEW
    same = program.post("/api/v1/me/address/", {"email": NEW}, content_type="application/json").json()
    assert same["error"]["fields"]["email"][0]["code"] == "address_unchanged"


def test_staff_undo_a_change_that_was_none_of_the_readers(givers: House, browser_of) -> None:
    client = browser_of(GRACE)
    client.post(ask(client, NEW))
    merge = Merge.objects.get()
    assert merge.actor == "reader"
    merging.undo(merge, actor="staff:1", now=clock.now())
    sessions.end_all(person(GRACE))

    assert person(GRACE).email == GRACE
    assert "$5.00" in by_mail(Client(), GRACE).get("/account/payments/").content.decode()
