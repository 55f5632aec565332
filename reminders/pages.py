"""
The pages that readers see: asking for a reminder, and the ones to which the links in mails and calendars lead.

A GET only shows what a button would do, for programs that check mails follow every link; a POST does it. The code
in the address is all that is needed: no cookie, no account. A code that is no good gets the same page always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.serializers import ValidationError

from donations import pages
from donations.errors import InvalidWish
from members import clock, emails, typos
from reminders import calendar, entries, form, letters, serializers, services
from reminders.codes import Purpose
from reminders.models import Reminder
from reminders.services import Wish

_PLACE = ("time_zone", "country")
_NEW = "new_"  # what an entry is changed to, beside what it is
_CHOICES = (
    serializers.NEXT_MONTH,
    serializers.IN_3_MONTHS,
    "every_1_month",
    "every_3_months",
    "every_12_months",
)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form on which a reader asks to be reminded later."""
    now = clock.now()
    with translation.override(pages.language_of(request)):
        given = request.POST if request.method == "POST" else request.GET
        wish = _wish(given)
        filled = form.read(given)
        if request.method != "POST":
            return _form(request, wish, filled, now)
        outcome = form.take(request, wish=wish, filled=filled, component="support_page", now=now)
        if outcome.faults:
            return _form(request, wish, filled, now, faults=outcome.faults)
        return pages.SeeOther(outcome.address)


def _calendar_file(what: Mapping[str, str], now: datetime) -> str:
    """Where the same is had for the reader's own calendar; "" while there is nothing to support."""
    try:
        return entries.address(what, now=now)
    except InvalidWish:
        return ""


def _wish(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given[name][:64] for name in form.WISH if given.get(name)}


def _form(
    request: HttpRequest,
    wish: dict[str, str],
    filled: form.Filled,
    now: datetime,
    *,
    faults: frozenset[str] = frozenset(),
) -> HttpResponse:
    is_outage = filled.remind == serializers.WHEN_PAYMENTS_WORK
    names = ((serializers.WHEN_PAYMENTS_WORK,) if is_outage else ()) + _CHOICES
    aside = form.shown(filled, names, now=now, faults=faults)
    file = _calendar_file({**wish, "remind": serializers.NEXT_MONTH}, now)
    shown = {"wish": wish, "aside": aside, "calendar_file": file}
    return pages.show(request, "reminders/new.html", shown, status=400 if faults else 200)


@require_safe
def asked(request: HttpRequest) -> HttpResponse:
    """What was promised, in words, and the same for the reader's own calendar; the same page for everybody."""
    now = clock.now()
    with translation.override(pages.language_of(request)):
        place = {name: request.GET[name] for name in ("time_zone",) if request.GET.get(name)}
        wanted = serializers.WhenInput(data={"remind": request.GET.get("remind", ""), **place})
        try:
            wanted.is_valid(raise_exception=True)
            plan = wanted.plan(now=now)
        except ValidationError:
            return pages.show(request, "reminders/no_good.html", {}, status=404)
        language = translation.get_language()
        wished = Wish(email="", kind=wanted.kind, plan=plan, consent_version="", locale=language)
        remind, wish = request.GET["remind"], _wish(request.GET)
        typed = request.GET.get("typed", "")
        shown = {
            "promise": serializers.promise(wished),
            "calendar_file": _calendar_file({**wish, **place, "remind": remind}, now),
            "typed": typed,
            "meant": typos.meant(typed),
            "again": urlencode({**wish, "remind": remind, "lang": language}),
        }
        return pages.show(request, "reminders/asked.html", shown)


