"""What readers ask about their own data: to have it, or to have it gone."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from members.fields import EncryptedBytesField
from members.models.person import Member


class DataRequest(models.Model):
    """
    A reader's wish to get all that is kept about them, or to have it erased, and how far that is.

    ASKED → WORKING → DONE, or REFUSED with the code of the reason in `problem`. `steps` names what is done of it, and
    `cursor` how far the next step is, so that any worker carries on where another one died (`members.erasing`).

    Personal data: none (it points to a member, who after an erasure is nobody).
    """

    class Kind(models.TextChoices):
        DOWNLOAD = "DOWNLOAD", "Everything about me"
        ERASE = "ERASE", "Erase me"

    class State(models.TextChoices):
        ASKED = "ASKED", "Asked for"
        WORKING = "WORKING", "Under way"
        DONE = "DONE", "Done"
        REFUSED = "REFUSED", "Refused"

    OPEN = ("ASKED", "WORKING")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=Kind)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="data_requests")
    state = models.CharField(max_length=8, choices=State, default=State.ASKED)
    stop_giving = models.BooleanField(
        default=False, help_text="Whether contributions that go on are ended at once, for an erasure."
    )
    asked_at = models.DateTimeField()
    asked_by = models.CharField(
        max_length=60, help_text="The reader, or an account of staff such as staff:7."
    )
    steps: models.JSONField[list[str], list[str]] = models.JSONField(default=list, blank=True)
    cursor = models.CharField(max_length=40, blank=True, default="")
    leased_until = models.DateTimeField(null=True, blank=True)
    next_look_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="How often it failed on our side.")
    problem = models.CharField(
        max_length=60, blank=True, default="", help_text="What it waits for, or why not."
    )
    done_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Until when the download can be opened."
    )

    class Meta:
        ordering = ["-asked_at", "-pk"]
        permissions = [
            ("start_datarequest", "Can start downloads and erasures for readers who ask by letter")
        ]
        constraints = [
            CheckConstraint(condition=Q(kind__in=["DOWNLOAD", "ERASE"]), name="data_request_kind_known"),
            CheckConstraint(
                condition=Q(state__in=["ASKED", "WORKING"], done_at=None)
                | Q(state__in=["DONE", "REFUSED"], done_at__isnull=False, leased_until=None),
                name="data_request_done_at_iff_over",
            ),
            CheckConstraint(
                condition=~Q(state="REFUSED") | ~Q(problem=""), name="data_request_refused_says_why"
            ),
            UniqueConstraint(
                fields=["member", "kind"],
                condition=Q(state__in=["ASKED", "WORKING"]),
                name="data_request_open_once",
            ),
        ]
        indexes = [
            Index(fields=["asked_at"], name="data_request_open", condition=Q(state__in=["ASKED", "WORKING"])),
            Index(fields=["asked_at", "id"], name="data_request_by_moment"),
            Index(fields=["kind", "asked_at", "id"], name="data_request_by_kind"),
            Index(fields=["state", "asked_at", "id"], name="data_request_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {str(self.public_id)[:8]}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class DataArchive(models.Model):
    """
    The file that answers a download; the row is deleted when its time is over.

    Personal data: content (encrypted): everything that is kept about one person, as a zip file.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    request = models.OneToOneField(DataRequest, on_delete=models.PROTECT, related_name="archive")
    content = EncryptedBytesField(bound_to="public_id")
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Archive {self.pk}"


class ErasedAddress(models.Model):
    """
    An address whose reader was erased: what happened before that moment makes nobody a member again.

    It stands beside the two lists of addresses to be left alone, and points to no row: whose gifts they were cannot be
    told from it. While lookup keys are changed, an address has a row under each of them.

    Personal data: email_hash (keyed hash), kept so that late news and old files do not bring the reader back.
    """

    email_hash = models.CharField(max_length=100, unique=True)
    erased_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "erased addresses"

    def __str__(self) -> str:
        return f"Erased address {self.pk}"
