"""
A renewal that was refused: what its reader is told, and when to be quiet.

Each decision is made from rows, at the moment that it is carried out: a mail whose reason has gone is withdrawn, and
asked once more right before it leaves (`is_wanted`). So it does not matter in which order Stripe tells of a
refusal, of a new card, of the money and of the end, or how often. Writers hold the contribution's lock.

The rules (docs/decisions/0022): the first mail goes out at once; then at most three reminders while Stripe goes on
trying, never two within three days, none once the reader acted or while another contribution of theirs runs; and
when Stripe gives up, one mail says so. A payment that comes after all is thanked for on its receipt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Max, Min, Q

from donations import declines, letters
from donations.ledger.common import change, locked
from donations.models import (
    Contribution,
    Dispute,
    Dunning,
    OfflineGift,
    Payment,
    Subscription,
    SubscriptionChange,
)
from members import farewells, outbox, people
from members.models import Message
from members.rows import insert_new

_log = structlog.get_logger(__name__)

State = Dunning.State
Plan = Subscription.State

LEAST_GAP = timedelta(days=3)
GAPS = (timedelta(days=3), timedelta(days=4), timedelta(days=5))  # from each mail to the next reminder
NEAR_TRY = timedelta(hours=12)  # so shortly before a try, its outcome is worth waiting for
AFTER_TRY = timedelta(hours=2)
LOOK_AGAIN = timedelta(hours=1)
# A refusal after which there is no further try is mostly followed by the end within seconds: one mail, not two.
PERHAPS_THE_END = timedelta(minutes=2)
WAITS_FOR_MAIL_SERVER = timedelta(days=1)  # then it is written anew: its dates may have passed
NEWS_FOR = timedelta(days=30)  # a mail about an end that is longer ago only puzzles its reader
BATCH = 200


# --- What the ledger tells --------------------------------------------------------------------------


def note_failure(contribution: Contribution, payment: Payment, *, at: datetime, now: datetime) -> None:
    """A try to collect a renewal was refused at that moment. First payments are the checkout page's to explain."""
    if not payment.is_renewal:
        return
    if not insert_new([Dunning(payment=payment, first_failed_at=at, last_failed_at=at, next_look_at=now)]):
        known = Dunning.objects.get(payment=payment)
        change(
            known,
            {
                "first_failed_at": min(known.first_failed_at, at),
                "last_failed_at": max(known.last_failed_at, at),
            },
        )
    dunning = Dunning.objects.get(payment=payment)
    dunning.payment = payment
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    if subscription is not None and subscription.card_given_at and dunning.acted_at is None:
        # We heard of the new card before the refusal.
        change(dunning, {"acted_at": subscription.card_given_at})
    if contribution.is_past(at) and dunning.state == State.OPEN and not dunning.mails:
        # Refused before it was imported: the next try that is refused is the first of which its reader hears from us.
        change(dunning, {"next_look_at": None, "quiet_because": "imported"})
        if subscription is not None:
            _close_if_over(dunning, subscription, now=now)
        return
    if subscription is None or _close_if_over(dunning, subscription, now=now) or dunning.state != State.OPEN:
        return
    if payment.next_attempt_at is None and not _waits_for_the_reader(payment):
        change(dunning, {"next_look_at": now + PERHAPS_THE_END})
    else:
        _decide(dunning, contribution, now=now)


def note_recovery(payment: Payment, *, now: datetime) -> bool:
    """
    A renewal has arrived; `payment` with its `dunning` selected.

    :returns: whether its reader was told before that it had failed, so that the receipt says thanks for that.
    """
    dunning: Dunning | None = getattr(payment, "dunning", None)
    if dunning is None:
        return False
    change(dunning, {"state": State.RECOVERED, "closed_at": payment.paid_at or now, "next_look_at": None})
    keys = [*_keys(dunning), _lapse_key(payment.contribution, but=payment)]
    outbox.withdraw(keys)
    return Message.objects.filter(dedup_key__in=keys, state=Message.State.SENT).exists()


