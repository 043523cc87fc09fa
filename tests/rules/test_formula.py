"""Formulas of earning rules: the usual arithmetic, exactly, and nothing else."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierline.rules.formula import FormulaError, calculated, half_up, names, parsed

NUMBERS = {
    "amount": Fraction(12_345),
    "metadata.nights": Fraction("2.5"),
    "metadata.a b": Fraction(7),
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("amount / 100", Fraction("123.45")),
        ("1 + 2 * 3 - 4 / 8", Fraction("6.5")),
        ("-(1 + 2) * -3", 9),
        ("0.1 + 0.2", Fraction("0.3")),  # in fractions, not in binary
        ("min(amount, 1000, 10) + max(1, 2)", 12),
        ("floor(2.5) + ceil(2.5) + round(2.5) + round(-2.5)", 2 + 3 + 3 - 2),
        ("metadata.nights * 2", 5),
        ('metadata["a b"]', 7),
        (" 1\t+ 1 ", 2),
        ("1e3", 1000),
    ],
)
def test_arithmetic(text: str, result: Fraction) -> None:
    """Precedence, brackets, functions and names as one would write them."""
    assert calculated(text, NUMBERS.get) == result


@pytest.mark.parametrize("text", ["1 / 0", "amount / (metadata.nights - 2.5)", "metadata.none + 1"])
def test_what_cannot_be_calculated_is_nothing(text: str) -> None:
    """A division by zero, and a number that is lacking."""
    assert calculated(text, NUMBERS.get) is None


def test_a_product_beyond_all_measure_is_nothing() -> None:
    """Numbers cannot be made to grow until the memory is full."""
    assert calculated(" * ".join(["1e99"] * 29), NUMBERS.get) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 +", "1 2", "(1", "1;2", "a = 1", "x := 1", "lambda: 1", "[1]", "{}", "'a'"),
        *("2 ** 9", "1 // 2", "1 % 2", "1 if 1 else 2", "1 < 2", "not 1", "True", "None", "1j"),
        *("amount.real.imag", "amount()", "open('x')", "min()", "round(1, 2)", "min(*[1])"),
        *("metadata[0]", "metadata[amount]", "__import__('os')", "().__class__", "1e999"),
        *("1" * 501, "-" * 100 + "1", "\0", "\ud800", "f'{1}'"),
    ],
)
def test_anything_else_is_no_formula(text: str) -> None:
    """Refused in words, when the rules are written."""
    with pytest.raises(FormulaError):
        parsed(text)


def test_names_are_what_a_formula_needs() -> None:
    """Each once, in their order."""
    text = 'amount + metadata.nights * amount + min(attribute.years, metadata["a b"])'
    assert names(text) == ("amount", "metadata.nights", "attribute.years", "metadata.a b")


@given(st.text(alphabet="0123456789.+-*/() amountmetadata_,", max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    """A formula or a FormulaError; and a formula is a number or nothing."""
    try:
        parsed(text)
    except FormulaError:
        return
    result = calculated(text, NUMBERS.get)
    assert result is None or half_up(result) <= result + Fraction(1, 2)
