"""What may be asked of a report: strictly, so that a mistyped name is not silently another question."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from rest_framework import serializers

from donations import currencies
from donations.models import Campaign
from donations.reports import periods
from donations.reports.catalogue import Question, Window
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters

MOST_PARTS = 800  # of a period: two years by the day
MOST_YEARS = 15


class QuestionInput(serializers.Serializer[Any]):
    """The parameters of every report."""

    to = serializers.DateField(required=False, help_text="The last day. Default: today.")
    granularity = serializers.ChoiceField([each.value for each in Granularity], default="month")
    currency = serializers.CharField(required=False, help_text="Three capital letters. Default: each apart.")
    campaign = serializers.CharField(required=False, help_text="A campaign's slug. Default: all.")
    known_at = serializers.DateTimeField(
        required=False, default_timezone=UTC, help_text="As it was known at that moment. Default: now."
    )
    into = serializers.CharField(
        required=False,
        help_text="A currency into which the sums are converted as well, by the rates of the days.",
    )
    explain = serializers.BooleanField(default=False, help_text="The rows behind a figure.")
    figure = serializers.CharField(required=False, help_text="Which figure to explain.")
    page = serializers.IntegerField(default=1, min_value=1, max_value=1_000_000)
    page_size = serializers.IntegerField(default=100, min_value=1, max_value=500)

    def get_fields(self) -> dict[str, Any]:
        # `from` cannot be written as a name in Python.
        first = serializers.DateField(
            required=False, help_text="The first day. Default: the first of the month eleven months back."
        )
        return {"from": first, **super().get_fields()}

    def validate_currency(self, value: str) -> str:
        if value not in currencies.CURRENCIES:
            raise serializers.ValidationError("There is no such currency here.", "unknown_currency")
        return value

    def validate_into(self, value: str) -> str:
        return self.validate_currency(value)

    def validate_campaign(self, value: str) -> str:
        if not Campaign.objects.filter(slug=value).exists():
            raise serializers.ValidationError("There is no such campaign.", "unknown_campaign")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(
                {
                    name: serializers.ErrorDetail("There is no such parameter.", "unknown_field")
                    for name in unknown
                }
            )
        if attrs["explain"] and "figure" not in attrs:
            raise _fault("figure", "Say which figure to explain.", "required")
        return attrs

    def question(self, *, now: datetime) -> Question:
        """What is asked. Raises ValidationError for days that cannot be told."""
        asked = self.validated_data
        known_at: datetime | None = asked.get("known_at")
        if known_at is not None and known_at > now:
            raise _fault("known_at", "Nobody knows yet what will be known then.", "in_the_future")
        today = periods.day_of(known_at or now)
        last: date = asked.get("to", today)
        first: date = asked.get("from", periods.add_months(last, -11))
        if last > today:
            raise _fault("to", "That day has not come yet.", "in_the_future")
        if first > last:
            raise _fault("from", "The first day lies after the last.", "period_reversed")
        period, granularity = Period(first, last), Granularity(asked["granularity"])
        if last.year - first.year > MOST_YEARS or sum(1 for _ in period.parts(granularity)) > MOST_PARTS:
            raise _fault("from", "Ask for fewer days, or for longer parts.", "period_too_long")
        filters = Filters(asked.get("currency"), asked.get("campaign"))
        return Question(period, granularity, filters, now, known_at, asked.get("into"))

    def window(self) -> Window:
        size: int = self.validated_data["page_size"]
        return Window((self.validated_data["page"] - 1) * size, size)


def _fault(field: str, message: str, code: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: serializers.ErrorDetail(message, code)})
