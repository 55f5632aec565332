"""
Stripe, seen from the newsroom's side: the only module that imports the SDK.

Callers hand in our types and get our dataclasses (`donations.facts`) or raise our errors; no Stripe object
leaves this file. Every call that makes something carries an idempotency key made of what it is about, so
that asking twice makes it once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import stripe
import structlog
from django.conf import settings

from donations import facts
from donations.errors import GoneAtStripe, InvalidWish, PaymentsRefused, PaymentsUnavailable
from donations.intervals import Interval
from donations.money import Money

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams, SubscriptionUpdateParams
    from stripe.params.checkout import SessionCreateParams

_log = structlog.get_logger(__name__)

API_VERSION = stripe.api_version
SIGNATURE_TOLERANCE = timedelta(seconds=300)  # Stripe's own default; here it holds for the future as well

# Stripe's locales for its pages (SDK: SessionCreateParams.locale); ours fall back from "pt-BR" to "pt" to auto.
_CHECKOUT_LOCALES = frozenset(
    (
        "bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR "
        "ro ru sk sl sv th tr vi zh zh-HK zh-TW"
    ).split(" ")
)

stripe.enable_telemetry = False  # it would write to the home directory and tell Stripe about timings
stripe.set_app_info("Sustainer", version="0.1.0")
_local = threading.local()


class InvalidSignature(Exception):
    """The webhook was not signed by Stripe with one of our secrets, or not in the last five minutes."""


class StillAtWork(PaymentsUnavailable):
    """Stripe is answering another request of ours with the same idempotency key, this very moment."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page of Stripe on which the reader pays, until `expires_at` (UTC)."""

    id: str
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CheckoutWish:
    """
    All that Stripe is told about a contribution: an amount, an address for the receipt, and an opaque id.

    `attempt` counts the tries to open a page. The same attempt must always ask for the same, to the letter:
    Stripe answers a repeated key with the first answer, and refuses one that asks for something else.
    """

    reference: UUID
    attempt: int
    expires_at: datetime
    total: Money
    interval: Interval
    email: str
    locale: str
    success_url: str
    cancel_url: str
    can_be_recovered: bool = False  # whether Stripe makes a link to a copy of the page if it is left unpaid


def open_checkout(wish: CheckoutWish) -> Checkout:
    """
    Open a page on which the reader pays; asking again with the same wish gives the same page.

    Raises InvalidWish when Stripe finds the amount too small or too large, PaymentsUnavailable when it is
    safe to try again (StillAtWork, when a twin of this request has it), PaymentsRefused when somebody of the
    newsroom has to look.
    """
    metadata = {facts.METADATA_KEY: str(wish.reference)}
    price: Any = {
        "currency": wish.total.currency.lower(),
        "unit_amount": wish.total.minor,
        "product_data": {"name": settings.STRIPE_PRODUCT_NAME},
    }
    params: SessionCreateParams = {
        "mode": "payment",
        "ui_mode": "hosted_page",
        "client_reference_id": str(wish.reference),
        "metadata": metadata,
        "success_url": wish.success_url,
        "cancel_url": wish.cancel_url,
        "expires_at": int(wish.expires_at.timestamp()),
        "adaptive_pricing": {"enabled": False},  # we offer currencies ourselves
        "locale": _checkout_locale(wish.locale),
        "line_items": [{"quantity": 1, "price_data": price}],
    }
    if wish.email:
        params["customer_email"] = wish.email
    if wish.can_be_recovered:
        params["after_expiration"] = {"recovery": {"enabled": True}}
    if wish.interval == Interval.ONCE:
        params["submit_type"] = "donate"
        params["customer_creation"] = "always"
        params["payment_intent_data"] = {"metadata": metadata}
        if settings.STRIPE_STATEMENT_SUFFIX:
            params["payment_intent_data"]["statement_descriptor_suffix"] = settings.STRIPE_STATEMENT_SUFFIX
    else:
        params["mode"] = "subscription"
        price["recurring"] = {"interval": wish.interval.value}
        params["subscription_data"] = {"metadata": metadata}
    with _errors_as_ours("checkout"):
        session = _client().v1.checkout.sessions.create(
            params, {"idempotency_key": f"checkout:{wish.reference}:{wish.attempt}"}
        )
    if not session.url or not is_stripes(session.url):
        raise PaymentsRefused(
            "Stripe answered with an address that is not its own.", code="checkout_url_refused"
        )
    return Checkout(
        id=session.id, url=session.url, expires_at=datetime.fromtimestamp(session.expires_at, tz=UTC)
    )


