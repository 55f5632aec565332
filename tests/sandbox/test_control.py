"""
What a script can do with the sandbox over HTTP, and how it keeps its state.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from sandbox.__main__ import arguments, main, serve
from sandbox.errors import StripeError
from sandbox.server import Running, Sandbox
from tests.sandbox.conftest import KEY, Checked
from tests.sandbox.gifts import once, regularly


class Script:
    """JSON in, JSON out."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        return self._json(requests.get(f"{self.url}/_sandbox/{path}", timeout=10))

    def post(self, path: str, **body: Any) -> Any:
        return self._json(requests.post(f"{self.url}/_sandbox/{path}", json=body, timeout=10))

    def status(self, path: str, **body: Any) -> int:
        return requests.post(f"{self.url}/_sandbox/{path}", json=body, timeout=10).status_code

    @staticmethod
    def _json(answer: requests.Response) -> Any:
        return {"status": answer.status_code, **answer.json()} if answer.status_code != 200 else answer.json()


@pytest.fixture
def script(running: Running, sandbox: Checked) -> Script:
    return Script(running.url)


def test_a_script_pays_as_a_reader_would(
    script: Script, client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = once(client)
    declined = script.post(f"sessions/{session.id}/pay", card="4000 0000 0000 9995")
    assert (declined["status"], declined["error"]["decline_code"]) == (402, "insufficient_funds")

    paid = script.post(f"sessions/{session.id}/pay", card="4242 4242 4242 4242", email="ada@example.org")

    assert paid["payment_status"] == "paid"
    assert script.get("books")["EUR"]["charges"] == {"count": 1, "amount": 1500}
    again = script.post(f"sessions/{session.id}/pay")
    assert (again["status"], again["error"]["code"]) == (400, "checkout_session_not_open")
    assert script.status("sessions/cs_test_unknown/pay") == 404


def test_a_script_moves_the_clock_forward_only(script: Script, sandbox: Checked) -> None:
    before = datetime.fromisoformat(script.get("clock")["now"])

    after = script.post("clock", advance="31 days")

    assert timedelta(days=31) <= datetime.fromisoformat(after["now"]) - before < timedelta(days=31, minutes=1)
    assert after["offset_seconds"] == pytest.approx(31 * 86400, abs=1)
    to = datetime.fromisoformat(after["now"]) + timedelta(hours=5)
    assert script.post("clock", to=to.isoformat())["now"][:19] == to.isoformat()[:19]
    assert script.post("clock", to="2027-06-01T00:00:00Z")["now"][:10] == "2027-06-01"
    assert script.post("clock", advance="1 month")["now"][:10] == "2027-07-01"
    assert script.post("clock", advance="1 year")["now"][:10] == "2028-07-01"
    assert script.post("clock", to="2028-07-02")["now"][:10] == "2028-07-02"
    for body in (
        {"to": "2020-01-01T00:00:00Z"},
        {"to": "soon"},
        {"advance": "a while"},
        {"advance": "-1 day"},
        {"advance": 5},
        {},
        {"advance": "1 day", "to": "2030-01-01"},
        {"advance": "1 day", "by": "me"},
    ):
        assert script.status("clock", **body) == 400


def test_a_script_is_the_bank(script: Script, client: stripe.StripeClient, sandbox: Checked) -> None:
    for fate, paid in (("settle", "paid"), ("fail", "unpaid")):
        session = once(client)
        script.post(f"sessions/{session.id}/pay", method="bank_debit")
        intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
        script.post(f"payments/{intent}/{fate}")
        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == paid
        assert script.status(f"payments/{intent}/{fate}") == 400
    debited = client.v1.charges.list().data[1].id
    assert script.status(f"charges/{debited}/dispute") == 400, "banks dispute cards here"
    sandbox.pay(once(client).id)
    charge = client.v1.charges.list().data[0].id

    assert script.post(f"charges/{charge}/refund", amount=200)["amount"] == 200
    dispute = script.post(f"charges/{charge}/dispute", reason="duplicate")
    assert dispute["amount"] == 1300
    assert script.status(f"disputes/{dispute['id']}/close") == 400
    assert script.post(f"disputes/{dispute['id']}/close", status="lost")["status"] == "lost"


def test_a_script_changes_the_card_that_pays_renewals(
    script: Script, client: stripe.StripeClient, sandbox: Checked
) -> None:
    subscription = sandbox.pay(regularly(client).id)["subscription"]
    changed = script.post(f"subscriptions/{subscription}/card", card="4000000000000341")
    method = client.v1.payment_methods.retrieve(changed["default_payment_method"])
    assert method.card.last4 == "0341"
    script.post("clock", advance="32 days")
    invoice = client.v1.invoices.list({"status": "open"}).data[0].id
    assert script.post(f"invoices/{invoice}/pay", card="4000000000000002")["status"] == 402
    assert script.post(f"invoices/{invoice}/pay", card="4242424242424242")["status"] == "paid"
    assert script.status(f"invoices/{invoice}/pay", card="4242424242424242") == 400


def test_a_script_expires_recovers_and_resets(
    script: Script, client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = once(client, after_expiration={"recovery": {"enabled": True}})
    assert script.post(f"sessions/{session.id}/expire")["status"] == "expired"
    assert script.post(f"sessions/{session.id}/recover")["recovered_from"] == session.id
    script.post("webhooks", mode="hold")
    assert script.get("deliveries")["mode"] == "hold"

    assert abs(script.post("reset")["offset_seconds"]) < 1

    assert client.v1.checkout.sessions.list().data == []
    assert script.get("books") == {}
    assert script.get("deliveries") == {"mode": "normal", "data": []}


def test_a_script_that_mumbles_is_told_so(script: Script, running: Running, sandbox: Checked) -> None:
    address = f"{running.url}/_sandbox/clock"
    assert requests.post(address, data="{", timeout=5).status_code == 400
    assert requests.post(address, data="[]", timeout=5).status_code == 400
    assert requests.post(f"{running.url}/_sandbox/unheard_of", timeout=5).status_code == 404
    assert requests.put(address, timeout=5).status_code == 405
    assert script.status("faults", call="POST /v1/*", kind="earthquake") == 400
    assert script.status("faults", call="POST /v1/*", kind="hang_up", times=0) == 400
    assert script.status("webhooks", mode="normal", seed=True) == 400


def test_a_fault_asked_for_by_a_script_happens(
    script: Script, client: stripe.StripeClient, sandbox: Checked
) -> None:
    script.post("faults", call="GET /v1/customers", kind="server_error")
    with pytest.raises(stripe.APIError):
        client.v1.customers.list()
    assert client.v1.customers.list().data == []


@pytest.mark.parametrize(
    "how",
    [
        {"method": "cash"},
        {"three_d_secure": "perhaps"},
        {"method": "bank_debit", "currency": "jpy"},
        {"method": "bank_debit", "allowed_payment_method_types": ["card"]},
        {"allowed_payment_method_types": ["sepa_debit"]},
    ],
)
def test_a_page_takes_only_what_the_session_allows(
    client: stripe.StripeClient, sandbox: Checked, how: dict[str, Any]
) -> None:
    wish = {key: how.pop(key) for key in ("currency", "allowed_payment_method_types") if key in how}
    session = once(client, **wish)
    with pytest.raises(StripeError) as refused:
        sandbox.pay(session.id, **how)
    assert refused.value.status == 400
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_fresh_account_costs_next_to_nothing() -> None:
    assert all(Sandbox().books() == {} for _ in range(200))


def test_what_is_kept_in_a_file_is_there_after_a_restart(tmp_path: Path, running: Running) -> None:
    file = tmp_path / "sandbox.json"
    first = running.use(Sandbox(state=file))
    client = stripe.StripeClient(KEY, base_addresses={"api": running.url})
    subscription = first.pay(regularly(client).id)["subscription"]
    open_session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://news.example.org",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "eur",
                        "unit_amount": 1500,
                        "product_data": {"name": "Contribution"},
                    },
                }
            ],
        },
        {"idempotency_key": "gift-7"},
    )
    first.advance(timedelta(hours=3))
    assert first.archive is not None
    first.archive.start()
    first.archive.stop()
    assert first.archive.save() is False, "nothing changed since"

    second = running.use(Sandbox(state=file))

    assert second.books() == first.books()
    assert second.clock()["offset_seconds"] == pytest.approx(3 * 3600, abs=1)
    assert client.v1.subscriptions.retrieve(subscription).status == "active"
    assert second.pay(open_session.id)["payment_status"] == "paid"
    second.advance(timedelta(days=32))
    assert second.books()["EUR"]["charges"] == {"count": 3, "amount": 3500}


