"""The tables of the money; each file has one subject."""

from donations.models.asks import AskCount, AskSwitch, AskTest, AskVariant, VariantAsk
from donations.models.balance import BalanceEntry, Payout
from donations.models.campaign import Ask, Campaign
from donations.models.campaign_change import CampaignChange
from donations.models.change import SubscriptionChange
from donations.models.contribution import Contribution, StripeCustomer, Subscription
from donations.models.contribution_change import ContributionChange, Withdrawal
from donations.models.double import ChargeTrace, DoubleCharge
from donations.models.dunning import Dunning
from donations.models.imports import StripeImport, StripeImportProblem
from donations.models.inbox import ReconcileFinding, ReconcileRun, StripeEvent
from donations.models.notice import CardWatch, Notice
from donations.models.offline import FileImport, ImportedRow, OfflineGift
from donations.models.payment import Dispute, Payment, Refund

__all__ = [
    "Ask",
    "AskCount",
    "AskSwitch",
    "AskTest",
    "AskVariant",
    "BalanceEntry",
    "Campaign",
    "CampaignChange",
    "CardWatch",
    "ChargeTrace",
    "Contribution",
    "ContributionChange",
    "Dispute",
    "DoubleCharge",
    "Dunning",
    "FileImport",
    "ImportedRow",
    "Notice",
    "OfflineGift",
    "Payment",
    "Payout",
    "ReconcileFinding",
    "ReconcileRun",
    "Refund",
    "StripeCustomer",
    "StripeEvent",
    "StripeImport",
    "StripeImportProblem",
    "Subscription",
    "SubscriptionChange",
    "VariantAsk",
    "Withdrawal",
]
