"""
What the sandbox's pages show: each function reads the account and returns the values for one template.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox import books, cards, showing, webhooks
from sandbox.account import API_VERSION, Account, Obj
from sandbox.wire import INCLUDED

TEST_CARDS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Paid",
        (
            ("4242424242424242", "Visa"),
            ("5555555555554444", "Mastercard"),
            ("378282246310005", "American Express"),
        ),
    ),
    (
        "Refused",
        (
            ("4000000000000002", "Declined"),
            ("4000000000009995", "Insufficient funds"),
            ("4000000000000069", "Expired card"),
            ("4000000000000127", "Wrong security code"),
            ("4000000000000119", "Processing error"),
        ),
    ),
    (
        "The bank asks first (3-D Secure)",
        (
            ("4000002500003155", "Asks once, then trusts you"),
            ("4000002760003184", "Asks every time"),
            ("4000008400001629", "Asks, then declines"),
        ),
    ),
    (
        "Trouble later",
        (
            ("4000000000000341", "Can be saved, fails when charged"),
            ("4000000000000259", "Disputed as fraudulent"),
            ("4000000000001976", "Inquiry by the bank"),
            ("4000000000005423", "Early fraud warning"),
            ("4000000000005126", "Refund fails"),
        ),
    ),
)
"""The cards that a page offers to fill in: what follows, and how each is called."""

UNPAID_ACCOUNTS = {
    "sepa_debit": "DE62370400440532013001",
    "us_bank_account": "000111111116",
    "bacs_debit": "33333335",
}
"""An account in each scheme whose debits come back, out of ``cards.FAILING_ACCOUNTS``."""

STEPS = (("1 day", "+1 day"), ("7 days", "+1 week"), ("1 month", "+1 month"), ("1 year", "+1 year"))
"""The clock's buttons: how far, as ``advance`` says it, and how that reads."""

SHOWN = 25
"""How many charges and events the control room lists."""


def test_cards() -> list[tuple[str, list[Obj]]]:
    """The test cards by group, each with its number in blocks as it stands on plastic."""
    return [
        (title, [{"what": what, "shown": in_blocks(number)} for number, what in group])
        for title, group in TEST_CARDS
    ]


def in_blocks(number: str) -> str:
    """``4242 4242 4242 4242``."""
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def checkout(account: Account, session: Obj) -> Obj:
    """An open session as its page shows it."""
    lines = INCLUDED["checkout.session", "line_items"](account, session)["data"]
    currency = session["currency"]
    total = showing.amount(session["amount_total"], currency) if lines else None
    recurring = next((line["price"]["recurring"] for line in lines if line["price"]["recurring"]), None)
    every = showing.every(recurring)
    return {
        "heading": _heading(session, lines),
        "total": total,
        "every": every,
        "lines": [_line(account, line) for line in lines] if len(lines) > 1 else [],
        "description": account.objects[lines[0]["price"]["product"]]["description"]
        if len(lines) == 1
        else None,
        "cancel_url": session["cancel_url"],
        "note": f"It is open until {showing.moment(session['expires_at'])} UTC.",
        "email_locked": bool(known_email(account, session)),
        "by_card": "card" in session["payment_method_types"],
        "bank": _bank(session),
        "button": _button(session, total, every),
    }


def known_email(account: Account, session: Obj) -> str | None:
    """The address that the application gave for a session's reader, whom Stripe then lets change nothing."""
    customer = account.objects.get(session["customer"] or "", {})
    email: str | None = session["customer_email"] or customer.get("email")
    return email


def _heading(session: Obj, lines: list[Obj]) -> str:
    if session["mode"] == "setup":
        return "Change your card"
    if len(lines) == 1:
        return str(lines[0]["description"])
    return "Your contribution" if session["submit_type"] == "donate" else "Your order"


def _line(account: Account, line: Obj) -> Obj:
    product = account.objects[line["price"]["product"]]
    name = line["description"] if line["quantity"] == 1 else f"{line['description']} × {line['quantity']}"
    recurring = showing.every(line["price"]["recurring"])
    return {
        "name": name,
        "description": product["description"] or recurring,
        "amount": showing.amount(line["amount_total"], line["currency"]),
    }


def _bank(session: Obj) -> Obj | None:
    """The bank debit that a session offers, with the accounts to choose from."""
    kind = cards.BANK_DEBITS.get(session["currency"] or "", "")
    if session["mode"] == "setup" or kind not in session["payment_method_types"]:
        return None
    pays, fails = cards.GOOD_ACCOUNTS[kind], UNPAID_ACCOUNTS[kind]
    return {
        "name": showing.BANK_DEBIT_NAMES[kind],
        "accounts": [
            {"number": pays, "what": "pays after five days"},
            {"number": fails, "what": "comes back unpaid after five days"},
        ],
    }


