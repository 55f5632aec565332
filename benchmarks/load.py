"""
The load generator: `python -m benchmarks.load`, a process of its own.

A job comes in as one JSON line on standard input; the result goes out as one on standard output. A few kept
connections each send a request, wait for the whole answer and send the next. Bare sockets and one selector,
because the generator runs on the same cores as what it measures: it should take as little of them as it can.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from benchmarks import traffic


@dataclass
class Line:
    """One kept connection and the answer that it waits for."""

    socket: socket.socket
    sent_at: float = 0.0
    answer: bytearray = field(default_factory=bytearray)
    length: int = -1

    def send(self, request: bytes, *, since: float) -> None:
        self.answer.clear()
        self.length = -1
        self.sent_at = since
        self.socket.sendall(request)

    def receive(self) -> int:
        """Take what has come. The status once the answer is whole, else 0."""
        self.answer += self.socket.recv(65_536)
        if not self.answer:
            raise ConnectionError("the server closed a connection")
        if self.length < 0:
            end = self.answer.find(b"\r\n\r\n")
            if end < 0:
                return 0
            self.length = end + 4 + _content_length(bytes(self.answer[:end]))
        return int(self.answer[9:12]) if len(self.answer) >= self.length else 0


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
        if name.lower() == b"transfer-encoding":
            raise ValueError("an answer without a length: give the view a Content-Length")
    return 0


def run(
    *, port: int, requests: list[bytes], connections: int, seconds: float, rate: float = 0.0
) -> dict[str, Any]:
    """
    Send until the time is over or nothing is left; what came back.

    :param rate: requests a second to offer, however slowly they are answered: latencies then count from the
        moment at which a request was due. 0: as fast as the connections go.
    """
    waiting = deque(requests)
    lines = [Line(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(connections)]
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    with selectors.DefaultSelector() as selector:
        for line in lines:
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(line.socket, selectors.EVENT_READ, line)
        began = time.perf_counter()
        idle, busy, number = deque(lines), 0, 0
        while True:
            now = time.perf_counter()
            is_over = now - began >= seconds or not waiting
            while idle and not is_over:
                due = began + number / rate if rate else now
                if due > now:
                    break
                idle.popleft().send(waiting.popleft(), since=due)
                busy, number = busy + 1, number + 1
                is_over = not waiting
            if is_over and not busy:
                break
            pause = max(0.0, began + number / rate - time.perf_counter()) if rate and idle else 20.0
            for key, _ in selector.select(timeout=pause):
                status = key.data.receive()
                if status:
                    latencies.append(time.perf_counter() - key.data.sent_at)
                    statuses[status] += 1
                    idle.append(key.data)
                    busy -= 1
        elapsed = time.perf_counter() - began
    for line in lines:
        line.socket.close()
    latencies.sort()
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] * 1000,
        "statuses": dict(statuses),
    }


def main() -> None:
    """Take one job after the other, until the input ends."""
    for text in sys.stdin:
        job = json.loads(text)
        if job["kind"] == "campaign_304":
            requests = [traffic.not_modified(job["etag"])] * job["count"]
        else:
            requests = traffic.build(job["kind"], job["count"])
        print("ready", flush=True)
        sys.stdin.readline()
        result = run(
            port=job["port"],
            requests=requests,
            connections=job["connections"],
            seconds=job["seconds"],
            rate=job["rate"],
        )
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
