"""
Moving in: what an account at Stripe held before us becomes ours, with its history.

Page by page, in the order in which each kind finds what it needs. A subscription is taken whole or not at all: with
its reader, its invoices from the first to the last, and the membership that follows from them; so it looks as if we had
been told of each payment at its time. Nobody is written to about anything that happened before
(`Contribution.imported_at`), and nothing is changed at Stripe. What happens afterwards is handled as for any other.

What our books have already is left alone. So an import can be killed and run again, at any point, and what happened
between two runs is caught up on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from donations import currencies, dunning, facts, fulfilment, gateway, handlers, ledger
from donations.intervals import Interval
from donations.models import (
    BalanceEntry,
    Campaign,
    Contribution,
    Dispute,
    Payment,
    StripeImport,
    StripeImportProblem,
    Subscription,
)
from donations.reconciliation import account, comparisons, objects
from members import addresses
from members import services as members
from members.rows import insert_new
from members.validation import name_or_nothing

Json = dict[str, Any]
Stage = StripeImport.Stage
Progress = Callable[[str, "Tally"], None]
_log = structlog.get_logger(__name__)

STAGES = (Stage.SUBSCRIPTIONS, Stage.INVOICE_PAYMENTS, Stage.CHARGES, Stage.REFUNDS, Stage.DISPUTES)
_KIND = {
    Stage.SUBSCRIPTIONS: "subscription",
    Stage.INVOICE_PAYMENTS: "invoice_payment",
    Stage.CHARGES: "charge",
    Stage.REFUNDS: "refund",
    Stage.DISPUTES: "dispute",
}
_OF_AN_INVOICE = "of_other_invoice"

REASONS = {
    "several_prices": "It has several prices, or its amount is not fixed: what is given each time cannot be told.",
    "nothing_to_pay": "It asks for nothing.",
    "other_rhythm": "It is not paid once a month or once a year.",
    "unknown_currency": "We do not take this currency.",
    "no_address": "Stripe knows no e-mail address of the payer.",
    "bad_address": "The payer's e-mail address is none that mail can reach.",
    "never_paid": "Its first payment never came.",
    "other_product": "It is for a product that was not asked for.",
    "not_captured": "The money was reserved and never taken, or only a part of it.",
    _OF_AN_INVOICE: "It paid an invoice that is no gift, or one of a subscription that was left out.",
    "single_charge": "Single charges were not asked for.",
    "unreadable": "Stripe describes it in a way that we cannot read.",
    "contradicts": "It contradicts what our books say.",
}
# By wish, no gift, or told elsewhere: counted, not listed one by one.
_QUIETLY = {"other_product", "single_charge", "never_paid", _OF_AN_INVOICE}


class AnotherImport(Exception):
    """Another import of other choices is under way, or the same one in another process."""


class _LeftOut(Exception):
    """Something that is not taken; `code` is one of REASONS."""

    def __init__(self, code: str, what: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.what = what


@dataclass(slots=True)
class Tally:
    """How many objects of a kind were looked at, taken, here before and left out, and why."""

    seen: int = 0
    taken: int = 0
    known: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> Json:
        return {
            "seen": self.seen,
            "taken": self.taken,
            "known": self.known,
            "left_out": dict(sorted(self.left_out.items())),
        }

    @classmethod
    def from_json(cls, data: Json) -> Tally:
        return cls(data["seen"], data["taken"], data["known"], Counter(data["left_out"]))


@dataclass(slots=True)
class Outcome:
    """What an import did, or would do; by stage. `gifts` counts what is taken by interval and currency."""

    tallies: dict[str, Tally]
    gifts: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[tuple[str, str, str]] = field(default_factory=list)


def begin(
    campaign: Campaign, *, products: Collection[str] = (), with_one_off: bool = True, now: datetime
) -> StripeImport:
    """
    The import that goes on where the last one stopped, or a new one if none is under way.

    :raises AnotherImport: one with other choices is under way.
    :raises WrongMode: it is of the other mode, live or test.
    """
    wish = {"campaign_id": campaign.pk, "products": sorted(products), "with_one_off": with_one_off}
    under_way = StripeImport.objects.exclude(stage=Stage.DONE).order_by("pk").first()
    if under_way is None:
        return StripeImport.objects.create(
            campaign=campaign,
            products=wish["products"],
            with_one_off=with_one_off,
            livemode=settings.STRIPE_LIVEMODE,
            started_at=now,
        )
    if any(getattr(under_way, name) != value for name, value in wish.items()):
        raise AnotherImport(
            f"An import into the campaign {under_way.campaign.slug} is not finished, and it was begun with other "
            "choices. Finish it with those, or give it up with --give-up."
        )
    if under_way.livemode != settings.STRIPE_LIVEMODE:
        raise account.WrongMode("The import under way is of the other mode, live or test.")
    return under_way


def give_up(*, now: datetime) -> int:
    """End the import that is under way where it is; what it took stays. How many there were."""
    return StripeImport.objects.exclude(stage=Stage.DONE).update(stage=Stage.DONE, cursor="", finished_at=now)


def carry_on(
    run: StripeImport, *, clock: Callable[[], datetime], progress: Progress | None = None
) -> StripeImport:
    """
    Take what is left, page by page, until all is done.

    :param clock: asked at each page, since an import may take hours.
    :raises WrongAccount, WrongMode: nothing was stored.
    :raises AnotherImport: another process does the same.
    :raises PaymentsUnavailable, PaymentsRefused: what was taken until then stays; run it again.
    """
    account.must_be_ours()
    while run.stage != Stage.DONE:
        now = clock()
        tally = Tally.from_json(run.counts[run.stage]) if run.stage in run.counts else Tally()
        page, has_more = gateway.list_page(_KIND[Stage(run.stage)], after=run.cursor)
        objects.must_be_our_mode(page)
        tally.seen += len(page)
        _TAKERS[Stage(run.stage)](run, page, tally, now)
        if progress:
            progress(run.stage, tally)
        _go_on(run, tally, last=str(page[-1]["id"]) if page and has_more else "", now=now)
    return run


def _go_on(run: StripeImport, tally: Tally, *, last: str, now: datetime) -> None:
    """Note that a page is dealt with. Raises AnotherImport if somebody else noted something meanwhile."""
    here = StripeImport.objects.filter(pk=run.pk, stage=run.stage, cursor=run.cursor)
    run.counts = {**run.counts, run.stage: tally.as_json()}
    run.cursor = last
    if not last:
        following = STAGES[STAGES.index(Stage(run.stage)) + 1 :]
        run.stage = following[0] if following else Stage.DONE
        run.finished_at = None if following else now
    changes = {name: getattr(run, name) for name in ("counts", "cursor", "stage", "finished_at")}
    if not here.update(**changes):
        raise AnotherImport("Another process is at work on the same import.")


# --- Subscriptions ------------------------------------------------------------------------------


def _take_subscriptions(run: StripeImport, page: Sequence[Json], tally: Tally, now: datetime) -> None:
    known = _known_subscriptions(page)
    for data in page:
        stripe_id = str(data["id"])
        if stripe_id in known:
            tally.known += 1
            continue
        try:
            told, payer = read_subscription(data, run.products)
            invoices = _invoices_of(stripe_id)
            with transaction.atomic():
                tally.taken += _take_subscription(run.campaign, told, payer, data, invoices, now=now)
        except _LeftOut as reason:
            _leave_out(run, tally, "subscription", stripe_id, reason)


def _known_subscriptions(page: Sequence[Json]) -> set[str]:
    """Those that are in our books, or were begun by us and are about to be."""
    ids = [str(data["id"]) for data in page]
    known = set(Subscription.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True))
    references = {reference: str(data["id"]) for data in page if (reference := facts.reference_of(data))}
    ours = Contribution.objects.filter(public_id__in=references).values_list("public_id", flat=True)
    return known | {references[public_id] for public_id in ours}


def read_subscription(data: Json, products: Collection[str]) -> tuple[facts.SubscriptionFacts, facts.Payer]:
    """A subscription that other software began, if it is a gift that we can go on with. Raises _LeftOut."""
    if data.get("status") in ("incomplete", "incomplete_expired"):
        raise _LeftOut("never_paid")
    items = data.get("items") or {}
    if len(items.get("data") or ()) != 1 or items.get("has_more"):
        raise _LeftOut("several_prices")
    price = items["data"][0].get("price") or {}
    if price.get("unit_amount") is None:
        raise _LeftOut("several_prices")
    recurring = price.get("recurring") or {}
    if recurring.get("interval_count") not in (None, 1) or recurring.get("interval") not in (
        Interval.MONTH,
        Interval.YEAR,
    ):
        raise _LeftOut("other_rhythm")
    try:
        told = facts.subscription(data)
    except facts.Malformed as error:
        raise _LeftOut("unreadable", str(error)) from error
    if products and told.product_id not in products:
        raise _LeftOut("other_product")
    if told.amount <= 0:
        raise _LeftOut("nothing_to_pay")
    return told, _payer_of(data, told.currency)


def _payer_of(data: Json, currency: str) -> facts.Payer:
    """Who pays, with an address that we can write to. Raises _LeftOut."""
    if currency not in currencies.CURRENCIES:
        raise _LeftOut("unknown_currency", currency)
    payer = facts.payer(data)
    if not payer.email:
        raise _LeftOut("no_address")
    try:
        addresses.normalise(payer.email)
    except addresses.InvalidAddress as error:
        raise _LeftOut("bad_address") from error
    return payer


@dataclass(frozen=True, slots=True)
class _Invoice:
    told: facts.Invoice
    finalized_at: datetime
    intent: facts.Intent | None  # of one that was refused: why


def _invoices_of(subscription_id: str) -> list[_Invoice]:
    """The invoices of a subscription that were paid or refused, oldest first. Raises _LeftOut."""
    found = []
    for data in gateway.get_invoices(subscription_id):
        try:
            told = facts.invoice(data)
        except facts.Malformed as error:
            raise _LeftOut("unreadable", str(error)) from error
        intent = None
        if told.status == "paid":
            if not told.amount_paid:
                continue
        elif (
            told.status in ("open", "uncollectible", "void") and data.get("attempted") and told.attempt_count
        ):
            intent = gateway.get_invoice_intent(told.id)
            if intent is not None and intent.status in ("processing", "succeeded"):
                continue  # a debit is under way: what becomes of it, its own event tells
        else:
            continue
        finalized = (data.get("status_transitions") or {}).get("finalized_at")
        found.append(_Invoice(told, facts.moment(finalized) if finalized else told.created_at, intent))
    return found


def _take_subscription(
    campaign: Campaign,
    told: facts.SubscriptionFacts,
    payer: facts.Payer,
    data: Json,
    invoices: Sequence[_Invoice],
    *,
    now: datetime,
) -> bool:
    """Take a subscription with all that was paid for it. False if somebody else was quicker. Raises _LeftOut."""
    began_at = min(facts.moment(data[key]) for key in ("created", "start_date") if data.get(key))
    first = next((one.told for one in invoices if one.told.billing_reason == "subscription_create"), None)
    contribution = ledger.adopt_subscription(
        told,
        _giver(payer, campaign, joined_at=began_at),
        campaign,
        first=(first.amount_paid or first.amount_due or told.amount) if first else told.amount,
        began_at=began_at,
        now=now,
    )
    if contribution is None:
        return False
    subscription, at = contribution.subscription, facts.moment(int(now.timestamp()))
    event_id = f"import_{told.id}"
    try:
        ledger.note_changes(subscription, told, None, at=at, event_id=event_id)
        ledger.apply_subscription(subscription, told, as_of=at, event_id=event_id)
        for one in invoices:
            if one.told.status == "paid":
                ledger.note_invoice_paid(one.told, at=one.told.paid_at or one.told.created_at)
            else:
                _, payment = ledger.note_invoice_failed(one.told, one.intent, at=one.finalized_at)
                dunning.note_failure(contribution, payment, at=one.finalized_at, now=now)
    except (ledger.Mismatch, ledger.NotOurs, ledger.Unmatched, facts.Malformed) as error:
        raise _LeftOut("contradicts", str(error)) from error
    fulfilment.follow_through(contribution, now=now)
    dunning.note_end(contribution, subscription, now=now)
    return True


def _giver(payer: facts.Payer, campaign: Campaign, *, joined_at: datetime) -> ledger.Giver:
    locale = payer.locale if 2 <= len(payer.locale) <= 12 else campaign.locale
    member = members.get_or_join(
        email=payer.email, name=name_or_nothing(payer.name), locale=locale, now=joined_at
    )
    return ledger.Giver(member=member, locale=locale, customer=payer.customer)


# --- What paid the invoices ---------------------------------------------------------------------


def _take_invoice_payments(run: StripeImport, page: Sequence[Json], tally: Tally, now: datetime) -> None:
    """
    Link our payments to their payment intents.

    Those of other invoices are noted, so that their charges are not taken for gifts that were given once.
    """
    told = [facts.invoice_payment(data) for data in page]
    ours = Payment.objects.filter(stripe_invoice_id__in=[one.invoice for one in told])
    ids = set(ours.values_list("stripe_invoice_id", flat=True))
    others = [one.payment_intent for one in told if one.payment_intent and one.invoice not in ids]
    _note_problems(run, [("payment_intent", intent, _OF_AN_INVOICE, "") for intent in others])
    tally.left_out[_OF_AN_INVOICE] += len(others)
    tally.taken += ledger.link_payments(told)
    _take_differences(run, page, tally, now)


# --- Charges ------------------------------------------------------------------------------------


def _take_charges(run: StripeImport, page: Sequence[Json], tally: Tally, now: datetime) -> None:
    known = _known_charges(page)
    asked = [intent for data in page if (intent := _intent_of(data))]
    others = run.problems.filter(kind="payment_intent", stripe_id__in=asked)
    of_invoices = set(others.values_list("stripe_id", flat=True))
    for data in page:
        if data.get("status") != "succeeded":
            continue
        stripe_id = str(data["id"])
        if stripe_id in known:
            tally.known += 1
            continue
        try:
            charge, payer = read_charge(data, of_invoices, with_one_off=run.with_one_off)
            with transaction.atomic():
                tally.taken += _take_charge(run.campaign, charge, payer, now=now)
        except _LeftOut as reason:
            _leave_out(run, tally, "charge", stripe_id, reason)
    tally.taken += ledger.note_charges(list(_with_figures(page)), now=now)
    _take_differences(run, page, tally, now, counts=False)
    _fill(page, now)


def _with_figures(page: Sequence[Json]) -> Iterator[tuple[facts.Charge, facts.BalanceTransaction]]:
    """The charges that arrived, each with what it came to on our balance."""
    for data in page:
        movement = data.get("balance_transaction")
        if data.get("status") == "succeeded" and isinstance(movement, dict):
            yield facts.charge(data), facts.balance_transaction(movement)


def _known_charges(page: Sequence[Json]) -> set[str]:
    """Those that are in our books, by their own id or their intent's, or were asked for by us."""
    ids = [str(data["id"]) for data in page]
    intents: dict[str, list[str]] = defaultdict(list)
    references: dict[Any, list[str]] = defaultdict(list)
    for data in page:
        intents[_intent_of(data)].append(str(data["id"]))
        references[facts.reference_of(data)].append(str(data["id"]))
    intents.pop("", None)
    references.pop(None, None)
    known = set(Payment.objects.filter(stripe_charge_id__in=ids).values_list("stripe_charge_id", flat=True))
    by_intent = Payment.objects.filter(stripe_payment_intent_id__in=intents)
    for intent in by_intent.values_list("stripe_payment_intent_id", flat=True):
        known |= set(intents[str(intent)])
    ours = Contribution.objects.filter(public_id__in=references).values_list("public_id", flat=True)
    for public_id in ours:
        known |= set(references[public_id])
    return {str(one) for one in known}


