"""No floating point comes near money: 0.1 + 0.2 is not 0.3, and the books must agree to the cent."""

from __future__ import annotations

import ast

import pytest

from tests.source import calls, modules

MONEY = sorted(path for path in modules() if path.startswith("donations/"))
# Seconds, pixels and shares that only a person looks at; never an amount.
NOT_MONEY: dict[str, str] = {
    "donations/account/paper.py": "where on a sheet a text stands, in points; amounts come as texts",
    "donations/reports/charts.py": "where a bar stands, in pixels",
    "donations/reports/rates.py": "the value of a share, beside the two whole numbers that it is made of",
}
NO_AMOUNTS = {"donations.DayRate.rate": "what a currency was worth, in the bank's own decimals"}


def floats(tree: ast.Module) -> list[tuple[str, int]]:
    """Where a float could come from: a literal, a conversion, a true division, a rounding with decimals."""
    found = [(name, line) for name, line in calls(tree) if name in ("float", "statistics.mean", "math.fsum")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found.append((repr(node.value), node.lineno))
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append(("/", node.lineno))
    return found


@pytest.mark.parametrize("path", MONEY)
def test_money_is_counted_in_whole_numbers(path):
    if path not in NOT_MONEY:
        assert floats(modules()[path]) == []


def test_no_column_that_holds_money_is_a_float_or_small():
    from django.apps import apps
    from django.db import models

    fields = [
        field
        for label in ("members", "donations")
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.local_fields
    ]
    amounts = [field for field in fields if field.name.endswith("_minor")]

    assert len(amounts) > 10
    assert {type(field) for field in amounts} == {models.BigIntegerField}
    broken = [field for field in fields if isinstance(field, models.FloatField | models.DecimalField)]
    assert {str(field) for field in broken} == set(NO_AMOUNTS)


@pytest.mark.parametrize("source", ["x = 0.1", "x = float(y)", "x = y / 100", "x /= 100", "x = 1e2"])
def test_the_search_finds_a_float(source):
    assert floats(ast.parse(source))


@pytest.mark.parametrize("source", ["x = y // 100", "x = y * 100", "x = int(y)", "x = Decimal('0.1')"])
def test_the_search_lets_whole_numbers_pass(source):
    assert not floats(ast.parse(source))
