"""
What is written to the logs, and what never is.

JSON lines in production, readable lines in development; each names the request or task that it belongs
to. Our code logs ids and Stripe ids. As a second fence, `redact` takes out whatever still looks like an
e-mail address, a key or a signed token before a line is written, tracebacks included.
"""

from __future__ import annotations

import logging.config
import re
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# A pattern begins only where a word does (the lookbehinds), so that a long text is read once, not once per letter.
_ADDRESS = re.compile(r"(?<![^\s@<>\"'=:/])[^\s@<>\"'=:/]+@[^\s@<>\"',;)]+")
_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|rk)_(?:test|live)|whsec)_\w+"  # Stripe's keys
    r"|(?<![\w-])[\w-]{8,}:[\w-]{5,8}:[\w-]{27,}"  # Django's signed tokens
    r"|(?<!\d)(?:\d[ -]?){13,19}(?!\d)"  # a card number
)
_INSTEAD = "[redacted]"


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what looks personal or secret in every text of a log line with [redacted]."""
    for key, value in event.items():
        if isinstance(value, str):
            if "@" in value:
                value = _ADDRESS.sub(_INSTEAD, value)
            event[key] = _SECRET.sub(_INSTEAD, value)
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def configuration(*, form: str, level: str) -> dict[str, Any]:
    """
    The `logging.config` dictionary.

    :param form: "json" or "console".
    """
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False),
    ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared(),
                "processors": last,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"level": "WARNING"},  # its access log would hold addresses' query strings
            "django.request": {"level": "ERROR"},  # 4xx are in our own request line
            "django.security": {"level": "ERROR"},
            "stripe": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
        },
    }


def apply(config: dict[str, Any]) -> None:
    """Configure logging and structlog; Django calls this with settings.LOGGING."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
