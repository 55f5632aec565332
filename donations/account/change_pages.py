"""
Pages on which a reader who is signed in changes a contribution.

Nothing needs a script. A GET changes nothing; each form says which state it was decided on, so that what somebody
else (or the same reader in another window) changed meanwhile is not lost. What was done is on the contribution's page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from donations import change_texts, forms, leavings, letters, pages, services, wishes, withdrawals
from donations.account import change_drawing, changes, queries
from donations.account.door import ReaderRequest, for_reader, show
from donations.errors import DonationError, InvalidWish, NotPossibleNow, UnknownContribution
from donations.models import Contribution, ContributionChange, Subscription
from donations.money import Money
from members import clock

Page = Callable[[ReaderRequest, Contribution], HttpResponse]


def _of_contribution(page: Page) -> Callable[..., HttpResponse]:
    """A page about one contribution of the reader's own; what cannot be done is explained on a page that leads back."""

    @wraps(page)
    def guarded(request: ReaderRequest, public_id: UUID) -> HttpResponse:
        contribution = queries.get_contribution(request.reader, public_id)
        try:
            return page(request, contribution)
        except UnknownContribution:
            raise
        except Subscription.DoesNotExist:
            return _refused(request, contribution, NotPossibleNow("It is given once."))
        except DonationError as error:
            return _refused(request, contribution, error)

    return for_reader(guarded)


def _show(
    request: ReaderRequest,
    contribution: Contribution,
    template: str,
    shown: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"id": contribution.public_id, **shown}
    return show(request, f"account/{template}", context, section="contributions", status=status)


def _refused(request: ReaderRequest, contribution: Contribution, error: DonationError) -> HttpResponse:
    status = change_texts.status_of(error)
    shown = {"notice": change_texts.explain(error)}
    response = _show(request, contribution, "change_refused.html", shown, status=status)
    if status == 503:
        response["Retry-After"] = pages.RETRY_AFTER
    return response


