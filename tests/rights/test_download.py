"""Who asks gets everything that is kept about them, in one file that nobody else opens and that is not kept long."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from donations.models import Contribution
from members import archive, clock, data_rights, holders, merging, outbox
from members.models import AuditEntry, DataArchive, DataRequest, Member, Message
from tests.house import House
from tests.rights.conftest import AT_WORK, CANARY, everything_readable

KINDS = {
    "person", "memberships", "membership_history", "consents", "mails", "left_alone", "known_by",
    "taken_for_one_person", "notes_of_staff", "seen_and_done_by_staff", "data_requests", "contributions",
    "subscriptions", "changes", "asked_changes", "wishes_to_stop", "withdrawals", "payments", "refunds", "disputes",
    "failed_payments",
    "announcements", "second_charges", "gifts_beside_stripe", "imported_rows", "at_stripe", "reminders",
    "reminder_mails", "wants_no_reminders", "sessions", "sign_ins", "address_changes",
}  # fmt: skip


def ask(member: Member) -> DataRequest:
    request = data_rights.ask_download(member, now=clock.now())
    data_rights.answer_waiting(now=clock.now())
    request.refresh_from_db()
    return request


def opened(request: DataRequest, member: Member) -> zipfile.ZipFile:
    found = data_rights.open_download(request.public_id, member=member, now=clock.now())
    assert found is not None
    return zipfile.ZipFile(io.BytesIO(found.content))


def rows_of(file: zipfile.ZipFile, kind: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read(f"{kind}.csv").decode("utf-8-sig"))))


@pytest.fixture
def ada(house: House) -> Member:
    house.give_and_pay(name="Ada Sample", source={"page_url": "https://news.example/a-story"})
    return Member.objects.get()


def test_everything_is_in_it_as_json_and_as_tables(house: House, canary: Member) -> None:
    file = opened(ask(canary), canary)
    told = json.loads(file.read("everything.json"))

    assert told.keys() == KINDS | {"made_at", "newsroom"}
    assert file.testzip() is None
    assert {row["email"] for row in told["person"]} == {CANARY["email"], AT_WORK["email"]}
    assert {row["amount"] for row in told["payments"]} == {"5.00", "25.00", "7.00"}
    assert told["refunds"][0]["amount"] == "1.00"
    assert {row["kind"] for row in told["mails"]} >= {"receipt", "welcome", "refunded"}
    assert all("Canary" in row["text"] for row in told["notes_of_staff"])
    assert told["gifts_beside_stripe"][0]["reference"] == "Cheque of Canary Wrenfield-Sample"
    assert told["consents"][0]["purpose"] == "newsletter"
    assert told["reminders"][0]["email"] == CANARY["email"]
    assert any(row["state"] == "OPEN" and row["email"] == CANARY["email"] for row in told["contributions"])
    for kind in KINDS:
        if told[kind]:
            assert len(rows_of(file, kind)) == len(told[kind]), kind
    assert "everything.json" in file.read("README.txt").decode()


def test_a_mail_says_that_it_is_ready_and_carries_nothing(house: House, ada: Member, mailoutbox: Any) -> None:
    ask(ada)
    outbox.deliver_due(now=clock.now())

    letter = mailoutbox[-1]
    assert (letter.kind, letter.to, letter.attachments) == ("data_ready", ["ada@example.org"], [])
    assert "/account/data/" in letter.body
    assert "Sign in" in letter.body


def test_the_file_lies_sealed(house: House, ada: Member) -> None:
    request = ask(ada)
    raw = [text for where, text in everything_readable() if where == "members_dataarchive.content"]
    assert len(raw) == 1
    assert not raw[0].startswith("PK")
    assert "everything.json" not in raw[0]
    assert DataArchive.objects.get(request=request).content.startswith(b"PK")


def test_nobody_else_can_open_it(house: House, ada: Member) -> None:
    house.give_and_pay(email="grace@example.org", card="5555555555554444")
    grace = Member.objects.exclude(pk=ada.pk).get()
    request = ask(ada)

    assert data_rights.open_download(request.public_id, member=grace, now=clock.now()) is None
    assert data_rights.open_download(uuid4(), member=ada, now=clock.now()) is None
    merging.merge(grace, ada, actor="staff:1", why="One reader.", now=clock.now())
    assert data_rights.open_download(request.public_id, member=grace, now=clock.now()) is not None


def test_it_is_gone_after_a_week(house: House, ada: Member) -> None:
    request = ask(ada)
    later = clock.now() + timedelta(days=7)
    assert data_rights.open_download(request.public_id, member=ada, now=later - timedelta(minutes=1))
    assert data_rights.open_download(request.public_id, member=ada, now=later) is None

    data_rights.answer_waiting(now=later)

    assert not DataArchive.objects.exists()
    assert [one.state for one in data_rights.get_requests(ada)] == ["DONE"]


def test_two_wishes_within_an_hour_are_one(house: House, ada: Member) -> None:
    first = data_rights.ask_download(ada, now=clock.now())
    assert data_rights.ask_download(ada, now=clock.now()) == first
    data_rights.answer_waiting(now=clock.now())
    assert data_rights.ask_download(ada, now=clock.now()) == first
    assert Message.objects.filter(kind="data_ready").count() == 1

    later = clock.now() + timedelta(hours=2)
    second = data_rights.ask_download(ada, now=later)
    data_rights.answer_waiting(now=later)
    assert second != first
    assert DataArchive.objects.count() == 2


def test_that_it_was_gathered_stands_in_the_audit_log(house: House, ada: Member) -> None:
    ask(ada)
    entry = AuditEntry.objects.get(act="EXPORTED")
    assert (entry.actor, entry.member_id, entry.what) == ("reader", ada.pk, "everything about a reader")


def test_the_introduction_is_in_the_readers_language(house: House) -> None:
    house.give_and_pay(locale="ru")
    ada = Member.objects.get()
    assert "Здесь всё" in opened(ask(ada), ada).read("README.txt").decode()


def test_each_table_that_leads_to_a_member_is_told_of_and_erased(db: None) -> None:
    """Who adds one reads here that a floor's `holding` has to know it."""
    leads = set()
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, models.ForeignKey) and field.related_model is Member:
                leads.add(f"{model._meta.label}.{field.name}")
    assert leads == {
        "members.AddressChange.member",
        "members.Consent.member",
        "members.DataRequest.member",
        "members.Mark.member",
        "members.Member.merged_into",
        "members.Membership.member",
        "members.Merge.duplicate",
        "members.Merge.kept",
        "members.Message.member",
        "members.TwoPeople.first",  # a word about two readers; only that there is one would be told
        "members.TwoPeople.second",
        "members.ReaderSession.member",
        "members.SignInToken.member",
        "donations.Contribution.member",
        "donations.ImportedRow.member",
        "donations.StripeCustomer.member",
    }
    assert [holder.name for holder in holders.get_all()] == ["members", "donations", "reminders"]


