"""Readers get in by a link that is mailed to them, and out again; nobody learns who is a member."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from members import clock, merging, outbox, sessions, sign_in, tasks
from members import queries as members
from members.models import Member, Message, ReaderSession, SignInToken
from tests.account.conftest import ADA, CHARLIE, GRACE, link_in_mail
from tests.account.conftest import sign_in as by_mail


def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    there = clock.now() + timedelta(**by)
    monkeypatch.setattr(clock, "now", lambda: there)


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def ask(client: Client, email: str) -> None:
    assert client.post("/account/sign-in/", {"email": email}).status_code == 303


# --- By the pages


def test_a_reader_signs_in_from_the_mail(readers: None) -> None:
    client = by_mail(Client(), "Grace@Example.org")

    assert is_in(client)
    assert "Grace Sample" in client.get("/account/").content.decode()
    assert mail.outbox[-1].to == [GRACE]
    assert mail.outbox[-1].subject.startswith("Your link to sign in at")


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(readers: None, settings) -> None:
    settings.READER_COOKIE_NAME, settings.READER_COOKIE_SECURE = "__Host-reader", True
    cookie = by_mail(Client(), GRACE).cookies["__Host-reader"]

    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert int(cookie["max-age"]) == settings.READER_SESSION_DAYS * 86400


def test_in_production_the_cookie_is_bound_to_https() -> None:
    from pathlib import Path

    source = (Path(__file__).parents[2] / "config/settings.py").read_text()
    assert 'READER_COOKIE_NAME = "__Host-reader" if _HTTPS else "reader"' in source
    assert "READER_COOKIE_SECURE = _HTTPS" in source


def test_programs_that_look_at_links_do_not_use_them_up(readers: None) -> None:
    client = Client()
    ask(client, GRACE)
    path = link_in_mail()
    for method in ("get", "head", "get"):
        assert getattr(Client(), method)(path).status_code == 200
        assert Client().options(path).status_code == 405

    assert not ReaderSession.objects.exists()
    assert client.post(path).status_code == 303
    assert is_in(client)


def test_a_link_works_once(readers: None) -> None:
    client = Client()
    ask(client, GRACE)
    path = link_in_mail()
    client.post(path)

    again = Client()
    for answer in (again.get(path), again.post(path)):
        assert answer.status_code == 410
        assert "Each link works once" in answer.content.decode()
    assert not is_in(again)


def test_of_two_who_press_at_once_one_gets_in(readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    ask(client, GRACE)
    path = link_in_mail()
    looked = sign_in.check

    def look_and_be_overtaken(token: str, *args: object, **kwargs: object) -> SignInToken:
        found = looked(token, *args, **kwargs)
        monkeypatch.setattr(sign_in, "check", looked)
        assert Client().post(path).status_code == 303
        return found

    monkeypatch.setattr(sign_in, "check", look_and_be_overtaken)
    assert client.post(path).status_code == 410
    assert ReaderSession.objects.count() == 1


def test_only_the_newest_link_works(readers: None) -> None:
    client = Client()
    ask(client, GRACE)
    first = link_in_mail()
    ask(client, GRACE)
    second = link_in_mail()

    assert client.post(first).status_code == 410
    assert client.post(second).status_code == 303


def test_a_link_lives_for_a_quarter_of_an_hour(readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    ask(client, GRACE)
    path = link_in_mail()
    later(monkeypatch, minutes=14, seconds=59)
    assert client.get(path).status_code == 200
    later(monkeypatch, seconds=2)

    answer = client.post(path)
    assert answer.status_code == 410
    assert "Its time is over" in answer.content.decode()
    assert not is_in(client)


def test_a_link_that_comes_too_late_is_not_sent(readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(Client(), GRACE)
    later(monkeypatch, minutes=16)
    outbox.deliver_due(now=clock.now())

    assert mail.outbox == []


@pytest.mark.parametrize("token", ["x", "a" * 43, "A" * 5000, "%00", "../..", "sign_in:1"])
def test_a_forged_link_leads_to_a_page_that_helps(readers: None, token: str) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(), method)(f"/account/sign-in/{token}/")
        assert answer.status_code == 404
    assert not ReaderSession.objects.exists()


def test_a_link_for_another_purpose_signs_nobody_in(readers: None) -> None:
    grace = Member.objects.get(email_hash=members.get_member(GRACE).email_hash)
    token = sign_in.make(
        grace, SignInToken.Purpose.ADDRESS, address=CHARLIE, life=timedelta(hours=1), now=clock.now()
    )

    assert Client().post(f"/account/sign-in/{token}/").status_code == 404
    with pytest.raises(sign_in.BadLink):
        sign_in.open(token, now=clock.now())


def test_what_the_database_holds_opens_nothing(readers: None) -> None:
    """Somebody with a copy of the tables, and without SECRET_KEY."""
    ask(Client(), GRACE)
    path = link_in_mail()
    token = path.split("/")[3]
    row = SignInToken.objects.get()

    for stolen in (row.token_hash, str(row.public_id), Message.objects.get(kind="sign_in").dedup_key):
        assert Client().post(f"/account/sign-in/{stolen}/").status_code == 404
    kept = [*SignInToken.objects.values_list(), *Message.objects.values_list()]
    assert not any(token in str(value) for values in kept for value in values)


def test_a_session_gets_a_new_key_at_each_sign_in(readers: None) -> None:
    """A key that somebody put into a reader's browser is worth nothing afterwards."""
    client = by_mail(Client(), ADA)
    planted = client.cookies["reader"].value
    by_mail_again = Client()
    by_mail_again.cookies["reader"] = planted
    ask(by_mail_again, GRACE)  # signed in already: leads on without a mail
    by_mail_again.cookies.clear()
    ask(by_mail_again, GRACE)
    path = link_in_mail()
    by_mail_again.cookies["reader"] = planted
    by_mail_again.post(path)

    assert by_mail_again.cookies["reader"].value != planted
    thief = Client()
    thief.cookies["reader"] = planted
    assert not is_in(thief)


