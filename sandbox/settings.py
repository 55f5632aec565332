"""
How an account is set up: what the dashboard's settings pages would say, and how kind its banks are.

Settings are a dict of groups, kept in the account. A change names only what it changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sandbox.account import Account, Obj, copied
from sandbox.errors import invalid

Check = Callable[[Any], bool]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_RETRIES = 8
"""How often Stripe tries again at most."""
LONGEST_RETRY = 60
"""Days from one try to the next, at most: Stripe's longest window is two months."""


def _one_of(*words: str) -> Check:
    return lambda value: value in words


def _whole(least: int, most: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _days(value: Any) -> bool:
    """Gaps between retries in days, at least an hour each."""
    return (
        isinstance(value, list)
        and len(value) <= MOST_RETRIES
        and all(isinstance(gap, int | float) and not isinstance(gap, bool) for gap in value)
        and all(math.isfinite(gap) and 1 / 24 <= gap <= LONGEST_RETRY for gap in value)
    )


KNOWN: dict[str, dict[str, tuple[Any, Check, str]]] = {
    "collection": {
        "retries": (
            [3, 5, 7],
            _days,
            f"must be at most {MOST_RETRIES} gaps of at most {LONGEST_RETRY} days, such as [3, 5, 7]",
        ),
        "then": (
            "cancel",
            _one_of("cancel", "unpaid", "past_due"),
            "must be one of cancel, unpaid, past_due",
        ),
    },
    "payouts": {
        "interval": (
            "manual",
            _one_of("manual", "daily", "weekly", "monthly"),
            "must be one of manual, daily, weekly, monthly",
        ),
        "weekly_anchor": ("monday", _one_of(*WEEKDAYS), "must be a weekday such as monday"),
        "monthly_anchor": (1, _whole(1, 31), "must be a day of the month, 1 to 31"),
        "delay_days": (2, _whole(0, 31), "must be a number of days, 0 to 31"),
    },
    "cards": {
        "updated": (0, _share, "must be a share between 0 and 1"),
        "seed": (0, _whole(0, 2**63), "must be a whole number"),
    },
    "disputes": {
        "fee_returned": (False, lambda value: isinstance(value, bool), "must be true or false"),
    },
}
"""
Each setting's default, what it may be, and how a refusal says that:

* ``collection.retries``: days from each failed try of a renewal to the next; ``then``: what becomes of the
  subscription when the last one fails.
* ``payouts.interval``: how often all that is available goes to the bank by itself, weekly on ``weekly_anchor`` and
  monthly on ``monthly_anchor`` (or the last day of a shorter month); ``delay_days``: after how many days a payment
  is available, at midnight UTC.
* ``cards.updated``: the share of saved cards that their network replaces in the month in which they expire, drawn
  by ``seed``.
* ``disputes.fee_returned``: whether a dispute that is won brings its fee back too, as it does in some countries.
"""


def defaults() -> Obj:
    """What a new account is set to."""
    return {
        group: {name: copied(default) for name, (default, _, _) in known.items()}
        for group, known in KNOWN.items()
    }


def merged(settings: Obj, changes: Obj) -> Obj:
    """
    Settings with some changes. Raises 400 for a group or a name that there is not, and for a value that cannot be.
    """
    result: Obj = copied(settings)
    for group, values in changes.items():
        if group not in KNOWN:
            raise invalid(f"Received unknown parameter: {group}", param=group, code="parameter_unknown")
        if not isinstance(values, dict):
            raise invalid(f"Invalid {group}: must be an object", param=group)
        for name, value in values.items():
            param = f"{group}[{name}]"
            if name not in KNOWN[group]:
                raise invalid(f"Received unknown parameter: {param}", param=param, code="parameter_unknown")
            _, fits, rule = KNOWN[group][name]
            if not fits(value):
                raise invalid(f"Invalid {param}: {rule}", param=param)
            result[group][name] = copied(value)
    return result


ON_CHANGE: list[Callable[[Account], None]] = []
"""Told after the settings were changed."""


def of(account: Account, group: str) -> Obj:
    """One group of an account's settings."""
    if not account.settings:
        account.settings = defaults()
    found: Obj = account.settings[group]
    return found


def apply(account: Account, changes: Obj) -> Obj:
    """Change some settings from now on, and return all. Raises as ``merged``."""
    account.settings = merged(account.settings or defaults(), changes)
    for told in ON_CHANGE:
        told(account)
    account.changes += 1
    return account.settings
