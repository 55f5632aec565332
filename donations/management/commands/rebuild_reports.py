"""Put the journal and the sums of the reports right, or look whether they are."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from donations.reports import rebuilding
from members import clock


class Command(BaseCommand):
    help = (
        "Tell the journal what it misses and have all sums by day and month be those of its entries; "
        "with --check, compare both with the books, change nothing, and fail if they differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Only compare.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            found = rebuilding.compare(progress=self._show)
            if not found.agrees:
                self.stdout.write(
                    f"{found.journal} facts and {found.sums} sums differ. Run it without --check to put them right."
                )
                sys.exit(1)
            self.stdout.write(f"All agree: {found.facts} facts of the books, the journal and the sums.")
            return
        done = rebuilding.rebuild(now=clock.now(), progress=self._show)
        self.stdout.write(
            f"{done.facts} facts, of which {done.journal} were told anew; all sums are those of the journal."
        )

    def _show(self, what: str, count: int) -> None:
        self.stderr.write(f"{what}: {count}")
