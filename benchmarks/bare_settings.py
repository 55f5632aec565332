"""The house's settings for the two bare views, with nothing in front of them."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.bare"

if os.environ.get("BENCH_CONNECTIONS") == "kept":
    # One connection per thread, never given back: faster than a pool, and it cannot be shared.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    del DATABASES["default"]["OPTIONS"]["pool"]
