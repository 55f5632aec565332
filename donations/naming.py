"""
Which of Stripe's events name somebody who was erased; what is said of a person there goes, and the event stays.

An event that is dealt with loses its body. One that still has to be acted on keeps what is about money, and loses what
is about a person. Its id stays in each case, so that the same event is not taken for news.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db.models import Q

from donations.models import Contribution, Payment, StripeCustomer, StripeEvent, Subscription
from members import addresses, crypto, holders
from members.holders import NotYet, Subject
from members.models import ErasedAddress

_log = structlog.get_logger(__name__)

_BATCH = 500
_AT_ONCE = 10  # batches between two notes of how far we are
LATELY = timedelta(hours=1)
A_DAY = timedelta(hours=25)  # for the sweep at night, which sees to what workers were away for
_DONE = (StripeEvent.State.PROCESSED, StripeEvent.State.IGNORED)
_ID = re.compile(r"\b(?:acct|ch|cs|cus|in|pi|pm|py|seti|sub)_[A-Za-z0-9_]+")
_REFERENCE = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ADDRESS = re.compile(r"[^\s\"'<>,;:()\\]{1,64}@[^\s\"'<>,;:()\\]{1,255}")
# Where Stripe says something about a person, in any object of its API.
_PERSONAL = frozenset(
    "address billing_details customer_address customer_details customer_email customer_name customer_phone "
    "customer_shipping customer_tax_ids email evidence individual_name business_name name phone receipt_email shipping "
    "shipping_details collected_information owner card sepa_debit us_bank_account ip_address fingerprint last4 "
    "payment_method_details payment_method_preview recovery url receipt_url hosted_invoice_url invoice_pdf".split()
)


# --- At an erasure


def forget(subject: Subject, *, now: datetime) -> NotYet | None:
    """
    Empty the events about one person, with the ids that the books have of them, and while it is known, the address.

    All bodies that are still kept are looked at, a few thousand for each turn.
    """
    ids = _ids_of(subject)
    needles = [form for email in subject.addresses.values() for form in _forms(email)]
    last = int(subject.request.cursor or 0)
    events = StripeEvent.objects.exclude(payload=b"").order_by("pk")
    for _ in range(_AT_ONCE):
        batch = list(events.filter(pk__gt=last)[:_BATCH])
        if not batch:
            return None
        last = batch[-1].pk
        for event in batch:
            text = event.payload
            folded = text.casefold()
            if not ids.isdisjoint(_named(text)) or any(needle in folded for needle in needles):
                _forget(event, text)
    return NotYet(now, cursor=str(last))


def _forms(email: str) -> Iterator[str]:
    """An address as it may stand in JSON text."""
    yield email.casefold()
    yield json.dumps(email)[1:-1].casefold()


def _ids_of(subject: Subject) -> set[str]:
    theirs = Contribution.objects.filter(member__in=subject.members)
    rows: list[Any] = [
        *theirs.values_list("public_id", "stripe_session_id", "stripe_customer_id"),
        *StripeCustomer.objects.filter(member__in=subject.members).values_list("stripe_id"),
        *Subscription.objects.filter(contribution__in=theirs).values_list("stripe_id", "stripe_customer_id"),
        *Payment.objects.filter(contribution__in=theirs).values_list(
            "stripe_payment_intent_id", "stripe_charge_id", "stripe_invoice_id"
        ),
    ]
    return {str(one) for row in rows for one in row if one}


# --- And ever after


def forget_late_news(*, since: datetime) -> int:
    """
    Empty the bodies of events about people who were erased before; how many.

    Stripe keeps telling of old payments: refunds, disputes, the deletion itself. The books take in what is about money,
    and nothing here keeps the rest. Events that are not dealt with yet are looked at when they are.

    :param since: look at what was dealt with from then on.
    """
    if not holders.is_anybody_erased():
        return 0
    events = StripeEvent.objects.filter(state__in=_DONE, processed_at__gte=since).exclude(payload=b"")
    emptied = last = 0
    while batch := list(events.filter(pk__gt=last).order_by("pk")[:_BATCH]):
        last = batch[-1].pk
        told = {event.pk: event.payload for event in batch}
        named = {pk: _named(text) for pk, text in told.items()}
        erased = _erased_among({one for ids in named.values() for one in ids})
        addressed = _erased_addresses(told)
        for event in batch:
            if not erased.isdisjoint(named[event.pk]) or any(
                event.occurred_at <= addressed[address]
                for address in _addresses_in(told[event.pk])
                if address in addressed
            ):
                _forget(event, told[event.pk])
                emptied += 1
    if emptied:
        _log.info("late news of erased readers forgotten", events=emptied)
    return emptied


def _erased_among(ids: Collection[str]) -> set[str]:
    """Those of these ids and references that belong to somebody who was erased."""
    references = [UUID(one) for one in ids if _REFERENCE.fullmatch(one)]
    gone: dict[str, Any] = {"contribution__member__erased_at__isnull": False}
    found: set[str] = set()
    customers = StripeCustomer.objects.filter(stripe_id__in=ids, member__erased_at__isnull=False)
    found.update(customers.values_list("stripe_id", flat=True))
    subscriptions = Subscription.objects.filter(
        Q(stripe_id__in=ids) | Q(stripe_customer_id__in=ids), **gone
    ).values_list("stripe_id", "stripe_customer_id")
    payments = Payment.objects.filter(
        Q(stripe_payment_intent_id__in=ids) | Q(stripe_charge_id__in=ids) | Q(stripe_invoice_id__in=ids),
        **gone,
    ).values_list("stripe_payment_intent_id", "stripe_charge_id", "stripe_invoice_id")
    contributions = Contribution.objects.filter(
        Q(stripe_session_id__in=ids) | Q(public_id__in=references), member__erased_at__isnull=False
    ).values_list("stripe_session_id", "public_id")
    for rows in (subscriptions, payments, contributions):
        found.update(str(one) for row in rows for one in row if one)
    return found


def _erased_addresses(told: dict[int, str]) -> dict[str, datetime]:
    """Addresses in these bodies whose reader was erased, and when."""
    by_hash: dict[str, str] = {}
    for text in told.values():
        for address in _addresses_in(text):
            for one in crypto.lookup_hashes(addresses.identity(address)):
                by_hash[one] = address
    rows = ErasedAddress.objects.filter(email_hash__in=by_hash).values_list("email_hash", "erased_at")
    return {by_hash[one]: at for one, at in rows}


def _addresses_in(text: str) -> set[str]:
    found = set()
    for one in _ADDRESS.findall(text):
        try:
            found.add(addresses.normalise(one))
        except addresses.InvalidAddress:
            continue
    return found


def _named(text: str) -> set[str]:
    return {*_ID.findall(text), *_REFERENCE.findall(text)}


# --- What goes


def _forget(event: StripeEvent, text: str) -> None:
    same = StripeEvent.objects.filter(pk=event.pk)
    if same.filter(state__in=_DONE).update(payload=b""):
        return
    bare = json.dumps(without_person(json.loads(text)), separators=(",", ":"))
    same.exclude(state__in=_DONE).update(payload=StripeEvent._meta.get_field("payload").seal(event, bare))


def without_person(told: Any) -> Any:
    """
    The same JSON with nothing about a person, for an event that has still to be acted on: sums, states and ids stay.

    >>> without_person({"id": "ch_1", "amount": 500, "billing_details": {"email": "ada@example.org"}})
    {'id': 'ch_1', 'amount': 500, 'billing_details': None}
    """
    if isinstance(told, dict):
        return {
            name: None if name in _PERSONAL and not isinstance(value, bool | int) else without_person(value)
            for name, value in told.items()
        }
    if isinstance(told, list):
        return [without_person(one) for one in told]
    if isinstance(told, str) and _ADDRESS.search(told):
        return ""
    return told
