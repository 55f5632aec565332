"""What was changed about an appeal, when and by whom."""

from __future__ import annotations

from django.db import models

from donations.models.campaign import Campaign


class CampaignChange(models.Model):
    """One thing that a member of staff changed about a campaign. Never changed itself. Personal data: none."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    actor = models.CharField(max_length=60)
    what = models.CharField(max_length=60, help_text="A field, or an ask such as “USD month”.")
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.what} of campaign {self.campaign_id}"
