"""
What is written to the logs, and what never is.

JSON lines in production, readable lines in development; each names the request or task that it belongs
to. Our code logs ids and Stripe ids. As a second fence, `redact` takes out whatever still looks like an
e-mail address, a key or a signed token before a line is written, tracebacks included.
"""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# A pattern begins only where a word does (the lookbehinds), so that a long text is read once, not once per letter.
_ADDRESS = re.compile(r"(?<![^\s@<>\"'=:/])[^\s@<>\"'=:/]+@[^\s@<>\"',;)]+")
_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|rk)_(?:test|live)|whsec)_\w+"  # Stripe's keys
    r"|(?<![\w-])[\w-]+:[\w-]{5,8}:[\w-]{27,}"  # Django's signed tokens
    r"|(?<=DETAIL:)[^\n]*"  # what PostgreSQL repeats of a row that it refuses
    r"|(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"  # a card number, and not what digits happen to stand in an id
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


def _renderer(form: str) -> Processor:
    return (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )


def configuration(*, form: str, level: str) -> dict[str, Any]:
    """
    The `logging.config` dictionary.

    :param form: "json" or "console".
    :param level: the least that is written, such as "INFO".
    """
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        _renderer(form),
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
            "django.template": {"level": "INFO"},  # its debug lines repeat all that a mail or page was given
            "urllib3": {
                "level": "INFO"
            },  # its debug lines hold the addresses of calls, query strings included
            "stripe": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
        },
    }


def apply(config: dict[str, Any]) -> None:
    """Configure logging and structlog; Django calls this with settings.LOGGING."""
    global _write_line
    logging.config.dictConfig(config)
    if not structlog.is_configured():  # once, for it is the same for all: a logger keeps what it began with
        structlog.configure(
            processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        )
    root = logging.getLogger()
    handler = next((found for found in root.handlers if isinstance(found, logging.StreamHandler)), None)
    is_wanted = handler is not None and root.isEnabledFor(logging.INFO)
    renderer = config["formatters"]["line"]["processors"][-1]
    _write_line = _short_way(handler, renderer) if handler and is_wanted else None


def looks_secret(text: str) -> bool:
    """Whether `redact` would take something out of it."""
    return _ADDRESS.search(text) is not None or _SECRET.search(text) is not None


def tell_of_request(*, request_id: str, **facts: Any) -> None:
    """
    Write the one line that each request leaves, at level INFO.

    It is the line that a logger called "request" would write, by a shorter way: the logging module's own costs
    an event of Stripe more than checking its signature does. Nothing is taken out of it: hand in what cannot
    hold anything personal or secret.
    """
    if _write_line is not None:
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        _write_line(
            {
                "event": "request",
                "logger": "request",
                **facts,
                "request_id": request_id,
                "level": "info",
                "timestamp": moment,
            }
        )


_write_line: Callable[[EventDict], None] | None = None  # set by `apply`


def _short_way(handler: logging.StreamHandler[Any], renderer: Processor) -> Callable[[EventDict], None]:
    def write(event: EventDict) -> None:
        line: Any = renderer(None, "info", event)
        handler.acquire()
        try:
            handler.stream.write(f"{line}\n")
            handler.flush()
        except (OSError, ValueError):  # a full disk, a closed pipe: no reason to fail a request
            pass
        finally:
            handler.release()

    return write
