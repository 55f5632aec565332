"""What must be right before personal data is kept here."""

from __future__ import annotations

import base64
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

_KEY_BYTES = 32
_MAX_KEY_ID = 16
_HINT = "Make one with `python manage.py generate_keys` and keep it outside the database and its backups."


@register(Tags.security)
def check_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Key ids that are unique and short ASCII, keys of 256 bits."""
    found: list[CheckMessage] = []
    for name in ("FIELD_ENCRYPTION_KEYS", "LOOKUP_HASH_KEYS"):
        keys: list[tuple[str, bytes]] = getattr(settings, name, [])
        if not keys:
            found.append(Error(f"{name} holds no key.", hint=_HINT, id="members.E002"))
        if len({key_id for key_id, _ in keys}) != len(keys):
            found.append(
                Error(
                    f"{name} uses a key id twice.", hint="Give each key an id of its own.", id="members.E003"
                )
            )
        for key_id, key in keys:
            if len(key) != _KEY_BYTES:
                found.append(
                    Error(f"{name}: key {key_id!r} is not 32 bytes long.", hint=_HINT, id="members.E004")
                )
            if not key_id or len(key_id) > _MAX_KEY_ID or not key_id.isascii() or not key_id.isalnum():
                found.append(
                    Error(
                        f"{name}: {key_id!r} is no key id.",
                        hint=f"Use 1 to {_MAX_KEY_ID} ASCII letters and digits, such as the year and month.",
                        id="members.E005",
                    )
                )
    return found


@register(Tags.security)
def check_development_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The keys that everybody can read in our source never guard a real reader."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    for name, published in (
        ("FIELD_ENCRYPTION_KEYS", settings.DEVELOPMENT_FIELD_KEY),
        ("LOOKUP_HASH_KEYS", settings.DEVELOPMENT_LOOKUP_KEY),
    ):
        public_key = base64.b64decode(published.partition(":")[2])
        if any(key == public_key for _, key in getattr(settings, name)):
            found.append(
                Error(
                    f"{name} holds the development key, which is printed in the source.",
                    hint=_HINT,
                    id="members.E001",
                )
            )
    return found
