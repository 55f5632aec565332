"""
Pages to which mails about a recurring contribution lead: stop it, give it again.

The link is all that is needed: no cookie, no account. A GET only shows what a button would do, for programs that
check mails follow every link; a POST with the button's value does it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from donations import change_texts, letters, links, pages, queries, stopping, wishes
from donations.errors import DonationError, GoneAtStripe, HasEnded, UnknownContribution
from donations.models import Contribution, ContributionChange, Subscription
from members import clock


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """End one contribution, after a press of a button; and, until it has ended, let it go on after all."""
    try:
        subscription = _subscription(links.STOP.read(token))
    except links.BadLink as error:
        with translation.override(pages.language_of(request)):
            what = {"is_old": error.is_old, "is_stop": True}
            return pages.show(request, "support/card_link.html", what, status=410 if error.is_old else 400)
    contribution = subscription.contribution
    with translation.override(pages.language_of(request, contribution.locale, contribution.campaign.locale)):
        try:
            return _stop_page(request, subscription)
        except (HasEnded, UnknownContribution, GoneAtStripe):
            return pages.show(request, "support/stop_ended.html", _shown(subscription), status=410)
        except DonationError as error:
            shown = {**_shown(subscription), "notice": change_texts.explain(error)}
            return change_texts.answer(request, "support/stop.html", shown, error)


def _stop_page(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    shown = _shown(subscription)
    if subscription.state == Subscription.State.CANCELLED:
        raise UnknownContribution("This contribution has ended.")
    act = request.POST.get("act") if request.method == "POST" else None
    contribution, now = subscription.contribution, clock.now()
    if act == "stop":
        reason = request.POST.get("reason", "")
        is_known = reason in ContributionChange.Reason.values
        wishes.stop(contribution, reason=reason if is_known else "", by=wishes.LINK, now=now)
        return pages.show(request, "support/stopped.html", shown)
    if act == "keep":
        wishes.keep(contribution, by=wishes.LINK, now=now)
        return pages.show(request, "support/kept.html", shown)
    if subscription.cancel_at is not None and not shown["at_once"]:
        return pages.show(request, "support/stopped.html", shown)
    return pages.show(request, "support/stop.html", shown)


def _shown(subscription: Subscription) -> dict[str, Any]:
    language = translation.get_language()
    until = subscription.cancel_at or stopping.paid_until(subscription)
    return {
        "amount": subscription.amount.format(language),
        "interval": subscription.interval,
        "until": letters.day_text(until, language) if until else "",
        "at_once": stopping.how_it_would_end(subscription) is stopping.Ending.AT_ONCE,
        "again_url": links.again(subscription.contribution, locale=language),
        "reasons": change_texts.reasons(),
    }


@require_safe
def again(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """To the appeal, filled in as the contribution was last; if that appeal is over, to one that runs."""
    found = (
        Contribution.objects.select_related("campaign", "subscription").filter(public_id=public_id).first()
    )
    if found is None:
        raise Http404
    now = clock.now()
    campaign = found.campaign
    if not (campaign.is_published and campaign.is_running(now)):
        running = queries.get_running_campaigns(now=now).order_by("starts_at", "pk").last()
        campaign = running or campaign
    subscription: Subscription | None = getattr(found, "subscription", None)
    # What the reader gives is filled in without the fee, which the form offers to add.
    is_changed = subscription is not None and subscription.amount != found.total
    amount = subscription.amount if subscription and is_changed else found.amount
    wish: dict[str, str | int] = {
        "amount": amount.minor,
        "interval": subscription.interval if subscription else found.interval,
        "currency": amount.currency,
        "lang": pages.language_of(request, found.locale),
    }
    return redirect(f"{reverse('support:page', args=[campaign.slug])}?{urlencode(wish)}")


def _subscription(pk: int) -> Subscription:
    found = Subscription.objects.select_related("contribution__campaign").filter(pk=pk).first()
    if found is None:
        raise links.BadLink
    return found
