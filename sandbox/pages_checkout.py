"""
The pages on which a reader pays: a Checkout Session, an invoice, a challenge by the bank, a receipt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from sandbox import cards, checkout, collection, contents, methods, payments
from sandbox.account import Account, Obj
from sandbox.errors import StripeError
from sandbox.rendering import go, message, page

if TYPE_CHECKING:
    from sandbox.server import Sandbox

ANSWERS = {"complete": "pass", "fail": "fail"}
"""What the challenge's buttons mean to the bank."""

NEEDS_CHALLENGE = "authentication_required"


def typed(request: Request, *, email: str | None = None) -> Obj:
    """
    What stands in a form that takes a card: as typed so far, or with the test card that was pressed. An ``email``
    that is known already wins over what was typed.
    """
    given = request.form
    return {
        "card": given.get("fill") or given.get("card", ""),
        "email": email or given.get("email", "").strip(),
        "name": given.get("name", "").strip(),
        "method": given.get("method", "card"),
        "account": given.get("account", ""),
        "error": None,
    }


def missing(form: Obj) -> str | None:
    """What a reader has forgotten to fill in, as a sentence."""
    if not form["email"]:
        return "Please enter your e-mail address."
    if "@" not in form["email"]:
        return "Please check your e-mail address: it has no @."
    return None if form["method"] == "bank" else missing_card(form)


def missing_card(form: Obj) -> str | None:
    """The same for a form with nothing but a card."""
    return None if form["card"].strip() else "Please enter a card number, or press one of the test cards."


def ask(form: Obj, total: str | None) -> Response:
    """The bank's question whether it is really the reader; what was typed is kept in the form."""
    kept = {key: value for key, value in form.items() if key != "error"}
    return page("challenge.html", form=kept, page={"last4": cards.number(form["card"])[-4:], "total": total})


# A Checkout Session


def checkout_page(sandbox: Sandbox, request: Request, id: str) -> Response:
    """The page of a session: it takes a payment, or a card to keep, and leads on to the application."""
    account = sandbox.account
    session = account.find("checkout.session", id)
    if session["status"] != "open":
        return _closed(session)
    form = typed(request, email=contents.known_email(account, session))
    does = request.form.get("do")
    if does not in ("pay", *ANSWERS):
        return _checkout_form(account, session, form)
    if problem := missing(form):
        return _checkout_form(account, session, form | {"error": problem}, status=400)
    by_bank = form["method"] == "bank"
    try:
        checkout.pay(
            account,
            id,
            card=form["account"] if by_bank else form["card"],
            email=form["email"],
            name=form["name"] or None,
            method="bank_debit" if by_bank else "card",
            three_d_secure=ANSWERS.get(does),
        )
    except StripeError as error:
        if error.code == NEEDS_CHALLENGE:
            return ask(form, contents.checkout(account, session)["total"])
        return _checkout_form(account, session, form | {"error": error.message}, status=error.status)
    return go(_onward(session) or request.url)


def _checkout_form(account: Account, session: Obj, form: Obj, status: int = 200) -> Response:
    shown = contents.checkout(account, session)
    return page("checkout.html", status, page=shown, form=form, cards=contents.test_cards())


def _onward(session: Obj) -> str | None:
    """Where the application wants its reader afterwards."""
    url: str | None = session["success_url"] or session.get("return_url")
    return url and url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _closed(session: Obj) -> Response:
    if session["status"] == "complete":
        onward = _onward(session)
        link = {"url": onward, "text": "Continue"} if onward else None
        return message("All done here", "This checkout is complete. You need not do it again.", link=link)
    recovery = (session["after_expiration"] or {}).get("recovery") or {}
    link = {"url": recovery["url"], "text": "Start again"} if recovery.get("url") else None
    if not link and session["cancel_url"]:
        link = {"url": session["cancel_url"], "text": "Go back"}
    return message("This page has expired", "Nothing was charged.", status=410, link=link)


def recover(sandbox: Sandbox, request: Request, id: str) -> Response:
    """The link in a reminder about an expired session: a new one like it, each time that it is followed."""
    return go(checkout.recover(sandbox.account, id)["url"])


# An invoice


def invoice_page(sandbox: Sandbox, request: Request, id: str) -> Response:
    """The page of an invoice; while it is open it can be paid with another card."""
    account = sandbox.account
    invoice = account.find("invoice", id)
    if invoice["status"] not in ("open", "uncollectible"):
        return page("receipt.html", page=contents.invoice(invoice))
    form = typed(request, email=invoice["customer_email"])
    does = request.form.get("do")
    if does not in ("pay", *ANSWERS):
        return _invoice_form(account, invoice, form)
    if problem := missing_card(form):
        return _invoice_form(account, invoice, form | {"error": problem}, status=400)
    method = methods.new_card(account, form["card"], email=form["email"], name=form["name"] or None)
    challenge = ANSWERS.get(does)
    error = collection.collect(
        account, invoice, method=method, counts=False, on_session=True, challenge=challenge
    )
    if error and error.code == NEEDS_CHALLENGE:
        return ask(form, contents.invoice(invoice)["total"])
    if error:
        return _invoice_form(account, invoice, form | {"error": error.message}, status=error.status)
    methods.attach(account, method, invoice["customer"])
    return go(request.path)


def _invoice_form(account: Account, invoice: Obj, form: Obj, status: int = 200) -> Response:
    shown = contents.invoice_to_pay(invoice)
    return page("checkout.html", status, page=shown, form=form, cards=contents.test_cards())


def receipt(sandbox: Sandbox, request: Request, id: str) -> Response:
    """What was paid with a charge, for the reader's files."""
    return page("receipt.html", page=contents.receipt(sandbox.account.find("charge", id)))


# A challenge outside of a checkout


def challenge_page(sandbox: Sandbox, request: Request, id: str) -> Response:
    """The bank's question about an intent that a program confirmed, or that pays an invoice."""
    account = sandbox.account
    intent = account.find("setup_intent" if id.startswith("seti_") else "payment_intent", id)
    if intent["status"] != "requires_action":
        return message("Nothing to confirm", "The bank has no question about this payment.")
    method = account.find("payment_method", intent["payment_method"])
    answer = ANSWERS.get(request.form.get("do", ""))
    if answer is None:
        shown = {"last4": method["card"]["last4"], "total": contents.total(intent)}
        return page("challenge.html", form={}, page=shown)
    _answer_bank(account, intent, method, answer)
    invoice = account.objects.get(account.secret(id).get("invoice", ""))
    link = {"url": invoice["hosted_invoice_url"], "text": "See the invoice"} if invoice else None
    if intent["status"] == "succeeded":
        return message("Confirmed", "Thank you. You can close this page.", link=link)
    problem: Obj = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    return message("Not confirmed", problem.get("message", "The bank said no."), status=402, link=link)


def _answer_bank(account: Account, intent: Obj, method: Obj, answer: str) -> None:
    invoice = account.objects.get(account.secret(intent["id"]).get("invoice", ""))
    if intent["object"] == "setup_intent":
        methods.save(account, intent, method, customer=intent["customer"], challenge=answer)
    elif invoice:
        collection.collect(account, invoice, method=method, counts=False, on_session=True, challenge=answer)
    else:
        payments.attempt(account, intent, method, challenge=answer)
