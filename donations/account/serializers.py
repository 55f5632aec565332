"""Between JSON and our types for /api/v1/me/; amounts are minor units beside their currency."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.serializers import ErrorDetail

from donations import gateway
from donations import queries as contributions
from donations.account import consents, queries
from donations.errors import DonationError
from donations.intervals import Interval
from donations.models import Contribution, Payment, Subscription
from donations.statuses import status_choices
from members import self_service
from members.models import Member, Membership, MembershipState
from members.validation import AddressField, FlagField, StrictSerializer, TextField, WordField

_AMOUNT = "In minor units (cents)."


class MyMembershipOutput(serializers.Serializer[object]):
    """A membership: the one that counts, else the one that ended last."""

    tier = serializers.CharField(allow_null=True, help_text="The tier's slug; null below the lowest.")
    state = serializers.ChoiceField(choices=[(state.value, state.value) for state in MembershipState])
    is_member = serializers.BooleanField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="Until when it is paid or given, or was.")


class MeOutput(serializers.Serializer[object]):
    """Who is signed in."""

    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    locale = serializers.CharField()
    joined_at = serializers.DateTimeField()
    membership = MyMembershipOutput(allow_null=True)


def me(reader: Member, *, now: datetime) -> dict[str, Any]:
    """Who the reader is, for JSON."""
    held = queries.get_membership(reader, now=now)
    told = {
        "id": reader.public_id,
        "email": reader.email,
        "name": reader.name,
        "locale": reader.locale,
        "joined_at": self_service.get_joined_at(reader),
        "membership": _membership(held, now) if held else None,
    }
    return dict(MeOutput(told).data)


def _membership(held: Membership, now: datetime) -> dict[str, Any]:
    state = held.state_at(now)
    return {
        "tier": held.tier.slug if held.tier else None,
        "state": state.value,
        "is_member": state.is_member,
        "since": held.started_at,
        "until": held.counts_until,
    }


class MeInput(StrictSerializer):
    """What readers change about themselves; what is left out stays."""

    name = TextField(required=False, max_length=100, help_text="Empty: no name.")
    locale = WordField(required=False, words=[code for code, _ in settings.LANGUAGES])


class MyContributionOutput(serializers.Serializer[object]):
    """Something that the reader gives or gave."""

    id = serializers.UUIDField()
    campaign = serializers.CharField(help_text="The campaign's slug.")
    title = serializers.CharField()
    interval = serializers.ChoiceField(choices=[(word.value, word.value) for word in Interval])
    amount = serializers.IntegerField(help_text=_AMOUNT)
    currency = serializers.CharField()
    fee_cover = serializers.IntegerField(help_text="How much of it is for the payment fee.")
    status = serializers.ChoiceField(choices=status_choices())
    created_at = serializers.DateTimeField()
    next_payment_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When it will end, if that was asked for.")


def contribution(row: Contribution) -> dict[str, Any]:
    """A contribution, for JSON."""
    return dict(MyContributionOutput(_contribution(row)).data)


def _contribution(row: Contribution) -> dict[str, Any]:
    view = contributions.view_of(row)
    subscription: Subscription | None = getattr(row, "subscription", None)
    is_over = subscription is None or subscription.state == Subscription.State.CANCELLED
    return {
        "id": row.public_id,
        "campaign": row.campaign.slug,
        "title": row.campaign.title,
        "interval": subscription.interval if subscription else row.interval,
        "amount": view.amount.minor,
        "currency": view.amount.currency,
        "fee_cover": row.fee_cover_minor if view.amount == row.total else 0,
        "status": view.status.value,
        "created_at": row.created_at,
        "next_payment_at": view.next_payment_at,
        "ends_at": subscription.cancel_at if subscription and not is_over else None,
    }


class CardOutput(serializers.Serializer[object]):
    """What its owner knows a card by."""

    brand = serializers.CharField()
    last4 = serializers.CharField()
    exp_month = serializers.IntegerField()
    exp_year = serializers.IntegerField()


class MyContributionDetailOutput(MyContributionOutput):
    """One contribution, with the card that is charged next."""

    card = CardOutput(allow_null=True, help_text="null: no card, or Stripe could not be asked.")


def contribution_with_card(row: Contribution) -> dict[str, Any]:
    """A contribution with its card, for JSON. Asks Stripe."""
    subscription: Subscription | None = getattr(row, "subscription", None)
    card = None
    if subscription is not None and subscription.state != Subscription.State.CANCELLED:
        try:
            card = gateway.get_paying_card(subscription.stripe_id, is_waited_for=True)
        except (DonationError, ValueError):
            card = None
    return dict(MyContributionDetailOutput({**_contribution(row), "card": card}).data)


class MyPaymentOutput(serializers.Serializer[object]):
    """A payment of the reader."""

    id = serializers.UUIDField()
    contribution = serializers.UUIDField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=[(state.value, state.value) for state in Payment.State])
    amount = serializers.IntegerField(help_text=_AMOUNT)
    returned = serializers.IntegerField(help_text="What was given back of it, or taken back by the bank.")
    currency = serializers.CharField()
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    receipt_number = serializers.CharField(allow_null=True)


def payment(row: Payment) -> dict[str, Any]:
    """A payment, for JSON; its disputes are at hand."""
    told = {
        "id": row.public_id,
        "contribution": row.contribution.public_id,
        "title": row.contribution.campaign.title,
        "state": row.state,
        "amount": row.amount_minor,
        "returned": queries.given_back(row).minor,
        "currency": row.currency,
        "created_at": row.created_at,
        "paid_at": row.paid_at,
        "receipt_number": row.receipt_number,
    }
    return dict(MyPaymentOutput(told).data)


class MyContributionsOutput(serializers.Serializer[object]):
    """A page of contributions, the newest first."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    results = MyContributionOutput(many=True)


