"""
Entries for a reader's own calendar, from what was asked for to the file; nothing of it is stored.

An entry's description holds a link with all that it is (its UID, its day, what it is for), so that its reader can
have a file that changes or cancels it, whenever that is, without our having kept anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from rest_framework import serializers

from donations import queries
from donations.errors import InvalidWish
from donations.models import Campaign
from members import emails
from members.validation import LocaleField, StrictSerializer, TextField
from reminders import calendar, ics, letters, zones
from reminders.serializers import WHEN_PAYMENTS_WORK, WhenInput

_PLACE = ("time_zone", "country")
_WISH = ("campaign", "interval", "amount", "currency")
_YEARS = range(2026, 2200)


def _numbers(data: Any, *names: str) -> Any:
    """What an address says in digits, as the number that it is; all else as it is, to be refused."""
    if not isinstance(data, dict):
        return data
    return {
        name: int(value)
        if name in names
        and isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) < 14
        else value
        for name, value in data.items()
    }


class EntryInput(WhenInput):
    """`GET calendar.ics`: what a reminder is made of, without a person; with the UID of an entry, that one changes."""

    uid = serializers.UUIDField(required=False, help_text="Of the entry that changes. Default: a new one.")

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(_numbers(data, "amount"))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if attrs["remind"] == WHEN_PAYMENTS_WORK:
            word = serializers.ErrorDetail("A calendar does not know that.", "invalid")
            raise serializers.ValidationError({"remind": [word]})
        return attrs


class StatedEntryInput(StrictSerializer):
    """`GET calendar-cancelled.ics`: an entry as its own link states it."""

    uid = serializers.UUIDField()
    day = serializers.CharField(max_length=10, help_text="The entry's (first) day, such as 2027-01-15.")
    every = serializers.IntegerField(
        required=False, min_value=1, max_value=24, help_text="Months of a series."
    )
    anchor = serializers.IntegerField(
        required=False, min_value=1, max_value=31, help_text="The day of the month to which a series returns."
    )
    locale = LocaleField(required=False)
    time_zone = TextField(required=False, max_length=64)
    country = TextField(required=False, max_length=2)

    def validate_day(self, value: str) -> date:
        try:
            day = calendar.read_day(value)
        except calendar.NoSuchDay as error:
            raise serializers.ValidationError(str(error), error.code) from error
        if day.year not in _YEARS:
            raise serializers.ValidationError("There is no entry of ours on such a day.", "invalid")
        return day

    def validate_time_zone(self, value: str) -> str:
        if value and not zones.is_zone(value):
            raise serializers.ValidationError("There is no such time zone.", "invalid")
        return value


@dataclass(frozen=True, slots=True)
class Stated:
    """An entry that is somewhere in a calendar, as far as its link tells."""

    uid: uuid.UUID
    plan: calendar.Plan


def stated(wanted: StatedEntryInput) -> Stated:
    """The entry that a link states; valid input only."""
    given = wanted.validated_data
    anchor = given.get("anchor", given["day"].day)
    return Stated(given["uid"], calendar.Plan(given["day"], anchor, given.get("every", 0)))


def published(wanted: EntryInput, *, now: datetime) -> HttpResponse:
    """
    The file with the entry; valid input only.

    :raises ValidationError: its day lies in the past, or too far away.
    :raises InvalidWish: the campaign is over, or there is none.
    """
    given, plan = wanted.validated_data, wanted.plan(now=now)
    campaign = _campaign(given.get("campaign", ""), now)
    language = emails.supported_language(given.get("locale") or campaign.locale)
    uid = given.get("uid") or _uid(campaign.slug, plan)
    link = letters.plain_give_url(
        campaign, interval=given.get("interval", ""), amount=wanted.amount_wished(), language=language
    )
    wish = {name: given[name] for name in (*_WISH, *_PLACE) if given.get(name)}
    change = change_url(Stated(uid, plan), {**wish, "campaign": campaign.slug}, language)
    with translation.override(language):
        text = "\n\n".join(
            [
                letters.calendar_words(language).text,
                link,
                _("To change or cancel this entry: %(link)s") % {"link": change},
            ]
        )
    entry = _entry(uid, plan, given, language, text=text, link=link)
    return _file(ics.published(entry, now=now), "reminder.ics")


def _campaign(slug: str, now: datetime) -> Campaign:
    found = (
        queries.get_running_campaign(slug, now=now)
        if slug
        else queries.get_running_campaigns(now=now).first()
    )
    if found is None:
        raise InvalidWish("There is no appeal at the moment.", code="campaign_ended", fields=("campaign",))
    return found


def address(what: Mapping[str, Any], *, now: datetime) -> str:
    """
    Where the file with such an entry is had, in the active language; "" if a calendar cannot hold it.

    An appeal that is over is left out, with what was meant for it.

    :raises InvalidWish: there is no other one either.
    """
    asked = {**what, "locale": translation.get_language()}
    try:
        _campaign(str(what.get("campaign", "")), now)
    except InvalidWish:
        asked = {name: value for name, value in asked.items() if name not in _WISH}
        _campaign("", now)
    wanted = EntryInput(data=asked)
    try:
        wanted.is_valid(raise_exception=True)
        wanted.plan(now=now)
    except serializers.ValidationError:
        return ""
    return f"{reverse('reminders-api:calendar')}?{urlencode(asked)}"


def cancelled(wanted: StatedEntryInput, *, now: datetime) -> HttpResponse:
    """The file that takes the entry out of a calendar again, whatever became of its campaign; valid input only."""
    given, entry = wanted.validated_data, stated(wanted)
    language = emails.supported_language(given.get("locale") or settings.LANGUAGE_CODE)
    written = ics.cancelled(_entry(entry.uid, entry.plan, given, language), now=now)
    return _file(written, "reminder-cancelled.ics")


def change_url(entry: Stated, wish: dict[str, Any], language: str) -> str:
    """The page on which a reader changes or cancels an entry: all that it takes is in the address."""
    plan = entry.plan
    what = {"uid": entry.uid, "day": plan.day.isoformat()}
    rhythm = {"every": plan.every_months} if plan.every_months else {}
    if plan.every_months and plan.anchor_day != plan.day.day:
        rhythm["anchor"] = plan.anchor_day
    query = urlencode({**what, **rhythm, **wish, "lang": language})
    return f"{settings.PUBLIC_BASE_URL}{reverse('reminders:calendar')}?{query}"


def _uid(slug: str, plan: calendar.Plan) -> uuid.UUID:
    """
    The same for everybody who wants the same: it tells nothing of who it was, and taken twice it is one entry.

    (RFC 7986, 5.3: a UUID, and nothing in it that names a person or a machine.)
    """
    what = f"{settings.PUBLIC_BASE_URL}/reminders/calendar/{slug}/{plan.day}/{plan.every_months}"
    return uuid.uuid5(uuid.NAMESPACE_URL, what)


def _entry(
    uid: uuid.UUID,
    plan: calendar.Plan,
    place: dict[str, Any],
    language: str,
    *,
    text: str = "",
    link: str = "",
) -> ics.Entry:
    return ics.Entry(
        uid=uid,
        plan=plan,
        zone=zones.of_reader(time_zone=place.get("time_zone", ""), country=place.get("country", "")),
        title=letters.calendar_words(language).title % {"newsroom": settings.NEWSROOM_NAME},
        organizer=(settings.NEWSROOM_NAME, settings.NEWSROOM_SUPPORT_EMAIL),
        text=text,
        link=link,
    )


def _file(body: str, name: str) -> HttpResponse:
    response = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
