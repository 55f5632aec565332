"""Campaigns side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

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
      begun. Who only saw an appeal is known to nobody, so that there is no other conversion.
    - `revenue`: by currency `gross`, `refunds`, `disputes`, `kept`, as in the revenue report.
    - `new_mrr`: by currency, monthly recurring revenue of plans that began in the period, as they stood at its end.

    Unit: contributions, minor units, twelfths. Source: `Contribution`, `JournalEntry`, `MembershipStep`.
    """
    paid = Exists(Payment.objects.filter(contribution=OuterRef("pk"), state=Payment.State.SUCCEEDED))
    begun = Contribution.objects.filter(
        created_at__gte=period.starts_at, created_at__lt=period.ends_at, copy_of=None
    ).annotate(is_paid=paid)
    if filters.currency is not None:
        begun = begun.filter(currency=filters.currency)
    if filters.campaign is not None:
        begun = begun.filter(campaign__slug=filters.campaign)
    counts = {
        slug: (number_paid, number)
        for slug, number, number_paid in begun.order_by()
        .values_list("campaign__slug")
        .annotate(begun=Count("pk"), paid=Count("pk", filter=Q(is_paid=True)))
    }
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
