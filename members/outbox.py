"""
The outbox: mail is a row first, in the same transaction as its reason; a worker sends it later.

Delivery is at least once under one fixed Message-ID, so that a mail program shows a second copy as the same
message (RELIABILITY.md, finding 7). Kinds that say so are delivered at most once: such a row is marked before its
mail is handed to the server, and a marked row is never sent again unless the server said that it did not take it.
A worker claims a batch by a conditional UPDATE with a lease, sends it
over one connection and marks each row at once. Nothing here speaks SMTP inside a database transaction.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Now

from members import addresses, crypto, emails
from members.courier import Courier, Outcome, Result
from members.models import Member, Message
from members.rows import insert_columns, insert_new

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 48  # with the gaps below: given up after about two days
MAX_UNSURE = 3  # copies that a reader might have got before we stop
_FIRST_GAP = timedelta(minutes=5)
_LONGEST_GAP = timedelta(hours=1)
# A lease is about machines, not about the reader's calendar: it goes by the database's clock, which all
# workers share, and never by `now`. It outlasts the slowest batch, since a batch ends at half of it.
_LEASE = timedelta(minutes=6)


@dataclass(frozen=True, slots=True)
class Delivered:
    """
    How many messages one call sent, put off for a later try, and gave up.

    :param more: whether others may be due as well, so that it is worth to call again at once.
    """

    sent: int = 0
    retried: int = 0
    failed: int = 0
    more: bool = False


class Promise(NamedTuple):
    """
    One of many mails to owe, of a kind that is looked up when it is sent (`emails.Kind.look_up`).

    :param recipient_hash: look-up hash of the address, as `crypto.lookup_hash` makes it.
    """

    kind: str
    dedup_key: str
    recipient_hash: str
    locale: str


def owe_many(promises: Sequence[Promise], *, deliver_before: datetime, now: datetime) -> int:
    """
    Promise many mails in one statement, in the caller's transaction if there is one.

    Neither address nor contents are stored: whoever owes them is asked for both when they are sent.

    :param deliver_before: after this moment they are given up unsent (failure code "not_in_time").
    :returns: how many were new, as `owe` counts.
    :raises emails.UnknownMail: nobody can be asked about one of these kinds; none is owed.
    """
    if not promises:
        return 0
    kinds, dedup_keys, hashes, locales = zip(*promises, strict=True)
    for kind in set(kinds):
        if not emails.is_looked_up(kind):
            raise emails.UnknownMail(f"Nobody can be asked what a {kind!r} mail says.")
    domain = _our_domain()
    # They begin with the time, so that the index of many grows at its end; 80 bits of chance are left.
    begin = f"{int(now.timestamp() * 1000):012x}"
    public_ids = [begin + secrets.token_hex(10) for _ in promises]
    return insert_columns(
        Message,
        each={
            "public_id": public_ids,
            "message_id": [f"<{public_id}@{domain}>" for public_id in public_ids],
            "kind": kinds,
            "dedup_key": dedup_keys,
            "recipient_hash": hashes,
            "locale": locales,
        },
        same={"owed_at": now, "next_attempt_at": now, "deliver_before": deliver_before},
    )


def backlog(kinds: Sequence[str]) -> int:
    """How many mails of these kinds wait to be sent."""
    return Message.objects.filter(kind__in=kinds, state=Message.State.OWED).count()


def withdraw(dedup_keys: Sequence[str]) -> int:
    """Take back promises that no worker has begun to keep; how many. A mail that is on its way is not stopped."""
    return Message.objects.filter(dedup_key__in=dedup_keys, state=Message.State.OWED).update(
        state=Message.State.FAILED, failure_code=_WITHDRAWN.code, failure_reason=_WITHDRAWN.reason
    )


def erase(*, kinds: Sequence[str], owed_before: datetime) -> int:
    """Forget to whom mails of these kinds went and what they held, once they are sent or given up; how many."""
    done = Message.objects.filter(
        kind__in=kinds, owed_at__lt=owed_before, state__in=[Message.State.SENT, Message.State.FAILED]
    )
    return done.exclude(recipient="").update(recipient="", context={})


def owe(
    *,
    kind: str,
    member: Member | None = None,
    recipient: str,
    dedup_key: str,
    context: dict[str, Any],
    locale: str,
    now: datetime,
    deliver_before: datetime | None = None,
) -> bool:
    """
    Promise a mail; one statement, in the caller's transaction if there is one.

    :param dedup_key: what the mail is about, such as "receipt:<payment id>". A second promise under the same
        key is the same promise: nothing happens.
    :param recipient: "" for somebody who was erased: nothing is owed to them.
    :param deliver_before: after this moment it is given up unsent (failure code "not_in_time").
    :returns: True if this call made the promise, False if it was made before.
    :raises emails.UnknownMail, emails.IncompleteMail: the kind's templates could not be filled.
    :raises addresses.InvalidAddress: the recipient is no address.
    """
    emails.check_context(kind, context)
    if not recipient and member is not None:
        return False
    address = addresses.normalise(recipient)
    public_id = uuid.uuid4()
    message = Message(
        public_id=public_id,
        kind=kind,
        member=member,
        recipient=address,
        recipient_hash=crypto.lookup_hash(addresses.identity(address)),
        dedup_key=dedup_key,
        locale=locale,
        context=context,
        message_id=f"<{public_id}@{_our_domain()}>",
        owed_at=now,
        next_attempt_at=now,
        deliver_before=deliver_before,
    )
    return insert_new([message]) == 1


def deliver_due(*, now: datetime, limit: int = 200) -> Delivered:
    """
    Send the mail that is due, over one connection; outside any transaction.

    A temporary failure puts a message off, with growing gaps, up to MAX_ATTEMPTS; a permanent one gives it up
    with a reason. A message whose sending broke off after its content began to flow may have arrived: it is
    tried again under the same Message-ID, until MAX_UNSURE copies may be out. A kind that can lose its reason is
    asked once more, right before each of its mails leaves.

    :param limit: how many messages to take at most.
    """
    _take_back_expired()
    _drop_late(now)
    claim = uuid.uuid4()
    batch = _claim(claim, now=now, limit=limit)
    if not batch:
        return Delivered()
    emails.complete(batch, now=now)
    half_time = time.monotonic() + _LEASE.total_seconds() / 2
    sent = retried = failed = 0
    more = len(batch) == limit
    with Courier() as courier:
        for index, message in enumerate(batch):
            if time.monotonic() > half_time:
                _release(batch[index:])
                more = True
                break
            result = _last_look(message)
            if result is None:
                if not _may_leave(message):
                    continue  # the lease ran out meanwhile: another worker has it, or nobody may send it any more
                result = _send(courier, message)
            if result.outcome is Outcome.SENT:
                _mark_sent(message, now=now)
                sent += 1
            elif result.outcome is Outcome.UNREACHABLE:
                # The server is not there: the others need not wait for the same time-out each.
                given_up = _put_off(batch[index:], result, now=now)
                failed += given_up
                retried += len(batch) - index - given_up
                break
            elif result is _WITHDRAWN:
                _own([message]).update(
                    **{**_FREE, "state": Message.State.FAILED},
                    failure_code=result.code,
                    failure_reason=result.reason,
                )
            elif result.outcome is Outcome.REFUSED:
                _give_up([message], result)
                failed += 1
            elif _put_off([message], result, now=now):
                failed += 1
            else:
                retried += 1
    log.info("mail_delivered", sent=sent, retried=retried, failed=failed)
    return Delivered(sent, retried, failed, more)


def forget_sent(*, now: datetime) -> int:
    """
    Forget to whom and what was written in messages that are sent or given up for a while; how many.

    That a message was sent, which kind and when stays, and so does its key: it is not sent again.
    """
    over = Message.objects.filter(
        state__in=[Message.State.SENT, Message.State.FAILED], owed_at__lte=now - settings.MAIL_RETENTION
    )
    return int(over.exclude(context=b"", recipient=b"").update(context=b"", recipient=b""))


def _send(courier: Courier, message: Message) -> Result:
    """Never raises: one message that cannot be written must not stop those behind it."""
    step = "render"
    try:
        mail = emails.render(message)
        step = "send"
        return courier.send(mail)
    except emails.NoAddress:
        return Result(Outcome.REFUSED, "no_address", "Its address is gone, or cannot be opened.")
    except Exception as error:
        # A missing key, a broken template or a bug of ours is mended by people, so the message waits.
        log.error(
            "mail_not_written",
            message=str(message.public_id),
            kind=message.kind,
            step=step,
            error=type(error).__name__,
        )
        return Result(
            Outcome.PUT_OFF,
            f"no_{step}",
            f"Something failed on our side ({step}).",
            may_have_arrived=step == "send",
        )


# --- Claims and leases


def _drop_late(now: datetime) -> None:
    Message.objects.filter(state=Message.State.OWED, deliver_before__lte=now).update(
        state=Message.State.FAILED, failure_code="not_in_time", failure_reason="Its time was over."
    )


def _last_look(message: Message) -> Result | None:
    """
    Whether the reason of a mail still stands; None if it does.

    Never raises: an answer that cannot be had puts the mail off, for it may be one that must not go.
    """
    try:
        return None if emails.is_wanted(message.kind, message.dedup_key) else _WITHDRAWN
    except Exception as error:
        log.error(
            "mail_not_decided",
            message=str(message.public_id),
            kind=message.kind,
            error=type(error).__name__,
        )
        return Result(Outcome.PUT_OFF, "not_decided", "It could not be found out whether it is still wanted.")


def _may_leave(message: Message) -> bool:
    """
    Whether this worker may hand the mail over; marks it first if it is of a kind that leaves at most once.

    From the mark on the row counts as perhaps sent. Only a server that says no takes the mark off again.
    """
    if not emails.is_sent_once_at_most(message.kind):
        return True
    marked = _own([message]).filter(unsure=0, leased_until__gt=Now()).update(unsure=1)
    return bool(marked == 1)


def _most_unsure(message: Message) -> int:
    return 1 if emails.is_sent_once_at_most(message.kind) else MAX_UNSURE


def _claim(claim: uuid.UUID, *, now: datetime, limit: int) -> list[Message]:
    """Take due rows for this worker; no two workers ever take the same one."""
    due = Message.objects.filter(state=Message.State.OWED, next_attempt_at__lte=now)
    with transaction.atomic():
        # Where the database can, others' rows are skipped; SQLite lets one writer in at a time.
        rows = due.order_by("next_attempt_at", "pk").select_for_update(skip_locked=True)
        ids = list(rows.values_list("pk", flat=True)[:limit])
        if not ids:
            return []
        due.filter(pk__in=ids).update(
            state=Message.State.SENDING, claimed_by=claim, leased_until=Now() + Value(_LEASE)
        )
    return list(Message.objects.filter(claimed_by=claim).order_by("next_attempt_at", "pk"))


def _take_back_expired() -> None:
    """
    Free the rows of workers that died.

    A worker sends its batch in order, so of each dead worker's rows only the first may have left the house.
    """
    expired = Message.objects.filter(state=Message.State.SENDING, leased_until__lte=Now())
    rows = expired.order_by("claimed_by", "next_attempt_at", "pk")
    for claim, group in groupby(
        rows.only("pk", "kind", "claimed_by", "unsure"), key=attrgetter("claimed_by")
    ):
        messages = list(group)
        log.warning("mail_lease_expired", claim=str(claim), messages=len(messages))
        # What leaves at most once was marked before it left, whichever place in the batch it had.
        once = [message for message in messages if emails.is_sent_once_at_most(message.kind)]
        _give_up([message for message in once if message.unsure], _OUTCOME_UNKNOWN)
        _release([message for message in once if not message.unsure])
        first, *others = messages
        _release([message for message in others if message not in once])
        if first in once:
            continue
        if first.unsure + 1 >= MAX_UNSURE:
            _give_up([first], _OUTCOME_UNKNOWN)
        else:
            _own([first]).update(**_FREE, attempts=F("attempts") + 1, unsure=F("unsure") + 1)


def _release(messages: Sequence[Message]) -> None:
    if messages:
        _own(messages).update(**_FREE)


def _own(messages: Sequence[Message]) -> Any:
    """The rows that are still ours: a worker that lost its lease changes nothing any more."""
    claim = messages[0].claimed_by
    return Message.objects.filter(pk__in=[message.pk for message in messages], claimed_by=claim)


_FREE: dict[str, Any] = {"state": Message.State.OWED, "claimed_by": None, "leased_until": None}
_WITHDRAWN = Result(Outcome.REFUSED, "withdrawn", "Nobody wants it any more.")
_OUTCOME_UNKNOWN = Result(
    Outcome.REFUSED, "outcome_unknown", "The connection broke off each time; the reader may have got copies."
)


# --- What becomes of a message


def _mark_sent(message: Message, *, now: datetime) -> None:
    _own([message]).update(
        **{**_FREE, "state": Message.State.SENT},
        attempts=F("attempts") + 1,
        unsure=message.unsure,
        sent_at=now,
        failure_code="",
        failure_reason="",
    )


def _give_up(messages: Sequence[Message], result: Result) -> None:
    if not messages:
        return
    for message in messages:
        log.warning("mail_given_up", message=str(message.public_id), kind=message.kind, code=result.code)
    _own(messages).update(
        **{**_FREE, "state": Message.State.FAILED},
        attempts=F("attempts") + 1,
        failure_code=result.code,
        failure_reason=result.reason,
    )


def _put_off(messages: Sequence[Message], result: Result, *, now: datetime) -> int:
    """Try later, or give up those that were tried often enough. Returns how many were given up."""
    unsure = 1 if result.may_have_arrived else 0
    given_up = 0
    for (attempts, copies, most), same in _by_attempts(messages):
        if attempts + 1 >= MAX_ATTEMPTS:
            _give_up(same, result)
            given_up += len(same)
        elif copies + unsure >= most:
            _give_up(same, _OUTCOME_UNKNOWN)
            given_up += len(same)
        else:
            _own(same).update(
                **_FREE,
                attempts=F("attempts") + 1,
                unsure=copies + unsure,  # a mark that was put on before the server said no comes off
                next_attempt_at=now + _gap(attempts),
                failure_code=result.code,
                failure_reason=result.reason,
            )
    return given_up


def _by_attempts(messages: Sequence[Message]) -> Iterable[tuple[tuple[int, int, int], list[Message]]]:
    def key(message: Message) -> tuple[int, int, int]:
        return message.attempts, message.unsure, _most_unsure(message)

    for found, same in groupby(sorted(messages, key=key), key=key):
        yield found, list(same)


def _gap(attempts: int) -> timedelta:
    """5, 10, 20, 40 minutes, then an hour."""
    doubled: int = 2 ** min(attempts, 10)
    return min(_FIRST_GAP * doubled, _LONGEST_GAP)


def _our_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