# --- Cells that a spreadsheet could take for formulas (RELIABILITY.md, list E)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-5", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠A1", "  =1", "\u00a0=1", "\u3000=1",
        "good\n=1", "good\r\n  +1", "=cmd|' /C calc'!A0", "=1;\"x\"", "\ufeff=1", "\n=1",
    ],
)  # fmt: skip
def test_a_text_that_begins_as_a_formula_is_none(text: str) -> None:
    assert archive.cell(text).startswith("'")
    [row] = list(csv.reader(io.StringIO(archive.table([{"a": text}])[1:])))[1:]
    assert row == [f"'{text}"]


@pytest.mark.parametrize("value", [5, -5, 0, True])
def test_numbers_stay_numbers(value: int) -> None:
    assert archive.cell(value) == value


@given(st.text())
def test_no_cell_begins_as_a_formula(text: str) -> None:
    made = archive.cell(text)
    assert made.strip(" \u00a0\u3000")[:1] not in {"=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r"}
    assert made.removeprefix("'") == text.replace("\x00", "") or made == text


def test_a_reader_who_gave_a_formula_as_source_gets_it_defused(house: House) -> None:
    house.give_and_pay(source={"component": "=1+1"})
    ada = Member.objects.get()
    Contribution.objects.update(return_url="=HYPERLINK(1)")
    [row] = rows_of(opened(ask(ada), ada), "contributions")
    assert row["return_url"] == "'=HYPERLINK(1)"
