"""
The pages that readers see: asking for a reminder, and the ones to which the links in mails lead.

A GET only shows what a button would do, for programs that check mails follow every link; a POST does it. The code
in the address is all that is needed: no cookie, no account. A code that is no good gets the same page always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.serializers import ValidationError

from donations import pages
from donations.errors import InvalidWish
from members import clock, emails
from reminders import calendar, letters, serializers, services, throttle, zones
from reminders.codes import Purpose
from reminders.models import Reminder
from reminders.services import Wish

_WISH = ("campaign", "interval", "amount", "currency")
_CHOICES = (
    serializers.NEXT_MONTH,
    serializers.IN_3_MONTHS,
    "every_1_month",
    "every_3_months",
    "every_12_months",
)
_LONGEST = 300


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form on which a reader asks to be reminded later."""
    with translation.override(pages.language_of(request)):
        given = request.POST if request.method == "POST" else request.GET
        wish = {name: given[name][:64] for name in _WISH if given.get(name)}
        filled = {
            "email": given.get("email", "").strip()[:_LONGEST],
            "remind": given.get("remind", serializers.NEXT_MONTH)[:20],
            "day": given.get("day", "")[:10],
        }
        if request.method != "POST":
            return _form(request, wish, filled)
        if filled["remind"] == "on_day":
            filled["remind"] = filled["day"]
        return _ask(request, wish, filled)


def _ask(request: HttpRequest, wish: dict[str, str], filled: dict[str, str]) -> HttpResponse:
    now = clock.now()
    language = translation.get_language()
    body: dict[str, Any] = {
        **_typed(wish),
        "email": filled["email"],
        "remind": filled["remind"],
        "locale": language,
        "consent_version": settings.REMINDER_CONSENT_VERSION,
        "source": {"component": "support_page"},
    }
    wanted = serializers.ReminderInput(data=body)
    try:
        wanted.is_valid(raise_exception=True)
        wished = wanted.wish(now=now)
        services.check(wished, now=now)
    except (ValidationError, InvalidWish) as error:
        fields = {
            str(name) for name in (error.detail if isinstance(error, ValidationError) else error.fields)
        }
        if fields & {"email", "remind"}:
            return _form(request, wish, filled, faults=fields, status=400)
        if not wish:
            raise
        # The wish in the link is too old to be taken: the reader is reminded all the same.
        return _ask(request, {}, filled)
    if throttle.allows(request, email=wished.email, now=now):
        services.ask_for_reminder(wish=wished, now=now)
    query = urlencode({**wish, "remind": filled["remind"], "lang": language})
    return pages.SeeOther(f"{reverse('reminders:asked')}?{query}")


def _typed(wish: dict[str, str]) -> dict[str, Any]:
    amount = wish.get("amount", "")
    if not amount:
        return dict(wish)
    return {
        **wish,
        "amount": int(amount) if amount.isascii() and amount.isdigit() and len(amount) < 14 else amount,
    }


