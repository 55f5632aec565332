"""
One story told to several houses: what came of it is laid side by side.

A story is played once; Stripe's events are then told to a house that knows only what was begun, again and again, each
time otherwise. Afterwards that house is forgotten, and Stripe is what it was when the story ended.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from donations import inbox, payouts, queries, services
from donations.models import (
    BalanceEntry,
    Contribution,
    ContributionChange,
    Dispute,
    DoubleCharge,
    Dunning,
    Payment,
    Payout,
    Refund,
    StripeCustomer,
    StripeEvent,
    Subscription,
)
from members import clock
from members.models import STANDING, Consent, Member, Membership, MembershipStep, Message
from sandbox.account import Account
from tests.house import House

Picture = dict[str, Any]


# --- Houses and accounts that are forgotten


@contextlib.contextmanager
def a_house_that_is_forgotten() -> Iterator[None]:
    """Whatever happens to the database inside did not happen afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


ACCOUNT = (
    "offset", "settings", "objects", "kinds", "hidden", "plans", "serial", "answers", "waiting", "over",
)  # fmt: skip


@contextlib.contextmanager
def a_stripe_that_is_put_back(account: Account) -> Iterator[None]:
    """Whatever the house asks of Stripe inside, and the time that passes there, did not happen afterwards."""
    with account.lock:
        before = copy.deepcopy({name: getattr(account, name) for name in ACCOUNT})
    try:
        yield
    finally:
        with account.lock:
            account.__dict__.update(before)


# --- Telling


def tell(bodies: Iterable[bytes], *, between: Callable[[], None] = lambda: None) -> None:
    """Let each event arrive and be acted on, one after the other; `between` them whatever else goes on."""
    now = clock.now()
    for body in bodies:
        envelope, event = inbox.read_envelope(body)
        inbox.keep(envelope, json.dumps(event), now=now)
        inbox.process(event_id=StripeEvent.objects.get(stripe_id=envelope.id).pk, now=now)
        between()
    inbox.process_waiting(now=now)
    services.settle(now=now)


def what_comes_of(
    house: House,
    bodies: Sequence[bytes],
    *,
    between: Callable[[], None] = lambda: None,
    reconcile: Callable[[], None] = lambda: None,
    minutes: Sequence[float] = (),
) -> Picture:
    """
    What it comes to when a fresh house hears this, and does all that is left to do.

    :param between: what else goes on between two events; `reconcile` follows the last one.
    :param minutes: how often, and how long, time passes before the last look.
    """
    with a_house_that_is_forgotten(), a_stripe_that_is_put_back(house.stripe.account):
        house.stripe.take_webhooks()
        tell(bodies, between=between)
        reconcile()
        house.catch_up()
        for some in minutes:
            house.stripe.advance(timedelta(minutes=some))
            house.catch_up()
        found = picture()
        assert found["waiting"] == []
        assert found["books"] == house.stripe.books()
        return found


# --- What came of it


