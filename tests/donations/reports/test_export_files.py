"""Files that a worker makes: ordered with a button, fetched by who ordered them, for a while."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from donations import tasks
from donations.models import ExportFile, ExportPiece
from donations.reports import exports, files
from members import clock
from members.models import AuditEntry

EXPORT, FILES = "/admin/reports/export/payments.csv", "/admin/reports/files/"


def finance(name: str = "fina") -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name="finance"))
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def many(house, monkeypatch):
    """More payments than are made while somebody waits, and small pieces."""
    monkeypatch.setattr(files, "LARGE", 2)
    monkeypatch.setattr(exports, "PIECE", 2)
    for number in range(3):
        house.give_and_pay(amount=2500 + number, email=f"ada{number}@example.org")
    return house


def link_on(client: Client) -> str:
    """The link to the only file that is ready."""
    page = client.get(FILES).content.decode()
    assert page.count(f'href="{FILES}') == 1
    return page.partition(f'href="{FILES}')[2].partition('"')[0]


def content_of(answer) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_many_rows_are_told_by_a_worker_and_fetched_by_who_asked(many):
    client = finance()
    assert "3 rows" in client.get(EXPORT).content.decode()
    assert not ExportFile.objects.exists(), "to look changes nothing"

    assert client.post(EXPORT).headers["Location"] == FILES
    assert "Waits for a worker" in client.get(FILES).content.decode()
    tasks.make_exports()
    answer = client.get(FILES + link_on(client))

    rows = list(csv.DictReader(io.StringIO(content_of(answer).decode("utf-8-sig"))))
    assert [row["gross"] for row in rows] == ["25.00", "25.01", "25.02"]
    assert "payments-" in answer["Content-Disposition"]
    file = ExportFile.objects.get()
    assert (file.rows, file.rows_done) == (3, 3)
    assert AuditEntry.objects.filter(act="EXPORTED", what="payments").count() == 2, "ordered, and fetched"


def test_a_link_opens_for_its_owner_only_and_for_ten_minutes(many, monkeypatch):
    owner, other = finance(), finance("fiona")
    owner.post(EXPORT)
    tasks.make_exports()
    link, now = link_on(owner), clock.now()

    assert other.get(FILES + link).status_code == 404
    assert "payments-" not in other.get(FILES).content.decode()
    assert owner.get(f"{FILES}{link[:-2]}xx/").status_code == 404
    assert Client().get(FILES + link).status_code == 302
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=9))
    assert owner.get(FILES + link).status_code == 200
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=11))
    assert owner.get(FILES + link).status_code == 404


def test_who_may_not_export_any_more_gets_no_file(many):
    client = finance()
    client.post(EXPORT)
    client.post(EXPORT)
    tasks.make_exports()
    link = client.get(FILES).content.decode().partition(f'href="{FILES}')[2].partition('"')[0]
    client.post(EXPORT)
    User.objects.get(username="fina").groups.clear()
    tasks.make_exports()

    assert client.get(FILES + link).status_code == 403
    assert client.get(FILES).status_code == client.post(EXPORT).status_code == 403
    assert sorted(ExportFile.objects.values_list("state", flat=True)) == ["FAILED", "READY", "READY"]


def test_a_file_is_gone_after_a_day(many, monkeypatch):
    finance().post(EXPORT)
    tasks.make_exports()
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=1))
    tasks.make_exports()

    assert not ExportFile.objects.exists()
    assert not ExportPiece.objects.exists()


def test_a_worker_that_died_is_followed_by_another_and_what_it_still_writes_counts_for_nothing(many):
    client = finance()
    client.post(EXPORT)
    now = clock.now()
    ExportFile.objects.update(state="MAKING", turn=1, leased_until=now + timedelta(minutes=1))
    first = ExportFile.objects.select_related("account").get()
    assert files.make_waiting(now=now) == 0, "it is still at work"

    assert files.make_waiting(now=now + timedelta(minutes=2)) == 1
    assert files._make(first) is False
    assert len(content_of(client.get(FILES + link_on(client))).splitlines()) == 4


def test_nobody_has_more_than_ten_files_at_a_time(many):
    client = finance()
    for _ in range(files.MOST + 1):
        client.post(EXPORT)

    assert ExportFile.objects.count() == files.MOST
    assert "You have 10 files already" in client.get(FILES).content.decode()


def test_a_workbook_is_made_in_the_same_way(many):
    client = finance()
    client.post(EXPORT.replace(".csv", ".xlsx"))
    tasks.make_exports()

    assert content_of(client.get(FILES + link_on(client)))[:2] == b"PK"