def _intent_of(data: Json) -> str:
    found = data.get("payment_intent")
    return found if isinstance(found, str) else ""


def read_charge(
    data: Json, of_invoices: Collection[str], *, with_one_off: bool
) -> tuple[facts.Charge, facts.Payer]:
    """A charge that is a gift which was given once. Raises _LeftOut."""
    if _intent_of(data) in of_invoices or data.get("invoice"):
        raise _LeftOut(_OF_AN_INVOICE)
    if not with_one_off:
        raise _LeftOut("single_charge")
    try:
        charge = facts.charge(data)
    except facts.Malformed as error:
        raise _LeftOut("unreadable", str(error)) from error
    if charge.amount <= 0:
        raise _LeftOut("nothing_to_pay")
    if data.get("captured") is False or data.get("amount_captured") not in (None, charge.amount):
        raise _LeftOut("not_captured")
    if not facts.payer(data).email and charge.payment_intent:
        session = gateway.get_session_payer(charge.payment_intent)
        if session is not None:
            data = {**data, "receipt_email": session.email}
    return charge, _payer_of(data, charge.currency)


def _take_charge(campaign: Campaign, charge: facts.Charge, payer: facts.Payer, *, now: datetime) -> bool:
    giver = _giver(payer, campaign, joined_at=charge.created_at)
    contribution = ledger.adopt_charge(charge, giver, campaign, now=now)
    if contribution is None:
        return False
    fulfilment.follow_through(contribution, now=now)
    return True


