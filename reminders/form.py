"""
What a reader fills in to be reminded: on a page of its own, and at the foot of the support page.

It speaks the language that is active. The rules are those of the API: the same serializer reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_date, format_skeleton
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from rest_framework.serializers import ValidationError

from donations.errors import InvalidWish
from members import typos
from reminders import calendar, letters, serializers, services, throttle, zones

WISH = ("campaign", "interval", "amount", "currency")
ON_DAY = "on_day"
_LONGEST = 300  # characters of one field that are shown again


@dataclass(frozen=True, slots=True)
class Filled:
    """What is chosen and typed. `remind` is the name of a choice, or ON_DAY with a day of the reader's own."""

    email: str = ""
    remind: str = serializers.NEXT_MONTH
    day: str = ""
    time_zone: str = ""

    @property
    def when(self) -> str:
        """As the API takes it."""
        return self.day if self.remind == ON_DAY else self.remind

    @property
    def place(self) -> dict[str, str]:
        """Where the reader's morning is, if a script told and we know that place."""
        return {"time_zone": self.time_zone} if zones.is_zone(self.time_zone) else {}


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to "when?": short, and what is promised with it."""

    value: str
    label: str
    promise: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a form: the fields at fault, or the page that tells what was promised."""

    faults: frozenset[str] = frozenset()
    address: str = ""


def read(given: Mapping[str, str], *, prefix: str = "") -> Filled:
    """The form as it was sent, or as a link fills it in, whatever it holds."""
    return Filled(
        email=given.get(f"{prefix}email", "").strip()[:_LONGEST],
        remind=given.get("remind", serializers.NEXT_MONTH)[:20],
        day=given.get(f"{prefix}day", "")[:10],
        time_zone=given.get(f"{prefix}time_zone", "")[:64],
    )


def choices(names: Sequence[str], *, now: datetime, of_calendar: bool = False) -> list[Choice]:
    """
    What can be chosen, in the active language, counted from the newsroom's today.

    :param of_calendar: nothing is promised, for the reader's own calendar reminds them; it says when.
    """
    language = translation.get_language()
    today = now.astimezone(zones.of_reader(time_zone="", country="")).date()
    found = []
    for name in names:
        if name == serializers.WHEN_PAYMENTS_WORK:
            found.append(Choice(name, _("When payments work again"), letters.outage_promise(language)))
            continue
        plan = serializers.planner(serializers.RemindField().run_validation(name))(today)
        rhythm = letters.rhythm_text(plan.every_months, language)
        if plan.every_months:
            rhythm = letters.rhythm_text(plan.every_months, language)
            label = rhythm[:1].upper() + rhythm[1:]
        else:
            label = format_skeleton("MMMMd", plan.day, locale=language)
        found.append(Choice(name, label, day_and_rhythm(plan) if of_calendar else _promise(plan, language)))
    return found


def day_and_rhythm(plan: calendar.Plan) -> str:
    """When a calendar's entry is, in the active language: "January 1, 2027, and then every 3 months"."""
    language = translation.get_language()
    day = format_date(plan.day, "long", locale=language)
    if not plan.every_months:
        return day
    rhythm = letters.rhythm_text(plan.every_months, language)
    return _("%(day)s, and then %(rhythm)s") % {"day": day, "rhythm": rhythm}


def _promise(plan: calendar.Plan, language: str) -> str:
    if plan.every_months:
        mails, may_confirm = 1, settings.REMINDER_CONFIRM_RECURRING
    else:
        mails, may_confirm = settings.REMINDER_MAILS, settings.REMINDER_CONFIRM_ONE_OFF
    return letters.promise(plan, mails=mails, language=language, may_confirm=may_confirm)


def shown(
    filled: Filled,
    names: Sequence[str],
    *,
    now: datetime,
    faults: Collection[str] = (),
    of_calendar: bool = False,
) -> dict[str, Any]:
    """What the templates draw it from, as `aside`."""
    tomorrow = now.astimezone(zones.of_reader(time_zone="", country="")).date() + timedelta(days=1)
    return {
        "filled": filled,
        "choices": choices(names, now=now, of_calendar=of_calendar),
        "is_day": filled.remind not in names,
        "first_day": tomorrow.isoformat(),
        "problems": problems(faults),
        "days_kept": settings.REMINDER_ADDRESS_RETENTION.days,
    }


def take(
    request: HttpRequest, *, wish: Mapping[str, str | int], filled: Filled, component: str, now: datetime
) -> Outcome:
    """
    Take what was asked for, if it can be taken; the same outcome whether or not the address is known.

    A wish that cannot be given any more (the appeal is over, the least amount rose) is left out: its reader is
    reminded all the same.
    """
    language = translation.get_language()
    body: dict[str, Any] = {
        **_typed(wish),
        "email": filled.email,
        "remind": filled.when,
        "locale": language,
        **filled.place,
        "consent_version": settings.REMINDER_CONSENT_VERSION,
        "source": {"component": component},
    }
    wanted = serializers.ReminderInput(data=body)
    try:
        wanted.is_valid(raise_exception=True)
        wished = wanted.wish(now=now)
        services.check(wished, now=now)
    except (ValidationError, InvalidWish) as error:
        fields = frozenset(map(str, error.detail if isinstance(error, ValidationError) else error.fields))
        if faults := fields & {"email", "remind"}:
            # Both at once, so that nobody mends one thing only to hear of the next.
            return Outcome(faults=faults | (frozenset() if _is_possible(filled, now) else {"remind"}))
        if not wish:
            raise
        fewer = {"campaign": wish["campaign"]} if len(wish) > 1 and "campaign" in wish else {}
        return take(request, wish=fewer, filled=filled, component=component, now=now)
    if throttle.allows(request, email=wished.email, now=now):
        services.ask_for_reminder(wish=wished, now=now)
    domain = wished.email.rpartition("@")[2]
    told = {"remind": filled.when, "lang": language, **filled.place}
    hint = {"typed": domain} if typos.meant(domain) else {}  # a domain of our own table, nobody's address
    return Outcome(address=f"{reverse('reminders:asked')}?{urlencode({**wish, **told, **hint})}")


def _is_possible(filled: Filled, now: datetime) -> bool:
    wanted = serializers.WhenInput(data={"remind": filled.when, **filled.place})
    try:
        wanted.is_valid(raise_exception=True)
        wanted.plan(now=now)
    except ValidationError:
        return False
    return True


def _typed(wish: Mapping[str, str | int]) -> dict[str, Any]:
    amount = str(wish.get("amount", ""))
    if not amount:
        return dict(wish)
    return {
        **wish,
        "amount": int(amount) if amount.isascii() and amount.isdigit() and len(amount) < 14 else amount,
    }


def problems(faults: Collection[str]) -> dict[str, str]:
    """What is wrong with a field, for the reader."""
    words = {
        "email": _("This is not an e-mail address that we can write to. Please check it."),
        "remind": _("Please choose a day in the future, at most 18 months from now."),
    }
    return {name: words[name] for name in words if name in faults}
