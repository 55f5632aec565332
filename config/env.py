"""
Read the environment once, loudly.

Each reader returns a value of the type that its name says, or stops the start with one sentence that
says which variable to set and to what. The parsing of URLs is django-environ's.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured


def load_file(path: Path) -> None:
    """Take variables from a .env file where there is one; what the environment says already wins."""
    if path.is_file():
        environ.Env.read_env(str(path))


def text(name: str, default: str | None = None, *, why: str = "") -> str:
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise ImproperlyConfigured(
            f"Set {name} in the environment{': ' + why if why else ''}. See .env.example."
        )
    return value


def optional(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def flag(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "").strip() or str(default)
    if value not in ("True", "False"):
        raise ImproperlyConfigured(f"{name}={value!r} is neither True nor False. Set it to one of them.")
    return value == "True"


def number(name: str, default: int, *, least: int = 0) -> int:
    value = os.environ.get(name, "").strip() or str(default)
    if not (value.isascii() and value.isdigit()) or int(value) < least:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number of at least {least}.")
    return int(value)


def items(name: str, default: str = "") -> list[str]:
    """Comma-separated values, without blanks."""
    return [item for item in (part.strip() for part in text(name, default).split(",")) if item]


def choice(name: str, default: str, *, of: Collection[str]) -> str:
    """One of a few words."""
    value = text(name, default)
    if value not in of:
        raise ImproperlyConfigured(f"{name}={value!r} is unknown. Set it to one of {', '.join(of)}.")
    return value


def time_zone(name: str, default: str) -> str:
    """The name of a time zone that this machine knows."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ImproperlyConfigured(
            f"{name}={value!r} is no time zone. Write it as Europe/Amsterdam, or UTC."
        ) from error
    return value


def origins(name: str, default: str = "") -> list[str]:
    """Comma-separated origins as browsers write them, such as https://news.example; no path, no wildcard."""
    found = items(name, default)
    for origin in found:
        if not _is_origin(origin):
            raise ImproperlyConfigured(
                f"{name} holds {origin!r}, which is not an origin. Write it as https://news.example, without a path."
            )
    return found


def base_url(name: str, default: str | None = None, *, why: str = "") -> str:
    """An http(s) address of a whole site: an origin, to which paths are appended. A slash at its end is cut off."""
    value = text(name, default, why=why).rstrip("/")
    if not _is_origin(value):
        raise ImproperlyConfigured(
            f"{name}={value!r} is not the address of a site. Write it as https://give.news.example, without a path."
        )
    return value


def _is_origin(value: str) -> bool:
    """Scheme, host and perhaps a port, in the one spelling that browsers use."""
    return _ORIGIN.fullmatch(value) is not None


_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"https?://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{0,4}})?")


def service(name: str, default: str | None = None, *, schemes: Collection[str]) -> str:
    """The URL of a service that we speak to, by one of these schemes."""
    value = text(name, default)
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name} is not a URL that we understand. It starts with one of "
            f"{', '.join(f'{known}://' for known in schemes)}."
        )
    return value


def keys(name: str, default: str | None = None, *, why: str = "") -> list[tuple[str, bytes]]:
    """
    Comma-separated `id:base64` pairs of 32-byte keys, the active one first.

    Make one with `python manage.py generate_keys`.
    """
    found: list[tuple[str, bytes]] = []
    for item in (part.strip() for part in text(name, default, why=why).split(",")):
        key_id, _, encoded = item.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not (key_id.isascii() and key_id.isalnum()) or len(key) != 32:
            raise ImproperlyConfigured(
                f"{name} wants comma-separated id:key pairs, each key 32 bytes in base64. "
                "Make one with `python manage.py generate_keys`."
            )
        found.append((key_id, key))
    if len({key_id for key_id, _ in found}) != len(found):
        raise ImproperlyConfigured(f"{name} uses a key id twice. Give each key an id of its own.")
    return found


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings for the database that a URL names; SQLite or PostgreSQL."""
    url = text(name, default)
    try:
        found: dict[str, Any] = dict(environ.Env.db_url_config(url))
    except Exception as error:
        raise ImproperlyConfigured(
            f"{name} is not a database URL, such as postgres://user@host/name."
        ) from error
    if found.get("ENGINE") not in ("django.db.backends.sqlite3", "django.db.backends.postgresql"):
        raise ImproperlyConfigured(f"{name} must start with sqlite:/// or postgres://.")
    return found


def email(name: str, default: str) -> dict[str, Any]:
    """Django's EMAIL_* settings for a URL such as smtp+tls://user:password@host:587, or eml: for files."""
    url = text(name, default)
    if url == "eml:":
        return {"EMAIL_BACKEND": "members.mailbox.EmailBackend"}
    try:
        found: dict[str, Any] = dict(environ.Env.email_url_config(url))
    except Exception as error:
        raise ImproperlyConfigured(
            f"{name} is not a mail server URL, such as smtp+tls://user:pw@host:587."
        ) from error
    found.pop("OPTIONS", None)
    return {
        key: value for key, value in found.items() if key.startswith("EMAIL_") and key != "EMAIL_FILE_PATH"
    }
