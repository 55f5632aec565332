"""The week by mail: for staff who want it and may have it, once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client

from donations import tasks
from donations.models import DigestReader
from donations.reports import digest
from members import clock, emails, outbox
from members.models import Message


@pytest.fixture
def editor(db) -> User:
    user = User.objects.create(username="editor", is_staff=True, email="editor@example.org")
    user.user_permissions.set(Permission.objects.filter(codename="view_reports"))
    return user


def switch(user: User, wanted: str) -> None:
    client = Client()
    client.force_login(user)
    assert client.post("/admin/reports/digest/", {"wanted": wanted}).status_code == 302


def test_who_asks_for_it_gets_the_week_once(house, editor):
    house.give_and_pay(amount=2500)
    house.advance(days=7)
    mail.outbox.clear()
    switch(editor, "yes")
    for _ in range(2):
        tasks.write_digest()
        house.work()

    (letter,) = mail.outbox
    assert letter.to == ["editor@example.org"]
    assert "Gross in USD: $25.00 (the week before: $0.00)" in letter.body
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", letter.alternatives[0][0])
    assert cells[cells.index("Gross in USD") :][:3] == ["Gross in USD", "$25.00", "$0.00"]
    assert "Stayed, of those who set out to stop" in cells
    assert "example.org" not in letter.body
    assert "/admin/reports/" in letter.body


def test_a_week_in_which_nothing_came_says_so(house, editor):
    house.give_and_pay(amount=500, interval="month")
    house.advance(days=24)

    told = digest.describe(digest.last_week(clock.now()), now=clock.now())

    assert "Gross in USD\t$0.00\t$0.00" in told["figures_text"].splitlines()
    assert "Monthly recurring revenue in USD\t$5.00\t$5.00" in told["figures_text"].splitlines()


def test_one_that_was_owed_as_plain_lines_can_still_be_read():
    lines = "Gross in USD: $25.00 (the week before: $18.00)"
    texts = {"week_text": "May 3 to May 9", "action_text": "Nothing.", "dashboard_url": "https://a.example/"}

    _, text, page = emails.write(kind=digest.KIND, context={**texts, "figures_text": lines}, locale="en")

    assert lines in text.splitlines()
    assert lines in page


def test_who_does_not_want_it_or_may_not_have_it_gets_none(editor):
    tasks.write_digest()
    assert not Message.objects.exists()
    switch(editor, "yes")
    editor.user_permissions.clear()
    tasks.write_digest()
    assert not Message.objects.exists()
    switched_off = Client()
    switched_off.force_login(editor)
    assert switched_off.post("/admin/reports/digest/", {"wanted": "yes"}).status_code == 403


def test_who_switches_it_off_before_it_leaves_is_spared(editor):
    switch(editor, "yes")
    tasks.write_digest()
    assert Message.objects.filter(state="OWED").count() == 1
    switch(editor, "no")

    outbox.deliver_due(now=clock.now())

    assert mail.outbox == []
    assert not DigestReader.objects.exists()


def test_an_address_that_is_none_stops_nobody_else(editor):
    other = User.objects.create(username="other", is_staff=True, is_superuser=True, email="not an address")
    for user in (other, editor):
        digest.switch(user, is_wanted=True, now=clock.now())

    assert digest.write(now=clock.now()) == 1


def test_the_week_is_the_last_one_that_is_over():
    week = digest.last_week(datetime(2026, 11, 23, 6, tzinfo=UTC))  # a Monday
    assert (week.first, week.last) == (date(2026, 11, 16), date(2026, 11, 22))
    assert digest.last_week(datetime(2026, 11, 29, 23, tzinfo=UTC)) == week