def _form(
    request: HttpRequest,
    wish: dict[str, str],
    filled: dict[str, str],
    *,
    faults: set[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    today = clock.now().astimezone(zones.of_reader(time_zone="", country="")).date()
    language = translation.get_language()
    choices = [
        (
            name,
            letters.promise(
                serializers.planner(_remind(name))(today),
                mails=1 if name.startswith("every") else settings.REMINDER_MAILS,
                language=language,
            ),
        )
        for name in _CHOICES
    ]
    if filled["remind"] == serializers.WHEN_PAYMENTS_WORK:
        choices.insert(0, (serializers.WHEN_PAYMENTS_WORK, letters.outage_promise(language)))
    is_day = filled["remind"] not in [name for name, _words in choices]
    shown = {
        "wish": wish,
        "filled": filled,
        "choices": choices,
        "is_day": is_day,
        "first_day": calendar.add_months(today, 0).replace(day=today.day).isoformat(),
        "faults": faults or set(),
        "calendar_query": urlencode({**wish, "remind": serializers.NEXT_MONTH, "locale": language}),
        "may_confirm": settings.REMINDER_CONFIRM_ONE_OFF or settings.REMINDER_CONFIRM_RECURRING,
    }
    return pages.show(request, "reminders/new.html", shown, status=status)


def _remind(name: str) -> str | int:
    found = serializers.RemindField().run_validation(name)
    assert isinstance(found, str | int), "what the field makes"
    return found


@require_safe
def asked(request: HttpRequest) -> HttpResponse:
    """What was promised, in words, and the same for the reader's own calendar; the same page for everybody."""
    with translation.override(pages.language_of(request)):
        language = translation.get_language()
        wanted = serializers.WhenInput(data={"remind": request.GET.get("remind", "")})
        try:
            wanted.is_valid(raise_exception=True)
            plan = wanted.plan(now=clock.now())
        except ValidationError:
            return pages.show(request, "reminders/no_good.html", {}, status=404)
        wished = Wish(email="", kind=wanted.kind, plan=plan, consent_version="", locale=language)
        words = serializers.promise(wished)
        kept = {name: request.GET[name] for name in (*_WISH, "remind") if request.GET.get(name)}
        query = urlencode({**kept, "locale": language})
        shown = {"promise": words, "calendar_query": "" if wanted.kind == Reminder.Kind.OUTAGE else query}
        return pages.show(request, "reminders/asked.html", shown)


# --- Where the links in mails lead


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, code: str) -> HttpResponse:
    """The reader's yes."""

    def words(reminder: Reminder) -> dict[str, str]:
        return {
            "title": _("Shall we remind you?"),
            "text": _when(reminder),
            "button": _("Yes, remind me"),
            "done_title": _("We will remind you"),
        }

    return _act(request, code, Purpose.CONFIRM, services.confirm, words)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, code: str) -> HttpResponse:
    """No more mails of this reminder."""

    def words(reminder: Reminder) -> dict[str, str]:
        return {
            "title": _("Stop this reminder?"),
            "text": _("You will get no more e-mails of this reminder."),
            "button": _("Stop reminding me"),
            "done_title": _("This reminder is stopped"),
        }

    return _act(request, code, Purpose.STOP, services.cancel, words)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def next_month(request: HttpRequest, code: str) -> HttpResponse:
    """The same again next month."""

    def words(reminder: Reminder) -> dict[str, str]:
        return {
            "title": _("Next month instead?"),
            "text": _when(reminder)
            if request.method == "POST"
            else _("We will write to you once more next month."),
            "button": _("Remind me next month"),
            "done_title": _("We will remind you next month"),
        }

    return _act(request, code, Purpose.STOP, services.move_to_next_month, words)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, code: str) -> HttpResponse:
    """
    No reminders at all any more; what a mail program's own button posts to (RFC 8058).

    That button sends `List-Unsubscribe=One-Click`, our page's own sends `act=yes`; any other POST shows the page.
    """

    def words(reminder: Reminder) -> dict[str, str]:
        return {
            "title": _("No more reminders?"),
            "text": _("You will get no reminders from us any more. Receipts for gifts still come."),
            "button": _("No more reminders"),
            "done_title": _("You will get no more reminders"),
        }

    return _act(request, code, Purpose.UNSUBSCRIBE, services.cancel_all, words)


def _act(
    request: HttpRequest,
    code: str,
    purpose: Purpose,
    verb: Callable[..., Reminder | None],
    words: Callable[[Reminder], dict[str, str]],
) -> HttpResponse:
    reminder = services.find(purpose, code)
    with translation.override(pages.language_of(request, reminder.locale if reminder else "")):
        if reminder is None:
            return pages.show(request, "reminders/no_good.html", {}, status=404)
        is_meant = request.POST.get("act") == "yes" or (
            purpose is Purpose.UNSUBSCRIBE and request.POST.get("List-Unsubscribe") == "One-Click"
        )
        if request.method != "POST" or not is_meant:
            return pages.show(request, "reminders/act.html", {**words(reminder), "is_done": False})
        done = verb(code=code, now=clock.now())
        if done is None:
            return pages.show(request, "reminders/over.html", {}, status=410)
        return pages.show(request, "reminders/act.html", {**words(done), "is_done": True})


def _when(reminder: Reminder) -> str:
    language = translation.get_language()
    plan = calendar.Plan(
        calendar.day_in(reminder.period, reminder.anchor_day),
        reminder.anchor_day,
        reminder.frequency_months or 0,
    )
    return letters.promise(plan, mails=reminder.mails_promised, language=emails.supported_language(language))
