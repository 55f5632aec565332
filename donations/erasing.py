"""
Erasing a person from the books: what they gave stays, and who they were goes, here and at Stripe.

The steps are called by `members.erasing`, may be done twice, and can be broken off at any statement.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.cache import cache
from django.db.models import QuerySet

from donations import gateway, naming, stopping
from donations.errors import GoneAtStripe, PaymentsRefused, PaymentsUnavailable
from donations.models import (
    ChargeTrace,
    Contribution,
    FileImport,
    ImportedRow,
    OfflineGift,
    StripeCustomer,
    Subscription,
)
from members.holders import NotYet, Refused, Step, Subject, When

_log = structlog.get_logger(__name__)

STILL_GIVING = "still_giving"
WAITS_FOR_STRIPE = "waits_for_stripe"
_AGAIN = timedelta(minutes=2)
_BATCH = 500
_MUCH_LATER = timedelta(hours=6)  # what Stripe refuses, a person has to look at


def contributions_of(subject: Subject) -> list[Contribution]:
    """What they began to give: under one of their members, and what is so far only under an address of theirs."""
    known = Contribution.objects.select_related("campaign", "variant").order_by("created_at", "pk")
    mine = list(known.filter(member__in=subject.members))
    return mine + [row for row, _ in _without_member(subject, known)]


def plans_of(subject: Subject) -> QuerySet[Subscription]:
    """Their subscriptions that have not ended."""
    theirs = Subscription.objects.filter(contribution__member__in=subject.members)
    return theirs.exclude(state=Subscription.State.CANCELLED)


def _without_member(
    subject: Subject, rows: QuerySet[Contribution] | None = None
) -> list[tuple[Contribution, int]]:
    """
    Contributions that nobody's first payment has reached, under an address of theirs, each with the member of it.

    An address on a contribution is sealed and has no hash: all of them are opened. They are those of a week at most.
    """
    if not subject.hashes:
        return []
    open_ones = (Contribution.objects.all() if rows is None else rows).filter(member=None).exclude(email=b"")
    found, last = [], 0
    while batch := list(open_ones.filter(pk__gt=last).order_by("pk")[:_BATCH]):
        last = batch[-1].pk
        for row in batch:
            member = subject.member_with(row.email)
            if member is not None:
                found.append((row, member))
    return found


# --- Before: nobody is charged any more, and nothing more can be paid


def _end_plans(subject: Subject, now: datetime) -> NotYet | None:
    """
    End what goes on, if the reader wished so, and wait until Stripe's event has brought it into the books.

    :raises Refused: something goes on, and the reader did not say that it may end.
    """
    running = list(plans_of(subject))
    if not running:
        return None
    has_begun = any(one.state != Subscription.State.INCOMPLETE for one in running)
    if has_begun and not subject.request.stop_giving:
        raise Refused(STILL_GIVING)
    for subscription in running:
        try:
            stopping.stop_at_once(subscription)
        except GoneAtStripe:
            continue  # it has ended there: its event is on its way, or reconciliation fetches it
        except PaymentsUnavailable:
            return NotYet(now + _AGAIN, WAITS_FOR_STRIPE)
        except PaymentsRefused:
            return NotYet(now + _MUCH_LATER, "stripe_refuses")
    return NotYet(now + _AGAIN, WAITS_FOR_STRIPE)


# --- While the address is known


def _forget_unpaid(subject: Subject, now: datetime) -> NotYet | None:
    """
    Close the pages that they left open, and put what they began under their member.

    There no later word of Stripe brings an address to it: a contribution that has a member asks for none.
    """
    for contribution, member in _without_member(subject):
        if contribution.checkout_state == Contribution.CheckoutState.OPEN and contribution.stripe_session_id:
            try:
                gateway.expire_checkout(contribution.stripe_session_id)
            except PaymentsUnavailable:
                return NotYet(now + _AGAIN, WAITS_FOR_STRIPE)
            except (GoneAtStripe, PaymentsRefused):
                pass  # it was paid or has expired this very moment
        Contribution.objects.filter(pk=contribution.pk, member=None).update(
            member=member, email=b"", name=b""
        )
    return None


def _forget_at_stripe(subject: Subject, now: datetime) -> NotYet | None:
    """Have Stripe delete its records of the payer; what ends there by it ends."""
    for stripe_id in sorted(_customers_of(subject)):
        try:
            gateway.delete_customer(stripe_id)
        except GoneAtStripe:
            continue
        except PaymentsUnavailable:
            return NotYet(now + _AGAIN, WAITS_FOR_STRIPE)
        except PaymentsRefused:
            return NotYet(now + _MUCH_LATER, "stripe_refuses")
    return None


def _customers_of(subject: Subject) -> set[str]:
    theirs = Contribution.objects.filter(member__in=subject.members)
    known = StripeCustomer.objects.filter(member__in=subject.members)
    gone = set(known.exclude(deleted_at=None).values_list("stripe_id", flat=True))
    return {
        *known.values_list("stripe_id", flat=True),
        *theirs.values_list("stripe_customer_id", flat=True),
        *Subscription.objects.filter(contribution__in=theirs).values_list("stripe_customer_id", flat=True),
    } - {"", *gone}


def _forget_files(subject: Subject, now: datetime) -> NotYet | None:
    """Forget files that were uploaded and not imported, if they name the reader; staff upload them again."""
    for file in FileImport.objects.filter(imported_at=None).exclude(content=b""):
        text = file.content.casefold()
        if any(email.casefold() in text for email in subject.addresses.values()):
            FileImport.objects.filter(pk=file.pk, imported_at=None).update(content=b"")
    return None


# --- Twice


def _forget_in_books(subject: Subject, now: datetime) -> NotYet | None:
    """Take all that says who it was from what they gave. Sums, days, and Stripe's ids stay: they are the books."""
    theirs = Contribution.objects.filter(member__in=subject.members)
    theirs.update(
        email=b"",
        name=b"",
        checkout_url=b"",
        recovery_url=b"",
        recovery_expires_at=None,
        source={},
        return_url="",
        idempotency_hash=None,
        request_fingerprint="",
    )
    of_theirs: dict[str, Any] = {"payment__contribution__member__in": subject.members}
    OfflineGift.objects.filter(**of_theirs).update(reference=b"", note=b"", void_reason=b"")
    ChargeTrace.objects.filter(**of_theirs).delete()
    # The key stays: by it a line of an old file is known, and not taken in again.
    ImportedRow.objects.filter(member__in=subject.members).update(content_hash="")
    cache.delete_many([f"entitlement:{one}" for one in subject.all_hashes])
    return None


