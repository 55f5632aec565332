"""
A change of a contribution, from the wish to Stripe's word: written down, asked, taken, confirmed, told.

The row comes first, and is the claim: of one contribution one change at a time is asked, and whoever decided on a state
that is not the state any more is told so. Then Stripe is asked, outside of any transaction. Its yes changes no
book: the event does, and the mail to the reader is owed when the event has come. A crash in between leaves a row that
`finish` looks after. What may be wished, and how Stripe is asked, is in `wishes`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from donations import change_letters, facts, gateway, standing
from donations.errors import (
    ChangeAtWork,
    ChangedMeanwhile,
    DonationError,
    GoneAtStripe,
    PaymentsUnavailable,
)
from donations.ledger.common import locked
from donations.models import Contribution, ContributionChange, Subscription
from donations.standing import Picture, Standing
from members.rows import insert_new

_log = structlog.get_logger(__name__)

Kind, State = ContributionChange.Kind, ContributionChange.State
READER, LINK, STRIPE = "reader", "link", "stripe"

LONGEST_CALL = timedelta(minutes=5)  # no request to Stripe takes longer: whoever asked is not there any more
PATIENCE = timedelta(hours=1)  # after Stripe's yes, for its event
_SKEW = timedelta(minutes=2)  # between Stripe's clock, to the second, and ours
_BATCH = 100
_OPEN = (State.ASKED, State.TAKEN, State.UNCLEAR)


def ask(
    stands: Standing,
    kind: ContributionChange.Kind,
    after: Picture,
    *,
    call: Callable[[str], object],
    actor: str,
    now: datetime,
    once: str = "",
    reason: str = "",
    instead_of_stopping: bool = False,
    undoes: ContributionChange | None = None,
) -> ContributionChange:
    """
    Write the wish down, ask Stripe, and note what it said.

    :param stands: what was decided on; if that has changed meanwhile, nothing is asked.
    :param call: asks Stripe, with a key of idempotency.
    :param once: names this pressing of a button: the same again gives the same change, and asks nothing.
    :raises ChangeAtWork: another change of this contribution is being asked, this very moment.
    :raises ChangedMeanwhile: it does not stand as it did when this was decided.
    :raises PaymentsUnavailable: no answer; all is as it was, as far as we know. PaymentsRefused, GoneAtStripe,
        InvalidWish: Stripe said no, and all is as it was.
    """
    change, is_new = _write_down(
        stands,
        ContributionChange(
            contribution=stands.contribution,
            kind=kind,
            before=stands.now.stored(),
            after=after.stored(),
            actor=actor,
            reason=reason,
            instead_of_stopping=instead_of_stopping,
            once=once,
            undoes=undoes,
            asked_at=now,
        ),
        now=now,
    )
    if not is_new:
        return change
    try:
        call(f"change:{change.public_id}")
    except DonationError as error:
        _note_no(change, error, now=now)
        raise
    _row(change, State.ASKED).update(state=State.TAKEN)
    change.refresh_from_db(fields=["state", "settled_at"])  # the event may have been quicker
    _log.info("change taken", change=str(change.public_id), kind=kind, actor=actor)
    return change


def _write_down(
    stands: Standing, change: ContributionChange, *, now: datetime
) -> tuple[ContributionChange, bool]:
    """The row, and whether this call made it; under the contribution's lock, so that two see each other."""
    _settle_abandoned(change.contribution, now=now)
    with transaction.atomic():
        contribution = locked().get(pk=change.contribution_id)
        if change.once:
            same = contribution.changes.filter(once=change.once)
            found = same.exclude(state__in=[State.REFUSED, State.UNCLEAR]).first()
            if found is not None and found.state != State.ASKED:
                return found, False
        if contribution.changes.filter(state=State.ASKED).exists():
            raise ChangeAtWork("Another change is at work. Please try again in a moment.")
        if standing.get(contribution).version != stands.version:
            raise ChangedMeanwhile("Something has changed meanwhile. Please look again, and decide anew.")
        if not insert_new([change]):
            raise ChangeAtWork("Another change is at work. Please try again in a moment.")
    return ContributionChange.objects.get(public_id=change.public_id), True


def _note_no(change: ContributionChange, error: DonationError, *, now: datetime) -> None:
    # Where no answer came, Stripe may have done it all the same: then its event says so.
    unclear = isinstance(error, PaymentsUnavailable)
    _row(change, State.ASKED).update(
        state=State.UNCLEAR if unclear else State.REFUSED,
        settled_at=None if unclear else now,
        problem=error.code[:60],
    )
    _log.warning("change not taken", change=str(change.public_id), kind=change.kind, why=error.code)


# --- Stripe's word ----------------------------------------------------------------------------------


def note(
    subscription: Subscription, told: facts.SubscriptionFacts, *, at: datetime, now: datetime
) -> list[ContributionChange]:
    """
    Confirm the changes that a description of Stripe's shows, and owe the mails about them; which they were.

    In the transaction of the event, under the contribution's lock.
    """
    contribution = subscription.contribution
    confirmed = []
    open_ = ContributionChange.objects.filter(contribution=contribution, state__in=_OPEN)
    for change in open_.filter(asked_at__lte=at + _SKEW).order_by("asked_at", "pk"):
        if shows(change, told):
            _confirm(change, contribution, subscription, now=now)
            confirmed.append(change)
    return confirmed