def picture() -> Picture:
    """
    All that a reader, a member of staff or an accountant could see afterwards.

    Without our own ids, without when we heard of it, and in an order that does not come from either.
    """
    return {
        "waiting": sorted(
            StripeEvent.objects.filter(state__in=["RECEIVED", "QUARANTINED"]).values_list(
                "type", "state", "problem"
            )
        ),
        "parked": sorted(StripeEvent.objects.filter(state="PARKED").values_list("type", "waits_for")),
        "books": queries.get_books(),
        "contributions": [
            (
                row.interval, str(queries.get_contribution(row.public_id).status), row.checkout_state,
                row.stripe_session_id, row.stripe_customer_id, row.membership_months,
                row.member.email if row.member else None, row.email, row.name,
            )
            for row in Contribution.objects.select_related("member").order_by("pk")
        ],
        "payments": _rows(
            Payment.objects,
            "stripe_invoice_id", "stripe_payment_intent_id", "stripe_charge_id", "contribution__public_id",
            "state", "amount_minor", "currency", "refunded_minor", "created_at", "paid_at", "is_renewal",
            "period_start", "period_end", "attempt_count", "next_attempt_at", "failure_code", "failed_at",
            "failure_is_final", "settlement_currency", "settlement_minor", "fee_minor", "net_minor",
        ),
        "failed renewals": _rows(
            Dunning.objects,
            "payment__stripe_invoice_id", "state", "first_failed_at", "last_failed_at", "closed_at",
        ),
        "subscriptions": _rows(
            Subscription.objects,
            "stripe_id", "stripe_customer_id", "state", "amount_minor", "currency", "interval", "item_id",
            "product_id", "default_payment_method", "current_period_end", "next_payment_at", "pause_resumes_at",
            "cancel_at", "cancelled_at", "ended_at", "end_reason",
        ),
        "refunds": _rows(
            Refund.objects,
            "stripe_id", "payment__stripe_charge_id", "state", "amount_minor", "currency", "reason",
            "failure_reason", "created_at",
        ),
        "disputes": _rows(
            Dispute.objects,
            "stripe_id", "payment__stripe_charge_id", "state", "stripe_status", "amount_minor", "currency",
            "reason", "opened_at", "answer_due_at", "lost_at",
        ),
        "balance": _rows(
            BalanceEntry.objects,
            "stripe_id", "payment__stripe_charge_id", "refund__stripe_id", "dispute__stripe_id",
            "payout__stripe_id", "kind", "currency", "amount_minor", "fee_minor", "net_minor", "exchange_rate",
            "occurred_at", "available_on",
        ),
        "payouts": [
            (
                row.stripe_id, row.state, row.amount_minor, row.currency, row.arrives_at, row.failure_code,
                row.listed_minor, payouts.get_breakdown(row).parts,
            )
            for row in Payout.objects.order_by("stripe_id")
        ],
        "second charges": sorted(
            (row.second.stripe_charge_id, row.first.stripe_charge_id, row.match, row.state)
            for row in DoubleCharge.objects.select_related("first", "second")
            if not (row.first.is_returned or row.second.is_returned)  # asked or not, there is nothing to undo
        ),
        "payers": sorted(
            (row.stripe_id, row.deleted_at, row.member.email if row.member else "")
            for row in StripeCustomer.objects.select_related("member")
        ),
        "members": sorted((row.email, row.name, row.locale, row.joined_at) for row in Member.objects.all()),
        "consents": sorted(
            (row.member.email, row.purpose, row.source) for row in Consent.objects.select_related("member")
        ),
        "memberships": _memberships(),
        "steps": _steps(),
        "mails": _mails(),
    }  # fmt: skip


# Of a payment, what can be read off Stripe's objects when no event tells any more how it came to be so.
OF_PAYMENTS = (
    "stripe_invoice_id", "stripe_payment_intent_id", "contribution__public_id", "state", "amount_minor", "currency",
    "refunded_minor", "paid_at", "is_renewal", "period_start", "period_end", "fee_minor", "net_minor",
)  # fmt: skip


def what_objects_tell(told: Picture) -> Picture:
    """The part of a picture that does not need what happened in between and is over."""
    kept = ("waiting", "books", "contributions", "refunds", "balance", "payouts", "members")
    return {
        **{name: told[name] for name in kept},
        "payments": [
            {name: row[name] for name in OF_PAYMENTS}
            for row in told["payments"]
            # A card that was declined on Stripe's page, and nothing after it, left nothing behind.
            if row["state"] != "FAILED" or row["stripe_invoice_id"] or row["failure_is_final"]
        ],
        "subscriptions": _without("next_payment_at", told["subscriptions"]),  # an event announces it
        "disputes": _without("lost_at", told["disputes"]),
        "receipts": [row for row in told["mails"] if row[0] in ("receipt", "welcome")],
    }


def _without(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != name} for row in rows]


def differences(wanted: Picture, found: Picture) -> str:
    """Where two pictures differ, in words; empty if they are the same."""
    lines = []
    for name in wanted:
        if wanted[name] == found[name]:
            continue
        lines.append(f"{name}:")
        if not isinstance(wanted[name], list):
            lines += [f"  - {wanted[name]}", f"  + {found[name]}"]
            continue
        less, more = (Counter(map(repr, side[name])) for side in (wanted, found))
        lines += [f"  - {line}" for line in (less - more).elements()]
        lines += [f"  + {line}" for line in (more - less).elements()]
        if less == more:
            lines.append(f"  another order: {found[name]}")
    return "\n".join(lines)


