"""The house's settings for the bare views, with nothing in front of them."""

import os

import config.settings
from config.settings import *  # noqa: F403

globals()["MIDDLEWARE"] = []
ROOT_URLCONF = "benchmarks.bare"

_OPTIONS = config.settings.DATABASES["default"]["OPTIONS"]
if os.environ.get("BENCH_CONNECTIONS") == "kept":
    # One connection per thread, never given back and never checked: the most that can be had, for comparison.
    config.settings.DATABASES["default"]["CONN_MAX_AGE"] = None
    config.settings.DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
    del _OPTIONS["pool"]
else:
    # The limit is what Django does when nobody tells it better: parameters written into the statement.
    _OPTIONS["server_side_binding"] = False
