"""What a mail provider tells us of addresses that take no mail, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from members import addresses, bounces, crypto, outbox, queries, samples
from members.models import Bounce, Message

pytestmark = pytest.mark.django_db

HOOK = "/api/v1/mail/bounces/"
SECRET = "a secret of thirty-two characters or more"


@pytest.fixture
def tell(api: Client, settings: Any) -> Callable[..., Any]:
    """What a provider sends; the raw response."""
    settings.MAIL_WEBHOOK_SECRETS = [SECRET]

    def tell(body: Any = None, *, authorization: str = f"Bearer {SECRET}", **changes: Any) -> Any:
        sent = {"email": "Ada@example.org", "kind": "hard", **changes} if body is None else body
        return api.post(HOOK, sent, content_type="application/json", headers={"Authorization": authorization})

    return tell


def hashes(email: str = "ada@example.org") -> list[str]:
    return crypto.lookup_hashes(addresses.identity(email))


# --- The webhook


@pytest.mark.parametrize("kind", ["hard", "complaint"])
def test_an_address_that_a_provider_tells_of_is_left_alone(tell: Callable[..., Any], kind: str) -> None:
    answers = [tell(kind=kind), tell(kind=kind)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"status": "noted"})] * 2
    assert queries.get_refused_hashes([*hashes(), *hashes("grace@example.org")]) == set(hashes())
    assert queries.get_bounces() == {kind: 1}


def test_a_complaint_outweighs_a_bounce_and_a_bounce_no_complaint(tell: Callable[..., Any]) -> None:
    for kind in ("hard", "complaint", "hard"):
        tell(kind=kind)

    assert queries.get_bounces() == {"complaint": 1}


@pytest.mark.parametrize(
    "authorization",
    ["", SECRET, f"Basic {SECRET}", "Bearer ", "Bearer wrong", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}",
     "Bearer é"],
)  # fmt: skip
def test_who_does_not_know_the_secret_is_turned_away(tell: Callable[..., Any], authorization: str) -> None:
    response = tell(authorization=authorization)

    assert response.status_code == 403
    assert not Bounce.objects.exists()


def test_while_no_secret_is_set_there_is_no_such_address(tell: Callable[..., Any], settings: Any) -> None:
    settings.MAIL_WEBHOOK_SECRETS = []

    assert tell().status_code == 404
    assert tell(authorization="Bearer ").status_code == 404


def test_both_secrets_work_while_they_are_changed(tell: Callable[..., Any], settings: Any) -> None:
    settings.MAIL_WEBHOOK_SECRETS = ["the new secret, which is as long as it has to be", SECRET]

    assert tell().status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, [], {"email": "ada@example.org"}, {"email": "ada@example.org", "kind": "soft"}, {"email": "", "kind": "hard"},
     {"email": "ada", "kind": "hard"}, {"email": ["ada@example.org"], "kind": "hard"},
     {"email": "ada@example.org", "kind": "hard", "reason": "550"}],
)  # fmt: skip
def test_what_is_no_bounce_is_refused_and_nothing_is_kept(tell: Callable[..., Any], body: Any) -> None:
    assert tell(json.dumps(body)).status_code == 400
    assert not Bounce.objects.exists()


def test_what_is_kept_and_logged_tells_nobodys_address(tell: Callable[..., Any], capsys: Any) -> None:
    tell()

    assert "example.org" not in repr(list(Bounce.objects.values()))
    assert "example.org" not in capsys.readouterr().err.lower()


def test_a_receipt_goes_out_all_the_same(tell: Callable[..., Any], now: Any, mailoutbox: Any) -> None:
    tell()
    outbox.owe(
        kind="receipt",
        recipient="ada@example.org",
        dedup_key="receipt:1",
        context=samples.context("receipt", "en"),
        locale="en",
        now=now,
    )
    outbox.deliver_due(now=now)

    assert [mail.to for mail in mailoutbox] == [["ada@example.org"]]


def test_an_address_is_known_under_each_key_while_keys_are_changed(
    tell: Callable[..., Any], settings: Any
) -> None:
    before = hashes()
    settings.LOOKUP_HASH_KEYS = [("new", b"n" * 32), *settings.LOOKUP_HASH_KEYS]
    tell()

    assert queries.get_refused_hashes([*before, *hashes()]) == set(hashes())
    assert bounces.lift(hashes()) == 2


# --- Staff


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="a long password"))
    return client


LIST = "/admin/members/bounce/"


def test_staff_say_that_an_address_bounces_and_later_that_it_works_again(staff: Client) -> None:
    assert staff.post(f"{LIST}add/", {"email": "Ada@Example.org", "kind": "hard"}).status_code == 302
    found = Bounce.objects.get()
    assert (found.kind, found.source) == ("hard", "staff")
    assert queries.get_refused_hashes(hashes()) == set(hashes())

    assert "1 bounce" in staff.post(LIST, {"q": "ada@example.org"}, follow=True).content.decode()
    assert "0 bounces" in staff.post(LIST, {"q": "grace@example.org"}, follow=True).content.decode()
    assert "0 bounces" in staff.post(LIST, {"q": "ada"}, follow=True).content.decode()
    page = staff.get(f"{LIST}{found.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert "Takes no mail" in page

    staff.post(f"{LIST}{found.pk}/delete/", {"post": "yes"})
    assert queries.get_refused_hashes(hashes()) == set()


def test_what_staff_type_has_to_be_an_address(staff: Client) -> None:
    page = staff.post(f"{LIST}add/", {"email": "ada", "kind": "hard"})

    assert "Enter an e-mail address such as name@example.org." in page.content.decode()
    assert not Bounce.objects.exists()


def test_staff_mark_the_recipients_of_mails(staff: Client, now: Any) -> None:
    for number, email in enumerate(("ada@example.org", "grace@example.org")):
        outbox.owe(
            kind="receipt",
            recipient=email,
            dedup_key=f"receipt:{number}",
            context=samples.context("receipt", "en"),
            locale="en",
            now=now,
        )
    forgotten = Message.objects.order_by("pk").last()
    assert forgotten is not None
    Message.objects.filter(pk=forgotten.pk).update(recipient="")
    chosen = list(Message.objects.values_list("pk", flat=True))
    page = staff.post(
        "/admin/members/message/", {"action": "note_bounces", "_selected_action": chosen}, follow=True
    )

    assert "1 of 2 addresses get no reminders any more." in page.content.decode()
    assert queries.get_refused_hashes([*hashes(), *hashes("grace@example.org")]) == set(hashes())


def test_who_may_only_look_at_mails_marks_none(now: Any) -> None:
    user = User.objects.create_user("grace", password="a long password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_message"))
    client = Client()
    client.force_login(user)
    outbox.owe(
        kind="receipt",
        recipient="ada@example.org",
        dedup_key="receipt:1",
        context=samples.context("receipt", "en"),
        locale="en",
        now=now,
    )
    chosen = list(Message.objects.values_list("pk", flat=True))
    client.post("/admin/members/message/", {"action": "note_bounces", "_selected_action": chosen})

    assert not Bounce.objects.exists()
