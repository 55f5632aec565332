"""
Bars as plain SVG: geometry here, marks in a template. No script, no inline style, and no meaning in a colour alone.

Each series has a pattern of its own and its name in the legend; every figure of it is in the table beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 8, 10, 26
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    series: int
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the scale, or a name below the bars."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Chart:
    """
    :param rows: the same as a table: a name, and a text for each series.
    """

    title: str
    about: str
    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    scale: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    zero: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def bars(
    title: str, about: str, labels: Sequence[str], series: Sequence[Series], text: Callable[[int], str]
) -> Chart:
    """
    Stacked bars, what is above zero upwards and what is below downwards.

    :param text: a value as people read it.
    """
    ups = [sum(max(one.values[place], 0) for one in series) for place in range(len(labels))]
    downs = [sum(min(one.values[place], 0) for one in series) for place in range(len(labels))]
    top, bottom = max([*ups, 0]), min([*downs, 0])
    step = nice_step(top - bottom)
    high, low = -(-top // step) * step, bottom // step * step
    high = max(high, low + step)
    room = HEIGHT - _TOP - _BOTTOM

    def y(value: int) -> float:
        return round(_TOP + room * (high - value) / (high - low), 1)

    slot = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    found: list[Bar] = []
    for place, label in enumerate(labels):
        up = down = 0
        for number, one in enumerate(series):
            value = one.values[place]
            if not value:
                continue
            begin, end = (up, up + value) if value > 0 else (down, down + value)
            up, down = (end, down) if value > 0 else (up, end)
            upper, lower = y(max(begin, end)), y(min(begin, end))
            found.append(
                Bar(
                    x=round(_LEFT + slot * place + slot * 0.15, 1),
                    y=upper,
                    width=round(slot * 0.7, 1),
                    height=round(lower - upper, 1),
                    series=number,
                    words=f"{label}, {one.name}: {text(value)}",
                )
            )
    return Chart(
        title=title,
        about=about,
        names=tuple(one.name for one in series),
        bars=tuple(found),
        scale=tuple(Mark(y(value), text(value)) for value in range(low, high + 1, step)),
        labels=tuple(
            Mark(round(_LEFT + slot * (place + 0.5), 1), label) for place, label in enumerate(labels)
        ),
        rows=tuple(
            (label, tuple(text(one.values[place]) for one in series)) for place, label in enumerate(labels)
        ),
        zero=y(0),
    )


def nice_step(span: int) -> int:
    """
    How far apart the lines of a scale are: 1, 2 or 5 and zeros, for about four of them.

    >>> nice_step(0), nice_step(7), nice_step(400), nice_step(81_000)
    (1, 2, 100, 50000)
    """
    wanted = max(-(-span // _TICKS), 1)
    power: int = 10 ** (len(str(wanted)) - 1)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted)
