"""
The kinds of mail that leave the house, and how each becomes an e-mail.

A kind is three templates in `templates/mail/`: `<kind>.subject.txt`, `<kind>.txt` and `<kind>.html`, and a
list of what they need. Amounts, dates and links arrive as ready text in the reader's language: this floor
knows no money.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import css_inline
import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine
from django.utils import translation

from members.models import Message

log = structlog.get_logger(__name__)
_LIBRARIES = {"i18n": "django.templatetags.i18n", "mail_table": "members.templatetags.mail_table"}


class UnknownMail(LookupError):
    """No kind of mail has this name."""


class IncompleteMail(ValueError):
    """A mail was owed without what its templates need, or with something that they do not know."""


class NoAddress(ValueError):
    """The owner of a mail has no address for it any more."""


class Delivery(enum.Enum):
    """
    What to do when nobody knows whether the mail server took a mail (docs/decisions/0013).

    A receipt that comes twice is a small nuisance and one that never comes is a loss; with a mail that asks for
    something it is the other way round.
    """

    AT_LEAST_ONCE = "send it again, under the same Message-ID"
    AT_MOST_ONCE = "never send it again"


@dataclass(frozen=True, slots=True)
class Letter:
    """
    To whom a mail goes, and what its templates are filled in with.

    :param recipient: "" if there is no address any more: then the mail is given up.
    """

    recipient: str
    context: dict[str, str]


# Given rows of the outbox, the letter for each by its dedup key. A row that is left out waits.
LookUp = Callable[[Sequence[Message], datetime], Mapping[str, Letter]]
# Given rows of the outbox, what else each can say now, by its dedup key.
Additions = Callable[[Sequence[Message], datetime], Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of mail: what its context must hold, and what it may leave out (taken as an empty text).

    :param unsubscribe: the part of the context with the address for one-click unsubscription (RFC 8058); every
        mail that nobody needs for a payment or an account has one.
    :param is_wanted: asked with the key of a mail right before it leaves the house; one whose reason has gone is
        withdrawn. None: the reason does not go away.
    :param look_up: asked when the mail is sent, where whoever owes it keeps address and contents and the row of the
        outbox holds neither (docs/decisions/0016).
    :param additions: asked when the mail is sent for parts of the context that it may have: what depends on how
        things stand then, not on what was known when it was owed.
    """

    name: str
    needs: frozenset[str]
    may_have: frozenset[str] = frozenset()
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    unsubscribe: str = ""
    is_wanted: Callable[[str], bool] | None = None
    look_up: LookUp | None = None
    additions: Additions | None = None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "receipt",
            needs=frozenset(
                {"receipt_number", "paid_on", "amount_text", "gift_text", "interval", "campaign_title"}
            ),
            may_have=frozenset(
                {
                    "fee_cover_text",
                    "next_payment_text",
                    "recovered_text",
                    "once_url",
                    "skip_url",
                    "lower_url",
                    "card_url",
                    "stop_url",
                }
            ),
        ),
        Kind(
            "welcome",
            needs=frozenset({"tier_name", "interval", "amount_text", "next_payment_text"}),
            may_have=frozenset({"manage_url"}),
        ),
        Kind(
            "membership_ended",
            needs=frozenset({"tier_name", "ended_on", "come_back_url"}),
            may_have=frozenset({"reason_text"}),
        ),
        Kind("data_ready", needs=frozenset({"page_url", "until_text"})),
        Kind("erasure_begins", needs=frozenset({"asked_on"})),
    )
}


def register(kind: Kind) -> None:
    """Add a kind of mail whose templates lie in another app, which says so when it starts."""
    KINDS[kind.name] = kind


def add_to(kind: str, additions: Additions) -> None:
    """Let another app add to what mails of a kind say, right before they leave."""
    KINDS[kind] = replace(KINDS[kind], additions=additions)


def is_sent_once_at_most(kind: str) -> bool:
    """Whether a mail of this kind must never leave the house twice; False for kinds that we do not know."""
    known = KINDS.get(kind)
    return known is not None and known.delivery is Delivery.AT_MOST_ONCE


def is_wanted(kind: str, dedup_key: str) -> bool:
    """Whether the reason of a mail still stands, as far as whoever owes it can tell."""
    known = KINDS.get(kind)
    return known is None or known.is_wanted is None or known.is_wanted(dedup_key)


def is_looked_up(kind: str) -> bool:
    """Whether address and contents of a mail of this kind are asked for when it is sent (`Kind.look_up`)."""
    known = KINDS.get(kind)
    return known is not None and known.look_up is not None


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


