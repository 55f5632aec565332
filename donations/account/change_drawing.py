"""What the pages about changes show: sums, days and choices in the active language."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from donations import change_texts, pauses, withdrawals
from donations.account import changes
from donations.account.changes import Options
from donations.account.drawing import day
from donations.models import Contribution, Subscription
from donations.money import Money
from donations.standing import Picture


def shown(contribution: Contribution, *, now: datetime) -> dict[str, Any]:
    """What a contribution's page says about changing it; little of one that is given once."""
    right = withdrawals.right_of(contribution, now=now)
    found: dict[str, Any] = {
        "withdraw_until": day(right.last_moment) if right else "",
        "is_withdrawn": hasattr(contribution, "withdrawal"),
    }
    try:
        options = changes.get_options(contribution, now=now)
    except Subscription.DoesNotExist:
        return found
    return {**found, "options": options, **described(options)}


def described(options: Options) -> dict[str, Any]:
    """How it stands, as agreed with Stripe, in words."""
    picture = options.stands.now
    language = translation.get_language()
    fee = Money(picture.fee_cover, picture.currency)
    return {
        "version": options.stands.version,
        "terms": each(picture),
        "fee": fee.format(language) if fee.minor else "",
        "next_on": day(options.next_payment_at),
        "resumes_on": day(picture.resumes),
        "ends_on": day(picture.ends),
        "last_change": change_texts.done_text(options.latest) if options.latest else "",
    }


def each(picture: Picture) -> str:
    """A sum and how often, such as "$5.00 each month"."""
    total = picture.total.format(translation.get_language())
    if picture.interval == "year":
        return _("%(sum)s each year") % {"sum": total}
    return _("%(sum)s each month") % {"sum": total}


def pause_choices(options: Options) -> list[tuple[int, str, str]]:
    """How many payments can be left out: the number, the words, and the day of the payment after that."""
    words = [_("Leave out the next payment"), _("Pause for two months"), _("Pause for three months")]
    return [
        (number, words[number - 1], day(pauses.resumes_at(options.stands.subscription, number)[1]))
        for number in range(1, options.pause_payments + 1)
    ]
