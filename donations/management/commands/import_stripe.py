"""`manage.py import_stripe`: move in with the readers that an account at Stripe has already."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from donations import doubles, reconciliation, stripe_import
from donations.errors import DonationError
from donations.models import Campaign, StripeImport
from donations.stripe_import import Tally
from members import clock

_MOST_LINES = 50


class Command(BaseCommand):
    """Takes subscriptions with their history, and single charges, into the books; no mail is sent about the past."""

    help = (
        "Take what an account at Stripe held before us into our books: subscriptions with all their payments, "
        "single charges, refunds and disputes. Killed and called again it goes on; called twice it changes nothing. "
        "No mail is sent about what happened before, and nothing is changed at Stripe."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--campaign", help="The slug of the campaign to which they are added.")
        parser.add_argument(
            "--product",
            action="append",
            default=[],
            help="Only subscriptions to this product; may be repeated.",
        )
        parser.add_argument(
            "--without-one-off", action="store_true", help="Leave out charges that belong to no subscription."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would be taken; store nothing."
        )
        parser.add_argument("--progress", action="store_true", help="Say on stderr how far it is.")
        parser.add_argument(
            "--give-up", action="store_true", help="End the import that is under way; what it took stays."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["give_up"]:
            self.stdout.write(f"{stripe_import.give_up(now=clock.now())} imports were given up.")
            return
        progress = self._progress if options["progress"] else None
        wish = {"products": options["product"], "with_one_off": not options["without_one_off"]}
        try:
            if options["dry_run"]:
                self._say_outcome(stripe_import.look(**wish, progress=progress))
                return
            campaign = Campaign.objects.filter(slug=options["campaign"] or "").first()
            if campaign is None:
                raise CommandError("Say --campaign with the slug of a campaign; the admin lists them.")
            run = stripe_import.begin(campaign, **wish, now=clock.now())
            if run.counts:
                self.stdout.write(f"Going on with the import of {run.started_at:%Y-%m-%d %H:%M} UTC.")
            stripe_import.carry_on(run, clock=clock.now, progress=progress)
            doubles.note_marks()
        except (
            DonationError,
            reconciliation.WrongMode,
            reconciliation.WrongAccount,
            stripe_import.AnotherImport,
        ) as error:
            raise CommandError(str(error)) from error
        finally:
            if progress:
                self.stderr.write("")
        self._say_run(run)

    def _progress(self, stage: str, tally: Tally) -> None:
        self.stderr.write(f"\r{stage.lower():20} {tally.seen:8} looked at {tally.taken:8} taken", ending="")
        self.stderr.flush()

    def _say_table(self, tallies: dict[str, Tally], verb: str) -> None:
        self.stdout.write(f"{'':20}{'looked at':>12}{verb:>16}{'here before':>14}{'left out':>12}")
        for name, tally in tallies.items():
            self.stdout.write(
                f"{name.lower():20}{tally.seen:12}{tally.taken:16}{tally.known:14}{tally.left_out.total():12}"
            )
        reasons = sum((tally.left_out for tally in tallies.values()), start=Tally().left_out)
        for code, count in sorted(reasons.items()):
            self.stdout.write(f"{count:8} {code}: {stripe_import.REASONS[code]}")

    def _say_outcome(self, outcome: stripe_import.Outcome) -> None:
        self._say_table(outcome.tallies, "would be taken")
        self.stdout.write("")
        for (interval, currency), count in sorted(outcome.gifts.items()):
            self.stdout.write(f"{count:8} {interval:6} {currency}")
        self._say_problems(outcome.problems)
        self.stdout.write("Nothing was stored.")

    def _say_run(self, run: StripeImport) -> None:
        self._say_table(
            {
                stage: Tally.from_json(run.counts[stage])
                for stage in stripe_import.STAGES
                if stage in run.counts
            },
            "taken",
        )
        found = run.problems.exclude(kind="payment_intent")
        self._say_problems(list(found.values_list("kind", "stripe_id", "code")[: _MOST_LINES + 1]))

    def _say_problems(self, problems: list[tuple[str, str, str]]) -> None:
        for kind, stripe_id, code in problems[:_MOST_LINES]:
            self.stdout.write(f"  left out: {kind} {stripe_id}: {code}")
        if len(problems) > _MOST_LINES:
            self.stdout.write("  … and more; the admin lists them under Stripe import problems.")
