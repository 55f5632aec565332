"""
Windows on the money: money moves by services and by Stripe's word, never by editing a row.

Campaigns are edited here; everything else is read.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from donations import inbox
from donations.models import (
    Ask,
    BalanceEntry,
    Campaign,
    Contribution,
    Dispute,
    Payment,
    ReconcileRun,
    Refund,
    StripeEvent,
    Subscription,
)
from donations.money import Money
from members import clock
from members.windows import Window

admin.site.site_header = admin.site.site_title = settings.NEWSROOM_NAME
admin.site.index_title = "Sustainer"


class AskInline(admin.TabularInline[Ask, Campaign]):
    model = Ask
    extra = 0


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin[Campaign]):
    """Appeals, with the amounts that they suggest."""

    list_display = ["slug", "title", "locale", "starts_at", "ends_at", "is_published"]
    list_filter = ["is_published", "locale"]
    search_fields = ["slug", "title"]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [AskInline]

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return (
            obj is not None and super().has_delete_permission(request, obj) and not obj.contributions.exists()
        )


class SubscriptionInline(Window, admin.StackedInline[Subscription, Contribution]):
    model = Subscription
    extra = 0


class PaymentInline(Window, admin.TabularInline[Payment, Contribution]):
    model = Payment
    extra = 0
    fields = ("state", "amount", "refunded", "paid_at", "receipt_number", "failure_code")
    readonly_fields = (
        "amount",
        "refunded",
    )


@admin.register(Contribution)
class ContributionAdmin(Window, admin.ModelAdmin[Contribution]):
    """What readers wanted to give, and what came of it."""

    list_display = [
        "public_id",
        "created_at",
        "total",
        "interval",
        "checkout_state",
        "subscription_state",
        "campaign",
        "member",
    ]
    list_filter = [
        "interval",
        "checkout_state",
        "currency",
        "campaign",
        ("copy_of", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["campaign", "member", "subscription"]
    search_fields = ["=stripe_session_id", "=subscription__stripe_id", "=stripe_customer_id"]
    search_help_text = "Stripe's id of a session, subscription or customer."
    date_hierarchy = "created_at"
    exclude = ["email", "name", "checkout_url", "recovery_url", "idempotency_hash", "request_fingerprint"]
    inlines = [SubscriptionInline, PaymentInline]

    @admin.display(ordering="amount_minor")
    def total(self, row: Contribution) -> str:
        return str(row.total)

    @admin.display(description="subscription")
    def subscription_state(self, row: Contribution) -> str:
        return row.subscription.state if hasattr(row, "subscription") else ""


class RefundInline(Window, admin.TabularInline[Refund, Payment]):
    model = Refund
    extra = 0
    fields = ("stripe_id", "state", "amount_minor", "currency", "reason", "created_at")


class DisputeInline(Window, admin.TabularInline[Dispute, Payment]):
    model = Dispute
    extra = 0
    fields = ("stripe_id", "state", "amount_minor", "currency", "reason", "answer_due_at")


@admin.register(Payment)
class PaymentAdmin(Window, admin.ModelAdmin[Payment]):
    """Money that arrived, is on its way, or did not."""

    list_display = [
        "created_at",
        "amount",
        "state",
        "refunded",
        "fee",
        "net",
        "receipt_number",
        "is_renewal",
        "contribution_id",
    ]
    list_filter = ["state", "currency", "is_renewal"]
    search_fields = [
        "=receipt_number",
        "=stripe_payment_intent_id",
        "=stripe_charge_id",
        "=stripe_invoice_id",
    ]
    search_help_text = "Receipt number, or Stripe's id of a payment intent, charge or invoice."
    date_hierarchy = "created_at"
    inlines = [RefundInline, DisputeInline]

    @admin.display(ordering="amount_minor")
    def amount(self, row: Payment) -> str:
        return str(row.amount)

    @admin.display(ordering="refunded_minor")
    def refunded(self, row: Payment) -> str:
        return str(row.refunded) if row.refunded_minor else ""

    @admin.display(ordering="fee_minor")
    def fee(self, row: Payment) -> str:
        return _settled(row.fee_minor, row.settlement_currency)

    @admin.display(ordering="net_minor")
    def net(self, row: Payment) -> str:
        return _settled(row.net_minor, row.settlement_currency)


def _settled(minor: int | None, currency: str) -> str:
    return "" if minor is None else str(Money(minor, currency))


@admin.register(StripeEvent)
class StripeEventAdmin(Window, admin.ModelAdmin[StripeEvent]):
    """What Stripe told us. Parked events and those in quarantine can be replayed."""

    list_display = [
        "stripe_id",
        "type",
        "state",
        "occurred_at",
        "received_at",
        "attempts",
        "waits_for",
        "problem",
    ]
    list_filter = ["state", "type"]
    search_fields = ["=stripe_id", "=waits_for"]
    date_hierarchy = "received_at"
    exclude = ["payload"]
    actions = ["replay"]

    @admin.action(description="Act on them again", permissions=["replay"])
    def replay(self, request: HttpRequest, events: QuerySet[StripeEvent]) -> None:
        now = clock.now()
        woken = sum(
            inbox.replay(event_id=event_id, now=now) for event_id in events.values_list("pk", flat=True)
        )
        self.message_user(request, f"{woken} events will be acted on again.")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("donations.change_stripeevent")


@admin.register(BalanceEntry)
class BalanceEntryAdmin(Window, admin.ModelAdmin[BalanceEntry]):
    """Stripe's account of our money, line by line."""

    list_display = ["stripe_id", "kind", "currency", "amount_minor", "fee_minor", "net_minor", "occurred_at"]
    list_filter = ["kind", "currency"]
    search_fields = ["=stripe_id"]


@admin.register(ReconcileRun)
class ReconcileRunAdmin(Window, admin.ModelAdmin[ReconcileRun]):
    """When we last compared with Stripe, and what had been missed."""

    list_display = ["started_at", "since", "seen", "missed", "problem", "finished_at"]
