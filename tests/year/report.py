"""What a person sees: a bar while the year passes, and the tables at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from donations.money import Money
from tests.year.agreement import Agreement, Cell, Mail
from tests.year.figures import COLUMNS, MONEY
from tests.year.plot import Plot

if TYPE_CHECKING:
    from tests.year.theatre import Outcome


def bar(console: Console) -> Progress:
    """A progress bar whose description names the day."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def show(console: Console, story: Plot, outcome: Outcome) -> None:
    """Everything that is to be said about a year that was played."""
    events = outcome.told + outcome.lost
    share = 100 * outcome.lost / max(1, events)
    tables(
        console,
        outcome.before,
        title=f"Before reconciliation: {outcome.lost:,} of {events:,} events were lost ({share:.1f} %)",
    )
    console.print(outcome.reconciled, markup=False, highlight=False)
    tables(console, outcome.after, title="After one reconciliation: Stripe's books and ours")
    for name, count in outcome.standstill.items():
        console.print(f"{count} {name}", style="bold red")
    for line in outcome.complaints[:20]:
        console.print(line, style="red", markup=False, highlight=False)
    if outcome.used:
        parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.used.items())
        console.print(f"Processor time: {parts}", style="dim", highlight=False)
    cells = len(outcome.after.cells) + len(outcome.after.mails)
    verdict = f"{outcome.after.differences} differ" if outcome.after.differences else "all agree"
    console.print(
        f"Seed {story.seed}, {len(story.readers)} readers, {story.days} days: {cells} cells, {verdict} "
        f"({outcome.before.differences} differed before reconciliation); {outcome.seconds:.0f} s",
        style="bold green" if outcome.is_good else "bold red",
        highlight=False,
    )


def tables(console: Console, agreement: Agreement, *, title: str) -> None:
    """Money and people per currency, then the mails; a cell that differs is red and holds both figures."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for currency, cells in agreement.rows():
        table.add_row(currency, *(_cell(cell) for cell in cells))
    console.print(table)
    mails = Table(title="Mails", title_justify="left")
    for column in ("kind", "owed, by Stripe's account", "owed, by ours", "sent"):
        mails.add_column(column, justify="left" if column == "kind" else "right")
    for mail in agreement.mails:
        mails.add_row(*_mail(mail))
    console.print(mails)


def _cell(cell: Cell) -> Text:
    ours = _shown(cell, cell.ours)
    if cell.agrees:
        return Text(ours)
    return Text(f"Stripe {_shown(cell, cell.theirs)}\nours {ours}", style="bold red")


def _shown(cell: Cell, amount: int) -> str:
    if cell.column not in MONEY:
        return f"{amount:,}"
    return Money(amount, cell.row).format("en")


def _mail(mail: Mail) -> list[Text]:
    style = "" if mail.agrees else "bold red"
    return [Text(str(part), style=style) for part in (mail.kind, mail.theirs, mail.ours, mail.sent)]
