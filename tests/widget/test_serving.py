"""How the widget reaches browsers: quickly, from a cache that never goes stale, and only as it was written."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from donations.widget import script

STABLE = "/widget/v1.js"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pinned() -> str:
    return f"/widget/v1.{script.current().short_hash}.js"


def test_it_costs_a_reader_on_a_slow_line_no_more_than_twenty_kilobytes(api):
    answer = api.get(STABLE, headers={"Accept-Encoding": "gzip, br"})

    assert answer["Content-Encoding"] == "gzip"
    assert len(answer.content) <= 20_000
    assert gzip.decompress(answer.content) == api.get(STABLE).content


def test_the_address_that_stays_is_asked_again_within_minutes_and_answers_without_a_body(api):
    answer = api.get(STABLE)

    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert (
        answer["Cache-Control"] == "public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800"
    )
    again = api.get(STABLE, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["Cache-Control"] == answer["Cache-Control"]
    zipped = api.get(STABLE, headers={"If-None-Match": answer["ETag"], "Accept-Encoding": "gzip"})
    assert zipped.status_code == 200, "each form has a tag of its own"
    assert "accept-encoding" in answer["Vary"].lower()


def test_the_address_that_names_its_content_is_kept_for_a_year(api, pinned):
    answer = api.get(pinned)

    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.content == api.get(STABLE).content


@pytest.mark.parametrize("name", ["v1.0123456789abcdef.js", "v1.map", "v2.js", "v1.../../manage.py.js", ""])
def test_nothing_else_is_there(api, name):
    assert api.get(f"/widget/{name}").status_code == 404


def test_every_page_may_load_it_and_nobodys_cookies_play_a_part(api, pinned):
    for address in (STABLE, pinned):
        answer = api.get(address, headers={"Origin": "https://anywhere.example", "Cookie": "sessionid=1"})
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert not answer.has_header("Access-Control-Allow-Credentials")
        assert not answer.cookies
        assert "cookie" not in answer["Vary"].lower()
        assert "accept-language" not in answer["Vary"].lower()


def test_it_is_only_read(api, pinned):
    assert api.post(STABLE).status_code == 405
    assert api.delete(pinned).status_code == 405


def test_a_page_that_names_a_hash_works_after_an_upgrade_too(api, settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    before = script.current()
    said = StringIO()
    call_command("widget", stdout=said)
    after = script.Script(before.body + b"// of the next release\n")
    monkeypatch.setattr(script, "current", lambda: after)

    assert api.get(STABLE).content == after.body
    kept = re.search(r"/widget/v1\.[0-9a-f]{16}\.js", said.getvalue())[0]
    assert api.get(kept).content == before.body
    (tmp_path / "widget" / f"v1.{before.short_hash}.js").write_bytes(b"alert('somebody was here')")
    assert api.get(kept).status_code == 404, "what does not have the hash is not served under it"


def test_the_command_prints_what_goes_onto_the_page(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.PUBLIC_BASE_URL = "https://support.example"
    said = StringIO()
    call_command("widget", stdout=said)

    digest = base64.b64encode(hashlib.sha384(script.current().body).digest()).decode()
    assert f'integrity="sha384-{digest}" crossorigin="anonymous"' in said.getvalue()
    assert '<script src="https://support.example/widget/v1.js" async></script>' in said.getvalue()


def test_the_documents_name_the_integrity_of_this_release():
    written = (ROOT / "docs/widget.md").read_text("utf-8")

    assert script.current().integrity in written, (
        "`python manage.py widget` prints the new one for docs/widget.md"
    )
    assert f"v1.{script.current().short_hash}.js" in written


def test_no_text_is_missing_in_a_language_and_none_is_too_much():
    def names(language: str) -> set[str]:
        text = (script.SOURCE / f"texts/{language}.js").read_text("utf-8")
        return set(re.findall(r"^\s+(\w+):", text, re.MULTILINE)) - {"en"}

    def gaps(language: str) -> dict[str, set[str]]:
        text = (script.SOURCE / f"texts/{language}.js").read_text("utf-8")
        found = re.findall(r'^\s+(\w+):\s*"(.*)"', text, re.MULTILINE)
        return {name: set(re.findall(r"\{\w+\}", words)) for name, words in found}

    assert names("ru") == names("en")
    assert gaps("ru") == gaps("en")
    code = "".join((script.SOURCE / name).read_text("utf-8") for name in script.PARTS if "texts/" not in name)
    made_up = {
        "much_once",
        "much_month",
        "much_year",
        "sum_once",
        "sum_month",
        "sum_year",
        "once",
        "month",
        "year",
    }
    assert {name for name in names("en") if f'"{name}"' not in code} <= made_up


def test_nothing_of_what_it_is_made_of_lets_text_become_markup_or_code():
    for name in script.PARTS:
        source = (script.SOURCE / name).read_text("utf-8")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            ".style",
            "cookie =",
        ):
            assert word not in source, f"{name} has {word}"