def shows(change: ContributionChange, told: facts.SubscriptionFacts) -> bool:
    """Whether a description of Stripe's is as a change wanted it."""
    after = Picture.of(change.after)
    is_over = told.state == Subscription.State.CANCELLED
    match change.kind:
        case Kind.AMOUNT | Kind.INTERVAL | Kind.FEE_COVER:
            return (told.amount, told.interval) == (after.total.minor, after.interval)
        case Kind.PAUSE:
            return told.is_paused and standing.stamp(told.pause_resumes_at) == after.paused_until
        case Kind.RESUME:
            return not told.is_paused and not is_over
        case Kind.KEEP:
            return told.cancel_at is None and not is_over
        case Kind.WITHDRAWAL:
            return is_over
        case _:
            return is_over or told.cancel_at is not None


def _confirm(
    change: ContributionChange, contribution: Contribution, subscription: Subscription, *, now: datetime
) -> None:
    if _row(change, *_OPEN).update(state=State.CONFIRMED, settled_at=now, problem=""):
        change.state, change.settled_at = State.CONFIRMED, now
        change_letters.owe(change, contribution, subscription, now=now)


def note_card(
    subscription: Subscription,
    told: facts.SubscriptionFacts,
    before: facts.SubscriptionFacts | None,
    *,
    at: datetime,
    now: datetime,
) -> None:
    """
    If Stripe's word about a subscription says that it has another card now: write it down, and owe the mail about it.

    In the transaction of the event, under the contribution's lock. What it had before is what the event itself says,
    so that it does not matter which event comes first; the card with which a contribution began is no other card.
    """
    old = before.default_payment_method if before else ""
    if not old or told.default_payment_method in ("", old) or told.state == Subscription.State.CANCELLED:
        return
    contribution = subscription.contribution
    once = f"card:{told.default_payment_method}"
    change = _made_elsewhere(contribution, Kind.CARD, once=once, at=at, now=now)
    if change is not None:
        change_letters.owe(change, contribution, subscription, now=now)


def note_reader(contribution: Contribution, *, now: datetime) -> None:
    """Owe the mails about cards that were given before we knew who gives."""
    for change in contribution.changes.filter(kind=Kind.CARD, state=State.CONFIRMED).order_by(
        "asked_at", "pk"
    ):
        change_letters.owe(change, contribution, contribution.subscription, now=now)


def note_one_time(contribution: Contribution, *, at: datetime, now: datetime) -> None:
    """A contribution became one that was meant once; the mail about it is `one_time`'s."""
    _made_elsewhere(contribution, Kind.ONE_TIME, once=f"once:{standing.stamp(at)}", at=at, now=now)


def _made_elsewhere(
    contribution: Contribution, kind: ContributionChange.Kind, *, once: str, at: datetime, now: datetime
) -> ContributionChange | None:
    """A change that began without a wish in this table; None if it is known already."""
    picture = standing.get(contribution).now.stored()
    row = ContributionChange(
        contribution=contribution,
        kind=kind,
        state=State.CONFIRMED,
        before=picture,
        after=picture,
        actor=READER,
        once=once[:100],
        asked_at=at,
        settled_at=now,
    )
    return ContributionChange.objects.get(public_id=row.public_id) if insert_new([row]) else None


# --- What a crash or a lost event leaves behind -------------------------------------------------------


def finish(*, now: datetime, limit: int = _BATCH) -> int:
    """
    Settle the changes whose end never came: nobody is there who asked, or no event followed. How many were settled.

    Stripe is asked how the subscription stands. If that is what was wanted, it was done; if not, it was not, or
    something else took its place.
    """
    late = Q(state__in=[State.ASKED, State.UNCLEAR], asked_at__lte=now - LONGEST_CALL)
    late |= Q(state=State.TAKEN, asked_at__lte=now - PATIENCE)
    settled = 0
    for change in list(ContributionChange.objects.filter(late).order_by("asked_at", "pk")[:limit]):
        try:
            settled += _settle(change, now=now)
        except PaymentsUnavailable:
            break
        except DonationError as error:
            _log.error("change not settled", change=str(change.public_id), why=error.code)
    return settled


def _settle_abandoned(contribution: Contribution, *, now: datetime) -> None:
    """Before another change is asked: the one whose asker died must not stand in its way until the next sweep."""
    abandoned = contribution.changes.filter(state=State.ASKED, asked_at__lte=now - LONGEST_CALL).first()
    if abandoned is not None:
        _settle(abandoned, now=now)


def _settle(change: ContributionChange, *, now: datetime) -> int:
    stripe_id = Subscription.objects.values_list("stripe_id", flat=True).get(
        contribution=change.contribution_id
    )
    try:
        told: facts.SubscriptionFacts | None = gateway.get_subscription(stripe_id)
    except GoneAtStripe:
        told = None
    with transaction.atomic():
        contribution = locked().get(pk=change.contribution_id)
        if told is not None and shows(change, told):
            _confirm(change, contribution, contribution.subscription, now=now)
        elif change.state == State.TAKEN:
            _row(change, State.TAKEN).update(state=State.OVERTAKEN, settled_at=now)
        else:
            problem = change.problem or "no_answer"
            _row(change, State.ASKED, State.UNCLEAR).update(
                state=State.REFUSED, settled_at=now, problem=problem
            )
    return 1


def _row(change: ContributionChange, *states: ContributionChange.State) -> QuerySet[ContributionChange]:
    return ContributionChange.objects.filter(pk=change.pk, state__in=states)
