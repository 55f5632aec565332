"""
What the account's movements come to: the sums that a newsroom sets its own books beside.
"""

from __future__ import annotations

from sandbox.account import Account, Obj

BETWEEN_BALANCE_AND_BANK = ("payout", "payout_cancel", "payout_failure")
"""Types of movements that only carry money to the bank and back: no income, no cost."""


def books(account: Account) -> Obj:
    """
    The whole account by upper-case currency, in minor units: succeeded charges, refunds that have not failed
    and disputes that hold money, each by the currency they were presented in; fees and net by the currency of
    settlement, payouts aside; and the subscriptions that are active (not past due, not paused).
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

    for charge in account.all("charge"):
        if charge["status"] == "succeeded":
            _add(of(charge["currency"])["charges"], charge["amount"])
    for refund in account.all("refund"):
        if refund["status"] in ("succeeded", "pending"):
            _add(of(refund["currency"])["refunds"], refund["amount"])
    for dispute in account.all("dispute"):
        if account.secret(dispute["id"]).get("holds_money"):
            _add(of(dispute["currency"])["disputes"], dispute["amount"])
    for movement in account.all("balance_transaction"):
        if movement["type"] not in BETWEEN_BALANCE_AND_BANK:
            of(movement["currency"])["fees"] += movement["fee"]
            of(movement["currency"])["net"] += movement["net"]
    for subscription in account.all("subscription"):
        if subscription["status"] in ("active", "trialing") and not subscription["pause_collection"]:
            of(subscription["currency"])["active_subscriptions"] += 1
    return dict(sorted(table.items()))


def _add(row: Obj, amount: int) -> None:
    row["count"] += 1
    row["amount"] += amount


SUBSCRIPTION_STATES = (
    "active", "trialing", "past_due", "unpaid", "paused", "canceled", "incomplete", "incomplete_expired"
)  # fmt: skip


def statement(account: Account) -> Obj:
    """
    All that the account can say of itself, by upper-case currency, amounts in minor units.

    By the currency in which readers pay, with count and amount each:

    * ``gross``: charges that succeeded, whole, whatever became of them later;
    * ``refunds``: refunds that are in effect (``succeeded``, ``pending`` or ``requires_action``); ``failed_refunds``:
      those that ended ``failed`` or ``canceled``, whose money is back;
    * ``disputes``: disputes whose money is withdrawn now: undecided and lost ones, neither inquiries nor won ones.

    By the currency of settlement, from balance transactions, payouts aside:

    * ``fees``: processing and dispute fees, less fees that came back; ``net``: what was earned after all of them;
    * ``settled``: the amounts before fees that ``net`` consists of: ``gross`` (types charge, payment), ``refunds``
      (refunds less those that failed; zero or negative) and ``disputes`` (withdrawals less what was reinstated; zero
      or negative). So ``net`` is their sum less ``fees``;
    * ``payouts``: payouts pending, in transit or paid; ``failed_payouts``: failed or canceled ones. ``available`` and
      ``pending``: what still lies in the balance. So ``net`` is ``payouts``, ``available`` and ``pending`` together.

    ``subscriptions``: how many there are in each state. ``active`` are those that are collected; ``paused`` those
    with the status paused or a pause of collection, whatever their status is otherwise (unless they have ended).
    """
    table: dict[str, Obj] = {}

    def of(currency: str) -> Obj:
        return table.setdefault(currency.upper(), _empty())

    for charge in account.all("charge"):
        if charge["status"] == "succeeded":
            _add(of(charge["currency"])["gross"], charge["amount"])
    for refund in account.all("refund"):
        failed = refund["status"] in ("failed", "canceled")
        _add(of(refund["currency"])["failed_refunds" if failed else "refunds"], refund["amount"])
    for dispute in account.all("dispute"):
        if account.secret(dispute["id"]).get("holds_money"):
            _add(of(dispute["currency"])["disputes"], dispute["amount"])
    for movement in account.all("balance_transaction"):
        _add_movement(of(movement["currency"]), movement)
    for payout in account.all("payout"):
        failed = payout["status"] in ("failed", "canceled")
        _add(of(payout["currency"])["failed_payouts" if failed else "payouts"], payout["amount"])
    for subscription in account.all("subscription"):
        of(subscription["currency"])["subscriptions"][_state(subscription)] += 1
    return dict(sorted(table.items()))


def _empty() -> Obj:
    counted = ("gross", "refunds", "failed_refunds", "disputes", "payouts", "failed_payouts")
    return {
        **{cell: {"count": 0, "amount": 0} for cell in counted},
        **dict.fromkeys(("fees", "net", "available", "pending"), 0),
        "settled": {"gross": 0, "refunds": 0, "disputes": 0},
        "subscriptions": dict.fromkeys(SUBSCRIPTION_STATES, 0),
    }


SETTLED_AS = {
    "charge": "gross", "payment": "gross", "refund": "refunds", "payment_refund": "refunds",
    "refund_failure": "refunds", "adjustment": "disputes",
}  # fmt: skip
"""The types of movements that are earned or given back, and the cell that each belongs to."""


def _add_movement(row: Obj, movement: Obj) -> None:
    row[movement["status"]] += movement["net"]
    if movement["type"] in SETTLED_AS:
        row["settled"][SETTLED_AS[movement["type"]]] += movement["amount"]
        row["fees"] += movement["fee"]
        row["net"] += movement["net"]


def _state(subscription: Obj) -> str:
    """A subscription's status, with a pause of collection counted as paused."""
    status: str = subscription["status"]
    ended = status in ("canceled", "incomplete_expired")
    return "paused" if subscription["pause_collection"] and not ended else status
