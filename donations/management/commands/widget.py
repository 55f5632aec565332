"""`python manage.py widget`: what to put onto the newspaper's pages, with the integrity of this release."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from donations.widget import script


class Command(BaseCommand):
    """
    Prints the script's tag, plain and with its integrity, and keeps this release.

    What is named by its hash goes on being served after an upgrade: a copy lies in DATA_DIR from now on.
    """

    help = (
        "The script tag of the widget, with the integrity value of this release; keeps the release for later."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        current = script.current()
        script.keep(current)
        base = settings.PUBLIC_BASE_URL
        self.stdout.write(
            f"""Always the newest:

  <script src="{base}/widget/v1.js" async></script>

Exactly this one, which browsers check:

  <script src="{base}/widget/v1.{current.short_hash}.js"
          integrity="{current.integrity}" crossorigin="anonymous" async></script>

{len(current.body):,} bytes, gzipped {len(script.zipped(current)):,}."""
        )
