"""How often a reader gives. A value with no behaviour but its own, so that every module can share it."""

from enum import StrEnum


class Interval(StrEnum):
    """
    How often a contribution is charged; the values are those of the API and of the database.

    >>> Interval("month") is Interval.MONTH
    True
    >>> Interval("week")
    Traceback (most recent call last):
    ValueError: 'week' is not a valid Interval
    """

    ONCE = "once"
    MONTH = "month"
    YEAR = "year"

    @property
    def charges_a_year(self) -> int:
        """How many charges fall into one year; a single gift counts as the one it is."""
        return 12 if self is Interval.MONTH else 1

    @property
    def is_recurring(self) -> bool:
        """Whether Stripe keeps charging (a subscription) or charges one time (a payment)."""
        return self is not Interval.ONCE
