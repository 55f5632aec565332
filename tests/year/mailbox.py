"""The mail that left the house: files in a folder, which is what the demo's mail server is."""

from __future__ import annotations

import re
from collections import Counter
from email import policy
from email.parser import BytesParser
from pathlib import Path


class Mailbox:
    """Everybody's mail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def count(self) -> Counter[str]:
        """How many mails of each kind the mail server took."""
        names = (path.name for path in self.folder.glob("*.eml"))
        return Counter(match[1] for name in names if (match := re.match(r"[0-9TZ]+-([a-z_]+)-", name)))

    def link(self, address: str, kind: str, word: str) -> str | None:
        """The link that has a word in its address, from the latest mail of a kind to somebody; None if none came."""
        for path in sorted(self.folder.glob(f"*-{kind}-*.eml"), reverse=True):
            with path.open("rb") as file:
                mail = BytesParser(policy=policy.default).parse(file)
            body = mail.get_body(("plain",))
            if str(mail["To"]).lower() == address and body is not None:
                found = re.search(rf"https?://\S*/{word}/\S+", body.get_content())
                return found[0] if found else None
        return None
