"""
What the newsroom does with gifts; every verb is handed `now` and raises errors of `donations.errors`.

The inbox (`donations.inbox`) has the verbs for what Stripe tells us.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction

from donations import (
    amounts,
    declines,
    gateway,
    ledger,
    links,
    lots,
    queries,
    reconciliation,
    stopping,
)
from donations.errors import (
    DonationError,
    GoneAtStripe,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    PaymentsRefused,
    PaymentsUnavailable,
    UnknownContribution,
)
from donations.intervals import Interval
from donations.models import BalanceEntry, Contribution, Payment, Subscription
from donations.money import Money
from members import crypto
from members.rows import insert_new

_log = structlog.get_logger(__name__)

CHECKOUT_LIFE = timedelta(hours=1)
# Stripe wants a page to live for half an hour at least. While that can still be asked for, a retry repeats the
# attempt word for word (and Stripe answers with the same page); later it is a new attempt. The page of an
# attempt whose answer got lost was never shown to anybody, so that it can not be paid beside the new one.
ATTEMPT_LIFE = timedelta(minutes=25)
IDEMPOTENCY_LIFE = timedelta(hours=24)
FORGOTTEN_AFTER = timedelta(hours=26)
UNPAID_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader asks for; amounts are Money, texts are clean (the serializer saw to both)."""

    campaign: str
    interval: Interval
    amount: Money
    email: str = ""
    name: str = ""
    cover_fees: bool = False
    locale: str = ""
    return_url: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    newsletter_consent: bool = False
    reminder_consent: bool = False


def start_contribution(
    *, wish: Wish, idempotency_key: str = "", visitor: lots.Visitor | None = None, now: datetime
) -> Contribution:
    """
    Write down the intent, then ask Stripe for a page to pay on.

    The row is committed first: money cannot arrive for a gift we never heard of, and no transaction stays
    open while we wait for Stripe. With an idempotency key, the same wish again gives the same contribution,
    and finishes one that a crash or an outage left without a page.

    :param visitor: who gives, as far as lots need it: whether they were held out is kept, and nothing of this.
    :returns: the contribution, with `checkout_url` to send the reader to.
    :raises InvalidWish: amount, currency, interval or campaign; nothing was stored.
    :raises IdempotencyKeyReused: the key stands for another wish; nothing was stored.
    :raises IdempotencyKeyInUse: the first request with this key is being answered; nothing was stored.
    :raises PaymentsUnavailable: Stripe does not answer; the row waits, ask again with the same key.
    :raises PaymentsRefused: Stripe refuses for a reason that the reader cannot mend.
    """
    fingerprint = crypto.lookup_hash(_canonical(wish))
    key_hash = crypto.lookup_hash(f"idempotency:{idempotency_key}") if idempotency_key else None
    if key_hash and (earlier := _earlier(key_hash, fingerprint, now)):
        return _with_page(earlier, now=now)
    contribution = _write_down(wish, visitor, key_hash=key_hash, fingerprint=fingerprint, now=now)
    return _with_page(contribution, now=now)


def _canonical(wish: Wish) -> str:
    """The wish as one text: equal wishes, equal texts."""
    parts = {name: getattr(wish, name) for name in Wish.__dataclass_fields__}
    parts |= {"amount": [wish.amount.minor, wish.amount.currency], "interval": wish.interval.value}
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return "wish:" + hashlib.sha256(text.encode()).hexdigest()


def _earlier(key_hash: str, fingerprint: str, now: datetime) -> Contribution | None:
    found = Contribution.objects.select_related("campaign").filter(idempotency_hash=key_hash).first()
    if found is None:
        return None
    if found.created_at <= now - IDEMPOTENCY_LIFE:
        # Old enough to be forgotten; its row stays, without the key.
        Contribution.objects.filter(pk=found.pk).update(idempotency_hash=None)
        return None
    if found.request_fingerprint != fingerprint:
        raise IdempotencyKeyReused("This Idempotency-Key was used for another request. Send a new one.")
    return found


