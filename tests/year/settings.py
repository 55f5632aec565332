"""
The one settings module, as the year needs it: as fast as in production, and nothing that has to survive a power cut.

With DEBUG on, Django asks SQLite to spell out each statement, which doubles their number.
"""

import os

from config.settings import *  # noqa: F403
from config.settings import CELERY_BROKER_TRANSPORT_OPTIONS, CELERY_BROKER_URL, DATABASES

DEBUG = False
# The year's parts wait for each other at every stop, some hundreds of times: nobody may be late by a blink.
DOORBELL_PAUSE = 0.05  # seconds
if CELERY_BROKER_URL.startswith("filesystem://"):
    CELERY_BROKER_TRANSPORT_OPTIONS["polling_interval"] = 0.01
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["CONN_MAX_AGE"] = None  # as in production, where a pool keeps connections open
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"

# A broker may be shared with other houses, whose workers know nothing of the year's tasks.
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("YEAR_QUEUE", "year")
