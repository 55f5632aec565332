"""Small functions that lay out what a test needs."""

from __future__ import annotations

import datetime
from typing import Any

from donations.models import Ask, Campaign
from members.models import Tier, TierThreshold

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)

# currency: (suggested, default, minimum) for once, month, year
ASKS: dict[str, dict[str, tuple[list[int], int, int]]] = {
    "USD": {
        "once": ([1000, 2500, 5000], 2500, 200),
        "month": ([200, 500, 1000], 500, 200),
        "year": ([2500, 5000], 5000, 2000),
    },
    "EUR": {
        "once": ([1000, 2500], 1000, 200),
        "month": ([200, 500], 200, 200),
        "year": ([2500, 5000], 2500, 2000),
    },
    "JPY": {
        "once": ([1000, 3000], 1000, 300),
        "month": ([300, 800], 300, 300),
        "year": ([3000, 8000], 3000, 3000),
    },
    "KWD": {"once": ([5000], 5000, 1000), "month": ([1000], 1000, 1000), "year": ([10000], 10000, 10000)},
    "UGX": {"once": ([1000000], 1000000, 400000)},
}


def a_campaign(slug: str = "support-us", **changes: Any) -> Campaign:
    """A running campaign that takes every kind of currency there is."""
    campaign = Campaign.objects.create(
        **{
            "slug": slug,
            "title": "Support The Sample Gazette",
            "message": "We report what others will not.\n\nHelp us to go on.",
            "thank_you": "Thank you.",
            "payment_methods": ["visa", "mastercard"],
            "starts_at": LONG_AGO,
            **changes,
        }
    )
    Ask.objects.bulk_create(
        Ask(
            campaign=campaign,
            currency=currency,
            interval=interval,
            suggested=suggested,
            default_minor=default,
            minimum_minor=minimum,
        )
        for currency, intervals in ASKS.items()
        for interval, (suggested, default, minimum) in intervals.items()
    )
    return campaign


def the_tiers() -> None:
    """Three tiers; the highest from 100 dollars a year."""
    for position, (slug, usd) in enumerate((("supporter", 0), ("friend", 6000), ("patron", 10000))):
        tier = Tier.objects.create(slug=slug, name=slug.capitalize(), position=position)
        for currency, factor in (("USD", 1), ("EUR", 1), ("JPY", 1), ("KWD", 10)):
            TierThreshold.objects.create(tier=tier, currency=currency, minimum_annual_minor=usd * factor)
