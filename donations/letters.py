"""
The mails of this floor: their kinds, and what is in them.

Nothing here reads the clock, and nothing decides whether a mail goes out; texts come in the reader's language.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from donations import declines, links, stopping
from members import emails, farewells, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from donations.models import Contribution, Notice, Payment, Subscription
    from members.models import Message

FAILED = "payment_failed"
REMINDER = "payment_reminder"
LAPSED = "payment_lapsed"
NOTICES = {"RENEWAL": "renewal_notice", "PRICE": "price_notice", "CARD": "card_expiring"}

_FAILED_NEEDS = frozenset({"amount_text", "reason_text", "advice_text", "fix_text", "fix_url"})
_FAILED_MAY = frozenset({"next_try_text", "stop_url"})


_NOTICE_MAY: frozenset[str] = frozenset({"skip_url", "lower_url"})
_NOTICE_NEEDS: dict[str, frozenset[str]] = {
    "RENEWAL": frozenset({"amount_text", "charge_on", "stop_url", "card_url"}),
    "PRICE": frozenset({"amount_text", "new_amount_text", "interval", "from_text", "stop_url"}),
    "CARD": frozenset({"amount_text", "charge_on", "interval", "fix_url"}),
}


def register(
    *,
    dunning_is_wanted: Callable[[str], bool],
    lapse_is_wanted: Callable[[str], bool],
    notice_is_wanted: Callable[[str], bool],
) -> None:
    """Tell the ground floor how our mails are written, and whom to ask whether one is still wanted."""
    emails.add_to("receipt", ways_out_of_receipts)
    for kind, needs in _NOTICE_NEEDS.items():
        may_have = _NOTICE_MAY if kind == "RENEWAL" else frozenset()
        _register(emails.Kind(NOTICES[kind], needs=needs, may_have=may_have, is_wanted=notice_is_wanted))
    for name in (FAILED, REMINDER):
        _register(emails.Kind(name, needs=_FAILED_NEEDS, may_have=_FAILED_MAY, is_wanted=dunning_is_wanted))
    _register(
        emails.Kind(
            LAPSED, needs=frozenset({"amount_text", "interval", "come_back_url"}), is_wanted=lapse_is_wanted
        )
    )


def _register(kind: emails.Kind) -> None:
    emails.register(kind)
    keys = kind.needs | kind.may_have
    samples.register(kind.name, {language: _sample(keys, language) for language in ("en", "ru")})


def _sample(keys: frozenset[str], language: str) -> dict[str, str]:
    texts = {
        "en": {
            "amount_text": "$5.00",
            "interval": "month",
            "reason_text": "Your bank did not allow this payment at this time.",
            "next_try_text": "November 27, 2026",
            "advice_text": "If you give us another card before then, we will try that one at once.",
            "fix_text": "Give another card",
            "fix_url": "{link}",
            "new_amount_text": "$6.00",
            "charge_on": "December 15, 2026",
            "from_text": "December 15, 2026",
        },
        "ru": {
            "amount_text": "5,00 $",
            "interval": "month",
            "reason_text": "Банк сейчас не разрешил этот платёж.",
            "next_try_text": "27 ноября 2026 г.",
            "advice_text": "Если до этого дня вы укажете другую карту, мы сразу попробуем списать с неё.",
            "fix_text": "Указать другую карту",
            "fix_url": "{link}",
            "new_amount_text": "6,00 $",
            "charge_on": "15 декабря 2026 г.",
            "from_text": "15 декабря 2026 г.",
        },
    }[language]
    return {key: texts.get(key, f"{{link}}/{key.removesuffix('_url')}") for key in keys}


def failure(payment: Payment, subscription: Subscription, *, locale: str, now: datetime) -> dict[str, str]:
    """
    What a mail about a refused renewal holds.

    The day of the next try is named only where that try can work: after some refusals Stripe tries no more until
    there is another card, although it goes on to name days (STRIPE.md, section 4).
    """
    comes = payment.next_attempt_at
    will_try = comes is not None and comes > now and payment.failure_code not in declines.HARD
    with translation.override(locale):
        advice, button = _what_helps(payment, will_try=will_try)
        return {
            "amount_text": payment.amount.format(locale),
            "reason_text": declines.explain(payment.failure_code),
            "next_try_text": day_text(comes, locale) if comes and will_try else "",
            "advice_text": advice,
            "fix_text": button,
            "fix_url": links.card_page(subscription),
            "stop_url": links.stop_page(subscription),
        }


def ways_out_of_receipts(receipts: Sequence[Message], now: datetime) -> dict[str, dict[str, str]]:
    """
    The links in receipts of recurring contributions, by the dedup keys of the mails; each does one thing, without a
    password.

    Asked when a receipt leaves, and not when it is owed: whether the subscription is known by then goes by the order in
    which events come, and a link counts its days from the mail. Nothing for what is given once, or has ended.
    """
    from donations.models import Payment

    keys = {mail.dedup_key: mail.dedup_key.split(":")[1] for mail in receipts}
    found = {
        str(payment.public_id): payment
        for payment in Payment.objects.filter(
            public_id__in=keys.values(), contribution__subscription__isnull=False
        ).select_related("contribution__subscription")
    }
    return {
        key: _ways_out(found[public_id], found[public_id].contribution.subscription, now)
        for key, public_id in keys.items()
        if public_id in found
    }


def _ways_out(payment: Payment, subscription: Subscription, now: datetime) -> dict[str, str]:
    """With the first payment, for two days the link for who meant to give once; later, those for who wants less."""
    if subscription.state == "CANCELLED":
        return {}
    occasion = f"payment:{payment.pk}"
    if not payment.is_renewal:
        ways = {"stop_url": links.stop_page(subscription)}
        if payment.paid_at is not None and now < payment.paid_at + stopping.REGRET:
            ways["once_url"] = links.action_page(subscription, links.ONCE, occasion=occasion)
        return ways
    return {
        "skip_url": links.action_page(subscription, links.SKIP, occasion=occasion),
        "lower_url": links.action_page(subscription, links.LOWER, occasion=occasion),
        "card_url": links.card_page(subscription),
        "stop_url": links.stop_page(subscription),
    }


def _what_helps(payment: Payment, *, will_try: bool) -> tuple[str, str]:
    """What the reader can do, and the words on the button that does it; in the active language."""
    if payment.failure_code in declines.TO_CONFIRM:
        return _("Please confirm it on the page below: that takes a minute."), _("Confirm the payment")
    if will_try:
        advice = _("If you give us another card before then, we will try that one at once.")
    else:
        advice = _(
            "We will not try again by ourselves. Please give us another card, and we will try it at once."
        )
    return advice, _("Give another card")


def lapse(contribution: Contribution, subscription: Subscription, *, locale: str) -> dict[str, str]:
    """What the mail holds that says that a contribution ended because its payments failed."""
    return {
        "amount_text": subscription.amount.format(locale),
        "interval": subscription.interval,
        "come_back_url": links.again(contribution, locale=locale),
    }


def notice(found: Notice, contribution: Contribution, *, locale: str) -> dict[str, str]:
    """What a mail before a payment holds."""
    subscription = found.subscription
    amount, day = subscription.amount.format(locale), day_text(found.takes_at, locale)
    if found.kind == "RENEWAL":
        return {
            "amount_text": amount,
            "charge_on": day,
            "stop_url": links.stop_page(subscription),
            "card_url": links.card_page(subscription),
            "skip_url": links.action_page(subscription, links.SKIP, occasion=f"notice:{found.pk}"),
            "lower_url": links.action_page(subscription, links.LOWER, occasion=f"notice:{found.pk}"),
        }
    if found.kind == "CARD":
        return {
            "amount_text": amount,
            "charge_on": day,
            "interval": subscription.interval,
            "fix_url": links.card_page(subscription),
        }
    assert found.new_amount is not None, "a change of the amount has an amount (constraint)"
    return {
        "amount_text": amount,
        "new_amount_text": found.new_amount.format(locale),
        "interval": subscription.interval,
        "from_text": day,
        "stop_url": links.stop_page(subscription),
    }


def recovered(locale: str) -> str:
    """What the receipt of a payment says that had failed before, and of which its reader was told that."""
    with translation.override(locale):
        return _(
            "Thank you for staying with us: the payment that had failed has arrived. You need not do anything more."
        )


def farewell(contribution: Contribution, *, by_wish: bool) -> farewells.Farewell:
    """What the end of a membership is told with."""
    locale = contribution.locale
    with translation.override(locale):
        reason = _("It was stopped, as requested.") if by_wish else ""
    return farewells.Farewell(come_back_url=links.again(contribution, locale=locale), reason_text=reason)


def day_text(moment: datetime, locale: str) -> str:
    """The newsroom's day of a moment, in words of the reader's language."""
    local = moment.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    return format_date(local, format="long", locale=locale.replace("-", "_"))
