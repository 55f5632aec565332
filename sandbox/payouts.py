"""
Payouts: how the available balance goes to the bank, by itself on a schedule or when a program asks for it.

An automatic payout takes along every movement of its currency that is available and that none took before, also
those that cost money. While these come to nothing or less, nothing is paid out and they wait for the next one.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

from sandbox import balance, money, settings
from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.agenda import HOUR, does
from sandbox.errors import invalid
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Metadata, OneOf, Text, Whole
from sandbox.routes import get, post
from sandbox.wire import page, within

SENT_AFTER = 3 * HOUR
"""How long after it was made a payout is handed to the bank and says what it is made of, in seconds."""

FAILURES = {
    "account_closed": "The bank account has been closed.",
    "account_frozen": "The bank account has been frozen.",
    "bank_account_restricted": "The bank account does not take this kind of payment.",
    "could_not_process": "The bank could not process this payout.",
    "declined": "The bank declined this payout.",
    "invalid_account_number": "The bank account number is not valid.",
    "no_account": "The bank account could not be found.",
}
"""Why a bank sends a payout back: some of Stripe's codes, each with its sentence."""

STATUSES = ("canceled", "failed", "in_transit", "paid", "pending")


# The schedule


def next_run(account: Account) -> int | None:
    """The next midnight UTC, after now, at which a payout is due; none if payouts are manual."""
    wish = settings.of(account, "payouts")
    if wish["interval"] == "manual":
        return None
    day = datetime.fromtimestamp(account.now(), UTC).date() + timedelta(days=1)
    while not _is_payday(day, wish):
        day += timedelta(days=1)
    return _midnight(day)


def _is_payday(day: date, wish: Obj) -> bool:
    if wish["interval"] == "weekly":
        return day.weekday() == settings.WEEKDAYS.index(wish["weekly_anchor"])
    if wish["interval"] == "monthly":
        wanted: int = wish["monthly_anchor"]
        return day.day == min(wanted, calendar.monthrange(day.year, day.month)[1])
    return True


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def schedule(account: Account) -> None:
    """Plan the next automatic payout as the settings say now, and no other."""
    at = next_run(account)
    account.secret("payouts")["next"] = at
    if at is not None:
        account.plan(at, "payouts.run", "payouts")


settings.ON_CHANGE.append(schedule)


@does("payouts.run")
def _run(account: Account, id: str) -> None:
    if account.secret("payouts").get("next") != account.now():
        return  # the schedule was changed since
    for currency, rows in sorted(_available(account).items()):
        total = sum(row["net"] for row in rows)
        if total > 0:
            _pay_out(account, currency, total, rows)
    schedule(account)


def _available(account: Account) -> dict[str, list[Obj]]:
    """The movements that wait for a payout and are available by now, by currency."""
    found: dict[str, list[Obj]] = {}
    for id in balance.not_paid_out(account):
        row = account.objects[id]
        if row["available_on"] <= account.now():
            found.setdefault(row["currency"], []).append(row)
    return found


def _pay_out(account: Account, currency: str, total: int, rows: list[Obj]) -> None:
    payout = _make(account, currency, total, automatic=True)
    taken = {row["id"] for row in rows} | {payout["balance_transaction"]}
    for taken_id in taken:
        account.secret(taken_id)["payout"] = payout["id"]
    waiting = balance.not_paid_out(account)
    waiting[:] = [waiting_id for waiting_id in waiting if waiting_id not in taken]


# One payout