EVERYWHERE = "0.0.0.0"  # noqa: S104 - the point of the test


def test_it_listens_to_strangers_only_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--host", EVERYWHERE])
    assert "--listen-anywhere" in capsys.readouterr().err
    assert arguments(["--host", EVERYWHERE, "--listen-anywhere"]).host == EVERYWHERE
    assert arguments(["--host", "localhost"]).port == 12111
    with pytest.raises(SystemExit):
        arguments(["--host", "news.example.org"])


def test_it_serves_until_told_to_stop_and_then_writes_its_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    over = threading.Event()
    over.set()
    state = tmp_path / "state.json"

    serve(arguments(["--port", "0", "--settle-in", "usd, eur", "--state", str(state)]), over)

    assert capsys.readouterr().out.startswith("Sandbox listening on http://127.0.0.1:")
    assert state.exists()


def test_a_file_that_is_no_account_stops_the_start_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *about: None)
    state = tmp_path / "state.json"
    for text in ("{", "[]", "{}"):
        state.write_text(text)
        assert main(["--port", "0", "--state", str(state)]) == 1
        assert "move it away" in capsys.readouterr().err


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--settle-in", "usd, eur"]
    command += ["--state", str(tmp_path / "state.json"), "--webhook-url", "http://127.0.0.1:9/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().rsplit(" ", 1)[-1]
        client = stripe.StripeClient(KEY, base_addresses={"api": url})
        client.v1.customers.create({"email": "ada@example.org"})
        process.terminate()
        assert process.wait(20) == 0
    assert "ada@example.org" in (tmp_path / "state.json").read_text()
