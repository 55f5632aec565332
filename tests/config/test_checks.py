"""System checks: each says what is wrong and what to do, when it is wrong and only then."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core import checks

from config.checks import check_production, check_stripe_key, check_webhook_secret
from tests.config.conftest import ROOT, production

SQLITE = {"default": {"ENGINE": "django.db.backends.sqlite3"}}
POSTGRESQL = {"default": {"ENGINE": "django.db.backends.postgresql"}}


@pytest.fixture
def sound(settings):
    """Settings of a production in which nothing is wrong."""
    settings.DEBUG = False
    settings.SECRET_KEY = "0123456789" * 6
    settings.STRIPE_LIVEMODE = True
    settings.STRIPE_API_BASE = None
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_0"]
    settings.CELERY_BROKER_URL = "redis://127.0.0.1/0"
    return settings


def found(monkeypatch, engine=POSTGRESQL) -> list[checks.CheckMessage]:
    # Not through the fixture: Django would take another DATABASES for a change of the tests' own database.
    from django.conf import settings

    monkeypatch.setattr(settings, "DATABASES", engine)
    return [
        message
        for check in (check_stripe_key, check_webhook_secret, check_production)
        for message in check(app_configs=None)
    ]


def test_a_sound_production_has_nothing_to_hear(sound, monkeypatch):
    assert found(monkeypatch) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DEBUG", True, {"config.E001"}),
        ("STRIPE_API_BASE", "http://127.0.0.1:12111", {"config.E002"}),
        ("STRIPE_WEBHOOK_SECRETS", [], {"config.E003"}),
        ("STRIPE_WEBHOOK_SECRETS", ["whsec_0", "sk_test_0"], {"config.E004"}),
        ("STRIPE_LIVEMODE", False, {"config.W001"}),
        ("CELERY_BROKER_URL", "filesystem://", {"config.W003"}),
    ],
)
def test_each_fault_is_told_alone(sound, monkeypatch, name, value, expected):
    setattr(sound, name, value)

    assert {message.id for message in found(monkeypatch)} == expected


def test_the_development_key_is_an_error(sound, monkeypatch):
    sound.SECRET_KEY = sound.DEVELOPMENT_SECRET_KEY

    assert [message.id for message in found(monkeypatch)] == ["config.E005"]


def test_sqlite_is_a_warning(sound, monkeypatch):
    assert [message.id for message in found(monkeypatch, SQLITE)] == ["config.W002"]


def test_a_test_key_beside_a_sandbox_while_developing_is_fine(sound):
    sound.DEBUG, sound.STRIPE_LIVEMODE, sound.STRIPE_API_BASE = True, False, "http://127.0.0.1:12111"

    assert check_stripe_key(app_configs=None) == []


def test_errors_are_errors_and_each_has_a_hint(sound, monkeypatch):
    sound.DEBUG, sound.STRIPE_API_BASE = True, "http://127.0.0.1:12111"
    sound.SECRET_KEY, sound.STRIPE_WEBHOOK_SECRETS = sound.DEVELOPMENT_SECRET_KEY, ["nonsense"]
    sound.CELERY_BROKER_URL = "filesystem://"
    messages = found(monkeypatch, SQLITE)

    assert {message.id for message in messages} == {
        "config.E001",
        "config.E002",
        "config.E004",
        "config.E005",
        "config.W002",
        "config.W003",
    }
    for message in messages:
        assert message.hint
        assert message.is_serious() is message.id.startswith("config.E")


def check(tmp_path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DEBUG": "False", **production(tmp_path), **changes}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_sound_production_passes_the_deploy_checks_of_django_and_ours(tmp_path):
    done = check(tmp_path, "--fail-level", "WARNING", SECRET_KEY="-".join(str(n) for n in range(40)))

    assert done.returncode == 0, done.stderr


def test_the_deploy_checks_speak_up_at_the_prompt(tmp_path):
    done = check(tmp_path, STRIPE_WEBHOOK_SECRET="", CELERY_BROKER_URL="filesystem://")

    assert done.returncode != 0
    assert "config.E003" in done.stderr
    assert "config.W003" in done.stderr
