"""
Disputes: readers who ask their bank for the money back, the banks' warnings, and how it ends.
"""

from __future__ import annotations

from sandbox import balance, cards, money, settings
from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.agenda import DAY, does
from sandbox.errors import invalid
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Fields, Flag, Group, Metadata, Text
from sandbox.routes import get, post
from sandbox.wire import page, within

ANSWER_WITHIN = 7 * DAY
"""How long the account has to answer, in seconds. A dispute that nobody answers is lost then."""

INQUIRY_LASTS = 120 * DAY
"""After how many seconds an inquiry closes by itself."""

DECIDED = ("won", "lost", "warning_closed")

EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt", "refund_policy",
    "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "service_documentation",
    "shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation",
    "shipping_tracking_number", "uncategorized_file", "uncategorized_text", )  # fmt: skip


BY_CHARGE: Fields = {**PAGE, "charge": Text(), "payment_intent": Text(), "created": CREATED}


def open_dispute(account: Account, charge: Obj, *, reason: str, inquiry: bool = False) -> Obj:
    """
    Dispute a charge. The money (and a fee) leaves at once; under an ``inquiry`` the bank only asks. Raises
    400 for a charge without money or one that is disputed already.
    """
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} is {charge['status']} and cannot be disputed.", param="charge")
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} is disputed already.", param="charge")
    card = charge["payment_method_details"].get("card")
    if card is None:
        raise invalid("The sandbox has disputes about card payments only.", param="charge")
    details: Obj = {
        "card": {
            "brand": card["brand"],
            "case_type": "inquiry" if inquiry else "chargeback",
            "network": card["network"],
            "network_reason_code": "10.4" if reason == "fraudulent" else "13.1",
        },
        "type": "card",
    }
    dispute: Obj = {
        "id": account.new_id("dispute"),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.now() + ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": details,
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
    account.keep(dispute, holds_money=False)
    account.plan(dispute["evidence_details"]["due_by"], "dispute.answer_due", dispute["id"])
    if inquiry:
        account.plan(account.now() + INQUIRY_LASTS, "dispute.inquiry_over", dispute["id"])
    account.secret(charge["id"])["refundable_dispute"] = inquiry
    previous = change(charge, disputed=True)
    if not inquiry:
        _withdraw(account, dispute)
    tell(account, "charge.dispute.created", dispute)
    if not inquiry:
        tell(account, "charge.dispute.funds_withdrawn", dispute)
    tell(account, "charge.updated", charge, previous)
    return dispute


def _withdraw(account: Account, dispute: Obj) -> None:
    currency = balance.settlement_currency(account, dispute["currency"])
    _book(account, dispute, -dispute["amount"], category="dispute", fee=money.dispute_fee(currency))
    account.secret(dispute["id"])["holds_money"] = True


def _book(account: Account, dispute: Obj, amount: int, *, category: str, fee: int = 0) -> None:
    row = balance.book(
        account,
        dispute,
        type="adjustment",
        category=category,
        amount=amount,
        currency=dispute["currency"],
        fee=fee,
    )
    row["description"] = f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}"
    dispute["balance_transactions"].append(dict(row))


def close(account: Account, dispute: Obj, *, status: str) -> Obj:
    """
    Let the bank decide: ``won`` brings the money back (and the fee, if the settings say so), ``lost`` does not; an
    inquiry just closes. Raises 400 for a dispute that is decided.
    """
    if status not in ("won", "lost"):
        raise invalid("Invalid status: must be one of won, lost", param="status")
    if dispute["status"] in DECIDED:
        raise invalid(f"This dispute is already {dispute['status']}.")
    if dispute["status"].startswith("warning_"):
        status = "warning_closed"
    change(dispute, status=status)
    if status == "won":
        paid = dispute["balance_transactions"][0]["fee"]
        fee = -paid if settings.of(account, "disputes")["fee_returned"] else 0
        _book(account, dispute, dispute["amount"], category="dispute_reversal", fee=fee)
        account.secret(dispute["id"])["holds_money"] = False
        tell(account, "charge.dispute.funds_reinstated", dispute)
    tell(account, "charge.dispute.closed", dispute)
    return dispute


@does("dispute.answer_due")
def _time_is_up(account: Account, id: str) -> None:
    """Evidence that was only saved is sent now. Without any, a dispute is lost."""
    dispute = account.objects[id]
    due = dispute["evidence_details"]["due_by"] == account.now()
    if not due or not dispute["status"].endswith("needs_response"):
        return
    inquiry = dispute["status"].startswith("warning_")
    details = {**dispute["evidence_details"], "past_due": True}
    if details["has_evidence"]:
        details |= {"submission_count": 1, "submission_method": "manual"}
        status = "warning_under_review" if inquiry else "under_review"
        previous = change(dispute, evidence_details=details, status=status)
    else:
        previous = change(dispute, evidence_details=details)
    tell(account, "charge.dispute.updated", dispute, previous)
    if not inquiry and not details["has_evidence"]:
        close(account, dispute, status="lost")


