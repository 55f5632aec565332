"""Rows for a spreadsheet: whole, exact, harmless there, and for who may have them."""

from __future__ import annotations

import csv
import io
import zipfile
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from donations.models import Contribution, Payment
from donations.reports import exports
from members import clock
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


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000=1", "\u200b=1", "\ufeff=1",
        "＝1", "＋1", "－1", "＠x", "fine\n=1", "fine\r\n  @x", '=cmd|"/c calc"!A1', "=1;2", "-5", "|x", "%x",
    ],
)  # fmt: skip
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


def test_a_file_is_made_piece_by_piece():
    export = exports.Export(("number", "text"), lambda _: ((number, "x") for number in range(2_000)))

    pieces = list(exports.as_csv(export, None))

    assert len(pieces) == 5
    assert b"".join(pieces).count(b"\r\n") == 2_001
