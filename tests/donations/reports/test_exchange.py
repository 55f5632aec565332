"""One currency for all: exact, by the rates of the days, and silent where a rate is missing."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal, localcontext

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from donations.models import DayRate, Payment
from donations.reports import exchange, periods
from donations.reports.exchange import Rates, total
from donations.reports.periods import Period

CSV = b"""Date,USD,JPY,CHF,XYZ,
2026-03-06,1.0800,160.00,1.9558,7.0,
2026-03-05,1.0750,159.10,N/A,7.0,
"""
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <Cube><Cube time="2026-03-06"><Cube currency="USD" rate="1.0800"/><Cube currency="JPY" rate="160.00"/></Cube>
        <Cube time="2026-03-05"><Cube currency="USD" rate="1.0750"/></Cube></Cube>
</gesmes:Envelope>
"""
FRIDAY, MARCH = date(2026, 3, 6), Period(date(2026, 3, 1), date(2026, 3, 31))


@pytest.fixture
def rates(db, tmp_path) -> Rates:
    file = tmp_path / "eurofxref-hist.csv"
    file.write_bytes(CSV)
    call_command("import_rates", file, verbosity=0)
    return Rates.of(MARCH)


def test_both_files_of_the_bank_are_read_and_read_again(rates, tmp_path, capsys):
    from_csv = set(DayRate.objects.values_list("day", "currency", "rate"))
    assert (FRIDAY, "USD", Decimal("1.08")) in from_csv
    assert len(from_csv) == 5  # not the one without a rate, nor the currency that nobody knows
    DayRate.objects.filter(currency="USD").update(rate=9)
    file = tmp_path / "rates.xml"
    file.write_bytes(XML)
    call_command("import_rates", file)

    assert set(DayRate.objects.values_list("day", "currency", "rate")) == from_csv
    assert "3 rates" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Day,USD\n2026-03-06,1.08\n",
        b"Date,USD\n2026-03-06,-1\n",
        b"Date,USD\n2026-03-06,NaN\n",
        b"Date,USD\n6.3.2026,1.08\n",
        b"<not xml",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x/>',
    ],
)
def test_a_file_that_is_none_changes_nothing_and_says_why(db, tmp_path, content):
    file = tmp_path / "rates"
    file.write_bytes(content)

    with pytest.raises(CommandError, match=r"\w"):
        call_command("import_rates", file)
    assert not DayRate.objects.exists()


def test_a_sum_is_exact_and_rounded_once(rates):
    amounts = [(1, "USD", FRIDAY)] * 3 + [(1000, "JPY", FRIDAY), (250, "EUR", FRIDAY)]

    told = total(amounts, "EUR", rates)

    with localcontext() as context:
        context.prec = 60
        by_hand = 3 / Decimal("1.08") + 1000 * 100 / Decimal(160) + 250
    assert told == {"minor": round(by_hand), "missing": []}
    assert told["minor"] == 878


def test_a_day_without_a_rate_has_the_last_before_it_for_a_week(rates):
    assert rates.on(FRIDAY + timedelta(days=2), "USD") == rates.on(FRIDAY, "USD")
    assert rates.on(FRIDAY + timedelta(days=7), "USD") == rates.on(FRIDAY, "USD")
    assert rates.on(FRIDAY + timedelta(days=8), "USD") is None
    assert rates.on(date(2026, 3, 4), "USD") is None
    assert rates.on(FRIDAY + timedelta(days=20), "EUR") == 1


def test_without_a_rate_there_is_no_sum_and_it_is_said_which(rates):
    told = total([(500, "USD", FRIDAY), (500, "GBP", FRIDAY)], "JPY", rates)

    assert told == {"minor": None, "missing": [{"currency": "GBP", "day": FRIDAY}]}
    assert total([], "EUR", rates) == {"minor": 0, "missing": []}


def test_reports_tell_all_currencies_in_one(house):
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=3000, currency="JPY", email="grace@example.org", interval="month")
    today = periods.day_of(Payment.objects.latest("paid_at").paid_at)
    for currency, rate in (("USD", "1.25"), ("JPY", "150")):
        DayRate.objects.create(day=today - timedelta(days=1), currency=currency, rate=Decimal(rate))
    staff = Client()
    staff.force_login(User.objects.create(username="editor", is_staff=True, is_superuser=True))

    revenue = staff.get("/api/v1/reports/revenue/", {"into": "EUR"}).json()
    mrr = staff.get("/api/v1/reports/mrr/", {"into": "EUR"}).json()
    refused = staff.get("/api/v1/reports/churn/", {"into": "EUR"})

    assert revenue["converted"][-1]["gross"] == {"minor": 2000 + 2000, "missing": []}
    assert revenue["data"]["JPY"][-1]["gross"] == 3000
    assert mrr["converted"][-1]["closing"] == {"minor": 2000, "missing": []}
    assert refused.json()["error"]["fields"]["into"][0]["code"] == "not_converted"
    assert exchange.BASE == "EUR"
