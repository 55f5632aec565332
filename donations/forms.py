"""
The form on the support page: what it offers, what a reader chose and typed, and what is wrong with it in words.

It speaks the language that is active. The rules themselves are those of the API: the same serializer reads
the form, so that a page and a widget can never be told different things.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from babel.numbers import get_decimal_symbol
from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail

from donations import amounts, currencies
from donations.intervals import Interval
from donations.models import Ask, Campaign
from donations.money import Money

OTHER = "other"
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "reminder")

_PAGE_KEY = re.compile(r"[A-Za-z0-9_-]{20,64}")
_LONGEST = 300  # characters of one field that are shown again; more than any field takes
_GROUPED = re.compile(r"(?<=\d)[  \u202f](?=\d{3}(?:\D|$))")
_COMMA = re.compile(r"\d*,\d{1,2}", re.ASCII)


# --- Amounts as people write them -----------------------------------------------------------------


def read_amount(text: str, currency: str) -> Money:
    """
    The amount that a person typed, in major units: "12.50", and as many write it "12,50" or "1 200".

    A comma counts as a decimal point only before one or two last digits: nobody can know what "1,000" means.
    Raises ValueError for any other text and for more decimals than the currency has.

    >>> read_amount("12,50", "USD").minor, read_amount("1 200", "JPY").minor
    (1250, 1200)
    >>> read_amount("1,000", "USD")
    Traceback (most recent call last):
    ValueError: not a plain decimal number
    """
    plain = _GROUPED.sub("", text.strip())
    if _COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    return Money.parse(plain, currency)


def short(money: Money, locale: str) -> str:
    """
    The amount for people, a whole one without its zeros: "$5", "$7.50".

    >>> short(Money(500, "USD"), "en"), short(Money(750, "USD"), "en")
    ('$5', '$7.50')
    """
    text = money.format(locale)
    if money.minor % 10 ** currencies.get(money.currency).exponent:
        return text
    point = re.escape(get_decimal_symbol(locale))
    return re.sub(rf"{point}0+(?!\d)", "", text, count=1)


def explain(field_name: str, code: str, *, ask: Ask, locale: str) -> str:
    """What is wrong with a field, for the reader."""
    if field_name == "amount":
        step = Money(currencies.get(ask.currency).step_minor, ask.currency)
        return {
            "amount_too_small": _("The least amount is %(amount)s.") % {"amount": short(ask.minimum, locale)},
            "amount_too_large": _("The largest amount is %(amount)s.")
            % {"amount": short(ask.maximum, locale)},
            "amount_not_chargeable": _("The amount has to be a multiple of %(amount)s.")
            % {"amount": short(step, locale)},
        }.get(
            code,
            _("Choose an amount, or write one in digits, such as %(example)s.") % {"example": example(ask)},
        )
    return {
        "email": _("This is not an e-mail address that we can write to. Please check it."),
        "name": _("Please write a name of at most 100 letters, without special characters."),
        "currency": _("This currency is not taken here. Please choose another one."),
        "interval": _("Please choose how often you want to give."),
    }.get(field_name, _("Something in the form cannot be taken. Please look through it once more."))


def example(ask: Ask) -> str:
    """An amount as one can type it in this currency."""
    return typed(Money(ask.default_minor, ask.currency))


def typed(money: Money) -> str:
    """
    An amount as `read_amount` takes it: plain digits, a point, the decimals that the currency uses.

    >>> typed(Money(1250, "USD")), typed(Money(100000, "UGX"))
    ('12.50', '1000')
    """
    text = f"{money.major():f}"
    return text if currencies.get(money.currency).decimals else text.partition(".")[0]


# --- What the form offers -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One suggested amount; `sums` says what the fee adds."""

    minor: int
    text: str
    sums: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """The amounts for one currency and interval."""

    ask: Ask
    starting_from: str
    minimum: str
    example: str
    choices: list[Choice]
    is_other: bool
    other: str
    other_sums: str
    is_current: bool

    @property
    def id(self) -> str:
        return f"{self.ask.currency}-{self.ask.interval}"


