"""`manage.py generate_keys`: the secrets that an installation needs, freshly made."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Print fresh values for SECRET_KEY, FIELD_ENCRYPTION_KEYS and LOOKUP_HASH_KEYS, ready for a .env file."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(50)}")
        for name in ("FIELD_ENCRYPTION_KEYS", "LOOKUP_HASH_KEYS"):
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            self.stdout.write(f"{name}={secrets.token_hex(3)}:{key}")
