"""The one settings module, with the environment that the tests need when nobody has set another."""

import os

os.environ.setdefault("DEBUG", "True")
os.environ.setdefault("CHECKOUTS_PER_NETWORK", "0")
os.environ.setdefault("REMINDER_HOLD_OUT_PERCENT", "0")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("ADMIN_PATH", "admin")
os.environ.setdefault("ALLOWED_ORIGINS", "https://news.example")

from config.settings import *  # noqa: F403

DEBUG = False  # as pytest-django sets it anyway; DEV_PAGES and the development keys stay
DOORBELL = "off"  # tests ring by hand
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