def _button(session: Obj, total: str | None, every: str) -> str:
    if session["mode"] == "setup":
        return "Save the card"
    if session["mode"] == "subscription":
        return f"Give {total} {every}"
    return f"{'Donate' if session['submit_type'] == 'donate' else 'Pay'} {total}"


def invoice_to_pay(invoice: Obj) -> Obj:
    """An open invoice as the form shows it that pays it."""
    total = showing.amount(invoice["amount_remaining"], invoice["currency"])
    return {
        "heading": f"Invoice {invoice['number']}",
        "total": total,
        "every": "",
        "lines": [
            {
                "name": line["description"],
                "description": f"{showing.day(line['period']['start'])} to {showing.day(line['period']['end'])}",
                "amount": showing.amount(line["amount"], line["currency"]),
            }
            for line in invoice["lines"]["data"]
        ],
        "description": None,
        "cancel_url": None,
        "note": "Paying it here does not change the card for later payments.",
        "email_locked": bool(invoice["customer_email"]),
        "by_card": True,
        "bank": None,
        "button": f"Pay {total}",
    }


def invoice(invoice: Obj) -> Obj:
    """An invoice that nobody has to pay any more."""
    return {
        "heading": f"Invoice {invoice['number'] or ''}".strip(),
        "state": showing.words(invoice["status"]),
        "tone": showing.tone(invoice["status"]),
        "total": showing.amount(invoice["total"], invoice["currency"]),
        "facts": [
            ("Date", showing.day(invoice["created"])),
            ("For", ", ".join(line["description"] for line in invoice["lines"]["data"])),
            ("To", invoice["customer_email"] or invoice["customer"]),
        ],
    }


def receipt(charge: Obj) -> Obj:
    """A charge as the reader's receipt."""
    details = charge["payment_method_details"]
    back = charge["amount_refunded"]
    return {
        "heading": "Receipt" if charge["paid"] else "Payment",
        "state": "refunded" if charge["refunded"] else showing.words(charge["status"]),
        "tone": showing.tone(charge["status"]),
        "total": showing.amount(charge["amount"], charge["currency"]),
        "facts": [
            ("Date", showing.day(charge["created"])),
            ("Paid with", showing.method(details["type"], details[details["type"]])),
            *([("Refunded", showing.amount(back, charge["currency"]))] if back else []),
            ("Number", charge["id"]),
        ],
    }


def total(intent: Obj) -> str | None:
    """What a payment intent moves; nothing for a setup intent."""
    return showing.amount(intent["amount"], intent["currency"]) if "amount" in intent else None


def portal(account: Account, portal_session: Obj) -> Obj:
    """A customer's subscriptions, payment methods and invoices, as the billing portal shows them."""
    customer = account.objects[portal_session["customer"]]
    id = customer["id"]
    invoices = [invoice for invoice in account.all("invoice") if invoice["customer"] == id]
    default = customer["invoice_settings"]["default_payment_method"]
    return {
        "customer": customer,
        "return_url": portal_session["return_url"],
        "plans": [plan(account, each) for each in account.all("subscription") if each["customer"] == id],
        "methods": [
            {"text": showing.method(each["type"], each[each["type"]]), "default": each["id"] == default}
            for each in account.all("payment_method")
            if each["customer"] == id
        ],
        "owed": [_invoice(each) for each in invoices if each["status"] == "open" and each["attempted"]],
        "invoices": [_invoice(each) for each in invoices if each["status"] != "draft"],
    }


def plan(account: Account, subscription: Obj) -> Obj:
    """A subscription with its state in words, and what can be done about it."""
    item = subscription["items"]["data"][0]
    price, status = item["price"], subscription["status"]
    ends = subscription["cancel_at_period_end"]
    until = showing.day(item["current_period_end"])
    alive = status not in ("canceled", "incomplete_expired")
    if not alive:
        following = f"Ended on {showing.day(subscription['ended_at'])}."
    elif ends:
        following = f"Ends on {until}; no further payment."
    elif subscription["pause_collection"]:
        resumes = subscription["pause_collection"]["resumes_at"]
        following = f"Paused until {showing.day(resumes)}." if resumes else "Paused until further notice."
    else:
        following = f"Next payment on {until}."
    return {
        "id": subscription["id"],
        "name": account.objects[price["product"]]["name"],
        "state": "ends soon" if alive and ends else showing.words(status),
        "tone": "wait" if alive and ends else showing.tone(status),
        "amount": showing.amount(price["unit_amount"] * item["quantity"], price["currency"]),
        "every": showing.every(price["recurring"]),
        "next": following,
        "until": until,
        "can_cancel": alive and not ends,
        "can_undo": alive and ends,
    }


def _invoice(invoice: Obj) -> Obj:
    return {
        "id": invoice["id"],
        "number": invoice["number"] or showing.short(invoice["id"]),
        "created": showing.day(invoice["created"]),
        "amount": showing.amount(invoice["total"], invoice["currency"]),
        "state": invoice["status"],
        "tone": showing.tone(invoice["status"]),
        "tries": invoice["attempt_count"],
        "next_try": showing.moment(invoice["next_payment_attempt"]),
    }


