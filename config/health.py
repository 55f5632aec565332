"""Two questions that machines ask: does the process live, and can it work?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from donations import inbox
from members import clock

LATE_AFTER = timedelta(minutes=10)  # RELIABILITY.md, I22: an older event means that no worker works


def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """
    200 when requests can be served: the database answers, and no event has waited for more than ten minutes.

    The broker is told but does not count: it is a doorbell, and gifts are taken without it.
    """
    checks: dict[str, Any] = {"database": "ok", "broker": _broker()}
    is_ready = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        backlog = inbox.get_backlog()
    except DatabaseError:
        checks["database"] = "unreachable"
        is_ready = False
    else:
        age = clock.now() - backlog.oldest_waiting_at if backlog.oldest_waiting_at else timedelta(0)
        is_late = age > LATE_AFTER
        checks["events"] = {
            "waiting": backlog.waiting,
            "oldest_waiting_seconds": max(0, int(age.total_seconds())),
            "parked": backlog.parked,
            "quarantined": backlog.quarantined,
            "late": is_late,
        }
        is_ready = not is_late
    return JsonResponse(
        {"status": "ok" if is_ready else "failing", **checks}, status=200 if is_ready else 503
    )


def _broker() -> str:
    if settings.CELERY_BROKER_URL.startswith(("filesystem:", "memory:")):
        return "embedded"
    try:
        with current_app.connection_for_write(connect_timeout=1) as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=1)
    except Exception:  # whatever a broker's client library raises means the same here
        return "unreachable"
    return "ok"
