"""
Ways to pay whose icons can be shown, and where Stripe's page will really offer them.

From Stripe's tables "Country and currency support" and "Product support"
(https://docs.stripe.com/payments/payment-methods/payment-method-support). An icon is a promise, so the table is
careful: a method that Stripe takes for subscriptions only in some accounts or by way of another method (iDEAL,
Bancontact, BLIK) counts as one for single gifts. What Stripe's page offers in the end also depends on the account and
on the reader's device; nothing here changes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from donations.intervals import Interval


@dataclass(frozen=True, slots=True)
class Method:
    """
    Where a way to pay is offered.

    :param currencies: in which; empty means in all.
    :param is_recurring: whether a subscription can be paid with it.
    """

    currencies: frozenset[str] = frozenset()
    is_recurring: bool = True


_EVERYWHERE = Method()
_PAYPAL = "AUD CAD CHF CZK DKK EUR GBP HKD NOK NZD PLN SEK SGD USD"

METHODS: Final[dict[str, Method]] = {
    "visa": _EVERYWHERE,
    "mastercard": _EVERYWHERE,
    "amex": _EVERYWHERE,
    "discover": _EVERYWHERE,
    "diners": _EVERYWHERE,
    "jcb": _EVERYWHERE,
    "unionpay": _EVERYWHERE,
    "apple_pay": _EVERYWHERE,
    "google_pay": _EVERYWHERE,
    "link": _EVERYWHERE,
    "paypal": Method(frozenset(_PAYPAL.split())),
    "sepa_debit": Method(frozenset({"EUR"})),
    "bacs_debit": Method(frozenset({"GBP"})),
    "us_bank_account": Method(frozenset({"USD"})),
    "bancontact": Method(frozenset({"EUR"}), is_recurring=False),
    "blik": Method(frozenset({"PLN"}), is_recurring=False),
    "eps": Method(frozenset({"EUR"}), is_recurring=False),
    "ideal": Method(frozenset({"EUR"}), is_recurring=False),
    "p24": Method(frozenset({"EUR", "PLN"}), is_recurring=False),
    "twint": Method(frozenset({"CHF"}), is_recurring=False),
}


def offered(names: list[str], *, currency: str, interval: Interval) -> list[str]:
    """
    Those of a campaign's methods that can pay such a gift, in the campaign's order; names of no method are left out.

    >>> offered(["visa", "ideal", "sepa_debit"], currency="EUR", interval=Interval.MONTH)
    ['visa', 'sepa_debit']
    """
    return [
        name
        for name in names
        if (method := METHODS.get(name)) is not None
        and (not method.currencies or currency in method.currencies)
        and (method.is_recurring or not interval.is_recurring)
    ]
