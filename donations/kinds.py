"""The kinds of mail about money that came twice or went back, and samples of them."""

from __future__ import annotations

from donations import doubles, one_time, returns
from members import emails, samples

_EN = {
    "amount_text": "$25.00",
    "payment_text": "$40.00",
    "paid_on": "November 20, 2026",
    "left_text": "$15.00",
    "receipt_number": "2026-000123",
    "first_text": "$25.00",
    "first_on": "November 23, 2026",
    "second_text": "$25.00",
    "second_on": "November 24, 2026",
    "interval": "once",
    "undo_url": "{link}/undo",
    "come_back_url": "{link}/again",
    "until_text": "December 24, 2026",
    "keep_url": "{link}/stop",
}
_RU = _EN | {
    "amount_text": "25,00 $",
    "payment_text": "40,00 $",
    "paid_on": "20 ноября 2026 г.",
    "left_text": "15,00 $",
    "first_text": "25,00 $",
    "first_on": "23 ноября 2026 г.",
    "second_text": "25,00 $",
    "second_on": "24 ноября 2026 г.",
    "until_text": "24 декабря 2026 г.",
}


def register() -> None:
    """Tell the ground floor of them; once, when the app starts."""
    for kind in (
        emails.Kind(
            doubles.SECOND_CHARGE,
            needs=frozenset({"second_text", "second_on", "interval", "undo_url"}),
            may_have=frozenset({"first_text", "first_on"}),
            is_wanted=doubles.is_wanted,
        ),
        emails.Kind(
            returns.REFUNDED,
            needs=frozenset({"amount_text", "payment_text", "paid_on"}),
            may_have=frozenset({"left_text", "receipt_number"}),
            is_wanted=returns.refund_is_wanted,
        ),
        emails.Kind(
            one_time.MADE_ONE_TIME,
            needs=frozenset({"amount_text", "keep_url"}),
            may_have=frozenset({"until_text"}),
            is_wanted=one_time.is_wanted,
        ),
        emails.Kind(returns.REFUND_FAILED, needs=frozenset({"amount_text"})),
        emails.Kind(
            returns.DISPUTE_LOST,
            needs=frozenset({"amount_text", "interval", "come_back_url"}),
        ),
    ):
        emails.register(kind)
        keys = kind.needs | kind.may_have
        texts = {"en": _EN, "ru": _RU}
        samples.register(
            kind.name, {name: {key: sample[key] for key in keys} for name, sample in texts.items()}
        )
