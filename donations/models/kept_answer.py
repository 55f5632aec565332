"""Answers to the questions that are asked of the reports, in a house where each takes a while."""

from __future__ import annotations

from typing import Any

from django.db import models


class KeptAnswer(models.Model):
    """
    A report as it was reckoned at a moment, to be told again without reckoning. Personal data: none.

    It is no source of anything: whoever deletes it loses the time that it took.
    """

    digest = models.CharField(max_length=64, unique=True, help_text="Of what was asked.")
    what = models.CharField(max_length=40, help_text="Which report, or the dashboard.")
    asked: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField()
    answer: models.JSONField[Any, Any] = models.JSONField(null=True, help_text="Null until it is reckoned.")
    made_at = models.DateTimeField(null=True, help_text="It is as of then.")
    asked_at = models.DateTimeField(help_text="When somebody last asked, to a few minutes.")
    leased_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.what} as of {self.made_at}"
