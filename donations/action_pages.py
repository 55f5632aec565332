"""
Pages to which the links of mails lead that do one thing: leave out a payment, give less, meant once; and undo.

The link is all that is needed: no cookie, no account. A GET only shows what the button would do, for programs that
check mails follow every link; a POST with the button's value does it. For a day the same page undoes it.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from donations import change_texts, letters, links, pages, pauses, services, standing, stopping, wishes
from donations.errors import DonationError, HasEnded, InvalidWish
from donations.models import Contribution, ContributionChange, Subscription
from donations.money import Money
from members import clock

State = ContributionChange.State


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def action(request: HttpRequest, token: str) -> HttpResponse:
    """Do the one thing that the link is for, after a press of a button; and undo it, for a day."""
    try:
        subscription, what, occasion = _read(token)
    except links.BadLink as error:
        return _no_link(request, is_old=error.is_old)
    contribution = subscription.contribution
    once = f"link:{what}:{occasion}"[:100]
    with translation.override(pages.language_of(request, contribution.locale, contribution.campaign.locale)):
        try:
            made = contribution.changes.filter(once=once, state__in=[State.TAKEN, State.CONFIRMED]).first()
            if made is not None:
                return _made_page(request, made)
            return _action_page(request, subscription, what, once)
        except HasEnded:
            return pages.show(request, "support/stop_ended.html", _ways(subscription), status=410)
        except DonationError as error:
            shown = {**_ways(subscription), "notice": change_texts.explain(error)}
            return change_texts.answer(request, "support/action.html", shown, error)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Let it be as it was before one change, while that is possible."""
    try:
        pk = links.UNDO.read(token)
        change = (
            ContributionChange.objects.select_related("contribution__campaign", "contribution__subscription")
            .filter(pk=pk)
            .first()
        )
        if change is None:
            raise links.BadLink
    except links.BadLink as error:
        return _no_link(request, is_old=error.is_old)
    contribution = change.contribution
    with translation.override(pages.language_of(request, contribution.locale, contribution.campaign.locale)):
        try:
            return _made_page(request, change)
        except HasEnded:
            shown = _ways(contribution.subscription)
            return pages.show(request, "support/stop_ended.html", shown, status=410)
        except DonationError as error:
            shown = {**_ways(contribution.subscription), "notice": change_texts.explain(error)}
            return change_texts.answer(request, "support/action.html", shown, error)


def _read(token: str) -> tuple[Subscription, str, str]:
    """What a link says. Raises BadLink."""
    value = links.ACTION.read(token)
    if not isinstance(value, list) or len(value) != 3 or value[1] not in links.ACTIONS:
        raise links.BadLink
    pk, what, occasion = value
    found = Subscription.objects.select_related("contribution__campaign").filter(pk=pk).first()
    if found is None:
        raise links.BadLink
    return found, str(what), str(occasion)


def _no_link(request: HttpRequest, *, is_old: bool) -> HttpResponse:
    with translation.override(pages.language_of(request)):
        status = 410 if is_old else 400
        return pages.show(request, "support/action_link.html", {"is_old": is_old}, status=status)


# --- Before ---------------------------------------------------------------------------------------------


def _action_page(request: HttpRequest, subscription: Subscription, what: str, once: str) -> HttpResponse:
    if subscription.state == Subscription.State.CANCELLED:
        raise HasEnded("This contribution has ended.")
    contribution, now = subscription.contribution, clock.now()
    is_pressed = request.method == "POST" and request.POST.get("act") == "do"
    by = wishes.Actor(wishes.LINK.name, once=once)
    shown = _ways(subscription)
    if what == links.ONCE:
        if is_pressed:
            services.make_one_time(contribution.public_id, now=now)
            return pages.show(
                request, "support/action_done.html", {**shown, "said": _made_once(subscription)}
            )
        if not stopping.can_be_made_one_time(contribution, now=now):
            return _not_now(request, shown, _("This is possible for 48 hours after the first payment."))
        return pages.show(request, "support/action.html", {**shown, **_once_words(subscription)})
    if what == links.LOWER:
        stands = standing.get(contribution)
        offered = wishes.lower_amounts(stands)
        if is_pressed:
            amount = _chosen(request.POST.get("amount", ""), offered)
            made = wishes.change_terms(contribution, amount=amount, by=by, now=now)
            return _show_made(request, made)
        if not offered:
            return _not_now(request, shown, _("You give the least amount that we can take. Thank you!"))
        return pages.show(request, "support/action.html", {**shown, **_lower_words(stands, offered)})
    if is_pressed:
        return _show_made(request, wishes.pause(contribution, payments=1, by=by, now=now))
    return pages.show(request, "support/action.html", {**shown, **_skip_words(subscription)})


