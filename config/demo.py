"""
`make demo`: the whole house on this machine, as real processes under one supervisor.

Site, worker and beat run as they would in production, beside an offline Stripe, with an SQLite file and a
broker of plain files. No account and no network is needed. Ctrl-C ends everything.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 - the sandbox's, which signs nothing of worth
ADMIN_PATH = "staff"
STAFF_PASSWORD = "sample-password"  # noqa: S105 - printed on the screen, for a demo on loopback
START_PATIENCE = 90  # seconds until a part has to answer; a busy laptop may need a while
STOP_PATIENCE = 10  # seconds from a polite request to end until it is not one any more
_COLOURS = {"sandbox": 33, "web": 32, "worker": 36, "beat": 35, "demo": 1}


class DemoError(Exception):
    """The demo cannot go on; the message says why, and what helps."""


class Interrupted(Exception):
    """Somebody asked for the end before everything had begun."""


@dataclass(slots=True)
class Part:
    """One process of the house."""

    name: str
    process: subprocess.Popen[str]
    threads: list[threading.Thread] = field(default_factory=list)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise DemoError(
                f"Port {port} is used by another program. Try another one: make demo {variable}={port + 1}"
            ) from error


class House:
    """
    The processes of the demo, started and stopped together.

    `port` and `sandbox_port` may be 0: then free ones are taken. `say(name, line)` is called, from several
    threads, with each line that a part writes. The account at the sandbox and all of our own data live under
    `data_dir` and are there again at the next start. `services` names another database or broker than the
    embedded ones (DATABASE_URL, CELERY_BROKER_URL).
    """

    def __init__(
        self,
        port: int,
        sandbox_port: int,
        data_dir: Path,
        *,
        say: Callable[[str, str], None] | None = None,
        services: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or _free_port()
        self.sandbox_port = sandbox_port or _free_port()
        self.data_dir = data_dir.resolve()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.sandbox_url = f"http://{LOOPBACK}:{self.sandbox_port}"
        self.parts: list[Part] = []
        self.services = dict(services or {})
        self._say = say or (lambda name, line: None)
        self._over = threading.Event()
        self._ended: Part | None = None
        self._stopping = False

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process; what is not named here is the caller's."""
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            # Celery warns whoever is root, as one is in most containers. This worker listens to nobody.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "True",
            "ADMIN_PATH": ADMIN_PATH,
            "DATA_DIR": str(self.data_dir),
            "DATABASE_URL": f"sqlite:///{self.data_dir / 'db.sqlite3'}",
            "CELERY_BROKER_URL": "filesystem://localhost/",
            "STRIPE_API_BASE": self.sandbox_url,
            "STRIPE_SECRET_KEY": "sk_test_sandbox",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PUBLIC_BASE_URL": self.url,
            "ALLOWED_HOSTS": LOOPBACK,
            "ALLOWED_ORIGINS": f"{self.url},http://localhost:{self.port}",
            "EMAIL_URL": "eml:",
            "SWEEP_SECONDS": "5",
            "REMINDER_HOLD_OUT_PERCENT": "0",  # whoever tries a reminder out wants to see it
            "NEWSROOM_NAME": "The Sample Gazette",
            "NEWSROOM_LEGAL_FOOTER": "The Sample Gazette is made up, and no real money moves here.",
            "NEWSROOM_SUPPORT_EMAIL": "members@gazette.example",
            "NEWSROOM_TIME_ZONE": "UTC",
            "DEFAULT_FROM_EMAIL": "The Sample Gazette <members@gazette.example>",
            **self.services,
        }

    # --- Starting and stopping ---

    def start(self) -> None:
        """
        Start everything and return when the support page and the sandbox answer.

        Raises DemoError if a port is taken, or a part ends or does not answer, and Interrupted after `interrupt`;
        then nothing is left running.
        """
        _check_free(self.port, "PORT")
        _check_free(self.sandbox_port, "SANDBOX_PORT")
        self._forget_leftovers()
        try:
            # The sandbox first: its clock is the house's, so that even the sample is loaded at its time.
            self._run("sandbox", [sys.executable, "-m", "sandbox", *self._sandbox_flags()])
            self._await(f"{self.sandbox_url}/_sandbox/clock")
            self.manage("migrate", "--verbosity", "0")
            self.manage("load_sample", "--staff", "--password", STAFF_PASSWORD)
            self._run("web", [sys.executable, "-m", "gunicorn", *self._gunicorn_flags()])
            self._run("worker", [*_CELERY, "worker", *_WORKER_FLAGS])
            self._run("beat", [*_CELERY, "beat", *_BEAT_FLAGS])
            self._await(f"{self.url}/health/live")
            self._await(f"{self.url}/support/support-us/")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every part, the last one started first: politely, and by force after ten seconds. May be repeated."""
        self._stopping = True
        for part in reversed(self.parts):
            part.process.terminate()
        deadline = time.monotonic() + STOP_PATIENCE
        for part in reversed(self.parts):
            try:
                part.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say("demo", f"{part.name} does not end by itself and is killed.")
            # Each part leads a group of its own: whatever it started goes with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(part.process.pid, signal.SIGKILL)
            part.process.wait()
        for part in self.parts:
            for thread in part.threads:
                thread.join()
        self.parts.clear()

    def interrupt(self) -> None:
        """Ask `start` and `watch` to come to an end; safe in a signal handler."""
        self._stopping = True
        self._over.set()

    def watch(self) -> int:
        """Wait until `interrupt` is called (0) or a part ends by itself (1, after saying which)."""
        # A plain wait would hold back signals that arrive while nothing else happens.
        while not self._over.wait(0.5):
            pass
        if self._ended is None:
            return 0
        self._say("demo", f"{self._ended.name} ended by itself with status {self._ended.process.returncode}.")
        return 1

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` in this house. Returns what it prints; raises DemoError, with its complaint, if it fails."""
        done = subprocess.run(  # noqa: S603 - our own program with our own words
            [sys.executable, str(HERE / "manage.py"), *arguments],
            cwd=HERE,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C is for the supervisor alone
        )
        if done.returncode:
            raise DemoError(f"manage.py {arguments[0]} failed:\n{done.stderr.strip()}")
        return done.stdout

    # --- The parts ---

    def _sandbox_flags(self) -> list[str]:
        return [
            *("--port", str(self.sandbox_port)),
            *("--webhook-url", f"{self.url}/api/v1/webhooks/stripe/"),
            *("--webhook-secret", WEBHOOK_SECRET),
            *("--state", str(self.data_dir / "sandbox.json")),
        ]

    def _gunicorn_flags(self) -> list[str]:
        return [
            "config.wsgi",
            *("--bind", f"{LOOPBACK}:{self.port}"),
            *("--worker-class", "gthread", "--workers", "2", "--threads", "4"),
            *("--graceful-timeout", "5"),
            *("--log-level", "warning"),
            "--no-control-socket",  # it would lie in the home directory, one for all demos
        ]

    def _forget_leftovers(self) -> None:
        """Messages of an earlier run are rings at a door that nobody waits behind: rows say what is left to do."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.data_dir / "broker", ignore_errors=True)
        for schedule in self.data_dir.glob("celerybeat-schedule*"):
            schedule.unlink()

    def _run(self, name: str, command: list[str]) -> None:
        if self._over.is_set():
            raise self._why_over()
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd=HERE,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that Ctrl-C reaches only the supervisor, which ends all in order
        )
        part = Part(name, process)
        self.parts.append(part)
        for work in (self._pass_on, self._notice_end):
            thread = threading.Thread(target=work, args=(part,), name=f"{name}-{work.__name__}", daemon=True)
            part.threads.append(thread)
            thread.start()

    def _pass_on(self, part: Part) -> None:
        assert part.process.stdout is not None, "it was asked for"
        with part.process.stdout as lines:
            for line in lines:
                self._say(part.name, line.rstrip("\n"))

    def _notice_end(self, part: Part) -> None:
        part.process.wait()
        if not self._stopping:
            self._stopping = True  # the first one is the cause; what follows is consequence
            self._ended = part
            self._over.set()

    def _await(self, address: str) -> None:
        """Return once the address answers 200; raise DemoError if a part ends first, or after a long while."""
        deadline = time.monotonic() + START_PATIENCE
        while not _answers(address):
            if self._over.wait(0.1):
                raise self._why_over()
            if time.monotonic() > deadline:
                raise DemoError(f"{address} did not answer within {START_PATIENCE} seconds.")

    def _why_over(self) -> Exception:
        if self._ended is None:
            return Interrupted()
        status = self._ended.process.returncode
        return DemoError(f"{self._ended.name} ended with status {status}; its last lines say why.")


_CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "config"]

# Threads rather than forked processes: the embedded broker is a folder that one loop reads every 50 ms, and
# the work is waiting for SQLite, which takes one writer at a time, and for the sandbox. So one process with
# two threads does all there is to do, starts faster, and leaves no children behind. The chatter between
# workers is off, because there is only one and each greeting would be another file to read.
_WORKER_FLAGS = [
    *("--pool", "threads", "--concurrency", "2"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    *("--loglevel", "warning"),
]
_BEAT_FLAGS = ["--pidfile", "", "--loglevel", "warning"]


def _answers(address: str) -> bool:
    parts = urlsplit(address)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        link.request("GET", parts.path)
        return link.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


# --- What a person sees ---------------------------------------------------------------------------


class Screen:
    """Lines of many threads, one after the other, each with the name of who wrote it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(self, name: str, line: str) -> None:
        label = f"{name:>8} │"
        if self._colours:
            label = f"\033[{_COLOURS.get(name, 0)}m{label}\033[0m"
        with self._lock:
            print(label, line, flush=True)


