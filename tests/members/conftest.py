"""The readers: Ada gives once, Grace gives monthly, Charlie never gives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
import structlog
from aiosmtpd.controller import Controller

from members import services
from members.models import Member, Tier

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture
def grace(db: None, now: datetime) -> Member:
    """Grace, who gives every month."""
    return services.get_or_join(email="grace@example.org", name="Grace", locale="en", now=now)


@pytest.fixture
def tiers(db: None) -> dict[str, Tier]:
    """Friend from 24, Patron from 120 dollars a year; Friend from 2,400 yen."""
    friend = Tier.objects.create(slug="friend", name="Friend", position=1)
    patron = Tier.objects.create(slug="patron", name="Patron", position=2)
    friend.thresholds.create(currency="USD", minimum_annual_minor=24_00)
    patron.thresholds.create(currency="USD", minimum_annual_minor=120_00)
    friend.thresholds.create(currency="JPY", minimum_annual_minor=2_400)
    return {"friend": friend, "patron": patron}


class Postman:
    """
    A mail server on loopback that can be told how to behave.

    `answers` maps a recipient to what the server says: to its name ("RCPT 550 …"), to the content
    ("DATA 451 …"), or "CUT" to hang up after the content came.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.taken: list[EmailMessage] = []
        self.connections = 0

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: Any
    ) -> Any:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.answers.get(address, "")
        if answer.startswith("RCPT "):
            return answer.removeprefix("RCPT ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.get(envelope.rcpt_tos[0], "")
        if answer.startswith("DATA "):
            return answer.removeprefix("DATA ")
        self.taken.append(BytesParser(policy=policy.default).parsebytes(envelope.content))
        if answer == "CUT":
            server.transport.close()
        return "250 OK"

    @property
    def recipients(self) -> list[str]:
        return [str(mail["To"]) for mail in self.taken]


class _AnyPort(Controller):
    """Listens on a port that is free, and knows which."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def postman(settings: Any) -> Iterator[Postman]:
    """A mail server; settings send all mail to it."""
    postman = Postman()
    controller = _AnyPort(postman, hostname="127.0.0.1", port=0)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_TIMEOUT = 5
    yield postman
    controller.stop()


@pytest.fixture
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """What our code says to the log during the test."""
    with structlog.testing.capture_logs() as lines:
        yield lines
