"""The Celery app. Its messages are doorbells; the rows that they point at are the queue."""

from __future__ import annotations

import os
from typing import Any

import structlog
from celery import Celery, signals

from config import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker.install()
app = Celery("sustainer")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Having a receiver here stops Celery from replacing the logging that settings configured."""


@signals.before_task_publish.connect
def _send_request_id(headers: dict[str, Any], **_: Any) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        headers["request_id"] = request_id


@signals.task_prerun.connect
def _bind_request_id(task: Any, task_id: str, **_: Any) -> None:
    """A line written by a worker names the request that rang for it."""
    structlog.contextvars.clear_contextvars()
    request_id = task.request.get("request_id") or f"task-{task_id}"
    structlog.contextvars.bind_contextvars(request_id=request_id, task=task.name)


@signals.task_postrun.connect
def _unbind(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
