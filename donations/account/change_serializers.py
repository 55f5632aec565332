"""What the API takes and tells about changes of a contribution. Amounts in minor units, moments in UTC."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from donations import wishes
from donations.account.changes import Options
from donations.models import ContributionChange
from donations.money import Money
from members.validation import FlagField, IntegerField, StrictSerializer, TextField, WordField


class TermsInput(StrictSerializer):
    """What is not named stays as it is."""

    amount = IntegerField(
        required=False, min_value=1, max_value=10**12, help_text="The gift, without the fee."
    )
    interval = WordField(words=["month", "year"], required=False)
    cover_fees = FlagField(required=False)

    def terms(self, currency: str) -> dict[str, Any]:
        """As `wishes` takes them."""
        wish = dict(self.validated_data)
        wish.pop("version", None)
        if "amount" in wish:
            wish["amount"] = Money(wish["amount"], currency)
        return wish


class ChangeInput(TermsInput):
    """Another amount, interval or fee cover, decided on a state that `version` names."""

    version = TextField(max_length=16, allow_blank=False)


class PauseInput(StrictSerializer):
    """How many of the next payments are left out."""

    version = TextField(max_length=16, allow_blank=False)
    payments = IntegerField(min_value=1, max_value=12)


class VersionInput(StrictSerializer):
    """The state that was decided on."""

    version = TextField(max_length=16, allow_blank=False)


class StopInput(StrictSerializer):
    """Why, for whoever wants to say so."""

    reason = WordField(words=ContributionChange.Reason.values, required=False)


class WithdrawalInput(StrictSerializer):
    """The second step that the law asks for."""

    confirm = FlagField(help_text="Has to be true.")


class OfferOutput(serializers.Serializer[Any]):
    """What the campaign takes at an interval."""

    interval = serializers.CharField()
    minimum = serializers.IntegerField()
    maximum = serializers.IntegerField()
    suggested = serializers.ListField(child=serializers.IntegerField())


class StandingOutput(serializers.Serializer[Any]):
    """How a recurring contribution stands, and what can be changed about it now."""

    version = serializers.CharField(help_text="Names this state; what is decided on it is sent with it.")
    amount = serializers.IntegerField(help_text="The gift.")
    fee_cover = serializers.IntegerField(help_text="What is added for the fee.")
    total = serializers.IntegerField(help_text="What is charged.")
    currency = serializers.CharField()
    interval = serializers.CharField()
    is_paused = serializers.BooleanField()
    resumes_at = serializers.DateTimeField(allow_null=True, help_text="When the pause ends by itself.")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When it is going to end.")
    has_ended = serializers.BooleanField()
    next_payment_at = serializers.DateTimeField(allow_null=True)
    is_pending = serializers.BooleanField(help_text="Stripe said yes, and its event is on its way.")
    offers = OfferOutput(many=True, help_text="What it can be changed to; empty where it cannot be.")
    pause_payments = serializers.IntegerField(help_text="How many payments can be left out; 0: none.")
    can_resume = serializers.BooleanField()
    can_stop = serializers.BooleanField()
    can_keep = serializers.BooleanField(help_text="Whether it can go on after all.")
    can_make_one_time = serializers.BooleanField()
    can_withdraw_until = serializers.DateTimeField(allow_null=True)
    can_undo_until = serializers.DateTimeField(allow_null=True, help_text="The last change.")
    come_back_url = serializers.CharField(help_text="Where it is given again after it has ended.")


class PreviewOutput(serializers.Serializer[Any]):
    """What a change would come to."""

    version = serializers.CharField()
    amount = serializers.IntegerField()
    fee_cover = serializers.IntegerField()
    total = serializers.IntegerField()
    currency = serializers.CharField()
    interval = serializers.CharField()
    first_payment_at = serializers.DateTimeField(
        allow_null=True, help_text="The first payment of this sum; null while it is paused without an end."
    )


class CardPageOutput(serializers.Serializer[Any]):
    """Where the reader gives another card."""

    url = serializers.CharField()
    is_tried_at_once = serializers.BooleanField(
        help_text="Whether a payment is open that is tried with it at once."
    )


class WithdrawalOutput(serializers.Serializer[Any]):
    """A withdrawal that was declared."""

    declared_at = serializers.DateTimeField()
    is_done = serializers.BooleanField(help_text="Whether everything has gone back.")


def standing(options: Options) -> Any:
    """A contribution, told."""
    picture = options.stands.now
    told = {
        "version": options.stands.version,
        "amount": picture.amount,
        "fee_cover": picture.fee_cover,
        "total": picture.total.minor,
        "currency": picture.currency,
        "interval": picture.interval,
        "is_paused": picture.is_paused,
        "resumes_at": picture.resumes,
        "ends_at": picture.ends,
        "has_ended": picture.is_ended,
        "next_payment_at": options.next_payment_at,
        "is_pending": options.is_pending,
        "offers": [
            {
                "interval": offer.interval,
                "minimum": offer.least.minor,
                "maximum": offer.most.minor,
                "suggested": [money.minor for money in offer.suggested],
            }
            for offer in options.offers
        ],
        "pause_payments": options.pause_payments,
        "can_resume": options.can_resume,
        "can_stop": options.can_stop,
        "can_keep": options.can_keep,
        "can_make_one_time": options.can_make_one_time,
        "can_withdraw_until": options.withdrawal.until if options.withdrawal else None,
        "can_undo_until": options.latest.undo_until if options.latest else None,
        "come_back_url": options.come_back_url,
    }
    return StandingOutput(told).data


def preview(found: wishes.Preview) -> Any:
    """A change that was not made, told."""
    told = {
        "version": found.stands.version,
        "amount": found.after.amount,
        "fee_cover": found.after.fee_cover,
        "total": found.after.total.minor,
        "currency": found.after.currency,
        "interval": found.after.interval,
        "first_payment_at": found.first_payment_at,
    }
    return PreviewOutput(told).data
