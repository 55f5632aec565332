"""Members and gifts from a file: errors by row and column, each row once, nobody gets a mail (A3)."""

from __future__ import annotations

import contextlib
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from donations import csv_rows, file_import, tasks
from donations.models import Campaign, Contribution, FileImport, ImportedRow, OfflineGift, Payment
from donations.money import Money
from members import clock
from members import queries as members
from members.models import Member, Membership, Message
from tests import factories
from tests.donations.test_offline import staff_who_may

pytestmark = pytest.mark.django_db

HEAD = "email,name,amount,currency,date,interval,campaign,reference\n"
GOOD = HEAD + (
    "ada@example.org,Ada Sample,12.50,USD,2025-11-03,once,,A1\n"
    "grace@example.org,Grace Sample,1200,JPY,03.02.2026,month,support-us,A2\n"
    "eve@example.org,Eve Sample,,,2020-05-01,,,\n"
)


@pytest.fixture(autouse=True)
def _campaign(db: Any) -> None:
    factories.a_campaign()


def imported(folder: Path, content: str | bytes, *options: str) -> str:
    file = folder / "readers.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = StringIO()
    call_command("import_csv", str(file), "--campaign", "support-us", *options, stdout=said)
    return said.getvalue()


def faults_of(rows: str) -> list[tuple[int, str, str]]:
    table = csv_rows.read(
        HEAD + rows, campaigns={"support-us": 1}, default_campaign="support-us", today=date(2026, 11, 24)
    )
    return [(fault.row, fault.column, fault.code) for fault in table.faults]


def test_members_and_gifts_of_a_file_are_in_the_books_and_nobody_gets_a_mail(
    tmp_path: Path, settings: Any
) -> None:
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 24
    said = imported(tmp_path, GOOD)

    assert "3 rows were imported, 0 were here before, 0 left out." in said
    amounts = [payment.amount for payment in Payment.objects.order_by("paid_at")]
    assert amounts == [Money(1250, "USD"), Money(1200, "JPY")]
    assert not Payment.objects.filter(receipt_number=None).exists()
    ada, grace, eve = (members.get_member(f"{name}@example.org") for name in ("ada", "grace", "eve"))
    assert ada is not None
    assert grace is not None
    assert eve is not None
    assert eve.joined_at.date() == date(2020, 5, 1)
    assert members.get_current_membership(ada, clock.now()) is not None
    [by_month] = Membership.objects.filter(member=grace)
    assert by_month.annual_minor == 1200 * 12
    assert by_month.ended_at is not None, "it was paid for a month"
    assert not Message.objects.exists()
    assert {row.origin for row in Contribution.objects.all()} == {"FILE"}
    assert OfflineGift.objects.get(payment__currency="USD").reference == "A1"
    assert FileImport.objects.get().content == "", "the file is forgotten"


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    imported(tmp_path, GOOD + "ada@example.org,,5,USD,2026-01-01,,,\n" * 2)
    said = imported(tmp_path, GOOD + "ada@example.org,,5,USD,2026-01-01,,,\n" * 3)
    assert "6 rows: 1 new, 5 here before" in said
    assert Payment.objects.count() == 5


def test_a_row_that_was_changed_since_is_not_taken_twice(tmp_path: Path) -> None:
    imported(tmp_path, GOOD)
    with pytest.raises(CommandError, match="Nothing was imported"):
        imported(tmp_path, GOOD.replace("12.50", "99.50"))
    assert Payment.objects.count() == 2


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    said = imported(tmp_path, GOOD, "--dry-run")
    assert "3 rows: 3 new" in said
    assert "USD 12.50" in said
    assert not FileImport.objects.exists()
    assert not Member.objects.exists()