def _write_down(
    wish: Wish, visitor: lots.Visitor | None, *, key_hash: str | None, fingerprint: str, now: datetime
) -> Contribution:
    campaign = queries.get_running_campaign(wish.campaign, now=now)
    ask = queries.get_ask(campaign, currency=wish.amount.currency, interval=wish.interval)
    added = amounts.check(wish.amount, ask, with_fee_cover=wish.cover_fees)
    contribution = Contribution(
        campaign=campaign,
        interval=wish.interval.value,
        amount_minor=wish.amount.minor,
        fee_cover_minor=added.minor,
        currency=wish.amount.currency,
        email=wish.email,
        name=wish.name,
        locale=wish.locale or campaign.locale,
        source={name: value for name, value in wish.source.items() if name != "variant"},
        # A name of a variant that we do not know is dropped: a page may be older than the test.
        variant=queries.get_variant(campaign, named) if (named := wish.source.get("variant")) else None,
        was_held_out=(
            lots.is_held_out(campaign.slug, campaign.hold_out_percent, visitor)
            if visitor and campaign.is_holding_out(now)
            else None
        ),
        newsletter_consent=wish.newsletter_consent,
        # A yes counts where it was asked for: only campaigns that write about it offer the box.
        reminder_consent=wish.reminder_consent and campaign.reminds_abandoned,
        return_url=wish.return_url,
        livemode=settings.STRIPE_LIVEMODE,
        created_at=now,
        checkout_attempted_at=now,
        idempotency_hash=key_hash,
        request_fingerprint=fingerprint,
    )
    if insert_new([contribution]):
        return Contribution.objects.select_related("campaign").get(public_id=contribution.public_id)
    # Somebody with the same key was quicker, this very moment.
    earlier = _earlier(key_hash or "", fingerprint, now)
    if earlier is None:
        raise IdempotencyKeyInUse("A request with this Idempotency-Key is at work. Try again in a moment.")
    return earlier


def _with_page(contribution: Contribution, *, now: datetime) -> Contribution:
    """The contribution with a page to pay on, asking Stripe for one if it has none yet."""
    if contribution.checkout_state != Contribution.CheckoutState.CREATED:
        return contribution  # open, paid or expired: the first answer is the answer
    _begin_attempt(contribution, now=now)
    try:
        page = gateway.open_checkout(
            gateway.CheckoutWish(
                reference=contribution.public_id,
                attempt=contribution.checkout_attempt,
                expires_at=contribution.checkout_attempted_at + CHECKOUT_LIFE,
                total=contribution.total,
                interval=Interval(contribution.interval),
                email=contribution.email,
                locale=contribution.locale,
                success_url=links.after_checkout(contribution, outcome="thanks"),
                cancel_url=links.after_checkout(contribution, outcome="back"),
                can_be_recovered=contribution.can_be_recovered,
            )
        )
    except gateway.StillAtWork as error:
        contribution.refresh_from_db()
        if contribution.checkout_state != Contribution.CheckoutState.CREATED:
            return contribution  # the twin request has brought the page meanwhile
        raise IdempotencyKeyInUse(
            "A request with this Idempotency-Key is at work. Try again in a moment."
        ) from error
    except DonationError as error:
        Contribution.objects.filter(
            pk=contribution.pk, checkout_state=Contribution.CheckoutState.CREATED
        ).update(checkout_problem=error.code[:100])
        _log.warning("no checkout page", contribution=str(contribution.public_id), why=error.code)
        raise
    if not contribution.mark_open(session_id=page.id, url=page.url, expires_at=page.expires_at):
        contribution.refresh_from_db()  # a twin request, or Stripe's own event, was here before
        contribution.checkout_url = contribution.checkout_url or page.url
    _log.info("checkout opened", contribution=str(contribution.public_id), session=page.id)
    return contribution


def _begin_attempt(contribution: Contribution, *, now: datetime) -> None:
    """Repeat the attempt that is under way, or begin the next one if Stripe would not take it any more."""
    if now - contribution.checkout_attempted_at <= ATTEMPT_LIFE:
        return
    stale = Contribution.objects.filter(pk=contribution.pk, checkout_attempt=contribution.checkout_attempt)
    if stale.update(checkout_attempt=contribution.checkout_attempt + 1, checkout_attempted_at=now):
        contribution.checkout_attempt += 1
        contribution.checkout_attempted_at = now
    else:
        contribution.refresh_from_db(fields=["checkout_attempt", "checkout_attempted_at"])


def make_one_time(public_id: UUID, *, now: datetime) -> queries.ContributionView:
    """
    Let a recurring contribution be the gift that its reader meant to give once; how it stands then.

    Stripe said yes when this returns; its event brings it into the books a moment later.

    :raises UnknownContribution: there is none with this id. And as `stopping.make_one_time`.
    """
    view = queries.get_standing(public_id, now=now)
    stopping.make_one_time(view.contribution, now=now)
    return replace(view, next_payment_at=None, can_be_made_one_time=False, was_made_one_time=True)


