"""
Refunds: money that goes back, at once, later, or in the end not at all.
"""

from __future__ import annotations

from sandbox import balance, cards, money, shapes
from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.agenda import DAY, HOUR, does
from sandbox.errors import invalid
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Metadata, OneOf, Text, Whole
from sandbox.routes import get, post
from sandbox.wire import included, listed, page, within

CARD_DECIDES = HOUR
BANK_DECIDES = 5 * DAY
"""How long a refund that is not decided at once takes, in seconds: to a card, and to a bank account."""

FAILURES = (
    "charge_for_pending_refund_disputed", "declined", "expired_or_canceled_card", "insufficient_funds",
    "lost_or_stolen_card", "merchant_request", "unknown",
)  # fmt: skip
"""Why a bank sends a refund back, in Stripe's words."""

UNDECIDED = ("pending", "succeeded")
"""The states of refunds that may still fail."""

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def refund(account: Account, charge: Obj, *, amount: int | None, reason: str | None, metadata: Obj) -> Obj:
    """
    Give a charge's money back, all that is left of it or ``amount``. Raises 400 for a charge without money,
    one that is disputed, and more than is left.
    """
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} is {charge['status']} and cannot be refunded.", param="charge")
    if charge["refunded"]:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    if charge["disputed"] and not account.secret(charge["id"]).get("refundable_dispute"):
        raise invalid(f"Charge {charge['id']} has been charged back.", code="charge_disputed")
    left = charge["amount"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if amount > left:
        asked, rest = money.shown(amount, charge["currency"]), money.shown(left, charge["currency"])
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})."
        raise invalid(message, param="amount")
    made = account.keep(shapes.refund(account, charge, amount=amount, reason=reason))
    made["metadata"] = metadata
    method = charge["payment_method_details"]["type"]
    fate = cards.behaviour(account.secret(charge["payment_method"])["number"]).refund
    row = balance.book(
        account,
        made,
        type="refund" if method == "card" else "payment_refund",
        category="refund",
        amount=-amount,
        currency=charge["currency"],
    )
    change(made, balance_transaction=row["id"])
    if method != "card":
        account.plan(account.now() + BANK_DECIDES, "refund.decide", made["id"])
    elif fate != "succeeds":
        account.plan(account.now() + CARD_DECIDES, "refund.decide", made["id"])
    if method == "card" and fate != "pending":
        made["status"] = "succeeded"
    elif method == "card":
        made["pending_reason"] = "processing"
    tell(account, "refund.created", made)
    _tell_charge(account, charge, amount)
    tell(account, "charge.refunded", charge)
    return made


def _tell_charge(account: Account, charge: Obj, amount: int) -> None:
    """Count a refund (or, negative, one that failed) on its charge."""
    total = charge["amount_refunded"] + amount
    change(charge, amount_refunded=total, refunded=total == charge["amount"])


@does("refund.decide")
def _decide(account: Account, id: str) -> None:
    made = account.objects[id]
    charge = account.objects[made["charge"]]
    if made["status"] not in UNDECIDED:
        return  # a script was faster
    if cards.behaviour(account.secret(charge["payment_method"])["number"]).refund == "fails":
        fail(account, made)
    elif made["status"] == "pending":
        succeed(account, made)


def succeed(account: Account, made: Obj) -> Obj:
    """End a pending refund well. Raises 400 for one that is not pending."""
    if made["status"] != "pending":
        raise invalid(f"This refund is {made['status']}, not pending.")
    made.pop("pending_reason", None)
    previous = change(made, status="succeeded")
    tell(account, "refund.updated", made, previous)
    tell(account, "charge.refund.updated", made, previous)
    return made


def fail(account: Account, made: Obj, *, reason: str = "expired_or_canceled_card") -> Obj:
    """
    Let the bank send a refund back, even one that seemed to have succeeded: the money is the account's again.
    Raises 400 for one that has failed already and for a reason that Stripe does not have.
    """
    if made["status"] not in UNDECIDED:
        raise invalid(f"This refund is already {made['status']}.")
    if reason not in FAILURES:
        raise invalid(f"Invalid reason: must be one of {', '.join(FAILURES)}", param="reason")
    made.pop("pending_reason", None)
    charge = account.objects[made["charge"]]
    row = balance.book(
        account,
        made,
        type="refund_failure",
        category="refund_failure",
        amount=made["amount"],
        currency=made["currency"],
    )
    previous = change(
        made,
        status="failed",
        failure_reason=reason,
        failure_balance_transaction=row["id"],
    )
    _tell_charge(account, charge, -made["amount"])
    tell(account, "refund.updated", made, previous)
    tell(account, "charge.refund.updated", made, previous)
    tell(account, "refund.failed", made)
    return made


@post(
    "/v1/refunds",
    {
        "charge": Text(),
        "payment_intent": Text(),
        "amount": Whole(1),
        "reason": OneOf(*REASONS),
        "metadata": Metadata(),
    },
)
def create(account: Account, given: Obj) -> Obj:
    """A refund of a charge, named by itself or by its payment intent."""
    if bool(given.get("charge")) == bool(given.get("payment_intent")):
        message = "You must provide one of these parameters: charge, payment_intent."
        raise invalid(message, code="parameter_missing")
    if given.get("charge"):
        charge = account.find("charge", given["charge"], param="charge")
    else:
        intent = account.find("payment_intent", given["payment_intent"], param="payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise invalid(message, param="payment_intent")
        charge = account.objects[intent["latest_charge"]]
    return refund(
        account,
        charge,
        amount=given.get("amount"),
        reason=given.get("reason"),
        metadata=given.get("metadata") or {},
    )


@get("/v1/refunds", {**PAGE, "charge": Text(), "payment_intent": Text(), "created": CREATED})
def list_refunds(account: Account, given: Obj) -> Obj:
    """Refunds, newest first, by charge, intent and time."""
    found = [
        made
        for made in account.all("refund")
        if all(given.get(key) in (None, made[key]) for key in ("charge", "payment_intent"))
        and within(made["created"], given.get("created"))
    ]
    return page(found, given, "/v1/refunds")


@get("/v1/refunds/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One refund."""
    return account.find("refund", id)


@post("/v1/refunds/<id>", {"metadata": Metadata()})
def update(account: Account, given: Obj, id: str) -> Obj:
    """Change a refund's metadata."""
    made = account.find("refund", id)
    if "metadata" in given:
        previous = change(made, metadata=merge_metadata(made, given["metadata"]))
        tell_updated(account, "refund.updated", made, previous)
    return made


@post("/v1/refunds/<id>/cancel")
def cancel(account: Account, given: Obj, id: str) -> Obj:
    """Always a refusal: only refunds that wait for the reader can be cancelled, and here none does."""
    made = account.find("refund", id)
    raise invalid(f"Only refunds with the status requires_action can be canceled, not {made['status']}.")


@included("charge", "refunds")
def _refunds(account: Account, charge: Obj) -> Obj:
    found = [made for made in account.all("refund") if made["charge"] == charge["id"]]
    return listed(found, f"/v1/charges/{charge['id']}/refunds")
