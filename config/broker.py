"""
The embedded broker: Celery's messages as files, for a house on one machine without services.

kombu's own filesystem transport writes a message into the folder in which workers look, so that a worker now
and then finds one that is only half there, and dies of it. Here a message is written aside and then moved into
place, which the file system does at one stroke. A file that cannot be read is thrown away: a message is a
doorbell, and sweeps do what a lost one asked for.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem


class Channel(filesystem.Channel):
    """kombu's channel, with messages that are there wholly or not at all."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # kombu's two bases differ
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}"
        aside = folder / f"{name}.part"
        aside.write_text(json.dumps(payload))
        os.replace(aside, folder / f"{name}.{queue}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        try:
            return super()._get(queue)
        except ValueError:
            raise Empty from None


class Transport(filesystem.Transport):
    """kombu's transport, with our channel."""

    Channel = Channel


def install() -> None:
    """Let broker addresses that begin with filesystem:// lead here."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
