"""
Receipts and statements as PDF: one A4 sheet after another, with a font inside that has Cyrillic (docs/decisions/0041).

The same contents give the same bytes. Characters that the font does not have (Chinese, say) come out as an empty box.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

_FONTS = Path(__file__).resolve().parents[1] / "fonts"
_PLAIN, _BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _TOP, _FOOT = 22 * mm, _WIDTH - 22 * mm, _HEIGHT - 22 * mm, 30 * mm


def facts(title: str, lines: Sequence[tuple[str, str]], *, total: tuple[str, str], note: str = "") -> bytes:
    """
    A sheet with a title, facts as name and value, and one sum that stands out.

    :param note: a sentence under the sum; "" for none.
    """
    sheet = _Sheet(title)
    for name, value in lines:
        sheet.pair(name, value)
    sheet.rule()
    sheet.pair(*total, font=_BOLD)
    if note:
        sheet.space(4)
        sheet.text(note)
    return sheet.finish()


def table(
    title: str,
    intro: Sequence[str],
    *,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    sums: Sequence[tuple[str, str]],
    note: str,
) -> bytes:
    """
    Sheets with a title, sentences, a table (its first column on the left, the others on the right), and sums.

    :param head: the names of the columns, repeated on each sheet.
    """
    sheet = _Sheet(title)
    for sentence in intro:
        sheet.text(sentence)
    sheet.space(3)
    sheet.row(head, font=_BOLD)
    sheet.rule()
    for row in rows:
        if sheet.is_full():
            sheet.turn()
            sheet.row(head, font=_BOLD)
            sheet.rule()
        sheet.row(row)
    sheet.rule()
    for name, value in sums:
        sheet.pair(name, value, font=_BOLD)
    sheet.space(4)
    sheet.text(note)
    return sheet.finish()


class _Sheet:
    """A4 from top to bottom, a new one where one is full; the newsroom's name above, its legal lines below."""

    def __init__(self, title: str) -> None:
        _know_fonts()
        self._out = io.BytesIO()
        self._canvas = Canvas(self._out, pagesize=A4, invariant=1, lang=translation.get_language())
        self._canvas.setTitle(title)
        self._canvas.setAuthor(settings.NEWSROOM_NAME)
        self._canvas.setCreator("Sustainer")
        self._number = 1
        self._begin()
        self._write(title, font=_BOLD, size=18, leading=10)
        self.space(2)

    def _begin(self) -> None:
        self._y = _TOP
        self._write(settings.NEWSROOM_NAME, font=_BOLD, size=11, leading=7)
        self.rule()
        self.space(4)

    def turn(self) -> None:
        """On to a new sheet."""
        self._end()
        self._number += 1
        self._begin()

    def _end(self) -> None:
        self._canvas.setFont(_PLAIN, 8)
        self._canvas.setFillGray(0.35)
        lines = settings.NEWSROOM_LEGAL_FOOTER.splitlines()
        for place, line in enumerate([*lines, settings.NEWSROOM_SUPPORT_EMAIL][:5]):
            self._canvas.drawString(
                _LEFT, _FOOT - (5 + 4 * place) * mm, _fitting(line, 8, _RIGHT - _LEFT - 60)
            )
        self._canvas.drawRightString(_RIGHT, _FOOT - 5 * mm, _("Page %(number)s") % {"number": self._number})
        self._canvas.showPage()

    def finish(self) -> bytes:
        """The file."""
        self._end()
        self._canvas.save()
        return self._out.getvalue()

    def is_full(self) -> bool:
        return bool(self._y < _FOOT + 12 * mm)

    def space(self, height: float) -> None:
        self._y -= height * mm

    def rule(self) -> None:
        self._canvas.setStrokeGray(0.6)
        self._canvas.setLineWidth(0.5)
        self._canvas.line(_LEFT, self._y, _RIGHT, self._y)
        self._y -= 6 * mm

    def text(self, text: str) -> None:
        """A sentence, broken where the line is full."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and pdfmetrics.stringWidth(longer, _PLAIN, 10) > _RIGHT - _LEFT:
                self._write(line)
                longer = word
            line = longer
        self._write(line)

    def pair(self, name: str, value: str, *, font: str = _PLAIN) -> None:
        """A name on the left and what it stands for on the right."""
        self.row((name, value), font=font)

    def row(self, cells: Sequence[str], *, font: str = _PLAIN) -> None:
        """The first cell on the left; the others end at equal distances up to the right."""
        if self.is_full():
            self.turn()
        step = 31 * mm
        room = _RIGHT - _LEFT - step * (len(cells) - 1) if len(cells) > 2 else (_RIGHT - _LEFT) * 0.55
        self._canvas.setFillGray(0)
        self._canvas.setFont(font, 10)
        self._canvas.drawString(_LEFT, self._y, _fitting(cells[0], 10, room - 3 * mm, font))
        for place, cell in enumerate(reversed(cells[1:])):
            width = step - 2 * mm if len(cells) > 2 else (_RIGHT - _LEFT) - room
            text = _fitting(cell, 10, width, font)
            self._canvas.drawRightString(_RIGHT - place * step, self._y, text)
        self._y -= 6 * mm

    def _write(self, text: str, *, font: str = _PLAIN, size: float = 10, leading: float = 5.5) -> None:
        if self.is_full():
            self.turn()
        self._canvas.setFillGray(0)
        self._canvas.setFont(font, size)
        self._canvas.drawString(_LEFT, self._y, _fitting(text, size, _RIGHT - _LEFT, font))
        self._y -= leading * mm


def _fitting(text: str, size: float, width: float, font: str = _PLAIN) -> str:
    """The text on one line; its end is left out where there is no room for it."""
    text = " ".join(text.split())
    if pdfmetrics.stringWidth(text, font, size) <= width:
        return text
    while text and pdfmetrics.stringWidth(f"{text}…", font, size) > width:
        text = text[:-1]
    return f"{text}…"


@lru_cache(maxsize=1)
def _know_fonts() -> None:
    for name in (_PLAIN, _BOLD):
        pdfmetrics.registerFont(TTFont(name, _FONTS / f"{name}.ttf"))
