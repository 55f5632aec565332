"""`python manage.py load_sample`: something to look at."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from donations import samples
from members import clock


class Command(BaseCommand):
    """Makes the sample campaigns and tiers, and a sample member of staff if asked to; run it as often as you like."""

    help = (
        "Make the sample campaigns and membership tiers; with --staff also an admin user to try things out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--staff", action="store_true", help="also make the user `admin` (only with DEV_PAGES)"
        )
        parser.add_argument("--password", default="", help="the password of `admin`; needed with --staff")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["staff"]:
            if not settings.DEV_PAGES:
                raise CommandError(
                    "A sample user in production would be an open door. Use createsuperuser there."
                )
            if not options["password"]:
                raise CommandError("Say --password as well.")
        for campaign in samples.load(now=clock.now()):
            self.stdout.write(f"Campaign {campaign.slug} is there.")
        if options["staff"]:
            self._make_staff(options["password"])

    def _make_staff(self, password: str) -> None:
        users = get_user_model().objects
        admin, _ = users.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
        # Hashing a password takes long on purpose, and the demo loads its sample at each start.
        if not admin.check_password(password):
            admin.set_password(password)
            admin.save(update_fields=["password"])
        self.stdout.write("User admin is there.")
