"""
The limits: what Django and PostgreSQL can do when a view does next to nothing.

Served with `benchmarks.bare_settings`: the house's own settings, without any middleware.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

# The inbox's own table and all its columns: what `donations.inbox.keep` writes.
_INSERT = """
    INSERT INTO donations_stripeevent
        (stripe_id, type, state, livemode, api_version, occurred_at, received_at, payload, processed_at,
         attempts, next_attempt_at, leased_until, waits_for, problem)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""


def nothing(request: HttpRequest) -> HttpResponse:
    """The least that a view can do."""
    return _ok()


@csrf_exempt
def insert(request: HttpRequest) -> HttpResponse:
    """The least that receiving an event can do: one row as large as the event, committed before the answer."""
    moment = datetime.now(UTC)
    values = (
        f"evt_{secrets.token_hex(12)}",
        "invoice.paid",
        "RECEIVED",
        False,
        "2026-10-28.endive",
        moment,
        moment,
        request.body,
        None,
        0,
        None,
        None,
        "",
        "",
    )
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
    return _ok()


def _ok() -> HttpResponse:
    body = b'{"received": true}'
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


urlpatterns = [path("nothing/", nothing), path("insert/", insert)]