def test_after_signing_in_one_comes_to_the_page_that_was_asked_for(readers: None) -> None:
    client = Client()
    answer = client.get("/account/payments/")
    assert answer.status_code == 303
    assert answer["Location"] == "/account/sign-in/?next=payments"

    client.post("/account/sign-in/", {"email": GRACE, "next": "payments"})
    path = link_in_mail()
    answer = client.post(path.partition("?")[0], {"next": "payments"})
    assert "next=payments" in path
    assert answer["Location"] == "/account/payments/"


@pytest.mark.parametrize(
    "name", ["https://evil.example/", "//evil.example", "sign-out", "contribution", "x" * 999, "admin:index"]
)
def test_nobody_is_sent_elsewhere(readers: None, name: str) -> None:
    client = Client()
    client.post("/account/sign-in/", {"email": GRACE, "next": name})
    path = link_in_mail()

    assert "next" not in path
    assert client.post(path, {"next": name})["Location"] == "/account/"
    assert client.get("/account/sign-in/", {"next": name})["Location"] == "/account/"


def test_signing_out_ends_this_session_and_no_other(readers: None, browser_of) -> None:
    here, there = browser_of(GRACE), browser_of(GRACE)
    key = here.cookies["reader"].value
    assert here.get("/account/sign-out/").status_code == 405
    assert here.post("/account/sign-out/").status_code == 303

    here.cookies["reader"] = key
    assert not is_in(here)
    assert is_in(there)


def test_signing_out_everywhere_ends_programs_as_well(readers: None, browser_of, program_of) -> None:
    here, there, program, ada = browser_of(GRACE), browser_of(GRACE), program_of(GRACE), browser_of(ADA)
    assert here.post("/account/sign-out-everywhere/").status_code == 303

    assert not is_in(here)
    assert not is_in(there)
    assert program.get("/api/v1/me/").status_code == 401
    assert is_in(ada)


def test_a_session_ends_by_itself(readers: None, browser_of, monkeypatch: pytest.MonkeyPatch) -> None:
    client = browser_of(GRACE)
    later(monkeypatch, days=29, hours=23)
    assert is_in(client)
    later(monkeypatch, hours=1, seconds=1)
    assert not is_in(client)


def test_another_sites_form_signs_nobody_in_or_out(readers: None, browser_of) -> None:
    strict = Client(enforce_csrf_checks=True)
    ask(Client(), GRACE)
    path = link_in_mail()
    assert strict.post(path).status_code == 403
    strict.cookies["reader"] = browser_of(GRACE).cookies["reader"].value
    assert strict.post("/account/sign-out/").status_code == 403
    assert is_in(strict)


