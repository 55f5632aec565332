"""The two accounts beside each other: equal, or red with both figures."""

from __future__ import annotations

from rich.console import Console

from tests.year import report
from tests.year.agreement import compare
from tests.year.figures import COLUMNS, Figures


def figures(**changes: int) -> Figures:
    """One payment in dollars and one in yen, and their receipts."""
    made = Figures()
    for currency in ("usd", "JPY"):
        made.add(currency, "payments")
        made.add(currency, "gross", changes.get("gross", 1999))
    made.owed["receipt"] = changes.get("owed", 2)
    made.sent["receipt"] = changes.get("sent", 2)
    return made


def shown(theirs: Figures, ours: Figures) -> str:
    console = Console(
        record=True, width=220, color_system="truecolor", force_terminal=True, file=None, quiet=False
    )
    with console.capture() as captured:
        report.tables(console, compare(theirs, ours), title="A test")
    return captured.get()


def test_equal_accounts_agree_in_every_cell():
    found = compare(figures(), figures())

    assert found.differences == 0
    assert [name for name, _ in found.rows()] == ["JPY", "USD"]
    assert len(found.cells) == 2 * len(COLUMNS)
    assert "\x1b[1;31m" not in shown(figures(), figures())


def test_a_cent_is_enough_to_differ_and_both_figures_are_shown_in_red():
    found = compare(figures(), figures(gross=2000))
    text = shown(figures(), figures(gross=2000))

    assert found.differences == 2
    assert "\x1b[1;31m" in text
    assert "Stripe $19.99" in text
    assert "ours $20.00" in text
    assert "ours ¥2,000" in text


def test_a_currency_or_a_kind_of_mail_that_only_one_side_knows_is_a_difference():
    ours = figures()
    ours.add("KWD", "active")
    ours.owed["welcome"] = ours.sent["welcome"] = 1

    found = compare(figures(), ours)

    assert [(cell.row, cell.column) for cell in found.cells if not cell.agrees] == [("KWD", "active")]
    assert [mail.kind for mail in found.mails if not mail.agrees] == ["welcome"]


def test_a_mail_that_is_owed_and_was_not_sent_is_a_difference():
    assert compare(figures(), figures(sent=1)).differences == 1
    assert compare(figures(), figures(owed=3, sent=3)).differences == 1