def _rows(rows: Any, *columns: str) -> list[dict[str, Any]]:
    return sorted(rows.order_by().values(*columns), key=str)


OF_MEMBERSHIPS = ("source_kind", "started_at", "ended_at", "resumes_at", "next_try_at", *STANDING)


def _memberships() -> list[dict[str, Any]]:
    now = clock.now()
    found = [
        {"member": row.member.email, "source": _source(row), "state": str(row.state_at(now))}
        | {name: getattr(row, name) for name in OF_MEMBERSHIPS}
        for row in Membership.objects.select_related("member")
    ]
    return sorted(found, key=str)


def _source(row: Membership) -> str:
    """A gift's membership is named by the member's own id, which every house makes anew."""
    return row.source_reference.replace(str(row.member.public_id), row.member.email)


def _steps() -> list[dict[str, Any]]:
    payments = {
        str(public_id): intent
        for public_id, intent in Payment.objects.values_list("public_id", "stripe_payment_intent_id")
    }
    found = [
        {"source": _source(step.membership), "about": payments.get(step.reference, step.reference)}
        | {name: getattr(step, name) for name in ("at", "place", "kind", "why", "actor", *STANDING)}
        for step in MembershipStep.objects.effective().select_related("membership__member")
    ]
    return sorted(found, key=str)


# What a mail says that comes from the moment at which it was written, or from ids of ours.
OF_THE_MOMENT = {
    "receipt": {"receipt_number", "recovered_text"},
    "second_charge": {"undo_url", "first_text", "first_on"},
    "welcome": {"tier_name"},
    "refunded": {"receipt_number", "left_text"},
    "contribution_changed": {"what_text", "next_text"},
}
SAYS_WHEN_WRITTEN = ("payment_failed", "payment_reminder", "payment_lapsed")


def _mails() -> list[tuple[Any, ...]]:
    """The mails that go out or went: to whom, about what, and what they say."""
    names = {
        str(row.public_id): row.stripe_invoice_id or row.stripe_payment_intent_id
        for row in Payment.objects.all()
    }
    names |= {str(row.public_id): row.email for row in Member.objects.all()}
    names |= {
        str(row.public_id): f"{row.contribution.public_id}:{row.once}"
        for row in ContributionChange.objects.select_related("contribution")
    }
    names |= {
        str(row.pk): f"{row.payment.stripe_invoice_id}" for row in Dunning.objects.select_related("payment")
    }
    owed = Message.objects.exclude(state=Message.State.FAILED)
    return sorted(
        (
            (message.kind, message.recipient, message.locale, _about(message, names), _words(message))
            for message in owed
        ),
        key=str,
    )


def _about(message: Message, names: dict[str, str]) -> str:
    """A mail's key with Stripe's names instead of ours, and without the number of a reminder."""
    parts = message.dedup_key.split(":")
    return ":".join(names.get(part, part) for part in (parts[:2] if parts[0] == "dunning" else parts))


def _words(message: Message) -> tuple[Any, ...]:
    if message.kind in SAYS_WHEN_WRITTEN:
        return ()
    forgotten = OF_THE_MOMENT.get(message.kind, set())
    return tuple(sorted((key, value) for key, value in message.context.items() if key not in forgotten))


def created_at(body: bytes) -> datetime:
    """When Stripe made an event."""
    return inbox.read_envelope(body)[0].occurred_at


def kind_of(body: bytes) -> str:
    """An event's type."""
    return inbox.read_envelope(body)[0].type


def lines(bodies: Sequence[bytes]) -> str:
    """Events for people, one a line, in the order given."""
    found = []
    for body in bodies:
        envelope, event = inbox.read_envelope(body)
        thing = event["data"]["object"]
        found.append(f"{envelope.occurred_at:%Y-%m-%d %H:%M:%S} {envelope.type} {thing['id'][:12]}")
    return "\n".join(found)
