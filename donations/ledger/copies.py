"""
Copies of a page that was left unpaid.

Stripe's recovery link opens a new copy each time it is followed, and nothing stops a reader from paying two of
them. Money that Stripe took is in the books: as a second payment of a gift that is given once, and as a second
contribution for a second subscription (docs/decisions/0018-pages-that-are-recovered.md).
"""

from __future__ import annotations

from donations.models import Contribution

# What a copy of a page has in common with the page. Its wish, its reader, and the moment at which it was written down.
_SAME = (
    "campaign_id", "member_id", "interval", "amount_minor", "fee_cover_minor", "currency", "email", "name", "locale",
    "source", "variant_id", "was_held_out", "newsletter_consent", "reminder_consent", "return_url", "livemode",
    "created_at", "checkout_attempted_at",
)  # fmt: skip


def make_copy(original: Contribution) -> Contribution:
    """
    A contribution with the same wish, for a copy of its page that was paid as well.

    The caller holds the original's lock and knows that the copy was paid: there is no other way to one.
    """
    copy = Contribution(
        copy_of=original,
        checkout_state=Contribution.CheckoutState.COMPLETED,
        **{name: getattr(original, name) for name in _SAME},
    )
    copy.save(force_insert=True)
    return copy