def test_a_key_of_a_program_opens_no_page_and_a_cookies_key_no_program(readers: None) -> None:
    grace = members.get_member(GRACE)
    assert grace is not None
    bearer = sessions.begin(grace, sessions.Kind.BEARER, now=clock.now())
    cookie = sessions.begin(grace, sessions.Kind.COOKIE, now=clock.now())
    client = Client()
    client.cookies["reader"] = bearer

    assert not is_in(client)
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {cookie}"}).status_code == 401


# --- Who is known, and who is not


def test_the_answer_and_the_work_are_the_same_for_strangers(readers: None, settings) -> None:
    """The same statements, bytes and headers, whether the address is a member's, was merged, or nobody's."""
    settings.SIGN_INS_PER_ADDRESS = 0
    ada, grace = members.get_member(ADA), members.get_member(GRACE)
    assert ada is not None
    assert grace is not None
    merging.merge(kept=grace, duplicate=ada, actor="staff:1", why="One person.", now=clock.now())
    seen = []
    for email in (GRACE, ADA, CHARLIE, GRACE):
        with CaptureQueriesContext(
            connection,
        ) as statements:
            answer = Client().post("/api/v1/sign-in/", {"email": email}, content_type="application/json")
            page = Client().post("/account/sign-in/", {"email": email})
        headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
        shapes = [len(one["sql"].split("VALUES")[0]) for one in statements]
        seen.append((answer.status_code, answer.content, headers, page.status_code, page["Location"], shapes))

    assert seen[0][0] == 202
    assert all(one == seen[0] for one in seen)


def test_nothing_leaves_the_house_for_a_stranger(readers: None) -> None:
    ask(Client(), CHARLIE)
    outbox.deliver_due(now=clock.now())

    message = Message.objects.get(kind="sign_in")
    assert mail.outbox == []
    assert (message.state, message.failure_code) == ("FAILED", "withdrawn")
    assert not message.recipient
    assert not SignInToken.objects.exists()


def test_a_merged_address_leads_to_the_person_by_the_address_that_we_write_to(readers: None) -> None:
    ada, grace = members.get_member(ADA), members.get_member(GRACE)
    assert ada is not None
    assert grace is not None
    merging.merge(kept=grace, duplicate=ada, actor="staff:1", why="One person.", now=clock.now())
    client = by_mail(Client(), ADA)

    assert mail.outbox[-1].to == [GRACE]
    assert "Grace Sample" in client.get("/account/").content.decode()


def test_while_lookup_keys_are_changed_everybody_gets_their_link(readers: None, settings) -> None:
    settings.LOOKUP_HASH_KEYS = [("new", b"n" * 32), *settings.LOOKUP_HASH_KEYS]
    by_mail(Client(), GRACE)

    assert mail.outbox[-1].to == [GRACE]
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "ada@example.org\nBcc: x@example.org", "x" * 300])
def test_what_is_no_address_is_refused_kindly(readers: None, email: str) -> None:
    page = Client().post("/account/sign-in/", {"email": email})
    answer = Client().post("/api/v1/sign-in/", {"email": email}, content_type="application/json")

    assert page.status_code == 400
    assert "Please enter an e-mail address" in page.content.decode()
    assert answer.status_code == 400
    assert not Message.objects.filter(kind="sign_in").exists()


def test_one_address_gets_a_few_links_an_hour_known_or_not(readers: None, settings) -> None:
    settings.SIGN_INS_PER_ADDRESS = 2
    for email in (GRACE, CHARLIE):
        client = Client()
        ask(client, email)
        ask(client, email.upper())
        page = client.post("/account/sign-in/", {"email": email})
        answer = client.post("/api/v1/sign-in/", {"email": email}, content_type="application/json")

        assert page.status_code == 429
        assert 0 < int(page["Retry-After"]) <= 3600
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "too_many_requests"
        assert 0 < int(answer["Retry-After"]) <= 3600
    assert Message.objects.filter(kind="sign_in").count() == 4


