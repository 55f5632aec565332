"""Between JSON and our types; strict on the way in (members.validation), plain on the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from donations import currencies
from donations.intervals import Interval
from donations.money import Money
from donations.serializers import SourceInput
from members import emails
from members.validation import AddressField, IntegerField, LocaleField, StrictSerializer, TextField, WordField
from reminders import calendar, letters, zones
from reminders.models import Reminder
from reminders.services import Wish

NEXT_MONTH, IN_3_MONTHS, WHEN_PAYMENTS_WORK = "next_month", "in_3_months", "when_payments_work"
_EVERY = re.compile(r"every_([0-9]{1,2})_months?", re.ASCII)

Planner = Callable[[date], calendar.Plan]


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "description": "next_month, in_3_months, when_payments_work, or 2027-01-15"},
            {
                "type": "object",
                "properties": {"every_months": {"type": "integer", "minimum": 1, "maximum": 24}},
                "required": ["every_months"],
            },
        ]
    }
)
class RemindField(serializers.Field[Any, Any, Any, Any]):
    """When to remind, in the reader's words; becomes a text or a whole number of months."""

    def to_internal_value(self, data: Any) -> str | int:
        if isinstance(data, dict) and set(data) == {"every_months"}:
            return _checked_frequency(data["every_months"])
        if isinstance(data, str) and len(data) <= 20:
            if repeats := _EVERY.fullmatch(data):
                return _checked_frequency(int(repeats[1]))
            return data
        raise serializers.ValidationError(
            'Send "next_month", "in_3_months", a day such as "2027-01-15", or {"every_months": 3}.', "invalid"
        )

    def to_representation(self, value: Any) -> Any:
        return value


def _checked_frequency(count: Any) -> int:
    try:
        calendar.check_frequency(count)
    except calendar.NoSuchDay as error:
        raise serializers.ValidationError(str(error), error.code) from error
    return int(count)


def planner(remind: str | int) -> Planner:
    """How to come from a reader's today to the day of the mail."""
    if isinstance(remind, int):
        return lambda today: calendar.every_months(today, remind)
    if remind == NEXT_MONTH:
        return calendar.next_month
    if remind == IN_3_MONTHS:
        return lambda today: calendar.in_months(today, 3)
    if remind == WHEN_PAYMENTS_WORK:
        return lambda today: calendar.Plan(today, today.day)
    return lambda today: calendar.on_day(remind, today=today)


class WhenInput(StrictSerializer):
    """The part that a mail and a calendar entry have in common: when, and what for."""

    remind = RemindField()
    campaign = TextField(required=False, max_length=64, help_text="The campaign's slug. Default: the newest.")
    interval = WordField(required=False, words=[interval.value for interval in Interval])
    amount = IntegerField(required=False, min_value=1, max_value=10**12, help_text="In minor units.")
    currency = serializers.CharField(required=False, trim_whitespace=False, help_text="Such as USD.")
    locale = LocaleField(required=False)
    time_zone = TextField(required=False, max_length=64, help_text="Such as Europe/Riga.")
    country = TextField(required=False, max_length=2, help_text="Two capital letters.")

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            if not isinstance(data.get("currency", ""), str | None):
                raise serializers.ValidationError(
                    {"currency": [serializers.ErrorDetail("Send a text.", "invalid")]}
                )
            # What is not there and what is null are the same wish, except where something is required.
            data = {name: value for name, value in data.items() if value is not None or name in _REQUIRED}
        return super().to_internal_value(data)

    def validate_campaign(self, value: str) -> str:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{0,64}", value, re.ASCII):
            raise serializers.ValidationError("There is no such campaign.", "unknown_campaign")
        return value

    def validate_currency(self, value: str) -> str:
        try:
            currencies.get(value)
        except currencies.UnknownCurrency as error:
            raise serializers.ValidationError(
                "This currency is not taken.", "currency_not_offered"
            ) from error
        return value

    def validate_time_zone(self, value: str) -> str:
        if value and not zones.is_zone(value):
            raise serializers.ValidationError("There is no such time zone.", "invalid")
        return value

    def validate_country(self, value: str) -> str:
        if not re.fullmatch(r"(?:[A-Z]{2})?", value, re.ASCII):
            raise serializers.ValidationError("Send two capital letters, such as GB.", "invalid")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "amount" in attrs:
            missing = [name for name in ("currency", "interval") if name not in attrs]
            if missing:
                word = serializers.ErrorDetail("An amount needs a currency and an interval.", "required")
                raise serializers.ValidationError({name: [word] for name in missing})
        return attrs

    def plan(self, *, now: datetime) -> calendar.Plan:
        """
        The day of the reminder, counted from the reader's today; valid input only.

        :raises ValidationError: it lies in the past, or too far away.
        """
        given = self.validated_data
        zone = zones.of_reader(time_zone=given.get("time_zone", ""), country=given.get("country", ""))
        try:
            return planner(given["remind"])(now.astimezone(zone).date())
        except calendar.NoSuchDay as error:
            raise serializers.ValidationError(
                {"remind": [serializers.ErrorDetail(str(error), error.code)]}
            ) from error

    @property
    def kind(self) -> Reminder.Kind:
        """What kind of reminder it is; valid input only."""
        remind = self.validated_data["remind"]
        if remind == WHEN_PAYMENTS_WORK:
            return Reminder.Kind.OUTAGE
        return Reminder.Kind.RECURRING if isinstance(remind, int) else Reminder.Kind.ONE_OFF

    def amount_wished(self) -> Money | None:
        given = self.validated_data
        return Money(given["amount"], given["currency"]) if "amount" in given else None


