"""
The account's balance: what each movement of money brought, cost and left, and the sum of it all.
"""

from __future__ import annotations

from sandbox import money
from sandbox.account import Account, Obj
from sandbox.agenda import DAY, does
from sandbox.params import CREATED, PAGE, Text
from sandbox.routes import get
from sandbox.wire import page, within

AVAILABLE_AFTER = 2 * DAY
"""How long money is pending before it is available, in seconds."""


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
    row: Obj = {
        "id": account.new_id("balance_transaction"),
        "object": "balance_transaction",
        "amount": settled,
        "available_on": now if at_once else now + AVAILABLE_AFTER,
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
                "description": "Dispute fee" if category == "dispute" else "Stripe processing fees",
                "type": "stripe_fee",
            }
        )
    if not at_once:
        account.plan(row["available_on"], "balance.available", row["id"])
    return account.keep(row)


@does("balance.available")
def _make_available(account: Account, id: str) -> None:
    account.objects[id]["status"] = "available"


def books(account: Account) -> Obj:
    """
    The whole account by upper-case currency, in minor units: succeeded charges, refunds that have not failed
    and disputes that hold money, each by the currency they were presented in; fees and net by the currency of
    settlement; and the subscriptions that are active (not past due, not paused).
    """
    table: dict[str, Obj] = {}

    def of(currency: str) -> Obj:
        return table.setdefault(
            currency.upper(),
            {
                "charges": {"count": 0, "amount": 0},
                "fees": 0,
                "refunds": {"count": 0, "amount": 0},
                "disputes": {"count": 0, "amount": 0},
                "net": 0,
                "active_subscriptions": 0,
            },
        )

    def add(row: Obj, amount: int) -> None:
        row["count"] += 1
        row["amount"] += amount

    for charge in account.all("charge"):
        if charge["status"] == "succeeded":
            add(of(charge["currency"])["charges"], charge["amount"])
    for refund in account.all("refund"):
        if refund["status"] in ("succeeded", "pending"):
            add(of(refund["currency"])["refunds"], refund["amount"])
    for dispute in account.all("dispute"):
        if account.secret(dispute["id"]).get("holds_money"):
            add(of(dispute["currency"])["disputes"], dispute["amount"])
    for movement in account.all("balance_transaction"):
        of(movement["currency"])["fees"] += movement["fee"]
        of(movement["currency"])["net"] += movement["net"]
    for subscription in account.all("subscription"):
        if subscription["status"] == "active" and not subscription["pause_collection"]:
            of(subscription["currency"])["active_subscriptions"] += 1
    return dict(sorted(table.items()))


@get(
    "/v1/balance_transactions",
    {**PAGE, "type": Text(), "source": Text(), "currency": Text(), "payout": Text(), "created": CREATED},
)
def list_transactions(account: Account, given: Obj) -> Obj:
    """Movements, newest first, by type, source and currency. There are no payouts here, so none match one."""
    found = [
        row
        for row in account.all("balance_transaction")
        if all(given.get(key) in (None, row[key]) for key in ("type", "source", "currency"))
        and within(row["created"], given.get("created"))
        and not given.get("payout")
    ]
    return page(found, given, "/v1/balance_transactions")


@get("/v1/balance_transactions/<id>")
def retrieve_transaction(account: Account, given: Obj, id: str) -> Obj:
    """One movement."""
    return account.find("balance_transaction", id)
