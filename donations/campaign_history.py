"""Who changed what about an appeal: a picture of it before, one after, and what differs."""

from __future__ import annotations

from datetime import datetime

from donations.models import Ask, Campaign, CampaignChange
from donations.money import Money

_LEFT_OUT = {"id", "updated_at"}


def picture(campaign: Campaign) -> dict[str, str]:
    """All that a campaign is in the database now, by what staff call it."""
    stored = Campaign.objects.filter(pk=campaign.pk).first()
    if stored is None:
        return {}
    found = {
        str(field.verbose_name): _text(getattr(stored, field.attname))
        for field in Campaign._meta.concrete_fields
        if field.name not in _LEFT_OUT
    }
    return found | {f"{ask.currency} {ask.interval}": _ask(ask) for ask in stored.asks.all()}


def note(campaign: Campaign, before: dict[str, str], *, actor: str, now: datetime) -> int:
    """Write down what differs from a picture that was taken before; how many things."""
    after = picture(campaign)
    changes = [
        CampaignChange(
            campaign=campaign,
            at=now,
            actor=actor,
            what=what[:60],
            before=before.get(what, ""),
            after=after.get(what, ""),
        )
        for what in dict.fromkeys([*after, *before])
        if before.get(what, "") != after.get(what, "")
    ]
    CampaignChange.objects.bulk_create(changes)
    return len(changes)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return "" if value is None else str(value)


def _ask(ask: Ask) -> str:
    amounts = ", ".join(str(Money(minor, ask.currency).major()) for minor in ask.suggested)
    default = Money(ask.default_minor, ask.currency).major()
    return f"{amounts}; default {default}, from {ask.minimum.major()} to {ask.maximum.major()}"
