"""
Never twice: a second charge soon after the first is noticed, and its reader asked whether both are meant.

Two plans by accident, or a form sent twice past the widget's own guard: different contributions, so that no
idempotency key could tell. Noticing is a sweep over rows and not part of booking: two workers that book two charges
at the same moment would each see only their own. Which of two is the second is told by when they were paid, not by
when we heard of them.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from donations import gateway, letters, links
from donations.errors import GoneAtStripe, PaymentsRefused, PaymentsUnavailable
from donations.models import ChargeTrace, DoubleCharge, Payment, Subscription
from members import duplicates, outbox, people
from members.models import Mark
from members.rows import insert_new

SECOND_CHARGE = "second_charge"
NEWS_FOR = timedelta(days=14)  # an older charge is not asked about: after an import or a long silence
_BATCH = 200
_RETRY = timedelta(minutes=10)
_log = structlog.get_logger(__name__)

State = DoubleCharge.State
Match = DoubleCharge.Match


class TooLate(Exception):
    """It is undone already, or a person has to look at it."""


def notice_due(*, now: datetime, limit: int = _BATCH) -> int:
    """
    Look at first payments that nobody has looked at, and notice those that came soon after another; how many.

    One notice and one mail for a second payment, however many callers there are and in whatever order events came.
    """
    if not settings.DOUBLE_CHARGE_DAYS:
        return 0
    waiting = ChargeTrace.objects.filter(looked_at=None, payment__state=Payment.State.SUCCEEDED)
    noticed = 0
    for trace in waiting.select_related(*_WITH_READER).order_by("noted_at", "pk")[:limit]:
        with transaction.atomic():
            for second in _seconds(trace.payment):
                noticed += _notice_second(second, now=now)
            # A card that became known meanwhile makes it worth another look.
            ChargeTrace.objects.filter(pk=trace.pk, card_hash=trace.card_hash).update(looked_at=now)
    return noticed


_WITH_READER = ("payment__contribution__member", "payment__contribution__subscription", "payment__trace")


def _seconds(payment: Payment) -> list[Payment]:
    """Those of this payment and all that are near it that came after another one."""
    near = [payment, *_near(payment)]
    first = min(near, key=_in_time)
    return [one for one in near if one is not first]


def _in_time(payment: Payment) -> tuple[datetime, int]:
    """Which of two came first; of one moment, the one that was begun first: not the one of which we heard first."""
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    return payment.paid_at, payment.contribution_id


def _near(payment: Payment) -> list[Payment]:
    """The first payments of other contributions near this one, of the same member or card, in order of time."""
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    near = timedelta(days=settings.DOUBLE_CHARGE_DAYS)
    trace: ChargeTrace | None = getattr(payment, "trace", None)
    same = Q()
    if member_id := payment.contribution.member_id:
        same = Q(contribution__member__in=people.members_of(member_id))
    if trace is not None and trace.card_hash:
        same |= Q(trace__card_hash=trace.card_hash)
    if not same:
        return []
    others = (
        Payment.objects.filter(
            same,
            state=Payment.State.SUCCEEDED,
            is_renewal=False,
            is_offline=False,
            paid_at__range=(payment.paid_at - near, payment.paid_at + near),
        )
        .exclude(contribution=payment.contribution_id)
        .select_related("contribution__member", "contribution__subscription", "trace")
    )
    return list(others.order_by("paid_at", "contribution"))


def _notice_second(second: Payment, *, now: datetime) -> int:
    """
    Notice a payment together with the first of those before it; 1 if this call did it.

    The reader's own come before somebody else's with the same card.
    """
    reader = second.contribution.member_id
    one_person = set(people.members_of(reader).values_list("pk", flat=True)) if reader else set()

    def is_theirs(one: Payment) -> bool:
        return one.contribution.member_id in one_person

    before = [one for one in _near(second) if _in_time(one) < _in_time(second) and not one.is_returned]
    if not before:
        return 0
    first = min(before, key=lambda one: (not is_theirs(one), _in_time(one)))
    return _notice(first, second, Match.MEMBER if is_theirs(first) else Match.CARD, now=now)


def _notice(first: Payment, second: Payment, match: str, *, now: datetime) -> int:
    """Write down a second charge and owe its reader the question; 1 if this call did it."""
    assert second.paid_at is not None, "a payment that arrived has a moment (constraint)"
    if second.paid_at < now - NEWS_FOR or second.is_returned:
        return 0
    if second.contribution.is_past(second.paid_at):
        return 0
    notice = DoubleCharge(first=first, second=second, match=match, noticed_at=now)
    if not insert_new([notice]):
        # One that came still earlier may have become known meanwhile; the reader is not asked again.
        known = DoubleCharge.objects.filter(second=second, state=State.OPEN).exclude(first=first)
        known.update(first=first, match=match)
        return 0
    notice = DoubleCharge.objects.get(second=second)
    _log.warning(
        "a second charge", payment=second.pk, after=first.pk, match=match, contribution=second.contribution_id
    )
    _ask(notice, first, second, now=now)
    return 1


def _ask(notice: DoubleCharge, first: Payment, second: Payment, *, now: datetime) -> None:
    contribution = second.contribution
    member = contribution.member
    if member is None:
        return
    assert second.paid_at is not None, "a payment that arrived has a moment (constraint)"
    locale = contribution.locale
    # Somebody else's gift with the same card is not this reader's to know.
    earlier = first if notice.match == Match.MEMBER else None
    outbox.owe(
        kind=SECOND_CHARGE,
        member=member,
        recipient=member.person.email,
        dedup_key=f"{SECOND_CHARGE}:{second.public_id}",
        context={
            "first_text": earlier.amount.format(locale) if earlier else "",
            "first_on": first_day(earlier, second, locale) if earlier else "",
            "second_text": second.amount.format(locale),
            "second_on": letters.day_text(second.paid_at, locale),
            "interval": contribution.interval,
            "undo_url": links.double_page(notice),
        },
        locale=locale,
        now=now,
    )


def first_day(first: Payment, second: Payment, locale: str) -> str:
    """The day of the first gift in words; empty if it is that of the second, which is said anyway."""
    assert first.paid_at is not None, "it arrived"
    assert second.paid_at is not None, "it arrived as well"
    day = letters.day_text(first.paid_at, locale)
    return "" if day == letters.day_text(second.paid_at, locale) else day


def is_wanted(dedup_key: str) -> bool:
    """Whether the question is still open; asked right before the mail leaves."""
    found = DoubleCharge.objects.filter(second__public_id=dedup_key.split(":")[1], state=State.OPEN)
    notice = found.select_related("first", "second").first()
    return notice is not None and not (notice.first.is_returned or notice.second.is_returned)


# --- What the reader answers ------------------------------------------------------------------------


def keep(notice: DoubleCharge, *, now: datetime) -> None:
    """Both are meant. Raises TooLate if the second is undone, or about to be."""
    asked = DoubleCharge.objects.filter(pk=notice.pk, state__in=[State.OPEN, State.KEPT])
    if not asked.update(state=State.KEPT, decided_at=now):
        raise TooLate


def undo(notice: DoubleCharge, *, now: datetime) -> bool:
    """
    Give the second back: end its plan, then return the money. To ask again changes nothing.

    :returns: True if Stripe has confirmed it; False if Stripe cannot be reached, and a sweep will see to it.
    :raises TooLate: Stripe refused it before, and a person has to look.
    """
    asked = DoubleCharge.objects.filter(pk=notice.pk, state__in=[State.OPEN, State.KEPT])
    asked.update(state=State.UNDOING, decided_at=now, next_attempt_at=None)
    notice.refresh_from_db()
    if notice.state == State.UNDOING:
        return _carry_out(notice, now=now)
    if notice.state == State.UNDONE:
        return True
    raise TooLate


def finish_undoing(*, now: datetime, limit: int = _BATCH) -> int:
    """Carry on with what was to be undone when Stripe was away or we died; how many are done now."""
    waiting = DoubleCharge.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), state=State.UNDOING
    )
    done = 0
    for notice in waiting.order_by("decided_at", "pk")[:limit]:
        try:
            done += _carry_out(notice, now=now)
        except TooLate:
            continue
    return done


def _carry_out(notice: DoubleCharge, *, now: datetime) -> bool:
    """Two calls, each of which can be made again; the events that follow change the books."""
    second = Payment.objects.select_related("contribution__subscription").get(pk=notice.second_id)
    subscription: Subscription | None = getattr(second.contribution, "subscription", None)
    try:
        if subscription is not None and subscription.state != Subscription.State.CANCELLED:
            with contextlib.suppress(GoneAtStripe):  # it has ended, which is all that is wanted
                gateway.end_now(subscription.stripe_id)
        gateway.give_back(
            payment_intent=second.stripe_payment_intent_id or "",
            charge=second.stripe_charge_id or "",
            key=f"undo:{notice.public_id}",
        )
    except PaymentsUnavailable:
        DoubleCharge.objects.filter(pk=notice.pk).update(next_attempt_at=now + _RETRY)
        return False
    except (PaymentsRefused, GoneAtStripe) as error:
        _log.error("a second charge could not be undone", double=notice.pk, why=type(error).__name__)
        DoubleCharge.objects.filter(pk=notice.pk, state=State.UNDOING).update(
            state=State.REFUSED, problem=type(error).__name__
        )
        raise TooLate from error
    DoubleCharge.objects.filter(pk=notice.pk, state=State.UNDOING).update(state=State.UNDONE, problem="")
    return True


def note_marks() -> int:
    """
    Tell the ground floor which members paid with one card, or under one name and postcode; how much of it is new.

    Done before traces are forgotten: by then it is known whose each payment is.
    """
    traces = ChargeTrace.objects.filter(
        payment__contribution__member__isnull=False, payment__contribution__member__erased_at=None
    ).exclude(card_hash="", place_hash="")
    rows = traces.values_list("payment__contribution__member", "card_hash", "place_hash")
    marks: set[tuple[int, str, str]] = set()
    for member, card, place in rows.iterator():
        marks |= {(member, Mark.Kind.CARD.value, card), (member, Mark.Kind.PLACE.value, place)}
    return duplicates.note(marks)


def forget_traces(*, now: datetime) -> int:
    """Delete what was remembered of first payments that are too old to be asked about; how many."""
    old = now - NEWS_FOR - timedelta(days=settings.DOUBLE_CHARGE_DAYS)
    deleted, _ = ChargeTrace.objects.filter(noted_at__lt=old).delete()
    return deleted