def _forget_events(subject: Subject, now: datetime) -> NotYet | None:
    """Empty the bodies of Stripe's events that name them."""
    return naming.forget(subject, now=now)


# --- And ever after


def end_what_began_late(*, now: datetime) -> int:
    """
    End plans of readers who were erased, and have Stripe delete what it made of them anew; how many calls that took.

    A page that was paid in the minute of the erasure, or whose event was lost until now: nobody could be told of the
    payments to come. What was paid stays a gift.
    """
    calls = 0
    plans = Subscription.objects.filter(contribution__member__erased_at__isnull=False)
    payers = StripeCustomer.objects.filter(member__erased_at__isnull=False, deleted_at=None)
    try:
        for subscription in plans.exclude(state=Subscription.State.CANCELLED).order_by("pk")[:_BATCH]:
            calls += 1
            with contextlib.suppress(GoneAtStripe):  # its event is on its way, or reconciliation fetches it
                stopping.stop_at_once(subscription)
        for payer in payers.order_by("pk")[:_BATCH]:
            calls += 1
            try:
                gateway.delete_customer(payer.stripe_id)
            except GoneAtStripe:
                StripeCustomer.objects.filter(pk=payer.pk, deleted_at=None).update(deleted_at=now)
    except (PaymentsUnavailable, PaymentsRefused) as error:
        _log.warning("what began late of an erased reader goes on", why=type(error).__name__)
    return calls


STEPS = [
    Step("plans", When.BEFORE, _end_plans),
    Step("unpaid", When.WHILE, _forget_unpaid),
    Step("stripe", When.WHILE, _forget_at_stripe),
    Step("files", When.WHILE, _forget_files),
    Step("books", When.TWICE, _forget_in_books),
    Step("events", When.TWICE, _forget_events),
]
