"""A campaign to give to, and tiers to reach."""

from __future__ import annotations

from datetime import UTC, datetime

from donations.models import Ask, Campaign
from members.models import Tier, TierThreshold


def lay_out() -> None:
    """One running campaign in two currencies and all intervals, and two tiers."""
    campaign = Campaign.objects.create(
        slug="support-us",
        title="Support The Sample Gazette",
        message="We report what others will not.\n\nHelp us to go on.",
        thank_you="Thank you.",
        payment_methods=["visa", "mastercard"],
        starts_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    Ask.objects.bulk_create(
        Ask(
            campaign=campaign,
            currency=currency,
            interval=interval,
            suggested=[500, 1000, 2500],
            default_minor=1000,
            minimum_minor=500,
        )
        for currency in ("USD", "EUR")
        for interval in ("once", "month", "year")
    )
    for position, (slug, minimum) in enumerate((("supporter", 0), ("patron", 10_000))):
        tier = Tier.objects.create(slug=slug, name=slug.capitalize(), position=position)
        TierThreshold.objects.create(tier=tier, currency="USD", minimum_annual_minor=minimum)
