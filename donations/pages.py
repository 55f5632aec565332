"""
The pages that readers see: the appeal, how it went, another card.

None of them has a card field or changes a gift: a reader is sent to Stripe's page, and what happened there
comes back to us as an event. Everything works without JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from donations import (
    amounts,
    asides,
    formatting,
    forms,
    letters,
    links,
    lots,
    queries,
    serializers,
    services,
    stopping,
    velocity,
)
from donations.errors import (
    GoneAtStripe,
    IdempotencyKeyInUse,
    InvalidWish,
    PaymentsRefused,
    PaymentsUnavailable,
    TooManyCheckouts,
    UnknownCampaign,
    UnknownContribution,
)
from donations.intervals import Interval
from donations.models import Campaign, Contribution, Subscription
from donations.money import Money
from donations.statuses import Status
from members import clock

RETRY_AFTER = "30"  # seconds, as the API says
LOOKS = 20  # how often the thank-you page looks again by itself before it leaves that to the reader
_WAITING = (Status.PENDING, Status.PROCESSING)

METHOD_NAMES = {
    "amex": "American Express",
    "apple_pay": "Apple Pay",
    "bacs_debit": "Bacs",
    "bancontact": "Bancontact",
    "blik": "BLIK",
    "eps": "EPS",
    "google_pay": "Google Pay",
    "ideal": "iDEAL",
    "jcb": "JCB",
    "link": "Link",
    "mastercard": "Mastercard",
    "paypal": "PayPal",
    "sepa_debit": "SEPA",
    "unionpay": "UnionPay",
    "us_bank_account": "ACH",
    "visa": "Visa",
}
_INTERVAL_NAMES = {
    Interval.ONCE.value: gettext_lazy("Once"),
    Interval.MONTH.value: gettext_lazy("Monthly"),
    Interval.YEAR.value: gettext_lazy("Annual"),
}


class SeeOther(HttpResponseRedirect):
    """303: go there with a GET. After a POST, this is what keeps a reload from sending the form again."""

    status_code = 303


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The appeals that are running."""
    with translation.override(_language(request)):
        return _show(
            request, "support/index.html", {"campaigns": queries.get_running_campaigns(now=clock.now())}
        )


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """An appeal with its form. A POST begins a contribution and leads to Stripe's page."""
    now = clock.now()
    campaign = _campaign(slug)
    with translation.override(_language(request, campaign.locale)):
        offer = forms.Offer(campaign, translation.get_language())
        if not campaign.is_running(now) or not offer.currencies:
            return _show(
                request, "support/closed.html", {"campaign": campaign, "has_ended": campaign.has_ended(now)}
            )
        if request.method != "POST":
            return _draw(request, offer, forms.from_link(offer, request.GET), is_back="back" in request.GET)
        filled = forms.from_post(offer, request.POST)
        aside = asides.get()
        if aside is None or not aside.is_meant(request):
            return _begin(request, offer, filled)
        answer = aside.answer(request, _wish(offer, filled), now)
        return (
            answer
            if isinstance(answer, HttpResponse)
            else _draw(request, offer, filled, aside=answer, status=400)
        )


