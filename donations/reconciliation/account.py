"""Is this the account at Stripe that our books are about? Asked before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator

from donations import gateway
from donations.models import Contribution, Payment, Subscription

_SAMPLE = 5  # of each kind, the newest first


class WrongMode(Exception):
    """What Stripe tells is of the other mode (live or test) than our key: the wrong account or key."""


class WrongAccount(Exception):
    """Stripe knows nothing of what our books hold: the key is of another account."""


def must_be_ours() -> None:
    """
    Return quietly if Stripe knows something that our books hold, or if they hold nothing yet.

    One call to Stripe where all is well; never more than fifteen.

    :raises WrongAccount: Stripe knows none of it. Nothing may be stored then: another account's gifts are not ours.
    :raises PaymentsUnavailable, PaymentsRefused:
    """
    asked = 0
    for kind, stripe_id in _some_of_ours():
        asked += 1
        if gateway.knows(kind, stripe_id):
            return
    if asked:
        raise WrongAccount(
            f"Stripe knows none of {asked} payments, subscriptions and checkouts that our books hold. Nothing was "
            "stored. Check that STRIPE_SECRET_KEY is the key of the account that took these gifts."
        )


def _some_of_ours() -> Iterator[tuple[str, str]]:
    charges = Payment.objects.exclude(stripe_charge_id=None).order_by("-pk")
    for stripe_id in charges.values_list("stripe_charge_id", flat=True)[:_SAMPLE]:
        yield "charge", str(stripe_id)
    for stripe_id in Subscription.objects.order_by("-pk").values_list("stripe_id", flat=True)[:_SAMPLE]:
        yield "subscription", stripe_id
    sessions = Contribution.objects.exclude(stripe_session_id=None).order_by("-pk")
    for stripe_id in sessions.values_list("stripe_session_id", flat=True)[:_SAMPLE]:
        yield "checkout.session", str(stripe_id)