def note_end(contribution: Contribution, subscription: Subscription, *, now: datetime) -> None:
    """
    Stripe's word about a subscription; where that is the end, or the end of all tries, dunning ends with it.

    Call it after a payment as well: it may be the one with which the paid time ended, and the mail about the end is
    known by that day.
    """
    if subscription.state not in (Plan.CANCELLED, Plan.UNPAID) and not subscription.has_changed:
        return
    for dunning in Dunning.objects.filter(payment__contribution=contribution).exclude(state=State.RECOVERED):
        _close_if_over(dunning, subscription, now=now)
    if not is_lapse(subscription):
        return
    ended_at = subscription.ended_at or _gave_up_at(subscription) or subscription.as_of or now
    member = contribution.member
    if member is not None and now - ended_at <= NEWS_FOR and not contribution.is_past(ended_at):
        outbox.owe(
            kind=letters.LAPSED,
            member=member,
            recipient=member.person.email,
            dedup_key=_lapse_key(contribution),
            context=letters.lapse(contribution, subscription, locale=contribution.locale),
            locale=contribution.locale,
            now=now,
        )


def note_new_card(subscriptions: Iterable[int], *, at: datetime) -> None:
    """The reader gave another card for these subscriptions (primary keys) at that moment: that is all we asked for."""
    theirs = list(subscriptions)
    Subscription.objects.filter(Q(card_given_at=None) | Q(card_given_at__lt=at), pk__in=theirs).update(
        card_given_at=at
    )
    open_ = Dunning.objects.filter(payment__contribution__subscription__in=theirs, state=State.OPEN)
    open_.filter(Q(acted_at=None) | Q(acted_at__lt=at)).update(acted_at=at)
    for dunning in open_:
        if _reader_acted(dunning):
            outbox.withdraw(_keys(dunning))


def is_lapse(subscription: Subscription) -> bool:
    """Whether a contribution is over because its payments failed, and not because somebody wished so."""
    if subscription.state == Plan.UNPAID:
        return True
    return subscription.state == Plan.CANCELLED and subscription.end_reason == "payment_failed"


def farewell(reference: str, ends_at: datetime) -> farewells.Farewell | None:
    """
    What the end of a membership is told with: the way back.

    None where another mail has told of it, or where it ended before it was imported.
    """
    try:
        public_id = UUID(reference)
    except ValueError:
        return farewells.plain()
    found = (
        Contribution.objects.select_related("subscription")
        .filter(public_id=public_id, subscription__isnull=False)
        .first()
    )
    if found is None:
        return farewells.plain()
    if found.is_past(ends_at):
        return None
    lost = Dispute.objects.filter(payment__contribution=found, state=Dispute.State.LOST)
    if is_lapse(found.subscription) or lost.exists():
        return None
    return letters.farewell(found, by_wish=found.subscription.end_reason == "cancellation_requested")


def farewell_to_giver(reference: str, ends_at: datetime) -> farewells.Farewell | None:
    """
    As `farewell`, for a membership by gifts that were given once; `reference` is that of the plan of gifts.

    None as well where a gift was entered by mistake: a membership that never was has no end.
    """
    public_id, _, currency = reference.partition(":")
    imported = Contribution.objects.filter(
        member__public_id=public_id, currency=currency, interval="once", imported_at__gte=ends_at
    )
    mistaken = OfflineGift.objects.filter(
        payment__contribution__member__public_id=public_id, payment__currency=currency, voided_at=ends_at
    )
    return None if imported.exists() or mistaken.exists() else farewells.plain()


# --- What the sweep does ----------------------------------------------------------------------------


def write_due(*, now: datetime, limit: int = BATCH) -> int:
    """
    Look at the refused renewals whose time has come, and write what has to be written; how many mails were owed.

    Each in a transaction of its own: one that cannot be decided is logged, and holds up no other.
    """
    due = Dunning.objects.filter(state=State.OPEN, next_look_at__lte=now).order_by("next_look_at", "pk")
    owed = 0
    for pk, contribution_pk in list(due.values_list("pk", "payment__contribution")[:limit]):
        try:
            with transaction.atomic():
                contribution = locked().get(pk=contribution_pk)
                dunning = Dunning.objects.select_related("payment").get(pk=pk)
                if dunning.state == State.OPEN and dunning.next_look_at and dunning.next_look_at <= now:
                    owed += _decide(dunning, contribution, now=now)
        except Exception as error:
            _log.error("dunning not decided", dunning=pk, error=type(error).__name__)
            Dunning.objects.filter(pk=pk, state=State.OPEN).update(next_look_at=now + LOOK_AGAIN)
    return owed


