"""
What a script can do that Stripe has no call for: be the reader, be the bank, move the clock, break the post.

``Controls`` has one method per power; ``control_calls`` translates HTTP.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import (
    agenda,
    books,
    cards,
    chaos,
    checkout,
    collection,
    disputes,
    events,
    expiry,
    later,
    methods,
    payments,
    payouts,
    refunds,
    settings,
    spans,
    webhooks,
)
from sandbox.account import Account, Obj, change, copied
from sandbox.errors import invalid
from sandbox.faults import Faults


class Controls:
    """The powers over one account. Each method locks it, and leaves what is due now done."""

    def __init__(
        self,
        account: Account,
        listening: webhooks.Listening,
        faults: Faults,
        initial: Obj | None = None,
    ) -> None:
        self.account = account
        self.listening = listening
        self.faults = faults
        self.initial = initial or {}  # the settings that a reset goes back to

    def _done(self, answer: Obj) -> Obj:
        agenda.play(self.account)
        self.account.changes += 1
        found: Obj = copied(answer)
        return found

    # The reader

    def pay(self, session_id: str, **how: Any) -> Obj:
        """Pay on a session's page (see ``checkout.pay``). Returns the session."""
        with self.account.lock:
            agenda.play(self.account)
            try:
                return self._done(checkout.pay(self.account, session_id, **how))
            finally:
                self._done({})

    def expire(self, session_id: str) -> Obj:
        """Let an open session expire now. Returns it."""
        with self.account.lock:
            return self._done(checkout.expire(self.account, session_id))

    # The bank

    def settle(self, intent_id: str, *, paid: bool = True) -> Obj:
        """End a bank debit that is on its way, paid or unpaid. Returns the payment intent."""
        with self.account.lock:
            intent = self.account.find("payment_intent", intent_id)
            payments.settle(self.account, intent, paid=paid)
            return self._done(intent)

    def refund(self, charge_id: str, amount: int | None = None) -> Obj:
        """Refund a charge as from the dashboard, all that is left or this much. Returns the refund."""
        with self.account.lock:
            charge = self.account.find("charge", charge_id)
            made = refunds.refund(self.account, charge, amount=amount, reason=None, metadata={})
            return self._done(made)

    def settle_refund(self, refund_id: str) -> Obj:
        """Let a pending refund succeed. Returns it."""
        with self.account.lock:
            return self._done(refunds.succeed(self.account, self.account.find("refund", refund_id)))

    def fail_refund(self, refund_id: str, reason: str = "expired_or_canceled_card") -> Obj:
        """Let the bank send a refund back (see ``refunds.fail``). Returns it."""
        with self.account.lock:
            made = self.account.find("refund", refund_id)
            return self._done(refunds.fail(self.account, made, reason=reason))

    def dispute(self, charge_id: str, reason: str = "fraudulent", *, inquiry: bool = False) -> Obj:
        """Let the reader ask the bank for a charge's money back, or the bank only inquire. Returns the dispute."""
        with self.account.lock:
            charge = self.account.find("charge", charge_id)
            made = disputes.open_dispute(self.account, charge, reason=reason, inquiry=inquiry)
            return self._done(made)

    def answer_dispute(self, dispute_id: str, text: str = "The reader asked for this.") -> Obj:
        """Send evidence as from the dashboard, which puts a dispute under review. Returns it."""
        with self.account.lock:
            given = {"evidence": {"uncategorized_text": text}, "submit": True}
            return self._done(disputes.update(self.account, given, dispute_id))

    def escalate_dispute(self, dispute_id: str) -> Obj:
        """Let an inquiry become a dispute, and the money leave. Returns it. Raises 400 for anything else."""
        with self.account.lock:
            inquiry = self.account.find("dispute", dispute_id)
            if not inquiry["status"].startswith("warning_") or inquiry["status"] in disputes.DECIDED:
                raise invalid(f"This dispute is {inquiry['status']} and no open inquiry.")
            disputes.escalate(self.account, inquiry)
            return self._done(inquiry)

    def withdraw_dispute(self, dispute_id: str) -> Obj:
        """
        Let the reader take a dispute back. Stripe has no state for that: it ends as won. Returns it.
        """
        return self.close_dispute(dispute_id, "won")

    def close_dispute(self, dispute_id: str, status: str) -> Obj:
        """Let the bank decide a dispute: "won" or "lost". Returns it."""
        with self.account.lock:
            dispute = self.account.find("dispute", dispute_id)
            return self._done(disputes.close(self.account, dispute, status=status))

    def change_card(
        self, subscription_id: str, card: str, exp_month: int | None = None, exp_year: int | None = None
    ) -> Obj:
        """Let a subscription's renewals be paid by another card. Returns the subscription."""
        with self.account.lock:
            subscription = self.account.find("subscription", subscription_id)
            owner = self.account.objects[subscription["customer"]]
            method = methods.new_card(
                self.account,
                card,
                email=owner["email"],
                name=owner["name"],
                exp_month=exp_month,
                exp_year=exp_year,
            )
            methods.attach(self.account, method, owner["id"])
            previous = change(subscription, default_payment_method=method["id"])
            events.tell(self.account, "customer.subscription.updated", subscription, previous)
            return self._done(subscription)

    def pay_invoice(
        self,
        invoice_id: str,
        card: str,
        three_d_secure: str | None = None,
        exp_month: int | None = None,
        exp_year: int | None = None,
    ) -> Obj:
        """Let the reader pay an open invoice on its page, with any card. Returns the invoice."""
        with self.account.lock:
            invoice = self.account.find("invoice", invoice_id)
            if invoice["status"] not in ("open", "uncollectible"):
                raise invalid(f"This invoice is {invoice['status']} and cannot be paid.", param="id")
            email = invoice["customer_email"]
            method = methods.new_card(self.account, card, email=email, exp_month=exp_month, exp_year=exp_year)
            error = collection.collect(
                self.account, invoice, method=method, counts=False, on_session=True, challenge=three_d_secure
            )
            answer = self._done(invoice)
            if error:
                raise error
            return answer

    def decline(self, method_id: str, code: str | None = "generic_decline") -> Obj:
        """
        Let the bank decline every charge to a saved card from now on, with this decline code; ``None`` makes it good
        again. Returns the payment method. Raises 400 for a code that ``cards.DECLINES`` does not have.
        """
        with self.account.lock:
            method = self.account.find("payment_method", method_id)
            if code is not None and code not in cards.DECLINES:
                known = ", ".join(sorted(cards.DECLINES))
                raise invalid(f"Invalid code: must be one of {known}", param="code")
            self.account.secret(method_id)["declines"] = code
            return self._done(method)

    def replace_card(
        self,
        method_id: str,
        number: str | None = None,
        exp_month: int | None = None,
        exp_year: int | None = None,
    ) -> Obj:
        """Let a saved card's network replace it in place (see ``expiry.replace``). Returns the payment method."""
        with self.account.lock:
            method = self.account.find("payment_method", method_id)
            return self._done(
                expiry.replace(self.account, method, number=number, exp_month=exp_month, exp_year=exp_year)
            )

    def recover(self, session_id: str) -> Obj:
        """Let the reader come back through an expired session's recovery link. Returns the new session."""
        with self.account.lock:
            return self._done(checkout.recover(self.account, session_id))

    def fail_payout(self, payout_id: str, code: str = "account_closed") -> Obj:
        """Let the bank send a payout back (see ``payouts.fail``). Returns it."""
        with self.account.lock:
            payout = self.account.find("payout", payout_id)
            return self._done(payouts.fail(self.account, payout, code=code))

    # The dashboard

    def settings(self) -> Obj:
        """How the account is set up (see ``settings.KNOWN``)."""
        with self.account.lock:
            return {group: copied(settings.of(self.account, group)) for group in settings.KNOWN}

    def change_settings(self, **groups: Obj) -> Obj:
        """Change some settings: ``change_settings(payouts={"interval": "daily"})``. Returns all of them."""
        with self.account.lock:
            return self._done(settings.apply(self.account, groups))

    # The clock

    def clock(self) -> Obj:
        """The sandbox's time, and how many seconds it is ahead of the system's."""
        offset = self.account.offset  # without the lock: who asks for the time shall not wait for a long move
        now = datetime.fromtimestamp(self.account.system_time() + offset, UTC)
        return {"now": now.isoformat(), "offset_seconds": offset}

    def advance(self, by: timedelta) -> Obj:
        """Move the clock forward by this much, playing what is due in between. Returns the clock."""
        with self.account.lock:
            return self._move(self.account.system_time() + self.account.offset + by.total_seconds())

    def set_clock(self, to: datetime) -> Obj:
        """Move the clock forward to an aware moment. Raises 400 if that has passed. Returns the clock."""
        with self.account.lock:
            return self._move(to.timestamp())

    def _move(self, to: float) -> Obj:
        """Move month by month, so that a long way does not pile up events that nobody can fetch any more."""
        here = self.account.system_time() + self.account.offset
        while to - here > events.KEPT_FOR:
            here += events.KEPT_FOR
            agenda.move(self.account, here)
            events.forget(self.account)
        agenda.move(self.account, to)
        events.forget(self.account)
        return self.clock()

    def later(self, when: datetime, call: str, **body: Any) -> Obj:
        """
        Have one of the script's calls made at a moment of the sandbox's clock: ``later(when, "charges/ch_1/dispute",
        reason="duplicate")``. Returns what was planned. Raises 400 for a call that cannot be planned or is said wrong,
        and for a moment that has passed.
        """
        with self.account.lock:
            return later.plan(self.account, int(when.timestamp()), call, body)

    def planned(self) -> Obj:
        """The calls that were planned, in the order of planning, and what became of them."""
        with self.account.lock:
            return {"data": copied(later.planned(self.account))}

    # The post

    def deliver(self, mode: str, seed: int | None = None, **how: float) -> Obj:
        """
        Deliver webhooks "normal", "shuffle"d (drawn by ``seed``), "duplicate"d, later ("hold") or never ("drop"); in
        "chaos", of which ``how`` says how bad it is (see ``chaos.Chaos``); or not even owe them, because the
        built-in listener is "disabled".
        """
        with self.account.lock:
            trouble = chaos.Chaos(seed=seed or 0, **how).check() if mode == "chaos" else None  # type: ignore[arg-type]
            if how and trouble is None:
                raise invalid("Only chaos is described by numbers.", param=next(iter(how)))
            self.listening.set_mode(mode, seed)
            self.account.chaos = trouble
            self.account.deaf = mode == "disabled"
            return {"mode": mode, **(asdict(trouble) if trouble else {})}

    def resend(self, event_id: str) -> Obj:
        """Send an event's webhooks once more, as from the dashboard. Returns to how many endpoints."""
        with self.account.lock:
            return {"endpoints": webhooks.resend(self.account, self.account.find("event", event_id))}

    def deliveries(self) -> Obj:
        """All deliveries of webhooks: event, type, endpoint, status, tries, and when the next try is due."""
        with self.account.lock:
            return {"mode": self.listening.mode, "data": copied(self.account.deliveries)}

    def waiting(self) -> Obj:
        """How many deliveries are still owed, and how many would go out now: cheap to ask again and again."""
        with self.account.lock:
            owed = self.account.waiting.values()
            return {"waiting": len(owed), "due": sum(webhooks.is_due(self.account, row) for row in owed)}

    # The network

    def fault(self, call: str, kind: str, times: int | None = None, **how: Any) -> Obj:
        """Let the next ``times`` calls that match fail in a certain way, or a share of them (see ``faults``)."""
        return asdict(self.faults.plan(call, kind, times, **how))

    def waiting_faults(self) -> Obj:
        """The faults that still wait for a call."""
        return {"data": self.faults.waiting()}

    def clear_faults(self) -> Obj:
        """Forget the faults that still wait."""
        self.faults.clear()
        return self.waiting_faults()

    # The whole

    def books(self) -> Obj:
        """See ``books.books``."""
        with self.account.lock:
            agenda.play(self.account)
            return books.books(self.account)

    def statement(self) -> Obj:
        """See ``books.statement``."""
        with self.account.lock:
            agenda.play(self.account)
            return books.statement(self.account)

    def reset(self) -> Obj:
        """Forget everything, the clock included, and go back to the settings of the start."""
        with self.account.lock:
            self.account.empty()
            settings.apply(self.account, self.initial)
            self.listening.set_mode("normal")
            self.faults.clear()
            return self.clock()


def move_clock(controls: Controls, *, advance: str | None = None, to: str | None = None) -> Obj:
    """Move the clock by words: ``advance`` ("31 days", "1 year") or ``to`` (ISO time, UTC unless it says)."""
    if (advance is None) == (to is None):
        raise invalid("Say either how far to advance the clock or where to move it to.", param="advance")
    if to is not None:
        return controls.set_clock(spans.moment(to, param="to"))
    return controls.advance(spans.span(str(advance), since=controls.account.now(), param="advance"))
