"""Made-up contents for each kind of mail, so that it can be looked at before anybody gets one."""

from __future__ import annotations

from django.conf import settings


def register(kind: str, texts: dict[str, dict[str, str]]) -> None:
    """Add the sample of a kind that another app brings: its context by language, "{link}" for addresses."""
    _SAMPLES[kind] = texts


def context(kind: str, locale: str) -> dict[str, str]:
    """
    What a mail of that kind might hold, in one of our languages.

    :raises KeyError: there is no sample for this kind.
    """
    language = "ru" if locale.startswith("ru") else "en"
    links = {"link": f"{settings.PUBLIC_BASE_URL}/sample"}
    return {key: value.format(**links) for key, value in _SAMPLES[kind][language].items()}


_SAMPLES: dict[str, dict[str, dict[str, str]]] = {
    "receipt": {
        "en": {
            "receipt_number": "2026-000123",
            "paid_on": "November 24, 2026",
            "amount_text": "$5.46",
            "gift_text": "$5.00",
            "fee_cover_text": "$0.46",
            "interval": "month",
            "campaign_title": "Keep the Gazette independent",
            "next_payment_text": "December 24, 2026",
            "recovered_text": "Thank you for staying with us: the payment that had failed has arrived.",
        },
        "ru": {
            "receipt_number": "2026-000123",
            "paid_on": "24 ноября 2026 г.",
            "amount_text": "5,46 $",
            "gift_text": "5,00 $",
            "fee_cover_text": "0,46 $",
            "interval": "month",
            "campaign_title": "Сохраним независимость газеты",
            "next_payment_text": "24 декабря 2026 г.",
            "recovered_text": "Спасибо, что остаётесь с нами: платёж, который не прошёл, поступил.",
        },
    },
    "welcome": {
        "en": {
            "tier_name": "Friend",
            "interval": "month",
            "amount_text": "$5.00",
            "next_payment_text": "December 24, 2026",
            "manage_url": "{link}",
        },
        "ru": {
            "tier_name": "Друг редакции",
            "interval": "month",
            "amount_text": "5,00 $",
            "next_payment_text": "24 декабря 2026 г.",
            "manage_url": "{link}",
        },
    },
    "membership_ended": {
        "en": {
            "tier_name": "Friend",
            "ended_on": "November 24, 2026",
            "come_back_url": "{link}",
            "reason_text": "It was stopped, as requested.",
        },
        "ru": {
            "tier_name": "Друг редакции",
            "ended_on": "24 ноября 2026 г.",
            "come_back_url": "{link}",
            "reason_text": "Оно остановлено по просьбе.",
        },
    },
    "data_ready": {
        "en": {"page_url": "{link}", "until_text": "December 1, 2026"},
        "ru": {"page_url": "{link}", "until_text": "1 декабря 2026 г."},
    },
    "erasure_begins": {
        "en": {"asked_on": "November 24, 2026"},
        "ru": {"asked_on": "24 ноября 2026 г."},
    },
}
