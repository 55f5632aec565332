"""The demo as a person has it: real processes, a real port, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from config import demo
from tests.waiting import until

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
ROOT = Path(__file__).resolve().parents[2]


def call(address: str, body: Any = None) -> Any:
    """GET, or POST of JSON; the JSON that comes back."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def status_of(house: demo.House, public_id: str) -> str:
    return str(call(f"{house.url}/api/v1/contributions/{public_id}/")["status"])


def give(house: demo.House, **changes: Any) -> str:
    """Ada gives, and pays on the sandbox's page; the contribution's id, once it has arrived."""
    wish = {"campaign": "support-us", "interval": "once", "amount": 2500, "currency": "USD"}
    begun = call(f"{house.url}/api/v1/contributions/", {**wish, "email": "ada@example.org", **changes})
    session = begun["checkout_url"].rsplit("/", 1)[1]
    call(f"{house.sandbox_url}/_sandbox/sessions/{session}/pay", {"card": "4242424242424242"})
    until(lambda: status_of(house, begun["id"]) in ("paid", "active"), what="the payment to arrive")
    return str(begun["id"])


def receipts(house: demo.House) -> list[Path]:
    return sorted((house.data_dir / "mail").glob("*-receipt-*.eml"))


def our_books(house: demo.House) -> Any:
    return json.loads(house.manage("books", "--json"))


def is_running(pid: int) -> bool:
    """Whether any process of the group that `pid` led is still there."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def start_program(data_dir: Path, **ports: int) -> subprocess.Popen[str]:
    env = {**os.environ, "DATA_DIR": str(data_dir), **{name: str(port) for name, port in ports.items()}}
    return subprocess.Popen(
        [sys.executable, "-m", "config.demo"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def lines_until(program: subprocess.Popen[str], sought: str) -> str:
    """What the program prints, up to and with the line that holds what is sought."""
    assert program.stdout is not None
    seen = ""
    for line in program.stdout:
        seen += line
        if sought in line:
            return seen
    raise AssertionError(f"the program ended before it said {sought!r}:\n{seen}")


def children_of(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the name, which may hold anything, come the state and the parent.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


def ports_of(shown: str) -> tuple[int, int]:
    """Where the site and the sandbox are, as the program tells it."""
    ports = re.search(
        r"http://127\.0\.0\.1:(\d+)/support/support-us/.*http://127\.0\.0\.1:(\d+)/ ", shown, re.DOTALL
    )
    assert ports, shown
    return int(ports[1]), int(ports[2])


def test_the_demo_takes_gifts_closes_on_control_c_and_opens_again_with_its_books(tmp_path):
    data = tmp_path / "data"
    with start_program(data, PORT=0, SANDBOX_PORT=0) as program:
        try:
            shown = lines_until(program, "and a renewal fails")
            house = demo.House(*ports_of(shown), data)  # to ask things; it is running already
            children = children_of(program.pid)

            give(house, interval="month", amount=500)

            until(lambda: receipts(house), what="the receipt")
            with receipts(house)[0].open("rb") as file:
                receipt = BytesParser(policy=policy.default).parse(file)
            theirs = call(f"{house.sandbox_url}/_sandbox/books")
            until(lambda: our_books(house) == theirs, what="the fee to be settled")
            program.send_signal(signal.SIGINT)
            rest = program.stdout.read()
        finally:
            program.terminate()

    assert receipt["To"] == "ada@example.org"
    text = receipt.get_body(("plain",)).get_content()
    assert "$5.00" in text
    assert "made up" in text, "the newsroom's legal footer"
    assert theirs["USD"]["charges"] == {"count": 1, "amount": 500}
    assert "$5.00 (1)" in house.manage("books"), "people get a table"
    assert program.returncode == 0
    assert len(children) == 4, "sandbox, web, worker, beat"
    assert not any(is_running(pid) for pid in children)
    assert "Traceback" not in shown + rest
    assert rest.rstrip().endswith("Closed.")

    # Rings at the door that nobody heard, cut short: a power cut leaves such files.
    messages = data / "broker" / "messages"
    messages.mkdir(parents=True, exist_ok=True)
    for number in range(20):
        (messages / f"{number}_celery.msg").write_text('{"body": "cut')
    said: list[str] = []
    again = demo.House(house.port, house.sandbox_port, data, say=lambda name, line: said.append(line))
    again.start()
    try:
        give(again, currency="JPY", amount=1500)
        theirs = call(f"{again.sandbox_url}/_sandbox/books")
        until(lambda: our_books(again) == theirs, what="the books of both runs to agree")
    finally:
        again.stop()
    assert theirs["USD"]["active_subscriptions"] == 1
    assert not [line for line in said if "Traceback" in line]


def test_a_part_that_dies_is_named_and_takes_the_demo_with_it(tmp_path):
    with start_program(tmp_path / "data", PORT=0, SANDBOX_PORT=0) as program:
        try:
            lines_until(program, "and a renewal fails")
            children = children_of(program.pid)
            beat = next(pid for pid in children if b"\0beat\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
            os.kill(beat, signal.SIGKILL)
            rest = program.stdout.read()
        finally:
            program.terminate()

    assert program.returncode == 1
    assert "beat ended by itself" in rest
    assert not any(is_running(pid) for pid in children)


def test_a_port_in_use_is_said_before_anything_starts(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with start_program(tmp_path / "data", PORT=port, SANDBOX_PORT=0) as program:
            shown = program.stdout.read()

    assert program.returncode == 1
    assert f"Port {port} is used by another program" in shown
    assert not (tmp_path / "data").exists()
