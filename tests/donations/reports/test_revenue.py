"""The journal tells each sum once, the sums by day are its sums, and a number that was told stays told."""

from __future__ import annotations

import importlib
import random
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from donations.models import BalanceEntry, Dispute, JournalEntry, Payment, Refund, RevenueDay, RevenueMonth
from donations.reports import periods, rebuilding, revenue, rollups
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters
from members import clock

EVER = Period(date(2020, 1, 1), date(2035, 12, 31))


def totals(**known):
    """All revenue there ever was, by currency."""
    found = revenue.revenue(EVER, Granularity.YEAR, **known)
    return {
        currency: {
            name: sum(part[name] for part in parts) for name in parts[0] if type(parts[0][name]) is int
        }
        for currency, parts in found.items()
    }


def the_books():
    """The same from the books themselves, in another way."""
    found = {}
    for payment in Payment.objects.filter(state="SUCCEEDED"):
        sums = found.setdefault(payment.currency, {"payments": 0, "gross": 0, "refunds": 0})
        sums["payments"] += 1
        sums["gross"] += payment.amount_minor
        sums["refunds"] -= payment.refunded_minor
    for entry in BalanceEntry.objects.exclude(net_minor=None):
        found[entry.currency].setdefault("net", 0)
        found[entry.currency]["net"] += entry.net_minor
    return found


def agree():
    told = totals()
    for currency, sums in the_books().items():
        assert {name: told[currency][name] for name in sums} == sums
    assert rebuilding.compare().agrees


@pytest.fixture
def gifts(house):
    """Gifts of three currencies, one given back in part, one whole, one taken by a bank; months of renewals."""
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=5000, email="grace@example.org", interval="month", cover_fees=True)
    house.give_and_pay(amount=3000, currency="JPY", email="three@example.org")
    for _ in range(3):
        house.advance(days=31)
    return house


def test_what_moved_is_told_as_the_books_have_it(gifts):
    charge = Payment.objects.order_by("pk").first().stripe_charge_id
    gifts.stripe.refund(charge, 700)
    gifts.catch_up()

    agree()
    assert totals()["USD"]["refunds"] == -700
    assert totals()["USD"]["kept"] == totals()["USD"]["gross"] - 700


def test_rolling_up_changes_no_answer(gifts):
    before, random_days = totals(), random.Random(5)
    assert JournalEntry.objects.filter(is_rolled_up=False).exists()
    while rollups.roll_up(limit=random_days.randint(1, 3)):
        assert totals() == before

    assert not JournalEntry.objects.filter(is_rolled_up=False).exists()
    assert rollups.roll_up() == 0
    agree()
    only = {
        sums.currency: sums.amount_minor for sums in RevenueDay.objects.filter(campaign_id=0, kind="PAYMENT")
    }
    assert set(only) == {"USD", "JPY"}
    by_campaign = revenue.revenue(EVER, Granularity.YEAR, Filters(campaign="support-us"))
    assert by_campaign == revenue.revenue(EVER, Granularity.YEAR)
    assert revenue.revenue(EVER, Granularity.YEAR, Filters(campaign="another")) == {}


def test_news_told_twice_and_in_any_order_is_told_once(house):
    house.begin(amount=4000, interval="month")
    house.give_and_pay(amount=700, interval="month")
    house.stripe.advance(timedelta(days=70))
    house.catch_up(seed=3, duplicates=True)

    assert (
        JournalEntry.objects.filter(stands=True, kind="PAYMENT").count()
        == Payment.objects.filter(state="SUCCEEDED").count()
    )
    agree()


def test_a_number_that_was_told_stays_when_the_books_learn_better(gifts):
    rollups.roll_up()
    then, before = clock.now(), totals()
    payment = Payment.objects.filter(currency="USD").order_by("pk").first()
    gifts.advance(days=2)
    gifts.stripe.refund(payment.stripe_charge_id)
    gifts.catch_up()

    assert totals() != before
    assert totals(known_at=then) == before
    agree()


