"""Made-up histories of money, told late, twice, otherwise and taken back: sums, rows and what was known agree."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from donations.ledger import journal
from donations.ledger.journal import Fact
from donations.models import Campaign, JournalEntry, Payment
from donations.reports import giving, periods, rebuilding, revenue, rollups
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters
from tests import factories
from tests.donations.reports.people import START, a_contribution, a_person

KINDS = ("PAYMENT", "REFUND", "DISPUTE", "SETTLEMENT")
PERIOD = Period(date(2026, 1, 1), date(2026, 4, 30))
Books = dict[str, Fact]


def a_payment(chance: random.Random, campaign: Campaign, number: int) -> Payment:
    contribution = a_contribution(
        campaign,
        a_person(f"reader{number % 4}"),
        interval=chance.choice(["once", "month", "year"]),
        currency=chance.choice(["USD", "EUR", "JPY"]),
    )
    return Payment.objects.create(
        contribution=contribution,
        state="SUCCEEDED",
        stripe_payment_intent_id=f"pi_{number}",
        amount_minor=500,
        currency=contribution.currency,
        created_at=START,
        paid_at=START,
    )


def a_fact(chance: random.Random, payments: list[Payment], number: int, kind: str = "") -> Fact:
    payment, kind = chance.choice(payments), kind or chance.choice(KINDS)
    amount = chance.randint(1, 99_999)
    return Fact(
        reference=f"fact:{number}",
        kind=kind,
        payment_id=payment.pk,
        contribution_id=payment.contribution_id,
        campaign_id=payment.contribution.campaign_id,
        interval=payment.contribution.interval,
        currency=payment.currency,
        amount_minor=-amount if kind == "REFUND" else amount,
        fee_minor=chance.randint(0, 300) if kind == "SETTLEMENT" else 0,
        at=START + timedelta(hours=chance.randint(0, 24 * 100)),
    )


def reckoned(books: Books, filters: Filters, figure: str) -> Counter[tuple[str, date]]:
    """By currency and month, from the facts that hold, with arithmetic of its own."""
    kinds = {"gross": ["PAYMENT"], "refunds": ["REFUND"], "disputes": ["DISPUTE"], "settled": ["SETTLEMENT"]}
    wanted = kinds.get(figure, ["SETTLEMENT"] if figure in ("fees", "net") else KINDS[:3])
    slugs = dict(Campaign.objects.values_list("pk", "slug"))
    sums: Counter[tuple[str, date]] = Counter()
    for fact in books.values():
        if fact.kind not in wanted or filters.campaign not in (None, slugs[fact.campaign_id]):
            continue
        value = {"fees": fact.fee_minor, "net": fact.amount_minor - fact.fee_minor}.get(
            figure, fact.amount_minor
        )
        sums[fact.currency, periods.day_of(fact.at).replace(day=1)] += value
    return sums


def told(filters: Filters, figure: str, **known: datetime) -> Counter[tuple[str, date]]:
    found = revenue.revenue(PERIOD, Granularity.MONTH, filters, **known)
    return Counter({(code, part["from"]): part[figure] for code, parts in found.items() for part in parts})


def all_alike_however_they_are_divided(chance: random.Random) -> None:
    """Months, quarters and years of any days come to what their days come to; so do the campaigns together."""
    for _ in range(6):
        first = PERIOD.first + timedelta(days=chance.randint(0, 100))
        some = Period(first, first + timedelta(days=chance.randint(0, 100)))
        filters = chance.choice([Filters(), Filters(campaign="one"), Filters(currency="EUR")])
        by_day = revenue.revenue(some, Granularity.DAY, filters)
        for granularity in (Granularity.WEEK, Granularity.MONTH, Granularity.QUARTER, Granularity.YEAR):
            found = revenue.revenue(some, granularity, filters)
            assert set(found) == set(by_day)
            for code, parts in found.items():
                for part in parts:
                    days = [day for day in by_day[code] if part["from"] <= day["from"] <= part["to"]]
                    for figure in (*FIGURES, "payments"):
                        assert part[figure] == sum(day[figure] for day in days), (some, granularity, figure)
        kept: Counter[str] = Counter()
        for by_currency in rollups.read_by_campaign(some, filters).values():
            kept.update({code: sums["kept"] for code, sums in by_currency.items()})
        told = Counter({code: sum(day["kept"] for day in days) for code, days in by_day.items()})
        assert kept - told == told - kept == Counter()


FIGURES = ("gross", "refunds", "disputes", "kept", "settled", "fees", "net")


@pytest.mark.parametrize("seed", range(4))
def test_sums_rows_and_what_was_known_agree_whatever_happens(db, seed):
    chance = random.Random(seed)
    appeals = [factories.a_campaign("one"), factories.a_campaign("two")]
    payments = [a_payment(chance, chance.choice(appeals), number) for number in range(6)]
    books: Books = {}
    then: list[tuple[datetime, Books]] = []
    now = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(60):
        now += timedelta(minutes=chance.randint(0, 3))
        known = sorted(books)
        match chance.choice(["new", "new", "again", "otherwise", "not", "roll up", "remember"]):
            case "again" if known:
                journal.tell([books[chance.choice(known)]], now=now)
            case "otherwise" if known:
                name = chance.choice(known)
                books[name] = replace(books[name], at=books[name].at - timedelta(days=chance.randint(0, 9)))
                journal.tell([books[name]], now=now)
            case "not" if known:
                journal.take_back(name := chance.choice(known), now=now)
                del books[name]
            case "roll up":
                rollups.roll_up(limit=chance.randint(1, 9))
            case "remember":
                then.append((now, dict(books)))
                now += timedelta(minutes=1)
            case _:
                fact = a_fact(chance, payments, number)
                books[fact.reference] = fact
                journal.tell([fact], now=now)

    assert not rebuilding.compare().sums
    all_alike_however_they_are_divided(chance)
    for filters in (Filters(), Filters(campaign="one")):
        for figure in FIGURES:
            expected = reckoned(books, filters, figure)
            assert +told(filters, figure) == +expected, figure
            assert -told(filters, figure) == -expected, figure
            rows, number, total = revenue.explain(PERIOD, filters, figure, known_at=None, first=0, count=1000)
            assert len(rows) == number
            for code in {code for code, _ in expected}:
                of_rows = sum(row["value"] for row in rows if row["currency"] == code)
                of_facts = sum(value for (each, _), value in expected.items() if each == code)
                assert of_rows == of_facts == total.get(code, 0)
    assert then
    for moment, knew in then:
        for figure in FIGURES:
            assert told(Filters(), figure, known_at=moment) - reckoned(knew, Filters(), figure) == Counter()
            assert reckoned(knew, Filters(), figure) - told(Filters(), figure, known_at=moment) == Counter()


@pytest.mark.parametrize("seed", range(3))
def test_who_gives_and_how_much_is_what_a_second_reckoning_says(db, seed):
    chance = random.Random(seed)
    campaign = factories.a_campaign("one")
    payments = [a_payment(chance, campaign, number) for number in range(8)]
    for number in range(30):
        journal.tell([a_fact(chance, payments, number, "PAYMENT")], now=START)
    rows = [
        (
            entry.contribution.member_id,
            entry.day,
            entry.currency,
            entry.contribution.interval,
            entry.amount_minor,
        )
        for entry in JournalEntry.objects.select_related("contribution")
    ]
    some = list(giving.gifts(until=PERIOD.last))

    parts = giving.members([], Filters(), PERIOD, Granularity.MONTH)
    for part in parts:
        within = {row[0] for row in rows if part["from"] <= row[1] <= part["to"]}
        before = {row[0] for row in rows if row[1] < part["from"]}
        assert part["new_donors"] == len(within - before)
        assert part["active_donors"] == len(
            {row[0] for row in rows if part["to"] - timedelta(days=364) <= row[1] <= part["to"]}
        )
    for currency in ("USD", "EUR", "JPY"):
        once = sorted(row[4] for row in rows if row[2] == currency and row[3] == "once")
        found = giving.average(some, PERIOD).get(currency)
        assert (found is None) == (not once)
        if found:
            assert (found["gifts"], found["sum"]) == (len(once), sum(once))
            assert found["mean"] in (sum(once) // len(once), sum(once) // len(once) + 1)
            assert once[(len(once) - 1) // 2] <= found["median"] <= once[len(once) // 2]
        by_person: Counter[int] = Counter()
        for row in rows:
            if row[2] == currency:
                by_person[row[0]] += row[4]
        life = giving.lifetime(some).get(currency)
        assert (
            (life["persons"], life["sum"]) == (len(by_person), by_person.total()) if life else not by_person
        )
