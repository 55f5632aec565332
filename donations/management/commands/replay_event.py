"""`manage.py replay_event evt_…`: act again on events that are parked, ignored or in quarantine."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from donations import inbox
from donations.models import StripeEvent
from members import clock


class Command(BaseCommand):
    help = "Act again on events that are parked, ignored or in quarantine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("events", nargs="*", help="Ids, such as evt_1Abc.")
        parser.add_argument("--parked", action="store_true", help="All that are parked.")
        parser.add_argument("--quarantined", action="store_true", help="All that are in quarantine.")

    def handle(self, *args: Any, events: list[str], parked: bool, quarantined: bool, **options: Any) -> None:
        states = [state for state, wanted in (("PARKED", parked), ("QUARANTINED", quarantined)) if wanted]
        found = StripeEvent.objects.filter(stripe_id__in=events) | StripeEvent.objects.filter(
            state__in=states
        )
        if unknown := set(events) - set(found.values_list("stripe_id", flat=True)):
            raise CommandError(f"No such event: {', '.join(sorted(unknown))}")
        now = clock.now()
        for event in found.order_by("occurred_at", "pk"):
            if inbox.replay(event_id=event.pk, now=now):
                inbox.process(event_id=event.pk, now=now)
                event.refresh_from_db(fields=["state", "problem"])
                self.stdout.write(f"{event.stripe_id}  {event.type}  {event.state}  {event.problem}")
            else:
                self.stdout.write(
                    f"{event.stripe_id}  {event.type}  left as it is ({event.state}, or its body is purged)"
                )