def banner(house: House) -> str:
    """Where to look, and what to try."""
    return f"""
  The house is open. Ctrl-C closes it.

    Support page     {house.url}/support/support-us/
      in Russian     {house.url}/support/podderzhite-nas/
    A paper's page   http://localhost:{house.port}/dev/article/   with the widget, at another origin
    Mailbox          {house.url}/dev/mailbox/
      every mail     {house.url}/dev/mails/
    API, to try out  {house.url}/api/v1/docs/
    Staff            {house.url}/{ADMIN_PATH}/   user: admin   password: {STAFF_PASSWORD}
      its code       DEBUG=True DATA_DIR={house.data_dir} .venv/bin/python manage.py staff_code admin
    Offline Stripe   {house.sandbox_url}/   its clock, books, refunds and bank answers
      by script      curl -X POST {house.sandbox_url}/_sandbox/clock -d '{{"advance": "31 days"}}'
    A reminder       ask for one at the foot of the support page, move the clock beyond its day, see the mailbox
    The books        DEBUG=True DATA_DIR={house.data_dir} .venv/bin/python manage.py books

  Cards to pay with:

    4242 4242 4242 4242   pays                  4000 0000 0000 0002   is declined
    4000 0027 6000 3184   asks for 3-D Secure   4000 0000 0000 9995   lacks the money
    4000 0000 0000 0341   can be saved, and fails when it is charged: choose it on the customer's page
                          of the offline Stripe, move the clock, and a renewal fails
"""


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise DemoError(
            f"{variable}={text!r} is not a port. Say a number up to 65535, or 0 for any free one."
        )
    return int(text)


def main() -> int:
    """Run the demo until Ctrl-C. Returns the exit status: 1 if it could not start or a part ended by itself."""
    screen = Screen()
    try:
        house = House(
            _port("PORT", 8000),
            _port("SANDBOX_PORT", 12111),
            Path(os.environ.get("DATA_DIR", "").strip() or "var"),
            say=screen.say,
        )

        def end(number: int, frame: FrameType | None) -> None:
            house.interrupt()

        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, end)
        screen.say("demo", f"Starting; data is kept in {house.data_dir} ...")
        house.start()
    except DemoError as problem:
        screen.say("demo", str(problem))
        return 1
    except Interrupted:
        screen.say("demo", "Stopped.")
        return 0
    print(banner(house), flush=True)
    status = house.watch()
    screen.say("demo", "Closing ...")
    house.stop()
    screen.say("demo", "Closed.")
    return status


if __name__ == "__main__":
    sys.exit(main())
