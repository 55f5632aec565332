"""Who asks to be erased is gone from every table, from Stripe's records of payers, and does not come back."""

from __future__ import annotations

import json

import pytest

from donations import queries
from donations.models import Contribution, Payment, StripeEvent
from members import audit, clock, data_rights
from members.models import AuditEntry, DataRequest, ErasedAddress, Member, Message
from reminders.models import Reminder, Unsubscription
from tests.house import House
from tests.rights.conftest import ask_erasure, settle, where_told


def test_nothing_in_the_house_says_who_it_was(house: House, canary: Member, mailoutbox, capfd) -> None:
    told_before = where_told()
    assert {place.split(".")[0] for place in told_before} > {"members", "donations", "reminders"}
    charges = queries.get_books()["USD"]["charges"]
    payments = sorted(Payment.objects.values_list("pk", "amount_minor", "state", "receipt_number"))

    request = settle(house, ask_erasure(canary, stop_giving=True))

    assert request.state == DataRequest.State.DONE
    assert where_told() == set()
    assert sorted(Payment.objects.values_list("pk", "amount_minor", "state", "receipt_number")) == payments
    house.assert_books_agree()
    assert queries.get_books()["USD"]["charges"] == charges
    customers = [row for row in house.stripe.account.objects.values() if row["object"] == "customer"]
    assert customers
    assert "wrenfield" not in json.dumps(customers).casefold()
    written = "".join(capfd.readouterr())
    assert "wrenfield" not in written.casefold()
    assert [mail.to for mail in mailoutbox if mail.kind == "erasure_begins"] == [
        ["Canary.Wrenfield-Sample@example.org"]
    ]
    assert mailoutbox[-1].kind in ("erasure_begins", "membership_ended")
