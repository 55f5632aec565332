"""`python manage.py verify_audit`: whether the audit log is as it was written."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from members import audit


class Command(BaseCommand):
    """Walks along the chain of the audit log and names the first entry that was touched."""

    help = "Check that nobody changed, removed or slipped in an entry of the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect",
            default="",
            metavar="HASH",
            help="a last hash noted earlier, which has to be there still",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = audit.verify(expected=options["expect"])
        if found.broken_at is not None:
            raise CommandError(
                f"The audit log is broken at entry {found.broken_at}: {found.problem}. "
                f"The {found.entries} entries before it hold."
            )
        if not found.knows_expected:
            raise CommandError("The hash that was noted is not in the audit log: its end was cut off.")
        self.stdout.write(
            f"The audit log holds: {found.entries} entries. Its last hash, to be noted elsewhere:"
        )
        self.stdout.write(found.head)
