"""
The billing portal: what a customer supports, how it is paid, and an end to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from sandbox import cards, collection, contents, invoices, methods, shapes, subscriptions
from sandbox.account import Account, Obj, change
from sandbox.checkout import setup_failure
from sandbox.errors import StripeError, invalid, missing
from sandbox.events import tell, tell_updated
from sandbox.pages_checkout import ANSWERS, NEEDS_CHALLENGE, ask, missing_card, typed
from sandbox.rendering import go, message, page

if TYPE_CHECKING:
    from sandbox.server import Sandbox

DONE = {
    "card": "Your card was changed.",
    "cancel": "Your subscription will end with the period that is paid for.",
    "undo_cancel": "Your subscription goes on.",
    "pay_invoice": "Thank you: the invoice is paid.",
}
"""What a page says after it was done."""


def portal(sandbox: Sandbox, request: Request, id: str) -> Response:
    """
    The portal of one session. One that was made for a single task (``flow_data``: another card, an end to a
    subscription) shows nothing else, and leads on from there.
    """
    account = sandbox.account
    session = account.find("billing_portal.session", id)
    task = session["flow"]["type"] if session["flow"] else None
    if task == "subscription_cancel":
        return _cancel(account, session, request)
    if task == "payment_method_update" or request.args.get("card") == "new":
        return _card(account, session, request, alone=task is not None)
    if request.method == "POST":
        return _act(account, session, request)
    done = DONE.get(request.args.get("done", ""))
    return _show(account, session, notice=done)


def _show(
    account: Account, session: Obj, *, status: int = 200, notice: str | None = None, error: str | None = None
) -> Response:
    return page("portal.html", status, page=contents.portal(account, session), notice=notice, error=error)


def _act(account: Account, session: Obj, request: Request) -> Response:
    does = request.form.get("do", "")
    try:
        if does in ("cancel", "undo_cancel"):
            subscription = _own(account, "subscription", request.form.get("subscription", ""), session)
            subscriptions.update(account, {"cancel_at_period_end": does == "cancel"}, subscription["id"])
        elif does == "pay_invoice":
            invoice = _own(account, "invoice", request.form.get("invoice", ""), session)
            if invoice["status"] != "open":
                return go(request.path)
            if error := collection.collect(account, invoice, counts=False, on_session=True):
                return _unpaid(account, session, invoice, error)
        else:
            raise invalid("The portal has no such button.")
    except StripeError as error:
        return _show(account, session, status=error.status, error=error.message)
    return go(f"{request.path}?done={does}")


def _own(account: Account, kind: str, id: str, session: Obj) -> Obj:
    """The customer's own subscription or invoice. Raises 404 for somebody else's, as for one that never was."""
    found = account.find(kind, id)
    if found["customer"] != session["customer"]:
        raise missing(kind, id)
    return found


def _unpaid(account: Account, session: Obj, invoice: Obj, error: StripeError) -> Response:
    """A decline is shown; a question by the bank has a page of its own."""
    payment = invoices.payment_of(account, invoice)
    if error.code == NEEDS_CHALLENGE and payment:
        intent = account.objects[payment["payment"]["payment_intent"]]
        return go(intent["next_action"]["redirect_to_url"]["url"])
    return _show(account, session, status=error.status, error=error.message)


def _card(account: Account, session: Obj, request: Request, *, alone: bool) -> Response:
    """The form for another card; ``alone`` if the session was made for nothing else."""
    customer = account.objects[session["customer"]]
    form = typed(request, email=customer["email"])
    does = request.form.get("do")
    if does not in ("save_card", *ANSWERS):
        return _card_form(account, session, form, alone=alone)
    if problem := missing_card(form):
        return _card_form(account, session, form | {"error": problem}, alone=alone, status=400)
    try:
        change_card(account, session, form["card"], challenge=ANSWERS.get(does))
    except StripeError as error:
        if error.code == NEEDS_CHALLENGE:
            return ask(form, None)
        return _card_form(account, session, form | {"error": error.message}, alone=alone, status=error.status)
    return _task_done(session, DONE["card"]) if alone else go(f"{request.path}?done=card")


def _card_form(account: Account, session: Obj, form: Obj, *, alone: bool, status: int = 200) -> Response:
    back = _back(session) if alone else {"url": "?", "text": "Go back"}
    shown = contents.portal(account, session)
    return page("portal_card.html", status, page=shown, form=form, back=back, cards=contents.test_cards())


def _cancel(account: Account, session: Obj, request: Request) -> Response:
    """The question whether a subscription is really to end, in a session made for that."""
    subscription = account.objects[session["flow"]["subscription_cancel"]["subscription"]]
    if request.form.get("do") == "cancel":
        subscriptions.update(account, {"cancel_at_period_end": True}, subscription["id"])
        return _task_done(session, DONE["cancel"])
    shown = contents.plan(account, subscription)
    if not shown["can_cancel"]:
        return message("Nothing to cancel", shown["next"], link=_back(session))
    return page("portal_cancel.html", plan=shown, back=_back(session))


def _task_done(session: Obj, notice: str) -> Response:
    """Where a session leads whose only task is done."""
    after = session["flow"]["after_completion"]
    if after["redirect"]:
        return go(after["redirect"]["return_url"])
    words = (after["hosted_confirmation"] or {}).get("custom_message") or notice
    return message("Done", words, link=_back(session))


def _back(session: Obj) -> Obj | None:
    url = session["return_url"]
    return {"url": url, "text": "Go back"} if url else None


def change_card(account: Account, session: Obj, card: str, *, challenge: str | None = None) -> Obj:
    """
    Save a card with the session's customer and make it the default, as Stripe's portal does: in the customer's
    invoice settings only, whatever its subscriptions say. Returns the payment method. Raises 402 for a card that
    cannot be saved, and ``authentication_required`` while the bank's question has no answer (``challenge``: "pass"
    or "fail").
    """
    customer = account.objects[session["customer"]]
    number = cards.number(card)
    hidden = account.secret(session["id"])
    if hidden.get("tried") != number:
        intent = account.keep(shapes.setup_intent(account, customer=customer["id"]))
        tell(account, "setup_intent.created", intent)
        method = methods.new_card(account, number, email=customer["email"], name=customer["name"])
        hidden |= {"tried": number, "intent": intent["id"], "method": method["id"]}
    intent, method = account.objects[hidden["intent"]], account.objects[hidden["method"]]
    status = methods.save(account, intent, method, customer=customer["id"], challenge=challenge)
    if status != "requires_action":
        del hidden["tried"]  # only an unanswered question is asked again with the same intent
    if status != "succeeded":
        raise setup_failure(intent)
    settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    tell_updated(account, "customer.updated", customer, change(customer, invoice_settings=settings))
    return method
