"""
Django's settings, for every place it runs in.

What differs between machines comes from the environment (.env.example documents each variable) and is
read by config.env, which stops the start with a sentence where a value is missing or wrong.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from config import env, logs
from donations.fees import parse_rates
from donations.margins import parse_margins

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR / ".env")

# --- What kind of place this is -----------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
DEV_PAGES = DEBUG  # mailbox and mail previews; never in production
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var")))

DEVELOPMENT_SECRET_KEY = "development-only-" + "0" * 50
DEVELOPMENT_FIELD_KEY = "dev:ZGV2ZWxvcG1lbnQgb25seTogZmllbGQga2V5Li4uLi4="
DEVELOPMENT_LOOKUP_KEY = "dev:ZGV2ZWxvcG1lbnQgb25seTogbG9va3VwIGtleS4uLi4="


def _development_default(value: str) -> str | None:
    """A default that is good enough to try things out, and absent in production."""
    return value if DEBUG else None


_ASK = "production has no default (or set DEBUG=True to try things out)"
SECRET_KEY = env.text("SECRET_KEY", _development_default(DEVELOPMENT_SECRET_KEY), why=_ASK)
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")
FIELD_ENCRYPTION_KEYS = env.keys(
    "FIELD_ENCRYPTION_KEYS", _development_default(DEVELOPMENT_FIELD_KEY), why=_ASK
)
LOOKUP_HASH_KEYS = env.keys("LOOKUP_HASH_KEYS", _development_default(DEVELOPMENT_LOOKUP_KEY), why=_ASK)

# --- Where it lives -----------------------------------------------------------------------------
PUBLIC_BASE_URL = env.base_url("PUBLIC_BASE_URL", _development_default("http://127.0.0.1:8000"), why=_ASK)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", PUBLIC_BASE_URL.split("//", 1)[1].rsplit(":", 1)[0])
if DEBUG:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_ORIGINS = env.origins("ALLOWED_ORIGINS")
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]
_HTTPS = PUBLIC_BASE_URL.startswith("https://")
if not DEBUG and not _HTTPS:
    raise ImproperlyConfigured(
        "PUBLIC_BASE_URL must start with https:// in production: readers' gifts pass there."
    )

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "config.apps.ConfigConfig",
    "members",
    "donations",
    "reminders",
    "django_otp",
    "django_otp.plugins.otp_static",
    "staff",
    "staff.apps.StaffAdminConfig",  # Django's admin; behind ours, so that our templates come first
]
MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.middleware.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.WebhookLane",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.middleware.AppealLane",
    "config.middleware.SessionMiddleware",
    "config.middleware.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.AuthenticationMiddleware",
    "config.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Where things are kept ----------------------------------------------------------------------
_database = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")
if _database["ENGINE"].endswith("sqlite3"):
    # Writers queue instead of failing: an immediate transaction takes its place at the start, WAL lets
    # readers go on meanwhile, and FULL keeps the promise that an answered request is on disk.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    _timeouts = (
        f"-c lock_timeout={env.number('DATABASE_LOCK_TIMEOUT_MS', 5000)} "
        f"-c statement_timeout={env.number('DATABASE_STATEMENT_TIMEOUT_MS', 30000)} "
        f"-c idle_in_transaction_session_timeout=60000"
    )
    _database["CONN_MAX_AGE"] = 0  # the pool keeps connections open
    _database["CONN_HEALTH_CHECKS"] = True  # and asks each whether it still lives before a request gets it
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "options": _timeouts,
        "server_side_binding": True,  # parameters travel beside the statement: a fifth less work for an event
        "pool": {
            "min_size": 1,
            "max_size": env.number("DATABASE_POOL_SIZE", 16, least=1),
            "timeout": 2,  # seconds a request waits for a connection before it is told to come back
        },
    }
DATABASES: dict[str, Any] = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_cache_url = env.service("CACHE_URL", schemes=("redis", "rediss")) if env.optional("CACHE_URL") else None
CACHES: dict[str, Any] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _cache_url}
        if _cache_url
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

# --- Language and time --------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
NEWSROOM_TIME_ZONE = env.time_zone("NEWSROOM_TIME_ZONE", "UTC")
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский")]
LOCALE_PATHS = [BASE_DIR / "locale"]

# --- Files that browsers fetch ------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "staticfiles"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise looks into it at the start
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Safety -------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # the load balancer asks over plain HTTP
SECURE_HSTS_SECONDS = 0 if DEBUG else 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
# Not no-referrer: under it, browsers send our own forms with `Origin: null`, and the CSRF check refuses them.
# Nobody else learns an address of ours either way.
SECURE_REFERRER_POLICY = "same-origin"
if env.flag("BEHIND_HTTPS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; Stripe's largest events are far smaller
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

CORS_ALLOWED_ORIGINS = ALLOWED_ORIGINS
CORS_URLS_REGEX = r"^/api/v1/(campaigns|contributions|entitlement|reminders)/"
CORS_ALLOW_METHODS = ["GET", "POST", "OPTIONS"]
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key"]
CORS_EXPOSE_HEADERS = ["retry-after", "x-request-id"]
CORS_PREFLIGHT_MAX_AGE = 600

# --- The API ------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.parsers.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sustainer API",
    "VERSION": "1",
    "DESCRIPTION": "Give once, monthly or annually to an independent newsroom.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "Interval": [(word, word) for word in ("once", "month", "year")],
        "ContributionStatus": "donations.statuses.status_choices",
    },
}

# --- Stripe -------------------------------------------------------------------------------------
STRIPE_API_BASE = env.base_url("STRIPE_API_BASE") if env.optional("STRIPE_API_BASE") else None
STRIPE_SECRET_KEY = env.text("STRIPE_SECRET_KEY", _development_default("sk_test_sandbox"), why=_ASK)
STRIPE_WEBHOOK_SECRETS = env.items("STRIPE_WEBHOOK_SECRET", "whsec_sandbox" if DEBUG else "")
STRIPE_LIVEMODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
STRIPE_PRODUCT_NAME = env.text("STRIPE_PRODUCT_NAME", "Contribution")
STRIPE_STATEMENT_SUFFIX = env.optional("STRIPE_STATEMENT_SUFFIX")
STRIPE_CHECKOUT_HOSTS = env.items(
    "STRIPE_CHECKOUT_HOSTS", "checkout.stripe.com,buy.stripe.com,billing.stripe.com,invoice.stripe.com"
)
# How many checkouts one network may begin in ten minutes; against card testing. 0: no limit.
CHECKOUTS_PER_NETWORK = env.number("CHECKOUTS_PER_NETWORK", 0 if STRIPE_API_BASE else 30)
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0)
STRIPE_FEE_RATES = env.text("STRIPE_FEE_RATES", "USD:2.9%+30,EUR:1.5%+25,GBP:1.5%+20,*:2.9%")
try:
    parse_rates(STRIPE_FEE_RATES)
except ValueError as error:
    raise ImproperlyConfigured(f"STRIPE_FEE_RATES cannot be read: {error}") from error
# What remains of a new contribution's first year; the lowest of those that the Guardian reckons with.
ACQUISITION_MARGINS = env.text("ACQUISITION_MARGINS", "once=99%,month=83%,year=99%")
try:
    parse_margins(ACQUISITION_MARGINS)
except ValueError as error:
    raise ImproperlyConfigured(f"ACQUISITION_MARGINS cannot be read: {error}") from error
if not STRIPE_SECRET_KEY.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
    raise ImproperlyConfigured("STRIPE_SECRET_KEY must start with sk_test_, sk_live_, rk_test_ or rk_live_.")
if STRIPE_LIVEMODE and STRIPE_API_BASE:
    raise ImproperlyConfigured(
        "STRIPE_API_BASE is only for the sandbox, and STRIPE_SECRET_KEY is a live key. Unset STRIPE_API_BASE."
    )

# --- The newsroom -------------------------------------------------------------------------------
NEWSROOM_NAME = env.text("NEWSROOM_NAME", _development_default("The Sample Gazette"), why=_ASK)
NEWSROOM_LEGAL_FOOTER = env.text("NEWSROOM_LEGAL_FOOTER", NEWSROOM_NAME).replace("\\n", "\n")
NEWSROOM_SUPPORT_EMAIL = env.text(
    "NEWSROOM_SUPPORT_EMAIL", _development_default("members@gazette.example"), why=_ASK
)
CONSENT_TEXT_VERSION = env.text("CONSENT_TEXT_VERSION", "newsletter-1")
PRIVACY_URL = env.optional("PRIVACY_URL")
if PRIVACY_URL and not PRIVACY_URL.startswith(("https://", "http://")):
    raise ImproperlyConfigured(
        "PRIVACY_URL is the whole address of a page, such as https://news.example/privacy."
    )

# --- Whom the widget asks -----------------------------------------------------------------------
# With what the newspaper's own site signs who reads (docs/api.md); several while it is changed, none: not taken.
READER_TOKEN_SECRETS = env.items("READER_TOKEN_SECRET", "")
if any(len(secret) < 32 for secret in READER_TOKEN_SECRETS):
    raise ImproperlyConfigured(
        "READER_TOKEN_SECRET needs 32 characters or more; `openssl rand -hex 32` makes one."
    )
# How many days who gave once is not asked again.
ASK_QUIET_DAYS = env.number("ASK_QUIET_DAYS", 90)
# The header in which the proxy in front says from which country a request comes.
COUNTRY_HEADER = env.optional("COUNTRY_HEADER")

# --- Membership ---------------------------------------------------------------------------------
# How many days after the paid time somebody whose payment failed is still counted as a member.
MEMBERSHIP_GRACE_DAYS = env.number("MEMBERSHIP_GRACE_DAYS", 14)
# How many days after a payment first failed a membership is given up, if Stripe does not end it before; 0: never.
MEMBERSHIP_LAPSE_DAYS = env.number("MEMBERSHIP_LAPSE_DAYS", 60)
# Within how many days of another a first payment is a second charge, about which its reader is asked; 0: never.
DOUBLE_CHARGE_DAYS = env.number("DOUBLE_CHARGE_DAYS", 3)
# Whether a plan ends when the bank took one of its payments back for good.
END_PLAN_ON_LOST_DISPUTE = env.flag("END_PLAN_ON_LOST_DISPUTE", default=True)
# For how many months a gift that is given once makes its giver a member; 0: not at all.
ONE_OFF_MEMBERSHIP_MONTHS = env.number("ONE_OFF_MEMBERSHIP_MONTHS", 0)
if MEMBERSHIP_LAPSE_DAYS and MEMBERSHIP_LAPSE_DAYS < MEMBERSHIP_GRACE_DAYS:
    raise ImproperlyConfigured(
        "MEMBERSHIP_LAPSE_DAYS is shorter than MEMBERSHIP_GRACE_DAYS: a membership would be given up while it counts."
    )
if ONE_OFF_MEMBERSHIP_MONTHS > 120:
    raise ImproperlyConfigured("ONE_OFF_MEMBERSHIP_MONTHS is at most 120, ten years.")

# --- The member's own page ----------------------------------------------------------------------
# How many links to sign in: for one network in ten minutes, for one address in an hour; 0: no limit.
SIGN_INS_PER_NETWORK = env.number("SIGN_INS_PER_NETWORK", 30)
SIGN_INS_PER_ADDRESS = env.number("SIGN_INS_PER_ADDRESS", 5)
# How many changes one reader may ask for in an hour; 0: no limit.
READER_CHANGES_PER_HOUR = env.number("READER_CHANGES_PER_HOUR", 60)
# For how many days a browser stays signed in, and for how many minutes a program's token is good.
READER_SESSION_DAYS = env.number("READER_SESSION_DAYS", 30, least=1)
READER_TOKEN_MINUTES = env.number("READER_TOKEN_MINUTES", 60, least=1)
# Not the staff's cookie. With this prefix, browsers take it from this very host over https only.
READER_COOKIE_NAME = "__Host-reader" if _HTTPS else "reader"
READER_COOKIE_SECURE = _HTTPS

# --- Reminders ----------------------------------------------------------------------------------
# How many of 100 people get no reminder, so that it can be seen what the others' change; 0: none.
REMINDER_HOLD_OUT_PERCENT = env.number("REMINDER_HOLD_OUT_PERCENT", 5)
# How many mails a single reminder may bring (1 or 2); the reader is told so when asking.
REMINDER_MAILS = env.number("REMINDER_MAILS", 1, least=1)
# Whether an address that we see for the first time has to say yes by mail first.
REMINDER_CONFIRM_ONE_OFF = env.flag("REMINDER_CONFIRM_ONE_OFF", default=False)
REMINDER_CONFIRM_RECURRING = env.flag("REMINDER_CONFIRM_RECURRING", default=True)
REMINDER_CONSENT_VERSION = env.text("REMINDER_CONSENT_VERSION", "reminder-2")
# How many reminders may be asked for in an hour; beyond that the answer is the same and nothing is stored. 0: no limit.
REMINDERS_PER_NETWORK = env.number("REMINDERS_PER_NETWORK", 200)
REMINDERS_PER_ADDRESS = env.number("REMINDERS_PER_ADDRESS", 3)
REMINDERS_PER_DOMAIN = env.number("REMINDERS_PER_DOMAIN", 2000)
# After how many days the address of a reminder that is over is forgotten.
REMINDER_ADDRESS_RETENTION = timedelta(days=env.number("REMINDER_ADDRESS_RETENTION_DAYS", 30, least=1))
if REMINDER_HOLD_OUT_PERCENT > 100:
    raise ImproperlyConfigured("REMINDER_HOLD_OUT_PERCENT is a share of 100; set it to 0 to 100.")
if REMINDER_MAILS > 2:
    raise ImproperlyConfigured("REMINDER_MAILS is 1 or 2: more than two mails for one wish is too many.")

# --- Mail ---------------------------------------------------------------------------------------
# With what a mail provider proves itself when it tells us of a bounce; several while it is changed, none: not taken.
MAIL_WEBHOOK_SECRETS = env.items("MAIL_WEBHOOK_SECRET", "")
if any(len(secret) < 32 for secret in MAIL_WEBHOOK_SECRETS):
    raise ImproperlyConfigured(
        "MAIL_WEBHOOK_SECRET needs 32 characters or more; `openssl rand -hex 32` makes one."
    )
globals().update(env.email("EMAIL_URL", "eml:" if DEBUG else "smtp://127.0.0.1:25"))
EMAIL_TIMEOUT = 20  # seconds; a mail server that says nothing must not hold a worker
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"{NEWSROOM_NAME} <{NEWSROOM_SUPPORT_EMAIL}>")

# --- Staff --------------------------------------------------------------------------------------
# Where the admin is; not the address that everybody tries.
ADMIN_PATH = env.text("ADMIN_PATH", "staff").strip("/") + "/"
if not re.fullmatch(r"([A-Za-z0-9_-]+/)+", ADMIN_PATH) or ADMIN_PATH.startswith(
    ("account/", "api/", "health/", "support/")
):
    raise ImproperlyConfigured("ADMIN_PATH is a word such as staff, or several with slashes between them.")
# After how many minutes without a click, and how many hours in all, staff sign in again.
STAFF_IDLE_MINUTES = env.number("STAFF_IDLE_MINUTES", 30, least=1)
STAFF_SESSION_HOURS = env.number("STAFF_SESSION_HOURS", 8, least=1)
OTP_STATIC_THROTTLE_FACTOR = 0  # staff.locks counts wrong codes
LOGIN_URL = "admin:login"

# --- Work in the background ---------------------------------------------------------------------
# The broker is a doorbell: rows are the queue, sweeps finish what a lost message left.
DOORBELL = "thread"
DOORBELL_PAUSE = 0.1  # seconds between two messages of one process, since events come by the thousand
CELERY_BROKER_URL = env.service(
    "CELERY_BROKER_URL",
    "filesystem://",
    schemes=("redis", "rediss", "amqp", "amqps", "filesystem", "memory"),
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
if CELERY_BROKER_URL.startswith("filesystem://"):
    _broker = DATA_DIR / "broker"
    (_broker / "messages").mkdir(parents=True, exist_ok=True)
    (_broker / "control").mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker / "messages"),
        "data_folder_out": str(_broker / "messages"),
        "control_folder": str(_broker / "control"),
        "polling_interval": 0.05,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    # Three times the hard time limit: only a task whose worker died is given out again.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 900,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SOFT_TIME_LIMIT = 240  # seconds
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
_SWEEP = timedelta(seconds=env.number("SWEEP_SECONDS", 60, least=1))
CELERY_BEAT_SCHEDULE = {
    "process-events": {"task": "donations.tasks.process_inbox", "schedule": _SWEEP},
    "watch-money": {"task": "donations.tasks.watch_money", "schedule": _SWEEP},
    "settle-payments": {"task": "donations.tasks.settle_payments", "schedule": _SWEEP},
    "send-owed-mail": {"task": "members.tasks.send_owed_mail", "schedule": _SWEEP},
    "remind-of-failed-renewals": {
        "task": "donations.tasks.remind_of_failed_renewals",
        "schedule": _SWEEP,
    },
    "give-notice": {"task": "donations.tasks.give_notice", "schedule": _SWEEP},
    "look-after-changes": {"task": "donations.tasks.look_after_changes", "schedule": _SWEEP},
    "look-at-cards": {"task": "donations.tasks.look_at_cards", "schedule": timedelta(minutes=10)},
    "follow-addresses": {"task": "donations.tasks.follow_addresses", "schedule": _SWEEP},
    "end-due-memberships": {"task": "members.tasks.end_due_memberships", "schedule": _SWEEP},
    "follow-tiers": {"task": "members.tasks.follow_tiers", "schedule": crontab(minute="20", hour="3")},
    "dispatch-reminders": {"task": "reminders.tasks.dispatch_reminders", "schedule": _SWEEP},
    "follow-reminders": {"task": "reminders.tasks.follow_reminders", "schedule": _SWEEP},
    "tidy-reminders": {"task": "reminders.tasks.tidy_reminders", "schedule": crontab(minute="10", hour="4")},
    "finish-checkouts": {
        "task": "donations.tasks.expire_forgotten_checkouts",
        "schedule": timedelta(minutes=10),
    },
    "roll-up-reports": {"task": "donations.tasks.roll_up_reports", "schedule": _SWEEP},
    "reckon-reports": {"task": "donations.tasks.reckon_reports", "schedule": _SWEEP},
    "make-exports": {"task": "donations.tasks.make_exports", "schedule": _SWEEP},
    "write-digest": {
        "task": "donations.tasks.write_digest",
        "schedule": crontab(minute="0", hour="6", day_of_week="monday"),
    },
    "reconcile": {"task": "donations.tasks.reconcile_stripe", "schedule": crontab(minute="17")},
    "compare-with-stripe": {
        "task": "donations.tasks.compare_with_stripe",
        "schedule": crontab(minute="30", hour="2"),
    },
    "forget-sent-mail": {
        "task": "members.tasks.forget_sent_mail",
        "schedule": crontab(minute="50", hour="3"),
    },
    "answer-data-requests": {"task": "members.tasks.answer_data_requests", "schedule": _SWEEP},
    "forget-late-news": {"task": "donations.tasks.forget_late_news", "schedule": timedelta(minutes=10)},
    "forget-sign-ins": {
        "task": "members.tasks.forget_sign_ins",
        "schedule": crontab(minute="55", hour="3"),
    },
    "purge-payloads": {"task": "donations.tasks.purge_payloads", "schedule": crontab(minute="40", hour="3")},
}
MAIL_RETENTION = timedelta(days=env.number("MAIL_RETENTION_DAYS", 90, least=1))
EVENT_PAYLOAD_RETENTION = timedelta(days=env.number("EVENT_PAYLOAD_RETENTION_DAYS", 30, least=1))

# --- What is said in the logs -------------------------------------------------------------------
LOG_FORMAT = env.choice("LOG_FORMAT", "console" if DEBUG else "json", of=("json", "console"))
LOGGING = logs.configuration(
    form=LOG_FORMAT,
    level=env.choice("LOG_LEVEL", "INFO", of=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
)
LOGGING_CONFIG = "config.logs.apply"
