"""
What Stripe's facts mean for our books.

Each verb takes facts (`donations.facts`) and writes what they mean, inside the caller's transaction and
under the lock of the contribution. Verbs only move forward: money that arrived stays arrived, a later word
about a refund or dispute is never replaced by an earlier one. So the books in the end do not depend on the
order in which facts come, or on how often.

A fact about something that is not here yet raises `Unmatched` with the id that it waits for. A fact that
contradicts what we asked for raises `Mismatch`: a person has to look (RELIABILITY.md, I7).
"""

from donations.ledger.adoption import Giver, adopt_charge, adopt_subscription, link_payments, note_charges
from donations.ledger.balance import fill_balance_entry
from donations.ledger.changes import note_changes
from donations.ledger.checkout import (
    note_checkout,
    note_checkout_expired,
    note_checkout_failed,
    note_customer,
)
from donations.ledger.common import Mismatch, NotOurs, Unmatched
from donations.ledger.journal import is_in_journal, tell_payments
from donations.ledger.money_back import note_dispute, note_refund
from donations.ledger.offline import note_offline, void_offline
from donations.ledger.payments import note_charge, note_intent
from donations.ledger.payouts import close_payout, note_payout, note_payout_lines
from donations.ledger.recurring import (
    apply_subscription,
    find_subscription,
    note_invoice_failed,
    note_invoice_paid,
    note_invoice_payment,
    note_invoice_upcoming,
)
from donations.ledger.traces import note_trace

__all__ = [
    "Giver",
    "Mismatch",
    "NotOurs",
    "Unmatched",
    "adopt_charge",
    "adopt_subscription",
    "apply_subscription",
    "close_payout",
    "fill_balance_entry",
    "find_subscription",
    "is_in_journal",
    "link_payments",
    "note_changes",
    "note_charge",
    "note_charges",
    "note_checkout",
    "note_checkout_expired",
    "note_checkout_failed",
    "note_customer",
    "note_dispute",
    "note_intent",
    "note_invoice_failed",
    "note_invoice_paid",
    "note_invoice_payment",
    "note_invoice_upcoming",
    "note_offline",
    "note_payout",
    "note_payout_lines",
    "note_refund",
    "note_trace",
    "tell_payments",
    "void_offline",
]
