"""Which running campaign a reminder leads to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from donations import queries
from donations.models import Campaign


def running(wanted: Collection[int | None], *, now: datetime) -> dict[int | None, Campaign]:
    """
    Those of the campaigns to which something can be given now, by primary key.

    :param wanted: what reminders name; None stands for a wish that named none, and leads to the newest.
    """
    found: dict[int | None, Campaign] = {
        campaign.pk: campaign for campaign in queries.get_running_campaigns(now=now)
    }
    if found:
        found[None] = max(found.values(), key=lambda campaign: (campaign.starts_at, campaign.pk))
    return {pk: campaign for pk, campaign in found.items() if pk in wanted}
