"""
What readers are told before money is taken: planned, decided when it is due, and followed to the mail server.

The promise: an annual payment is taken, and an amount changed, only after the mail server has taken a notice of it in
the window that the rules give (`notice_rules`). A notice that is too late does not count: then the payment waits at
Stripe (`holds`), the notice names a later day, and the payment is taken then.

Each notice is decided about in a transaction of its own, under the contribution's lock, from rows: what is not
needed any more is dropped, and a mail on its way is asked about once more right before it leaves. No call to Stripe
is made here. Nothing has to happen at a certain minute: a sweep that comes late finds the same rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from donations import letters, notice_rules
from donations.ledger.common import change, locked
from donations.models import Contribution, Notice, StripeCustomer, Subscription
from donations.notice_rules import About
from members import outbox
from members.models import Message
from members.rows import insert_new

_log = structlog.get_logger(__name__)

Kind, State, Hold = Notice.Kind, Notice.State, Notice.Hold
Plan = Subscription.State

LOOK_AGAIN = timedelta(minutes=10)  # at a mail on its way, or at what stands in the way
NEXT_DAY = timedelta(days=1)
NO_ADDRESS = "no_address"  # why a notice cannot be sent: nobody is known yet to send it to
# Said too late, a day is named that leaves the mail server this much time.
MARGIN = timedelta(days=1)
BATCH = 200
# However wide a rule's window is, nothing is planned earlier.
_HORIZON = timedelta(days=max(rule.earliest for rule in notice_rules.RULES if rule.about is About.RENEWAL))


# --- Planning ---------------------------------------------------------------------------------------


def plan_renewals(*, now: datetime, limit: int = BATCH) -> int:
    """
    Write down a notice for each annual payment that comes into sight; how many were new.

    Keyed by subscription and day of payment, so that any number of sweeps plan it once. One that was dropped, because
    its reader had stopped the contribution, is taken up again when they go on after all.
    """
    told = Notice.objects.filter(
        subscription=OuterRef("pk"), kind=Kind.RENEWAL, charge_at=OuterRef("current_period_end")
    ).exclude(state=State.DROPPED)
    due = (
        _running()
        .filter(interval="year", current_period_end__gt=now, current_period_end__lte=now + _HORIZON)
        .exclude(Exists(told))
        .order_by("current_period_end", "pk")
    )
    new = 0
    for subscription in list(due[:limit]):
        notice = planned_renewal(subscription, now=now)
        made = insert_new([notice])
        new += made or Notice.objects.filter(
            subscription=subscription, kind=Kind.RENEWAL, reference=notice.reference, state=State.DROPPED
        ).update(state=State.PLANNED, reason="", next_look_at=now)
    return new


def planned_renewal(
    subscription: Subscription, *, now: datetime, charge_at: datetime | None = None
) -> Notice:
    """The notice of a subscription's next annual payment (or of the one at `charge_at`), not saved."""
    charge_at = charge_at or subscription.current_period_end
    assert charge_at is not None, "who plans has looked for it"
    window = notice_rules.window(About.RENEWAL, charge_at.date())
    due_at = charge_at - window.target
    return Notice(
        subscription=subscription,
        kind=Kind.RENEWAL,
        reference=charge_at.isoformat(),
        charge_at=charge_at,
        takes_at=charge_at,
        due_at=due_at,
        latest_at=charge_at - window.latest,
        next_look_at=max(due_at, now),
    )


def _running() -> QuerySet[Subscription]:
    """Subscriptions that Stripe will charge at the end of their period."""
    return Subscription.objects.filter(state=Plan.ACTIVE).filter(
        Q(cancel_at=None) | Q(cancel_at__gt=F("current_period_end"))
    )


def note_reader(contribution: Contribution, *, now: datetime) -> None:
    """Look again at what could not be told, since nobody knew to whom: the first payment has come to light."""
    Notice.objects.filter(
        subscription__contribution=contribution, state=State.UNSENDABLE, reason=NO_ADDRESS
    ).update(next_look_at=now)


# --- Deciding ---------------------------------------------------------------------------------------


def decide_due(*, now: datetime, limit: int = BATCH) -> int:
    """
    Look at the notices whose time has come; how many mails were handed to the outbox.

    Whatever is to be told to Stripe is only written down here (`hold`, or an amount that is due): `holds` and
    `price_changes` tell it. One that cannot be decided is logged, and holds up no other.
    """
    due = Notice.objects.filter(next_look_at__lte=now).order_by("next_look_at", "pk")
    owed = 0
    for pk, contribution_pk in list(due.values_list("pk", "subscription__contribution")[:limit]):
        try:
            with transaction.atomic():
                contribution = locked().get(pk=contribution_pk)
                notice = Notice.objects.select_related("subscription").get(pk=pk)
                if notice.next_look_at is not None and notice.next_look_at <= now:
                    owed += decide(notice, contribution, now=now)
        except Exception as error:
            _log.error("notice not decided", notice=pk, error=type(error).__name__)
            Notice.objects.filter(pk=pk).update(next_look_at=now + LOOK_AGAIN)
    return owed


