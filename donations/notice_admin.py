"""Windows on what readers are told about payments: failed renewals, and notices before money is taken."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from donations import notice_desk
from donations.models import CardWatch, Dunning, Notice
from members import clock
from members.long_lists import LongList, few_values
from members.windows import Window


@admin.register(Dunning)
class DunningAdmin(LongList, Window, admin.ModelAdmin[Dunning]):
    """Renewals that were refused: since when, what their readers were told, and how it ended."""

    list_display = [
        "first_failed_at",
        "state",
        "amount",
        "failure_code",
        "mails",
        "acted_at",
        "quiet_because",
        "next_look_at",
        "closed_at",
        "subscription",
    ]
    list_filter = ["state", ("quiet_because", few_values())]
    sorted_by = ("first_failed_at",)
    list_select_related = ["payment__contribution__subscription"]
    exact_fields = ("payment__stripe_invoice_id", "payment__contribution__subscription__stripe_id")
    search_help_text = "Stripe's id of an invoice or subscription."
    date_hierarchy = "first_failed_at"

    @admin.display(ordering="payment__amount_minor")
    def amount(self, row: Dunning) -> str:
        return str(row.payment.amount)

    @admin.display(ordering="payment__failure_code")
    def failure_code(self, row: Dunning) -> str:
        return row.payment.failure_code

    @admin.display
    def subscription(self, row: Dunning) -> str:
        return row.payment.contribution.subscription.stripe_id


@admin.register(Notice)
class NoticeAdmin(LongList, Window, admin.ModelAdmin[Notice]):
    """
    What readers are told before money is taken: due, told, and the payments that wait because they were not told.

    Where the mail cannot be delivered, tell the reader in another way and say so here, or let it be tried again.
    """

    list_display = [
        "charge_at",
        "state",
        "hold",
        "reason",
        "kind",
        "due_at",
        "accepted_at",
        "takes_at",
        "problem",
        "amount",
        "subscription_id_at_stripe",
    ]
    list_filter = ["state", "hold", "kind", ("reason", few_values())]
    sorted_by = ("charge_at",)
    list_select_related = ["subscription"]
    exact_fields = ("subscription__stripe_id",)
    search_help_text = "Stripe's id of a subscription."
    date_hierarchy = "charge_at"
    actions = ["told_otherwise", "try_again"]

    @admin.display(description="amount")
    def amount(self, row: Notice) -> str:
        return str(row.new_amount or row.subscription.amount)

    @admin.display(description="subscription")
    def subscription_id_at_stripe(self, row: Notice) -> str:
        return row.subscription.stripe_id

    @admin.action(description="The reader was told in another way", permissions=["tell"])
    def told_otherwise(self, request: HttpRequest, rows: QuerySet[Notice]) -> None:
        now, actor = clock.now(), f"staff:{request.user.pk}"
        done = sum(
            notice_desk.told_otherwise(notice_id=pk, actor=actor, now=now)
            for pk in rows.values_list("pk", flat=True)
        )
        self.message_user(request, f"{done} notices count as told from now on.")

    @admin.action(description="Try to send them again", permissions=["tell"])
    def try_again(self, request: HttpRequest, rows: QuerySet[Notice]) -> None:
        now = clock.now()
        done = sum(notice_desk.try_again(notice_id=pk, now=now) for pk in rows.values_list("pk", flat=True))
        self.message_user(request, f"{done} notices will be sent again.")

    def has_tell_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("donations.change_notice")


@admin.register(CardWatch)
class CardWatchAdmin(LongList, Window, admin.ModelAdmin[CardWatch]):
    """For which payments we asked Stripe whether the card will last."""

    list_display = ["subscription_id_at_stripe", "looked_30_for", "looked_7_for"]
    list_select_related = ["subscription"]
    exact_fields = ("subscription__stripe_id",)

    @admin.display(description="subscription")
    def subscription_id_at_stripe(self, row: CardWatch) -> str:
        return row.subscription.stripe_id
