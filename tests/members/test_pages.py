"""The mailbox of the demo, the samples, and the admin's windows on readers."""

from __future__ import annotations

import html as html_module
import re
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection, send_mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from members import crypto, doorbell, emails, mailbox, outbox, samples, services
from members.models import Member, Membership, Message, Tier
from tests.members.plans import a_plan

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.members.urls")]

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _demo(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.DEV_PAGES = True
    settings.EMAIL_BACKEND = "members.mailbox.EmailBackend"


@pytest.fixture
def receipt(grace: Member, now: datetime) -> Message:
    """Grace's receipt, delivered to the mailbox."""
    outbox.owe(
        kind="receipt",
        member=grace,
        recipient=grace.email,
        dedup_key="receipt:1",
        context=samples.context("receipt", "en"),
        locale="en",
        now=now,
    )
    assert outbox.deliver_due(now=now).sent == 1
    return Message.objects.get()


# --- The mailbox


def test_each_mail_is_a_file_that_any_mail_program_reads(receipt: Message) -> None:
    (path,) = mailbox.folder().iterdir()
    assert re.fullmatch(rf"\d{{8}}T\d{{12}}Z-receipt-{receipt.public_id}\.eml", path.name)

    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    assert mail["To"] == "grace@example.org"
    assert mail["Subject"] == "Your receipt 2026-000123"
    assert b"\r\n" in path.read_bytes()


def test_the_mailbox_shows_the_newest_first(client: Client, receipt: Message, now: datetime) -> None:
    send_mail("A later mail", "Text", "members@gazette.example", ["ada@example.org"])
    page = client.get("/dev/mailbox/").content.decode()

    assert page.index("A later mail") < page.index("Your receipt 2026-000123")
    assert "grace@example.org" in page


def test_a_mail_is_shown_with_both_parts_and_its_headers(client: Client, receipt: Message) -> None:
    response = client.get(f"/dev/mailbox/{mailbox.names()[0]}/")
    page = response.content.decode()

    assert "Total paid: $5.46" in page
    assert f"&lt;{receipt.public_id}@gazette.example&gt;" in page
    frame = re.search(r'<iframe[^>]*sandbox="([^"]*)" srcdoc="([^"]*)"', page)
    assert frame is not None
    assert "allow-scripts" not in frame[1]
    assert "allow-same-origin" not in frame[1]
    assert '<base target="_blank">' in html_module.unescape(frame[2])
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "script" not in response["Content-Security-Policy"]


def test_links_in_the_text_can_be_followed(client: Client, now: datetime) -> None:
    outbox.owe(
        kind="payment_failed",
        recipient="grace@example.org",
        dedup_key="failed:1",
        context=samples.context("payment_failed", "en"),
        locale="en",
        now=now,
    )
    outbox.deliver_due(now=now)
    page = client.get(f"/dev/mailbox/{mailbox.names()[0]}/").content.decode()

    assert '<a href="http://127.0.0.1:8000/sample"' in page


def test_an_empty_mailbox_says_so(client: Client) -> None:
    assert "No mail yet" in client.get("/dev/mailbox/").content.decode()


@pytest.mark.parametrize(
    "name", ["missing.eml", "20261124T120000000000Z-receipt-1.eml", "..%2f..%2fetc%2fpasswd", "a" * 300]
)
def test_only_mails_can_be_opened(client: Client, name: str) -> None:
    (mailbox.folder()).mkdir()
    (mailbox.folder() / "missing.eml").write_text("not one of ours")
    assert client.get(f"/dev/mailbox/{name}/").status_code == 404


def test_a_mail_without_html_or_kind_is_shown_too(client: Client) -> None:
    assert get_connection().send_messages([]) == 0
    EmailMessage(
        "Hello",
        "Text",
        "members@gazette.example",
        ["ada@example.org"],
        headers={"Message-ID": "<!!@example.org>"},
    ).send()
    page = client.get(f"/dev/mailbox/{mailbox.names()[0]}/").content.decode()

    assert "Hello" in page
    assert "<iframe" not in page


# --- Samples


def test_each_kind_can_be_looked_at_in_each_language(client: Client) -> None:
    page = client.get("/dev/mails/").content.decode()
    links = re.findall(r'href="(/dev/mails/[^"]+)"', page)
    assert len(links) == 2 * len(emails.KINDS)
    for link in links:
        sample = client.get(link).content.decode()
        assert "Sample with made-up contents" in sample
        assert "<iframe" in sample


@pytest.mark.parametrize("path", ["/dev/mails/newsletter/en/", "/dev/mails/receipt/de/"])
def test_there_is_no_sample_of_what_we_do_not_send(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/dev/mailbox/", "/dev/mailbox/x/", "/dev/mails/", "/dev/mails/receipt/en/"]
)
def test_production_has_no_such_pages(client: Client, settings: Any, path: str) -> None:
    settings.DEV_PAGES = False
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/dev/mailbox/", "/dev/mails/"])
def test_the_pages_only_show(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


# --- The admin


@pytest.fixture
def staff(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def membership(grace: Member, tiers: dict[str, Tier], now: datetime) -> Membership:
    membership = services.follow_plan(member=grace, plan=a_plan(now), now=now)
    assert membership is not None
    return membership


def test_staff_find_a_reader_by_the_whole_address_in_any_case(
    staff: Client, grace: Member, now: datetime
) -> None:
    services.get_or_join(email="ada@example.org", now=now)
    for term in ("GRACE@example.org", str(grace.public_id)):
        page = staff.post("/admin/members/member/", {"q": term}, follow=True).content.decode()
        assert str(grace.public_id) in page
        assert "1 member" in page
    for term in ("grace", "charlie@example.org", "%"):
        page = staff.post("/admin/members/member/", {"q": term}, follow=True).content.decode()
        assert "0 members" in page


def test_lists_open_no_personal_data(
    staff: Client, membership: Membership, receipt: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []
    monkeypatch.setattr(crypto, "open_sealed", lambda sealed, bound_to: opened.append(sealed))
    for page in ("member", "membership", "message"):
        assert staff.get(f"/admin/members/{page}/").status_code == 200
    assert opened == []


def test_a_readers_page_shows_the_address_the_memberships_and_nothing_to_change(
    staff: Client, grace: Member, membership: Membership
) -> None:
    assert "grace@example.org" not in staff.get(f"/admin/members/member/{grace.pk}/change/").content.decode()
    staff.post(f"/admin/reveal/members.member/{grace.pk}/", {"why": "She wrote to us."})
    page = staff.get(f"/admin/members/member/{grace.pk}/change/").content.decode()

    assert "grace@example.org" in page
    assert "contribution-1" in page
    assert 'name="_save"' not in page
    assert staff.post(f"/admin/members/member/{grace.pk}/change/", {"locale": "ru"}).status_code == 403
    assert staff.get("/admin/members/member/add/").status_code == 403
    assert staff.post(f"/admin/members/member/{grace.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_membership_shows_its_state_and_history(staff: Client, membership: Membership) -> None:
    assert "Active" in staff.get("/admin/members/membership/", {"q": "contribution-1"}).content.decode()
    page = staff.get(f"/admin/members/membership/{membership.pk}/change/").content.decode()

    assert "A payment arrived." in page
    assert 'name="_save"' not in page


def test_staff_see_why_a_colleague_gave_a_membership(
    staff: Client, grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    given = services.give_complimentary(
        member=grace,
        tier=tiers["friend"],
        until=(now + 90 * DAY).date(),
        actor="staff:7",
        why="Won our quiz.",
        now=now,
    )
    address = f"/admin/members/membership/{given.pk}/change/"
    assert "Won our quiz." not in staff.get(address).content.decode(), "a note can name a reader"
    staff.post(f"/admin/reveal/members.member/{given.member_id}/", {"why": "She asks about her prize."})
    page = staff.get(address).content.decode()

    assert "Won our quiz." in page
    assert "staff:7" in page


def test_a_membership_with_a_long_history_costs_no_more_than_one_with_a_short_one(
    staff: Client, membership: Membership, now: datetime, django_assert_max_num_queries: Any
) -> None:
    path = f"/admin/members/membership/{membership.pk}/change/"
    with CaptureQueriesContext(connection) as short:
        staff.get(path)
    services.follow_plan(member=membership.member, plan=a_plan(now, months=24), now=now + 800 * DAY)
    with django_assert_max_num_queries(len(short)):
        staff.get(path)


def test_the_list_of_memberships_costs_the_same_for_one_and_for_many(
    staff: Client, membership: Membership, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        reader = services.get_or_join(email=f"ada+{number}@example.org", now=now)
        services.follow_plan(member=reader, plan=a_plan(now, reference=f"contribution-x{number}"), now=now)
    with django_assert_max_num_queries(8):  # the second factor is one of them
        staff.get("/admin/members/membership/")


def test_staff_see_what_was_sent_to_an_address(staff: Client, receipt: Message) -> None:
    page = staff.post("/admin/members/message/", {"q": "Grace@example.org"}, follow=True).content.decode()
    assert str(receipt.public_id) in page
    assert "1 message" in staff.get("/admin/members/message/", {"q": str(receipt.public_id)}).content.decode()
    assert "0 messages" in staff.get("/admin/members/message/", {"q": "nobody"}).content.decode()
    page = staff.get(f"/admin/members/message/{receipt.pk}/change/").content.decode()
    assert "amount_text: $5.46" in page
    assert "grace@example.org" not in page
    staff.post(f"/admin/reveal/members.message/{receipt.pk}/", {"why": "She says that it never came."})
    page = staff.get(f"/admin/members/message/{receipt.pk}/change/").content.decode()
    assert "grace@example.org" in page


def test_what_cannot_be_opened_is_said_instead_of_failing(
    staff: Client, receipt: Message, settings: Any
) -> None:
    staff.post(f"/admin/reveal/members.message/{receipt.pk}/", {"why": "She says that it never came."})
    settings.FIELD_ENCRYPTION_KEYS = [("other", b"x" * 32)]
    page = staff.get(f"/admin/members/message/{receipt.pk}/change/")

    assert page.status_code == 200
    assert "cannot be opened" in page.content.decode()


def test_staff_set_tiers_and_their_minimums(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring", rung.append)
    form = {
        "slug": "friend",
        "name": "Friend",
        "position": "1",
        "thresholds-TOTAL_FORMS": "1",
        "thresholds-INITIAL_FORMS": "0",
        "thresholds-0-currency": "USD",
        "thresholds-0-minimum_annual_minor": "2400",
    }
    assert staff.post("/admin/members/tier/add/", form).status_code == 302
    assert Tier.objects.get().thresholds.get().minimum_annual_minor == 24_00
    assert rung == ["members.tasks.follow_tiers"], "members move to the tiers as they are drawn now"

    wrong = {**form, "slug": "patron", "thresholds-0-currency": "usd"}
    assert staff.post("/admin/members/tier/add/", wrong).status_code == 200
    assert Tier.objects.count() == 1
