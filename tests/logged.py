"""The logs as they are written in production, caught line by line."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings

from config import logs


@contextmanager
def logged(
    form: str, *, level: str = "DEBUG", stream: io.StringIO | None = None
) -> Iterator[Callable[[], list[str]]]:
    """
    Write logs in one of the two forms into memory while the block runs; yields a function that tells the lines.
    """
    caught = stream or io.StringIO()
    configuration = logs.configuration(form=form, level=level)
    configuration["handlers"]["stderr"]["stream"] = caught
    root = logging.getLogger()
    before = root.handlers[:]
    logs.apply(configuration)
    try:
        yield lambda: caught.getvalue().splitlines()
    finally:
        logs.apply(settings.LOGGING)
        root.handlers[:] = before
