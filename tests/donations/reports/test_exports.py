"""Rows for a spreadsheet: whole, exact, harmless there, and for who may have them."""

from __future__ import annotations

import csv
import io
import uuid
import zipfile
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from donations.models import Contribution, Payment
from donations.reports import exports
from donations.reports.serializers import QuestionInput
from members import clock
from members.models import AuditEntry
from tests import factories

EXPORT = "/admin/reports/export/"


def editor(*rights: str) -> Client:
    user = User.objects.create(username="editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", ["payments", "contributions", "members", "reminders"])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_files_are_for_staff_who_may_export(db, name, kind):
    address = f"{EXPORT}{name}.{kind}"

    assert Client().get(address).status_code == 302
    assert editor("view_reports").get(address).status_code == 403
    User.objects.all().delete()
    answer = editor("export_data").get(address)
    assert answer.status_code == 200
    entry = AuditEntry.objects.get(act="EXPORTED")
    assert (entry.what, entry.facts["kind"]) == (name, kind)
    assert f'filename="{name}-' in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]
    assert len(b"".join(answer.streaming_content)) > 20


@pytest.mark.parametrize("address", ["secrets.csv", "payments.pdf"])
def test_there_are_no_other_files(db, address):
    assert editor("export_data").get(f"{EXPORT}{address}").status_code == 404


@pytest.mark.parametrize(
    "query", ["from=2026-02-30", "from=2020-02-02&to=2020-02-01", "currency=usd", "what=1"]
)
def test_a_question_that_is_wrong_gets_no_file(db, query):
    assert editor("export_data").get(f"{EXPORT}payments.csv?{query}").status_code == 400


def test_one_row_for_each_payment_with_what_it_cost(house):
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=3000, currency="JPY", email="grace@example.org", interval="month")
    house.begin(amount=700, email="charlie@example.org")
    house.stripe.refund(Payment.objects.get(amount_minor=2500).stripe_charge_id, 1000)
    house.catch_up()
    client = editor("export_data")

    payments = {row["currency"]: row for row in rows_of(client.get(f"{EXPORT}payments.csv"))}

    assert set(payments) == {"USD", "JPY"}
    dollars, paid = payments["USD"], Payment.objects.get(currency="USD")
    assert (dollars["gross"], dollars["refunded"]) == ("25.00", "10.00")
    assert Decimal(dollars["settled"]) - Decimal(dollars["fee"]) == Decimal(dollars["net"])
    assert Decimal(dollars["net"]) == Decimal(paid.net_minor) / 100
    assert dollars["paid at (UTC)"] == paid.paid_at.strftime("%Y-%m-%d %H:%M:%S")
    assert payments["JPY"]["gross"] == "3000"
    begun = rows_of(client.get(f"{EXPORT}contributions.csv"))
    assert sorted(row["gift"] for row in begun) == ["25.00", "3000", "7.00"]
    assert len(rows_of(client.get(f"{EXPORT}members.csv"))) == 2
    assert len(rows_of(client.get(f"{EXPORT}payments.csv?currency=JPY"))) == 1


def test_no_reader_is_named_in_any_file(house):
    house.give_and_pay(name="Ada Sample", amount=2500)
    client = editor("export_data")
    for name in exports.names():
        told = b"".join(client.get(f"{EXPORT}{name}.csv").streaming_content)
        assert b"example.org" not in told
        assert b"Ada" not in told


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000=1", "\u200b=1", "\ufeff=1",
    "＝1", "＋1", "－1", "＠x", "fine\n=1", "fine\r\n  @x", '=cmd|"/c calc"!A1', "=1;2", "-5", "|x", "%x",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_reckon_with_is_defused(db, text):
    campaign = factories.a_campaign()
    now = clock.now()
    Contribution.objects.create(
        campaign=campaign, interval="once", amount_minor=500, currency="USD", livemode=False, created_at=now,
        checkout_attempted_at=now, source={"utm_source": text, "component": "a; \"b\", c"},
    )  # fmt: skip
    client = editor("export_data")

    (row,) = rows_of(client.get(f"{EXPORT}contributions.csv"))

    assert row["utm source"] == f"'{text}"
    assert row["component"] == 'a; "b", c'
    assert row["gift"] == "5.00"


