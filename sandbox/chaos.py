"""
A bad day at the post office: webhooks that get lost, come twice, late, or after those that were told later.

What becomes of a webhook is drawn when its event happens, from the seed, its endpoint, its type and how many of
that type came before: so it does not depend on how fast anybody sends or answers, and the same story under the same
seed meets the same trouble.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sandbox.account import Account, Obj
from sandbox.agenda import HOUR
from sandbox.errors import invalid

PATIENCE = HOUR
"""How long a webhook waits at most, in seconds of the sandbox's clock, for those that are to overtake it."""

MOST_OVERTAKEN = 1000
LONGEST_DELAY = 72.0


@dataclass(frozen=True, slots=True)
class Chaos:
    """
    How bad the day is: ``drop``, ``duplicate`` and ``delay`` are shares of all webhooks (0 to 1). One may be
    overtaken by up to ``shuffle`` events that happened after its own; a delayed one first comes up to
    ``delay_hours`` later by the sandbox's clock.
    """

    seed: int = 0
    drop: float = 0.0
    duplicate: float = 0.0
    shuffle: int = 0
    delay: float = 0.0
    delay_hours: float = 24.0

    def check(self) -> Chaos:
        """Itself. Raises 400 for numbers that make no sense."""
        for name, most in (
            ("drop", 1),
            ("duplicate", 1),
            ("delay", 1),
            ("shuffle", MOST_OVERTAKEN),
            ("delay_hours", LONGEST_DELAY),
        ):
            if not 0 <= getattr(self, name) <= most:
                raise invalid(f"Invalid {name}: must be between 0 and {most}", param=name)
        return self


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one webhook: lost, or its turn and delay, and those of a second copy if there is one."""

    lost: bool
    copies: tuple[tuple[float, int], ...] = ()  # the turn in the order of all events, and seconds of delay


def count(account: Account, type: str) -> tuple[int, int]:
    """How many events there are with this one, and how many of its type came before it."""
    told: Obj = account.secret("post").setdefault("told", {})
    nth = told.get(type, 0)
    told[type] = nth + 1
    told[""] = told.get("", 0) + 1
    return told[""], nth


def horizon(account: Account) -> int:
    """How many events there have been."""
    told: Obj = account.secret("post").get("told", {})
    return int(told.get("", 0))


def fate(chaos: Chaos | None, *, endpoint: str, type: str, nth: int, ordinal: int) -> Fate:
    """What becomes of an event's webhook to one endpoint; without ``chaos`` it comes once, in its turn."""
    if chaos is None:
        return Fate(lost=False, copies=((ordinal, 0),))

    def draw(what: str) -> float:
        text = f"{chaos.seed}:{endpoint}:{type}:{nth}:{what}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56

    def copy(which: str) -> tuple[float, int]:
        late = draw(f"{which} late") < chaos.delay
        delay = draw(f"{which} delay") * chaos.delay_hours * HOUR if late else 0
        return ordinal + draw(f"{which} turn") * chaos.shuffle, int(delay)

    if draw("drop") < chaos.drop:
        return Fate(lost=True)
    twice = draw("duplicate") < chaos.duplicate
    return Fate(lost=False, copies=(copy("first"), copy("second")) if twice else (copy("first"),))
