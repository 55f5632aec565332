"""Figures that are told of the ledger and of mails, each beside a second reckoning from the rows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from donations.models import BalanceEntry, Contribution, Dunning, JournalEntry, Payment, Payout, Subscription
from donations.reports import (
    campaigns,
    catalogue,
    giving,
    payouts,
    plans,
    rebuilding,
    recovery,
    rollups,
    years,
)
from donations.reports.catalogue import Question, Window
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters
from members import clock
from tests.donations.test_dunning import A_MONTH, FAILS, MONTHLY, PAYS, change_card

EVER = Period(date(2020, 1, 1), date(2035, 12, 31))
USD = Filters(currency="USD")


def told(period: Period = EVER) -> dict:
    return recovery.recovery(period, USD)["currencies"]["USD"]


@pytest.fixture
def failing(house):
    """Grace's card has stopped to pay; Hedy's renewal came through."""
    house.give_and_pay(**{**MONTHLY, "email": "hedy@example.org", "amount": 1500})
    house.give_and_pay(**MONTHLY)
    change_card(house, FAILS)
    house.advance(**A_MONTH)
    return house


def test_a_renewal_that_failed_is_at_risk_and_then_recovered(failing):
    found = told()
    assert found["failed"] == {"numerator": 1, "denominator": 2, "value": 0.5}
    assert found["failed_value"] == {"numerator": 500, "denominator": 2000, "value": 0.25}
    assert found["recovered"] == {"numerator": 0, "denominator": 1, "value": 0.0}
    assert found["open"] == {"count": 1, "value": 500}
    assert recovery.at_risk(USD) == {"USD": {"count": 1, "value": 500}}
    code = Payment.objects.get(dunning__isnull=False).failure_code
    assert code
    assert found["by_code"] == {code: {"count": 1, "value": 500}}
    assert recovery.recovery(EVER, USD)["by_code"] == {code: 1}

    change_card(failing, PAYS)
    failing.advance(days=8)

    found = told()
    assert found["recovered"] == {"numerator": 1, "denominator": 1, "value": 1.0}
    assert found["recovered_value"]["numerator"] == 500
    assert recovery.at_risk(USD) == {}
    assert (recovery.recovery(EVER, USD)["by_code"], found["by_code"]) == ({}, {})
    # The same from the rows.
    renewals = list(Payment.objects.filter(is_renewal=True))
    refused = set(Dunning.objects.values_list("payment", flat=True))
    assert found["failed"]["denominator"] == len(renewals)
    assert found["failed"]["numerator"] == sum(payment.pk in refused for payment in renewals)


def test_the_rows_behind_recovery_are_the_failed_renewals(failing):
    report = catalogue.get("recovery")
    asked = Question(EVER, Granularity.YEAR, USD, clock.now())

    failed = catalogue.explain(report, asked, "failed", Window(0, 10))
    recovered = catalogue.explain(report, asked, "recovered", Window(0, 10))

    assert (failed.count, failed.total) == (1, {"USD": 500})
    assert sum(row["value"] for row in failed.rows) == 500
    assert (recovered.count, recovered.rows) == (0, [])


def test_what_is_due_and_what_ends_within_thirty_days(failing):
    now = clock.now()
    plans_of = Subscription.objects.all()
    due = [
        plan for plan in plans_of if (at := plan.upcoming_payment_at) and now <= at < now + timedelta(days=30)
    ]

    found = recovery.upcoming(now, USD)

    assert found["renewals"].get("USD", {"count": 0})["count"] == len(due)
    assert found["ends"] == {}
    Subscription.objects.filter(amount_minor=1500).update(cancel_at=now + timedelta(days=20))
    assert recovery.upcoming(now, USD)["ends"] == {"USD": {"count": 1, "value": 1500}}


def test_payouts_are_what_their_lines_come_to(house):
    house.stripe.change_settings(payouts={"interval": "daily"})
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=700, email="grace@example.org")
    house.advance(days=5)
    found = payouts.payout_report(EVER, None)

    assert len(found["payouts"]) == Payout.objects.count() > 0
    for row in found["payouts"]:
        assert sum(part["net"] for part in row["parts"].values()) == row["lines"] == row["amount"]
        assert row["difference"] == 0
    assert found["do_not_fit"] == []
    Payout.objects.update(listed_minor=1)
    assert len(payouts.payout_report(EVER, None)["do_not_fit"]) == Payout.objects.count()
    report = catalogue.get("payouts")
    asked = Question(EVER, Granularity.YEAR, Filters(), clock.now())
    lines = catalogue.explain(report, asked, "lines", Window(0, 50))
    assert lines.count == BalanceEntry.objects.exclude(payout=None).count()
    assert sum(row["value"] for row in lines.rows) == lines.total["USD"]


def test_a_bank_that_takes_money_is_in_the_journal_and_in_the_rate_of_disputes(house):
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=700, email="grace@example.org")
    dispute = house.stripe.dispute(Payment.objects.get(amount_minor=2500).stripe_charge_id)
    house.catch_up()

    def disputed() -> int:
        return sum(row.amount for row in rollups.read(EVER, USD) if row.kind == "DISPUTE")

    assert disputed() == -2500
    assert recovery.dispute_rate(EVER, USD)["USD"] == {"numerator": 1, "denominator": 2, "value": 0.5}

    house.stripe.close_dispute(dispute["id"], "won")
    house.catch_up()

    assert disputed() == 0
    assert rebuilding.compare().agrees
    assert JournalEntry.objects.filter(kind="DISPUTE").count() == 2


def test_campaigns_are_told_apart_and_come_to_the_whole(house):
    from tests import factories

    factories.a_campaign("autumn")
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=500, email="grace@example.org", interval="month", campaign="autumn")
    house.begin(amount=900, email="charlie@example.org", campaign="autumn")
    rollups.roll_up()

    found = {row["campaign"]: row for row in campaigns.campaigns(plans.load(), EVER)}

    for slug, row in found.items():
        begun = Contribution.objects.filter(campaign__slug=slug)
        paid = begun.filter(payments__state="SUCCEEDED").distinct().count()
        assert (row["direct"]["numerator"], row["direct"]["denominator"]) == (paid, begun.count())
    assert found["autumn"]["revenue"]["USD"]["kept"] == 500
    assert found["autumn"]["new_mrr"]["USD"]["twelfths"] == 6000
    assert found["support-us"]["new_mrr"] == {}
    whole = sum(row["revenue"]["USD"]["gross"] for row in found.values())
    assert whole == sum(Payment.objects.filter(state="SUCCEEDED").values_list("amount_minor", flat=True))


def test_three_years_of_a_giver_are_a_model_of_the_last_two():
    last = date(2026, 12, 31)
    some = [
        giving.Gift(person, day, "USD", "once", amount)
        for person, day, amount in [
            (1, date(2025, 6, 1), 100),
            (2, date(2025, 6, 1), 100),
            (1, date(2026, 6, 1), 3000),
            (3, date(2026, 6, 1), 1000),
            (3, date(2024, 6, 1), 9999),  # too long ago to count
        ]
    ]

    found = giving.lifetime_modelled(some, last)

    assert found["retention"] == {"numerator": 1, "denominator": 2, "value": 0.5}
    assert found["three_years"] == {"USD": 1662}  # 0.95 × 2000 × 0.875 = 1662.5, half to even
    assert giving.lifetime_modelled(some[2:3], last)["three_years"] == {"USD": None}


def test_givers_of_two_years_and_what_they_gave_to_date():
    gift = giving.Gift
    some = [
        gift(1, date(2024, 5, 1), "USD", "once", 1000),
        gift(1, date(2025, 5, 1), "USD", "once", 3000),
        gift(1, date(2026, 5, 1), "USD", "once", 500),
        gift(2, date(2025, 6, 1), "USD", "once", 2000),
        gift(2, date(2026, 7, 1), "EUR", "month", 700),
        gift(3, date(2025, 7, 1), "USD", "month", 100),
        gift(4, date(2026, 7, 1), "USD", "once", 100),
    ]

    assert years.donor_retention(some, 2026) == {
        "year": 2026,
        "all": {"numerator": 2, "denominator": 3, "value": 0.666667},
        "new": {"numerator": 1, "denominator": 2, "value": 0.5},
        "repeat": {"numerator": 1, "denominator": 1, "value": 1.0},
    }
    assert giving.lifetime(some)["USD"] == {"persons": 4, "sum": 6700, "mean": 1675, "median": 1050}
    year = Period(date(2026, 1, 1), date(2026, 12, 31))
    assert giving.average(some, year) == {"USD": {"gifts": 2, "sum": 600, "mean": 300, "median": 300}}


def test_the_cover_is_compared_with_what_stripe_really_took(house):
    house.give_and_pay(amount=2500, cover_fees=True)
    house.give_and_pay(amount=900, email="grace@example.org")
    payment = Payment.objects.get(contribution__fee_cover_minor__gt=0)

    found = giving.fee_cover(EVER, USD)["USD"]

    assert found["rate"] == {"numerator": 1, "denominator": 2, "value": 0.5}
    assert found["covered"] == payment.contribution.fee_cover_minor
    assert found["over"] == payment.contribution.fee_cover_minor - payment.fee_minor


def test_what_campaigns_won_is_weighed_by_the_year(house, settings):
    from tests import factories

    settings.ACQUISITION_MARGINS = "once=99%,month=83%,year=90%,month:EUR=87%"
    factories.a_campaign("autumn")
    house.give_and_pay(amount=2555)
    house.give_and_pay(amount=501, email="grace@example.org", interval="month", cover_fees=True)
    house.give_and_pay(amount=501, email="eva@example.org", interval="month", currency="EUR")
    house.give_and_pay(amount=5001, email="hedy@example.org", interval="year", campaign="autumn")
    house.begin(amount=900, email="charlie@example.org")

    found = {row["campaign"]: row for row in campaigns.campaigns(plans.load(), EVER)}

    assert found["support-us"]["acquired"] == {
        "EUR": {"contributions": 1, "hundredths": 501 * 12 * 87, "value": 5230},  # 5230.44
        "USD": {"contributions": 2, "hundredths": 2555 * 99 + 501 * 12 * 83, "value": 7519},  # 7519.41
    }
    assert found["autumn"]["acquired"] == {
        "USD": {"contributions": 1, "hundredths": 5001 * 90, "value": 4501}  # 4500.90
    }
    assert {row["influenced"] for row in found.values()} == {None}
    asked = Question(EVER, Granularity.YEAR, Filters(), clock.now())
    page = catalogue.explain(catalogue.get("campaigns"), asked, "acquired", Window(0, 10))
    assert page.count == 4
    for currency, total in page.total.items():
        told = [row["acquired"].get(currency, {"hundredths": 0})["hundredths"] for row in found.values()]
        assert total == sum(told) == sum(row["value"] for row in page.rows if row["currency"] == currency)


def test_a_half_is_rounded_to_even_once_for_all(house, settings):
    settings.ACQUISITION_MARGINS = "once=50%,month=83%,year=90%"
    house.give_and_pay(amount=2501)
    house.give_and_pay(amount=2502, email="grace@example.org")

    (row,) = campaigns.campaigns(plans.load(), EVER)

    assert row["acquired"]["USD"]["value"] == 2502  # 2501.5; each by itself would have been 1250 + 1251