def expire_checkout(session_id: str) -> None:
    """Close an open page, so that it cannot be paid any more. Raises GoneAtStripe if it is not open."""
    with _errors_as_ours("expire"):
        _client().v1.checkout.sessions.expire(session_id)


def get_session(session_id: str) -> facts.Session:
    """How a checkout stands now. Raises GoneAtStripe, PaymentsUnavailable."""
    with _errors_as_ours("session"):
        return facts.session(_json(_client().v1.checkout.sessions.retrieve(session_id)))


def get_session_object(session_id: str) -> dict[str, Any]:
    """A checkout as Stripe describes it now, whole, for the inbox. Raises GoneAtStripe, PaymentsUnavailable."""
    with _errors_as_ours("session"):
        return _json(_client().v1.checkout.sessions.retrieve(session_id))


def get_subscription(subscription_id: str) -> facts.SubscriptionFacts:
    """How a subscription stands now. Raises GoneAtStripe, PaymentsUnavailable."""
    with _errors_as_ours("subscription"):
        return facts.subscription(_json(_client().v1.subscriptions.retrieve(subscription_id)))


def get_refunds(charge_id: str) -> list[facts.RefundFacts]:
    """Every refund of a charge, as it stands now."""
    with _errors_as_ours("refunds"):
        page = _client().v1.refunds.list({"charge": charge_id, "limit": 100})
        return [facts.refund(_json(refund)) for refund in page.auto_paging_iter()]


def get_invoice_intent(invoice_id: str) -> facts.Intent | None:
    """The PaymentIntent with which an invoice is being paid (the newest), for the reason of a failure."""
    with _errors_as_ours("invoice"):
        page = _client().v1.invoice_payments.list(
            {"invoice": invoice_id, "expand": ["data.payment.payment_intent"], "limit": 10}
        )
        for item in page.data:
            found = (_json(item).get("payment") or {}).get("payment_intent")
            if isinstance(found, dict):
                return facts.intent(found)
    return None


def get_invoice_payment(intent_id: str) -> facts.InvoicePayment | None:
    """Which invoice a PaymentIntent pays; None for a payment without one. Raises PaymentsUnavailable."""
    with _errors_as_ours("invoice"):
        page = _client().v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "limit": 1}
        )
        return next((facts.invoice_payment(_json(item)) for item in page.data), None)


def get_invoice(invoice_id: str) -> facts.Invoice:
    """An invoice as it is now. Raises GoneAtStripe, PaymentsUnavailable."""
    with _errors_as_ours("invoice"):
        return facts.invoice(_json(_client().v1.invoices.retrieve(invoice_id)))


def get_balance_transaction(transaction_id: str) -> facts.BalanceTransaction:
    """Fee, net and settlement currency of one movement. Raises GoneAtStripe, PaymentsUnavailable."""
    with _errors_as_ours("balance"):
        return facts.balance_transaction(_json(_client().v1.balance_transactions.retrieve(transaction_id)))


def list_payout_lines(payout_id: str) -> Iterator[facts.BalanceTransaction]:
    """
    Every line of the balance that an automatic payout is made of, without the payout's own.

    Raises GoneAtStripe, PaymentsUnavailable; PaymentsRefused for a payout that was asked for by hand, whose lines
    Stripe does not know.
    """
    with _errors_as_ours("payout"):
        page = _client().v1.balance_transactions.list({"payout": payout_id, "limit": 100})
        for line in page.auto_paging_iter():
            if _its_source(line) != payout_id or line.type != "payout":
                yield facts.balance_transaction(_json(line))


