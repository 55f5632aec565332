"""
The kinds of mail that leave the house, and how each becomes an e-mail.

A kind is three templates in `templates/mail/`: `<kind>.subject.txt`, `<kind>.txt` and `<kind>.html`, and a
list of what they need. Amounts, dates and links arrive as ready text in the reader's language: this floor
knows no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class UnknownMail(LookupError):
    """No kind of mail has this name."""


class IncompleteMail(ValueError):
    """A mail was owed without what its templates need, or with something that they do not know."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mail: what its context must hold, and what it may leave out (taken as an empty text)."""

    name: str
    needs: frozenset[str]
    may_have: frozenset[str] = frozenset()


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "receipt",
            needs=frozenset(
                {"receipt_number", "paid_on", "amount_text", "gift_text", "interval", "campaign_title"}
            ),
            may_have=frozenset({"fee_cover_text", "next_payment_text"}),
        ),
        Kind(
            "welcome",
            needs=frozenset({"tier_name", "interval", "amount_text", "next_payment_text"}),
            may_have=frozenset({"manage_url"}),
        ),
        Kind(
            "payment_failed",
            needs=frozenset({"amount_text", "reason_text", "fix_url"}),
            may_have=frozenset({"next_try_text"}),
        ),
        Kind("membership_ended", needs=frozenset({"tier_name", "ended_on", "come_back_url"})),
    )
}


def check_context(kind: str, context: dict[str, Any]) -> None:
    """
    Refuse a mail that could not be written later.

    :raises UnknownMail: there is no such kind.
    :raises IncompleteMail: a key is missing, unknown, or not text.
    """
    if kind not in KINDS:
        raise UnknownMail(f"There is no kind of mail called {kind!r}.")
    known = KINDS[kind]
    if missing := known.needs - context.keys():
        raise IncompleteMail(f"A {kind} mail needs {', '.join(sorted(missing))}.")
    if strange := context.keys() - known.needs - known.may_have:
        raise IncompleteMail(f"A {kind} mail has no place for {', '.join(sorted(strange))}.")
    if no_text := sorted(key for key, value in context.items() if not isinstance(value, str)):
        raise IncompleteMail(f"A {kind} mail wants text for {', '.join(no_text)}.")
