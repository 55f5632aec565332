"""What may be given to a campaign, and what covering the fee adds; one place for the API and the pages."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from donations import currencies, fees
from donations.errors import InvalidWish
from donations.fees import FeeRate
from donations.models import Ask
from donations.money import Money


def least(ask: Ask) -> Money:
    """The least that is taken: the campaign's minimum, never below Stripe's."""
    return max(ask.minimum, Money(currencies.get(ask.currency).minimum_minor, ask.currency))


def fault_of(amount: Money, ask: Ask) -> str:
    """The API's code for what is wrong with an amount; "" if nothing is."""
    if amount < least(ask):
        return "amount_too_small"
    if amount > ask.maximum:
        return "amount_too_large"
    return "" if amount.is_chargeable() else "amount_not_chargeable"


def check(amount: Money, ask: Ask, *, with_fee_cover: bool) -> Money:
    """
    What covering the fee adds to an amount that is taken; nothing where it is not wanted.

    :raises InvalidWish: with the limit that was broken, written for the API's users (code and amount).
    """
    if fault := fault_of(amount, ask):
        step = Money(currencies.get(amount.currency).step_minor, amount.currency)
        messages = {
            "amount_too_small": f"The least amount is {least(ask)}.",
            "amount_too_large": f"The largest amount is {ask.maximum}.",
            "amount_not_chargeable": f"The amount must be a multiple of {step}.",
        }
        raise InvalidWish(messages[fault], code=fault, fields=("amount",))
    added = fee_cover(amount) if with_fee_cover else Money.zero(amount.currency)
    if not (amount + added).is_chargeable():
        raise InvalidWish(
            "With the fee the amount is more than can be charged.",
            code="amount_too_large",
            fields=("amount",),
        )
    return added


def fee_cover(amount: Money) -> Money:
    """What a reader adds so that the newsroom receives `amount` whole (PRODUCT.md, G5)."""
    return fees.cover(amount, fee_rate(amount.currency))


def fee_rate(currency: str) -> FeeRate:
    """What Stripe keeps of a charge in this currency, as far as the newsroom knows beforehand."""
    return fees.rate_for(_rates(settings.STRIPE_FEE_RATES), currency)


@lru_cache(maxsize=4)
def _rates(text: str) -> dict[str, FeeRate]:
    return fees.parse_rates(text)