def _its_source(line: stripe.BalanceTransaction) -> str:
    source = line.source
    return source if isinstance(source, str) else str(getattr(source, "id", ""))


def get_default_payment_method(customer_id: str) -> str:
    """The card that a customer pays with now; empty for none. Raises GoneAtStripe, PaymentsUnavailable."""
    with _errors_as_ours("customer"):
        return facts.customer(_json(_client().v1.customers.retrieve(customer_id))).default_payment_method


def get_running_subscriptions(customer_id: str) -> list[facts.SubscriptionFacts]:
    """
    The subscriptions of a customer that have not ended, as they stand now, those of other software among them.

    Raises GoneAtStripe, PaymentsUnavailable.
    """
    found = []
    with _errors_as_ours("subscriptions"):
        page = _client().v1.subscriptions.list({"customer": customer_id, "limit": 100})
        for subscription in page.auto_paging_iter():
            try:
                found.append(facts.subscription(_json(subscription)))
            except facts.Malformed:
                continue  # ours have one price with an amount
    return found


def use_payment_method(subscription_id: str, payment_method: str, *, because: str) -> None:
    """Let a subscription's next charges go to another card. `because` (an event's id) makes it happen once."""
    with _errors_as_ours("payment method"):
        _client().v1.subscriptions.update(
            subscription_id,
            {"default_payment_method": payment_method},
            {"idempotency_key": f"card:{subscription_id}:{payment_method}:{because}"},
        )


def end_at_period_end(subscription_id: str, *, wanted: bool, because: str = "") -> None:
    """
    Let a subscription end with the time that is paid, or (not `wanted`) let it go on after all.

    `because` is kept there as a comment, and comes back with each event about the subscription.

    No idempotency key of ours: it sets a state, and who presses stop, keep and stop again within a day means the last.
    Raises GoneAtStripe for one that has ended, PaymentsUnavailable.
    """
    wish: SubscriptionUpdateParams = {"cancel_at_period_end": wanted}
    if because or not wanted:  # who goes on after all meant nothing of it
        wish["cancellation_details"] = {"comment": because}
    with _errors_as_ours("end"):
        _client().v1.subscriptions.update(subscription_id, wish)


def end_now(subscription_id: str) -> None:
    """
    End a subscription at once, and ask nobody any more for what is open on it.

    The end comes first: voiding the open invoice alone would let the subscription go on. Raises GoneAtStripe for one
    that has ended, PaymentsUnavailable.
    """
    with _errors_as_ours("end"):
        _client().v1.subscriptions.cancel(subscription_id)
        page = _client().v1.invoices.list({"subscription": subscription_id, "status": "open", "limit": 10})
        for invoice in page.data:
            _client().v1.invoices.void_invoice(
                str(invoice.id), options={"idempotency_key": f"void:{invoice.id}"}
            )


def delete_customer(customer_id: str) -> None:
    """
    Have Stripe delete its record of a payer: name, address, e-mail and cards. Subscriptions that run end by it.

    What was paid stays at Stripe, as its law wants. Raises GoneAtStripe for one that is deleted, PaymentsUnavailable.
    """
    with _errors_as_ours("delete customer"):
        _client().v1.customers.delete(customer_id)


def give_back(*, payment_intent: str, charge: str, key: str) -> None:
    """
    Return all of a payment that was made twice by accident; asking again with the same key does it once.

    That it was returned before is no error. Raises PaymentsRefused, such as for a disputed payment, and
    PaymentsUnavailable, also while no id of Stripe's is known yet.
    """
    if not (payment_intent or charge):
        raise PaymentsUnavailable("The payment's id at Stripe is not here yet.")
    wish: RefundCreateParams = {"reason": "duplicate"}
    if payment_intent:
        wish["payment_intent"] = payment_intent
    else:
        wish["charge"] = charge
    with _errors_as_ours("refund"):
        try:
            _client().v1.refunds.create(wish, {"idempotency_key": key})
        except stripe.InvalidRequestError as error:
            if error.code != "charge_already_refunded":
                raise


