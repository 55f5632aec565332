"""`manage.py import_csv`: members and gifts from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from donations import csv_rows, file_import
from donations.file_import import Preview
from donations.models import Campaign
from members import clock

_MOST_LINES = 200


class Command(BaseCommand):
    """Takes each row once, all rows or none; no mail is sent."""

    help = (
        "Take members and gifts from a CSV file with the columns email, name, amount, currency, date, interval, "
        "campaign, reference; only email is needed. All rows or none; no mail is sent; the same file again changes "
        "nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--campaign", required=True, help="The slug of the campaign for rows that name none."
        )
        parser.add_argument("--encoding", choices=sorted(csv_rows.ENCODINGS), default="auto")
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would be taken; store nothing."
        )
        parser.add_argument(
            "--skip-bad-rows", action="store_true", help="Take the others if some rows cannot be taken."
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        now = clock.now()
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError("There is no campaign with this slug; the admin lists them.")
        try:
            if file.stat().st_size > csv_rows.MOST_BYTES:
                raise csv_rows.BadFile("file_too_large")
            data = file.read_bytes()
            if options["dry_run"]:
                found = file_import.look(data, campaign=campaign, encoding=options["encoding"], now=now)
                self._say(found)
                self.stdout.write("Nothing was stored.")
                return
            kept, found = file_import.upload(
                data, campaign=campaign, encoding=options["encoding"], actor="command", now=now
            )
            self._say(found)
            done = file_import.take(kept, skip_bad_rows=options["skip_bad_rows"], actor="command", now=now)
        except (OSError, csv_rows.BadFile, file_import.HasFaults, file_import.AlreadyImported) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{done.taken} rows were imported, {done.known} were here before, {done.left_out} left out."
        )

    def _say(self, found: Preview) -> None:
        for fault in found.faults[:_MOST_LINES]:
            self.stdout.write(f"  {fault}")
        if len(found.faults) > _MOST_LINES:
            self.stdout.write(f"  … and {len(found.faults) - _MOST_LINES} more")
        self.stdout.write(
            f"{found.count} rows: {len(found.new)} new, {found.known} here before, {found.faulty_rows} cannot be taken."
        )
        for total in found.totals.values():
            self.stdout.write(f"  {total}")