def preview(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """An appeal as it would be, whether or not it is published or running; nothing can be sent from it."""
    with translation.override(_language(request, campaign.locale)):
        offer = forms.Offer(campaign, translation.get_language())
        if not offer.currencies:
            return _show(request, "support/closed.html", {"campaign": campaign, "has_ended": False})
        return _draw(request, offer, forms.from_link(offer, request.GET), is_preview=True)


def _begin(request: HttpRequest, offer: forms.Offer, filled: forms.Filled) -> HttpResponse:
    body = forms.request_body(offer, filled, page_url=request.build_absolute_uri(request.path))
    ask = offer.ask(filled)
    faults: dict[str, str] = {}
    if "amount" not in body or (fault := amounts.fault_of(Money(body["amount"], ask.currency), ask)):
        faults["amount"] = fault if "amount" in body else "required"
    wanted = serializers.ContributionInput(data=body)
    if not wanted.is_valid():
        faults = {**forms.codes(wanted.errors), **faults}
    if faults:
        return _draw(request, offer, filled, faults=faults, status=400)
    now = clock.now()
    try:
        velocity.note_checkout(request, now=now)
        contribution = services.start_contribution(
            wish=wanted.wish(),
            idempotency_key=forms.idempotency_key(filled.page_key, body),
            visitor=lots.visitor_of(request),
            now=now,
        )
    except InvalidWish as error:
        faults = dict.fromkeys(error.fields or ("form",), error.code)
        return _draw(request, offer, filled, faults=faults, status=400)
    except TooManyCheckouts:
        return _draw(request, offer, filled, notice=_unavailable(), status=429)
    except (PaymentsUnavailable, IdempotencyKeyInUse):
        return _draw(request, offer, filled, notice=_unavailable(), status=503)
    except PaymentsRefused:
        return _draw(request, offer, filled, notice=_refused(), status=502)
    return _onward(request, offer, filled, contribution)


def _onward(
    request: HttpRequest, offer: forms.Offer, filled: forms.Filled, contribution: Contribution
) -> HttpResponse:
    """To Stripe's page; or, when the same form comes back later, to what became of it."""
    if contribution.checkout_state == Contribution.CheckoutState.COMPLETED:
        thanks_page = reverse("support:thanks", args=[contribution.campaign.slug, contribution.public_id])
        return SeeOther(thanks_page)
    closes_at = contribution.checkout_expires_at
    is_closed = contribution.checkout_state == Contribution.CheckoutState.EXPIRED
    if contribution.checkout_url and closes_at and clock.now() < closes_at and not is_closed:
        return SeeOther(contribution.checkout_url)
    return _draw(request, offer, filled.with_new_key(), notice=_too_late(), status=409)


def _draw(
    request: HttpRequest,
    offer: forms.Offer,
    filled: forms.Filled,
    *,
    faults: dict[str, str] | None = None,
    notice: str = "",
    is_back: bool = False,
    is_preview: bool = False,
    aside: Mapping[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    campaign, ask = offer.campaign, offer.ask(filled)
    problems = {
        name: forms.explain(name, code, ask=ask, locale=offer.locale) for name, code in (faults or {}).items()
    }
    shown = {
        "campaign": campaign,
        "message": formatting.to_html(campaign.message),
        "progress": _progress(campaign, offer.locale),
        "filled": filled,
        "panels": offer.panels(filled),
        "currencies": offer.currencies,
        "intervals": [
            (
                interval.value,
                _INTERVAL_NAMES[interval.value],
                interval.value in offer.intervals(filled.currency),
            )
            for interval in Interval
            if any(interval.value in offer.intervals(code) for code in offer.currencies)
        ],
        "methods": [METHOD_NAMES.get(name, str(name)) for name in campaign.payment_methods],
        "problems": problems,
        "problem_list": _with_targets(problems, filled),
        "notice": notice,
        "raised": _raised(offer, filled),
        "remind_me": urlencode(_wish(offer, filled)),
        "is_outage": status == 503,
        **_aside(_wish(offer, filled), aside, is_outage=status == 503),
        "unavailable": _unavailable(),
        "refused": _refused(),
        "is_preview": is_preview,
        "is_back": is_back and not problems and not notice,
    }
    response = _show(request, "support/page.html", shown, status=status)
    if status == 503:
        response["Retry-After"] = RETRY_AFTER
    return response


def _raised(offer: forms.Offer, filled: forms.Filled) -> str:
    """That a reader's amount of long ago is below the least one by now; "" if it is not."""
    if filled.raised_from is None:
        return ""
    return _("You thought of %(wish)s. The least amount is %(least)s by now, so we have put that in.") % {
        "wish": forms.short(filled.raised_from, offer.locale),
        "least": forms.short(offer.ask(filled).minimum, offer.locale),
    }


def _wish(offer: forms.Offer, filled: forms.Filled) -> asides.Wish:
    """What is chosen, for whoever asks for it later: a mail, a calendar, another page."""
    wish: dict[str, str | int] = {"campaign": offer.campaign.slug, "interval": filled.interval}
    body = forms.request_body(offer, filled, page_url="")
    if "amount" in body and not amounts.fault_of(Money(body["amount"], filled.currency), offer.ask(filled)):
        wish |= {"amount": body["amount"], "currency": filled.currency}
    return {**wish, "lang": offer.locale}


def _aside(wish: asides.Wish, answered: Mapping[str, Any] | None, *, is_outage: bool) -> dict[str, Any]:
    """The small form of an upper floor: as it is, or with what it has to say to a reader who used it."""
    found = asides.get()
    if found is None:
        return {}
    shown = found.draw(wish, is_outage, clock.now()) if answered is None else answered
    return {"aside_template": found.template, "aside": shown}


def _with_targets(problems: dict[str, str], filled: forms.Filled) -> list[tuple[str, str]]:
    """Each problem with the id of the field that it is about, so that one press leads there."""
    panel = f"{filled.currency}-{filled.interval}"
    targets = {"amount": f"other-{panel}" if filled.amount is None else f"amounts-{panel}"}
    targets |= {"email": "email", "name": "name", "currency": "currency", "interval": "interval"}
    return [(targets.get(name, "continue"), text) for name, text in problems.items()]


def _progress(campaign: Campaign, locale: str) -> dict[str, Any] | None:
    goal, raised = campaign.goal, queries.get_progress(campaign)
    if goal is None or raised is None:
        return None
    kept = max(raised, Money.zero(raised.currency))
    return {
        "raised": forms.short(kept, locale),
        "goal": forms.short(goal, locale),
        "share": min(100, kept.minor * 100 // goal.minor),
    }


@require_safe
def quote(request: HttpRequest, slug: str) -> JsonResponse:
    """
    What an amount that a reader types comes to: `{amount, sums}` in minor units and in words, or 400 and why not.

    For the form's script, so that reading and counting money happens in one place only.
    """
    campaign = _campaign(slug)
    with translation.override(_language(request, campaign.locale)):
        offer = forms.Offer(campaign, translation.get_language())
        wanted = request.GET.get("currency", ""), request.GET.get("interval", "")
        if wanted not in offer.asks:
            raise Http404
        ask = offer.asks[wanted]
        try:
            amount = forms.read_amount(request.GET.get("amount", "")[:40], ask.currency)
            code = amounts.fault_of(amount, ask)
        except ValueError:
            code = "invalid"
        if code:
            message = forms.explain("amount", code, ask=ask, locale=offer.locale)
            return JsonResponse({"error": {"code": code, "message": message}}, status=400)
        return JsonResponse({"amount": amount.minor, "sums": offer.sums(amount)})


@require_safe
def thanks(request: HttpRequest, slug: str, public_id: UUID) -> HttpResponse:
    """How a contribution went, for whoever holds its id. Looks again by itself while there is no word yet."""
    try:
        found = queries.get_contribution(public_id)
    except UnknownContribution:
        raise Http404 from None
    contribution = found.contribution
    if contribution.campaign.slug != slug:
        raise Http404
    with translation.override(_language(request, contribution.locale, contribution.campaign.locale)):
        language = translation.get_language()
        looks = _number(request.GET.get("look", ""), most=LOOKS)
        is_changed = found.amount != contribution.total  # a recurring gift whose amount was changed later
        shown = {
            "campaign": contribution.campaign,
            "thank_you": formatting.to_html(contribution.campaign.thank_you),
            "status": found.status.value,
            "interval": contribution.interval,
            "total": found.amount.format(language),
            "fee_cover": ""
            if is_changed or not contribution.fee_cover_minor
            else contribution.fee_cover.format(language),
            "next_payment": letters.day_text(found.next_payment_at, language)
            if found.next_payment_at
            else "",
            "again": _again(contribution, language),
            "once_url": _once_url(contribution),
            "is_waiting": found.status in _WAITING,
            "next_look": looks + 1 if looks < LOOKS else 0,
            # The day of the next payment comes with an event of its own, a moment after the payment's.
            "is_incomplete": found.status == Status.ACTIVE
            and not found.next_payment_at
            and looks < LOOKS // 2,
            # First every two seconds, for Stripe's word usually takes no longer; then less often.
            "pause": 2 if looks < LOOKS // 2 else 5,
        }
        return _show(request, "support/thanks.html", shown)


def _once_url(contribution: Contribution) -> str:
    """Where a recurring contribution is made a gift given once; "" where that is not possible (any more)."""
    if not contribution.is_recurring or not stopping.can_be_made_one_time(contribution, now=clock.now()):
        return ""
    subscription = contribution.subscription
    return links.action_page(subscription, links.ONCE, occasion=f"thanks:{subscription.pk}")


def _again(contribution: Contribution, language: str) -> str:
    """The appeal, filled in as this contribution was."""
    address = reverse("support:page", args=[contribution.campaign.slug])
    wish = f"amount={contribution.amount_minor}&interval={contribution.interval}&currency={contribution.currency}"
    return f"{address}?{wish}&lang={language}"


@require_http_methods(["GET", "HEAD", "POST"])
def card(request: HttpRequest, token: str) -> HttpResponse:
    """
    Where a mail's link leads when a card has to be replaced.

    A GET only shows a button: programs that check links in mails follow them too. The POST goes to Stripe.
    """
    try:
        subscription = _subscription(links.CARD.read(token))
    except links.BadLink as error:
        with translation.override(_language(request)):
            return _show(
                request,
                "support/card_link.html",
                {"is_old": error.is_old},
                status=410 if error.is_old else 400,
            )
    contribution = subscription.contribution
    with translation.override(_language(request, contribution.locale, contribution.campaign.locale)):
        shown: dict[str, Any] = {
            "amount": subscription.amount.format(translation.get_language()),
            "interval": subscription.interval,
            "campaign": contribution.campaign,
            "to_confirm": bool(services.invoice_to_confirm(subscription)),
        }
        if subscription.state == Subscription.State.CANCELLED:
            return _show(request, "support/card_ended.html", shown, status=410)
        if request.method != "POST":
            return _show(request, "support/card.html", shown)
        try:
            return SeeOther(services.open_card_page(subscription))
        except UnknownContribution:  # it ended this very moment
            return _show(request, "support/card_ended.html", shown, status=410)
        except PaymentsUnavailable:
            shown["notice"] = _(
                "Our payment partner does not answer. Nothing was changed. Please try again in a minute."
            )
            response = _show(request, "support/card.html", shown, status=503)
            response["Retry-After"] = RETRY_AFTER
            return response
        except (PaymentsRefused, GoneAtStripe):
            shown["notice"] = _(
                "This does not work now. Nothing was changed. Please write to us, so that we can help."
            )
            return _show(request, "support/card.html", shown, status=502)


def _subscription(pk: int) -> Subscription:
    found = Subscription.objects.select_related("contribution__campaign").filter(pk=pk).first()
    if found is None:
        raise links.BadLink
    return found


def _campaign(slug: str) -> Campaign:
    try:
        return queries.get_campaign(slug)
    except UnknownCampaign:
        raise Http404 from None


# --- What all pages share ---------------------------------------------------------------------------


def _language(request: HttpRequest, *preferred: str) -> str:
    """What the address asks for, else the first preferred language that we speak, else the browser's."""
    spoken = dict(settings.LANGUAGES)
    for locale in (request.GET.get("lang", ""), *preferred):
        for name in (locale.lower(), locale.lower().partition("-")[0]):
            if name in spoken:
                return name
    return translation.get_language_from_request(request)


def _show(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render in the active language, with what every page needs."""
    language = translation.get_language()
    others = [(code, name) for code, name in settings.LANGUAGES if code != language]
    shared = {
        "language": language,
        "language_links": [(code, name, _same_page(request, lang=code)) for code, name in others],
        "newsroom": settings.NEWSROOM_NAME,
        "legal_lines": settings.NEWSROOM_LEGAL_FOOTER.splitlines(),
        "support_email": settings.NEWSROOM_SUPPORT_EMAIL,
    }
    response = render(request, template, {**shared, **context}, status=status)
    response["Content-Language"] = language
    return response


# For pages of other floors that look like these.
show = _show
language_of = _language


def _same_page(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
    query.pop("back", None)
    return f"{request.path}?{query.urlencode()}"


def _number(text: str, *, most: int) -> int:
    """A small count from an address; 0 for anything that is none."""
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _unavailable() -> str:
    return _("Our payment partner does not answer. Nothing was charged. Please try again in a minute.")


def _refused() -> str:
    return _(
        "The payment page could not be opened. Nothing was charged. Please write to us, so that we can help."
    )


def _too_late() -> str:
    return _(
        "The payment page that you opened earlier has closed. Nothing was charged. Please press Continue once more."
    )
