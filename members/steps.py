"""The steps of a membership, as they are written down: added, and taken back by others; never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from django.db.models import Max

from members.life import Life, Stand
from members.models import STANDING, Membership, MembershipStep, Standing
from members.rows import insert_new

Kind = MembershipStep.Kind


def record(membership: Membership, lived: Life, recorded: Sequence[MembershipStep], *, now: datetime) -> None:
    """Add the steps that are true and not recorded; take back those that are recorded and not true."""
    known = {
        (step.kind, step.reference, step.at, step.place, stand_of(step)): step for step in effective(recorded)
    }
    wanted = {
        (entry.kind, entry.reference, entry.at, entry.place, entry.stand): entry for entry in lived.entries
    }
    wrong = [step for key, step in known.items() if key not in wanted]
    missing = [entry for key, entry in wanted.items() if key not in known]
    editions = Counter((step.kind, step.reference) for step in recorded)
    insert_new(
        [
            MembershipStep(
                membership=membership,
                kind=Kind.TAKEN_BACK,
                reference=f"{step.kind}:{step.reference}"[:255],
                edition=step.edition,
                at=now,
                recorded_at=now,
                why="Later news shows that it was otherwise.",
                actor="system",
                takes_back=step,
                **asdict(stand_of(step)),
            )
            for step in wrong
        ]
        + [
            MembershipStep(
                membership=membership,
                kind=entry.kind,
                reference=entry.reference,
                edition=_next(editions, entry.kind, entry.reference),
                at=entry.at,
                place=entry.place,
                recorded_at=now,
                why=entry.why,
                actor=entry.actor,
                **asdict(entry.stand),
            )
            for entry in missing
        ]
    )


def _next(editions: Counter[tuple[str, str]], kind: str, reference: str) -> int:
    editions[kind, reference] += 1
    return editions[kind, reference]


def next_step(
    membership: Membership,
    kind: str,
    reference: str,
    *,
    at: datetime,
    why: str,
    now: datetime,
    actor: str = "system",
) -> MembershipStep:
    """The next step at that moment, after which the membership stands as the row does."""
    step = make_step(membership, kind, reference, at=at, why=why, now=now, actor=actor)
    same_moment = membership.steps.effective().filter(at=at).aggregate(last=Max("place"))["last"]
    step.place = 0 if same_moment is None else same_moment + 1
    step.edition = 1 + membership.steps.filter(kind=kind, reference=reference).count()
    return step


def make_step(
    membership: Membership,
    kind: str,
    reference: str,
    *,
    at: datetime,
    why: str,
    now: datetime,
    actor: str = "system",
) -> MembershipStep:
    """A step after which the membership stands as the row does; the first at that moment."""
    return MembershipStep(
        membership=membership,
        kind=kind,
        reference=reference,
        at=at,
        recorded_at=now,
        why=why,
        actor=actor,
        **asdict(stand_of(membership)),
    )


def stand_of(row: Standing) -> Stand:
    """How a membership stands, or stood after a step."""
    return Stand(**{name: getattr(row, name) for name in STANDING})


def effective(steps: Sequence[MembershipStep]) -> list[MembershipStep]:
    """Those of all steps of a membership that were not taken back."""
    taken_back = {step.takes_back_id for step in steps}
    return [step for step in steps if step.kind != Kind.TAKEN_BACK and step.pk not in taken_back]
