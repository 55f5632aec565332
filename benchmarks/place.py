"""Where it is measured: a database of its own, and settings as in production."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks import traffic

NAME = os.environ.get("BENCH_DATABASE_NAME", "sustainer_bench")
ROOT = Path(__file__).resolve().parent.parent
_DEFAULT = "postgres://postgres@127.0.0.1:5432/postgres"
_BROKER = ("127.0.0.1", 6379, 14)


class NoDatabase(Exception):
    """There is nothing to measure on; the message says what to do."""


class Place:
    """A fresh database `sustainer_bench`, emptied on demand, and the environment of the processes that use it."""

    def __init__(self, admin: psycopg.Connection, url: str, data: Path) -> None:
        self._admin = admin
        self.database_url = url
        self.environment = _environment(url, data)

    def empty_tables(self) -> None:
        """Give each row of the report tables of the same size: none."""
        with psycopg.connect(self.database_url) as link:
            link.execute("TRUNCATE donations_stripeevent, donations_contribution CASCADE")

    def manage(self, *arguments: str) -> None:
        """Run a command of manage.py here. Raises CalledProcessError."""
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, check=True)


@contextlib.contextmanager
def prepared(data: Path, name: str = NAME) -> Iterator[Place]:
    """
    Create the database, migrate it, and drop it in the end.

    :raises NoDatabase: PostgreSQL does not answer, or the user must not create databases.
    """
    given = os.environ.get("BENCH_DATABASE_URL") or _DEFAULT
    try:
        admin = psycopg.connect(given, autocommit=True, connect_timeout=5)
    except (psycopg.Error, ValueError) as error:
        raise NoDatabase(
            "Start PostgreSQL, or set BENCH_DATABASE_URL to one where a database may be created "
            f"(postgres://user:password@host:port/postgres): {str(error).strip().splitlines()[0]}"
        ) from error
    with admin:
        try:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {name}")
        except psycopg.errors.InsufficientPrivilege as error:
            raise NoDatabase(
                "Set BENCH_DATABASE_URL to a user that may create the database sustainer_bench."
            ) from error
        try:
            place = Place(admin, urlunsplit(urlsplit(given)._replace(path=f"/{name}")), data)
            place.manage("migrate", "--verbosity", "0")
            place.manage("shell", "--verbosity", "0", "-c", "from benchmarks import sample; sample.lay_out()")
            yield place
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _environment(database_url: str, data: Path) -> dict[str, str]:
    """Settings as in production; keys made up for this run. What this shell has set for the house is left out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "False",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "FIELD_ENCRYPTION_KEYS": f"bench:{_key()}",
        "LOOKUP_HASH_KEYS": f"bench:{_key()}",
        "PUBLIC_BASE_URL": "https://give.gazette.example",
        "ALLOWED_ORIGINS": "https://gazette.example",
        "BEHIND_HTTPS_PROXY": "True",
        "TRUSTED_PROXIES": "1",
        "CHECKOUTS_PER_NETWORK": "1000000",  # counted as in production, but not refused
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": f"redis://{_BROKER[0]}:{_BROKER[1]}/{_BROKER[2]}"
        if has_redis()
        else "filesystem://",
        "STRIPE_SECRET_KEY": "sk_test_benchmark",
        "STRIPE_WEBHOOK_SECRET": traffic.WEBHOOK_SECRET,
        "NEWSROOM_NAME": "The Sample Gazette",
        "NEWSROOM_SUPPORT_EMAIL": "members@gazette.example",
        "EMAIL_URL": "dummymail://",
        "DATA_DIR": str(data),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def has_redis() -> bool:
    """Whether a broker answers on this machine; else the embedded one is used."""
    try:
        socket.create_connection(_BROKER[:2], timeout=1).close()
    except OSError:
        return False
    return True


def forget_rings() -> None:
    """Take back the messages that the doorbell left in the broker: no worker runs here."""
    if not has_redis():
        return
    import redis

    with redis.Redis(*_BROKER) as broker:
        broker.delete("celery", *broker.scan_iter("_kombu.binding*celery*"))
