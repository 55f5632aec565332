"""
The page to which the question about a second charge leads: undo it, or keep both.

The link is all that is needed. A GET only shows what the buttons would do; a POST with a button's value does it.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from donations import doubles, letters, links, pages
from donations.models import DoubleCharge
from members import clock

State = DoubleCharge.State


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def double(request: HttpRequest, token: str) -> HttpResponse:
    """Say which gift is asked about; give it back, or keep it, after a press of a button."""
    try:
        notice = _notice(links.DOUBLE.read(token))
    except links.BadLink as error:
        with translation.override(pages.language_of(request)):
            return pages.show(
                request,
                "support/double_link.html",
                {"is_old": error.is_old},
                status=410 if error.is_old else 400,
            )
    contribution = notice.second.contribution
    with translation.override(pages.language_of(request, contribution.locale, contribution.campaign.locale)):
        return _answer(request, notice)


def _answer(request: HttpRequest, notice: DoubleCharge) -> HttpResponse:
    act = request.POST.get("act") if request.method == "POST" else None
    now = clock.now()
    outcome = ""
    try:
        if act == "undo":
            outcome = "undone" if doubles.undo(notice, now=now) else "undoing"
        elif act == "keep":
            doubles.keep(notice, now=now)
            outcome = "kept"
    except doubles.TooLate:
        notice.refresh_from_db()
    outcome = outcome or {
        State.UNDONE: "undone",
        State.UNDOING: "undoing",
        State.REFUSED: "refused",
        State.KEPT: "kept",
    }.get(State(notice.state), "")
    return pages.show(request, "support/double.html", {**_shown(notice), "outcome": outcome})


def _shown(notice: DoubleCharge) -> dict[str, Any]:
    language = translation.get_language()
    first, second = notice.first, notice.second
    is_theirs = notice.match == DoubleCharge.Match.MEMBER
    return {
        "first": first.amount.format(language) if is_theirs else "",
        "first_on": doubles.first_day(first, second, language) if is_theirs else "",
        "second": second.amount.format(language),
        "second_on": letters.day_text(second.paid_at, language) if second.paid_at else "",
        "interval": second.contribution.interval,
    }


def _notice(pk: int) -> DoubleCharge:
    found = (
        DoubleCharge.objects.select_related("first", "second__contribution__campaign").filter(pk=pk).first()
    )
    if found is None:
        raise links.BadLink
    return found
