"""
Readers, banks and staff: each deed of the plot becomes the calls that a person's browser, a bank or a dashboard
would make.

An actor remembers of a reader what a browser would: the contribution's id and the checkout that it led to. What else
is needed is asked of Stripe, since webhooks that got lost must not keep the year from going on.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.year import plot
from tests.year.mailbox import Mailbox
from tests.year.offline import Obj, Refused, Stripe, json_call

ASIDE = ("charge_already_refunded", "charge_disputed")


class Actors:
    """Everybody outside of the house. `begun` holds each reader's contribution and session."""

    def __init__(
        self, house_url: str, stripe: Stripe, mailbox: Mailbox, readers: tuple[plot.Reader, ...]
    ) -> None:
        self.house_url = house_url
        self.mailbox = mailbox
        self.stripe = stripe
        self.readers = readers
        self.begun: dict[int, tuple[str, str]] = {}
        self.asked: list[tuple[datetime, str]] = []  # for which reminders, and when
        self.in_vain: list[
            str
        ] = []  # deeds for which nothing was left, such as a refund of what was never paid

    def perform(self, deed: plot.Deed, *, now: datetime) -> None:
        """Do it. Raises Refused if the house or Stripe takes it otherwise than the plot expects."""
        self.now = now
        reader = self.readers[deed.reader]
        act = getattr(self, "_" + deed.does.replace(" ", "_"))
        act(reader, deed.detail)

    # --- The reader ---

    def _give(self, reader: plot.Reader, _: str) -> None:
        begun = self._begin(reader, key="gives", interval=reader.interval, amount=reader.amount)
        session = begun["checkout_url"].rsplit("/", 1)[1]
        self.begun[reader.number] = (begun["id"], session)
        if reader.payment == "leaves":
            return
        if reader.payment.startswith("is declined"):
            self._declined(session, plot.DECLINED[reader.number % len(plot.DECLINED)])
            if reader.payment.endswith("leaves"):
                return
        if reader.payment == "debit":
            self._pay(session, method="bank_debit", card=plot.account_of(reader.number, reader.currency))
        elif reader.payment == "debit bounces":
            self._pay(session, method="bank_debit", card=plot.BOUNCES[reader.currency])
        elif reader.payment == "passes 3-D Secure":
            self._pay(session, card="4000002500003155", three_d_secure="pass")
        else:
            self._pay(session, card=reader.card)

    def _begin(self, reader: plot.Reader, *, key: str, interval: str, amount: int) -> Obj:
        """As the widget asks for a page to pay on."""
        wish = {
            "campaign": reader.campaign,
            "interval": interval,
            "amount": amount,
            "currency": reader.currency,
            "email": reader.email,
            "locale": reader.locale,
            "cover_fees": reader.cover_fees,
        }
        headers = {"Idempotency-Key": f"reader-{reader.number}-{key}"}
        found: Obj = json_call("POST", f"{self.house_url}/api/v1/contributions/", wish, headers)
        return found

    def _give_again(self, reader: plot.Reader, _: str) -> None:
        """The same form with another key, as when a page was loaded twice; once, whatever it was before."""
        smallest = min(plot.AMOUNTS[reader.currency]["once"])
        begun = self._begin(reader, key="again", interval="once", amount=smallest)
        self._pay(begun["checkout_url"].rsplit("/", 1)[1], card=reader.card)

    def _undo_the_second(self, reader: plot.Reader, _: str) -> None:
        if (link := self.mailbox.link(reader.email, "second_charge", "twice")) is None:
            self.in_vain.append(f"reader {reader.number}: nobody asked about the second gift")
            return
        self.stripe.submit(link, act="undo")

    def _pay(self, session: str, **how: str) -> None:
        self.stripe.control(f"sessions/{session}/pay", **how)

    def _declined(self, session: str, card: str) -> None:
        try:
            self._pay(session, card=card)
        except Refused as refused:
            if refused.status != 402:
                raise
        else:
            raise AssertionError(f"the card {card} was not declined")

    def _ask_for_a_reminder(self, reader: plot.Reader, when: str) -> None:
        wish = {
            "email": reader.email,
            "remind": when,
            "campaign": reader.campaign,
            "consent_version": "reminder-1",
        }
        json_call("POST", f"{self.house_url}/api/v1/reminders/", wish)
        self.asked.append((self.now, when))

    def _card_fails(self, reader: plot.Reader, card: str) -> None:
        if subscription := self._running(reader):
            self.stripe.control(f"subscriptions/{subscription['id']}/card", card=card)

    def _card_will_expire(self, reader: plot.Reader, months: str) -> None:
        """It is found out that a card is good for so many months more, this one not counted."""
        if subscription := self._running(reader):
            month = self.now.month - 1 + int(months)
            until = {"exp_month": month % 12 + 1, "exp_year": self.now.year + month // 12}
            card = plot.card_of(reader.number, 2)
            self.stripe.control(f"subscriptions/{subscription['id']}/card", card=card, **until)

    def _new_card(self, reader: plot.Reader, card: str) -> None:
        """On the portal's page, where the link in our mail leads as well."""
        if subscription := self._running(reader):
            flow = {"flow_data[type]": "payment_method_update"}
            page = self.stripe.api(
                "POST", "billing_portal/sessions", customer=subscription["customer"], **flow
            )
            self.stripe.submit(page["url"], do="save_card", card=card)

    def _cancel(self, reader: plot.Reader, when: str) -> None:
        if not (subscription := self._running(reader)):
            return
        if when == "at once":
            self.stripe.api("DELETE", f"subscriptions/{subscription['id']}")
            return
        page = self.stripe.api("POST", "billing_portal/sessions", customer=subscription["customer"])
        self.stripe.submit(page["url"], do="cancel", subscription=subscription["id"])

    def _stay_after_all(self, reader: plot.Reader, _: str) -> None:
        if subscription := self._running(reader):
            page = self.stripe.api("POST", "billing_portal/sessions", customer=subscription["customer"])
            self.stripe.submit(page["url"], do="undo_cancel", subscription=subscription["id"])

    # --- Staff ---

    def _pause(self, reader: plot.Reader, how: str) -> None:
        if not (subscription := self._running(reader)) or subscription["cancel_at"]:
            return
        path = f"subscriptions/{subscription['id']}"
        if how == "stands still":
            self.stripe.api("POST", f"{path}/pause", **{"bill_for[unused_time_from][type]": "none"})
        else:
            self.stripe.api("POST", path, **{"pause_collection[behavior]": "void"})

    def _resume(self, reader: plot.Reader, _: str) -> None:
        if not (subscription := self._running(reader)):
            return
        path = f"subscriptions/{subscription['id']}"
        if subscription["status"] == "paused":
            self.stripe.api("POST", f"{path}/resume")
        elif subscription["pause_collection"]:
            self.stripe.api("POST", path, pause_collection="")

    def _refund(self, reader: plot.Reader, share: str) -> None:
        charge = self._last_charge(reader)
        if charge is None:
            self.in_vain.append(f"reader {reader.number}: nothing to give back")
            return
        left = charge["amount"] - charge["amount_refunded"]
        amount = int(left * Fraction(share))
        step = {"KWD": 10, "UGX": 100}.get(reader.currency, 1)
        amount -= amount % step
        if amount <= 0:
            return
        try:
            self.stripe.control(f"charges/{charge['id']}/refund", amount=amount)
        except Refused as refused:
            if refused.code not in ASIDE:
                raise
            self.in_vain.append(f"reader {reader.number}: {refused.code}")

    # --- Banks ---

    def _dispute(self, reader: plot.Reader, _: str) -> None:
        charge = self._last_charge(reader)
        if charge and not charge["disputed"] and not charge["refunded"]:
            self.stripe.control(f"charges/{charge['id']}/dispute", reason="fraudulent")

    def _bank_decides(self, reader: plot.Reader, how: str) -> None:
        charge = self._last_charge(reader, disputed=True)
        if charge is None:
            return
        dispute = next(iter(self.stripe.api("GET", "disputes", charge=charge["id"])["data"]))
        if dispute["status"] in ("won", "lost", "warning_closed"):
            return
        if how == "withdrawn":
            self.stripe.control(f"disputes/{dispute['id']}/withdraw")
        else:
            self.stripe.control(f"disputes/{dispute['id']}/close", status=how)

    # --- What Stripe knows ---

    def _session(self, reader: plot.Reader) -> Obj:
        found: Obj = self.stripe.api("GET", f"checkout/sessions/{self.begun[reader.number][1]}")
        return found

    def _running(self, reader: plot.Reader) -> Obj | None:
        id = self._session(reader)["subscription"]
        if id is None:
            return None
        found: Obj = self.stripe.api("GET", f"subscriptions/{id}")
        return None if found["status"] in ("canceled", "incomplete_expired") else found

    def _last_charge(self, reader: plot.Reader, **wanted: Any) -> Obj | None:
        """The reader's newest charge that was paid."""
        session = self._session(reader)
        if session["customer"]:
            found = self.stripe.api("GET", "charges", customer=session["customer"], limit=100)["data"]
        elif session["payment_intent"]:
            found = self.stripe.api("GET", "charges", payment_intent=session["payment_intent"], limit=100)[
                "data"
            ]
        else:
            return None
        fitting = (
            charge
            for charge in found
            if charge["status"] == "succeeded" and all(charge[key] == value for key, value in wanted.items())
        )
        return next(fitting, None)
