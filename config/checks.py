"""What must be right before readers' money passes here; `manage.py check --deploy` runs them all."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def check_stripe_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A live key never meets DEBUG or a sandbox, in any place."""
    if not settings.STRIPE_LIVEMODE:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(
            Error(
                "A live Stripe key is used while DEBUG is on.",
                hint="Set DEBUG=False, or use a test key (sk_test_…) while developing.",
                id="config.E001",
            )
        )
    if settings.STRIPE_API_BASE:
        found.append(
            Error(
                "A live Stripe key would be sent to a sandbox.",
                hint="Unset STRIPE_API_BASE in production.",
                id="config.E002",
            )
        )
    return found


@register(Tags.security)
def check_webhook_secret(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Without a secret no event can be believed, so no gift would ever be booked."""
    secrets = settings.STRIPE_WEBHOOK_SECRETS
    if not secrets:
        return [
            Error(
                "No webhook secret is set, so nothing that Stripe tells us can be believed.",
                hint="Set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret (whsec_…); several, with commas.",
                id="config.E003",
            )
        ]
    if not all(secret.startswith("whsec_") for secret in secrets):
        return [
            Error(
                "STRIPE_WEBHOOK_SECRET holds something that is not a signing secret.",
                hint="Signing secrets start with whsec_; Stripe shows it on the endpoint's page.",
                id="config.E004",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is fine for trying out and wrong for readers."""
    found: list[CheckMessage] = []
    if settings.SECRET_KEY == settings.DEVELOPMENT_SECRET_KEY:
        found.append(
            Error(
                "SECRET_KEY is the development default, which everybody can read.",
                hint="Set SECRET_KEY to 50 random characters or more; `manage.py generate_keys` prints one.",
                id="config.E005",
            )
        )
    if not settings.STRIPE_LIVEMODE:
        found.append(
            Warning(
                "A test Stripe key is used in production: no gift will be real.",
                hint="Set STRIPE_SECRET_KEY to the live key (better: a restricted one, rk_live_…).",
                id="config.W001",
            )
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        found.append(
            Warning(
                "SQLite keeps the books.",
                hint="It is right for a trial on one machine. Set DATABASE_URL to PostgreSQL for production.",
                id="config.W002",
            )
        )
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        found.append(
            Warning(
                "The embedded broker is used.",
                hint="Set CELERY_BROKER_URL to Redis or RabbitMQ: the embedded one serves a single machine.",
                id="config.W003",
            )
        )
    return found