def open_card_page(subscription: Subscription, *, return_url: str = "") -> str:
    """
    The address at Stripe where the reader gives another card for a subscription; what is owed is tried with it at once.

    Where the bank only wants the payment confirmed, another card is not what helps: then it is the page of the open
    invoice, which asks the bank, and takes any card as well.

    :param return_url: where Stripe leads the reader after that; else to how the contribution went.
    :raises UnknownContribution: the subscription has ended.
    :raises PaymentsUnavailable: try again.
    """
    if subscription.state == Subscription.State.CANCELLED:
        raise UnknownContribution("This contribution has ended.")
    if to_confirm := invoice_to_confirm(subscription):
        try:
            return gateway.get_confirm_page(to_confirm)
        except GoneAtStripe:
            pass  # it was paid or voided this very moment
    back = return_url or links.after_checkout(subscription.contribution, outcome="thanks")
    return gateway.open_card_page(customer=subscription.stripe_customer_id, return_url=back)


def invoice_to_confirm(subscription: Subscription) -> str:
    """The id of the open invoice that waits for the reader's word to the bank; "" if none does."""
    if subscription.state not in (Subscription.State.PAST_DUE, Subscription.State.UNPAID):
        return ""
    newest = (
        Payment.objects.filter(contribution=subscription.contribution_id).order_by("created_at", "pk").last()
    )
    if newest is None or newest.state != Payment.State.FAILED:
        return ""
    return newest.stripe_invoice_id or "" if newest.failure_code in declines.TO_CONFIRM else ""


def payments_work() -> bool:
    """Whether Stripe answers us, asked with a question that changes nothing."""
    try:
        gateway.get_session("cs_test_is_anybody_there")
    except GoneAtStripe:
        return True
    except (PaymentsUnavailable, PaymentsRefused):
        return False
    return True


def expire_forgotten_checkouts(*, now: datetime) -> int:
    """
    Close the books on pages that were left unpaid and whose end Stripe did not tell us; how many.

    Before a page is called expired, Stripe is asked: perhaps it was paid and the event got lost; then the inbox is
    told. Rows that never got a page are expired too: nobody can pay them any more.
    """
    undecided = Contribution.objects.filter(
        checkout_state__in=["CREATED", "OPEN"], created_at__lte=now - FORGOTTEN_AFTER
    )
    closed = 0
    for contribution in undecided.order_by("pk")[:200]:
        if contribution.stripe_session_id:
            try:
                session = gateway.get_session_object(contribution.stripe_session_id)
            except GoneAtStripe:
                pass
            except (PaymentsUnavailable, PaymentsRefused):
                break  # the next run asks again
            else:
                if session.get("status") == "complete":
                    reconciliation.tell_inbox("checkout.session", session, now=now)
                    continue
        still = Contribution.objects.filter(pk=contribution.pk, checkout_state=contribution.checkout_state)
        closed += still.update(checkout_state=Contribution.CheckoutState.EXPIRED, checkout_url=b"")
    return closed


def forget_unpaid(*, now: datetime) -> int:
    """
    Forget who did not give: address, name and way back of contributions left unpaid for a week; how many.

    What was asked for stays, for the newsroom's numbers (RELIABILITY.md, 5.2, retention).
    """
    unpaid = Contribution.objects.filter(
        checkout_state=Contribution.CheckoutState.EXPIRED, member=None, created_at__lte=now - UNPAID_KEPT
    ).exclude(payments__state=Payment.State.SUCCEEDED)
    remembered = unpaid.exclude(email=b"", name=b"", checkout_url=b"", return_url="")
    return Contribution.objects.filter(pk__in=remembered.values("pk")).update(
        email=b"", name=b"", checkout_url=b"", return_url=""
    )


def settle(*, now: datetime, limit: int = 200) -> int:
    """
    Fetch fee, net and settlement amount of movements that we so far know by id; how many were filled.

    Postponed work: no gift waits for its fee. Stripe out of reach ends the run, the next one goes on.
    """
    waiting = BalanceEntry.objects.filter(net_minor=None).exclude(next_attempt_at__gt=now)
    filled = 0
    for entry in waiting.order_by("noted_at", "pk")[:limit]:
        try:
            movement = gateway.get_balance_transaction(entry.stripe_id)
        except PaymentsUnavailable:
            break
        except (DonationError, DatabaseError, ValueError) as error:
            gap = timedelta(minutes=min(2**entry.attempts, 24 * 60))
            BalanceEntry.objects.filter(pk=entry.pk).update(
                attempts=entry.attempts + 1, next_attempt_at=now + gap
            )
            _log.warning("no figures for a balance transaction", id=entry.stripe_id, why=type(error).__name__)
            continue
        with transaction.atomic():  # the entry and its payment's fee, or neither
            filled += ledger.fill_balance_entry(movement, now=now)
    return filled