# --- Money back, and all that is told as it always is -------------------------------------------


def _take_money_back(run: StripeImport, page: Sequence[Json], tally: Tally, now: datetime) -> None:
    _take_differences(run, page, tally, now)
    _fill(page, now)


def _take_differences(
    run: StripeImport, page: Sequence[Json], tally: Tally, now: datetime, *, counts: bool = True
) -> None:
    """Tell our books of what they do not agree with, by the handlers of Stripe's events."""
    name = _KIND[Stage(run.stage)]
    [kind] = [kind for kind in comparisons.KINDS if kind.name == name]
    for difference in list(kind.differences(page)):
        type_, at = kind.event(difference.found, now)
        if name == "dispute":
            at = min(at, _known_to_be_over_by(difference.found) or at)
        event = {
            "id": f"import_{difference.stripe_id}",
            "type": type_,
            "created": int(min(at, now).timestamp()),
            "data": {"object": difference.found},
        }
        try:
            work = handlers.prepare(type_, event, now=now)
            if work is not None:
                with transaction.atomic():
                    work(now)
                tally.taken += counts
        except ledger.NotOurs:
            continue
        except (ledger.Mismatch, ledger.Unmatched, facts.Malformed, handlers.Overtaken) as error:
            _leave_out(run, tally, name, difference.stripe_id, _LeftOut("contradicts", str(error)))


