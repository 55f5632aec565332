"""`python manage.py books`: what the books say, per currency."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from donations import queries
from donations.money import Money

_COLUMNS = ("charges", "fees", "refunds", "disputes", "net", "active subscriptions")


class Command(BaseCommand):
    """Prints `donations.queries.get_books()` as a table for people, or as JSON for programs."""

    help = "What came in, what was given back and what is left, per currency, since the beginning."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="for programs: minor units, nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        books = queries.get_books()
        if options["as_json"]:
            self.stdout.write(json.dumps(books, indent=2, sort_keys=True))
            return
        offline = queries.get_offline_books()
        if not books and not offline:
            self.stdout.write("The books are empty.")
            return
        rows = [("", *_COLUMNS), *(self._row(currency, entry) for currency, entry in books.items())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            self.stdout.write(
                "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            )
        for currency, entry in offline.items():
            amount = Money(entry["amount"], currency).format("en")
            self.stdout.write(f"{currency}  beside Stripe: {amount} ({entry['count']})")

    def _row(self, currency: str, entry: dict[str, Any]) -> tuple[str, ...]:
        def counted(name: str) -> str:
            found = entry[name]
            return f"{Money(found['amount'], currency).format('en')} ({found['count']})"

        def plain(name: str) -> str:
            return Money(entry[name], currency).format("en")

        return (
            currency,
            counted("charges"),
            plain("fees"),
            counted("refunds"),
            counted("disputes"),
            plain("net"),
            str(entry["active_subscriptions"]),
        )
