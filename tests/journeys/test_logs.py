"""
Whole journeys, and not one line in the logs from which a reader could be known.

Everything is logged (level DEBUG), in both forms; then the lines are searched for all that was said on the way.
"""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client

from donations import handlers, links
from donations import tasks as donations_tasks
from donations.models import Contribution, StripeEvent, Subscription
from members import tasks as members_tasks
from tests.house import CONTRIBUTIONS, WEBHOOK, House, session_of
from tests.logged import logged

ADA = {"email": "ada@example.org", "name": "Ada Example"}
GRACE = {"email": "Grace.Example+news@example.org", "name": "Grace Example"}
DECLINED = "4000000000000002"
SOURCE = {"page_url": "https://news.example/long-read?reader=ada-example", "component": "article-end"}
# In small letters, and longer than what random ids spell by chance.
PERSONAL = [
    "@",
    "example",  # both names, every address, the newspaper's pages
    "4242424242424242",
    "4000000000000002",
    "4000000000000341",
    "sk_test",
    "whsec",
    "my-secret-key-of-the-widget",
    "reader=",
    "v1=",
    "customer_email",
    "client_reference",
    "pass-phrase",
    "sessionid",
    "csrftoken",
]
QUERY_STRING = re.compile(r"[?&][\w\[\]%]+=")


class RefusingMailServer(BaseEmailBackend):
    """Refuses every reader, and says whom."""

    def send_messages(self, email_messages):
        address = email_messages[0].to[0]
        raise smtplib.SMTPRecipientsRefused({address: (550, f"no mailbox {address}".encode())})


def gives_once(house: House) -> None:
    house.give_and_pay(**ADA, source=SOURCE, key="my-secret-key-of-the-widget", newsletter_consent=True)


def gives_monthly_and_renews(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, **GRACE, cover_fees=True)
    house.advance(days=32)


def is_declined(house: House) -> None:
    answer = house.begin(**ADA)
    with pytest.raises(Exception, match="declined"):
        house.stripe.pay(session_of(answer), card=DECLINED, **ADA)
    house.catch_up()


def is_declined_at_a_renewal(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, **GRACE)
    house.stripe.controls.change_card(Subscription.objects.get().stripe_id, "4000000000000341")
    house.advance(days=40)


def pays_from_a_bank_account(house: House) -> None:
    house.give_and_pay(method="bank_debit", currency="EUR", amount=1000, **ADA)
    house.advance(days=10)


def gets_money_back(house: House) -> None:
    house.give_and_pay(**ADA)
    charge = next(key for key, thing in house.stripe.account.objects.items() if thing["object"] == "charge")
    house.stripe.controls.refund(charge)
    house.catch_up()


def is_forged(house: House) -> None:
    for signature in ("", "t=1,v1=00", f"t=1,v1={'a' * 64},v0=ada@example.org"):
        house.api.post(
            WEBHOOK,
            {"id": "evt_1", "data": {"object": {**ADA}}},
            content_type="application/json",
            headers={"Stripe-Signature": signature},
        )


def is_signed_nonsense(house: House) -> None:
    for body in (
        b'{"object": "event", "email": "ada@example.org"}',
        b"ada@example.org",
        b"\xffada@example.org",
    ):
        signature = house.stripe.sign(body)
        house.api.post(
            WEBHOOK, body, content_type="application/json", headers={"Stripe-Signature": signature}
        )


def types_an_address_everywhere(house: House) -> None:
    for changes in (
        {"email": "ada@example.org, grace@example.org"},
        {"campaign": "ada@example.org"},
        {"currency": "ada@example.org"},
        {"amount": "ada@example.org"},
        {"return_url": "https://ada:example@evil.example/?reader=ada"},
        {"ada@example.org": 1},
        {"name": "Ada Example\0"},
    ):
        house.give(**changes)
    house.api.post(CONTRIBUTIONS, b'{"email": "ada@example.org"', content_type="application/json")
    house.api.get(f"{CONTRIBUTIONS}ada@example.org/?reader=ada")
    house.api.get("/support/ada@example.org/?reader=ada@example.org")
    house.api.get("/ada@example.org?reader=ada@example.org")
    house.api.get(
        "/health/live", headers={"X-Request-ID": "ada@example.org", "Referer": "https://ada.example.org/"}
    )
    house.api.get("/support/support-us/", {"reader": "ada@example.org", "amount": "2500"})
    house.api.post("/support/support-us/", {"reader": "ada@example.org", "email": "ada@example.org"})


def cannot_be_written_to(house: House) -> None:
    house.api.settings.EMAIL_BACKEND = f"{__name__}.RefusingMailServer"
    house.give_and_pay(**ADA)


def asks_for_another_card(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, **GRACE)
    path = "/" + links.card_page(Subscription.objects.get()).split("/", 3)[3]
    house.api.get(path)
    house.api.post(path)
    house.api.get(path.replace("card/", "card/x"))


