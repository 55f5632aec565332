"""`python manage.py reset_second_factor NAME`: for the one who lost the phone, and could help all others."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from members import audit, clock
from staff import locks, second_factor


class Command(BaseCommand):
    """Forgets a second factor and opens a closed account; their next sign-in sets up another."""

    help = "Take the second factor of a member of staff away, and open the account if it is locked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name that they sign in with")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError("There is no such account.")
        second_factor.take_away(user)
        locks.forget(user)
        audit.record(
            actor="command",
            act=audit.Act.SECOND_FACTOR_TAKEN,
            subject=f"auth.user:{user.pk}",
            now=clock.now(),
        )
        self.stdout.write("Done. The next sign-in sets up another.")
