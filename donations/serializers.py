"""Between JSON and our types; strict on the way in (members.validation), plain on the way out."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers

from donations import currencies, formatting, links, queries
from donations.intervals import Interval
from donations.models import Campaign, Contribution
from donations.money import Money
from donations.queries import ContributionView
from donations.services import Wish
from donations.statuses import Status
from members.validation import (
    AddressField,
    FlagField,
    IntegerField,
    LocaleField,
    StrictSerializer,
    TextField,
    WordField,
)

_MOST_TAGS = 12


class SourceInput(StrictSerializer):
    """Where the gift came from, for the newsroom's numbers. A page's query string is dropped: it can name people."""

    page_url = serializers.CharField(required=False, max_length=2000, allow_blank=True)
    component = TextField(required=False, max_length=64)
    campaign_tags = serializers.JSONField(required=False, help_text="Short texts, as a list or by name.")
    utm_source = TextField(required=False, max_length=100)
    utm_medium = TextField(required=False, max_length=100)
    utm_campaign = TextField(required=False, max_length=100)
    utm_term = TextField(required=False, max_length=100)
    utm_content = TextField(required=False, max_length=100)
    reminder = TextField(
        required=False, max_length=64, help_text="The mark in a reminder's link, as the link has it."
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and not isinstance(data.get("page_url", ""), str):
            raise serializers.ValidationError(
                {"page_url": [serializers.ErrorDetail("Send a text.", "invalid")]}
            )
        return super().to_internal_value(data)

    def validate_page_url(self, value: str) -> str:
        if not value.isprintable():
            raise serializers.ValidationError("Send the page's address.", "invalid")
        try:
            parts = urlsplit(value)
        except ValueError as error:
            raise serializers.ValidationError("Send the page's address.", "invalid") from error
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
            raise serializers.ValidationError("Send the page's address, starting with https://.", "invalid")
        return f"{parts.scheme}://{parts.netloc}{parts.path}" if value else ""

    def validate_campaign_tags(self, value: Any) -> Any:
        if not isinstance(value, (dict, list)) or len(value) > _MOST_TAGS:
            raise serializers.ValidationError(f"Send at most {_MOST_TAGS} short texts.", "invalid")
        pairs = value.items() if isinstance(value, dict) else [("-", item) for item in value]
        text = TextField(max_length=100)
        for name, item in pairs:
            text.run_validation(item)
            if not re.fullmatch(r"[\w.-]{1,40}", name):
                raise serializers.ValidationError(
                    "Name a tag with letters, digits, dots and dashes.", "invalid"
                )
        return value


class ContributionInput(StrictSerializer):
    """`POST /api/v1/contributions/`: what a reader wants to give."""

    campaign = serializers.CharField(trim_whitespace=False, help_text="The campaign's slug.")
    interval = WordField(words=[interval.value for interval in Interval])
    amount = IntegerField(help_text="The gift in minor units (cents), as a JSON integer.")
    currency = serializers.CharField(trim_whitespace=False, help_text="Three capital letters, such as USD.")
    email = AddressField(
        required=False, allow_blank=True, help_text="For the receipt; else Stripe's page asks for it."
    )
    name = TextField(required=False, max_length=100)
    cover_fees = FlagField(required=False, help_text="Whether the reader adds what Stripe will keep.")
    locale = LocaleField(
        required=False, help_text="The reader's language, such as ru. Default: the campaign's."
    )
    return_url = serializers.CharField(
        required=False, help_text="Where to go afterwards, at an allowed origin. Default: our thank-you page."
    )
    source = SourceInput(required=False)  # type: ignore[assignment]  # DRF takes declared fields off the class
    newsletter_consent = FlagField(required=False, help_text="Whether the reader asked for the newsletter.")
    reminder_consent = FlagField(
        required=False, help_text="Whether one e-mail may follow if the payment page is left unpaid."
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            for name in ("campaign", "currency", "return_url"):
                if name in data and not isinstance(data[name], str):
                    raise serializers.ValidationError(
                        {name: [serializers.ErrorDetail("Send a text.", "invalid")]}
                    )
            # What is not there and what is null are the same wish, except where something is required.
            data = {key: value for key, value in data.items() if value is not None or key in _REQUIRED}
            if data.get("campaign") == "" or data.get("return_url") == "":
                name = "campaign" if data.get("campaign") == "" else "return_url"
                code = "unknown_campaign" if name == "campaign" else "return_url_not_allowed"
                raise serializers.ValidationError({name: [serializers.ErrorDetail("It is empty.", code)]})
        return super().to_internal_value(data)

    def validate_campaign(self, value: str) -> str:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", value, re.ASCII):
            raise serializers.ValidationError("There is no such campaign.", "unknown_campaign")
        return value

    def validate_currency(self, value: str) -> str:
        if not re.fullmatch(r"[A-Z]{3}", value, re.ASCII):
            raise serializers.ValidationError("Send three capital letters, such as USD.", "invalid")
        try:
            currencies.get(value)
        except currencies.UnknownCurrency as error:
            raise serializers.ValidationError(
                "This currency is not taken.", "currency_not_offered"
            ) from error
        return value

    def validate_return_url(self, value: str) -> str:
        if len(value) > 500 or not links.is_allowed_return(value):
            raise serializers.ValidationError(
                "Send an address at one of the newsroom's own origins (ALLOWED_ORIGINS).",
                "return_url_not_allowed",
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        amount, currency = attrs.pop("amount"), attrs.pop("currency")
        return {**attrs, "amount": Money(amount, currency), "interval": Interval(attrs["interval"])}

    def wish(self) -> Wish:
        """What was asked for, as one value; valid input only."""
        return Wish(**self.validated_data)


_REQUIRED = {"campaign", "interval", "amount", "currency"}


class _Core(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    interval = serializers.ChoiceField(choices=[interval.value for interval in Interval])
    amount = serializers.IntegerField(help_text="The gift, in minor units.")
    fee_cover = serializers.IntegerField(help_text="What is added to it, in minor units.")
    currency = serializers.CharField()


class ContributionOutput(_Core):
    """A contribution that was begun: where to send the reader."""

    checkout_url = serializers.URLField(
        allow_null=True, help_text="Stripe's page; null once it cannot be paid any more."
    )
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when the page can be paid.")


def begun(contribution: Contribution, status: Status) -> dict[str, Any]:
    """The answer to a contribution that was begun."""
    return {
        "id": str(contribution.public_id),
        "status": status.value,
        "interval": contribution.interval,
        "amount": contribution.amount_minor,
        "fee_cover": contribution.fee_cover_minor,
        "currency": contribution.currency,
        "checkout_url": contribution.checkout_url or None,
        "expires_at": _iso(contribution.checkout_expires_at),
    }


class ContributionStatusOutput(_Core):
    """How a contribution stands; nothing personal."""

    next_payment_at = serializers.DateTimeField(
        allow_null=True, help_text="UTC; null when nothing will be charged."
    )


def standing(view: ContributionView) -> dict[str, Any]:
    """The answer to how a contribution stands."""
    contribution = view.contribution
    changed = view.amount != contribution.total  # a recurring gift whose amount was changed later
    return {
        "id": str(contribution.public_id),
        "status": view.status.value,
        "interval": contribution.interval,
        "amount": view.amount.minor if changed else contribution.amount_minor,
        "fee_cover": 0 if changed else contribution.fee_cover_minor,
        "currency": contribution.currency,
        "next_payment_at": _iso(view.next_payment_at),
    }


class CampaignListOutput(serializers.Serializer[Any]):
    """A running campaign, in short."""

    slug = serializers.SlugField()
    title = serializers.CharField()
    locale = serializers.CharField()


class AskOutput(serializers.Serializer[Any]):
    """What is suggested in one currency for one interval; minor units."""

    currency = serializers.CharField()
    interval = serializers.ChoiceField(choices=[interval.value for interval in Interval])
    amounts = serializers.ListField(child=serializers.IntegerField())
    default = serializers.IntegerField()
    minimum = serializers.IntegerField()
    maximum = serializers.IntegerField()


class CurrencyOutput(serializers.Serializer[Any]):
    """How amounts of a currency are written."""

    code = serializers.CharField()
    exponent = serializers.IntegerField(help_text="How many decimals the minor unit stands for.")
    step = serializers.IntegerField(help_text="Amounts are multiples of this many minor units.")
    starting_from = serializers.CharField(help_text="The least monthly amount, as people write it.")


class ProgressOutput(serializers.Serializer[Any]):
    """How far a goal is reached, net of refunds; minor units."""

    currency = serializers.CharField()
    goal = serializers.IntegerField()
    raised = serializers.IntegerField()


class CampaignOutput(serializers.Serializer[Any]):
    """All that a widget needs to draw itself."""

    slug = serializers.SlugField()
    title = serializers.CharField()
    message = serializers.ListField(child=serializers.CharField(), help_text="Paragraphs of plain text.")
    thank_you = serializers.ListField(child=serializers.CharField())
    locale = serializers.CharField()
    is_running = serializers.BooleanField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    default_interval = serializers.ChoiceField(choices=[interval.value for interval in Interval])
    default_currency = serializers.CharField()
    payment_methods = serializers.ListField(child=serializers.CharField())
    currencies = CurrencyOutput(many=True)
    asks = AskOutput(many=True)
    progress = ProgressOutput(allow_null=True)


def drawing(campaign: Campaign, *, now: datetime) -> dict[str, Any]:
    """All that a widget needs to draw itself, as it goes out."""
    asks = list(campaign.asks.all())
    raised = queries.get_progress(campaign)
    return {
        "slug": campaign.slug,
        "title": campaign.title,
        "message": formatting.to_plain(campaign.message),
        "thank_you": formatting.to_plain(campaign.thank_you),
        "locale": campaign.locale,
        "is_running": campaign.is_running(now),
        "starts_at": _iso(campaign.starts_at),
        "ends_at": _iso(campaign.ends_at),
        "default_interval": campaign.default_interval,
        "default_currency": campaign.default_currency,
        "payment_methods": campaign.payment_methods,
        "currencies": [
            {
                "code": code,
                "exponent": currencies.get(code).exponent,
                "step": currencies.get(code).step_minor,
                "starting_from": _starting_from(campaign, code),
            }
            for code in dict.fromkeys(ask.currency for ask in asks)
        ],
        "asks": [
            {
                "currency": ask.currency,
                "interval": ask.interval,
                "amounts": ask.suggested,
                "default": ask.default_minor,
                "minimum": ask.minimum_minor,
                "maximum": ask.maximum.minor,
            }
            for ask in asks
        ],
        "progress": (
            {"currency": raised.currency, "goal": campaign.goal_minor, "raised": raised.minor}
            if raised
            else None
        ),
    }


def _starting_from(campaign: Campaign, currency: str) -> str:
    """The least monthly amount (else the least of all) in words, so that a page never types it (PRODUCT.md, G3)."""
    asks = [ask for ask in campaign.asks.all() if ask.currency == currency]
    monthly = [ask for ask in asks if ask.interval == Interval.MONTH]
    return min(ask.minimum for ask in (monthly or asks)).format(campaign.locale)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