def test_a_workbook_holds_numbers_as_numbers_and_no_formula(house):
    house.give_and_pay(amount=2500, source={"utm_source": "=1+1"})
    client = editor("export_data")

    book = b"".join(client.get(f"{EXPORT}payments.xlsx").streaming_content)
    sheet = zipfile.ZipFile(io.BytesIO(book)).read("xl/worksheets/sheet1.xml").decode()
    assert "<v>25.00</v>" in sheet
    book = b"".join(client.get(f"{EXPORT}contributions.xlsx").streaming_content)
    sheet = zipfile.ZipFile(io.BytesIO(book)).read("xl/worksheets/sheet1.xml").decode()
    assert "'=1+1" in sheet
    assert "<f>" not in sheet


def test_a_file_is_made_piece_by_piece(house, monkeypatch):
    monkeypatch.setattr(exports, "PIECE", 2)
    for number in range(5):
        house.begin(amount=700 + number, email=f"charlie{number}@example.org")
    export, asked = exports.get("contributions"), QuestionInput(data={})
    asked.is_valid(raise_exception=True)
    question = asked.question(now=clock.now())

    pieces = list(exports.pieces(export, question))

    assert [piece.rows for piece in pieces] == [2, 2, 1]
    rows = list(csv.reader(io.StringIO(b"".join(exports.as_csv(export, question)).decode("utf-8-sig"))))
    assert [row[6] for row in rows] == ["gift", "7.00", "7.01", "7.02", "7.03", "7.04"]

    Contribution.objects.filter(amount_minor__in=[700, 702, 703]).delete()
    monkeypatch.setattr(exports, "PIECE", 1)
    left = list(exports.pieces(export, question))  # however far their keys are apart
    assert [piece.rows for piece in left] == [1, 1]
    assert [
        row[6] for row in csv.reader(b"".join(piece.content for piece in left).decode().splitlines())
    ] == [
        "7.01",
        "7.04",
    ]


def test_what_postgresql_writes_on_its_own_is_what_we_would_write(house):
    """Each kind of cell, the formulas among them. (On SQLite it is we who write, in pieces.)"""
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=3000, currency="JPY", email="grace@example.org", interval="month")
    house.give_and_pay(amount=5120, currency="KWD", email="three@example.org")
    small = Payment.objects.get(currency="KWD")
    # Whatever a bank may settle: less than the fee, nothing, a coin, more than a hundred million.
    for number, (net, currency) in enumerate(
        [
            (-5, "USD"),
            (0, "USD"),
            (99, "EUR"),
            (-1_205, "BHD"),
            (7, "JPY"),
            (12_345_678_901, "USD"),
            (-50, ""),
        ]
    ):
        small.pk, small.public_id, small.receipt_number = None, uuid.uuid4(), f"-{number}"
        small.stripe_payment_intent_id, small.stripe_charge_id = f"pi_{number}", f"ch_{number}"
        small.fee_minor, small.settlement_minor, small.net_minor = 45, net + 45, net
        small.settlement_currency, small.refunded_minor = currency, number
        small.save(force_insert=True)
    reminder = {"email": "ada@example.org", "remind": "next_month", "consent_version": "reminder-1"}
    assert house.api.post("/api/v1/reminders/", reminder, content_type="application/json").status_code == 202
    house.advance(days=40)
    campaign, now = factories.a_campaign("-5"), clock.now()
    for text in (
        *FORMULAS,
        "a = b",
        "",
        "Zz",
        "z\r=1",
        "[1]",
        "^x",
        "`x",
        "_\n-1",
        'say "a", b',
        "Привет",
        "a\nb",
        "\\.",
    ):
        Contribution.objects.create(
            campaign=campaign, interval="once", amount_minor=500, currency="USD", livemode=False,
            created_at=now, checkout_attempted_at=now, source={"utm_source": text},
        )  # fmt: skip
    asked = QuestionInput(data={})
    asked.is_valid(raise_exception=True)
    question = asked.question(now=clock.now())

    for name in exports.names():
        export = exports.get(name)
        rows = export.rows(question).order_by("pk")
        ours = [[str(cell) for cell in row] for row in exports.told(export, rows)]
        copied = b"".join(piece.content for piece in exports.pieces(export, question)).decode()
        assert list(csv.reader(io.StringIO(copied, newline=""))) == ours, name
        assert ours, name