@dataclass(frozen=True, slots=True)
class Filled:
    """What is chosen and typed. `amount` is None when the reader writes an amount of their own."""

    currency: str
    interval: str
    amount: int | None
    other: str = ""
    email: str = ""
    name: str = ""
    cover_fees: bool = False
    newsletter_consent: bool = False
    reminder_consent: bool = False
    page_key: str = ""
    raised_from: Money | None = None  # what a reader had in mind when the least amount was lower
    tags: Mapping[str, str] = field(default_factory=dict)

    def with_new_key(self) -> Filled:
        """The same wish as a new attempt."""
        return replace(self, page_key=_new_key())


class Offer:
    """A campaign's asks, in the order in which the form shows them. A campaign without asks offers nothing."""

    def __init__(self, campaign: Campaign, locale: str) -> None:
        self.campaign = campaign
        self.locale = locale
        self.asks = {(ask.currency, ask.interval): ask for ask in campaign.asks.all()}
        codes = list(dict.fromkeys(currency for currency, _interval in self.asks))
        codes.sort(key=lambda code: (code != campaign.default_currency, code))
        self.currencies = codes

    def intervals(self, currency: str) -> list[str]:
        """The intervals that this currency can be given at, from once to every year."""
        return [interval.value for interval in Interval if (currency, interval.value) in self.asks]

    def default_interval(self, currency: str) -> str:
        known = self.intervals(currency)
        return self.campaign.default_interval if self.campaign.default_interval in known else known[0]

    def ask(self, filled: Filled) -> Ask:
        return self.asks[filled.currency, filled.interval]

    def sums(self, amount: Money) -> str:
        """What it costs to cover the fee of this amount, to the cent."""
        added = amounts.fee_cover(amount)
        return _("Payment fee: %(fee)s. With it you give %(total)s.") % {
            "fee": added.format(self.locale),
            "total": (amount + added).format(self.locale),
        }

    def panels(self, filled: Filled) -> list[Panel]:
        """One panel for each currency and interval; what is chosen is chosen in the current one."""
        return [
            self._panel(self.asks[currency, interval], filled)
            for currency in self.currencies
            for interval in self.intervals(currency)
        ]

    def _panel(self, ask: Ask, filled: Filled) -> Panel:
        is_current = (ask.currency, ask.interval) == (filled.currency, filled.interval)
        chosen = filled.amount if is_current else ask.default_minor
        offered = [Money(minor, ask.currency) for minor in ask.suggested]
        return Panel(
            ask=ask,
            starting_from=self._starting_from(ask),
            minimum=short(ask.minimum, self.locale),
            example=example(ask),
            choices=[
                Choice(money.minor, short(money, self.locale), self.sums(money), money.minor == chosen)
                for money in offered
            ],
            is_other=chosen is None,
            other=filled.other if is_current else "",
            other_sums=self._other_sums(ask, filled) if is_current and chosen is None else "",
            is_current=is_current,
        )

    def _starting_from(self, ask: Ask) -> str:
        if ask.interval != Interval.MONTH:
            return ""
        return _("Support us monthly, starting from just %(amount)s.") % {
            "amount": short(ask.minimum, self.locale)
        }

    def _other_sums(self, ask: Ask, filled: Filled) -> str:
        try:
            amount = read_amount(filled.other, ask.currency)
        except ValueError:
            return ""
        return "" if amounts.fault_of(amount, ask) else self.sums(amount)


# --- Reading ---------------------------------------------------------------------------------------


