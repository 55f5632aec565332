"""
Stripe's rules about amounts: exponents, minimums, maximums, fees and rates of exchange.

All amounts are whole numbers of a currency's minor unit as Stripe counts it, which is not always as ISO 4217
does (https://docs.stripe.com/currencies). Currency codes are lower case, as on the wire.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from sandbox.errors import invalid

ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
WHOLE_ONLY = frozenset({"isk", "ugx"})  # counted in hundredths, yet only whole units exist
# fmt: off
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | WHOLE_ONLY | frozenset([
    "usd", "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt",
    "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf", "chf", "cny", "cop", "crc",
    "cve", "czk", "dkk", "dop", "dzd", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd",
    "gtq", "gyd", "hkd", "hnl", "htg", "huf", "idr", "ils", "inr", "jmd", "kes", "kgs", "khr", "kyd",
    "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mkd", "mmk", "mnt", "mop", "mur", "mvr",
    "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd", "pab", "pen", "pgk", "php",
    "pkr", "pln", "qar", "ron", "rsd", "rub", "sar", "sbd", "scr", "sek", "sgd", "shp", "sle", "sos",
    "srd", "std", "szl", "thb", "tjs", "top", "try", "ttd", "twd", "tzs", "uah", "uyu", "uzs", "wst",
    "xcd", "yer", "zar", "zmw",
])
MINIMUMS = {
    "usd": 50, "aed": 200, "ars": 50, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "cop": 50,
    "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "idr": 50, "ils": 50,
    "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "php": 50,
    "pln": 200, "ron": 200, "rub": 50, "sek": 300, "sgd": 50, "thb": 1000, "zar": 50,
}
# fmt: on
MAXIMUM = 999_999_999_999
"""Twelve digits, what card networks carry."""

# fmt: off
US_DOLLARS = {
    "usd": "1", "eur": "1.10", "gbp": "1.28", "jpy": "0.0067", "aud": "0.66", "cad": "0.73",
    "chf": "1.14", "czk": "0.044", "dkk": "0.147", "hkd": "0.128", "huf": "0.0028", "inr": "0.012",
    "isk": "0.0072", "krw": "0.00073", "mxn": "0.055", "nok": "0.094", "nzd": "0.61", "pln": "0.256",
    "ron": "0.221", "rub": "0.011", "sek": "0.096", "sgd": "0.75", "thb": "0.029", "try": "0.03",
    "twd": "0.031", "uah": "0.025", "ugx": "0.00027", "zar": "0.055", "bhd": "2.65", "jod": "1.41",
    "kwd": "3.25", "omr": "2.60", "tnd": "0.32", "aed": "0.272", "ars": "0.001", "brl": "0.18",
    "cop": "0.00025", "idr": "0.000063", "ils": "0.27", "kzt": "0.0021", "myr": "0.22", "php": "0.017",
    "clp": "0.00107", "vnd": "0.00004", "gel": "0.37", "amd": "0.0026", "kgs": "0.0115", "byn": "0.305",
}
# fmt: on
"""What one unit is worth in US dollars: fixed, invented, and good enough to see a conversion happen."""


def exponent(currency: str) -> int:
    """How many decimal places Stripe counts in this currency: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def check_currency(currency: str, *, param: str) -> str:
    """The code in lower case. Raises 400 for a currency that Stripe does not take."""
    code = currency.lower()
    if code not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}. See https://docs.stripe.com/currencies", param=param)
    return code


def check_unit(amount: int, currency: str, *, param: str) -> None:
    """
    Raises 400 unless this amount can exist in the currency: ``parameter_invalid_integer`` below zero or off
    the currency's grid, ``amount_too_large`` above twelve digits. A unit may be cheaper than what can be
    charged.
    """
    if amount < 0:
        message = "This value must be greater than or equal to 0."
        raise invalid(message, param=param, code="parameter_invalid_integer")
    if amount > MAXIMUM:
        message = f"Amount must be no more than {shown(MAXIMUM, currency)}"
        raise invalid(message, param=param, code="amount_too_large")
    step = 100 if currency in WHOLE_ONLY else 10 if currency in THREE_DECIMAL else 1
    if amount % step:
        message = f"Amounts in {currency.upper()} must be evenly divisible by {step}."
        raise invalid(message, param=param, code="parameter_invalid_integer")


def check_amount(amount: int, currency: str, *, param: str, zero_allowed: bool = False) -> None:
    """
    Raises 400 unless this amount can be charged: as ``check_unit``, and ``amount_too_small`` below the
    currency's minimum (one minor unit, where Stripe lists none).
    """
    check_unit(amount, currency, param=param)
    least = MINIMUMS.get(currency, 1)
    if amount < least and not (zero_allowed and amount == 0):
        message = f"Amount must be at least {shown(least, currency)}"
        raise invalid(message, param=param, code="amount_too_small")


def shown(amount: int, currency: str) -> str:
    """``12.50 usd``: an amount as a message names it."""
    return f"{Decimal(amount).scaleb(-exponent(currency)):f} {currency}"


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def charge_fee(amount: int, currency: str) -> int:
    """
    What the sandbox keeps of a charge: 2.9 %, rounded half up, plus 30 minor units (none without decimals).
    """
    return _rounded(Decimal(amount) * Decimal("0.029")) + (30 if exponent(currency) else 0)


def dispute_fee(currency: str) -> int:
    """What a dispute costs, won or lost: 15.00 of the settlement currency."""
    return 15 * int(10 ** exponent(currency))


def rate(source: str, target: str) -> Decimal:
    """
    How many units of ``target`` one unit of ``source`` buys, to six places. Raises 400 where the table is
    silent.
    """
    for currency in (source, target):
        if currency not in US_DOLLARS:
            raise invalid(f"The sandbox has no exchange rate for {currency}.", param="currency")
    return (Decimal(US_DOLLARS[source]) / Decimal(US_DOLLARS[target])).quantize(
        Decimal("0.000001"), ROUND_HALF_UP
    )


def converted(amount: int, source: str, target: str) -> int:
    """
    The amount in the other currency's minor units, rounded half up (negative amounts mirror positive ones).
    """
    if source == target:
        return amount
    units = Decimal(abs(amount)).scaleb(-exponent(source)) * rate(source, target)
    minor = _rounded(units.scaleb(exponent(target)))
    return minor if amount >= 0 else -minor
