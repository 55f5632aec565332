"""A small year through the real processes: that it agrees, and that it would not without the reconciliation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
ROOT = Path(__file__).resolve().parents[2]


def test_a_few_weeks_agree_in_every_cell_although_a_third_of_the_post_was_lost():
    command = [sys.executable, "-m", "tests.year", "--readers", "24", "--days", "40", "--lose", "33"]
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "all agree" in done.stdout
    lost = re.search(r"([0-9]+) of ([0-9]+) events were lost", done.stdout)
    assert lost, done.stdout
    assert int(lost[1]) > int(lost[2]) / 5
    differed = re.search(r"\(([0-9]+) differed before reconciliation\)", done.stdout)
    assert differed, done.stdout
    assert int(differed[1]) > 5, "without the reconciliation the books are wrong, and the tables show it"
    for currency in ("EUR", "GBP", "JPY", "KWD", "UGX", "USD"):
        assert re.search(rf"│ {currency} │", done.stdout)