def _known_to_be_over_by(data: Json) -> datetime | None:
    """
    The moment of the import for a dispute that our books hear of with it; None for others.

    Stripe does not tell when a dispute was lost: if it was by then, its reader has long heard of it from their bank.
    """
    told = facts.dispute(data)
    payment = Payment.objects.filter(stripe_charge_id=told.charge).select_related("contribution").first()
    if payment is None or Dispute.objects.filter(stripe_id=told.id).exists():
        return None
    return payment.contribution.imported_at if payment.contribution.is_past(told.opened_at) else None


def _fill(page: Sequence[Json], now: datetime) -> None:
    """Write the figures that came with the objects, so that none has to be asked for one by one."""
    told = [data["balance_transaction"] for data in page if isinstance(data.get("balance_transaction"), dict)]
    waiting = BalanceEntry.objects.filter(stripe_id__in=[one["id"] for one in told], net_minor=None)
    ids = set(waiting.values_list("stripe_id", flat=True))
    for movement in told:
        if movement["id"] in ids:
            with transaction.atomic():
                ledger.fill_balance_entry(facts.balance_transaction(movement), now=now)


# --- What is left out ---------------------------------------------------------------------------


def _leave_out(run: StripeImport, tally: Tally, kind: str, stripe_id: str, reason: _LeftOut) -> None:
    tally.left_out[reason.code] += 1
    if reason.code not in _QUIETLY:
        _note_problems(run, [(kind, stripe_id, reason.code, reason.what)])


