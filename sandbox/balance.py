"""
The account's balance: what each movement of money brought, cost and left, and when it can be paid out.

What the movements come to is in ``books``; how they leave for the bank is in ``payouts``.
"""

from __future__ import annotations

from sandbox import money, settings
from sandbox.account import Account, Obj
from sandbox.agenda import DAY, does
from sandbox.errors import invalid
from sandbox.params import CREATED, PAGE, Text
from sandbox.routes import get
from sandbox.wire import page, within

FEES = {
    "charge": "Stripe processing fees",
    "dispute": "Dispute fee",
    "dispute_reversal": "Dispute fee refund",
}
"""How a fee is called, by the reporting category of its movement."""


def settlement_currency(account: Account, currency: str) -> str:
    """
    The currency in which the account receives money paid in ``currency``: the same, unless told otherwise.
    """
    if not account.settle_in or currency in account.settle_in:
        return currency
    return account.settle_in[0]


def book(
    account: Account,
    source: Obj,
    *,
    type: str,
    category: str,
    amount: int,
    currency: str,
    fee: int = 0,
    at_once: bool = False,
) -> Obj:
    """
    Write one movement into the balance and return it. ``amount`` is in minor units of the presentment
    currency (negative for money that leaves); ``fee`` is already in the settlement currency.
    """
    settled_in = settlement_currency(account, currency)
    settled = money.converted(amount, currency, settled_in)
    now = account.now()
    available_on = now if at_once else available_after(account, now)
    at_once = available_on <= now
    row: Obj = {
        "id": account.new_id("balance_transaction"),
        "object": "balance_transaction",
        "amount": settled,
        "available_on": available_on,
        "balance_type": "payments",
        "created": now,
        "currency": settled_in,
        "description": source.get("description"),
        "exchange_rate": None if currency == settled_in else float(money.rate(currency, settled_in)),
        "fee": fee,
        "fee_details": [],
        "net": settled - fee,
        "reporting_category": category,
        "source": source["id"],
        "status": "available" if at_once else "pending",
        "type": type,
    }
    if fee:
        row["fee_details"].append(
            {
                "amount": fee,
                "application": None,
                "currency": settled_in,
                "description": FEES[category],
                "type": "stripe_fee",
            }
        )
    if not at_once:
        account.plan(available_on, "balance.available", row["id"])
    not_paid_out(account).append(row["id"])
    return account.keep(row)


def available_after(account: Account, moment: int) -> int:
    """When money that comes at this moment can be paid out: days later, as the account is set, at midnight UTC."""
    days: int = settings.of(account, "payouts")["delay_days"]
    return max((moment + days * DAY) // DAY * DAY, moment)


@does("balance.available")
def _make_available(account: Account, id: str) -> None:
    account.objects[id]["status"] = "available"


def not_paid_out(account: Account) -> list[str]:
    """
    The ids of the movements that no automatic payout has taken along yet, oldest first. Changes are kept.
    """
    waiting: list[str] = account.secret("balance").setdefault("waiting", [])
    return waiting


@get(
    "/v1/balance_transactions",
    {**PAGE, "type": Text(), "source": Text(), "currency": Text(), "payout": Text(), "created": CREATED},
)
def list_transactions(account: Account, given: Obj) -> Obj:
    """
    Movements, newest first, by type, source, currency and payout. An automatic payout lists all that it took along
    and its own movement; which money a manual one took nobody can say, so asking raises 400.
    """
    payout = given.get("payout")
    if payout and not account.find("payout", payout, param="payout")["automatic"]:
        raise invalid(
            "Only automatic payouts know their balance transactions, not manual ones.", param="payout"
        )
    found = [
        row
        for row in account.all("balance_transaction")
        if all(given.get(key) in (None, row[key]) for key in ("type", "source", "currency"))
        and within(row["created"], given.get("created"))
        and payout in (None, account.hidden.get(row["id"], {}).get("payout"))
    ]
    return page(found, given, "/v1/balance_transactions")


@get("/v1/balance_transactions/<id>")
def retrieve_transaction(account: Account, given: Obj, id: str) -> Obj:
    """One movement."""
    return account.find("balance_transaction", id)


@get("/v1/balance")
def retrieve_balance(account: Account, given: Obj) -> Obj:
    """What lies in the account now, per settlement currency: available to be paid out, and pending."""
    return current(account)


def current(account: Account) -> Obj:
    """The balance as Stripe answers it; a currency that ever moved is listed even when nothing is left."""
    sums: dict[str, dict[str, int]] = {}
    for row in account.all("balance_transaction"):
        by_status = sums.setdefault(row["currency"], {"available": 0, "pending": 0})
        by_status[row["status"]] += row["net"]
    return {
        "object": "balance",
        "livemode": False,
        **{
            status: [
                {"amount": total[status], "currency": currency, "source_types": {"card": total[status]}}
                for currency, total in sorted(sums.items())
            ]
            for status in ("available", "pending")
        },
    }
