"""
``python -m sandbox``: the offline Stripe as a process of its own.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from sandbox import persist, settings
from sandbox.account import Obj
from sandbox.errors import StripeError, invalid
from sandbox.server import Running, Sandbox


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line, understood. Exits with a sentence if it makes no sense."""
    parser = argparse.ArgumentParser(prog="sandbox", description="An offline Stripe that remembers.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=12111, help="port to listen on (default: 12111)")
    parser.add_argument("--public-url", help="where browsers find it (default: where each request came to)")
    parser.add_argument("--webhook-url", help="where to send every event")
    parser.add_argument("--webhook-secret", default="whsec_sandbox", help="what webhooks are signed with")
    parser.add_argument(
        "--settle-in", default="", help="currencies of your bank accounts, e.g. usd,eur (default: all)"
    )
    parser.add_argument("--state", type=Path, help="a file that keeps the account over restarts")
    parser.add_argument(
        "--settings",
        type=json.loads,
        metavar="JSON",
        help="""how the account is set up, e.g. '{"payouts": {"interval": "daily"}}'""",
    )
    parser.add_argument(
        "--listen-anywhere", action="store_true", help="allow an address that others can reach"
    )
    given = parser.parse_args(argv)
    if not given.listen_anywhere and not _is_loopback(given.host):
        parser.error(
            f"{given.host} can be reached from outside. Say --listen-anywhere if that is what you want."
        )
    try:
        settings.merged(settings.defaults(), _groups(given.settings))
    except StripeError as problem:
        parser.error(f"--settings: {problem.message}")
    return given


def _groups(given: object) -> Obj:
    if not isinstance(given, dict | None):
        raise invalid("it must be a JSON object.")
    return given or {}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(given: argparse.Namespace, over: threading.Event) -> None:
    """Serve until ``over`` is set, then write down what is left to write."""
    sandbox = Sandbox(
        given.webhook_secret,
        webhook_url=given.webhook_url,
        settle_in=[code.strip().lower() for code in given.settle_in.split(",") if code.strip()],
        public_url=given.public_url,
        state=given.state,
        set_to=given.settings,
    )
    sandbox.account.listens = given.webhook_url is not None
    with Running(sandbox, host=given.host, port=given.port) as running:
        if sandbox.archive:
            sandbox.archive.start()
        print(f"Sandbox listening on {running.url}", flush=True)
        over.wait()
    if sandbox.archive:
        sandbox.archive.stop()


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted or asked to end. Returns the exit status."""
    given = arguments(sys.argv[1:] if argv is None else argv)
    over = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        over.set()

    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, stop)
    try:
        serve(given, over)
    except (persist.Unreadable, OSError) as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