def is_wanted(dedup_key: str) -> bool:
    """Whether a mail about a refused renewal still has its reason; asked right before it leaves."""
    if not dedup_key.startswith("dunning:"):
        return True  # owed before there were keys of this form
    _, pk, number = dedup_key.split(":")
    found = (
        Dunning.objects.select_related("payment__contribution__subscription")
        .filter(pk=int(pk), mails=int(number), state=State.OPEN)
        .first()
    )
    return (
        found is not None
        and found.payment.state == Payment.State.FAILED
        and found.payment.contribution.subscription.state not in (Plan.CANCELLED, Plan.UNPAID)
        and not _reader_acted(found)
    )


def lapse_is_wanted(dedup_key: str) -> bool:
    """Whether a contribution that ended for want of payments is still over; asked right before the mail leaves."""
    public_id = dedup_key.split(":")[1]
    subscription = (
        Subscription.objects.select_related("contribution").filter(contribution__public_id=public_id).first()
    )
    return (
        subscription is not None
        and is_lapse(subscription)
        and dedup_key == _lapse_key(subscription.contribution)
    )


# --- Deciding ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of the mails of one refused renewal."""

    count: int
    last_at: datetime | None
    is_under_way: bool
    cannot_be_reached: bool


def _decide(dunning: Dunning, contribution: Contribution, *, now: datetime) -> int:
    """Write to the reader now, or say when to look again and why; how many mails were owed (0 or 1)."""
    payment = dunning.payment
    subscription = contribution.subscription
    if _close_if_over(dunning, subscription, now=now):
        return 0
    told = _what_was_told(dunning)
    if told.cannot_be_reached:
        return _be_quiet(dunning, None, "unreachable")
    if contribution.member is None:
        return _be_quiet(
            dunning, now + LOOK_AGAIN, "unknown_reader"
        )  # the first payment is still on its way to us
    if told.is_under_way:
        return _be_quiet(dunning, now + LOOK_AGAIN, "")
    if told.count > len(GAPS):
        return _be_quiet(dunning, None, "said_enough")
    if _reader_acted(dunning):
        return _be_quiet(dunning, now + LEAST_GAP, "reader_acted")
    if told.last_at is not None:
        due = told.last_at + GAPS[told.count - 1]
        if now < due:
            return _be_quiet(dunning, due, "")
        if payment.next_attempt_at and now < payment.next_attempt_at < now + NEAR_TRY:
            return _be_quiet(dunning, payment.next_attempt_at + AFTER_TRY, "")
        if _gives_otherwise(contribution, subscription):
            return _be_quiet(dunning, now + LEAST_GAP, "another_plan")
    kind = letters.FAILED if told.last_at is None else letters.REMINDER
    return _write(dunning, contribution, kind=kind, now=now)


def _write(dunning: Dunning, contribution: Contribution, *, kind: str, now: datetime) -> int:
    assert contribution.member is not None, "who cannot be reached was left out before"
    locale = contribution.locale
    change(dunning, {"mails": dunning.mails + 1, "next_look_at": now + LOOK_AGAIN, "quiet_because": ""})
    comes = dunning.payment.next_attempt_at
    worthless_at = now + WAITS_FOR_MAIL_SERVER
    if comes is not None and now < comes < worthless_at:
        worthless_at = comes  # the day that it names would have passed
    return outbox.owe(
        kind=kind,
        member=contribution.member,
        recipient=contribution.member.person.email,
        dedup_key=_key(dunning, dunning.mails),
        context=letters.failure(dunning.payment, contribution.subscription, locale=locale, now=now),
        locale=locale,
        now=now,
        deliver_before=worthless_at,
    )


