"""What every test with a browser needs: Chromium, a database that a server sees, and one process for all of them."""

from __future__ import annotations

import pytest

from tests.browser import CHROMIUM

IN_A_BROWSER = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("widget"),
]
