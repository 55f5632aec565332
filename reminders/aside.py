""" "Not ready to support today? Remind me later": the form at the foot of the support page (`donations.asides`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import urlencode

from donations import asides, pages
from reminders import entries, form, serializers

_NAMES = (serializers.NEXT_MONTH, serializers.IN_3_MONTHS, "every_3_months")
_PREFIX = "remind_"  # its fields lie in the giving form, which has an e-mail of its own
BUTTON = "remind_by"


def register() -> None:
    """Put it onto the support page."""
    asides.register(
        asides.Aside(
            template="reminders/aside.html", draw=_draw, is_meant=_is_meant, answer=_answer, offer=_offer
        )
    )


def _is_meant(request: HttpRequest) -> bool:
    """
    One of its buttons was pressed; or an address was typed into it and then Enter, which is to a browser as good
    as the form's first button, "Continue". Nobody is led to a payment by that.
    """
    post = request.POST
    return BUTTON in post or ("gift_meant" not in post and bool(post.get("remind_email", "").strip()))


def _draw(wish: asides.Wish, is_outage: bool, now: datetime) -> Mapping[str, Any]:
    filled = form.Filled(remind=serializers.WHEN_PAYMENTS_WORK) if is_outage else form.Filled()
    return _shown(wish, filled, now, is_outage=is_outage)


def _offer(now: datetime) -> dict[str, Any]:
    return {
        "choices": [
            {"value": choice.value, "label": choice.label, "promise": choice.promise}
            for choice in form.choices(_NAMES, now=now)
        ],
        "calendar": True,
        "consent_version": settings.REMINDER_CONSENT_VERSION,
    }


def _answer(request: HttpRequest, wish: asides.Wish, now: datetime) -> HttpResponse | Mapping[str, Any]:
    filled = form.read(request.POST, prefix=_PREFIX)
    is_outage = filled.remind == serializers.WHEN_PAYMENTS_WORK
    plain = {name: wish[name] for name in form.WISH if name in wish}
    if BUTTON not in request.POST:
        return {**_shown(wish, filled, now, is_outage=is_outage), "asks_which": True}
    if request.POST[BUTTON] == "calendar":
        file = entries.address({**plain, **filled.place, "remind": filled.when}, now=now)
        return pages.SeeOther(file) if file else _shown(wish, filled, now, faults=frozenset({"remind"}))
    outcome = form.take(request, wish=plain, filled=filled, component="support_page", now=now)
    if outcome.faults:
        return _shown(wish, filled, now, faults=outcome.faults, is_outage=is_outage)
    return pages.SeeOther(outcome.address)


def _shown(
    wish: asides.Wish,
    filled: form.Filled,
    now: datetime,
    *,
    faults: frozenset[str] = frozenset(),
    is_outage: bool = False,
) -> dict[str, Any]:
    names = ((serializers.WHEN_PAYMENTS_WORK,) if is_outage else ()) + _NAMES
    return {
        **form.shown(filled, names, now=now, faults=faults),
        "prefix": _PREFIX,
        "is_open": is_outage or bool(faults) or bool(filled.email),
        "has_calendar": not is_outage,
        "more": urlencode(wish),
    }