def decide(notice: Notice, contribution: Contribution, *, now: datetime) -> int:
    """Take the next step of one notice, whose contribution the caller has locked; how many mails were owed (0 or 1)."""
    if notice.state == State.HANDED_OVER:
        _learn(notice, now=now)
    if why := _not_needed(notice, now=now):
        drop(notice, why)
        return 0
    if notice.state == State.UNSENDABLE and notice.reason == NO_ADDRESS and contribution.member is not None:
        change(notice, {"state": State.PLANNED, "reason": ""})  # the first payment has come to light
    if notice.kind == Kind.RENEWAL and _must_wait(notice, now=now):
        return 0
    if notice.state == State.PLANNED:
        return _tell(notice, contribution, now=now)
    if notice.state == State.ACCEPTED:
        _after_telling(notice, now=now)
    elif notice.state == State.HANDED_OVER:
        _look(notice, _soon(notice, now, at_most=LOOK_AGAIN))
    else:  # it cannot be sent: a payment is held when its time comes, and waits for staff or for its reader's name
        _look(notice, _soon(notice, now, at_most=NEXT_DAY) if notice.kind == Kind.RENEWAL else None)
    return 0


def _tell(notice: Notice, contribution: Contribution, *, now: datetime) -> int:
    if now < notice.due_at:
        _look(notice, notice.due_at)
        return 0
    if contribution.member is None:
        change(notice, {"state": State.UNSENDABLE, "reason": NO_ADDRESS, "next_look_at": now})
        _log.warning("notice cannot be sent", notice=notice.pk, kind=notice.kind, why=NO_ADDRESS)
        return 0
    latest = latest_before(notice)
    takes_at = notice.takes_at
    if takes_at - latest <= now:
        takes_at = now + latest + MARGIN
    change(
        notice,
        {
            "state": State.HANDED_OVER,
            "reason": "",
            "mails": notice.mails + 1,
            "takes_at": takes_at,
            "next_look_at": now,
        },
    )
    locale = contribution.locale
    return outbox.owe(
        kind=letters.NOTICES[notice.kind],
        member=contribution.member,
        recipient=contribution.member.person.email,
        dedup_key=notice.dedup_key,
        context=letters.notice(notice, contribution, locale=locale),
        locale=locale,
        now=now,
        deliver_before=takes_at - latest,
    )


def _learn(notice: Notice, *, now: datetime) -> None:
    """What became of the mail that was handed over last."""
    found = (
        Message.objects.filter(dedup_key=notice.dedup_key)
        .values_list("state", "sent_at", "failure_code")
        .first()
    )
    if found is None:
        change(notice, {"state": State.PLANNED})
        return
    state, sent_at, code = found
    if state == Message.State.SENT and sent_at is not None:
        # A mail that a worker had in its hands when its time ran out: then the money waits for as long.
        takes_at = max(notice.takes_at, sent_at + latest_before(notice))
        change(notice, {"state": State.ACCEPTED, "accepted_at": sent_at, "takes_at": takes_at, "reason": ""})
    elif state == Message.State.FAILED and code in ("recipient_refused", "invalid_address"):
        change(notice, {"state": State.UNSENDABLE, "reason": code})
        _log.warning("notice cannot be sent", notice=notice.pk, kind=notice.kind, why=code)
    elif state == Message.State.FAILED:
        change(notice, {"state": State.PLANNED, "reason": code})


def _must_wait(notice: Notice, *, now: datetime) -> bool:
    """
    Hold the payment if it is too late for its notice; True while Stripe has not been told so yet.

    Held first, told afterwards: between the two, no payment can slip through.
    """
    if notice.hold == Hold.NONE and not _is_told_in_time(notice) and now >= notice.latest_at:
        change(notice, {"hold": Hold.WANTED, "reason": notice.reason or "not_told_in_time"})
        _log.warning("payment must wait", notice=notice.pk, why=notice.reason)
    if notice.hold == Hold.WANTED:
        _look(notice, now)
        return True
    if notice.hold == Hold.HELD and _was_let_go_elsewhere(notice):
        # Somebody resumed it at Stripe. Its reader was not told yet, whoever it was.
        change(notice, {"hold": Hold.WANTED, "next_look_at": now})
        return True
    return False


