"""
Until when cards are good, and the networks that replace them: with a new date, often with a new number, and
without a word from the reader.

Stripe tells of that in ``payment_method.automatically_updated``. It tells nothing of a card that will soon
expire: ``customer.source.expiring`` is about the older sources and cards, never about payment methods.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sandbox import cards, settings
from sandbox.account import Account, Obj, change
from sandbox.agenda import DAY, does
from sandbox.errors import declined, invalid
from sandbox.events import tell

USUALLY = (12, 2034)
"""The last month and the year of a card about which nobody said anything."""

AT_LEAST_YEARS = 4
"""A card that is given out now is good for that many years."""

UPDATED_WITHIN_DAYS = 20
"""A network that replaces a card does so on one of the first days of the month in which it expires."""


def read(account: Account, exp_month: int | None = None, exp_year: int | None = None) -> Obj:
    """
    A card's ``exp_month`` and ``exp_year`` as it was typed, or some years from now. Raises 402 for a month that
    there is not and for one that is over.
    """
    now = datetime.fromtimestamp(account.now(), UTC)
    month = USUALLY[0] if exp_month is None else exp_month
    year = max(USUALLY[1], now.year + AT_LEAST_YEARS) if exp_year is None else exp_year
    if not 1 <= month <= 12:
        raise declined("Your card's expiration month is invalid.", "invalid_expiry_month")
    if not (now.year, now.month) <= (year, month) <= (now.year + 50, 12):
        raise declined("Your card's expiration year is invalid.", "invalid_expiry_year")
    return {"exp_month": month, "exp_year": year}


def _begins(card: Obj) -> int:
    """When a card's last month begins, UTC."""
    return int(datetime(card["exp_year"], card["exp_month"], 1, tzinfo=UTC).timestamp())


def is_over(account: Account, method: Obj) -> bool:
    """Whether a card's last month is over, by UTC."""
    now = datetime.fromtimestamp(account.now(), UTC)
    card = method["card"]
    return (now.year, now.month) > (card["exp_year"], card["exp_month"])


def expect(account: Account, method: Obj) -> None:
    """Plan what a card's network does in its last month; called for each card that is saved."""
    if method["type"] != "card":
        return
    hidden = account.secret(method["id"])
    hidden.setdefault("nth", len(account.kinds["payment_method"]))
    at = _begins(method["card"]) + _draw(account, method, "day") % UPDATED_WITHIN_DAYS * DAY
    if at > account.now():
        account.plan(at, "card.update", method["id"])


def _draw(account: Account, method: Obj, what: str) -> int:
    """A number that is drawn by the settings' seed, the same for the same card however the rest went."""
    seed = settings.of(account, "cards")["seed"]
    text = f"{seed}:{account.secret(method['id'])['nth']}:{method['card']['exp_year']}:{what}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


@does("card.update")
def _update_when_due(account: Account, id: str) -> None:
    method = account.objects[id]
    left = account.now() - _begins(method["card"])
    if not method["customer"] or not 0 <= left < UPDATED_WITHIN_DAYS * DAY:
        return  # taken away, or replaced already
    share: float = settings.of(account, "cards")["updated"]
    if _draw(account, method, "whether") < share * 2**64:
        renewed = _draw(account, method, "number")
        same = cards.number(account.secret(id)["number"])
        replace(account, method, number=cards.another(same, renewed) if renewed % 2 else same)


def replace(
    account: Account,
    method: Obj,
    *,
    number: str | None = None,
    exp_month: int | None = None,
    exp_year: int | None = None,
) -> Obj:
    """
    Let a card's network replace it: with this number (default: the same) and date (default: years later). What a
    bank was told to decline is forgotten with the old card. Raises 400 for what is no card, 402 for a date that is
    over.
    """
    if method["type"] != "card":
        raise invalid("This payment method is no card.", param="id")
    hidden = account.secret(method["id"])
    card = method["card"]
    values = read(account, exp_month or card["exp_month"], exp_year or _later(account, card))
    if number is not None:
        hidden["number"] = cards.number(number)
        brand = cards.brand(hidden["number"])
        values |= {
            "brand": brand,
            "display_brand": brand,
            "fingerprint": cards.fingerprint(hidden["number"]),
            "last4": hidden["number"][-4:],
            "networks": {"available": [brand], "preferred": None},
        }
    hidden.pop("declines", None)
    previous = change(card, **values)
    if previous:
        tell(account, "payment_method.automatically_updated", method, {"card": previous})
    expect(account, method)
    return method


def _later(account: Account, card: Obj) -> int:
    return max(int(card["exp_year"]), datetime.fromtimestamp(account.now(), UTC).year) + AT_LEAST_YEARS
