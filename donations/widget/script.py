"""
The widget as browsers get it: one script, its integrity, and the earlier ones that pages still name.

What is served is made of the files in `source/`, in the order below: comments and indentation are left out, the
stylesheet is put in as a text, and that is all. The script holds nothing of an installation, so that each release
has one hash everywhere.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings

SOURCE: Final = Path(__file__).with_name("source")
PARTS: Final = (
    "texts/en.js",
    "texts/ru.js",
    "basics.js",
    "money.js",
    "server.js",
    "offer.js",
    "icons.js",
    "reminder.js",
    "giving.js",
    "thanks.js",
    "element.js",
)
BUDGET: Final = 20_000  # bytes, gzipped: what a reader on a slow line may be asked for

HEADER: Final = "/* Sustainer's widget, see docs/widget.md */\n"
_COMMENT: Final = re.compile(r"//|/\*|\*(?:\s|/|$)")
_TRAILING: Final = re.compile(r"(?<=[;{,]) // .*$")
_HASH: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Script:
    """One release of the widget."""

    body: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha384(self.body).digest()

    @property
    def short_hash(self) -> str:
        """The part of its hash that stands in its address: 16 hexadecimal digits."""
        return self.digest.hex()[:16]

    @property
    def integrity(self) -> str:
        """The value of a script tag's `integrity`."""
        return f"sha384-{base64.b64encode(self.digest).decode()}"

    def zipped(self) -> bytes:
        """The same in gzip, alike at every start (no time stands in it)."""
        return gzip.compress(self.body, 9, mtime=0)


@lru_cache(maxsize=1)
def current() -> Script:
    """The widget of this release."""
    return Script(_assemble().encode())


@lru_cache(maxsize=8)
def zipped(script: Script) -> bytes:
    """`script.zipped()`, made once."""
    return script.zipped()


def _assemble() -> str:
    style = re.sub(r"/\*.*?\*/", "", SOURCE.joinpath("style.css").read_text("utf-8"), flags=re.DOTALL)
    lines = (
        _TRAILING.sub("", line.strip())
        for name in PARTS
        for line in SOURCE.joinpath(name).read_text("utf-8").splitlines()
    )
    kept = [line for line in lines if line and not _COMMENT.match(line)]
    css = json.dumps(re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", style).strip(), ensure_ascii=False)
    return HEADER + "\n".join(['(() => {"use strict";', f"const STYLE = {css};", *kept, "})();"]) + "\n"


# --- Earlier releases -----------------------------------------------------------------------------
# A page that names a hash must go on working after an upgrade. So whoever is told a hash (the command `widget`)
# has the script kept in DATA_DIR; it is served from there as long as its contents still have that hash.


def keep(script: Script) -> Path:
    """Put a copy into DATA_DIR, from where it is served after later upgrades. May be repeated."""
    folder = _kept()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.joinpath(f"v1.{script.short_hash}.js")
    if not path.exists():
        path.write_bytes(script.body)
    return path


def find(short_hash: str) -> Script | None:
    """The release with this hash, if it is this one or was kept; None for all else, whatever was asked for."""
    if short_hash == current().short_hash:
        return current()
    if not _HASH.fullmatch(short_hash):
        return None
    try:
        script = Script(_kept().joinpath(f"v1.{short_hash}.js").read_bytes())
    except OSError:
        return None
    return script if script.short_hash == short_hash else None


def _kept() -> Path:
    folder: Path = settings.DATA_DIR.joinpath("widget")
    return folder
