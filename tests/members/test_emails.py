"""What readers read: complete, in their language, in one piece, and safe."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.template import engines

from members import emails, samples

KINDS = sorted(emails.KINDS)
LANGUAGES = ["en", "ru"]


def written(kind: str, locale: str, **changes: str) -> tuple[str, str, str]:
    return emails.write(kind=kind, context={**samples.context(kind, locale), **changes}, locale=locale)


def plain(html: str) -> str:
    """The text that a person sees in an HTML part."""

    class Reader(HTMLParser):
        seen = ""

        def handle_data(self, data: str) -> None:
            self.seen += data

    reader = Reader()
    reader.feed(re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL))
    return " ".join(reader.seen.split())


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_parts_say_all_that_the_mail_knows(kind: str, locale: str) -> None:
    context = samples.context(kind, locale)
    _, text, html = written(kind, locale)
    seen = plain(html)

    for key, value in context.items():
        if key == "interval":
            continue
        # A table is a text with tabs: each part sets its cells as it can.
        for words in re.split(r"[\t\n]", value) if "\t" in value else [value]:
            assert words in text, key
            if not key.endswith("_url"):
                assert words in seen, key
    for key in (key for key in context if key.endswith("_url")):
        assert f'href="{context[key]}"' in html


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_names_the_newsroom_its_legal_footer_and_an_address_to_write_to(
    kind: str, locale: str, settings: Any
) -> None:
    settings.NEWSROOM_LEGAL_FOOTER = "Gazette Foundation\nReg. no. 123 & Sons"
    _, text, html = written(kind, locale)

    for part in (text, plain(html)):
        assert "The Sample Gazette" in part
        assert "Gazette Foundation" in part
        assert "Reg. no. 123 & Sons" in part
        assert "members@gazette.example" in part


@pytest.mark.parametrize("kind", KINDS)
def test_a_russian_mail_has_no_english_left(kind: str, settings: Any) -> None:
    settings.NEWSROOM_NAME = settings.NEWSROOM_LEGAL_FOOTER = "Газета"
    settings.NEWSROOM_SUPPORT_EMAIL = "1@2.3"
    changes = {key: "1" for key in samples.context(kind, "ru") if key.endswith("_url")}
    subject, text, html = written(kind, "ru", **changes)

    assert re.findall(r"[A-Za-z]{2,}", subject + text + plain(html)) == []
    assert '<html lang="ru" dir="ltr">' in html


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_loads_nothing_and_tracks_nobody(kind: str) -> None:
    _, _, html = written(kind, "en")

    assert not re.search(r"<(img|script|link|iframe|object|form|input|svg|base)\b", html)
    assert not re.search(r"url\(|@import|@font-face|\bon\w+=", html)
    links = re.findall(r'href="([^"]*)"', html)
    allowed = {"mailto:members@gazette.example", *samples.context(kind, "en").values()}
    assert set(links) <= allowed


@pytest.mark.parametrize("kind", KINDS)
def test_styles_are_where_mail_programs_read_them(kind: str) -> None:
    _, _, html = written(kind, "en")

    assert "@media (prefers-color-scheme: dark)" in html
    assert re.search(r'<h1 style="[^"]*font', html)
    assert re.search(r'<p style="[^"]*color', html)
    assert len(html.encode()) < 20_000  # some programs cut longer mails


def test_whatever_a_text_holds_it_stays_text() -> None:
    nasty = "<script>alert(1)</script> & \"quotes\" {{ 7|add:7 }} {% now 'Y' %}"
    subject, text, html = written("receipt", "en", campaign_title=nasty)

    assert nasty in text
    assert "<script>" not in html
    assert nasty in plain(html)
    assert subject == "Your receipt 2026-000123"


def test_no_text_can_add_a_header() -> None:
    subject, _, _ = written("receipt", "en", receipt_number="1\r\nBcc: charlie@example.org")
    assert subject == "Your receipt 1 Bcc: charlie@example.org"


@pytest.mark.parametrize(
    ("kind", "without", "gone"),
    [
        ("receipt", "fee_cover_text", "Payment fees"),
        ("receipt", "next_payment_text", "next payment"),
        ("welcome", "manage_url", "change the card"),
        ("welcome", "tier_name", "Membership:"),
        ("payment_failed", "next_try_text", "we will try again on"),
        ("membership_ended", "tier_name", "("),
    ],
)
def test_what_does_not_apply_is_not_mentioned(kind: str, without: str, gone: str) -> None:
    _, with_it, _ = written(kind, "en")
    _, text, html = written(kind, "en", **{without: ""})

    assert gone in with_it
    assert gone not in text
    assert gone not in plain(html)


@pytest.mark.parametrize(
    ("interval", "words"),
    [("once", "One-time contribution"), ("month", "Monthly contribution"), ("year", "Annual contribution")],
)
def test_a_receipt_says_how_often_the_reader_gives(interval: str, words: str) -> None:
    _, text, html = written("receipt", "en", interval=interval)
    assert words in text
    assert words in html


@pytest.mark.parametrize(
    ("locale", "language"),
    [("en", "en"), ("ru", "ru"), ("ru-RU", "ru"), ("RU", "ru"), ("en-GB", "en"), ("de", "en"), ("", "en")],
)
def test_a_reader_gets_the_nearest_language_that_we_have(locale: str, language: str) -> None:
    assert emails.supported_language(locale) == language


@pytest.mark.parametrize("locale", ["../../etc/passwd", "xx-" + "y" * 5000, "\x00", "ru\n"])
def test_a_language_that_is_none_is_the_houses_own(locale: str) -> None:
    assert emails.supported_language(locale) in LANGUAGES
    assert (
        written("receipt", "en")[0]
        == emails.write(
            kind="receipt",
            context=samples.context("receipt", "en"),
            locale=locale if locale != "ru\n" else "en",
        )[0]
    )


def test_there_is_a_sample_for_each_kind_and_language() -> None:
    for kind in KINDS:
        for locale in LANGUAGES:
            emails.check_context(kind, samples.context(kind, locale))


def test_the_templates_are_independent_of_the_sites_own_settings() -> None:
    """Context processors and the site's engine have no say in what readers get."""
    assert engines["django"].engine is not emails._pages()  # type: ignore[attr-defined]  # Django's own engine
