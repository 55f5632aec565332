"""What pages say about changes: why one was not made, in words that help, and the reasons that can be named."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from donations import letters, pages, pauses
from donations.errors import (
    ChangeAtWork,
    ChangedMeanwhile,
    DonationError,
    HasEnded,
    InvalidWish,
    NotOneTime,
    NotPossibleNow,
    PaymentsUnavailable,
    TooLateForOneTime,
)
from donations.models import ContributionChange
from donations.standing import Picture

Kind, Reason = ContributionChange.Kind, ContributionChange.Reason
_REASONS = {
    Reason.TOO_EXPENSIVE: gettext_lazy("I cannot afford it at the moment"),
    Reason.SELDOM_READ: gettext_lazy("I seldom read it"),
    Reason.COVERAGE: gettext_lazy("I am not content with the reporting"),
    Reason.ELSEWHERE: gettext_lazy("I support others now"),
    Reason.PAYMENT: gettext_lazy("There was trouble with payments"),
    Reason.SAFETY: gettext_lazy("It is not safe for me"),
    Reason.OTHER: gettext_lazy("Another reason"),
}
_OF_AMOUNTS = {
    "amount_too_small": gettext_lazy("This amount is less than the least one that is taken."),
    "amount_too_large": gettext_lazy("This amount is more than the largest one that is taken."),
    "amount_not_chargeable": gettext_lazy("This amount cannot be charged. Please choose a round one."),
    "interval_not_offered": gettext_lazy("This interval is not offered for your currency."),
    "card_declined": gettext_lazy("Your bank did not accept it. Nothing was changed."),
    "unchanged": gettext_lazy("It is so already. Nothing was changed."),
}


def reasons() -> list[tuple[str, str]]:
    """Why a contribution may be stopped, to choose from: the value and the words, in the active language."""
    return [(reason.value, str(_REASONS[reason])) for reason in Reason]


def reason_text(reason: str) -> str:
    """The words for a reason; "" for none."""
    return str(_REASONS[Reason(reason)]) if reason else ""


def explain(error: DonationError) -> str:
    """Why nothing was changed, in the active language."""
    if isinstance(error, PaymentsUnavailable):
        return _("Our payment partner does not answer. Nothing was changed. Please try again in a minute.")
    if isinstance(error, ChangeAtWork):
        return _("Another change is being made this very moment. Please try again in a minute.")
    if isinstance(error, ChangedMeanwhile):
        return _("Something has changed meanwhile, so nothing was done. Please look again, and decide anew.")
    if isinstance(error, HasEnded):
        return _("This contribution has ended. You can give again at any time.")
    if isinstance(error, InvalidWish):
        return str(_OF_AMOUNTS.get(error.code, _("This is not possible. Please choose something else.")))
    if isinstance(error, NotPossibleNow | NotOneTime | TooLateForOneTime):
        if error.code == "too_late":
            return _("It is too late for this. Nothing was changed.")
        return _("As your contribution stands now, this is not possible. Nothing was changed.")
    return _("This does not work now. Nothing was changed. Please write to us, so that we can help.")


def status_of(error: DonationError) -> int:
    """The status of a page that says why nothing was changed; the API's would be the same."""
    if isinstance(error, PaymentsUnavailable):
        return 503
    if isinstance(error, NotPossibleNow | NotOneTime | TooLateForOneTime | ChangeAtWork | ChangedMeanwhile):
        return 409
    return 400 if isinstance(error, InvalidWish) else 502


def answer(request: HttpRequest, template: str, shown: dict[str, Any], error: DonationError) -> HttpResponse:
    """A page that says so."""
    status = status_of(error)
    response = pages.show(request, template, shown, status=status)
    if status == 503:
        response["Retry-After"] = pages.RETRY_AFTER
    return response


def done_text(change: ContributionChange) -> str:
    """What was changed, as a sentence in the active language."""
    language = translation.get_language()
    after = Picture.of(change.after)
    match change.kind:
        case Kind.PAUSE if after.resumes is not None:
            following = pauses.payment_after(change.contribution.subscription, after.resumes)
            if following is not None:
                return _("Your contribution is paused. The next payment is planned for %(day)s.") % {
                    "day": letters.day_text(following, language)
                }
            return _("Your contribution is paused.")
        case Kind.PAUSE:
            return _("Your contribution is paused.")
        case Kind.RESUME | Kind.KEEP:
            return _("Your contribution goes on. Thank you!")
        case Kind.STOP:
            if after.is_ended or after.ends is None:
                return _("No further payment will be taken. Thank you for what you have given!")
            return _("No further payment is taken. What you have paid for lasts until %(day)s.") % {
                "day": letters.day_text(after.ends, language)
            }
        case Kind.WITHDRAWAL:
            return _("We have received your withdrawal. You get everything back.")
    total = after.total.format(language)
    if after.next_at:
        day = letters.day_text(datetime.fromisoformat(after.next_at), language)
        if after.interval == "year":
            return _("From %(day)s on you give %(sum)s each year.") % {"day": day, "sum": total}
        return _("From %(day)s on you give %(sum)s each month.") % {"day": day, "sum": total}
    if after.interval == "year":
        return _("From the next payment on you give %(sum)s each year.") % {"sum": total}
    return _("From the next payment on you give %(sum)s each month.") % {"sum": total}
