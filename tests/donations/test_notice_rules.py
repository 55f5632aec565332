"""The rules by place: what they have in common, and that they have something in common."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from donations import notice_rules
from donations.notice_rules import RULES, About, Rule, Window

DAY = timedelta(days=1)
CHANGES = sorted({date(2026, 6, 1), *(day for rule in RULES for day in (rule.since, rule.until) if day)})


def test_an_annual_payment_is_told_30_to_15_days_before_best_21():
    window = notice_rules.window(About.RENEWAL, date(2026, 11, 24))
    assert window == Window(earliest=30 * DAY, target=21 * DAY, latest=15 * DAY)


def test_another_amount_is_told_30_to_7_days_before():
    window = notice_rules.window(About.PRICE, date(2026, 11, 24))
    assert (window.earliest, window.latest) == (30 * DAY, 7 * DAY)


@pytest.mark.parametrize("about", About)
@pytest.mark.parametrize("day", [change for change in CHANGES if change >= date(2026, 1, 1)])
def test_on_each_day_a_moment_keeps_every_rule(about, day):
    window = notice_rules.window(about, day)
    assert window.earliest >= window.target > window.latest
    for rule in notice_rules.in_force(about, day):
        assert rule.earliest * DAY >= window.target
        assert window.latest >= rule.latest * DAY


def test_every_rule_says_where_it_comes_from_and_its_window_is_one():
    for rule in RULES:
        assert rule.source
        assert rule.earliest > rule.latest >= 0
        assert rule.until is None or rule.since < rule.until


def test_a_rule_counts_from_its_first_day_to_the_day_before_its_end():
    rule = Rule("Ruritania", About.RENEWAL, 40, 20, date(2027, 1, 1), date(2028, 1, 1), "a sample")
    rules = (*RULES, rule)
    latest = [notice_rules.window(About.RENEWAL, day, rules).latest.days for day in _around(rule)]
    assert latest == [15, 20, 20, 15]


def _around(rule: Rule) -> list[date]:
    assert rule.until is not None
    return [rule.since - DAY, rule.since, rule.until - DAY, rule.until]


def test_rules_that_leave_no_moment_are_refused():
    rule = Rule("Ruritania", About.RENEWAL, 90, 60, date(2026, 1, 1), None, "a sample")
    with pytest.raises(ValueError, match="no moment"):
        notice_rules.window(About.RENEWAL, date(2026, 11, 24), (*RULES, rule))
    with pytest.raises(ValueError, match="no rule"):
        notice_rules.window(About.RENEWAL, date(2020, 1, 1))
