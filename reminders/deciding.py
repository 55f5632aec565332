"""
What becomes of each mail of a batch, decided from what is known now; nothing here writes.

In this order: too late, payments do not work yet, night where the reader lives, a reason not to write
(`suppression`), held out by lot. What is left goes out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from reminders import calendar, suppression
from reminders.candidates import Candidate, Kind

OUTAGE_LOOKS = timedelta(minutes=5)


@dataclass(slots=True)
class Verdicts:
    """
    What was decided about a batch.

    :param wait: by the moment at which they are looked at again.
    :param suppress: by reason (`ReminderSend.Reason`).
    """

    hand_over: list[Candidate] = field(default_factory=list)
    hold_out: list[Candidate] = field(default_factory=list)
    expire: list[Candidate] = field(default_factory=list)
    wait: dict[datetime, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    suppress: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))


def decide(
    batch: Sequence[Candidate], *, running: Collection[int | None], payments_work: bool, now: datetime
) -> Verdicts:
    """
    Decide about a batch.

    :param running: the campaigns to which something can be given now (`campaigns.running`).
    :param payments_work: whether mails that wait for payments may go; else they are looked at again later.
    """
    verdicts = Verdicts()
    awake: list[Candidate] = []
    mornings: dict[ZoneInfo, datetime | None] = {}
    for candidate in batch:
        zone = candidate.zone
        if zone not in mornings:
            mornings[zone] = calendar.next_morning(now, zone) if calendar.is_night(now, zone) else None
        if now > candidate.latest:
            verdicts.expire.append(candidate)
        elif candidate.kind == Kind.OUTAGE and not payments_work:
            verdicts.wait[now + OUTAGE_LOOKS].append(candidate)
        elif morning := mornings[zone]:
            verdicts.wait[morning].append(candidate)
        else:
            awake.append(candidate)
    reasons = suppression.reasons(awake, running=running, now=now)
    for candidate in awake:
        if reason := reasons.get(candidate.pk):
            verdicts.suppress[reason].append(candidate)
        elif candidate.held_out:
            verdicts.hold_out.append(candidate)
        else:
            verdicts.hand_over.append(candidate)
    return verdicts
