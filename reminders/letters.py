"""
The mails of this floor: their kinds, what is in them, and the promise that a reader gets in words.

Nothing here reads the clock or the database; texts come in the reader's language.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from donations.money import Money
from members import emails, samples
from reminders import calendar, codes, zones
from reminders.codes import Purpose

if TYPE_CHECKING:
    from donations.models import Campaign
    from reminders.models import Reminder

REMIND = "reminder"
SECOND = "reminder_second"
KEEP_GOING = "reminder_keep_going"
CONFIRM = "reminder_confirm"
OUTAGE = "reminder_outage"
ABANDONED = "reminder_abandoned"
KINDS = (REMIND, SECOND, KEEP_GOING, CONFIRM, OUTAGE, ABANDONED)

_GOES_TO_SUPPORT = frozenset({"asked_on", "campaign_title", "give_url", "stop_url", "unsubscribe_url"})


def register(look_up: emails.LookUp) -> None:
    """
    Tell the ground floor how our mails are written; each leaves at most once and can be unsubscribed from.

    :param look_up: knows what our mails say; the confirmation's contents go to the outbox with it.
    """
    wants: dict[str, tuple[frozenset[str], frozenset[str]]] = {
        REMIND: (_GOES_TO_SUPPORT, frozenset({"gift_text", "move_url"})),
        SECOND: (_GOES_TO_SUPPORT, frozenset({"gift_text"})),
        KEEP_GOING: (frozenset({"asked_on", "rhythm_text", "yes_url", "unsubscribe_url"}), frozenset()),
        CONFIRM: (frozenset({"promise_text", "confirm_url", "unsubscribe_url"}), frozenset()),
        OUTAGE: (_GOES_TO_SUPPORT, frozenset({"gift_text"})),
        ABANDONED: (_GOES_TO_SUPPORT, frozenset({"gift_text"})),
    }
    for name, (needs, may_have) in wants.items():
        emails.register(
            emails.Kind(
                name,
                needs=needs,
                may_have=may_have,
                delivery=emails.Delivery.AT_MOST_ONCE,
                unsubscribe="unsubscribe_url",
                look_up=None if name == CONFIRM else look_up,
            )
        )
        samples.register(name, {language: _sample(needs | may_have, language) for language in ("en", "ru")})


def _sample(keys: frozenset[str], language: str) -> dict[str, str]:
    texts = {
        "en": {
            "asked_on": "November 24, 2026",
            "campaign_title": "Keep the Gazette independent",
            "gift_text": "$5 each month",
            "rhythm_text": "every 3 months",
            "promise_text": "One e-mail on January 1, 2027.",
        },
        "ru": {
            "asked_on": "24 ноября 2026 г.",
            "campaign_title": "Сохраним независимость газеты",
            "gift_text": "5 $ каждый месяц",
            "rhythm_text": "каждые 3 месяца",
            "promise_text": "Одно письмо, 1 января 2027 г.",
        },
    }[language]
    return {key: texts.get(key, f"{{link}}/{key.removesuffix('_url')}") for key in keys}


# --- What a mail holds


@dataclass(frozen=True, slots=True)
class Facts:
    """What a mail is written from; plain values, so that many can be written without loading many rows."""

    public_id: uuid.UUID
    rid: uuid.UUID
    asked_at: datetime
    locale: str
    zone: ZoneInfo
    interval: str = ""
    amount_minor: int | None = None
    currency: str = ""
    every_months: int = 0
    can_be_moved: bool = False


def context(kind: str, facts: Facts, campaign: Campaign) -> dict[str, str]:
    """What the templates of a mail are filled in with."""
    language = emails.supported_language(facts.locale)
    asked_on = _day_text(facts.asked_at.astimezone(facts.zone).date(), language)
    links = {"unsubscribe_url": unsubscribe_url(facts.public_id)}
    if kind == KEEP_GOING:
        rhythm = rhythm_text(facts.every_months, language)
        return {**links, "asked_on": asked_on, "rhythm_text": rhythm, "yes_url": confirm_url(facts.public_id)}
    found = {
        **links,
        "asked_on": asked_on,
        "campaign_title": campaign.title,
        "give_url": way_back_url(facts.rid) if kind == ABANDONED else give_url(facts, campaign, language),
        "stop_url": stop_url(facts.public_id),
    }
    if facts.amount_minor is not None:
        found["gift_text"] = gift_text(facts.amount_minor, facts.currency, facts.interval, language)
    if kind == REMIND and facts.can_be_moved:
        found["move_url"] = _url("next-month", Purpose.STOP, facts.public_id)
    return found


def confirmation(reminder: Reminder) -> dict[str, str]:
    """What the mail that asks for a yes is filled in with."""
    language = emails.supported_language(reminder.locale)
    plan = calendar.Plan(
        calendar.day_in(reminder.period, reminder.anchor_day),
        reminder.anchor_day,
        reminder.frequency_months or 0,
    )
    return {
        "promise_text": promise(plan, mails=reminder.mails_promised, language=language),
        "confirm_url": confirm_url(reminder.public_id),
        "unsubscribe_url": unsubscribe_url(reminder.public_id),
    }


def facts_of(reminder: Reminder, *, rid: uuid.UUID, public_id: uuid.UUID) -> Facts:
    """The facts of one reminder, for a mail that is shown rather than sent: its codes are for other ids."""
    return Facts(
        public_id=public_id,
        rid=rid,
        asked_at=reminder.created_at,
        locale=reminder.locale,
        zone=zones.of_reader(time_zone=reminder.time_zone, country=reminder.country),
        interval=reminder.interval,
        amount_minor=reminder.amount_minor,
        currency=reminder.currency,
        every_months=reminder.frequency_months or 0,
        can_be_moved=True,
    )


# --- Links


def give_url(facts: Facts, campaign: Campaign, language: str) -> str:
    """The support page, filled in as the reader wished, with a mark that tells the gift from this mail."""
    page = _filled_page(campaign.slug, facts.interval, facts.amount_minor, facts.currency, language)
    return f"{page}&reminder={codes.make(Purpose.FROM_MAIL, facts.rid)}"


def way_back_url(rid: uuid.UUID) -> str:
    """Where a reader goes on who left the payment page: decided when they come (`reminders.way_back`)."""
    return _url("way-back", Purpose.WAY_BACK, rid)


@lru_cache(maxsize=4096)
def _filled_page(slug: str, interval: str, minor: int | None, currency: str, language: str) -> str:
    wish: dict[str, str | int] = {"interval": interval} if interval else {}
    if minor is not None:
        wish |= {"amount": minor, "currency": currency}
    return f"{_support_page(slug)}?{urlencode({**wish, 'lang': language})}"


def confirm_url(public_id: uuid.UUID) -> str:
    return _url("confirm", Purpose.CONFIRM, public_id)


def stop_url(public_id: uuid.UUID) -> str:
    """Where a reader stops this one reminder, with a press of a button."""
    return _url("stop", Purpose.STOP, public_id)


def unsubscribe_url(public_id: uuid.UUID) -> str:
    """Where one POST without cookies ends all reminders of the person (RFC 8058); a GET shows a button."""
    return _url("unsubscribe", Purpose.UNSUBSCRIBE, public_id)


def _url(page: str, purpose: Purpose, public_id: uuid.UUID) -> str:
    return _page(page).replace("CODE", codes.make(purpose, public_id))


@lru_cache(maxsize=16)
def _page(name: str) -> str:
    return settings.PUBLIC_BASE_URL + reverse(f"reminders:{name}", kwargs={"code": "CODE"})


@lru_cache(maxsize=256)
def _support_page(slug: str) -> str:
    return settings.PUBLIC_BASE_URL + reverse("support:page", kwargs={"slug": slug})


# --- Words


def promise(plan: calendar.Plan, *, mails: int, language: str, may_confirm: bool = False) -> str:
    """What we promise to a reader: when we write, how often, and how it ends."""
    with translation.override(language):
        day = _day_text(plan.day, language)
        if plan.every_months:
            found = _("An e-mail on %(day)s, and then %(rhythm)s, until you stop it.") % {
                "day": day,
                "rhythm": rhythm_text(plan.every_months, language),
            }
        elif mails > 1:
            found = _("An e-mail on %(day)s, and at most one more four weeks later.") % {"day": day}
        else:
            found = _("One e-mail on %(day)s.") % {"day": day}
        if may_confirm:
            found += " " + _("If we do not know your address yet, we first ask you by e-mail to say yes.")
        return found


def outage_promise(language: str) -> str:
    """What we promise to somebody who could not give because payments did not work."""
    with translation.override(language):
        return _("One e-mail when payments work again, within three days. Then we forget your address.")


@lru_cache(maxsize=256)
def rhythm_text(months: int, language: str) -> str:
    """ "every month", "every 3 months"."""
    with translation.override(language):
        if months == 1:
            return _("every month")
        return ngettext("every %(months)d month", "every %(months)d months", months) % {"months": months}


@lru_cache(maxsize=4096)
def gift_text(minor: int, currency: str, interval: str, language: str) -> str:
    """The gift that the reader had in mind: "$5.00", "$5.00 each month"."""
    total = Money(minor, currency).format(language)
    with translation.override(language):
        if interval == "month":
            return _("%(total)s each month") % {"total": total}
        if interval == "year":
            return _("%(total)s each year") % {"total": total}
    return total


@lru_cache(maxsize=4096)
def _day_text(day: date, language: str) -> str:
    return format_date(day, "long", locale=language)


@dataclass(frozen=True, slots=True)
class CalendarWords:
    """What a calendar entry says; `title` has a place for the newsroom's name."""

    title: str
    text: str


def calendar_words(language: str) -> CalendarWords:
    """The words of a calendar entry."""
    with translation.override(language):
        return CalendarWords(_("Support %(newsroom)s"), _("You asked your calendar to remind you."))


def plain_give_url(campaign: Campaign, *, interval: str, amount: Money | None, language: str) -> str:
    """The support page, filled in, without any mark."""
    minor, currency = (amount.minor, amount.currency) if amount else (None, "")
    return _filled_page(campaign.slug, interval, minor, currency, language)
