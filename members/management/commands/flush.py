"""Empty the database: Django's own command, with leave to empty the history of memberships as well."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import flush

from members import history_guard


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        with history_guard.emptying():
            super().handle(**options)
