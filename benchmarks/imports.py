"""
Moving in: how long an import of a whole account takes, killed on the way and called again.

`python -m benchmarks.imports --subscriptions 10000` fills an offline Stripe as another program would, lets a month
pass, imports, kills the process some times, and compares the two sets of books. It takes minutes, most of them for the
filling, and is no part of `make bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import stripe  # noqa: TID251  # it plays another program

from benchmarks import place, servers

KILLED_AFTER = (0.15, 0.4, 0.7)  # of the subscriptions


def main() -> int:
    """Exit status 0 if the books agree."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.imports", description=str(__doc__).strip().split("\n")[0]
    )
    parser.add_argument("--subscriptions", type=int, default=1000, help="how many (%(default)s)")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch,
        place.prepared(Path(scratch) / "data") as here,
        servers.offline_stripe(here.environment, Path(scratch) / "stripe.log") as url,
    ):
        return _measure(here, url, given.subscriptions)


def _measure(here: place.Place, url: str, wanted: int) -> int:
    began = time.monotonic()
    _fill(url, wanted)
    _control(url, "clock", {"advance": "33 days"})
    print(f"filled with {wanted} subscriptions and a renewal of each in {time.monotonic() - began:.0f} s")
    environment = {**here.environment, "STRIPE_API_BASE": url, "LOG_LEVEL": "WARNING"}
    spent, kills = 0.0, 0
    for share in (*KILLED_AFTER, None):
        began = time.monotonic()
        kills += _import(environment, here, None if share is None else int(share * wanted))
        spent += time.monotonic() - began
    again = time.monotonic()
    _import(environment, here, None)
    again = time.monotonic() - again
    ours = json.loads(_manage(environment, "books", "--json"))
    theirs = _control(url, "books")
    mails = _count(here, "SELECT count(*) FROM members_message")
    payments = _count(here, "SELECT count(*) FROM donations_payment")
    print(
        f"imported in {spent:.0f} s, killed {kills} times: {payments} payments, {payments / spent:.0f} a second"
    )
    print(f"imported once more in {again:.0f} s; mails owed: {mails}")
    print(json.dumps(ours, indent=1, sort_keys=True))
    print("the books agree" if ours == theirs else f"the books differ: {json.dumps(theirs)}")
    return int(ours != theirs or mails > 0)


def _fill(url: str, wanted: int) -> None:
    client = stripe.StripeClient("sk_test_other", base_addresses={"api": url})
    product = client.v1.products.create({"name": "Support for the paper"}).id

    def one(number: int) -> None:
        customer = client.v1.customers.create(
            {
                "email": f"reader{number}@example.org",
                "name": "Sample Reader",
                "payment_method": "pm_card_visa",
            }
        ).id
        [card] = client.v1.payment_methods.list({"customer": customer}).data
        price: Any = {
            "currency": "usd",
            "product": product,
            "recurring": {"interval": "month"},
            "unit_amount": 300 + number % 2000,
        }
        client.v1.subscriptions.create(
            {"customer": customer, "items": [{"price_data": price}], "default_payment_method": card.id}
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(wanted)))


def _import(environment: dict[str, str], here: place.Place, kill_at: int | None) -> bool:
    """Run the command; with `kill_at`, kill it as soon as it has taken so many. Whether it was killed."""
    command = [sys.executable, "manage.py", "import_stripe", "--campaign", "support-us"]
    process = subprocess.Popen(command, cwd=place.ROOT, env=environment, stdout=subprocess.DEVNULL)
    while kill_at is not None and process.poll() is None:
        if _count(here, "SELECT count(*) FROM donations_subscription") >= kill_at:
            process.kill()
            process.wait()
            return True
        time.sleep(0.1)
    if process.wait():
        raise SystemExit("The import failed; the error stands above.")
    return False


def _count(here: place.Place, question: str) -> int:
    import psycopg

    with psycopg.connect(here.database_url) as link:
        [row] = link.execute(question.encode()).fetchall()
        return int(row[0])


def _manage(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=place.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _control(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{url}/_sandbox/{path}", data, timeout=900) as answer:  # noqa: S310
        return json.loads(answer.read())


if __name__ == "__main__":
    os.chdir(place.ROOT)
    sys.exit(main())
