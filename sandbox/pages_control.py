"""
The control room: the clock, the books, and everything that a bank or the passing of time would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from werkzeug.wrappers import Request, Response

from sandbox import contents
from sandbox.control import Controls, move_clock
from sandbox.errors import StripeError, invalid
from sandbox.rendering import go, page

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Form: TypeAlias = Mapping[str, str]


def control(sandbox: Sandbox, request: Request) -> Response:
    """Show everything, or do what a button says and show it again."""
    if request.method != "POST":
        return _show(sandbox, notice=DONE.get(request.args.get("done", "")))
    does = request.form.get("do", "")
    try:
        if does not in ACTIONS:
            raise invalid("The control room has no such button.")
        ACTIONS[does](sandbox.controls, request.form)
    except StripeError as error:
        return _show(sandbox, status=error.status, error=error.message)
    return go(f"/?done={does}")


def _show(
    sandbox: Sandbox, *, status: int = 200, notice: str | None = None, error: str | None = None
) -> Response:
    return page("control.html", status, page=contents.control(sandbox.account), notice=notice, error=error)


def _move_clock(controls: Controls, form: Form) -> None:
    advance, to = form.get("advance"), form.get("to")
    if not advance and not to:
        raise invalid("Please choose a day and a time.", param="to")
    move_clock(controls, advance=advance, to=to)


def _refund(controls: Controls, form: Form) -> None:
    amount = form.get("amount", "")
    if not (amount.isascii() and amount.isdecimal() and int(amount)):
        raise invalid("Please enter the refund in whole minor units.", param="amount")
    controls.refund(form.get("charge", ""), int(amount))


ACTIONS: dict[str, Callable[[Controls, Form], object]] = {
    "clock": _move_clock,
    "expire": lambda controls, form: controls.expire(form.get("session", "")),
    "settle": lambda controls, form: controls.settle(form.get("payment", "")),
    "fail": lambda controls, form: controls.settle(form.get("payment", ""), paid=False),
    "refund": _refund,
    "dispute": lambda controls, form: controls.dispute(form.get("charge", "")),
    "win": lambda controls, form: controls.close_dispute(form.get("dispute", ""), "won"),
    "lose": lambda controls, form: controls.close_dispute(form.get("dispute", ""), "lost"),
}
"""What each button does, by the value of its ``do``."""

DONE = {
    "clock": "The clock was moved.",
    "expire": "The session has expired.",
    "settle": "The debit was paid.",
    "fail": "The debit came back unpaid.",
    "refund": "The refund is on its way.",
    "dispute": "The charge is disputed.",
    "win": "The dispute was won: the money is back.",
    "lose": "The dispute was lost.",
}
"""What the page says afterwards."""
