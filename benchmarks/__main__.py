"""`python -m benchmarks` (or `make bench`): measure all rows and print them beside their targets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import place, report, rounds, servers
from benchmarks.rounds import Row


def main() -> int:
    """Exit status 0 if everything could be measured, however fast it was; 1 with a sentence if not."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch:
            rows, renewals = _measure(Path(scratch))
    except (place.NoDatabase, servers.NotServing, rounds.Failed) as problem:
        print(problem, file=sys.stderr)
        return 1
    report.show(rows, renewals, seconds=time.monotonic() - began)
    return 0


def _measure(scratch: Path) -> tuple[dict[str, Row], dict[str, Any]]:
    with ExitStack() as stack:
        here = stack.enter_context(place.prepared(scratch / "data"))
        stack.callback(place.forget_rings)
        environment = here.environment
        here.manage("collectstatic", "--no-input", "--verbosity", "0")
        renewals = _renewals(environment)

        def serve(application: str, **changes: str) -> servers.Server:
            log = scratch / f"server-{len(list(scratch.iterdir()))}.log"
            return stack.enter_context(servers.serving(application, {**environment, **changes}, log))

        bare = serve("config.wsgi", DJANGO_SETTINGS_MODULE="benchmarks.bare_settings")
        kept = serve(
            "config.wsgi", DJANGO_SETTINGS_MODULE="benchmarks.bare_settings", BENCH_CONNECTIONS="kept"
        )
        house = serve("benchmarks.instant_stripe")
        stripe = stack.enter_context(servers.offline_stripe(environment, scratch / "sandbox.log"))
        beside = serve("config.wsgi", STRIPE_API_BASE=stripe)
        rows = {
            "nothing": Row("bare view, no database", "nothing", bare),
            "limit": Row("limit: bare view, one INSERT … ON CONFLICT", "insert", bare),
            "kept": Row("  the same, a kept connection per thread instead of the pool", "insert", kept),
            "webhook": Row("webhook receipt: verified, sealed, stored, committed", "webhook", house),
            "create": Row("contribution, Stripe answering from memory", "create", house, status=201),
            "paced": Row("  the same at 100 requests/s", "create", house, status=201, rate=100),
            "sandbox": Row(
                "  the same, the offline Stripe on these cores",
                "create",
                beside,
                status=201,
                most_per_second=1000,
            ),
            "campaign": Row("campaign, cached", "campaign", house),
            "unchanged": Row("campaign, 304", "campaign_304", house, status=304, etag=_etag(house)),
        }
        rounds.measure(list(rows.values()), here)
    return rows, renewals


def _renewals(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.renewals"],
        cwd=place.ROOT,
        env={**environment, "LOG_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise rounds.Failed("The renewals could not be worked off; the error stands above.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _etag(house: servers.Server) -> str:
    import http.client

    link = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
    link.request(
        "GET",
        "/api/v1/campaigns/support-us/",
        headers={"Host": "give.gazette.example", "X-Forwarded-Proto": "https"},
    )
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer.headers["ETag"] or ""


if __name__ == "__main__":
    os.chdir(place.ROOT)
    sys.exit(main())