def from_link(offer: Offer, query: Mapping[str, str]) -> Filled:
    """
    The form as a link fills it in: `?amount&interval&currency`, named and counted as in the API (minor units).

    Whatever the campaign does not offer is passed over in silence: an old link still opens the page.
    """
    currency = query.get("currency", "")
    if currency not in offer.currencies:
        currency = offer.currencies[0]
    interval = query.get("interval", "")
    if interval not in offer.intervals(currency):
        interval = offer.default_interval(currency)
    ask = offer.asks[currency, interval]
    chosen: int | None = ask.default_minor
    other = ""
    text = query.get("amount", "")
    raised_from = None
    if re.fullmatch(r"[0-9]{1,14}", text, re.ASCII):
        wanted = Money(int(text), currency)
        if "reminder" in query and wanted.minor and amounts.fault_of(wanted, ask) == "amount_too_small":
            # They chose it when it was enough. The least that is enough now, and a word about it.
            wanted, raised_from = ask.minimum, wanted
        if not amounts.fault_of(wanted, ask):
            chosen = wanted.minor if wanted.minor in ask.suggested else None
            other = "" if chosen else typed(wanted)
    return Filled(
        currency, interval, chosen, other, page_key=_new_key(), raised_from=raised_from, tags=_tags(query)
    )


def from_post(offer: Offer, post: Mapping[str, str]) -> Filled:
    """The form as it was sent, whatever it holds; what is not on offer falls back to the campaign's default."""
    currency, interval = post.get("currency", ""), post.get("interval", "")
    if currency not in offer.currencies:
        currency = offer.currencies[0]
    if interval not in offer.intervals(currency):
        interval = offer.default_interval(currency)
    chosen = post.get(f"amount_{currency}_{interval}", "")
    page_key = post.get("page_key", "")
    return Filled(
        currency=currency,
        interval=interval,
        amount=int(chosen) if re.fullmatch(r"[0-9]{1,14}", chosen, re.ASCII) else None,
        other=post.get(f"other_{currency}_{interval}", "")[:_LONGEST],
        email=post.get("email", "").strip()[:_LONGEST],
        name=post.get("name", "").strip()[:_LONGEST],
        cover_fees="cover_fees" in post,
        newsletter_consent="newsletter_consent" in post,
        reminder_consent="reminder_consent" in post,
        page_key=page_key if _PAGE_KEY.fullmatch(page_key) else _new_key(),
        tags=_tags(post),
    )


def request_body(offer: Offer, filled: Filled, *, page_url: str) -> dict[str, Any]:
    """What a widget would send to `POST /api/v1/contributions/`; without an amount if none can be read."""
    body = {
        "campaign": offer.campaign.slug,
        "interval": filled.interval,
        "currency": filled.currency,
        "email": filled.email,
        "name": filled.name,
        "cover_fees": filled.cover_fees,
        "newsletter_consent": filled.newsletter_consent,
        "reminder_consent": filled.reminder_consent,
        "locale": offer.locale,
        "source": {"page_url": page_url, "component": "support_page", **filled.tags},
    }
    amount = filled.amount
    if amount is None:
        try:
            amount = read_amount(filled.other, filled.currency).minor
        except ValueError:
            return body
    return {**body, "amount": amount}


def idempotency_key(page_key: str, body: Mapping[str, Any]) -> str:
    """One key for one wish on one opened page: pressed twice it is one gift, changed it is another one."""
    text = json.dumps([page_key, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def codes(errors: Mapping[str, Any]) -> dict[str, str]:
    """A serializer's errors as one code for each field."""
    found: dict[str, str] = {}
    for name, details in errors.items():
        first = details[0] if isinstance(details, list) and details else None
        found[name] = (first.code if isinstance(first, ErrorDetail) else None) or "invalid"
    return found


def _tags(given: Mapping[str, str]) -> dict[str, str]:
    """The marks of a newspaper's own links, kept for its own numbers; what is no plain short text is dropped."""
    return {name: given[name] for name in TAGS if re.fullmatch(r"[\w .~+-]{1,100}", given.get(name, ""))}


def _new_key() -> str:
    return secrets.token_urlsafe(24)