def test_a_payment_that_came_earlier_than_it_seemed_is_taken_back_and_told_anew(gifts):
    payment = Payment.objects.filter(currency="USD").order_by("pk").first()
    earlier = payment.paid_at - timedelta(days=3)
    Payment.objects.filter(pk=payment.pk).update(paid_at=earlier)
    assert not rebuilding.compare().agrees

    gifts.stripe.refund(payment.stripe_charge_id, 100)  # the next word about it
    gifts.catch_up()

    told = JournalEntry.objects.filter(payment=payment, kind="PAYMENT").order_by("edition")
    assert [(entry.count, entry.day) for entry in told] == [
        (1, periods.day_of(payment.paid_at)),
        (-1, periods.day_of(payment.paid_at)),
        (1, periods.day_of(earlier)),
    ]
    agree()


def test_the_rows_behind_a_figure_come_to_the_figure(gifts):
    gifts.stripe.refund(Payment.objects.order_by("pk").first().stripe_charge_id, 700)
    gifts.catch_up()
    rollups.roll_up(limit=4)
    figures = totals()
    for name in ("gross", "refunds", "disputes", "kept", "settled", "fees", "net"):
        for currency in figures:
            found = {"known_at": None, "first": 0, "count": 1000}
            rows, number, told = revenue.explain(EVER, Filters(currency=currency), name, **found)
            assert len(rows) == number
            assert sum(row["value"] for row in rows) == told.get(currency, 0) == figures[currency][name]


def test_what_is_older_than_the_journal_is_told_by_a_command(gifts, capsys):
    expected = totals()
    JournalEntry.objects.all().delete()
    RevenueDay.objects.all().delete()
    RevenueMonth.objects.all().delete()
    assert totals() == {}
    with pytest.raises(SystemExit):
        call_command("rebuild_reports", check=True)

    call_command("rebuild_reports")
    call_command("rebuild_reports", check=True)

    assert totals() == expected
    assert not JournalEntry.objects.filter(is_rolled_up=False).exists()
    assert "agree" in capsys.readouterr().out
    then = Payment.objects.order_by("paid_at").first().paid_at  # each was known when it happened
    assert totals(known_at=then)["USD"]["gross"] == sum(
        payment.amount_minor for payment in Payment.objects.filter(currency="USD", paid_at__lte=then)
    )


def test_a_refund_that_failed_was_none(gifts):
    gifts.stripe.refund(Payment.objects.filter(currency="USD").order_by("pk").first().stripe_charge_id, 700)
    gifts.catch_up()
    refund = Refund.objects.get()
    rollups.roll_up()
    Refund.objects.update(state="FAILED")
    Payment.objects.update(refunded_minor=0)

    call_command("rebuild_reports")

    assert totals()["USD"]["refunds"] == 0
    assert JournalEntry.objects.filter(reference=f"refund:{refund.pk}").count() == 2
    agree()
    assert not Dispute.objects.exists()


@pytest.mark.parametrize("model", [RevenueDay, RevenueMonth])
def test_sums_that_are_wrong_missing_or_of_nothing_are_found_and_put_right(gifts, capsys, model):
    while rollups.roll_up():
        pass
    expected = totals()
    model.objects.filter(campaign_id=0, currency="USD").update(amount_minor=F("amount_minor") + 1)
    model.objects.filter(campaign_id=0, currency="JPY").delete()
    model.objects.create(
        day=date(2021, 5, 1), campaign_id=0, currency="EUR", interval="once", kind="REFUND", amount_minor=-5
    )
    with pytest.raises(SystemExit):
        call_command("rebuild_reports", check=True)
    assert "0 facts and" in capsys.readouterr().out

    call_command("rebuild_reports")
    call_command("rebuild_reports", check=True)

    assert totals() == expected
    agree()


def test_days_summed_before_there_were_months_are_summed_by_month_when_the_tables_are_made(gifts):
    while rollups.roll_up():
        pass
    expected = totals()
    RevenueMonth.objects.all().delete()
    assert totals() != expected

    migration = importlib.import_module("donations.migrations.0023_sums_by_month")
    migration.sum_the_days(apps, SimpleNamespace(connection=connection))

    assert totals() == expected
    agree()