def test_one_bad_row_stops_the_whole_file_unless_it_is_to_be_left_out(tmp_path: Path) -> None:
    bad = GOOD + "nobody,,5,USD,2026-01-01,,,\n"
    with pytest.raises(CommandError, match="1 rows cannot be taken"):
        imported(tmp_path, bad)
    assert not Payment.objects.exists()
    assert not ImportedRow.objects.exists()

    said = imported(tmp_path, bad, "--skip-bad-rows")
    assert "row 5, email: This is no e-mail address that mail can reach. [email_invalid]" in said
    assert Payment.objects.count() == 2


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (",,5,USD,2026-01-01,,,", "email", "email_missing"),
        ("nobody,,5,USD,2026-01-01,,,", "email", "email_invalid"),
        ("a@example.org,=cmd(),5,USD,2026-01-01,,,", "name", "formula"),
        ("a@example.org,@SUM(A1),5,USD,2026-01-01,,,", "name", "formula"),
        ("a@example.org,,5,USD,2026-01-01,,,+1", "reference", "formula"),
        ("a@example.org,4242 4242 4242 4242,5,USD,2026-01-01,,,", "name", "name_invalid"),
        ("a@example.org,,5.005,USD,2026-01-01,,,", "amount", "amount_invalid"),
        ('a@example.org,,"1,000",USD,2026-01-01,,,', "amount", "amount_invalid"),
        ("a@example.org,,1e3,USD,2026-01-01,,,", "amount", "amount_invalid"),
        ("a@example.org,,-5,USD,2026-01-01,,,", "amount", "amount_not_positive"),
        ("a@example.org,,0,USD,2026-01-01,,,", "amount", "amount_not_positive"),
        ("a@example.org,,99999999999999,USD,2026-01-01,,,", "amount", "amount_too_large"),
        ("a@example.org,,5.5,JPY,2026-01-01,,,", "amount", "amount_invalid"),
        ("a@example.org,,5,,2026-01-01,,,", "currency", "currency_missing"),
        ("a@example.org,,5,XXX,2026-01-01,,,", "currency", "currency_unknown"),
        ("a@example.org,,,USD,2026-01-01,,,", "amount", "amount_missing"),
        ("a@example.org,,5,USD,,,,", "date", "date_missing"),
        ("a@example.org,,5,USD,03/04/2026,,,", "date", "date_invalid"),
        ("a@example.org,,5,USD,2026-02-30,,,", "date", "date_invalid"),
        ("a@example.org,,5,USD,1976-01-01,,,", "date", "date_too_early"),
        ("a@example.org,,5,USD,2026-11-25,,,", "date", "date_in_future"),
        ("a@example.org,,5,USD,2026-01-01,week,,", "interval", "interval_unknown"),
        ("a@example.org,,5,USD,2026-01-01,,elsewhere,", "campaign", "campaign_unknown"),
        (f"a@example.org,{'x' * 501},5,USD,2026-01-01,,,", "name", "cell_too_long"),
        ("a@example.org,5,USD", "", "wrong_length"),
    ],
)
def test_what_is_wrong_is_said_by_row_and_column(row: str, column: str, code: str) -> None:
    good = "ada@example.org,,5,USD,2026-01-01,,,\n"
    assert faults_of(f"{good}{row}\n") == [(3, column, code)]


def test_several_things_wrong_with_one_row_are_all_said() -> None:
    found = faults_of("nobody,,x,USD,2999-01-01,week,,\n")
    assert [(column, code) for _, column, code in found] == [
        ("email", "email_invalid"),
        ("interval", "interval_unknown"),
        ("date", "date_in_future"),
        ("amount", "amount_invalid"),
    ]


