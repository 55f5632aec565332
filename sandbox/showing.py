"""
How amounts, moments and states read on the sandbox's pages.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sandbox import money
from sandbox.account import Obj

SIGNS = {
    "aud": "A$",
    "brl": "R$",
    "cad": "C$",
    "eur": "€",
    "gbp": "£",
    "inr": "₹",
    "jpy": "¥",
    "krw": "₩",
    "usd": "$",
}
"""The currencies that are shown with a sign; all others with their code, which no two of them share."""

BANK_DEBIT_NAMES = {
    "sepa_debit": "SEPA debit",
    "us_bank_account": "US bank account",
    "bacs_debit": "Bacs debit",
}

TONES = {
    "active": "good", "paid": "good", "succeeded": "good", "delivered": "good", "refunded": "dull",
    "past_due": "bad", "unpaid": "bad", "failed": "bad", "disputed": "bad", "uncollectible": "bad",
    "open": "wait", "pending": "wait", "paused": "wait", "incomplete": "wait", "partly refunded": "wait",
}  # fmt: skip
"""The colour of a state: good, bad, wait; ``dull`` for those that need nobody's eye."""


def amount(minor: int, currency: str) -> str:
    """Minor units as people write them: ``€1,250.00``, ``¥1,500``, ``KWD 5.120``, ``ISK 500``."""
    places = 0 if currency in money.WHOLE_ONLY else money.exponent(currency)
    units = Decimal(abs(minor)).scaleb(-money.exponent(currency))
    sign = SIGNS.get(currency, f"{currency.upper()} ")
    return f"{'−' if minor < 0 else ''}{sign}{units:,.{places}f}"


def every(recurring: Obj | None) -> str:
    """``per month``, ``every 3 months``, or nothing for what is paid once."""
    if not recurring:
        return ""
    count, unit = recurring["interval_count"], recurring["interval"]
    return f"per {unit}" if count == 1 else f"every {count} {unit}s"


def moment(at: int | None) -> str:
    """``24 Nov 2026, 05:30`` (UTC); nothing for no moment."""
    return f"{day(at)}, {datetime.fromtimestamp(at, UTC):%H:%M}" if at is not None else ""


def day(at: int) -> str:
    """``24 Nov 2026`` (UTC)."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when.day} {when:%b %Y}"


def method(kind: str, details: Obj) -> str:
    """``Visa ending in 4242``: a payment method, or what a charge says of the one it used."""
    ending = f"ending in {details['last4']}"
    if kind == "card":
        return f"{details['brand'].capitalize()} {ending}"
    return f"{BANK_DEBIT_NAMES.get(kind, kind)} {ending}"


def tone(state: str) -> str:
    """The colour in which a state is shown."""
    return TONES.get(state, "dull")


def words(state: str) -> str:
    """``past_due`` as people write it."""
    return state.replace("_", " ")


def short(id: str) -> str:
    """An id with its middle left out, if it is long: ``cs_test_a1b2…x9y8``, ``ch_a1b2…x9y8``."""
    return id if len(id) <= 20 else f"{id[: id.rindex('_') + 5]}…{id[-4:]}"