def refund(*, payment_intent: str, charge: str, amount: Money, reason: str, key: str) -> None:
    """
    Return a payment or a part of it for a member of staff; asking again with the same key does it once.

    :param reason: in Stripe's words: requested_by_customer, duplicate or fraudulent.
    :raises PaymentsRefused: in Stripe's own words, which are fit for staff. PaymentsUnavailable, GoneAtStripe.
    """
    wish: Any = {"amount": amount.minor, "reason": reason}
    wish |= {"payment_intent": payment_intent} if payment_intent else {"charge": charge}
    with _in_stripes_words(), _errors_as_ours("refund"):
        _client().v1.refunds.create(wish, {"idempotency_key": key})


def pause(subscription_id: str, *, until: datetime | None, key: str) -> None:
    """
    Take no payments for a subscription until that moment, or until it is resumed; what falls due meanwhile is waived.

    Raises PaymentsRefused in Stripe's own words, PaymentsUnavailable, GoneAtStripe.
    """
    wish: Any = {"behavior": "void", **({"resumes_at": int(until.timestamp())} if until else {})}
    with _in_stripes_words(), _errors_as_ours("pause"):
        _client().v1.subscriptions.update(
            subscription_id, {"pause_collection": wish}, {"idempotency_key": key}
        )


def resume(subscription_id: str, *, key: str) -> None:
    """Take payments again, from the next that falls due. Raises as `pause`."""
    with _in_stripes_words(), _errors_as_ours("resume"):
        _client().v1.subscriptions.update(subscription_id, {"pause_collection": ""}, {"idempotency_key": key})


def hold_collection(subscription_id: str) -> None:
    """
    Let Stripe take no further payment for a subscription until `let_go`; its invoices wait as drafts meanwhile.

    It sets a state, so that asking again changes nothing. Raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused.
    """
    with _errors_as_ours("hold"):
        _client().v1.subscriptions.update(
            subscription_id, {"pause_collection": {"behavior": "keep_as_draft"}}
        )


def let_go(subscription_id: str) -> int:
    """
    Let Stripe collect again, with what has waited; how many invoices had.

    Drafts do not move by themselves when collection resumes: each is set to go on. Raises as `hold_collection`.
    """
    with _errors_as_ours("let go"):
        _client().v1.subscriptions.update(subscription_id, {"pause_collection": ""})
        page = _client().v1.invoices.list({"subscription": subscription_id, "status": "draft", "limit": 10})
        waiting = [invoice for invoice in page.data if not invoice.auto_advance]
        for invoice in waiting:
            _client().v1.invoices.update(str(invoice.id), {"auto_advance": True})
        return len(waiting)


def keep_draft(invoice_id: str) -> bool | None:
    """
    Keep one invoice from being collected by itself; False if its payment was made or begun before.

    None where nothing is to be kept: it fell into a pause, so that Stripe has voided it.

    Raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused.
    """
    with _errors_as_ours("invoice"):
        invoice = _client().v1.invoices.retrieve(invoice_id)
        if invoice.status != "draft":
            return None if invoice.status == "void" else False
        _client().v1.invoices.update(invoice_id, {"auto_advance": False})
        return True


def get_paying_card(subscription_id: str, *, is_waited_for: bool = False) -> facts.Card | None:
    """
    The card that pays a subscription's next invoice; None where it is paid otherwise.

    :param is_waited_for: somebody looks at a page meanwhile: ask once, and leave it at that.

    Raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused, ValueError.
    """
    with _errors_as_ours("card"):
        found = _client().v1.subscriptions.retrieve(
            subscription_id,
            {"expand": ["default_payment_method", "customer.invoice_settings.default_payment_method"]},
            {"max_network_retries": 0} if is_waited_for else None,
        )
        return facts.card(_json(found))


def change_customer(customer_id: str, *, email: str, because: str) -> None:
    """
    Tell Stripe the address of a payer, for its own page and what it shows to staff.

    `because` makes it happen once. Raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused, InvalidWish.
    """
    with _errors_as_ours("customer"):
        _client().v1.customers.update(
            customer_id, {"email": email}, {"idempotency_key": f"customer:{because}"}
        )


