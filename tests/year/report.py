"""What a person sees: a bar while the year passes, and the tables at its end."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from donations.money import Money
from tests.year.agreement import Agreement, Cell, Mail
from tests.year.figures import COLUMNS, MONEY


def bar(console: Console) -> Progress:
    """A progress bar whose description names the day."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
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