_REQUIRED = {"remind", "email", "consent_version"}


class ReminderInput(WhenInput):
    """`POST /api/v1/reminders/`: whom to remind, when, and of what."""

    email = AddressField(help_text="Where the mail goes.")
    source = SourceInput(required=False)  # type: ignore[assignment]  # DRF takes declared fields off the class
    consent_version = TextField(
        allow_blank=False, max_length=60, help_text="Which version of the consent text the reader saw."
    )

    def validate_email(self, value: str) -> str:
        if not value:
            raise serializers.ValidationError("Send an e-mail address.", "required")
        return value

    def validate_consent_version(self, value: str) -> str:
        if not value:
            raise serializers.ValidationError("Send the version of the consent text.", "required")
        return value

    def wish(self, *, now: datetime) -> Wish:
        """What was asked for, as one value; valid input only. Raises ValidationError as `plan`."""
        given = self.validated_data
        kind = self.kind
        return Wish(
            email=given["email"],
            kind=kind,
            plan=self.plan(now=now),
            consent_version=given["consent_version"],
            campaign=given.get("campaign", ""),
            interval=Interval(given["interval"]) if "interval" in given else None,
            amount=self.amount_wished(),
            locale=given.get("locale", ""),
            time_zone=given.get("time_zone", ""),
            country=given.get("country", ""),
            source=given.get("source", {}),
            due_at=now if kind == Reminder.Kind.OUTAGE else None,
        )


def promise(wish: Wish) -> str:
    """What we promise, in the reader's language; the same whether or not we know the address."""
    language = emails.supported_language(wish.locale or settings.LANGUAGE_CODE)
    if wish.kind == Reminder.Kind.OUTAGE:
        return letters.outage_promise(language)
    is_single = wish.kind == Reminder.Kind.ONE_OFF
    return letters.promise(
        wish.plan,
        mails=settings.REMINDER_MAILS if is_single else 1,
        language=language,
        may_confirm=settings.REMINDER_CONFIRM_ONE_OFF if is_single else settings.REMINDER_CONFIRM_RECURRING,
    )


class PromiseOutput(serializers.Serializer[Any]):
    """The answer to each valid request, whether or not we know the address."""

    status = serializers.CharField(help_text="accepted")
    promise = serializers.CharField(help_text="What the reader will get, in words.")
    did_you_mean = serializers.CharField(
        required=False,
        help_text="The mail domain that was probably meant, such as gmail.com for gmial.com; it is taken as typed.",
    )