@require_safe
def entry(request: HttpRequest) -> HttpResponse:
    """
    Where the link in a calendar entry leads: the file that changes it, or that cancels it.

    A GET gives the files as well, for nothing changes here: what happens, happens in the reader's calendar.
    """
    now = clock.now()
    with translation.override(pages.language_of(request)):
        language = translation.get_language()
        given = request.GET.dict()
        stated = entries.StatedEntryInput(
            data={
                **{
                    name: given[name]
                    for name in ("uid", "day", "every", "anchor", *_PLACE)
                    if given.get(name)
                },
                "locale": language,
            }
        )
        if not stated.is_valid():
            return pages.show(request, "reminders/no_good.html", {}, status=404)
        if given.get("act") == "cancel":
            return entries.cancelled(stated, now=now)
        filled = form.read(given, prefix=_NEW)
        kept = {name: given[name] for name in ("uid", *_PLACE) if given.get(name)}
        faults: frozenset[str] = frozenset()
        if given.get("act") == "change":
            try:
                file = entries.address({**_wish(given), **kept, "remind": filled.when}, now=now)
            except InvalidWish:
                return pages.show(request, "reminders/over.html", {"has_no_appeal": True}, status=410)
            if file:
                return pages.SeeOther(file)
            faults = frozenset({"remind"})
        plan = entries.stated(stated).plan
        shown = {
            "stated": {
                name: value
                for name, value in given.items()
                if name not in ("act", "remind", "lang") and not name.startswith(_NEW)
            },
            "when": form.day_and_rhythm(plan),
            "aside": {
                **form.shown(filled, _CHOICES, now=now, faults=faults, of_calendar=True),
                "prefix": _NEW,
            },
        }
        return pages.show(request, "reminders/entry.html", shown, status=400 if faults else 200)


# --- Where the links in mails lead


@dataclass(frozen=True, slots=True)
class _Words:
    """What a page says: what its button does, and afterwards that it is done."""

    title: str
    text: str
    button: str
    done: str


View = Callable[[HttpRequest, str], HttpResponse]


def _page(
    purpose: Purpose,
    verb: Callable[..., Reminder | None],
    words: Callable[[Reminder, bool], _Words],
    *,
    one_click: bool = False,
) -> View:
    """
    A page with one button, for whoever holds a code of that purpose.

    :param words: in the active language; told whether it is done.
    :param one_click: a mail program's own button posts here as well, with `List-Unsubscribe=One-Click` (RFC 8058);
        our page's own sends `act=yes`, and any other POST shows the page.
    """

    @csrf_exempt
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest, code: str) -> HttpResponse:
        reminder = services.find(purpose, code)
        with translation.override(pages.language_of(request, reminder.locale if reminder else "")):
            if reminder is None:
                return pages.show(request, "reminders/no_good.html", {}, status=404)
            is_meant = request.POST.get("act") == "yes" or (
                one_click and request.POST.get("List-Unsubscribe") == "One-Click"
            )
            if request.method != "POST" or not is_meant:
                shown = {"words": words(reminder, False), "is_done": False}
                return pages.show(request, "reminders/act.html", shown)
            done = verb(code=code, now=clock.now())
            if done is None:
                return pages.show(request, "reminders/over.html", {}, status=410)
            return pages.show(request, "reminders/act.html", {"words": words(done, True), "is_done": True})

    return view


def _confirm(reminder: Reminder, is_done: bool) -> _Words:
    return _Words(
        title=_("Shall we remind you?"),
        text=_when(reminder),
        button=_("Yes, remind me"),
        done=_("We will remind you"),
    )


def _stop(reminder: Reminder, is_done: bool) -> _Words:
    return _Words(
        title=_("Stop this reminder?"),
        text=_("You will get no more e-mails of this reminder."),
        button=_("Stop reminding me"),
        done=_("This reminder is stopped"),
    )


def _move(reminder: Reminder, is_done: bool) -> _Words:
    return _Words(
        title=_("Next month instead?"),
        text=_when(reminder) if is_done else _("We will write to you once more next month."),
        button=_("Remind me next month"),
        done=_("We will remind you next month"),
    )


def _unsubscribe(reminder: Reminder, is_done: bool) -> _Words:
    return _Words(
        title=_("No more reminders?"),
        text=_("You will get no reminders from us any more. Receipts for gifts still come."),
        button=_("No more reminders"),
        done=_("You will get no more reminders"),
    )


def _when(reminder: Reminder) -> str:
    language = translation.get_language()
    plan = calendar.Plan(
        calendar.day_in(reminder.period, reminder.anchor_day),
        reminder.anchor_day,
        reminder.frequency_months or 0,
    )
    return letters.promise(plan, mails=reminder.mails_promised, language=emails.supported_language(language))


confirm = _page(Purpose.CONFIRM, services.confirm, _confirm)
stop = _page(Purpose.STOP, services.cancel, _stop)
next_month = _page(Purpose.STOP, services.move_to_next_month, _move)
unsubscribe = _page(Purpose.UNSUBSCRIBE, services.cancel_all, _unsubscribe, one_click=True)
