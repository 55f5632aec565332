"""
Signing in without a password: who can open a link that we mail to an address is its reader.

Asking does the same whether or not the address is known: one row of the outbox, which holds no more than the
address's keyed hash. Only when the mail is due it is looked up who that is; for a stranger nothing leaves the house.
The link is made then, from the row's key and SECRET_KEY, and is stored nowhere; a digest of it is
(docs/decisions/0040).
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.crypto import salted_hmac

from members import addresses, crypto, doorbell, outbox
from members.models import Member, Message, SignInToken
from members.rows import insert_new

KIND = "sign_in"  # of the mail; the floor that has the pages writes it
LIFE = timedelta(minutes=15)
_SALT = "members.sign_in"

Purpose = SignInToken.Purpose


class BadLink(Exception):
    """A link that opens nothing: nobody made it, it is for something else, it was used, or its time is over."""


class UsedLink(BadLink):
    """It was used, or a newer one was asked for."""


class OldLink(BadLink):
    """Its time is over."""


@dataclass(frozen=True, slots=True)
class Minted:
    """
    What the mail about one wish to sign in needs.

    :param address: where the mail goes: to the address at which we write to this person, whichever was typed.
    :param goes_to: the page that was asked for, as `ask` was told.
    """

    address: str = field(repr=False)
    token: str = field(repr=False)
    goes_to: str


def ask(*, email: str, goes_to: str, locale: str, now: datetime) -> None:
    """
    Promise a link to the reader of this address, if it is a member's. Takes the same steps if it is not.

    :param goes_to: the name of the page to open afterwards; letters and dashes. "" for the first one.
    :raises addresses.InvalidAddress: it is no e-mail address.
    """
    identity = addresses.identity(addresses.normalise(email))
    # A hash for each known key: while keys are changed, a member may be under an older one.
    promises = [
        outbox.Promise(KIND, f"{KIND}:{uuid.uuid4().hex}:{goes_to}", found, locale)
        for found in crypto.lookup_hashes(identity)
    ]
    outbox.owe_many(promises, deliver_before=now + LIFE, now=now)
    doorbell.ring("members.tasks.send_owed_mail")


def mint(messages: Sequence[Message], now: datetime) -> dict[str, Minted]:
    """
    The links for some wishes to sign in, by the outbox's dedup key; those of strangers are not in the answer.

    Done again for the same wish, it gives the same link, with the life that it had. A new one voids those before.
    """
    hashes = {message.recipient_hash for message in messages}
    asked = Member.objects.filter(email_hash__in=hashes).select_related("merged_into")
    known = {member.email_hash: member.person for member in asked}
    found = {}
    for message in messages:
        reader = known.get(message.recipient_hash)
        if reader is not None:
            token = _token(message.dedup_key)
            _keep(token, reader, Purpose.SIGN_IN, life=LIFE, now=now)
            found[message.dedup_key] = Minted(reader.email, token, message.dedup_key.split(":")[2])
    return found


def is_wanted(dedup_key: str) -> bool:
    """Whether the link that a mail brings still opens something: a stranger's never did."""
    return SignInToken.objects.filter(token_hash=digest(_token(dedup_key)), spent_at=None).exists()


def check(token: str, purpose: SignInToken.Purpose = Purpose.SIGN_IN, *, now: datetime) -> SignInToken:
    """
    What a link would open; it is left as it is, for programs look at links in mails, too.

    :raises BadLink: it would open nothing.
    """
    made = SignInToken.objects.filter(token_hash=digest(token), purpose=purpose)
    found = made.select_related("member__merged_into").first()
    if found is None:
        raise BadLink
    if found.spent_at is not None:
        raise UsedLink
    if found.ends_at <= now:
        raise OldLink
    return found


def open(token: str, *, now: datetime) -> Member:
    """
    The reader whose link this is: the member that was kept, if several are one person. It opens nothing after that.

    :raises BadLink: it opens nothing.
    """
    return spend(token, Purpose.SIGN_IN, now=now).member.person


def make(
    reader: Member, purpose: SignInToken.Purpose, *, address: str, life: timedelta, now: datetime
) -> str:
    """A link's token for something that a reader who is signed in asked for; it voids those before it."""
    token = _token(f"{purpose}:{uuid.uuid4().hex}")
    _keep(token, reader, purpose, address=address, life=life, now=now)
    return token


def spend(token: str, purpose: SignInToken.Purpose, *, now: datetime) -> SignInToken:
    """
    Use a link up; of several who try at once, one can.

    :raises BadLink: it is for another purpose, used, too old, or nobody made it.
    """
    found = check(token, purpose, now=now)
    if SignInToken.objects.filter(pk=found.pk, spent_at=None).update(spent_at=now) != 1:
        raise UsedLink
    return found


def _keep(
    token: str,
    reader: Member,
    purpose: SignInToken.Purpose,
    *,
    address: str = "",
    life: timedelta,
    now: datetime,
) -> None:
    row = SignInToken(
        token_hash=digest(token),
        purpose=purpose,
        member=reader,
        address=address,
        made_at=now,
        ends_at=now + life,
    )
    with transaction.atomic():
        # One after the other for each reader, so that only the newest is good.
        Member.objects.select_for_update(no_key=True).get(pk=reader.pk)
        if insert_new([row]):
            before = SignInToken.objects.filter(member=reader, purpose=purpose, spent_at=None)
            before.exclude(token_hash=row.token_hash).update(spent_at=now)


def _token(about: str) -> str:
    """43 characters that stand for 256 bits; nobody without SECRET_KEY can make them."""
    code = salted_hmac(_SALT, about, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(code).rstrip(b"=").decode()


def digest(token: str) -> str:
    """What is stored of a link's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def forget(*, now: datetime) -> int:
    """
    Delete what is a day old: links whose time is over, and the wishes of strangers, with the hash of what they typed.

    :returns: how many rows those were.
    """
    yesterday = now - timedelta(days=1)
    links, _ = SignInToken.objects.filter(ends_at__lt=yesterday).delete()
    unsent = Message.objects.filter(kind=KIND, state=Message.State.FAILED, owed_at__lt=yesterday)
    wishes, _ = unsent.delete()
    return links + wishes