def stripe_is_away(house: House) -> None:
    house.stripe.controls.fault("POST /v1/checkout/sessions", "server_error", 9)
    house.give(**ADA, key="my-secret-key-of-the-widget")


def meets_a_bug(house: House) -> None:
    """The words of an exception are not ours to choose; addresses in them are taken out."""
    session = session_of(house.begin(**ADA))
    house.api.monkeypatch.setitem(handlers.HANDLERS, "payment_intent.succeeded", _broken)
    house.stripe.pay(session, **ADA)
    house.deliver(house.stripe.take_webhooks())
    house.work()
    with house.api.monkeypatch.context() as patch:
        patch.setattr("donations.views.services.start_contribution", _broken)
        assert house.give(**ADA).status_code == 500
        patch.setattr("donations.links.SignedLink.read", _broken)
        house.api.get(f"/support/card/{links.card_page(Subscription(pk=1)).rstrip('/').rsplit('/', 1)[1]}/")


def _broken(*args: object, **kwargs: object) -> None:
    raise ValueError("cannot digest ada@example.org")


def is_looked_up_by_staff(house: House) -> None:
    house.give_and_pay(**ADA)
    staff = Client(headers={"Accept-Language": "en"})
    User.objects.create_superuser("editor", "editor@gazette.example", "a-pass-phrase-of-an-editor")
    staff.post("/admin/login/", {"username": "editor", "password": "wrong-pass-phrase-of-an-editor"})
    staff.post("/admin/login/", {"username": "editor", "password": "a-pass-phrase-of-an-editor"})
    for model in ("members/member", "members/message", "donations/contribution", "donations/stripeevent"):
        for term in ({"q": "ada@example.org"}, {"q": "ada@example.org", "state": "SENT"}):
            assert staff.post(f"/admin/{model}/", term, follow=True).status_code == 200
            assert staff.get(f"/admin/{model}/", term, follow=True).status_code == 200
        assert staff.get(f"/admin/{model}/ada@example.org/change/").status_code == 404


def is_worked_for_by_tasks(house: House) -> None:
    house.stripe.pay(session_of(house.begin(**ADA)))
    house.deliver(house.stripe.take_webhooks())
    for task in (
        donations_tasks.process_inbox,
        donations_tasks.settle_payments,
        members_tasks.send_owed_mail,
    ):
        task.apply(throw=True)


JOURNEYS: list[Callable[[House], None]] = [
    gives_once,
    gives_monthly_and_renews,
    is_declined,
    is_declined_at_a_renewal,
    pays_from_a_bank_account,
    gets_money_back,
    is_forged,
    is_signed_nonsense,
    types_an_address_everywhere,
    cannot_be_written_to,
    asks_for_another_card,
    stripe_is_away,
    meets_a_bug,
    is_looked_up_by_staff,
    is_worked_for_by_tasks,
]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
def test_no_line_of_a_journey_tells_who_the_reader_is(house, journey, form, settings, monkeypatch):
    # What a journey may need beside the house.
    house.api.settings, house.api.monkeypatch = settings, monkeypatch
    with logged(form) as lines:
        journey(house)
    said = lines()

    assert said, "nothing was logged at all"
    told = {(word, line) for line in said for word in PERSONAL if word in _searchable(line)}
    assert not told
    assert not [line for line in said if QUERY_STRING.search(line)]
    if form == "json":
        for line in said:
            assert isinstance(json.loads(line), dict)


def _searchable(line: str) -> str:
    """In small letters, without what is no reader's word: frames of a traceback name files and lines of code."""
    return re.sub(r'File \\?"[^"]*\\?", line \d+, in \w+(\\n|\n)?[^\\\n]*', "", line).lower()


def test_the_lines_lead_staff_to_the_rows(house):
    with logged("json") as lines:
        answer = house.give_and_pay(**ADA)
        session = session_of(answer)
    found = [json.loads(line) for line in lines()]
    opened = next(line for line in found if line["event"] == "checkout opened")

    assert opened["contribution"] == answer["id"]
    assert opened["session"] == session
    requests = [line for line in found if line["event"] == "request"]
    assert opened["request_id"] == requests[0]["request_id"]
    # A stored event leaves no line: its row says when it came.
    assert [line["route"] for line in requests] == ["donations:contributions"]
    assert StripeEvent.objects.exists()
    assert Contribution.objects.get().stripe_session_id == session


def test_an_event_that_fails_is_named_by_its_id(house, monkeypatch):
    session = session_of(house.begin())
    monkeypatch.setitem(handlers.HANDLERS, "payment_intent.succeeded", _broken)
    house.stripe.pay(session)
    house.deliver(house.stripe.take_webhooks())
    with logged("json") as lines:
        house.work()
    failed = [json.loads(line) for line in lines() if "event failed" in line]
    event = StripeEvent.objects.get(type="payment_intent.succeeded")

    assert [line["stripe_event"] for line in failed] == [event.stripe_id]
    assert "ValueError: cannot digest [redacted]" in failed[0]["exception"]