def _note_problems(run: StripeImport, found: Sequence[tuple[str, str, str, str]]) -> None:
    insert_new(
        [
            StripeImportProblem(run=run, kind=kind, stripe_id=stripe_id, code=code, what=what[:300])
            for kind, stripe_id, code, what in found
        ]
    )


_TAKERS: dict[Stage, Callable[[StripeImport, Sequence[Json], Tally, datetime], None]] = {
    Stage.SUBSCRIPTIONS: _take_subscriptions,
    Stage.INVOICE_PAYMENTS: _take_invoice_payments,
    Stage.CHARGES: _take_charges,
    Stage.REFUNDS: _take_money_back,
    Stage.DISPUTES: _take_money_back,
}


# --- Looking only -------------------------------------------------------------------------------


def look(
    *, products: Collection[str] = (), with_one_off: bool = True, progress: Progress | None = None
) -> Outcome:
    """
    What an import would take and leave out; nothing is stored.

    :raises WrongAccount, WrongMode, PaymentsUnavailable, PaymentsRefused:
    """
    account.must_be_ours()
    outcome = Outcome(tallies={stage.value: Tally() for stage in STAGES[:3]})
    of_invoices: set[str] = set()
    for stage in STAGES[:3]:
        tally = outcome.tallies[stage.value]
        for page in _pages(_KIND[stage]):
            tally.seen += len(page)
            if stage == Stage.INVOICE_PAYMENTS:
                of_invoices |= {facts.invoice_payment(data).payment_intent for data in page} - {""}
            elif stage == Stage.SUBSCRIPTIONS:
                known = _known_subscriptions(page)
                _look_at(page, known, outcome, tally, lambda data: _gift_of_subscription(data, products))
            else:
                # What paid an invoice came with its subscription, or was left out with it.
                single = [data for data in page if data.get("status") == "succeeded"]
                single = [data for data in single if _intent_of(data) not in of_invoices]
                _look_at(
                    single, _known_charges(single), outcome, tally,
                    lambda data: _gift_of_charge(data, with_one_off),
                )  # fmt: skip
            if progress:
                progress(stage.value, tally)
    return outcome


def _gift_of_subscription(data: Json, products: Collection[str]) -> tuple[str, str]:
    told, _ = read_subscription(data, products)
    return told.interval, told.currency


def _gift_of_charge(data: Json, with_one_off: bool) -> tuple[str, str]:
    charge, _ = read_charge(data, (), with_one_off=with_one_off)
    return Interval.ONCE.value, charge.currency


def _look_at(
    page: Sequence[Json],
    known: Collection[str],
    outcome: Outcome,
    tally: Tally,
    read: Callable[[Json], tuple[str, str]],
) -> None:
    for data in page:
        if str(data["id"]) in known:
            tally.known += 1
            continue
        try:
            outcome.gifts[read(data)] += 1
            tally.taken += 1
        except _LeftOut as reason:
            tally.left_out[reason.code] += 1
            if reason.code not in _QUIETLY:
                outcome.problems.append((str(data.get("object")), str(data["id"]), reason.code))


def _pages(kind: str) -> Iterator[list[Json]]:
    after, has_more = "", True
    while has_more:
        page, has_more = gateway.list_page(kind, after=after)
        objects.must_be_our_mode(page)
        if page:
            after = str(page[-1]["id"])
            yield page
        else:
            return