def _after_telling(notice: Notice, *, now: datetime) -> None:
    if notice.hold in (Hold.HELD, Hold.LETTING_GO):
        may_go_at = notice.takes_at if notice.takes_at > notice.charge_at else notice.accepted_at
        assert may_go_at is not None, "an accepted notice has a moment (constraint)"
        if now >= may_go_at:
            change(notice, {"hold": Hold.LETTING_GO, "next_look_at": now})
        else:
            _look(notice, may_go_at)
    elif notice.kind == Kind.PRICE and notice.applied_at is None:
        _look(notice, max(notice.takes_at, now))
    else:
        _look(notice, None)


def _not_needed(notice: Notice, *, now: datetime) -> str:
    """Why nobody needs the notice any more; "" if somebody does."""
    subscription = notice.subscription
    if subscription.state in (Plan.CANCELLED, Plan.UNPAID):
        return "ended"
    if notice.kind == Kind.PRICE:
        return _price_not_needed(notice)
    if notice.hold != Hold.NONE:
        return ""  # the payment waits for it, whatever Stripe's calendar says meanwhile
    if notice.state == State.ACCEPTED:
        return ""
    if notice.kind == Kind.RENEWAL and subscription.interval != "year":
        return "not_annual"
    if subscription.current_period_end != notice.charge_at:
        return "other_day" if notice.charge_at > now else "charged_untold"
    if subscription.cancel_at and subscription.cancel_at <= notice.charge_at:
        return "stopped"
    if subscription.state != Plan.ACTIVE:
        return "not_running"
    if notice.kind == Kind.CARD:
        if notice.charge_at <= now:
            return "too_late"
        if _heard_of_another_card(notice):
            return "other_card"
    return ""


def _price_not_needed(notice: Notice) -> str:
    subscription = notice.subscription
    if notice.applied_at is not None:
        return ""
    ends = subscription.cancel_at
    if ends and (ends <= notice.takes_at or ends == subscription.current_period_end):
        return "stopped"  # no payment comes that could be of the new amount
    # The new amount is no surprise: Stripe may have told of it before we noted that we asked for it.
    known = (notice.old_amount_minor, notice.new_amount_minor)
    return "" if subscription.amount_minor in known else "changed_meanwhile"


def drop(notice: Notice, why: str) -> None:
    """Nobody needs it any more; a mail that has not left is withdrawn."""
    if why == "charged_untold":
        _log.error("charged without a notice", notice=notice.pk, subscription=notice.subscription.stripe_id)
    change(notice, {"state": State.DROPPED, "accepted_at": None, "reason": why, "next_look_at": None})
    outbox.withdraw([notice.dedup_key])


def is_wanted(dedup_key: str) -> bool:
    """Whether the mail of a notice still has its reason; asked right before it leaves."""
    _, pk, number = dedup_key.split(":")
    notice = Notice.objects.select_related("subscription").filter(pk=int(pk), mails=int(number)).first()
    if notice is None or notice.state != State.HANDED_OVER:
        return False
    return not _not_needed(notice, now=notice.due_at)


# --- Small questions --------------------------------------------------------------------------------


def _look(notice: Notice, at: datetime | None) -> None:
    change(notice, {"next_look_at": at})


def latest_before(notice: Notice) -> timedelta:
    """How long before the payment the mail server has to have taken the notice."""
    if notice.kind == Kind.CARD:
        return timedelta(0)
    about = About.RENEWAL if notice.kind == Kind.RENEWAL else About.PRICE
    return notice_rules.window(about, notice.takes_at.date()).latest


def _is_told_in_time(notice: Notice) -> bool:
    return notice.accepted_at is not None and notice.takes_at <= notice.charge_at


def _soon(notice: Notice, now: datetime, *, at_most: timedelta) -> datetime:
    """In that time, or at the moment from which on the payment has to be held, if that comes first."""
    return min(now + at_most, notice.latest_at) if now < notice.latest_at else now + at_most


def _was_let_go_elsewhere(notice: Notice) -> bool:
    subscription = notice.subscription
    return (
        notice.state != State.ACCEPTED
        and subscription.state == Plan.ACTIVE
        and notice.held_at is not None
        and subscription.as_of is not None
        and subscription.as_of > notice.held_at + LOOK_AGAIN
    )


def _heard_of_another_card(notice: Notice) -> bool:
    """
    Whether events told us of another card than the one that a warning is about, since Stripe was asked for that.

    What they had told before counts for nothing: the word of a new card may have been lost on its way.
    """
    subscription = notice.subscription
    asked_at = notice.due_at.replace(microsecond=0)  # Stripe tells of moments to the second
    if card := subscription.default_payment_method:
        told_at = subscription.as_of
    else:
        payer = StripeCustomer.objects.filter(stripe_id=subscription.stripe_customer_id)
        card = payer.values_list("default_payment_method", flat=True).first() or ""
        told_at = subscription.card_given_at
    return bool(card and told_at and told_at >= asked_at and card != notice.reference.split(":")[0])