def _not_now(request: HttpRequest, shown: dict[str, Any], why: str) -> HttpResponse:
    return pages.show(request, "support/action.html", {**shown, "notice": why}, status=409)


def _chosen(text: str, offered: list[Money]) -> Money:
    for money in offered:
        if str(money.minor) == text:
            return money
    raise InvalidWish("Choose one of the amounts.", code="invalid", fields=("amount",))


def _ways(subscription: Subscription) -> dict[str, Any]:
    """What all of these pages show of a contribution, and where its reader can go from here."""
    language = translation.get_language()
    return {
        "amount": subscription.amount.format(language),
        "interval": subscription.interval,
        "stop_url": links.stop_page(subscription),
        "again_url": links.again(subscription.contribution, locale=language),
    }


def _skip_words(subscription: Subscription) -> dict[str, Any]:
    language = translation.get_language()
    _until, following = pauses.resumes_at(subscription, 1)
    left_out = [moment for moment in pauses.payments_to_come(subscription, 24) if moment < following][-1]
    facts = [
        (_("Left out"), letters.day_text(left_out, language)),
        (_("Next payment"), letters.day_text(following, language)),
    ]
    return {
        "title": _("Leave out the next payment?"),
        "lead": _("It goes on by itself after that, and we write to you before."),
        "facts": facts,
        "button": _("Leave out the payment"),
    }


def _lower_words(stands: standing.Standing, offered: list[Money]) -> dict[str, Any]:
    language = translation.get_language()
    return {
        "title": _("Give less?"),
        "lead": _("The smaller amount counts from the next payment on. What is paid stays as it is."),
        "choices": [(money.minor, money.format(language)) for money in offered],
        "covers_fees": stands.now.covers_fees,
        "button": _("Give this amount"),
    }


def _once_words(subscription: Subscription) -> dict[str, Any]:
    return {
        "title": _("Make it a one-time gift?"),
        "lead": _(
            "Nothing more will be charged. What you have given stays a gift, and what it brings you stays yours."
        ),
        "button": _("Make it a one-time gift"),
    }


def _made_once(subscription: Subscription) -> str:
    return _("Your gift is a one-time gift now. Nothing more will be charged. Thank you for it!")


# --- After ----------------------------------------------------------------------------------------------


def _made_page(request: HttpRequest, change: ContributionChange) -> HttpResponse:
    """What was changed, with the button that undoes it; and what came of pressing that."""
    now = clock.now()
    if request.method == "POST" and request.POST.get("act") == "undo":
        wishes.undo(change, by=wishes.LINK, now=now)
        shown = {**_ways(_subscription_of(change.contribution)), "said": _("It is as it was before.")}
        return pages.show(request, "support/action_done.html", shown)
    return _show_made(request, change)


def _show_made(request: HttpRequest, change: ContributionChange) -> HttpResponse:
    contribution = change.contribution
    subscription = _subscription_of(contribution)
    shown = _ways(subscription)
    if change.undone_by.filter(state__in=[State.TAKEN, State.CONFIRMED]).exists():
        shown["said"] = _("It is as it was before.")
    else:
        shown["said"] = change_texts.done_text(change)
        shown["can_undo"] = wishes.can_undo(change, now=clock.now())
        shown["is_over"] = not shown["can_undo"]
    return pages.show(request, "support/action_done.html", shown)


def _subscription_of(contribution: Contribution) -> Subscription:
    return Subscription.objects.select_related("contribution__campaign").get(contribution=contribution)