def test_one_network_gets_some_links_in_ten_minutes(readers: None, settings) -> None:
    settings.SIGN_INS_PER_NETWORK, settings.SIGN_INS_PER_ADDRESS = 3, 1
    client = Client()
    for number in range(3):
        ask(client, f"reader-{number}@example.org")
    assert client.post("/account/sign-in/", {"email": GRACE}).status_code == 429

    elsewhere = Client(REMOTE_ADDR="192.0.2.77")
    assert elsewhere.post("/account/sign-in/", {"email": GRACE}).status_code == 303, "no share was used up"


# --- By the API


def token_for(email: str) -> str:
    answer = Client().post("/api/v1/sign-in/", {"email": email}, content_type="application/json")
    assert answer.json() == {"status": "accepted"}
    return link_in_mail().split("/")[3]


def exchange(token: str) -> Client:
    return Client().post("/api/v1/sign-in/token/", {"token": token}, content_type="application/json")


def test_a_program_turns_the_link_into_a_token(readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = exchange(token_for(GRACE)).json()
    assert answer["expires_in"] == 3600
    headers = {"Authorization": f"Bearer {answer['token']}"}
    me = Client().get("/api/v1/me/", headers=headers).json()
    assert (me["email"], me["name"]) == (GRACE, "Grace Sample")

    later(monkeypatch, minutes=61)
    refused = Client().get("/api/v1/me/", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_invalid")
    assert refused["WWW-Authenticate"] == "Bearer"


def test_a_programs_link_works_once_too(readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_for(GRACE)
    assert exchange(token).status_code == 200
    assert exchange(token).json()["error"]["code"] == "link_used"
    assert exchange("nonsense").json()["error"]["code"] == "link_invalid"
    token = token_for(GRACE)
    later(monkeypatch, minutes=16)
    assert exchange(token).json()["error"]["code"] == "link_expired"


def test_a_program_signs_out(readers: None, program_of) -> None:
    one, other = program_of(GRACE), program_of(GRACE)
    assert one.post("/api/v1/me/sign-out/").status_code == 204
    assert one.get("/api/v1/me/").status_code == 401
    assert other.post("/api/v1/me/sign-out-everywhere/").status_code == 204
    assert other.get("/api/v1/me/").status_code == 401


def test_the_cookie_reads_by_the_api_and_changes_nothing_without_the_csrf_token(
    readers: None, browser_of
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["reader"] = browser_of(GRACE).cookies["reader"].value
    assert strict.get("/api/v1/me/").json()["email"] == GRACE
    refused = strict.post("/api/v1/me/sign-out-everywhere/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf_failed")

    strict.get("/account/")  # its forms bring the token
    token = strict.cookies["csrftoken"].value
    assert strict.post("/api/v1/me/sign-out/", headers={"X-CSRFToken": token}).status_code == 204
    assert not is_in(strict)


def test_a_token_needs_no_csrf_token(readers: None) -> None:
    grace = members.get_member(GRACE)
    assert grace is not None
    key = sessions.begin(grace, sessions.Kind.BEARER, now=clock.now())
    strict = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {key}"})

    assert strict.post("/api/v1/me/sign-out/").status_code == 204


# --- What is kept


def test_links_and_sessions_are_forgotten_when_they_are_over(
    readers: None, browser_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_of(GRACE)
    ask(Client(), GRACE)
    ask(Client(), CHARLIE)
    outbox.deliver_due(now=clock.now())
    tasks.forget_sign_ins()
    assert SignInToken.objects.count() == 1
    assert ReaderSession.objects.count() == 1

    later(monkeypatch, days=1, minutes=20)
    tasks.forget_sign_ins()
    assert not SignInToken.objects.exists()
    assert [row.state for row in Message.objects.filter(kind="sign_in")] == ["SENT"], "the stranger's is gone"
    later(monkeypatch, days=30)
    tasks.forget_sign_ins()
    assert not ReaderSession.objects.exists()


def test_a_session_says_when_it_was_used_by_the_day_only(
    readers: None, browser_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser_of(GRACE)
    session = ReaderSession.objects.get()
    assert (session.began_at.minute, session.began_at.second, session.began_at.microsecond) == (0, 0, 0)
    with CaptureQueriesContext(connection) as statements:
        is_in(client)
    assert not [one for one in statements if one["sql"].startswith("UPDATE")]

    later(monkeypatch, days=1)
    is_in(client)
    session.refresh_from_db()
    assert session.seen_on == clock.now().date()
