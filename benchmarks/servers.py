"""Web servers under measurement: gunicorn as in production, started and stopped here."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.place import ROOT

WORKERS, THREADS = 2, 4


class NotServing(Exception):
    """A server did not come up; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running gunicorn."""

    port: int
    pid: int

    def cpu_seconds(self) -> float | None:
        """What its workers have used of the processor so far; None where the system has no /proc."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        try:
            found = [Path(f"/proc/{pid}/stat").read_text() for pid in workers.read_text().split()]
        except OSError:
            return None
        ticks = sum(int(ticks) for text in found for ticks in text.rpartition(") ")[2].split()[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(application: str, environment: dict[str, str], log: Path) -> Iterator[Server]:
    """Serve a WSGI application on a free port of this machine. Raises NotServing."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", str(WORKERS), "--threads", str(THREADS)),
        *("--keep-alive", "75", "--worker-tmp-dir", str(log.parent)),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            _wait_until_open(port, process, log)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def offline_stripe(environment: dict[str, str], log: Path) -> Iterator[str]:
    """The sandbox in a process of its own; yields its address. Raises NotServing."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_until_open(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=15)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise NotServing("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
