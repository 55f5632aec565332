"""
Members and gifts from a file: looked at first, then taken, each row once.

A row is known again by its reference, or else by all that it says; two rows that say the same are two gifts, told
apart by which of them it is. No mail is sent. A gift pays for what its interval says: one that is `month` or `year`
makes a member for that long, since the file, unlike Stripe, will not tell of the next one by itself.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction

from donations import csv_rows, offline
from donations.csv_rows import Fault, Row
from donations.intervals import Interval
from donations.models import Campaign, Contribution, FileImport, ImportedRow, OfflineGift
from donations.money import Money
from members import addresses, crypto
from members import services as members
from members.models import ErasedAddress, Member
from members.rows import among

KEPT_FOR = timedelta(days=1)  # a file that was looked at and not imported
_MONTHS = {Interval.ONCE: None, Interval.MONTH: 1, Interval.YEAR: 12}
_log = structlog.get_logger(__name__)


class HasFaults(Exception):
    """Some rows cannot be taken, and it was asked for all or nothing. Nothing was stored."""


class AlreadyImported(Exception):
    """This upload was imported before, or its contents are forgotten."""


@dataclass(slots=True)
class Preview:
    """
    What a file holds: how many rows, which are new, how many were imported before, and what is wrong with the others.

    :param names: by the number of a row, what it is known by.
    """

    count: int
    new: list[Row]
    names: dict[int, str]
    known: int
    faults: list[Fault]
    totals: dict[str, Money] = field(default_factory=dict)
    members: int = 0

    @property
    def faulty_rows(self) -> int:
        return len({fault.row for fault in self.faults})


def upload(
    data: bytes, *, campaign: Campaign, encoding: str = "auto", actor: str, now: datetime
) -> tuple[FileImport, Preview]:
    """Keep a file, sealed, for a day, and look at it. Raises csv_rows.BadFile; then nothing is kept."""
    text = csv_rows.decode(data, encoding=encoding)
    found = _look(text, campaign, now=now)
    kept = FileImport.objects.create(
        campaign=campaign,
        content=text,
        digest=hashlib.sha256(data).hexdigest(),
        uploaded_by=actor,
        uploaded_at=now,
        rows=found.count,
    )
    return kept, found


def preview(file: FileImport, *, now: datetime) -> Preview:
    """What importing a file would do now. Raises AlreadyImported."""
    if file.imported_at is not None or not file.content:
        raise AlreadyImported("This file was imported before, or is forgotten.")
    return _look(file.content, file.campaign, now=now)


def look(data: bytes, *, campaign: Campaign, encoding: str = "auto", now: datetime) -> Preview:
    """What importing a file would do; nothing is kept. Raises csv_rows.BadFile."""
    return _look(csv_rows.decode(data, encoding=encoding), campaign, now=now)


def take(file: FileImport, *, skip_bad_rows: bool = False, actor: str, now: datetime) -> FileImport:
    """
    Import a file that was uploaded: all of it, or nothing.

    :param skip_bad_rows: leave out the rows that cannot be read, instead of refusing the whole.
    :raises HasFaults: some rows cannot be taken.
    :raises AlreadyImported: another caller was quicker.
    """
    with transaction.atomic():
        claimed = FileImport.objects.filter(pk=file.pk, imported_at=None).exclude(content=b"")
        text = file.content
        if not claimed.update(imported_at=now, content=b""):
            raise AlreadyImported("This file was imported before, or is forgotten.")
        found = _look(text, file.campaign, now=now)
        if found.faults and not skip_bad_rows:
            raise HasFaults(f"{found.faulty_rows} rows cannot be taken. Nothing was imported.")
        campaigns = {campaign.slug: campaign for campaign in Campaign.objects.all()}
        for row in found.new:
            key = crypto.lookup_hash(found.names[row.number])
            _take(file, row, key, campaigns[row.campaign], actor=actor, now=now)
        FileImport.objects.filter(pk=file.pk).update(
            taken=len(found.new), known=found.known, left_out=found.faulty_rows
        )
    file.refresh_from_db()
    _log.info("file imported", file=str(file.public_id), rows=file.taken, actor=actor)
    return file


def _take(file: FileImport, row: Row, key: str, campaign: Campaign, *, actor: str, now: datetime) -> None:
    gift: OfflineGift | None = None
    if row.amount is None:
        member = members.get_or_join(
            email=row.email, name=row.name, locale=campaign.locale[:12], now=_joined_at(row, now)
        )
    else:
        assert row.day is not None, "a gift without a day is a fault"
        gift = offline.record_offline_gift(
            offline.Entry(
                campaign=campaign,
                amount=row.amount,
                received_on=row.day,
                method=OfflineGift.Method.FILE,
                email=row.email,
                name=row.name,
                reference=row.reference,
                months=_MONTHS[row.interval],
            ),
            key=uuid.uuid4(),
            with_receipt=False,
            actor=actor,
            now=now,
            origin=Contribution.Origin.FILE,
        )
        found: Member | None = gift.payment.contribution.member
        assert found is not None, "every row has an address"
        member = found
    ImportedRow.objects.create(
        file=file,
        number=row.number,
        key=key,
        content_hash=crypto.lookup_hash(row.content),
        member=member,
        gift=gift,
    )


def _joined_at(row: Row, now: datetime) -> datetime:
    return offline.moment_of(row.day, now=now) if row.day else now


def forget_uploads(*, now: datetime) -> int:
    """Forget what was uploaded a day ago and not imported; how many files."""
    old = FileImport.objects.filter(imported_at=None, uploaded_at__lte=now - KEPT_FOR).exclude(content=b"")
    return int(old.update(content=b""))


# --- Which rows are new -------------------------------------------------------------------------


def _look(text: str, campaign: Campaign, *, now: datetime) -> Preview:
    slugs = dict.fromkeys(Campaign.objects.values_list("slug", flat=True))
    today = now.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE)).date()
    table = csv_rows.read(text, campaigns=slugs, default_campaign=campaign.slug, today=today)
    names = _names(table.rows)
    hashes = {row.number: crypto.lookup_hashes(names[row.number]) for row in table.rows}
    asked = [one for found in hashes.values() for one in found]
    before = dict(ImportedRow.objects.filter(among("key", asked)).values_list("key", "content_hash"))
    new, changed = [], []
    for row in table.rows:
        content = next((before[one] for one in hashes[row.number] if one in before), None)
        if content is None:
            new.append(row)
        elif content and content not in crypto.lookup_hashes(row.content):
            changed.append(Fault(row.number, "reference", "changed_since"))
    known = len(table.rows) - len(new) - len(changed)
    erased = _of_erased(new, now=now)
    new = [row for row in new if row.number not in erased]
    changed += [Fault(number, "email", "was_erased") for number in sorted(erased)]
    found = Preview(
        count=table.count,
        new=new,
        names=names,
        known=known,
        faults=sorted([*table.faults, *changed], key=lambda fault: fault.row),
        members=len({row.email.lower() for row in new}),
    )
    for row in new:
        if row.amount is not None:
            zero = Money.zero(row.amount.currency)
            found.totals[row.amount.currency] = found.totals.get(row.amount.currency, zero) + row.amount
    return found


def _of_erased(rows: Sequence[Row], *, now: datetime) -> set[int]:
    """
    The numbers of the rows about readers who were erased after what the row tells, or at any time if it tells no day.

    Not of those who have come again since, as new members.
    """
    by_hash: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for one in crypto.lookup_hashes(addresses.identity(addresses.normalise(row.email))):
            by_hash[one].append(row)
    gone = dict(
        ErasedAddress.objects.filter(among("email_hash", by_hash)).values_list("email_hash", "erased_at")
    )
    back = set(Member.objects.filter(among("email_hash", gone)).values_list("email_hash", flat=True))
    return {
        row.number
        for one, erased_at in gone.items()
        if one not in back
        for row in by_hash[one]
        if row.day is None or offline.moment_of(row.day, now=now) <= erased_at
    }


def _names(rows: Sequence[Row]) -> dict[int, str]:
    """What each row is known by, by its number."""
    same: Counter[str] = Counter()
    names = {}
    for row in rows:
        if row.reference:
            names[row.number] = f"file row by reference:{row.reference}"
        else:
            same[row.content] += 1
            names[row.number] = f"file row {same[row.content]} by content:{row.content}"
    return names
