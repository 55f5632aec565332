"""Windows on what readers changed, on those who set out to stop, and on withdrawals that are carried out."""

from __future__ import annotations

from django.contrib import admin

from donations.models import ContributionChange, Leaving, Withdrawal
from donations.standing import Picture
from members.long_lists import LongList, few_values
from members.windows import Window


@admin.register(ContributionChange)
class ContributionChangeAdmin(LongList, Window, admin.ModelAdmin[ContributionChange]):
    """
    Who asked for what about contributions, and what came of it, newest first.

    Filter by “instead of stopping” for those who came to stop and chose something else: the saves.
    """

    list_display = ["asked_at", "kind", "state", "before_text", "after_text", "actor", "reason", "problem"]
    list_filter = ["kind", "state", "instead_of_stopping", "reason"]
    exact_fields = ("contribution__subscription__stripe_id",)
    search_help_text = "Stripe's id of a subscription."
    sorted_by = ("asked_at",)
    date_hierarchy = "asked_at"

    @admin.display(description="before")
    def before_text(self, row: ContributionChange) -> str:
        return terms(row.before)

    @admin.display(description="after")
    def after_text(self, row: ContributionChange) -> str:
        return terms(row.after)


def terms(stored: dict[str, object]) -> str:
    """How a contribution stood, for staff."""
    if not stored:
        return ""
    picture = Picture.of(stored)
    text = f"{picture.total} / {picture.interval}"
    if picture.is_ended:
        return f"{text}, ended"
    if picture.ends_at:
        return f"{text}, ends {picture.ends_at[:10]}"
    if picture.is_paused:
        return f"{text}, paused" + (f" to {picture.paused_until[:10]}" if picture.paused_until else "")
    return text


@admin.register(Leaving)
class LeavingAdmin(LongList, Window, admin.ModelAdmin[Leaving]):
    """
    Readers who pressed “Stop my contribution”, and what was offered to them instead, newest first.

    What it ended in is told by the changes of the contribution, and summed up in the report on churn.
    """

    list_display = ["started_at", "offered_lower", "offered_pause", "offered_annual"]
    exact_fields = ("contribution__subscription__stripe_id",)
    search_help_text = "Stripe's id of a subscription."
    sorted_by = ("started_at",)
    date_hierarchy = "started_at"


@admin.register(Withdrawal)
class WithdrawalAdmin(LongList, Window, admin.ModelAdmin[Withdrawal]):
    """Readers who withdrew from the contract, and whether everything has gone back to them."""

    list_display = ["declared_at", "place", "ended_at", "returned_at", "closed_at", "problem", "actor"]
    list_filter = [
        ("place", few_values()),
        ("problem", few_values()),
        ("closed_at", admin.EmptyFieldListFilter),
    ]
    exact_fields = ("contribution__subscription__stripe_id",)
    search_help_text = "Stripe's id of a subscription."
    sorted_by = ("declared_at",)
    date_hierarchy = "declared_at"
