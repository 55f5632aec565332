"""
Gifts that do not pass through Stripe: a cheque, a transfer, cash, a donor-advised fund.

Here the newsroom itself is the source: a member of staff says that the money is there. All that follows is as for any
other gift: a receipt with its number, the membership by the newsroom's rule, the campaign's sum, the reports. Nothing
is edited afterwards; what was wrong is voided, with a reason, and entered anew.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction

from donations import fulfilment, ledger, membership
from donations.intervals import Interval
from donations.ledger.common import locked
from donations.models import Campaign, Contribution, OfflineGift, Payment
from donations.money import Money
from members import outbox
from members import services as members

_log = structlog.get_logger(__name__)

Method = OfflineGift.Method


class CannotVoid(Exception):
    """Somebody voided it before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What is entered about a gift.

    :param email: normalised; "" for a giver who left no address: then there is no member and no receipt by mail.
    :param months: for how long it makes a member; None for the newsroom's rule.
    """

    campaign: Campaign
    amount: Money
    received_on: date
    method: str
    email: str = ""
    name: str = ""
    locale: str = ""
    reference: str = ""
    note: str = ""
    months: int | None = None


def record_offline_gift(
    entry: Entry,
    *,
    key: uuid.UUID,
    with_receipt: bool,
    actor: str,
    now: datetime,
    origin: str = Contribution.Origin.STAFF,
) -> OfflineGift:
    """
    Write a gift down that has arrived, with all that it brings about, in one transaction.

    :param key: names the entry: the same one again is the same gift.
    :param with_receipt: whether the giver gets the receipt by mail; it has its number in any case.
    :param actor: who says so, such as "staff:7".
    """
    with transaction.atomic():
        if known := OfflineGift.objects.filter(public_id=key).first():
            return known
        at = moment_of(entry.received_on, now=now)
        contribution = _write_down(entry, at, origin=origin, now=None if with_receipt else now)
        payment = ledger.note_offline(contribution, at=at)
        gift = OfflineGift.objects.create(
            public_id=key,
            payment=payment,
            method=entry.method,
            received_on=entry.received_on,
            reference=entry.reference,
            note=entry.note,
            entered_by=actor,
            entered_at=now,
        )
        fulfilment.follow_through(contribution, now=now)
        if contribution.member_id is None:
            fulfilment.number_receipt(payment)
        _log.info("offline gift entered", gift=str(gift.public_id), actor=actor)
        return gift


def _write_down(entry: Entry, at: datetime, *, origin: str, now: datetime | None) -> Contribution:
    locale = entry.locale or entry.campaign.locale
    member = None
    if entry.email:
        member = members.get_or_join(email=entry.email, name=entry.name, locale=locale[:12], now=at)
    contribution = Contribution(
        campaign=entry.campaign,
        member=member,
        name="" if member else entry.name,
        interval=Interval.ONCE.value,
        amount_minor=entry.amount.minor,
        currency=entry.amount.currency,
        locale=member.locale if member else locale,
        livemode=settings.STRIPE_LIVEMODE,
        created_at=at,
        origin=origin,
        imported_at=now,
        membership_months=entry.months or 0,
        checkout_state=Contribution.CheckoutState.COMPLETED,
        checkout_attempted_at=at,
    )
    contribution.save(force_insert=True)
    return contribution


def void_offline_gift(gift: OfflineGift, *, reason: str, actor: str, now: datetime) -> None:
    """
    Take back what was entered by mistake: it counts nowhere any more, and its receipt is not sent if it was not yet.

    Its row and its receipt number stay, with the reason.

    :raises CannotVoid: it is voided already.
    """
    with transaction.atomic():
        contribution = locked().get(payments=gift.payment_id)
        if not ledger.void_offline(gift, now=now):
            raise CannotVoid("This gift is voided already.")
        gift.voided_at, gift.voided_by, gift.void_reason = now, actor, reason
        gift.save(update_fields=["voided_at", "voided_by", "void_reason"])
        outbox.withdraw([f"receipt:{Payment.objects.get(pk=gift.payment_id).public_id}"])
        if contribution.member is not None:
            membership.follow(contribution, contribution.member, [], now=now)
        _log.info("offline gift voided", gift=str(gift.public_id), actor=actor)


def day_of(moment: datetime) -> date:
    """The newsroom's day of a moment."""
    return moment.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE)).date()


def moment_of(day: date, *, now: datetime) -> datetime:
    """The moment that stands for a day on which something arrived: noon of the newsroom, and never later than now."""
    noon = datetime.combine(day, time(12), tzinfo=ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    return min(noon.astimezone(now.tzinfo), now)
