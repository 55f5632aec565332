"""The tables of the money; each file has one subject."""

from donations.models.asks import AskCount, AskSwitch, AskTest, AskVariant, VariantAsk
from donations.models.balance import BalanceEntry, Payout
from donations.models.campaign import Ask, Campaign
from donations.models.campaign_change import CampaignChange
from donations.models.change import SubscriptionChange
from donations.models.contribution import Contribution, StripeCustomer, Subscription
from donations.models.contribution_change import ContributionChange, Withdrawal
from donations.models.day_rate import DayRate
from donations.models.digest import DigestReader
from donations.models.double import ChargeTrace, DoubleCharge
from donations.models.dunning import Dunning
from donations.models.export import ExportFile, ExportPiece
from donations.models.imports import StripeImport, StripeImportProblem
from donations.models.inbox import ReconcileFinding, ReconcileRun, StripeEvent
from donations.models.journal import JournalEntry, RevenueDay, RevenueMonth
from donations.models.kept_answer import KeptAnswer
from donations.models.leaving import Leaving
from donations.models.notice import CardWatch, Notice
from donations.models.offline import FileImport, ImportedRow, OfflineGift
from donations.models.payment import Dispute, Payment, Refund
from donations.models.report_key import ReportKey

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
    "DayRate",
    "DigestReader",
    "Dispute",
    "DoubleCharge",
    "Dunning",
    "ExportFile",
    "ExportPiece",
    "FileImport",
    "ImportedRow",
    "JournalEntry",
    "KeptAnswer",
    "Leaving",
    "Notice",
    "OfflineGift",
    "Payment",
    "Payout",
    "ReconcileFinding",
    "ReconcileRun",
    "Refund",
    "ReportKey",
    "RevenueDay",
    "RevenueMonth",
    "StripeCustomer",
    "StripeEvent",
    "StripeImport",
    "StripeImportProblem",
    "Subscription",
    "SubscriptionChange",
    "VariantAsk",
    "Withdrawal",
]