def change_amount(
    subscription_id: str,
    *,
    item: str,
    product: str,
    amount: Money,
    interval: str,
    because: str,
    begins_at: datetime | None = None,
) -> None:
    """
    Let a subscription's next payments be of another amount; nothing is charged or credited for the running period.

    :param begins_at: with another interval, the moment of its first payment. Stripe would charge it at once; what it
        calls a trial keeps it from that, and makes that moment the one from which periods are counted.

    `because` makes it happen once. Raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused, InvalidWish.
    """
    with _in_stripes_words(), _errors_as_ours("amount"):
        price: Any = {
            "currency": amount.currency.lower(),
            "product": product,
            "recurring": {"interval": interval},
            "unit_amount": amount.minor,
        }
        wish: SubscriptionUpdateParams = {
            "items": [{"id": item, "price_data": price, "quantity": 1}],
            "proration_behavior": "none",
        }
        if begins_at is not None:
            wish["trial_end"] = int(begins_at.timestamp())
        _client().v1.subscriptions.update(subscription_id, wish, {"idempotency_key": f"amount:{because}"})


def pay_open_invoices(subscription_id: str, *, because: str) -> int:
    """
    Try at once what is owed on a subscription whose card has just been changed; how many invoices were paid.

    A card that is declined again is no error: Stripe tells it by an event of its own.
    """
    paid = 0
    with _errors_as_ours("invoice"):
        page = _client().v1.invoices.list({"subscription": subscription_id, "status": "open", "limit": 10})
        for invoice in page.data:
            try:
                _client().v1.invoices.pay(
                    str(invoice.id), options={"idempotency_key": f"pay:{invoice.id}:{because}"}
                )
                paid += 1
            except stripe.CardError:
                _log.info("card declined again", invoice=invoice.id)
    return paid


def get_confirm_page(invoice_id: str) -> str:
    """
    The address of Stripe's page on which the payer confirms an open invoice at the bank, or pays it otherwise.

    Raises GoneAtStripe for an invoice that is not open, PaymentsUnavailable.
    """
    with _errors_as_ours("invoice"):
        invoice = _client().v1.invoices.retrieve(invoice_id)
    if invoice.status != "open" or not invoice.hosted_invoice_url:
        raise GoneAtStripe("This invoice is not open.")
    if not is_stripes(invoice.hosted_invoice_url):
        raise PaymentsRefused(
            "Stripe answered with an address that is not its own.", code="checkout_url_refused"
        )
    return invoice.hosted_invoice_url


def open_card_page(*, customer: str, return_url: str) -> str:
    """
    The address of a page of Stripe on which the payer gives another card; it lives for a few minutes.

    Raises GoneAtStripe for a customer who was deleted, PaymentsUnavailable.
    """
    with _errors_as_ours("portal"):
        session = _client().v1.billing_portal.sessions.create(
            {
                "customer": customer,
                "return_url": return_url,
                "flow_data": {
                    "type": "payment_method_update",
                    "after_completion": {"type": "redirect", "redirect": {"return_url": return_url}},
                },
            }
        )
    if not is_stripes(session.url):
        raise PaymentsRefused(
            "Stripe answered with an address that is not its own.", code="checkout_url_refused"
        )
    return session.url


