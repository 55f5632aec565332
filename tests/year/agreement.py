"""The two accounts laid side by side, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.year.figures import COLUMNS, Figures


@dataclass(frozen=True, slots=True)
class Cell:
    """One number, as each side has it."""

    row: str
    column: str
    theirs: int
    ours: int

    @property
    def agrees(self) -> bool:
        return self.theirs == self.ours


@dataclass(frozen=True, slots=True)
class Mail:
    """One kind of mail: how many are owed by Stripe's account and by ours, and how many were sent."""

    kind: str
    theirs: int
    ours: int
    sent: int

    @property
    def agrees(self) -> bool:
        return self.theirs == self.ours == self.sent


@dataclass(frozen=True, slots=True)
class Agreement:
    """All cells of a comparison."""

    cells: tuple[Cell, ...]
    mails: tuple[Mail, ...]

    @property
    def differences(self) -> int:
        return sum(not cell.agrees for cell in (*self.cells, *self.mails))

    def rows(self) -> Iterator[tuple[str, list[Cell]]]:
        """The cells of each currency, in the order of COLUMNS."""
        for name in sorted({cell.row for cell in self.cells}):
            yield name, [cell for cell in self.cells if cell.row == name]


def compare(theirs: Figures, ours: Figures) -> Agreement:
    """Every currency and every kind of mail that either side knows of."""
    currencies = sorted({*theirs.rows, *ours.rows})
    kinds = sorted({*theirs.owed, *ours.owed, *ours.sent})
    return Agreement(
        cells=tuple(
            Cell(currency, column, theirs.rows[currency][column], ours.rows[currency][column])
            for currency in currencies
            for column in COLUMNS
        ),
        mails=tuple(Mail(kind, theirs.owed[kind], ours.owed[kind], ours.sent[kind]) for kind in kinds),
    )
