"""What staff start for a reader who asks for their data, or to be erased, in a letter and not on their own page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms

from members import data_rights
from members.models import Member
from staff.actions import Action, Reason, Refusal, Wish, register

PERMISSION = "members.start_datarequest"


def _gather(wish: Wish) -> str:
    try:
        data_rights.ask_download(wish.target, asked_by=wish.actor, now=wish.now)
    except data_rights.Erased as error:
        raise Refusal("This reader was erased: there is nothing to hand out.") from error
    return "It is being gathered. A mail tells the reader when it can be fetched; nobody else can open it."


register(
    Action(
        slug="gather-data",
        label="Gather all data for the reader",
        permission=PERMISSION,
        target=Member,
        form=Reason,
        warning=lambda member, now: (
            "Everything that is kept about this reader becomes one file. They get a mail, sign in, and fetch it within "
            "a week. You do not see it."
        ),
        run=_gather,
        is_calm=True,
    )
)


class EraseForm(Reason):
    stop_giving = forms.BooleanField(
        label="End contributions that go on, at once",
        required=False,
        help_text="If the reader wrote that as well.",
    )
    understood = forms.BooleanField(
        label="I have made sure that this is the reader's own wish, and know that it cannot be undone"
    )
    field_order = ["stop_giving", "understood", "why"]


def _erase(wish: Wish) -> str:
    try:
        data_rights.ask_erasure(
            wish.target, stop_giving=wish.given["stop_giving"], asked_by=wish.actor, now=wish.now
        )
    except data_rights.ErasureRefused as error:
        raise Refusal(
            "This reader gives regularly. Tick the box if they want that ended too, or let them decide first."
        ) from error
    except data_rights.Erased as error:
        raise Refusal("This reader was erased before.") from error
    return "The reader is being erased. It takes about an hour, and begins with a last mail to them."


def _what_goes(member: Member, now: datetime) -> str:
    told = (
        "Name, address, reminders, mails and all else that says who this is will be gone, here and at Stripe. Sums and "
        "days stay in the books. This cannot be undone, and no receipt can be found afterwards."
    )
    if data_rights.objection_to_erasure(member, now=now):
        return f"{told} The reader gives regularly at the moment."
    return told


def _facts(wish: Wish) -> dict[str, Any]:
    return {"stop_giving": wish.given["stop_giving"]}


register(
    Action(
        slug="erase-reader",
        label="Erase the reader",
        permission=PERMISSION,
        target=Member,
        form=EraseForm,
        warning=_what_goes,
        run=_erase,
        facts=_facts,
    )
)
