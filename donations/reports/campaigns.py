"""Campaigns side by side."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from donations.intervals import Interval
from donations.margins import Margins, margin_for, parse_margins
from donations.models import Contribution, JournalEntry, Payment
from donations.reports import recurring, rollups
from donations.reports.periods import Period
from donations.reports.plans import EVERYTHING, Filters, Plan
from donations.reports.rates import monthly, rate

Kind = JournalEntry.Kind


def campaigns(
    plans: list[Plan], period: Period, filters: Filters = EVERYTHING, *, known_at: datetime | None = None
) -> list[dict[str, Any]]:
    """
    What each campaign brought in a period.

    - `direct`: direct conversion: pages to pay on that were begun in the period and were paid, whenever ÷ all that were
      begun.
    - `influenced`: null, always. It would be those who gave some days after they had seen an appeal; but who sees which
      page is kept by nobody here, on purpose. How often ways of asking were shown is counted without readers.
    - `revenue`: by currency `gross`, `refunds`, `disputes`, `kept`, as in the revenue report.
    - `acquired`: by currency, the contributions of `direct` that were paid, and what they are worth in a year:
      gift without fee cover × 1 if it is given once, 12 monthly, 1 yearly × the margin of its interval and currency
      (the setting ACQUISITION_MARGINS). An assumption, to weigh campaigns against each other; no money of the books.
      `hundredths` (of a minor unit) is exact and adds up; `value` is rounded from it, half to even.
    - `new_mrr`: by currency, monthly recurring revenue of plans that began in the period, as they stood at its end.

    Unit: contributions, minor units, twelfths. Source: `Contribution`, `JournalEntry`, `MembershipStep`. The value of a
    year is the Guardian's measure.
    """
    paid = Exists(Payment.objects.filter(contribution=OuterRef("pk"), state=Payment.State.SUCCEEDED))
    begun = _begun(period, filters).annotate(is_paid=paid)
    counts = {
        slug: (number_paid, number)
        for slug, number, number_paid in begun.order_by()
        .values_list("campaign__slug")
        .annotate(begun=Count("pk"), paid=Count("pk", filter=Q(is_paid=True)))
    }
    won = _acquired(begun.filter(is_paid=True))
    money = rollups.read_by_campaign(period, filters, known_at=known_at)
    started = [
        plan
        for plan in plans
        if period.starts_at <= plan.started_at < period.ends_at and filters.currency in (None, plan.currency)
    ]
    slugs = sorted({*counts, *money, *(plan.campaign for plan in started)})
    return [
        {
            "campaign": slug,
            "direct": rate(*counts.get(slug, (0, 0))),
            "influenced": None,
            "acquired": won.get(slug, {}),
            "revenue": money.get(slug, {}),
            "new_mrr": {
                currency: {**monthly(sums["base"]), "plans": sums["plans"]}
                for currency, sums in recurring.mrr_on(
                    [plan for plan in started if plan.campaign == slug], period.last
                ).items()
            },
        }
        for slug in slugs
    ]


def explain_campaigns(
    period: Period, filters: Filters, figure: str, *, first: int, count: int
) -> tuple[list[dict[str, Any]], int, dict[str, int]]:
    """
    The contributions behind `acquired`, the oldest first: a page of them, how many there are, and by currency what all
    of them come to in a year, in hundredths of a minor unit.
    """
    paid = Exists(Payment.objects.filter(contribution=OuterRef("pk"), state=Payment.State.SUCCEEDED))
    rows = _begun(period, filters).filter(paid)
    wanted = rows.order_by("created_at", "pk").values(
        "public_id", "created_at", "campaign__slug", "interval", "currency", "amount_minor"
    )
    page = [
        {
            "contribution": str(row["public_id"]),
            "begun_at": row["created_at"],
            "campaign": row["campaign__slug"],
            "interval": row["interval"],
            "currency": row["currency"],
            "amount": row["amount_minor"],
            "value": _hundredths(row["amount_minor"], row["interval"], row["currency"]),
        }
        for row in wanted[first : first + count]
    ]
    totals: dict[str, int] = defaultdict(int)
    for each in _acquired(rows).values():
        for currency, acquired in each.items():
            totals[currency] += acquired["hundredths"]
    return page, rows.count(), dict(sorted(totals.items()))


def _begun(period: Period, filters: Filters) -> QuerySet[Contribution]:
    begun = Contribution.objects.filter(
        created_at__gte=period.starts_at, created_at__lt=period.ends_at, copy_of=None
    )
    if filters.currency is not None:
        begun = begun.filter(currency=filters.currency)
    if filters.campaign is not None:
        begun = begun.filter(campaign__slug=filters.campaign)
    return begun


def _acquired(won: QuerySet[Contribution]) -> dict[str, dict[str, dict[str, int]]]:
    """By campaign and currency: how many contributions, and what they come to in a year."""
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    rows = won.order_by("campaign__slug", "currency", "interval").values_list(
        "campaign__slug", "currency", "interval"
    )
    for slug, currency, interval, number, amount in rows.annotate(Count("pk"), Sum("amount_minor")):
        row = found[slug].setdefault(currency, {"contributions": 0, "hundredths": 0, "value": 0})
        row["contributions"] += number
        row["hundredths"] += _hundredths(amount, interval, currency)
        row["value"] = round(Fraction(row["hundredths"], 100))
    return found


def _hundredths(amount_minor: int, interval: str, currency: str) -> int:
    """What gifts come to in a year: hundredths of a minor unit, since margins are whole percent."""
    often = Interval(interval)
    return (
        amount_minor
        * often.charges_a_year
        * margin_for(_margins(settings.ACQUISITION_MARGINS), often, currency)
    )


@lru_cache(maxsize=4)
def _margins(text: str) -> Margins:
    return parse_margins(text)
