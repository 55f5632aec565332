"""
Stripe's test cards, and what each of them does (https://docs.stripe.com/testing).

A card that nobody listed here behaves like the plain Visa if its number passes the Luhn check, and is an
``incorrect_number`` otherwise. Bank accounts are simpler: all of them settle after five days, but for a few
that come back unpaid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sandbox.errors import invalid


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank said no: Stripe's ``code``, its ``decline_code``, and the sentence for the reader."""

    code: str
    decline_code: str
    message: str


def _declined(decline_code: str) -> Decline:
    return Decline("card_declined", decline_code, "Your card was declined.")


GENERIC = _declined("generic_decline")
NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
NO_NUMBER = Decline("incorrect_number", "incorrect_number", "Your card number is incorrect.")
ERROR = Decline("processing_error", "processing_error", "An error occurred while processing your card.")

DECLINES: dict[str, Decline] = {
    decline.decline_code: decline
    for decline in (
        GENERIC,
        NO_FUNDS,
        EXPIRED,
        ERROR,
        *map(
            _declined,
            (
                "do_not_honor",
                "fraudulent",
                "lost_card",
                "pickup_card",
                "revocation_of_all_authorizations",
                "revocation_of_authorization",
                "stolen_card",
                "transaction_not_allowed",
            ),
        ),
    )
}
"""What a bank can be told to answer from now on, by decline code."""

HARD = frozenset(
    {
        "authentication_required",
        "highest_risk_level",
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "transaction_not_allowed",
    }
)
"""
Decline codes after which Stripe asks the bank no more until there is another payment method
(https://docs.stripe.com/billing/revenue-recovery/smart-retries).
"""


@dataclass(frozen=True, slots=True)
class Card:
    """How a card behaves when it is charged."""

    decline: Decline | None = None
    attaches: bool = True  # can be saved although it declines
    challenge: str = "never"  # 3-D Secure: never, once (unless set up), always
    dispute: str | None = None  # the reason of the dispute that follows every charge
    inquiry: bool = False  # the dispute is only an inquiry, no money moves
    fraud_warning: bool = False
    refund: str = "succeeds"  # or "pending" (succeeds later), "fails" (succeeds, then fails)
    at_once: bool = False  # the money is available at once


PLAIN = Card()

BEHAVIOUR: dict[str, Card] = {
    "4000000000000002": Card(GENERIC, attaches=False),
    "4000000000009995": Card(NO_FUNDS, attaches=False),
    "4000000000009987": Card(_declined("lost_card"), attaches=False),
    "4000000000009979": Card(_declined("stolen_card"), attaches=False),
    "4000000000000069": Card(EXPIRED, attaches=False),
    "4000000000000127": Card(
        Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."), attaches=False
    ),
    "4000000000000119": Card(ERROR, attaches=False),
    "4000000000006975": Card(
        Decline(
            "card_declined", "card_velocity_exceeded", "Your card was declined for making repeated attempts."
        ),
        attaches=False,
    ),
    "4000000000000341": Card(GENERIC),  # can be saved; every charge fails
    "4000002500003155": Card(challenge="once"),
    "4000002760003184": Card(challenge="always"),
    "4000000000003220": Card(challenge="always"),
    "4000000000003063": Card(challenge="always"),
    "4000008400001629": Card(GENERIC, attaches=False, challenge="always"),
    "4000000000003055": PLAIN,  # supports 3-D Secure, does not ask for it
    "4000003800000446": PLAIN,  # was set up for off-session use somewhere else
    "4000000000000259": Card(dispute="fraudulent"),
    "4000000000002685": Card(dispute="product_not_received"),
    "4000000000001976": Card(dispute="general", inquiry=True),
    "4000000000005423": Card(fraud_warning=True),
    "4000000000007726": Card(refund="pending"),
    "4000000000005126": Card(refund="fails"),
    "4000000000000077": Card(at_once=True),
}

NAMED: dict[str, str] = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_amex": "378282246310005",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_createDispute": "4000000000000259",
}
"""Payment methods that exist in every test account under these ids."""


def number(text: str) -> str:
    """The digits of a card as typed (spaces and dashes aside), or of one of Stripe's named test cards."""
    return NAMED.get(text, text.replace(" ", "").replace("-", ""))


def behaviour(card: str) -> Card:
    """How the card with these digits behaves. Raises 402 ``incorrect_number`` for digits that are no card."""
    if card in BEHAVIOUR:
        return BEHAVIOUR[card]
    if not (card.isascii() and card.isdigit() and 13 <= len(card) <= 19 and _luhn(card)):
        return Card(NO_NUMBER, attaches=False)
    return PLAIN


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (
        sum(map(int, digits[::-2])) + sum(twice - 9 if twice > 9 else twice for twice in doubled)
    ) % 10 == 0


def another(card: str, draw: int) -> str:
    """
    The number of a card that a network gives out in place of this one, by a ``draw``: of the same network and
    length. Test cards that do something special stay as they are, so that they go on doing it.
    """
    if behaviour(card) is not PLAIN:
        return card
    body = f"{card[:6]}{draw % 10 ** (len(card) - 7):0{len(card) - 7}}"
    return next(body + digit for digit in "0123456789" if _luhn(body + digit))


def brand(card: str) -> str:
    """The network, by the first digits: visa, mastercard, amex or unknown."""
    if card.startswith("4"):
        return "visa"
    if card[:2] in ("51", "52", "53", "54", "55") or card.startswith("2"):
        return "mastercard"
    return "amex" if card[:2] in ("34", "37") else "unknown"


def fingerprint(text: str) -> str:
    """The same 16 characters for the same card or account, from which nobody gets the number back."""
    return hashlib.sha256(f"sandbox:{text}".encode()).hexdigest()[:16]


BANK_DEBITS = {"eur": "sepa_debit", "usd": "us_bank_account", "gbp": "bacs_debit"}
"""The bank debit that a reader can pay with in each currency; other currencies have none here."""

GOOD_ACCOUNTS = {
    "sepa_debit": "DE89370400440532013000",
    "us_bank_account": "000123456789",
    "bacs_debit": "00012345",
}
"""An account in each scheme that pays, used when none is named."""

FAILING_ACCOUNTS = {"DE62370400440532013001", "000111111116", "33333335"}
"""Accounts whose debits come back unpaid when they are due."""

RETURNED = Decline("payment_method_provider_decline", "debit_not_authorized", "The debit came back unpaid.")


def bank_debit(currency: str) -> str:
    """The type of bank debit for a currency. Raises 400 where there is none."""
    if currency not in BANK_DEBITS:
        known = ", ".join(sorted(BANK_DEBITS)).upper()
        raise invalid(f"The sandbox has bank debits in {known} only.", param="method")
    return BANK_DEBITS[currency]
