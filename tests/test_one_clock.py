"""
One clock, read at the edges, handed down as `now`.

That is what lets a year be played in seconds, and what makes a retry decide as the first try did.
"""

from __future__ import annotations

import ast
import re

import pytest

from tests.source import calls, modules

CLOCKS = re.compile(
    r"(django\.utils\.timezone\.(now|localtime|localdate)"
    r"|datetime\.(datetime|date)\.(now|utcnow|today)"
    r"|time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|localtime|gmtime|strftime|ctime)"
    r"|django\.db\.models\.functions(\.datetime)?\.Now)"
)
# Where another clock than the house's is right, and why.
REAL_TIME = {
    "members/clock.py": "it is the clock",
    "config/middleware.py": "how long a request took, for its line in the log",
    "config/logs.py": "when a line was written, on the clock that operators read",
    "config/broker.py": "names of files, in the order in which they were written",
    "config/demo.py": "how long a process of the demo may take to start and to stop",
    "members/staff_session.py": "how long somebody sits at a desk, whatever the sandbox's clock says",
    "staff/models.py": "codes of an app, which knows the real clock alone",
    "members/outbox.py": "a lease is about machines: it goes by the database's clock, and a batch by a stopwatch",
}
# The edges: what the outside world, a schedule, a person or (a mail backend) Django calls.
EDGES = re.compile(
    r"(config/health|config/demo|members/mailbox|members/windows|staff/watching|"
    r"(donations|members|staff)/(views|pages|plan_pages|double_pages|action_pages|tasks|\w*admin|webhooks))\.py"
    r"|donations/account/(door|\w*views|\w*pages)\.py"
    r"|(donations|members|staff)/management/commands/\w+\.py"
    r"|donations/reports/(views|pages|admin)\.py"
)


@pytest.mark.parametrize("path", modules())
def test_nobody_looks_at_a_clock_of_his_own(path):
    found = [(name, line) for name, line in calls(modules()[path]) if CLOCKS.fullmatch(name)]

    if path not in REAL_TIME:
        assert found == []


def test_every_exception_is_still_one():
    for path in REAL_TIME:
        assert any(CLOCKS.fullmatch(name) for name, _ in calls(modules()[path])), path


def test_the_clock_of_the_house_is_read_at_its_edges_only():
    readers = {
        path
        for path, tree in modules().items()
        if any(name == "members.clock.now" for name, _ in calls(tree))
    }

    assert {path for path in readers if not EDGES.fullmatch(path)} == set()
    assert len(readers) >= 5


def test_no_column_takes_the_time_by_itself():
    found = {
        (path, keyword.arg)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in ("auto_now", "auto_now_add")
    }

    # When an editor last touched a campaign; nothing is decided by it.
    assert found <= {("donations/models/campaign.py", "auto_now")}


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("from django.utils import timezone\ntimezone.now()", True),
        ("from django.utils.timezone import now\nnow()", True),
        ("from django.utils.timezone import now as later\nlater()", True),
        ("import datetime as dt\ndt.datetime.now(dt.UTC)", True),
        ("from datetime import datetime\ndatetime.now()", True),
        ("from datetime import date\ndate.today()", True),
        ("from time import time\ntime()", True),
        ("import time\ntime.sleep(1)", False),
        ("from members import clock\nclock.now()", False),
        ("from datetime import datetime, UTC\ndatetime.fromtimestamp(0, tz=UTC)", False),
    ],
)
def test_the_search_finds_a_clock_under_any_name(source, is_found):
    assert any(CLOCKS.fullmatch(name) for name, _ in calls(ast.parse(source))) is is_found