def test_a_reference_that_is_there_twice_is_said() -> None:
    row = "ada@example.org,,5,USD,2026-01-01,,,R1\n"
    assert faults_of(row * 2) == [(3, "reference", "reference_twice")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (b"  \n", "file_empty"),
        (HEAD.encode(), "file_empty"),
        (b"name\nAda\n", "no_header"),
        (b"email,IBAN\nada@example.org,1\n", "unknown_column"),
        (b"email,email\na@example.org,b@example.org\n", "column_twice"),
        (b"email\nada@example.org\0\n", "nul_byte"),
        (b"PK\x03\x04\x00\x00", "nul_byte"),
        (b'email\n"ada@example.org\n', "not_csv"),
        ("email,name\nada@example.org,Ada Müller\n".encode("cp1252"), "encoding_unknown"),
        (b"email,name\nada@example.org," + b"x" * (10 * 1024 * 1024), "file_too_large"),
        (b"email,name\nada@example.org," + b"x" * (1024 * 1024), "not_csv"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_a_file_that_cannot_be_read_is_refused_whole(content: bytes, code: str) -> None:
    with pytest.raises(csv_rows.BadFile) as refused:
        file_import.look(content, campaign=Campaign.objects.get(), now=clock.now())
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("\ufeffemail;name;amount;currency;date\na@example.org;Ада;12,50;EUR;2026-01-01\n".encode(), "auto"),
        (
            "email\tname\tamount\tcurrency\tdate\r\na@example.org\tАда\t12.50\tEUR\t01.01.2026\r\n".encode(
                "utf-16"
            ),
            "auto",
        ),
        (
            "Email;Name;Amount;Currency;Date\na@example.org;Ада;12,50;eur;2026-01-01\n".encode("cp1251"),
            "windows-1251",
        ),
    ],
)
def test_a_spreadsheets_ways_of_writing_are_understood(data: bytes, encoding: str) -> None:
    found = file_import.look(data, campaign=Campaign.objects.get(), encoding=encoding, now=clock.now())
    [row] = found.new
    assert (row.name, row.amount, row.day) == ("Ада", Money(1250, "EUR"), date(2026, 1, 1))


@given(text=st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(csv_rows.BadFile):
        csv_rows.read(text, campaigns={}, default_campaign="", today=date(2026, 11, 24))


def test_in_the_admin_a_file_is_looked_at_and_then_confirmed() -> None:
    client = staff_who_may("import_file", "view_fileimport")
    add = reverse("admin:donations_fileimport_add")
    token = client.get(add).cookies["csrftoken"].value
    upload = SimpleUploadedFile("readers.csv", (GOOD + "nobody,,,,,,,\n").encode())
    answer = client.post(
        add, {"csrfmiddlewaretoken": token, "file": upload, "campaign": Campaign.objects.get().pk}
    )
    kept = FileImport.objects.get()
    assert answer["Location"] == reverse("admin:donations_fileimport_look", args=[kept.pk])
    page = client.get(answer["Location"]).content.decode()
    assert "3 new" in page
    assert "email_invalid" in page
    assert not Member.objects.exists()

    take = reverse("admin:donations_fileimport_take", args=[kept.pk])
    assert client.get(take).status_code == 405
    assert client.post(take).status_code == 403, "only from our own page"
    client.post(take, {"csrfmiddlewaretoken": token})
    assert not Member.objects.exists(), "one row cannot be taken"
    client.post(take, {"csrfmiddlewaretoken": token, "skip_bad_rows": "on"})
    assert Payment.objects.count() == 2
    client.post(take, {"csrfmiddlewaretoken": token, "skip_bad_rows": "on"})
    assert Payment.objects.count() == 2
    kept.refresh_from_db()
    assert (kept.taken, kept.left_out, kept.uploaded_by[:6]) == (3, 1, "staff:")


def test_who_may_not_import_cannot() -> None:
    client = staff_who_may("view_fileimport")
    assert client.get(reverse("admin:donations_fileimport_add")).status_code == 403
    kept, _ = file_import.upload(
        GOOD.encode(), campaign=Campaign.objects.get(), actor="staff:1", now=clock.now()
    )
    assert client.get(reverse("admin:donations_fileimport_look", args=[kept.pk])).status_code == 403
    page = client.get(reverse("admin:donations_fileimport_change", args=[kept.pk])).content.decode()
    assert "ada@example.org" not in page


def test_a_file_that_nobody_confirmed_is_forgotten_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = file_import.upload(
        GOOD.encode(), campaign=Campaign.objects.get(), actor="staff:1", now=clock.now()
    )
    later = clock.now() + file_import.KEPT_FOR
    monkeypatch.setattr(clock, "now", lambda: later)
    tasks.purge_payloads()
    kept.refresh_from_db()
    assert kept.content == ""
