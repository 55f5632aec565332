"""
Mail for the demo and for development: each message is an `.eml` file under DATA_DIR/mail.

Nothing leaves the machine. Any mail program opens the files, and `/dev/mailbox/` shows them in a browser.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage as ParsedMail
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import SafeMIMEMultipart, SafeMIMEText

from members import clock

_NAME = re.compile(r"[0-9TZ]{10,30}-[a-z_]{1,40}-[A-Za-z0-9-]{1,80}\.eml", re.ASCII)


def folder() -> Path:
    """Where the files are."""
    return Path(settings.DATA_DIR) / "mail"


class EmailBackend(BaseEmailBackend):
    """Writes `<timestamp>-<kind>-<id>.eml`; a file is there whole or not at all."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """:returns: how many were written. :raises OSError: the disk did not take one."""
        if email_messages:
            folder().mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            self._write(message)
        return len(email_messages)

    def _write(self, message: EmailMessage) -> None:
        mail = message.message()
        assert isinstance(mail, SafeMIMEText | SafeMIMEMultipart)  # narrower than Django's stubs say
        kind = re.sub(r"[^a-z_]", "", getattr(message, "kind", "mail")) or "mail"
        identifier = re.sub(r"[^A-Za-z0-9-]", "", str(mail["Message-ID"]).partition("@")[0])[:80] or "0"
        path = folder() / f"{clock.now():%Y%m%dT%H%M%S%fZ}-{kind}-{identifier}.eml"
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_bytes(mail.as_bytes(linesep="\r\n"))
        unfinished.replace(path)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as the mailbox shows it."""

    name: str
    kind: str
    date: datetime | None
    headers: list[tuple[str, str]]
    text: str
    html: str

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def subject(self) -> str:
        return self.header("subject")

    @property
    def to(self) -> str:
        return self.header("to")


def names(limit: int = 200) -> list[str]:
    """The file names, the newest first."""
    if not folder().is_dir():
        return []
    return sorted((path.name for path in folder().iterdir() if _NAME.fullmatch(path.name)), reverse=True)[
        :limit
    ]


def read(name: str) -> Letter:
    """
    One mail.

    :raises FileNotFoundError: there is none of this name, or the name is none of ours.
    """
    if not _NAME.fullmatch(name):
        raise FileNotFoundError(name)
    with (folder() / name).open("rb") as file:
        parsed = BytesParser(policy=policy.default).parse(file)
    return Letter(
        name=name,
        kind=name.split("-")[1],
        date=parsedate_to_datetime(str(parsed["Date"])) if parsed["Date"] else None,
        headers=[(key, str(value)) for key, value in parsed.items()],
        text=_part(parsed, "plain"),
        html=_part(parsed, "html"),
    )


def _part(mail: ParsedMail, subtype: str) -> str:
    part = mail.get_body(preferencelist=(subtype,))
    return "" if part is None else str(part.get_content())