def _be_quiet(dunning: Dunning, until: datetime | None, because: str) -> int:
    change(dunning, {"next_look_at": until, "quiet_because": because})
    return 0


def _close_if_over(dunning: Dunning, subscription: Subscription, *, now: datetime) -> bool:
    """Take the step out of OPEN if the payment or the subscription has; True if there is nothing to decide any more."""
    payment = dunning.payment
    if payment.state == Payment.State.SUCCEEDED:
        state, closed_at = State.RECOVERED, payment.paid_at
    elif gave_up_at := _gave_up_at(subscription, since=dunning.first_failed_at):
        state, closed_at = State.LOST, gave_up_at
    elif subscription.state in (Plan.CANCELLED, Plan.UNPAID):
        state = State.LOST if is_lapse(subscription) else State.STOPPED
        closed_at = subscription.ended_at or subscription.as_of
    else:
        return dunning.state != State.OPEN
    change(dunning, {"state": state, "closed_at": closed_at or now, "next_look_at": None})
    outbox.withdraw(_keys(dunning))
    return True


def _gave_up_at(subscription: Subscription, *, since: datetime | None = None) -> datetime | None:
    """
    When Stripe stopped trying and left the subscription unpaid: the first time since a moment, else the last time.

    None if it never did. What has changed is kept for each event, so that it does not matter which one came last.
    """
    if not subscription.has_changed:
        return None
    gave_up = subscription.changes.filter(kind=SubscriptionChange.Kind.UNCOLLECTED, is_on=True)
    found: datetime | None
    if since is None:
        found = gave_up.aggregate(at=Max("at"))["at"]
    else:
        found = gave_up.filter(at__gte=since).aggregate(at=Min("at"))["at"]
    return found


def _what_was_told(dunning: Dunning) -> _Told:
    mails = list(
        Message.objects.filter(dedup_key__in=_keys(dunning)).values_list("state", "sent_at", "failure_code")
    )
    sent = [at for state, at, _ in mails if state == Message.State.SENT and at is not None]
    return _Told(
        count=len(sent),
        last_at=max(sent, default=None),
        is_under_way=any(state in (Message.State.OWED, Message.State.SENDING) for state, _, _ in mails),
        cannot_be_reached=any(code == "recipient_refused" for _, _, code in mails),
    )


def _reader_acted(dunning: Dunning) -> bool:
    """Whether the reader gave another card, and that one was not refused as well."""
    return dunning.acted_at is not None and dunning.acted_at > dunning.last_failed_at


def _waits_for_the_reader(payment: Payment) -> bool:
    """Whether no further try comes because the bank wants the reader to confirm, not because Stripe gave up."""
    return payment.failure_code in declines.TO_CONFIRM


def _gives_otherwise(contribution: Contribution, subscription: Subscription) -> bool:
    """Whether another contribution of the same reader runs on: then this one is not worth a second mail."""
    if contribution.member_id is None:
        return False
    others = Subscription.objects.filter(
        contribution__member__in=people.members_of(contribution.member_id), state=Plan.ACTIVE, cancel_at=None
    )
    return others.exclude(pk=subscription.pk).exists()


def _key(dunning: Dunning, number: int) -> str:
    return f"dunning:{dunning.pk}:{number}"


def _keys(dunning: Dunning) -> list[str]:
    return [_key(dunning, number) for number in range(1, dunning.mails + 1)]


def _lapse_key(contribution: Contribution, *, but: Payment | None = None) -> str:
    """
    The key of the mail about the end: one for each time that the payments ended (`but` for one that came after it).

    A contribution that Stripe called unpaid can come back to life, and be lost again years later.
    """
    kept = Payment.objects.filter(contribution=contribution, state=Payment.State.SUCCEEDED)
    if but is not None:
        kept = kept.exclude(pk=but.pk)
    through = kept.aggregate(through=Max("period_end"))["through"]
    day = f"{through:%Y-%m-%d}" if through else ""
    return f"payment_lapsed:{contribution.public_id}:{day}"
