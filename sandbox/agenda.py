"""
What the account does by itself as time passes: renew, retry, expire, settle.

Each kind of plan has one handler, registered by name, because plans are stored as text and survive a restart.
A handler looks at the object first: by the time a plan is due, a reader or a script may have changed
everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from sandbox.account import Account
from sandbox.errors import invalid

Handler = Callable[[Account, str], None]

HANDLERS: dict[str, Handler] = {}

HOUR = 3600
DAY = 24 * HOUR


def does(action: str) -> Callable[[Handler], Handler]:
    """Register the handler of a plan: ``@does("subscription.renew")`` over ``(account, id)``."""

    def register(handler: Handler) -> Handler:
        HANDLERS[action] = handler
        return handler

    return register


def play(account: Account, until: int | None = None) -> int:
    """
    Carry out, in order and each at its own moment, all that is due up to ``until`` (unix seconds, default
    now). Returns how many plans were carried out. What happens here was asked for by no request.
    """
    if account.playing_at is not None:
        return 0  # a handler planned something for now: the loop below comes to it
    until = account.now() if until is None else until
    request, account.request = account.request, (None, None)
    done = 0
    try:
        while account.plans and account.plans[0][0] <= until:
            at, _, action, id = heapq.heappop(account.plans)
            account.playing_at = at
            HANDLERS[action](account, id)
            account.changes += 1
            done += 1
    finally:
        account.playing_at = None
        account.request = request
    return done


def move(account: Account, to: float) -> None:
    """
    Set the account's clock forward to ``to`` (unix seconds) after playing all that happens until then. Raises
    400 when that would be a step back: what has happened cannot be undone.
    """
    here = account.system_time() + account.offset
    if to < int(here):
        raise invalid("The clock cannot go back.", param="to")
    play(account, int(to))
    account.offset += max(to - here, 0)
    account.changes += 1
