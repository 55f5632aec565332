"""An appeal as JSON: all that a widget needs to draw itself, the same for everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.utils import translation

from donations import amounts, asides, currencies, formatting, links, methods, queries
from donations.intervals import Interval
from donations.models import Ask, Campaign

_log = structlog.get_logger(__name__)


def draw(campaign: Campaign, *, now: datetime) -> dict[str, Any]:
    """
    The answer for a reader of whom nothing is known.

    :param campaign: with its asks fetched.
    """
    asks = list(campaign.asks.all())
    codes = list(dict.fromkeys(ask.currency for ask in asks))
    return {
        "slug": campaign.slug,
        "title": campaign.title,
        "message": formatting.to_plain(campaign.message),
        "thank_you": formatting.to_plain(campaign.thank_you),
        "button": campaign.button or None,
        "locale": campaign.locale,
        "show": True,
        "hidden_because": "",
        "variant": None,
        "is_running": campaign.is_running(now),
        "starts_at": iso(campaign.starts_at),
        "ends_at": iso(campaign.ends_at),
        "default_interval": campaign.default_interval,
        "default_currency": campaign.default_currency,
        "payment_methods": campaign.payment_methods,
        "methods": _methods(campaign, asks),
        "currencies": [
            {
                "code": code,
                "exponent": currencies.get(code).exponent,
                "step": currencies.get(code).step_minor,
                "starting_from": _starting_from(asks, code, campaign.locale),
            }
            for code in codes
        ],
        "asks": [
            {
                "currency": ask.currency,
                "interval": ask.interval,
                "amounts": ask.suggested,
                "default": ask.default_minor,
                "minimum": ask.minimum_minor,
                "maximum": ask.maximum.minor,
            }
            for ask in asks
        ],
        "progress": _progress(campaign),
        "fee_cover": _fee_cover(codes),
        "newsletter": (
            {"text": campaign.newsletter_text, "version": settings.CONSENT_TEXT_VERSION}
            if campaign.newsletter_text
            else None
        ),
        "reminder": _reminder(campaign.locale, now),
        "support_url": links.support_page(campaign),
        "privacy_url": settings.PRIVACY_URL,
        "quiet_days_after_gift": settings.ASK_QUIET_DAYS,
    }


def iso(moment: datetime | None) -> str | None:
    """A moment as the API writes it."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _methods(campaign: Campaign, asks: list[Ask]) -> dict[str, dict[str, list[str]]]:
    """Per currency and interval that is asked for, the icons that tell the truth there."""
    found: dict[str, dict[str, list[str]]] = {}
    for ask in asks:
        found.setdefault(ask.currency, {})[ask.interval] = methods.offered(
            campaign.payment_methods, currency=ask.currency, interval=Interval(ask.interval)
        )
    return found


def _starting_from(asks: list[Ask], currency: str, locale: str) -> str:
    """The least monthly amount (else the least of all) in words, so that a page never types it (PRODUCT.md, G3)."""
    own = [ask for ask in asks if ask.currency == currency]
    monthly = [ask for ask in own if ask.interval == Interval.MONTH]
    return min(ask.minimum for ask in (monthly or own)).format(locale)


def _progress(campaign: Campaign) -> dict[str, Any] | None:
    """How far the goal is reached; nothing where that cannot be told now, for the appeal goes on without it."""
    try:
        raised = queries.get_progress(campaign)
    except DatabaseError as error:
        _log.error("no progress", campaign=campaign.slug, error=type(error).__name__)
        return None
    if raised is None:
        return None
    return {"currency": raised.currency, "goal": campaign.goal_minor, "raised": raised.minor}


def _fee_cover(codes: list[str]) -> dict[str, dict[str, int]] | None:
    """The rates by which a reader covers the fee, where there is one."""
    rates = {code: amounts.fee_rate(code) for code in codes}
    found = {
        code: {"rate_ppm": rate.basis_points * 100, "fixed_minor": rate.fixed_minor}
        for code, rate in rates.items()
        if rate.basis_points or rate.fixed_minor
    }
    return found or None


def _reminder(locale: str, now: datetime) -> dict[str, Any] | None:
    aside = asides.get()
    if aside is None:
        return None
    with translation.override(locale if translation.check_for_language(locale) else settings.LANGUAGE_CODE):
        return aside.offer(now)
