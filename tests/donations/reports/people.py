"""Small histories of plans, told to the ground floor as the ledger tells them, without Stripe."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from donations.models import Campaign, Contribution
from members import services as members
from members.models import Member

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_person(name: str) -> Member:
    return members.get_or_join(email=f"{name}@example.org", locale="en", now=START)


def a_contribution(campaign: Campaign, person: Member, **changes: object) -> Contribution:
    """A recurring contribution in the books, of which nothing is paid yet."""
    wanted: dict[str, object] = {
        "campaign": campaign,
        "member": person,
        "interval": "month",
        "amount_minor": 500,
        "currency": "USD",
        "livemode": False,
        "created_at": START,
        "checkout_attempted_at": START,
        **changes,
    }
    return Contribution.objects.create(**wanted)


def a_plan(contribution: Contribution, **changes: object) -> members.Plan:
    """What the ledger would tell of it after a first payment at START."""
    paid = members.Paid("first", START, through=datetime(2026, 2, 1, 12, tzinfo=UTC))
    plan = members.Plan(
        reference=str(contribution.public_id),
        currency=contribution.currency,
        annual_minor=contribution.total.annualised(contribution.interval).minor,
        payments=(paid,),
    )
    return replace(plan, **changes)


def follow(contribution: Contribution, plan: members.Plan, *, now: datetime) -> None:
    members.follow_plan(member=contribution.member, plan=plan, now=now)


def unique() -> str:
    return uuid.uuid4().hex[:8]