def control(account: Account) -> Obj:
    """Everything that the control room shows."""
    charges = account.all("charge")[:SHOWN]
    processing = [each for each in account.all("payment_intent") if each["status"] == "processing"]
    sessions = [each for each in account.all("checkout.session") if each["status"] == "open"]
    return {
        "version": API_VERSION,
        "clock": _clock(account.now()),
        "books": [_book(currency, row) for currency, row in books.books(account).items()],
        "sessions": [_session(account, session) for session in sessions],
        "processing": [_processing(account, intent) for intent in processing],
        "charges": [_charge(account, charge) for charge in charges],
        "waiting": sum(row["status"] == "pending" for row in account.deliveries),
        "events": _events(account),
    }


def _clock(now: int) -> Obj:
    when = datetime.fromtimestamp(now, UTC)
    return {
        "iso": when.isoformat(),
        "local": f"{when:%Y-%m-%dT%H:%M:%S}",
        "text": f"{when:%A}, {when.day} {when:%B %Y, %H:%M:%S}",
        "steps": [{"value": value, "text": text} for value, text in STEPS],
    }


def _book(code: str, row: Obj) -> Obj:
    currency = code.lower()
    return {
        "currency": code,
        "charges": showing.amount(row["charges"]["amount"], currency),
        "charge_count": row["charges"]["count"],
        "refunds": showing.amount(row["refunds"]["amount"], currency),
        "refund_count": row["refunds"]["count"],
        "disputes": showing.amount(row["disputes"]["amount"], currency),
        "dispute_count": row["disputes"]["count"],
        "fees": showing.amount(row["fees"], currency),
        "net": showing.amount(row["net"], currency),
        "subscriptions": row["active_subscriptions"],
    }


def _session(account: Account, session: Obj) -> Obj:
    page = checkout(account, session)
    return {
        "id": session["id"],
        "short": showing.short(session["id"]),
        "url": session["url"],
        "what": page["heading"],
        "email": known_email(account, session),
        "expires": showing.moment(session["expires_at"]),
        "amount": f"{page['total'] or '–'} {page['every']}".strip(),
    }


def _processing(account: Account, intent: Obj) -> Obj:
    return {
        "id": intent["id"],
        "short": showing.short(intent["id"]),
        "created": showing.moment(intent["created"]),
        "email": account.objects[intent["payment_method"]]["billing_details"]["email"],
        "amount": showing.amount(intent["amount"], intent["currency"]),
    }


def _charge(account: Account, charge: Obj) -> Obj:
    details = charge["payment_method_details"]
    disputes = [each for each in account.all("dispute") if each["charge"] == charge["id"]]
    open_dispute = next((each["id"] for each in disputes if each["status"].endswith("needs_response")), None)
    left = charge["amount"] - charge["amount_refunded"]
    paid = charge["status"] == "succeeded"
    state = charge["status"]
    if disputes:
        state = f"dispute: {showing.words(disputes[0]['status'])}"
    elif charge["refunded"]:
        state = "refunded"
    elif charge["amount_refunded"]:
        state = "partly refunded"
    return {
        "id": charge["id"],
        "short": showing.short(charge["id"]),
        "created": showing.moment(charge["created"]),
        "method": showing.method(details["type"], details[details["type"]]),
        "state": state,
        "tone": "bad" if disputes else showing.tone(state),
        "why": charge["failure_message"],
        "amount": showing.amount(charge["amount"], charge["currency"]),
        "refunded": charge["amount_refunded"]
        and showing.amount(charge["amount_refunded"], charge["currency"]),
        "refundable": left if paid and not disputes else 0,
        "disputable": paid and not disputes and left > 0,
        "dispute": open_dispute,
    }


def _events(account: Account) -> list[Obj]:
    events = account.all("event")[:SHOWN]
    by_event: dict[str, list[Obj]] = {event["id"]: [] for event in events}
    for row in account.deliveries:
        if row["event"] in by_event:
            by_event[row["event"]].append(_delivery(account, row))
    return [
        {
            "id": event["id"],
            "type": event["type"],
            "created": showing.moment(event["created"]),
            "about": showing.short(event["data"]["object"].get("id") or event["data"]["object"]["object"]),
            "deliveries": by_event[event["id"]],
        }
        for event in events
    ]


def _delivery(account: Account, row: Obj) -> Obj:
    endpoint: Any = account.objects.get(row["endpoint"])
    detail = row["last_error"] or (f"answered {row['last_status']}" if row["last_status"] else "")
    if row["status"] == "pending" and row["tries"]:
        detail = f"{detail}; next try {showing.moment(row['due'])}".removeprefix("; ")
    return {
        "state": row["status"],
        "tone": showing.tone(row["status"]),
        "endpoint": "built-in listener"
        if row["endpoint"] == webhooks.LISTENER
        else endpoint and endpoint["url"],
        "detail": detail,
    }
