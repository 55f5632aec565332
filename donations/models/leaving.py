"""That a reader set out to stop a contribution, and what was offered instead."""

from __future__ import annotations

from django.db import models

from donations.models.contribution import Contribution


class Leaving(models.Model):
    """
    One time that a reader pressed “Stop my contribution” on its page, and was shown what else there is. Never changed.
    Personal data: none.

    What it ended in is not kept here: the changes that followed say so (`ContributionChange`), and the saves of the
    report on churn are read from both. Nothing says how often the page was looked at, or by whom.
    """

    contribution = models.ForeignKey(Contribution, on_delete=models.PROTECT, related_name="leavings")
    started_at = models.DateTimeField(db_index=True)
    offered_lower = models.BooleanField(help_text="Whether a smaller amount was offered.")
    offered_pause = models.BooleanField(help_text="Whether a pause was offered.")
    offered_annual = models.BooleanField(help_text="Whether giving once a year was offered.")

    class Meta:
        ordering = ["-started_at", "-pk"]

    def __str__(self) -> str:
        return f"Leaving contribution {self.contribution_id} at {self.started_at:%Y-%m-%d %H:%M:%S}"
