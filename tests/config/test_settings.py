"""A missing or wrong value stops the start with a sentence that names the variable."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from tests.config.conftest import LIVE_KEY, ROOT, a_key, production

NEEDED = [
    "SECRET_KEY",
    "FIELD_ENCRYPTION_KEYS",
    "LOOKUP_HASH_KEYS",
    "PUBLIC_BASE_URL",
    "STRIPE_SECRET_KEY",
    "NEWSROOM_NAME",
    "NEWSROOM_SUPPORT_EMAIL",
]


def test_production_starts_with_what_it_needs(settings_with):
    found = settings_with()

    assert found["DEBUG"] is False
    assert found["DEV_PAGES"] is False
    assert found["STRIPE_LIVEMODE"] is True
    assert found["STRIPE_API_BASE"] is None
    assert found["ALLOWED_HOSTS"] == ["give.gazette.example"]
    assert found["LOG_FORMAT"] == "json"
    assert found["SECURE_SSL_REDIRECT"] is True
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_HSTS_SECONDS"] == 365 * 24 * 3600


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_production_does_not_start_without_what_it_needs(settings_with, name, value):
    with pytest.raises(ImproperlyConfigured, match=rf"^Set {name} in the environment"):
        settings_with(**{name: value})


def test_a_developer_needs_to_set_nothing_but_debug(settings_with):
    found = settings_with(**dict.fromkeys([*NEEDED, "DATABASE_URL", "CELERY_BROKER_URL"]), DEBUG="True")

    assert found["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert found["CELERY_BROKER_URL"] == "filesystem://"
    assert found["EMAIL_BACKEND"] == "members.mailbox.EmailBackend"
    assert found["STRIPE_SECRET_KEY"].startswith("sk_test_")


WRONG: list[tuple[str, str]] = [
    ("DEBUG", "yes"),
    ("DEBUG", "true"),
    ("DEBUG", "1"),
    ("BEHIND_HTTPS_PROXY", "on"),
    ("PUBLIC_BASE_URL", "http://give.gazette.example"),
    ("PUBLIC_BASE_URL", "give.gazette.example"),
    ("PUBLIC_BASE_URL", "https://"),
    ("PUBLIC_BASE_URL", "https://gazette.example/give"),
    ("PUBLIC_BASE_URL", "https://gazette.example?x=1"),
    ("PUBLIC_BASE_URL", "https://user:pw@gazette.example"),
    ("PUBLIC_BASE_URL", "https://[::1"),
    ("PUBLIC_BASE_URL", "ftp://gazette.example"),
    ("ALLOWED_ORIGINS", "gazette.example"),
    ("ALLOWED_ORIGINS", "https://gazette.example/"),
    ("ALLOWED_ORIGINS", "https://gazette.example/give"),
    ("ALLOWED_ORIGINS", "https://gazette.example,*"),
    ("ALLOWED_ORIGINS", "*"),
    ("ALLOWED_ORIGINS", "null"),
    ("ALLOWED_ORIGINS", "https://*.gazette.example"),
    ("ALLOWED_ORIGINS", "https://Gazette.example"),
    ("ALLOWED_ORIGINS", "https://user@gazette.example"),
    ("ALLOWED_ORIGINS", "https://gazette.example:port"),
    ("ALLOWED_ORIGINS", "https://gazette .example"),
    ("ALLOWED_ORIGINS", "javascript://gazette.example"),
    ("ALLOWED_ORIGINS", "https://[::1"),
    ("FIELD_ENCRYPTION_KEYS", "no-key"),
    ("FIELD_ENCRYPTION_KEYS", "a1:"),
    ("FIELD_ENCRYPTION_KEYS", "a1:c2hvcnQ="),
    ("FIELD_ENCRYPTION_KEYS", a_key("")),
    ("FIELD_ENCRYPTION_KEYS", a_key("a-1")),
    ("FIELD_ENCRYPTION_KEYS", a_key("ключ")),
    ("FIELD_ENCRYPTION_KEYS", a_key() + ","),
    ("FIELD_ENCRYPTION_KEYS", a_key()[:-4] + "****"),
    ("FIELD_ENCRYPTION_KEYS", f"{a_key('a1')},{a_key('a1', b'x')}"),
    ("LOOKUP_HASH_KEYS", f"{a_key('a1')},{a_key('a1', b'x')}"),
    ("LOOKUP_HASH_KEYS", "a1"),
    ("DATABASE_URL", "mysql://sustainer@127.0.0.1/sustainer"),
    ("DATABASE_URL", "sustainer"),
    ("DATABASE_URL", "postgres://sustainer@127.0.0.1:port/sustainer"),
    ("DATABASE_POOL_SIZE", "0"),
    ("DATABASE_POOL_SIZE", "-1"),
    ("DATABASE_POOL_SIZE", "1.5"),
    ("DATABASE_POOL_SIZE", "١٦"),
    ("DATABASE_LOCK_TIMEOUT_MS", "5s"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "none"),
    ("CELERY_BROKER_URL", "broker.gazette.example"),
    ("CELERY_BROKER_URL", "http://broker.gazette.example"),
    ("CACHE_URL", "memcached://127.0.0.1"),
    ("CACHE_URL", "127.0.0.1:6379"),
    ("SWEEP_SECONDS", "0"),
    ("EVENT_PAYLOAD_RETENTION_DAYS", "0"),
    ("EVENT_PAYLOAD_RETENTION_DAYS", "for ever"),
    ("STRIPE_SECRET_KEY", "whsec_0"),
    ("STRIPE_SECRET_KEY", "pk_test_0"),
    ("STRIPE_API_BASE", "http://127.0.0.1:12111"),  # beside the live key of this production
    ("STRIPE_API_BASE", "127.0.0.1:12111"),
    ("STRIPE_FEE_RATES", "USD:2,9%"),
    ("MAIL_WEBHOOK_SECRET", "short"),
    ("MAIL_WEBHOOK_SECRET", f"{'x' * 32},short"),
    ("REMINDER_MAILS", "3"),
    ("REMINDER_HOLD_OUT_PERCENT", "101"),
    ("STRIPE_FEE_RATES", "USD:2.9%+30"),
    ("STRIPE_FEE_RATES", "XXX:1%,*:1%"),
    ("ACQUISITION_MARGINS", "once=99%"),
    ("ACQUISITION_MARGINS", "once=99%,month=101%,year=99%"),
    ("ACQUISITION_MARGINS", "once=99%,month=83%,year=99%,month:XXX=80%"),
    ("ACQUISITION_MARGINS", "once=99%,month=83%,year=99%,once=98%"),
    ("ACQUISITION_MARGINS", "once=99%,month=0.83,year=99%"),
    ("CHECKOUTS_PER_NETWORK", "many"),
    ("TRUSTED_PROXIES", "-1"),
    ("NEWSROOM_TIME_ZONE", "Amsterdam"),
    ("NEWSROOM_TIME_ZONE", "../etc/passwd"),
    ("EMAIL_URL", "mail.gazette.example"),
    ("LOG_FORMAT", "xml"),
    ("LOG_LEVEL", "LOUD"),
    ("MEMBERSHIP_GRACE_DAYS", "-1"),
    ("MEMBERSHIP_GRACE_DAYS", "a week"),
    ("MEMBERSHIP_LAPSE_DAYS", "13"),  # shorter than the days of grace
    ("ONE_OFF_MEMBERSHIP_MONTHS", "121"),
    ("ONE_OFF_MEMBERSHIP_MONTHS", "1.5"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_stops_the_start_and_is_named(settings_with, name, value):
    with pytest.raises(ImproperlyConfigured, match=name) as stop:
        settings_with(**{name: value})

    sentence = str(stop.value)
    assert sentence.endswith((".", "?"))
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "LOOKUP_HASH_KEYS", "DATABASE_URL", "MAIL_WEBHOOK_SECRET"]
)
def test_the_sentence_does_not_repeat_a_secret(settings_with, name):
    with pytest.raises(ImproperlyConfigured) as stop:
        settings_with(**{name: "my-secret-value", "STRIPE_SECRET_KEY": "my-secret-value"})

    assert "my-secret-value" not in str(stop.value)


def test_a_live_key_beside_a_sandbox_is_refused_even_while_developing(settings_with):
    with pytest.raises(ImproperlyConfigured, match="STRIPE_API_BASE"):
        settings_with(DEBUG="True", STRIPE_API_BASE="http://127.0.0.1:12111", STRIPE_SECRET_KEY=LIVE_KEY)


def test_several_webhook_secrets_are_read_so_that_one_can_be_rolled(settings_with):
    found = settings_with(STRIPE_WEBHOOK_SECRET="whsec_new, whsec_old,")

    assert found["STRIPE_WEBHOOK_SECRETS"] == ["whsec_new", "whsec_old"]


def test_keys_keep_their_order_the_active_one_first(settings_with):
    found = settings_with(FIELD_ENCRYPTION_KEYS=f"{a_key('new', b'n')}, {a_key('old', b'o')}")

    assert found["FIELD_ENCRYPTION_KEYS"] == [("new", b"n" * 32), ("old", b"o" * 32)]


def test_a_slash_at_the_end_of_our_address_does_not_matter(settings_with):
    assert settings_with(PUBLIC_BASE_URL="https://give.gazette.example/")["PUBLIC_BASE_URL"] == (
        "https://give.gazette.example"
    )


def test_an_address_with_a_port_answers_to_its_host(settings_with):
    found = settings_with(PUBLIC_BASE_URL="https://give.gazette.example:8443")

    assert found["ALLOWED_HOSTS"] == ["give.gazette.example"]


def test_postgresql_gets_a_pool_that_checks_its_connections_and_time_limits(settings_with):
    found = settings_with(
        DATABASE_POOL_SIZE="7", DATABASE_LOCK_TIMEOUT_MS="1", DATABASE_STATEMENT_TIMEOUT_MS="2"
    )
    database = found["DATABASES"]["default"]

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert database["OPTIONS"]["pool"]["max_size"] == 7
    assert database["CONN_MAX_AGE"] == 0  # Django's pool wants it so
    assert database["CONN_HEALTH_CHECKS"] is True
    for limit in ("lock_timeout=1", "statement_timeout=2", "idle_in_transaction_session_timeout="):
        assert f"-c {limit}" in database["OPTIONS"]["options"]
    assert not database.get("ATOMIC_REQUESTS")  # or "committed first" would not be true


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")
@pytest.mark.django_db
def test_sqlite_writes_ahead_and_makes_writers_queue(settings_with, tmp_path):
    """On a real file: the database of a test is in memory, which knows no WAL."""
    from django.db.backends.sqlite3.base import DatabaseWrapper
    from django.db.utils import ConnectionHandler

    options = settings_with(DATABASE_URL=f"sqlite:///{tmp_path / 'books.sqlite3'}")["DATABASES"]
    database = ConnectionHandler(options)["default"]
    assert isinstance(database, DatabaseWrapper)
    try:
        with database.cursor() as cursor:
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
            assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)
        assert database.transaction_mode == "IMMEDIATE"
    finally:
        database.close()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL")
@pytest.mark.django_db
def test_postgresql_knows_its_time_limits_and_its_pool():
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)
    assert connection.pool is not None


# --- End to end: what somebody sees at the prompt -----------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SECRET_KEY": ""}, "Set SECRET_KEY in the environment"),
        ({"PUBLIC_BASE_URL": "http://give.gazette.example"}, "PUBLIC_BASE_URL must start with https://"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:12111"}, "Unset STRIPE_API_BASE"),
    ],
)
def test_the_last_line_at_the_prompt_says_what_to_set(tmp_path, changes, says):
    environment = {"PATH": os.environ["PATH"], "DEBUG": "False", **production(tmp_path), **changes}
    done = subprocess.run(
        [sys.executable, "-c", "import config.wsgi"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert says in last, done.stderr


# --- .env.example -------------------------------------------------------------------------------------


def variables_that_are_read() -> set[str]:
    """The names in calls such as env.text("NAME", …) of the settings module."""
    tree = ast.parse((ROOT / "config" / "settings.py").read_text())
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def variables_that_are_explained() -> list[str]:
    text = (ROOT / ".env.example").read_text()
    return re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)


def test_the_example_documents_every_variable_once_and_no_other():
    explained = variables_that_are_explained()

    assert sorted(explained) == sorted(variables_that_are_read())
    assert len(explained) > 25


def test_each_variable_of_the_example_stands_under_a_comment():
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[A-Z_]+=", line):
            above = [before for before in lines[:number] if not re.match(r"[A-Z_]+=", before)]
            assert above[-1].startswith("#"), f"{line} has no comment above it"


def test_the_example_itself_starts_once_its_secrets_are_filled_in(settings_with, tmp_path):
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    values = {name: value for name, value in values.items() if value}
    found = settings_with(**values)

    assert found["DATABASES"]["default"]["NAME"] == "sustainer"
    assert found["DEBUG"] is False


def test_generated_keys_are_keys_that_the_settings_take(settings_with, capsys):
    from django.core.management import call_command

    call_command("generate_keys")
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.split())
    found = settings_with(**printed)

    assert set(printed) == {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "LOOKUP_HASH_KEYS"}
    assert len(found["FIELD_ENCRYPTION_KEYS"][0][1]) == 32
    assert len(found["SECRET_KEY"]) >= 50


def test_a_file_of_settings_gives_way_to_the_environment(tmp_path, monkeypatch):
    from config import env

    path = tmp_path / ".env"
    path.write_text("A_SETTING_OF_THIS_TEST=from the file\nANOTHER_OF_THIS_TEST=from the file\n")
    monkeypatch.setenv("A_SETTING_OF_THIS_TEST", "from the environment")
    monkeypatch.setenv("ANOTHER_OF_THIS_TEST", "")
    monkeypatch.delenv("ANOTHER_OF_THIS_TEST")
    env.load_file(path)

    assert env.text("A_SETTING_OF_THIS_TEST") == "from the environment"
    assert env.text("ANOTHER_OF_THIS_TEST") == "from the file"
    env.load_file(tmp_path / "there is none")


def test_the_admin_is_not_where_everybody_looks(settings_with):
    assert settings_with(ADMIN_PATH=None)["ADMIN_PATH"] == "staff/"
    assert settings_with(ADMIN_PATH="/behind/the-press/")["ADMIN_PATH"] == "behind/the-press/"


@pytest.mark.parametrize("path", ["/", "a b", "api/staff", "support/us", "x?y", "health/x", "…"])
def test_the_admin_cannot_be_where_something_else_is(settings_with, path):
    with pytest.raises(ImproperlyConfigured, match="ADMIN_PATH"):
        settings_with(ADMIN_PATH=path)