def complete(messages: Sequence[Message], *, now: datetime) -> None:
    """
    Fill in address and contents of the rows that hold neither, by asking their owners, and add to the contents of
    others what there is to add; in memory alone.

    Never raises: what cannot be found now stays empty, `render` refuses it, and the row waits. What cannot be added is
    left out.
    """
    _add(messages, now)
    asked: dict[LookUp, list[Message]] = defaultdict(list)
    for message in messages:
        known = KINDS.get(message.kind)
        if known is not None and known.look_up is not None:
            asked[known.look_up].append(message)
    for look_up, theirs in asked.items():
        try:
            letters = look_up(theirs, now)
        except Exception as error:  # a bug of ours is mended by people; the mail of other kinds does not wait
            log.error("mail_not_looked_up", messages=len(theirs), error=type(error).__name__)
            continue
        for message in theirs:
            letter = letters.get(message.dedup_key)
            if letter is not None:
                message.recipient, message.context = letter.recipient, letter.context


def _add(messages: Sequence[Message], now: datetime) -> None:
    asked: dict[Additions, list[Message]] = defaultdict(list)
    for message in messages:
        known = KINDS.get(message.kind)
        if known is not None and known.additions is not None:
            asked[known.additions].append(message)
    for additions, theirs in asked.items():
        try:
            found = additions(theirs, now)
        except Exception as error:  # a receipt without its links is better than none
            log.error("mail_not_added_to", messages=len(theirs), error=type(error).__name__)
            continue
        for message in theirs:
            if message.dedup_key in found and message.context:
                message.context = {**message.context, **found[message.dedup_key]}


class Mail(EmailMultiAlternatives):
    """An e-mail that knows its kind, which the demo's mailbox shows and no mail server sees."""

    kind: str = "mail"


def render(message: Message) -> Mail:
    """
    The e-mail for a row of the outbox, in the row's language.

    Message-ID and Date come from the row, so that a second copy is the same message to every mail program.

    :raises crypto.Unreadable: its recipient or context does not open.
    :raises IncompleteMail: its owner did not say what is in it.
    :raises NoAddress: its owner has no address for it.
    """
    context = message.context
    if not context:
        raise IncompleteMail(f"Nobody says what is in this {message.kind} mail.")
    if not message.recipient:
        raise NoAddress(f"Nobody has an address for this {message.kind} mail.")
    subject, text, html = write(kind=message.kind, context=context, locale=message.locale)
    mail = Mail(
        subject=subject,
        body=text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[message.recipient],
        reply_to=[settings.NEWSROOM_SUPPORT_EMAIL],
        headers={
            "Message-ID": message.message_id,
            "Date": format_datetime(message.owed_at),
            "Auto-Submitted": "auto-generated",  # RFC 3834: nobody's holiday notice should answer it
            **_unsubscription(message.kind, context),
        },
    )
    mail.attach_alternative(html, "text/html")
    mail.kind = message.kind
    return mail


def _unsubscription(kind: str, context: dict[str, Any]) -> dict[str, str]:
    """With these, a mail program shows its own button, which sends one POST and asks nothing (RFC 8058)."""
    name = KINDS[kind].unsubscribe
    if not name:
        return {}
    return {
        "List-Unsubscribe": f"<{context[name]}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def write(*, kind: str, context: dict[str, Any], locale: str) -> tuple[str, str, str]:
    """
    Subject, text part and HTML part, in the language nearest to `locale` that we have.

    The subject is one line, whatever the context holds: no text can add a header.
    """
    known = KINDS[kind]
    language = supported_language(locale)
    with translation.override(language):
        full = {
            **dict.fromkeys(known.may_have, ""),
            **context,
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
            "newsroom_name": settings.NEWSROOM_NAME,
            "legal_lines": settings.NEWSROOM_LEGAL_FOOTER.splitlines(),
            "support_email": settings.NEWSROOM_SUPPORT_EMAIL,
        }
        subject = " ".join(_render(_texts(), f"mail/{kind}.subject.txt", full).split())
        text = _render(_texts(), f"mail/{kind}.txt", full).strip() + "\n"
        html = _render(_pages(), f"mail/{kind}.html", {**full, "subject": subject})
    return subject, text, _inliner().inline(html)


def supported_language(locale: str) -> str:
    """The language of ours that is nearest to a locale; the house's own for one that we do not speak."""
    try:
        return translation.get_supported_language_variant(locale.lower())
    except LookupError:
        return settings.LANGUAGE_CODE


def _render(engine: Engine, template: str, context: dict[str, Any]) -> str:
    return str(engine.get_template(template).render(Context(context, autoescape=engine.autoescape)))


@lru_cache(maxsize=1)
def _texts() -> Engine:
    """For plain text, where an ampersand is an ampersand."""
    return Engine(app_dirs=True, autoescape=False, libraries=_LIBRARIES)


@lru_cache(maxsize=1)
def _pages() -> Engine:
    return Engine(app_dirs=True, autoescape=True, libraries=_LIBRARIES)


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    """
    Mail programs drop style sheets, so each rule moves to its elements. Nothing is fetched.

    Only the rules for dark screens and small ones stay behind, for those programs that read them.
    """
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
