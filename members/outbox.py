"""
The outbox: mail is a row first, in the same transaction as its reason; a worker sends it later.

Delivery is at least once under one fixed Message-ID, so that a mail program shows a second copy as the same
message. Nothing here speaks SMTP inside a database transaction.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from django.conf import settings

from members import addresses, crypto, emails
from members.models import Member, Message
from members.rows import insert_new


def owe(
    *,
    kind: str,
    member: Member | None = None,
    recipient: str,
    dedup_key: str,
    context: dict[str, Any],
    locale: str,
    now: datetime,
) -> bool:
    """
    Promise a mail; one statement, in the caller's transaction if there is one.

    :param dedup_key: what the mail is about, such as "receipt:<payment id>". A second promise under the same
        key is the same promise: nothing happens.
    :returns: True if this call made the promise, False if it was made before.
    :raises emails.UnknownMail, emails.IncompleteMail: the kind's templates could not be filled.
    :raises addresses.InvalidAddress: the recipient is no address.
    """
    emails.check_context(kind, context)
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
    )
    return insert_new([message]) == 1


def _our_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
