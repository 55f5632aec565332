"""
The register of personal data: each model says in its docstring what it holds, and the columns agree.

What is personal is sealed or a keyed hash (RELIABILITY.md, section 5). Who adds a column reads here what to do.
"""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.db import models

from donations.models import Contribution, StripeEvent
from members.fields import EncryptedField, LookupHashField
from members.models import Consent, Member, MembershipStep, Message

MODELS = [
    model
    for label in ("members", "donations", "reminders", "staff")
    for model in apps.get_app_config(label).get_models()
]

# A column whose name has one of these words looks like a person's. If it is one, seal it; if not, say here why.
SUSPICIOUS = re.compile(
    r"(^|_)(e?mail|name|first|last|full|given|surname|phone|mobile|tel|address|street|city|zip|postal|postcode|"
    r"country|ip|remote|host|agent|device|birth|dob|age|gender|sex|iban|card|pan|last4|bank|account|tax|"
    r"recipient|sender|reader|person|user|customer|payer|donor|comment|note|notes|body|payload|context|"
    r"password|token|secret|session|cookie|location|lat|lng|geo|company|employer|title|locale|language)s?(_|$)",
)
HARMLESS = {
    "members.Tier.name": "what the newsroom calls a tier",
    "members.Member.name_told_at": "a moment",
    "members.SignInToken.token_hash": "a digest of 256 bits that nobody can guess",
    "members.Member.locale": "a language; declared in the docstring",
    "members.Message.locale": "a language; declared in the docstring",
    "members.Bounce.email_hash": "a keyed hash; declared in the docstring",
    "members.ErasedAddress.email_hash": "a keyed hash; declared in the docstring",
    "members.Consent.text_version": "names a text of the newsroom",
    "donations.AskVariant.title": "the newsroom's own words",
    "staff.SignInLock.wrong_passwords": "a number",
    "staff.AuthenticatorApp.last_step": "a number",
    "staff.AuthenticatorApp.name": "what the house calls the app; the same for everybody",
    "donations.Campaign.title": "the newsroom's own words",
    "donations.Campaign.locale": "the campaign's language",
    "donations.Contribution.locale": "a language, given by the page",
    "donations.Contribution.stripe_session_id": "an id of Stripe, which says nothing without their key",
    "donations.Contribution.stripe_customer_id": "an id of Stripe, which says nothing without their key",
    "donations.Subscription.stripe_customer_id": "an id of Stripe, which says nothing without their key",
    "donations.Subscription.card_given_at": "a moment",
    "donations.ChargeTrace.card_hash": "a keyed hash; declared in the docstring",
    "donations.Dunning.first_failed_at": "a moment",
    "donations.Dunning.last_failed_at": "a moment",
    "donations.Dunning.mails": "a number",
    "donations.Notice.mails": "a number",
    "donations.ReportKey.last_used_on": "a day",
    "reminders.Reminder.locale": "a language; declared in the docstring",
    "reminders.Reminder.country": "where it is morning; declared in the docstring",
    "reminders.Reminder.mails_promised": "a number",
    "reminders.Reminder.mails_without_answer": "a number",
    "reminders.ReminderSend.person": "a keyed hash; declared in the docstring",
    "reminders.Unsubscription.email_hash": "a keyed hash; declared in the docstring",
}
TEXT = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.FileField)


def label(field: models.Field) -> str:
    return f"{field.model._meta.label}.{field.name}"


def register(model: type[models.Model]) -> str:
    """What the docstring says after "Personal data:", to the end of the sentence."""
    found = re.search(r"Personal data:\s*(.*?)\.(?:\s|$)", model.__doc__ or "", re.DOTALL)
    assert found, f'{model._meta.label} does not say "Personal data: …." in its docstring'
    return " ".join(found[1].split())