# --- The Guardian's names, so that a client written for its service works here

_PLATFORMS = ["WEB", "AMP", "MMA", "SUPPORT", "EMAIL"]
_COMPONENTS = ["EPIC", "BANNER", "THANKYOU", "CANCELLATION", "EMAIL", "EDITORIAL_ADS", "REMINDER", "MOMENT",
               "SINGLE_MONTHLY", "IN_LIFE_JOURNEY"]  # fmt: skip
_STAGES = ["PRE", "POST", "WINBACK"]


class _GuardianInput(StrictSerializer):
    email = AddressField(max_length=100)
    country = TextField(required=False, max_length=2)
    reminderCreatedAt = serializers.DateTimeField(required=False)
    reminderPlatform = WordField(words=_PLATFORMS)
    reminderComponent = WordField(words=_COMPONENTS)
    reminderStage = WordField(words=_STAGES)
    reminderOption = TextField(required=False, max_length=100)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            wrong = [
                name
                for name in ("reminderCreatedAt", "reminderPeriod")
                if name in data and not isinstance(data[name], str)
            ]
            if wrong:
                raise serializers.ValidationError(
                    {name: [serializers.ErrorDetail("Send a text.", "invalid")] for name in wrong}
                )
        return super().to_internal_value(data)

    def validate_email(self, value: str) -> str:
        if not value or len(value) > 100:
            raise serializers.ValidationError("Send an e-mail address of at most 100 characters.", "invalid")
        return value

    def validate_country(self, value: str) -> str:
        if not re.fullmatch(r"(?:[A-Z]{2})?", value, re.ASCII):
            raise serializers.ValidationError("Send two capital letters, such as GB.", "invalid")
        return value

    def _wish(self, name: str, make: Planner, kind: Reminder.Kind, now: datetime) -> Wish:
        given = self.validated_data
        country = given.get("country", "")
        today = now.astimezone(zones.of_reader(time_zone="", country=country)).date()
        try:
            plan = make(today)
        except calendar.NoSuchDay as error:
            raise serializers.ValidationError(
                {name: [serializers.ErrorDetail(str(error), error.code)]}
            ) from error
        return Wish(
            email=given["email"],
            kind=kind,
            plan=plan,
            consent_version=settings.REMINDER_CONSENT_VERSION,
            country=country,
            source={
                "platform": given["reminderPlatform"],
                "component": given["reminderComponent"],
                "stage": given["reminderStage"],
                **({"option": given["reminderOption"]} if given.get("reminderOption") else {}),
            },
        )


class GuardianOneOffInput(_GuardianInput):
    """`POST /create/one-off`: a reminder in the month of `reminderPeriod`."""

    reminderPeriod = serializers.CharField(max_length=10, help_text="A day; it stands for its month.")

    def wish(self, *, now: datetime) -> Wish:
        """What was asked for. Raises ValidationError for a month that is over or too far away."""
        period = self.validated_data["reminderPeriod"]
        return self._wish(
            "reminderPeriod",
            lambda today: calendar.in_month_of(period, today=today),
            Reminder.Kind.ONE_OFF,
            now,
        )


class GuardianRecurringInput(_GuardianInput):
    """`POST /create/recurring`: a reminder on the first of every so many months."""

    reminderFrequencyMonths = IntegerField(help_text="Whole months, 1 to 24.")

    def validate_reminderFrequencyMonths(self, value: int) -> int:
        return _checked_frequency(value)

    def wish(self, *, now: datetime) -> Wish:
        """What was asked for; the first mail comes after that many months, on the first day of the month."""
        every = self.validated_data["reminderFrequencyMonths"]

        def plan(today: date) -> calendar.Plan:
            return calendar.Plan(calendar.add_months(today, every), anchor_day=1, every_months=every)

        return self._wish("reminderFrequencyMonths", plan, Reminder.Kind.RECURRING, now)


class GuardianCodeInput(StrictSerializer):
    """`POST /cancel` and `/reactivate`: the code from a mail's link."""

    reminderCode = TextField(allow_blank=False, max_length=100)
