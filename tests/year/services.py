"""Another database and broker than the embedded ones, if the environment names them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg


class NoDatabase(Exception):
    """The database that DATABASE_URL names cannot be had; the message says why."""


@contextlib.contextmanager
def prepared() -> Iterator[dict[str, str]]:
    """
    Settings of the services to play on: only a queue for the embedded ones. Raises NoDatabase.

    The year plays in a database of its own beside the one that is named, made anew and removed in the end, and with a
    queue of its own, so that nobody's books and nobody's worker are in the way.
    """
    url = os.environ.get("DATABASE_URL", "")
    broker = os.environ.get("CELERY_BROKER_URL", "")
    found = {"YEAR_QUEUE": f"year-{os.getpid()}"}
    if broker:
        found["CELERY_BROKER_URL"] = broker
    if not url.startswith(("postgres://", "postgresql://")):
        yield found
        return
    parts = urlsplit(url)
    name = f"{parts.path.lstrip('/') or 'sustainer'}_year_{os.getpid()}"
    own = parts._replace(path=f"/{name}").geturl()
    try:
        with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as maintenance:
            maintenance.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            maintenance.execute(f'CREATE DATABASE "{name}"')
            try:
                yield {**found, "DATABASE_URL": own}
            finally:
                maintenance.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    except psycopg.OperationalError as problem:
        raise NoDatabase(f"PostgreSQL does not answer: {problem}") from problem
