"""What the ground floor keeps about a person: for a download, and for an erasure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from members import erasing, holders, outbox
from members.holders import NotYet, Rows, Step, Subject, When
from members.models import (
    AddressChange,
    AuditEntry,
    AuditReason,
    Bounce,
    Consent,
    DataArchive,
    DataRequest,
    Mark,
    Member,
    Membership,
    MembershipStep,
    Merge,
    Message,
    ReaderSession,
    SignInToken,
    StaffNote,
    TwoPeople,
)
from members.rows import among

_ON_ITS_WAY = timedelta(minutes=2)
_SEEN = (AuditEntry.Act.REVEALED, AuditEntry.Act.ASKED, AuditEntry.Act.DONE, AuditEntry.Act.EXPORTED)


def register() -> None:
    """Say what this floor keeps."""
    holders.register(
        holders.Holder(
            name="members",
            collect=collect,
            steps=[
                Step("last_mail", When.BEFORE, erasing.let_last_mail_leave),
                Step("mail", When.TWICE, _forget_mail),
                Step("words", When.TWICE, _forget_words),
                Step("sessions", When.TWICE, _forget_sessions),
                Step("downloads", When.TWICE, _forget_downloads),
            ],
        )
    )


def collect(subject: Subject) -> Mapping[str, Rows]:
    """Who they are, what they agreed to, their memberships, the mails they got, and who looked at what."""
    of_them = {"member__in": subject.members}
    members = Member.objects.filter(pk__in=subject.members).order_by("joined_at", "pk")
    mails = Message.objects.filter(_their_mail(subject)).order_by("owed_at", "pk")
    merges = Merge.objects.filter(Q(kept__in=subject.members) | Q(duplicate__in=subject.members))
    notes = StaffNote.objects.filter(membership__member__in=subject.members).order_by("written_at", "pk")
    reasons = AuditReason.objects.filter(entry__member_id__in=subject.members).order_by("entry")
    return {
        "person": [
            {
                "id": member.public_id,
                "email": member.email,
                "name": member.name,
                "language": member.locale,
                "joined_at": member.joined_at,
                "is_written_to": member.pk == subject.members[0],
            }
            for member in members
        ],
        "memberships": _rows(
            Membership.objects.filter(**of_them).order_by("started_at", "pk"),
            "source_kind tier__name annual_minor currency started_at paid_through paused_at cancelled_at ended_at",
        ),
        "membership_history": _rows(
            MembershipStep.objects.filter(membership__member__in=subject.members), "kind at recorded_at why"
        ),
        "consents": _rows(
            Consent.objects.filter(**of_them).order_by("granted_at", "pk"),
            "purpose text_version granted_at withdrawn_at source",
        ),
        "mails": _rows(mails, "kind state owed_at sent_at failure_code"),
        "left_alone": _rows(
            Bounce.objects.filter(among("email_hash", subject.all_hashes)), "kind source since"
        ),
        "known_by": _rows(Mark.objects.filter(**of_them).order_by("pk"), "kind"),
        "taken_for_one_person": [
            {"merged_at": merge.merged_at, "undone_at": merge.undone_at, "why": merge.why}
            for merge in merges.order_by("merged_at", "pk")
        ],
        "notes_of_staff": [
            *({"at": note.written_at, "text": note.text} for note in notes),
            *({"at": reason.entry.at, "text": reason.text} for reason in reasons.select_related("entry")),
        ],
        "seen_and_done_by_staff": _rows(
            AuditEntry.objects.filter(member_id__in=subject.members, act__in=_SEEN).order_by("number"),
            "at act what",
        ),
        "sessions": _rows(
            ReaderSession.objects.filter(**of_them).order_by("began_at", "pk"),
            "kind began_at seen_on ends_at",
        ),
        "address_changes": _rows(
            AddressChange.objects.filter(**of_them).order_by("made_at", "pk"), "made_at passed_on_at"
        ),
        "sign_ins": _rows(
            SignInToken.objects.filter(**of_them).order_by("made_at", "pk"),
            "purpose made_at ends_at spent_at",
        ),
        "data_requests": _rows(
            DataRequest.objects.filter(**of_them).order_by("asked_at", "pk"), "kind state asked_at done_at"
        ),
    }


def _rows(found: object, columns: str) -> Rows:
    names = columns.split()
    rows = found.values_list(*names)  # type: ignore[attr-defined]  # a query set of any model
    return [dict(zip([name.replace("__", "_") for name in names], row, strict=True)) for row in rows]


def _their_mail(subject: Subject) -> Q:
    """Mails to a member of theirs, or to an address of theirs without being a member's."""
    return Q(member__in=subject.members) | among("recipient_hash", subject.all_hashes)


# --- Erasing


def _forget_mail(subject: Subject, now: datetime) -> NotYet | None:
    """
    Take back what is owed, and forget to whom and what was written; kind, moment and key stay, so that none goes again.

    A mail that a worker has in its hands is looked at again when it has left.
    """
    theirs = Message.objects.filter(_their_mail(subject))
    keys = list(theirs.filter(state=Message.State.OWED).values_list("dedup_key", flat=True))
    outbox.withdraw(keys)
    done = theirs.exclude(state__in=[Message.State.OWED, Message.State.SENDING])
    done.update(recipient=b"", context=b"", recipient_hash="", locale="", failure_reason="")
    # Those to an address that was theirs belong to nobody now; those of the member can still be counted.
    return NotYet(now + _ON_ITS_WAY, "mail") if theirs.filter(state=Message.State.SENDING).exists() else None


def _forget_words(subject: Subject, now: datetime) -> None:
    """What staff wrote about them in their own words, what they agreed to, and by what they could be known."""
    Merge.objects.filter(Q(kept__in=subject.members) | Q(duplicate__in=subject.members)).update(why=b"")
    TwoPeople.objects.filter(Q(first__in=subject.members) | Q(second__in=subject.members)).update(why=b"")
    StaffNote.objects.filter(membership__member__in=subject.members).delete()
    AuditReason.objects.filter(entry__member_id__in=subject.members).delete()
    Mark.objects.filter(member__in=subject.members).delete()
    Consent.objects.filter(member__in=subject.members).delete()


def _forget_sessions(subject: Subject, now: datetime) -> None:
    """Sign them out everywhere, let no link of a mail sign anybody in, and tell Stripe of no address any more."""
    AddressChange.objects.filter(member__in=subject.members).delete()
    ReaderSession.objects.filter(member__in=subject.members).delete()
    SignInToken.objects.filter(member__in=subject.members).delete()


def _forget_downloads(subject: Subject, now: datetime) -> None:
    """Files that were gathered for them."""
    DataArchive.objects.filter(request__member__in=subject.members).delete()
    open_ones = DataRequest.objects.filter(
        member__in=subject.members, kind=DataRequest.Kind.DOWNLOAD, state__in=DataRequest.OPEN
    )
    open_ones.update(
        state=DataRequest.State.REFUSED, problem="erased", done_at=now, leased_until=None, next_look_at=None
    )
