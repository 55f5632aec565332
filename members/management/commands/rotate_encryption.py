"""`manage.py rotate_encryption`: move all personal data to the active keys."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from members import rotation


class Command(BaseCommand):
    """Re-encrypts and re-hashes what is not under the active keys. Safe to stop and to start again."""

    help = (
        "Re-encrypt personal data under the first of FIELD_ENCRYPTION_KEYS and renew look-up hashes under "
        "the first of LOOKUP_HASH_KEYS. Keep the old keys in the settings until this has nothing left to do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows read at once (500)")

    def handle(self, *args: Any, **options: Any) -> None:
        last: dict[str, rotation.Progress] = {}
        for progress in rotation.rotate(batch=max(1, options["batch"])):
            last[progress.model] = progress
            self.stdout.write(
                f"{progress.model}: {progress.seen} rows seen, {progress.changed} moved to the active keys"
            )
        unreadable = sum(progress.unreadable for progress in last.values())
        if unreadable:
            raise CommandError(
                f"{unreadable} rows do not open. Their key is missing, or they were tampered with."
            )
        changed = sum(progress.changed for progress in last.values())
        self.stdout.write(self.style.SUCCESS(f"Done: {changed} rows moved; all are under the active keys."))
