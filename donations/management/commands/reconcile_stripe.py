"""`manage.py reconcile_stripe`: fetch what Stripe told and we did not hear, and act on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from donations import inbox, reconciliation, services
from donations.errors import DonationError
from members import clock


class Command(BaseCommand):
    help = "Compare our inbox with Stripe's events of up to 29 days; store and act on those that never came."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=_moment,
            help=(
                "A date or time in UTC, such as 2026-11-01. Default: 3 days ago, or earlier if there was no "
                "complete comparison since."
            ),
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what is missing.")

    def handle(self, *args: Any, since: datetime | None, dry_run: bool, **options: Any) -> None:
        now = clock.now()
        try:
            report = reconciliation.reconcile(
                since=since or reconciliation.due_since(now=now), now=now, dry_run=dry_run
            )
        except (DonationError, reconciliation.WrongMode) as error:
            raise CommandError(str(error)) from error
        for kind, count in sorted(report.by_type.items()):
            self.stdout.write(f"  {count:6}  {kind}")
        verb = "would be fetched" if dry_run else "were fetched"
        self.stdout.write(
            f"{report.seen} events at Stripe since {report.since:%Y-%m-%d %H:%M} UTC; "
            f"{report.missed} were missing and {verb}."
        )
        if not dry_run:
            processed = inbox.process_waiting(now=now)
            settled = services.settle(now=now)
            self.stdout.write(f"{processed} events acted on, {settled} fees fetched.")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
