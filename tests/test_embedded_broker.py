"""The embedded broker passes every message on, whole, also while many write and read at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from kombu import Connection

from config import broker

MESSAGES, WRITERS = 200, 4


@pytest.fixture
def connect(tmp_path):
    broker.install()
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    folders = {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "control_folder": str(tmp_path / "control"),
        "polling_interval": 0.05,
    }
    return lambda: Connection("filesystem://localhost/", transport_options=folders)


def ring(connect, name: str) -> None:
    with connect() as connection, connection.SimpleQueue("bell") as queue:
        for number in range(MESSAGES):
            queue.put({"from": name, "number": number, "long": "x" * 5000})


def test_no_message_is_read_before_it_is_whole(connect):
    with connect() as connection, connection.SimpleQueue("bell"):
        pass
    writers = [threading.Thread(target=ring, args=(connect, str(index))) for index in range(WRITERS)]
    for writer in writers:
        writer.start()
    seen = set()
    with connect() as connection, connection.SimpleQueue("bell") as queue:
        while len(seen) < MESSAGES * WRITERS:
            message = queue.get(timeout=30)
            seen.add((message.payload["from"], message.payload["number"]))
            message.ack()
    for writer in writers:
        writer.join()

    assert len(seen) == MESSAGES * WRITERS


def test_a_message_that_was_cut_is_thrown_away(connect, tmp_path: Path):
    with connect() as connection, connection.SimpleQueue("gong") as queue:
        (tmp_path / "messages" / "0_x.gong.msg").write_text('{"body": "cut')
        queue.put({"whole": True})

        assert queue.get(timeout=30).payload == {"whole": True}
