"""A table in a mail, whose context is text alone."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def rows(text: str) -> list[list[str]]:
    """
    The cells of a table: a line for each row, with tabs between its cells.

    >>> rows("Members\\t412\\t409")
    [['Members', '412', '409']]
    """
    return [line.split("\t") for line in text.splitlines()]