def list_events(*, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Every event that Stripe made between the two moments, newest first, whole. Stripe keeps 30 days of them."""
    with _errors_as_ours("events"):
        page = _client().v1.events.list(
            {"created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())}, "limit": 100}
        )
        for event in page.auto_paging_iter():
            yield _json(event)


def list_objects(kind: str, *, since: datetime) -> Iterator[dict[str, Any]]:
    """
    Every object of a kind (Stripe's word: "charge", "invoice", "checkout.session" …) made since then, newest first,
    whole. Subscriptions come all, however old and whatever became of them; checkouts with their payment intents.

    Raises PaymentsUnavailable, PaymentsRefused, also in the middle.
    """
    api = _client().v1
    lists: dict[str, Any] = {
        "checkout.session": api.checkout.sessions,
        "subscription": api.subscriptions,
        "invoice": api.invoices,
        "invoice_payment": api.invoice_payments,
        "charge": api.charges,
        "refund": api.refunds,
        "dispute": api.disputes,
        "payout": api.payouts,
    }
    wanted: dict[str, Any] = {"limit": 100, "created": {"gte": int(since.timestamp())}}
    if kind == "subscription":
        wanted = {"limit": 100, "status": "all"}
    if kind == "checkout.session":
        # Whether a debit came back, the checkout itself does not say.
        wanted["expand"] = ["data.payment_intent"]
    with _errors_as_ours(kind):
        for found in lists[kind].list(wanted).auto_paging_iter():
            yield _json(found)


def list_page(kind: str, *, after: str = "") -> tuple[list[dict[str, Any]], bool]:
    """
    A page of all objects of a kind that the account holds, newest first, and whether there are more.

    Subscriptions and charges come with their customers, and what moved money with its figures.

    :param after: the last one of the page before.
    :raises GoneAtStripe: there is no such object to go on after.
    """
    api = _client().v1
    lists: dict[str, tuple[Any, dict[str, Any]]] = {
        "subscription": (api.subscriptions, {"status": "all", "expand": ["data.customer"]}),
        "invoice_payment": (api.invoice_payments, {}),
        "charge": (api.charges, {"expand": ["data.customer", "data.balance_transaction"]}),
        "refund": (api.refunds, {"expand": ["data.balance_transaction"]}),
        "dispute": (api.disputes, {}),
    }
    calls, wanted = lists[kind]
    with _errors_as_ours(kind):
        page = calls.list({"limit": 100, **wanted, **({"starting_after": after} if after else {})})
        return [_json(found) for found in page.data], bool(page.has_more)


def get_invoices(subscription_id: str) -> list[dict[str, Any]]:
    """All invoices of a subscription, oldest first, whole. Raises PaymentsUnavailable, PaymentsRefused."""
    with _errors_as_ours("invoices"):
        page = _client().v1.invoices.list({"subscription": subscription_id, "limit": 100})
        return [_json(invoice) for invoice in page.auto_paging_iter()][::-1]


def get_session_payer(payment_intent: str) -> facts.Session | None:
    """The checkout with which a payment was made, if it was made with one: it knows the payer's address."""
    with _errors_as_ours("session"):
        page = _client().v1.checkout.sessions.list({"payment_intent": payment_intent, "limit": 1})
        return facts.session(_json(page.data[0])) if page.data else None


def knows(kind: str, stripe_id: str) -> bool:
    """Whether Stripe knows an object of this account. Raises PaymentsUnavailable, PaymentsRefused."""
    api = _client().v1
    lists: dict[str, Any] = {
        "checkout.session": api.checkout.sessions,
        "subscription": api.subscriptions,
        "charge": api.charges,
    }
    try:
        with _errors_as_ours(kind):
            lists[kind].retrieve(stripe_id)
    except GoneAtStripe:
        return False
    return True


def get_paid_at(session_id: str) -> datetime | None:
    """When the money of a checkout came or was promised; None if that cannot be told. Raises PaymentsUnavailable."""
    wanted: Any = {"expand": ["payment_intent.latest_charge", "invoice"]}
    with _errors_as_ours("session"):
        session = _json(_client().v1.checkout.sessions.retrieve(session_id, wanted))
    charge = (session.get("payment_intent") or {}).get("latest_charge") or {}
    invoice = session.get("invoice") or {}
    paid_at = (invoice.get("status_transitions") or {}).get("paid_at")
    seconds = charge.get("created") or paid_at or invoice.get("created")
    return facts.moment(seconds) if seconds else None


def check_signature(*, body: bytes, header: str, secrets: list[str], now: datetime) -> None:
    """
    Return quietly if Stripe signed the body with one of the secrets within five minutes of `now`.

    The SDK compares the signature; the age is judged here, because the SDK takes the machine's clock and
    lets any time in the future pass. Raises InvalidSignature; UnicodeDecodeError (a ValueError) for a body
    that is not UTF-8, before any signature can be compared.
    """
    if not header.isascii():
        raise InvalidSignature("not a signature")  # comparing it would raise TypeError
    stamp = next((part[2:] for part in header.split(",") if part.startswith("t=")), "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise InvalidSignature("no timestamp")
    if abs(now.timestamp() - int(stamp)) > SIGNATURE_TOLERANCE.total_seconds():
        raise InvalidSignature("too old, or from the future")
    text = body.decode("utf-8")
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(text, header, secret)
            return
        except stripe.SignatureVerificationError:
            continue
        except (ValueError, IndexError):
            break
    raise InvalidSignature("signed by nobody we know")


def is_stripes(url: str) -> bool:
    """Whether an address is one of Stripe's pages (STRIPE_CHECKOUT_HOSTS): readers are sent to no other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if settings.STRIPE_API_BASE:
        return f"{parts.scheme}://{parts.netloc}" == settings.STRIPE_API_BASE
    return parts.scheme == "https" and parts.hostname in settings.STRIPE_CHECKOUT_HOSTS and port is None


def _client() -> stripe.StripeClient:
    """
    One client per thread and configuration, with its connection kept open.

    Made lazily, so that no connection is shared over a fork.
    """
    wanted = (settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)
    if getattr(_local, "wanted", None) != wanted:
        addresses: Any = (
            {"base_addresses": {"api": settings.STRIPE_API_BASE}} if settings.STRIPE_API_BASE else {}
        )
        _local.client = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            max_network_retries=2,
            http_client=stripe.RequestsClient(timeout=(3, 20)),
            **addresses,
        )
        _local.wanted = wanted
    return _local.client  # type: ignore[no-any-return]  # a thread-local is untyped


@contextmanager
def _in_stripes_words() -> Iterator[None]:
    """Around `_errors_as_ours`, where staff ask: a refusal says what Stripe said, for they can make sense of it."""
    try:
        yield
    except PaymentsRefused as error:
        said = getattr(error.__cause__, "user_message", None)
        raise PaymentsRefused(said or str(error)) from error


@contextmanager
def _errors_as_ours(about: str) -> Iterator[None]:
    """Stripe's errors, told apart by what can be done about them (STRIPE.md, section 6)."""
    try:
        yield
    except stripe.CardError as error:
        raise InvalidWish(error.user_message or "The card was declined.", code="card_declined") from error
    except stripe.RateLimitError as error:
        raise PaymentsUnavailable("Payments are busy. Please try again in a minute.") from error
    except stripe.APIConnectionError as error:
        raise PaymentsUnavailable("Payments cannot be reached. Please try again in a minute.") from error
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing" or error.http_status == 404:
            raise GoneAtStripe("Stripe does not know it.") from error
        if error.code in ("amount_too_small", "amount_too_large"):
            raise InvalidWish(
                "The amount is outside what can be charged.", code=error.code, fields=("amount",)
            ) from error
        if error.code == "email_invalid":
            raise InvalidWish(
                "This e-mail address cannot be used.", code="email_invalid", fields=("email",)
            ) from error
        _log.error(
            "stripe refused", about=about, code=error.code, param=error.param, request=error.request_id
        )
        raise PaymentsRefused("Payments are not possible at the moment.") from error
    except stripe.APIError as error:
        if error.http_status == 409:
            raise StillAtWork("The same request is at work. Please try again in a moment.") from error
        raise PaymentsUnavailable("Payments do not answer properly. Please try again in a minute.") from error
    except stripe.StripeError as error:  # authentication, permission, idempotency: ours to mend
        _log.error("stripe refused", about=about, kind=type(error).__name__, request=error.request_id)
        raise PaymentsRefused("Payments are not possible at the moment.") from error


def _json(value: stripe.StripeObject) -> dict[str, Any]:
    return value.to_dict(for_json=True)


def _checkout_locale(locale: str) -> Any:
    for candidate in (locale, locale.split("-")[0]):
        if candidate in _CHECKOUT_LOCALES:
            return candidate
    return "auto"