def _make(
    account: Account,
    currency: str,
    amount: int,
    *,
    automatic: bool,
    description: str | None = None,
    metadata: Obj | None = None,
    statement_descriptor: str | None = None,
) -> Obj:
    """A stored payout that is on its way, with its movement of the balance, both told."""
    now = account.now()
    payout: Obj = {
        "id": account.new_id("payout"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": arrival(now),
        "automatic": automatic,
        "balance_transaction": None,
        "created": now,
        "currency": currency,
        "description": description or ("STRIPE PAYOUT" if automatic else None),
        "destination": _bank_account(account, currency),
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": metadata or {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress" if automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": statement_descriptor,
        "status": "pending",
        "trace_id": None,
        "type": "bank_account",
    }
    row = _book(account, payout, -amount, type="payout")
    change(payout, balance_transaction=row["id"])
    account.keep(payout)
    tell(account, "payout.created", payout)
    account.plan(now + SENT_AFTER, "payout.send", payout["id"])
    account.plan(payout["arrival_date"], "payout.arrive", payout["id"])
    return payout


def arrival(made: int) -> int:
    """The midnight UTC at which a payout reaches the bank: the next day that is no Saturday and no Sunday."""
    day = datetime.fromtimestamp(made, UTC).date() + timedelta(days=1)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return _midnight(day)


def _bank_account(account: Account, currency: str) -> str:
    """The id of the account's bank account in a currency: always the same, and all that is known of it."""
    known: Obj = account.secret("payouts").setdefault("banks", {})
    found: str = known.setdefault(currency, account.new_id("bank_account"))
    return found


def _book(account: Account, payout: Obj, amount: int, *, type: str) -> Obj:
    """A movement between balance and bank, which is in force at once and waits for the next automatic payout."""
    return balance.book(
        account,
        payout,
        type=type,
        category="payout" if type == "payout" else "payout_reversal",
        amount=amount,
        currency=payout["currency"],
        at_once=True,
    )


@does("payout.send")
def _send(account: Account, id: str) -> None:
    payout = account.objects[id]
    if payout["automatic"] and payout["reconciliation_status"] == "in_progress":
        change(payout, reconciliation_status="completed")
        tell(account, "payout.reconciliation_completed", payout)
    if payout["status"] == "pending":
        tell_updated(account, "payout.updated", payout, change(payout, status="in_transit"))


@does("payout.arrive")
def _arrive(account: Account, id: str) -> None:
    payout = account.objects[id]
    if payout["status"] == "in_transit":
        change(payout, status="paid")
        tell(account, "payout.paid", payout)


def fail(account: Account, payout: Obj, *, code: str) -> Obj:
    """
    Let the bank send a payout back, even one that seemed paid: the money is in the balance again, and the next
    automatic payout takes it along. Raises 400 for one that is over, and for an unknown code.
    """
    if code not in FAILURES:
        raise invalid(f"Invalid code: must be one of {', '.join(FAILURES)}", param="code")
    if payout["status"] in ("failed", "canceled"):
        raise invalid(f"This payout is already {payout['status']}.")
    row = _book(account, payout, payout["amount"], type="payout_failure")
    change(
        payout,
        status="failed",
        failure_code=code,
        failure_message=FAILURES[code],
        failure_balance_transaction=row["id"],
    )
    tell(account, "payout.failed", payout)
    return payout


# The calls of a program


@post(
    "/v1/payouts",
    {
        "amount": Whole(1),
        "currency": Text(),
        "description": Text(),
        "metadata": Metadata(),
        "method": OneOf("standard"),
        "source_type": OneOf("card"),
        "statement_descriptor": Text(22),
    },
    needed=("amount", "currency"),
)
def create(account: Account, given: Obj) -> Obj:
    """A manual payout. Raises 400 ``balance_insufficient`` for more than is available."""
    currency = money.check_currency(given["currency"], param="currency")
    available = {row["currency"]: row["amount"] for row in balance.current(account)["available"]}
    if given["amount"] > available.get(currency, 0):
        message = "You have insufficient available funds in this currency for this payout."
        raise invalid(message, param="amount", code="balance_insufficient")
    return _make(
        account,
        currency,
        given["amount"],
        automatic=False,
        description=given.get("description"),
        metadata=given.get("metadata"),
        statement_descriptor=given.get("statement_descriptor"),
    )


@get(
    "/v1/payouts",
    {
        **PAGE,
        "arrival_date": CREATED,
        "created": CREATED,
        "destination": Text(),
        "status": OneOf(*STATUSES),
    },
)
def list_payouts(account: Account, given: Obj) -> Obj:
    """Payouts, newest first, by status, destination, and when they were made or arrive."""
    found = [
        payout
        for payout in account.all("payout")
        if all(given.get(key) in (None, payout[key]) for key in ("status", "destination"))
        and within(payout["created"], given.get("created"))
        and within(payout["arrival_date"], given.get("arrival_date"))
    ]
    return page(found, given, "/v1/payouts")


@get("/v1/payouts/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One payout."""
    return account.find("payout", id)


@post("/v1/payouts/<id>", {"metadata": Metadata()})
def update(account: Account, given: Obj, id: str) -> Obj:
    """Change a payout's metadata."""
    payout = account.find("payout", id)
    if "metadata" in given:
        previous = change(payout, metadata=merge_metadata(payout, given["metadata"]))
        tell_updated(account, "payout.updated", payout, previous)
    return payout


@post("/v1/payouts/<id>/cancel")
def cancel(account: Account, given: Obj, id: str) -> Obj:
    """Call a manual payout back that the bank does not have yet. Raises 400 for any other."""
    payout = account.find("payout", id)
    if payout["automatic"]:
        raise invalid("Automatic payouts cannot be canceled.")
    if payout["status"] != "pending":
        raise invalid(f"Only pending payouts can be canceled. This one is {payout['status']}.")
    row = _book(account, payout, payout["amount"], type="payout_cancel")
    change(payout, status="canceled", failure_balance_transaction=row["id"])
    tell(account, "payout.canceled", payout)
    return payout
