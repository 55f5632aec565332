"""What is compared: a few numbers per currency, and how many mails of each kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

MONEY = ("gross", "fees", "refunds", "disputes", "net")  # minor units
COUNTS = ("payments", "refunded", "disputed", "active", "past due", "paused", "members")
COLUMNS = ("payments", "gross", "fees", "refunded", "refunds", "disputed", "disputes", "net", *COUNTS[3:])


@dataclass(slots=True)
class Figures:
    """
    One side's account. `rows` is per upper-case currency and column (`COLUMNS`); what is not there is 0.

    :param owed: how many mails of each kind readers have a right to.
    :param sent: how many of them left the house; only our side knows.
    """

    rows: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    owed: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    def add(self, currency: str, column: str, amount: int = 1) -> None:
        """Count something in; `currency` in any case."""
        assert column in COLUMNS, column
        self.rows[currency.upper()][column] += amount
