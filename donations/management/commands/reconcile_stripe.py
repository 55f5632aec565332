"""`manage.py reconcile_stripe`: fetch what Stripe knows and we do not, and act on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from donations import inbox, payouts, reconciliation, services
from donations.errors import DonationError
from donations.models import ReconcileFinding
from members import clock

_Outcome = ReconcileFinding.Outcome
_MOST_LINES = 50  # of differences that a person has to look at


class Command(BaseCommand):
    """
    Compares events, then objects, prints what was found and what became of it.

    Exit status 0 only if nothing is left on which Stripe and the books differ.
    """

    help = (
        "Compare our books with Stripe: events of up to 29 days that never came, then subscriptions, invoices, "
        "charges, refunds, disputes, payouts and checkouts themselves. What is missing is fetched and acted on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=_moment,
            help=(
                "A date or time in UTC, such as 2026-11-01, as long ago as you like. Default: events of 3 days, or "
                "more if there was no complete comparison since; objects of 35 days."
            ),
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what differs; store nothing.")
        parser.add_argument("--progress", action="store_true", help="Say on stderr how far it is.")

    def handle(
        self, *args: Any, since: datetime | None, dry_run: bool, progress: bool, **options: Any
    ) -> None:
        now = clock.now()
        try:
            report = reconciliation.reconcile(
                since=since or reconciliation.due_since(now=now), now=now, dry_run=dry_run
            )
            if not dry_run:
                inbox.process_waiting(now=now)
            comparison = reconciliation.compare(
                since=since, now=now, dry_run=dry_run, progress=self._progress if progress else None
            )
        except (DonationError, reconciliation.WrongMode, reconciliation.WrongAccount) as error:
            raise CommandError(str(error)) from error
        finally:
            if progress:
                self.stderr.write("")
        self._say_events(report, dry_run=dry_run)
        self._say_objects(comparison)
        if not dry_run:
            payouts.list_lines(now=now)
            settled = services.settle(now=now)
            self.stdout.write(f"{settled} fees fetched.")
        if comparison.unresolved:
            raise CommandError(
                f"{comparison.unresolved} differences are left. The admin lists them under Reconcile findings; "
                "docs/operations.md says what to do."
            )

    def _progress(self, kind: str, seen: int) -> None:
        self.stderr.write(f"\r{kind:20} {seen:8}", ending="")
        self.stderr.flush()

    def _say_events(self, report: reconciliation.Report, *, dry_run: bool) -> None:
        for kind, count in sorted(report.by_type.items()):
            self.stdout.write(f"  {count:6}  {kind}")
        verb = "would be fetched" if dry_run else "were fetched"
        self.stdout.write(
            f"{report.seen} events at Stripe since {report.since:%Y-%m-%d %H:%M} UTC; "
            f"{report.missed} were missing and {verb}."
        )

    def _say_objects(self, comparison: reconciliation.Comparison) -> None:
        outcomes: Sequence[_Outcome] = (
            _Outcome.FOUND,
            _Outcome.REPAIRED,
            _Outcome.STILL_DIFFERS,
            _Outcome.UNKNOWN_AT_STRIPE,
        )
        cell: Callable[[object], str] = lambda value: f"{value!s:>24}"  # noqa: E731
        self.stdout.write("")
        self.stdout.write(f"{'':18}{'looked at':>10}" + "".join(cell(outcome.label) for outcome in outcomes))
        for kind in reconciliation.KINDS:
            counts = [comparison.count(kind.name, outcome) for outcome in outcomes]
            self.stdout.write(
                f"{kind.name:18}{comparison.seen[kind.name]:10}"
                + "".join(cell(count or "") for count in counts).rstrip()
            )
        self.stdout.write("")
        told = [drift for drift in comparison.drifts if drift.outcome != _Outcome.REPAIRED]
        for drift in told[:_MOST_LINES]:
            self.stdout.write(f"  {drift.stripe_id}: {drift.what}")
        if len(told) > _MOST_LINES:
            self.stdout.write(f"  … and {len(told) - _MOST_LINES} more")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
