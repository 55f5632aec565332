"""
Why a payment failed, in words that a reader can act on.

Stripe's decline codes are told apart only as far as it helps the reader; a public form must not tell a thief
whether a card is stolen or empty, so that several codes share one sentence (STRIPE.md, section 7).
"""

from __future__ import annotations

from django.utils.translation import gettext as _

# With these codes Stripe sends no further try until there is another card (STRIPE.md, section 4).
HARD = frozenset(
    {
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "stolen_card",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "authentication_required",
        "highest_risk_level",
        "transaction_not_allowed",
    }
)

# With these the card is good, and the reader has to confirm the payment at the bank.
CONFIRM = "authentication_required"
TO_CONFIRM = frozenset({CONFIRM, "approve_with_id"})


def explain(code: str) -> str:
    """One sentence for the reader, in the active language."""
    if code == "expired_card":
        return _("Your card has expired.")
    if code in ("insufficient_funds", "withdrawal_count_limit_exceeded", "card_velocity_exceeded"):
        return _("Your bank did not allow this payment at this time.")
    if code in TO_CONFIRM:
        return _("Your bank asks you to confirm the payment.")
    if code in ("incorrect_cvc", "incorrect_number", "invalid_expiry_month", "invalid_expiry_year"):
        return _("The details of your card are no longer right.")
    if code in ("processing_error", "issuer_not_available", "reenter_transaction", "try_again_later"):
        return _("Your bank could not be reached.")
    return _("Your bank declined the payment.")
