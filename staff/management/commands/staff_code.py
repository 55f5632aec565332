"""`python manage.py staff_code NAME`: the code that somebody's app would show now; only for trying things out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from staff import second_factor


class Command(BaseCommand):
    """Prints a code of the second factor, in the demo alone."""

    help = (
        "Print the code that the authenticator app of a member of staff would show now (only with DEV_PAGES)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name that they sign in with")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEV_PAGES:
            raise CommandError(
                "A code for whoever asks would be no second factor. This works in the demo alone."
            )
        user = get_user_model().objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError("There is no such account.")
        self.stdout.write(second_factor.code_now(user))