def _done(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """To the contribution's page, which says what was done and undoes it."""
    return pages.SeeOther(
        _with_language(request, reverse("account:contribution", args=[contribution.public_id]))
    )


def _with_language(request: ReaderRequest, address: str) -> str:
    query = {"lang": request.GET["lang"]} if "lang" in request.GET else {}
    return f"{address}?{urlencode(query)}" if query else address


def _reader(request: ReaderRequest) -> wishes.Actor:
    """Who acts, and whether the way led over the page on which contributions are stopped."""
    return wishes.Actor(wishes.READER.name, instead_of_stopping="instead" in request.POST)


# --- Amount, interval, fee cover ---------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@_of_contribution
def change(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """Choose, look at what it comes to, and confirm."""
    now = clock.now()
    options = changes.get_options(contribution, now=now)
    given = request.POST if request.method == "POST" else request.GET
    shown = {
        "options": options,
        **change_drawing.described(options),
        **_filled(options, given),
        "instead": "instead" in given,
    }
    if not options.offers:
        wishes.preview(contribution, now=now)  # says why
    if "amount" not in given and "interval" not in given:
        return _show(request, contribution, "change_terms.html", shown)
    try:
        wish = _wish(options, given)
        if request.method == "POST":
            version = request.POST.get("version", "-")[:16]
            wishes.change_terms(contribution, **wish, version=version, by=_reader(request), now=now)
            return _done(request, contribution)
        found = wishes.preview(contribution, **wish, now=now)
    except InvalidWish as error:
        shown["fault"] = change_texts.explain(error)
        return _show(request, contribution, "change_terms.html", shown, status=400)
    language = translation.get_language()
    fee = Money(found.after.fee_cover, found.after.currency)
    shown |= {
        "new_terms": change_drawing.each(found.after),
        "new_fee": fee.format(language) if fee.minor else "",
        "first_on": letters.day_text(found.first_payment_at, language) if found.first_payment_at else "",
        "is_other_interval": found.after.interval != options.stands.now.interval,
    }
    return _show(request, contribution, "change_preview.html", shown)


def _filled(options: changes.Options, given: Any) -> dict[str, Any]:
    """What the form holds: as it was sent, else as the contribution stands."""
    picture = options.stands.now
    is_sent = "interval" in given or "amount" in given
    interval = given.get("interval", picture.interval)
    covers = "cover_fees" in given if is_sent else picture.covers_fees
    return {
        "typed": given.get("amount", str(picture.gift.major()))[:40],
        "interval": interval if interval in ("month", "year") else picture.interval,
        "covers": covers,
        "currency": picture.currency,
        "limits": [
            (offer.interval, forms.short(offer.least, language), forms.short(offer.most, language))
            for language in [translation.get_language()]
            for offer in options.offers
        ],
    }


def _wish(options: changes.Options, given: Any) -> dict[str, Any]:
    """What a form wishes. Raises InvalidWish for an amount that is none."""
    picture = options.stands.now
    interval = given.get("interval", picture.interval)
    if interval not in ("month", "year"):
        raise InvalidWish("No such interval.", code="interval_not_offered", fields=("interval",))
    try:
        amount = forms.read_amount(given.get("amount", "")[:40], picture.currency)
    except ValueError as error:
        raise InvalidWish("This is no amount.", code="invalid", fields=("amount",)) from error
    return {"amount": amount, "interval": interval, "cover_fees": "cover_fees" in given}


# --- Pause -------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@_of_contribution
def pause(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """Choose how many payments are left out."""
    now = clock.now()
    if request.method == "POST":
        text = request.POST.get("payments", "")
        payments = int(text) if text in ("1", "2", "3") else 0
        version = request.POST.get("version", "-")[:16]
        wishes.pause(contribution, payments=payments, version=version, by=_reader(request), now=now)
        return _done(request, contribution)
    options = changes.get_options(contribution, now=now)
    if not options.pause_payments:
        raise NotPossibleNow("Only a contribution that runs can be paused.")
    shown = {
        **change_drawing.described(options),
        "choices": change_drawing.pause_choices(options),
        "instead": "instead" in request.GET,
    }
    return _show(request, contribution, "change_pause.html", shown)


@require_POST
@_of_contribution
def resume(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """End a pause early."""
    version = request.POST.get("version", "-")[:16]
    wishes.resume(contribution, version=version, by=_reader(request), now=clock.now())
    return _done(request, contribution)


# --- Stop, and go on after all --------------------------------------------------------------------------


@require_POST
@_of_contribution
def begin_to_stop(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """Write down that somebody sets out to stop, and what the page will offer; then show it."""
    now = clock.now()
    options = changes.get_options(contribution, now=now)
    if not options.can_stop:
        return _done(request, contribution)
    leavings.begin(
        contribution,
        leavings.Offers(
            lower=bool(options.lower), pause=bool(options.pause_payments), annual=options.has_annual
        ),
        now=now,
    )
    return pages.SeeOther(_with_language(request, reverse("account:stop", args=[contribution.public_id])))


@require_http_methods(["GET", "HEAD", "POST"])
@_of_contribution
def stop(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """One press ends it. What else there is stands below, and is said once."""
    now = clock.now()
    if request.method == "POST":
        reason = request.POST.get("reason", "")
        known = reason if reason in ContributionChange.Reason.values else ""
        wishes.stop(contribution, reason=known, by=_reader(request), now=now)
        return _done(request, contribution)
    options = changes.get_options(contribution, now=now)
    if not options.can_stop:
        return _done(request, contribution)
    subscription = options.stands.subscription
    until = subscription.current_period_end
    shown = {
        **change_drawing.described(options),
        "options": options,
        "reasons": change_texts.reasons(),
        "until": letters.day_text(until, translation.get_language()) if until else "",
        "at_once": options.is_tried_at_once,
    }
    return _show(request, contribution, "change_stop.html", shown)


@require_POST
@_of_contribution
def keep(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """Let it go on after all."""
    wishes.keep(contribution, by=_reader(request), now=clock.now())
    return _done(request, contribution)


@require_POST
@_of_contribution
def undo(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """Let it be as it was before the last change."""
    wishes.undo_last(contribution, by=_reader(request), now=clock.now())
    return _done(request, contribution)


# --- The card, once, and the withdrawal ---------------------------------------------------------------------


@require_POST
@_of_contribution
def card(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """To Stripe's page on which another card is given; from there back to the contribution."""
    subscription = queries.get_subscription(request.reader, contribution.public_id)
    address = reverse("account:contribution", args=[contribution.public_id])
    return pages.SeeOther(
        services.open_card_page(subscription, return_url=request.build_absolute_uri(address))
    )


@require_http_methods(["GET", "HEAD", "POST"])
@_of_contribution
def make_one_time(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """ "I meant to give once": say what it does, and do it."""
    now = clock.now()
    if request.method == "POST":
        services.make_one_time(contribution.public_id, now=now)
        return _done(request, contribution)
    if not changes.get_options(contribution, now=now).can_make_one_time:
        raise NotPossibleNow("This is possible for 48 hours.", code="too_late")
    shown = {
        "title": _("Make it a one-time gift?"),
        "lead": _(
            "Nothing more will be charged. What you have given stays a gift, and what it brings you stays yours."
        ),
        "button": _("Make it a one-time gift"),
    }
    return _show(request, contribution, "change_confirm.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
@_of_contribution
def withdraw(request: ReaderRequest, contribution: Contribution) -> HttpResponse:
    """The second step of a withdrawal, which the law asks for: what goes back, and the button that confirms it."""
    now = clock.now()
    if request.method == "POST":
        withdrawals.declare(contribution, actor=wishes.READER.name, now=now)
        return _done(request, contribution)
    right = withdrawals.right_of(contribution, now=now)
    if right is None:
        raise NotPossibleNow("The days are over.", code="too_late")
    language = translation.get_language()
    shown = {
        "title": _("Withdraw from the contract?"),
        "lead": _(
            "Your contribution ends at once, and everything that you have paid goes back to you. You need not say why."
        ),
        "facts": [
            (_("You get back"), withdrawals.sum_of(contribution, now=now).format(language)),
            (_("Possible until"), letters.day_text(right.last_moment, language)),
        ],
        "button": _("Confirm withdrawal"),
    }
    return _show(request, contribution, "change_confirm.html", shown)
