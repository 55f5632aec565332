"""Shares. Every one says what it is a share of."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any


def rate(numerator: int, denominator: int) -> dict[str, Any]:
    """
    A share that says of what; its value is null, never 0, where there is nothing to divide by.

    The value is rounded to six decimals, half to even, from the exact quotient.

    >>> rate(1, 3)
    {'numerator': 1, 'denominator': 3, 'value': 0.333333}
    >>> rate(0, 0)
    {'numerator': 0, 'denominator': 0, 'value': None}
    """
    value = float(round(Fraction(numerator, denominator), 6)) if denominator else None
    return {"numerator": numerator, "denominator": denominator, "value": value}


def monthly(twelfths: int) -> dict[str, int]:
    """
    A monthly amount: exact in twelfths of a minor unit, which is as many minor units a year; and rounded, to be read.

    Only the twelfths add up. The minor units are rounded half to even.

    >>> monthly(5000)
    {'twelfths': 5000, 'minor': 417}
    """
    return {"twelfths": twelfths, "minor": round(Fraction(twelfths, 12))}


def middle(values: Iterable[int]) -> int | None:
    """
    The median of whole numbers; between two middle ones their mean, rounded half to even. None of none.

    >>> middle([500, 100, 300]), middle([100, 201])
    (300, 150)
    """
    ordered = sorted(values)
    if not ordered:
        return None
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return round(Fraction(ordered[half - 1] + ordered[half], 2))


def share(rate: dict[str, Any] | None) -> str:
    """A rate as people read it; with its two numbers, since a share of few means little."""
    if rate is None or rate["value"] is None:
        return "–"
    return f"{rate['value'] * 100:.1f} % ({rate['numerator']:,} of {rate['denominator']:,})"
