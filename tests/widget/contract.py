"""The fields of a campaign's answer in their fullest form, as the API documents them."""

from __future__ import annotations

from typing import Any

from donations import fees

_RATES = {"USD": "2.9%+30", "EUR": "1.5%+25", "JPY": "2.9%", "KWD": "2.9%", "UGX": "2.9%"}
_METHODS = ["visa", "mastercard", "amex", "apple_pay", "google_pay", "sepa_debit"]


def rate(text: str) -> dict[str, int]:
    """A fee rate as the answer has it."""
    parsed = fees.parse_rates(f"USD:{text},*:0%")["USD"]
    return {"rate_ppm": parsed.basis_points * 100, "fixed_minor": parsed.fixed_minor}


FULL: dict[str, Any] = {
    "show": True,
    "hidden_because": "",
    "variant": None,
    "button": None,
    "privacy_url": "https://news.example/privacy",
    "newsletter": {"text": "Send me the newsletter as well.", "version": "newsletter-1"},
    "fee_cover": {code: rate(text) for code, text in _RATES.items()},
    "reminder": {
        "choices": [
            {"value": "next_month", "label": "Next month"},
            {"value": "in_3_months", "label": "In three months"},
            {"value": "every_3_months", "label": "Every three months"},
        ],
        "calendar": True,
    },
    "quiet_days_after_gift": 90,
    "progress": {"currency": "USD", "goal": 5_000_000, "raised": 1_825_050},
    "payment_methods": _METHODS,
    "methods": {code: dict.fromkeys(("once", "month", "year"), _METHODS) for code in _RATES},
    "message": [
        "The Sample Gazette is a made-up paper, and this appeal is a sample. If the Gazette existed, it would tell you "
        "here that those in power would rather do without it.",
        "Its reporters would write on regardless. Nobody would own them, and no advertiser would lean over their "
        "shoulders. That freedom has one price: the readers pay for the paper.",
        "A small sum each month lets a newsroom plan ahead, and a single gift carries one more story to print.",
        "Thank you for reading this far.",
    ],
}
