"""
Windows on the money: money moves by services and by Stripe's word, never by editing a row.

Everything here is read; campaigns are edited in `campaign_admin`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from donations import (  # noqa: F401  # some register windows of their own
    ask_admin,
    campaign_admin,
    change_admin,
    handlers,
    import_admin,
    inbox,
    notice_admin,
    offline_admin,
    payouts,
)
from donations.models import (
    AskVariant,
    BalanceEntry,
    Contribution,
    Dispute,
    DoubleCharge,
    Payment,
    Payout,
    ReconcileFinding,
    ReconcileRun,
    Refund,
    StripeEvent,
    Subscription,
)
from donations.models.inbox import MANY
from donations.money import Money
from donations.reports import admin as report_admin  # noqa: F401  # its own windows
from members import clock
from members.long_lists import LongList, few_values
from members.windows import Window

admin.site.site_header = admin.site.site_title = settings.NEWSROOM_NAME
admin.site.index_title = "Sustainer"

_RARE_TYPES = few_values(lambda: [(name, name) for name in handlers.HANDLERS if name not in MANY])


class VariantFilter(admin.RelatedFieldListFilter):
    """Ways of asking, with the tests in their names asked for at once."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(row.pk), str(row)) for row in AskVariant.objects.select_related("test")]


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
class ContributionAdmin(LongList, Window, admin.ModelAdmin[Contribution]):
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
        "campaign",
        ("variant", VariantFilter),
        "was_held_out",
        ("copy_of", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["campaign", "member", "subscription"]
    exact_fields = ("stripe_session_id", "subscription__stripe_id", "stripe_customer_id")
    sorted_by = ("created_at",)
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
class PaymentAdmin(LongList, Window, admin.ModelAdmin[Payment]):
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
    list_filter = ["state", ("currency", few_values())]
    exact_fields = ("receipt_number", "stripe_payment_intent_id", "stripe_charge_id", "stripe_invoice_id")
    sorted_by = ("created_at",)
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
class StripeEventAdmin(LongList, Window, admin.ModelAdmin[StripeEvent]):
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
    list_filter = ["state", ("type", _RARE_TYPES)]
    exact_fields = ("stripe_id", "waits_for")
    sorted_by = ("received_at",)
    date_hierarchy = "received_at"
    exclude = ["payload"]
    actions = ["replay"]

    def exactly(self, model: Any, name: str, term: str) -> Iterator[Q]:
        for condition in super().exactly(model, name, term):
            yield condition & Q(state=StripeEvent.State.PARKED) if name == "waits_for" else condition

    def get_queryset(self, request: HttpRequest) -> QuerySet[StripeEvent]:
        return super().get_queryset(request).defer("payload")

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
class BalanceEntryAdmin(LongList, Window, admin.ModelAdmin[BalanceEntry]):
    """Stripe's account of our money, line by line."""

    list_display = ["stripe_id", "kind", "currency", "amount_minor", "fee_minor", "net_minor", "occurred_at"]
    list_filter = [("kind", few_values())]
    exact_fields = ("stripe_id", "payout__stripe_id")
    ordering = ("-pk",)


@admin.register(Dispute)
class DisputeAdmin(LongList, Window, admin.ModelAdmin[Dispute]):
    """What readers' banks ask back; those that wait for our answer first, by when it is due."""

    list_display = ["stripe_id", "state", "answer_due_at", "amount", "reason", "opened_at", "payment"]
    list_filter = ["state"]
    exact_fields = ("stripe_id",)
    sorted_by = ("answer_due_at",)
    list_select_related = ["payment"]
    ordering = [F("answer_due_at").asc(nulls_last=True), "-opened_at"]

    @admin.display(ordering="amount_minor")
    def amount(self, row: Dispute) -> str:
        return str(Money(row.amount_minor, row.currency))


@admin.register(DoubleCharge)
class DoubleChargeAdmin(LongList, Window, admin.ModelAdmin[DoubleCharge]):
    """Second charges soon after a first, and what their readers say."""

    list_display = ["noticed_at", "state", "match", "second", "first", "decided_at", "problem"]
    list_filter = ["state", "match"]
    sorted_by = ("noticed_at",)
    list_select_related = ["first", "second"]
    date_hierarchy = "noticed_at"


class AddsUp(admin.SimpleListFilter):
    """Payouts by whether their lines come to what reached the bank."""

    title = "adds up"
    parameter_name = "adds_up"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("no", "No"), ("yes", "Yes"), ("unknown", "Lines not known")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout]:
        if self.value() == "unknown":
            return queryset.filter(listed_minor=None)
        if self.value() == "no":
            return queryset.filter(pk__in=payouts.get_unbalanced())
        if self.value() == "yes":
            return queryset.filter(listed_minor=F("amount_minor"))
        return queryset


@admin.register(Payout)
class PayoutAdmin(LongList, Window, admin.ModelAdmin[Payout]):
    """What reached the bank, what it is made of, and whether that adds up."""

    list_display = ["stripe_id", "created_at", "arrives_at", "amount", "state", "difference"]
    list_filter = ["state", ("currency", few_values()), AddsUp]
    exact_fields = ("stripe_id",)
    sorted_by = ("created_at",)
    date_hierarchy = "created_at"
    readonly_fields = ["made_of", "difference"]

    @admin.display(ordering="amount_minor")
    def amount(self, row: Payout) -> str:
        return str(row.amount)

    @admin.display(description="difference")
    def difference(self, row: Payout) -> str:
        if row.difference is None:
            return "" if row.is_automatic else "asked for by hand: Stripe does not tell its lines"
        return str(row.difference) if row.difference.minor else "none"

    @admin.display(description="made of")
    def made_of(self, row: Payout) -> SafeString:
        found = payouts.get_breakdown(row)
        return format_html_join(
            "",
            "<div>{} {}: {} less fees of {} = {}</div>",
            [
                (
                    part.count,
                    name.replace("_", " "),
                    Money(part.amount_minor, row.currency),
                    Money(part.fee_minor, row.currency),
                    Money(part.net_minor, row.currency),
                )
                for name, part in found.parts.items()
                if part.count
            ],
        )


class FindingInline(Window, admin.TabularInline[ReconcileFinding, ReconcileRun]):
    model = ReconcileFinding
    extra = 0
    fields = ("outcome", "kind", "stripe_id", "what")


@admin.register(ReconcileRun)
class ReconcileRunAdmin(Window, admin.ModelAdmin[ReconcileRun]):
    """When we last compared with Stripe, and what had been missed."""

    list_display = ["started_at", "scope", "since", "seen", "missed", "problem", "finished_at"]
    list_filter = ["scope"]
    inlines = [FindingInline]


@admin.register(ReconcileFinding)
class ReconcileFindingAdmin(LongList, Window, admin.ModelAdmin[ReconcileFinding]):
    """The drift report: where our books and Stripe differed, newest first, and what came of it."""

    list_display = ["found_at", "outcome", "kind", "stripe_id", "what"]
    list_filter = ["outcome", ("kind", few_values())]
    exact_fields = ("stripe_id",)
    sorted_by = ("found_at",)
    date_hierarchy = "found_at"