def columns(kind: type | tuple[type, ...] = models.Field) -> list[models.Field]:
    return [field for model in MODELS for field in model._meta.local_fields if isinstance(field, kind)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_each_model_says_what_it_holds(model):
    said = register(model)
    sealed = [
        field for field in model._meta.local_fields if isinstance(field, EncryptedField | LookupHashField)
    ]

    if sealed:
        assert not said.startswith("none")
        assert "encrypted" in said
    for field in sealed:
        assert re.search(rf"\b{field.name}\b", said), f"{label(field)} is not in the register"


def test_no_column_looks_like_a_person_and_lies_open():
    sealed = EncryptedField | LookupHashField | models.ForeignKey
    open_ = [field for field in columns() if not isinstance(field, sealed) and SUSPICIOUS.search(field.name)]

    assert {label(field) for field in open_} - set(HARMLESS) == set()


def test_every_excuse_is_still_about_a_column():
    assert set(HARMLESS) <= {label(field) for field in columns()}


def test_no_model_can_hold_an_ip_address_an_open_e_mail_address_or_a_file():
    forbidden = (models.GenericIPAddressField, models.EmailField, models.FileField, models.FilePathField)

    assert columns(forbidden) == []


def test_the_register_knows_every_sealed_column():
    """A list by hand, so that nobody unseals one without meaning to."""
    assert {label(field) for field in columns(EncryptedField)} == {
        "members.AuditReason.text",
        "members.DataArchive.content",
        "members.Member.email",
        "members.Member.name",
        "members.Merge.why",
        "members.SignInToken.address",
        "members.TwoPeople.why",
        "members.Message.recipient",
        "members.Message.context",
        "members.StaffNote.text",
        "donations.Contribution.email",
        "donations.Contribution.name",
        "donations.Contribution.checkout_url",
        "donations.Contribution.recovery_url",
        "donations.StripeEvent.payload",
        "donations.OfflineGift.reference",
        "donations.OfflineGift.note",
        "donations.OfflineGift.void_reason",
        "donations.FileImport.content",
        "reminders.Reminder.email",
        "staff.AuthenticatorApp.secret",
    }


# --- What really lies in the database after a gift -----------------------------------------------------

# Long words: three letters turn up by chance in a random code or in a ciphertext, once in some thousand runs.
ADA = {"email": "Adelheid.Sample-Reader@example.org", "name": "Adelheid Sample-Reader"}
TRACES = [b"adelheid", b"sample-reader", b"example.org"]


def everything_in_the_database() -> list[tuple[str, bytes]]:
    """Every value of every column of our tables, as bytes, as somebody with a stolen copy would see it."""
    from django.db import connection

    found = []
    with connection.cursor() as cursor:
        for model in MODELS:
            table = model._meta.db_table
            names = [field.column for field in model._meta.local_fields]
            cursor.execute(f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    found.append((f"{table}.{name}", raw))
    return found


def test_after_a_gift_a_stolen_database_does_not_tell_who_gave(house):
    house.give_and_pay(**ADA, newsletter_consent=True)
    house.give_and_pay(**ADA, interval="month", amount=500)
    house.begin(**ADA)  # and once more, not paid yet
    assert Member.objects.get().name == ADA["name"]
    assert Message.objects.exists()
    assert Consent.objects.exists()
    assert MembershipStep.objects.exists()
    assert Contribution.objects.exclude(checkout_url="").exists()
    everything = everything_in_the_database()

    assert len(everything) > 500
    told = [where for where, value in everything if any(trace in value.lower() for trace in TRACES)]
    assert told == []


def test_the_event_bodies_say_who_gave_only_to_those_who_hold_the_key(house):
    house.give_and_pay(**ADA)

    assert any(ADA["email"] in event.payload for event in StripeEvent.objects.all())
    assert not any(
        b"Adelheid" in value for where, value in everything_in_the_database() if "payload" in where
    )


def test_the_same_address_is_sealed_differently_in_each_place(house):
    """Two equal ciphertexts would tell that two rows are about the same person."""
    house.give_and_pay(**ADA)
    house.give_and_pay(**ADA)
    sealed = [
        value
        for where, value in everything_in_the_database()
        if where.rsplit(".", 1)[1] in ("email", "name", "recipient") and value
    ]

    assert len(sealed) > 3
    assert len(set(sealed)) == len(sealed)