@does("dispute.inquiry_over")
def _inquiry_over(account: Account, id: str) -> None:
    dispute = account.objects[id]
    if dispute["status"].startswith("warning_") and dispute["status"] not in DECIDED:
        close(account, dispute, status="lost")


@does("dispute.open")
def _open_when_due(account: Account, id: str) -> None:
    charge = account.objects[id]
    card = cards.behaviour(account.secret(charge["payment_method"])["number"])
    if card.dispute and not charge["disputed"] and not charge["refunded"]:
        open_dispute(account, charge, reason=card.dispute, inquiry=card.inquiry)


@does("dispute.warn")
def _warn(account: Account, id: str) -> None:
    charge = account.objects[id]
    warning = account.keep(
        {
            "id": account.new_id("radar.early_fraud_warning"),
            "object": "radar.early_fraud_warning",
            "actionable": True,
            "charge": charge["id"],
            "created": account.now(),
            "fraud_type": "made_with_stolen_card",
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    tell(account, "radar.early_fraud_warning.created", warning)


def escalate(account: Account, dispute: Obj) -> None:
    """
    The bank was not content with an answer to its inquiry: now it is a dispute, and the money leaves. Raises 400
    when it was given back already.
    """
    if account.objects[dispute["charge"]]["amount_refunded"]:
        raise invalid("The charge was refunded, so there is nothing left to dispute.")
    account.secret(dispute["charge"])["refundable_dispute"] = False
    _withdraw(account, dispute)
    details = {
        **dispute["evidence_details"],
        "due_by": account.now() + ANSWER_WITHIN,
        "has_evidence": False,
        "past_due": False,
        "submission_count": 0,
        "submission_method": "not_submitted",
    }
    previous = change(dispute, evidence_details=details, status="needs_response", is_charge_refundable=False)
    account.plan(details["due_by"], "dispute.answer_due", dispute["id"])
    tell(account, "charge.dispute.updated", dispute, previous)
    tell(account, "charge.dispute.funds_withdrawn", dispute)


@post(
    "/v1/disputes/<id>",
    {"evidence": Group({key: Text(150_000) for key in EVIDENCE}), "metadata": Metadata(), "submit": Flag()},
)
def update(account: Account, given: Obj, id: str) -> Obj:
    """
    Answer a dispute. As in Stripe's test mode, ``winning_evidence``, ``losing_evidence`` and
    ``escalate_inquiry_evidence`` in ``uncategorized_text`` decide it; other evidence puts it under review.
    """
    dispute = account.find("dispute", id)
    if dispute["status"] in DECIDED:
        raise invalid(f"This dispute is already {dispute['status']}.")
    values: Obj = {}
    if "metadata" in given:
        values["metadata"] = merge_metadata(dispute, given["metadata"])
    evidence = given.get("evidence")
    submitted = evidence is not None and given.get("submit", True)
    if evidence is not None:
        values["evidence"] = dispute["evidence"] | evidence
        count = dispute["evidence_details"]["submission_count"] + bool(submitted)
        values["evidence_details"] = dispute["evidence_details"] | {
            "has_evidence": True,
            "submission_count": count,
            "submission_method": "manual" if count else "not_submitted",
        }
    if submitted:
        inquiry = dispute["status"].startswith("warning_")
        values["status"] = "warning_under_review" if inquiry else "under_review"
    tell_updated(account, "charge.dispute.updated", dispute, change(dispute, **values))
    text = (evidence or {}).get("uncategorized_text") if submitted else None
    if text == "escalate_inquiry_evidence" and dispute["status"] == "warning_under_review":
        escalate(account, dispute)
    elif text in ("winning_evidence", "losing_evidence"):
        close(account, dispute, status="won" if text == "winning_evidence" else "lost")
    return dispute


@post("/v1/disputes/<id>/close")
def close_dispute(account: Account, given: Obj, id: str) -> Obj:
    """Give a dispute up: it is lost."""
    return close(account, account.find("dispute", id), status="lost")


@get("/v1/disputes", BY_CHARGE)
def list_disputes(account: Account, given: Obj) -> Obj:
    """Disputes, newest first, by charge, intent and time."""
    found = [
        dispute
        for dispute in account.all("dispute")
        if all(given.get(key) in (None, dispute[key]) for key in ("charge", "payment_intent"))
        and within(dispute["created"], given.get("created"))
    ]
    return page(found, given, "/v1/disputes")


@get("/v1/disputes/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One dispute."""
    return account.find("dispute", id)


@get("/v1/radar/early_fraud_warnings", BY_CHARGE)
def list_warnings(account: Account, given: Obj) -> Obj:
    """Early fraud warnings, newest first."""
    found = [
        warning
        for warning in account.all("radar.early_fraud_warning")
        if all(given.get(key) in (None, warning[key]) for key in ("charge", "payment_intent"))
        and within(warning["created"], given.get("created"))
    ]
    return page(found, given, "/v1/radar/early_fraud_warnings")


@get("/v1/radar/early_fraud_warnings/<id>")
def retrieve_warning(account: Account, given: Obj, id: str) -> Obj:
    """One early fraud warning."""
    return account.find("radar.early_fraud_warning", id)
