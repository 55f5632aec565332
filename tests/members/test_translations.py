"""Every text for readers is there in Russian, and what is compiled is what is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from babel.messages import Catalog, mofile, pofile
from django.conf import settings

RUSSIAN = Path(settings.LOCALE_PATHS[0]) / "ru" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)s|</?\w+")


def _written() -> Catalog:
    with (RUSSIAN / "django.po").open("rb") as file:
        return pofile.read_po(file)


def _compiled() -> Catalog:
    with (RUSSIAN / "django.mo").open("rb") as file:
        return mofile.read_mo(file)


def _texts(catalogue: Catalog) -> list[list[str]]:
    """Each text with its translation; with several of them where it counts something."""
    pairs = [(_forms(message.id), _forms(message.string)) for message in catalogue if message.id]
    return sorted([*ids, "", *strings] for ids, strings in pairs)


def _forms(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_no_text_is_left_untranslated_or_doubtful() -> None:
    catalogue = _written()
    left = [message.id for message in catalogue if message.id and (not message.string or message.fuzzy)]
    assert left == []


def test_each_translation_keeps_what_is_filled_in() -> None:
    catalogue = _written()
    for message in catalogue:
        if message.id and isinstance(message.id, str):
            assert sorted(PLACEHOLDER.findall(message.string)) == sorted(PLACEHOLDER.findall(message.id)), (
                message.id
            )


def test_the_compiled_file_is_up_to_date() -> None:
    written = _written()
    compiled = _compiled()
    assert _texts(written) == _texts(compiled)
