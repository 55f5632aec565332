"""The tables of the money; each file has one subject."""

from donations.models.campaign import Ask, Campaign
from donations.models.contribution import Contribution, StripeCustomer, Subscription
from donations.models.inbox import ReconcileRun, StripeEvent
from donations.models.payment import BalanceEntry, Dispute, Payment, Refund

__all__ = [
    "Ask",
    "BalanceEntry",
    "Campaign",
    "Contribution",
    "Dispute",
    "Payment",
    "ReconcileRun",
    "Refund",
    "StripeCustomer",
    "StripeEvent",
    "Subscription",
]
