"""The kinds of mail about changes, pauses and withdrawals, and samples of them."""

from __future__ import annotations

from donations import change_letters, pauses, withdrawals
from members import emails, samples

_SAMPLES = {
    "en": {
        "subject_text": "Your contribution was changed",
        "what_text": "As you asked, your contribution was changed. It counts from the next payment on.",
        "before_text": "$5.00 each month",
        "after_text": "$8.45 each month, $0.45 of it for the payment fee",
        "next_text": "December 15, 2026",
        "undo_url": "{link}/undo",
        "come_back_url": "{link}/again",
        "amount_text": "$5.00",
        "charge_on": "December 15, 2026",
        "skip_url": "{link}/skip",
        "stop_url": "{link}/stop",
        "declared_text": "November 24, 2026, 10:15 AM",
        "campaign_title": "Support our reporting",
        "reference": "9b2b7f0e-6a0c-4a4e-8f0a-2f6f1f0f9a11",
    },
    "ru": {
        "subject_text": "Ваши взносы изменены",
        "what_text": "Как вы просили, взносы изменены. Это действует со следующего платежа.",
        "before_text": "5,00 $ каждый месяц",
        "after_text": "8,45 $ каждый месяц, из них 0,45 $ на комиссию",
        "next_text": "15 декабря 2026 г.",
        "undo_url": "{link}/undo",
        "come_back_url": "{link}/again",
        "amount_text": "5,00 $",
        "charge_on": "15 декабря 2026 г.",
        "skip_url": "{link}/skip",
        "stop_url": "{link}/stop",
        "declared_text": "24 ноября 2026 г., 10:15",
        "campaign_title": "Поддержите нашу работу",
        "reference": "9b2b7f0e-6a0c-4a4e-8f0a-2f6f1f0f9a11",
    },
}


def register() -> None:
    """Tell the ground floor of them; once, when the app starts."""
    for kind in (
        emails.Kind(
            change_letters.CHANGED,
            needs=frozenset({"subject_text", "what_text"}),
            may_have=frozenset({"before_text", "after_text", "next_text", "undo_url", "come_back_url"}),
        ),
        emails.Kind(
            pauses.PAUSE_ENDS,
            needs=frozenset({"amount_text", "charge_on", "skip_url", "stop_url"}),
            is_wanted=pauses.end_is_wanted,
        ),
        emails.Kind(
            withdrawals.WITHDRAWN,
            needs=frozenset({"declared_text", "campaign_title", "reference"}),
            may_have=frozenset({"amount_text"}),
        ),
    ):
        emails.register(kind)
        keys = kind.needs | kind.may_have
        samples.register(
            kind.name, {name: {key: sample[key] for key in keys} for name, sample in _SAMPLES.items()}
        )
