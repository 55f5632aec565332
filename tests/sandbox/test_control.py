"""
What a script can do with the sandbox over HTTP, and how it keeps its state.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from sandbox import persist
from sandbox.__main__ import arguments, main, serve
from sandbox.errors import StripeError
from sandbox.server import Running, Sandbox
from tests.sandbox.conftest import KEY, START, Checked
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


def test_a_script_plans_what_happens_later(
    script: Script, client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id)
    charge = client.v1.charges.list().data[0].id

    planned = script.post(f"charges/{charge}/dispute", reason="duplicate", **{"in": "10 days"})
    script.post(f"charges/{charge}/refund", at="2027-02-01T12:00:00Z")

    assert (planned["call"], planned["state"]) == (f"charges/{charge}/dispute", "waiting")
    assert client.v1.disputes.list().data == []
    script.post("clock", advance="11 days")
    dispute = client.v1.disputes.list().data[0]
    assert (dispute.created, dispute.reason) == (planned["at"], "duplicate")
    script.post(f"disputes/{dispute.id}/close", status="won", **{"in": "2 days"})
    script.post("clock", advance="30 days")
    assert client.v1.disputes.retrieve(dispute.id).status == "won"
    assert [(row["state"], row["refusal"]) for row in script.get("later")["data"]] == [
        ("done", None),
        ("refused", f"Charge {charge} has been charged back."),
        ("done", None),
    ]
    for body in (
        {"in": "soon"},
        {"at": "soon"},
        {"at": "2020-01-01"},
        {"in": "1 day", "at": "2028-01-01"},
        {"in": "1 day", "colour": "red"},
    ):
        assert script.status(f"charges/{charge}/refund", **body) == 400
    assert script.status("reset", **{"in": "1 day"}) == 400
    with pytest.raises(StripeError):
        sandbox.later(datetime(2030, 1, 1, tzinfo=UTC), "reset")


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
    owed = len(script.get("deliveries")["data"])
    assert script.get("deliveries/waiting") == {"waiting": owed, "due": owed}
    assert owed > 0

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


def test_a_file_of_an_earlier_sandbox_is_brought_up_to_date(tmp_path: Path, running: Running) -> None:
    file = tmp_path / "sandbox.json"
    first = running.use(Sandbox(state=file, system_time=lambda: START))
    client = stripe.StripeClient(KEY, base_addresses={"api": running.url})
    first.pay(once(client).id)
    assert first.archive is not None
    first.archive.save()
    kept = json.loads(file.read_text())
    assert kept["version"] == 2
    del kept["version"], kept["settings"], kept["hidden"]["balance"], kept["hidden"]["post"]
    for row in kept["waiting"].values():
        del row["turn"], row["again"]
    file.write_text(json.dumps(kept))

    second = running.use(Sandbox(state=file, system_time=lambda: START))

    assert [letter.type for letter in second.take_webhooks()] == [
        letter.type for letter in first.take_webhooks()
    ]
    second.change_settings(payouts={"interval": "daily"})
    second.advance(timedelta(days=3))
    assert second.statement()["EUR"]["payouts"] == {"count": 1, "amount": 1426}
    file.write_text(json.dumps({**kept, "version": 3}))
    with pytest.raises(persist.Unreadable, match="later sandbox"):
        Sandbox(state=file)


def test_what_was_set_and_planned_is_there_after_a_restart(tmp_path: Path, running: Running) -> None:
    file = tmp_path / "sandbox.json"
    first = running.use(Sandbox(state=file, system_time=lambda: START))
    client = stripe.StripeClient(KEY, base_addresses={"api": running.url})
    first.change_settings(payouts={"interval": "daily"})
    first.pay(once(client).id)
    charge = client.v1.charges.list().data[0].id
    first.later(datetime.fromtimestamp(START, UTC) + timedelta(days=9), f"charges/{charge}/dispute")
    assert first.archive is not None
    first.archive.save()

    second = running.use(Sandbox(state=file, system_time=lambda: START))
    second.advance(timedelta(days=10))

    assert second.settings()["payouts"]["interval"] == "daily"
    assert second.statement()["EUR"]["payouts"]["count"] == 1
    assert second.statement()["EUR"]["disputes"]["count"] == 1


EVERYWHERE = "0.0.0.0"  # noqa: S104 - the point of the test


def test_it_listens_to_strangers_only_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--host", EVERYWHERE])
    assert "--listen-anywhere" in capsys.readouterr().err
    assert arguments(["--host", EVERYWHERE, "--listen-anywhere"]).host == EVERYWHERE
    assert arguments(["--host", "localhost"]).port == 12111
    with pytest.raises(SystemExit):
        arguments(["--host", "news.example.org"])


def test_its_settings_can_be_given_at_the_start_if_they_make_sense(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = arguments(["--settings", '{"payouts": {"interval": "weekly"}}'])
    assert given.settings == {"payouts": {"interval": "weekly"}}
    for text, why in (
        ('{"payouts": {"interval": "hourly"}}', "must be one of manual, daily"),
        ("[]", "must be a JSON object"),
        ("{", "invalid loads value"),
    ):
        with pytest.raises(SystemExit):
            arguments(["--settings", text])
        assert why in capsys.readouterr().err


def test_a_script_sets_the_account_up_and_reads_its_statement(
    script: Script, client: stripe.StripeClient, sandbox: Checked
) -> None:
    assert script.get("settings")["payouts"]["interval"] == "manual"
    changed = script.post("settings", payouts={"interval": "daily"}, collection={"then": "unpaid"})
    assert (changed["payouts"]["interval"], changed["payouts"]["delay_days"]) == ("daily", 2)
    assert script.post("settings", payouts={"interval": "hourly"})["status"] == 400
    assert script.status("settings", weather={}) == 400
    sandbox.pay(once(client).id)
    script.post("clock", advance="3 days")
    payout = client.v1.payouts.list().data[0].id
    assert script.get("statement")["EUR"]["payouts"] == {"count": 1, "amount": 1426}

    assert script.post(f"payouts/{payout}/fail", code="no_account")["status"] == "failed"

    assert script.get("statement")["EUR"]["failed_payouts"] == {"count": 1, "amount": 1426}
    script.post("reset")
    assert script.get("settings")["payouts"]["interval"] == "manual"


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