class MyPaymentsOutput(serializers.Serializer[object]):
    """A page of payments, the newest first."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    results = MyPaymentOutput(many=True)


class SumOutput(serializers.Serializer[object]):
    """A year's gifts in one currency."""

    currency = serializers.CharField()
    given = serializers.IntegerField(help_text=_AMOUNT)
    returned = serializers.IntegerField()
    kept = serializers.IntegerField()


class StatementOutput(serializers.Serializer[object]):
    """A calendar year in the newsroom's zone; what was given back of a payment counts in the payment's year."""

    year = serializers.IntegerField()
    sums = SumOutput(many=True)
    payments = MyPaymentOutput(many=True)


def statement(found: queries.Statement) -> dict[str, Any]:
    """A year, for JSON."""
    return {
        "year": found.year,
        "sums": [
            {
                "currency": each.given.currency,
                "given": each.given.minor,
                "returned": each.returned.minor,
                "kept": each.kept.minor,
            }
            for each in found.sums
        ],
        "payments": [payment(row) for row in found.payments],
    }


class ConsentOutput(serializers.Serializer[object]):
    """Whether the reader allows something, since when, and which text was agreed to."""

    purpose = serializers.ChoiceField(choices=[(each.name, each.name) for each in consents.PURPOSES])
    granted_at = serializers.DateTimeField(allow_null=True)
    text_version = serializers.CharField(allow_blank=True)
    text = serializers.CharField(help_text="What a yes would be a yes to.")


def consent(given: consents.Given) -> dict[str, Any]:
    """A consent, for JSON."""
    told = {
        "purpose": given.purpose.name,
        "granted_at": given.since,
        "text_version": given.version,
        "text": str(given.purpose.text),
    }
    return dict(ConsentOutput(told).data)


class ConsentsInput(StrictSerializer):
    """What the reader allows from now on; what is left out stays as it is."""

    newsletter = FlagField(required=False)
    appeals = FlagField(required=False)


class AddressInput(StrictSerializer):
    """Where the reader wants to be written to."""

    email = AddressField()

    def validate_email(self, value: str) -> str:
        if not value:
            raise serializers.ValidationError([ErrorDetail("Send an e-mail address.", "required")])
        return value


class LinkInput(StrictSerializer):
    """What a mail brought."""

    token = TextField(max_length=100, allow_blank=False, help_text="The last part of the link in the mail.")
