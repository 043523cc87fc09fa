"""Formulas of earning rules: the usual arithmetic, exactly, and nothing else."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierline.rules.formula import FormulaError, calculated, half_up, names, number_names, parsed

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
        *("2 ** 9", "1 // 2", "1 if 1 else 2", "1 < 2", "not 1", "True", "None", "1j"),
        *("amount.real.imag", "amount()", "open('x')", "min()", "round(1, 2, 3)", "min(*[1])"),
        *("metadata[0]", "metadata[amount]", "__import__('os')", "().__class__", "1e999"),
        *("1" * 2_001, "-" * 100 + "1", "\0", "\ud800", "f'{1}'"),
    ],
)
def test_anything_else_is_no_formula(text: str) -> None:
    """Refused in words, when the rules are written."""
    with pytest.raises(FormulaError):
        parsed(text)


TEXTS: dict[str, Fraction | str] = {
    **NUMBERS,
    "attribute.city": "Boston",
    "attribute.value": "75.55",
    "attribute.birthdate": "1990-02-28",
    "today": "2026-11-29",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("15 if amount > 100 else 5", 15),
        ("1 if metadata.nights > 3 and amount > 1 else 2 if metadata.nights >= 2.5 else 3", 2),
        ("1 if not (amount < 1 or amount == 12345) else 0", 0),
        ('10 if attribute.city == "Boston" else 15 if attribute.city == "Rome" else 5', 10),
        ('1 if attribute.city in ("EU", "Boston") else 0', 1),
        ('1 if attribute.city not in ("EU", "Boston") else 0', 0),
        ("1 if metadata.nights in (2, 2.5) else 0", 1),
        ('1 if contains(attribute.city, "ost") else 0', 1),
        ('1 if starts_with(attribute.city, "B") and ends_with(attribute.city, "n") else 0', 1),
        ('1 if attribute.city != 5 and attribute.city != "x" else 0', 1),
        ("7 % 4 + -7 % 4", 3 + 1),
        ("pow(2, 10) + pow(4, 0.5) + pow(2, -1)", Fraction("1026.5")),
        ("default(metadata.none / 2, 1 / 0, 5)", 5),
        ("round(number(attribute.value), 1)", Fraction("75.6")),
        ("round(number(attribute.value), -1)", 80),
        ("floor(number(attribute.value), 1) + ceil(74.44, 1)", Fraction("150.0")),
        ("floor(number(attribute.value), -1) + ceil(74.44, -1)", 150),
        ("year(today) + month(today) + day_of_month(today)", 2026 + 11 + 29),
        ("days_between(today, '2026-12-25')", 26),
        ("months_between(attribute.birthdate, today) + years_between(today, '2025-11-30')", 441),
        ("1 if today < '2026-12-01T10:00:00Z' else 0", 1),
    ],
)
def test_conditions_texts_and_dates(text: str, result: Fraction) -> None:
    """Whatever is asked of a text or a date gives a number in the end."""
    assert calculated(text, TEXTS.get) == result


@pytest.mark.parametrize(
    "text",
    [
        *("attribute.city + 1", "1 if attribute.city > 5 else 2", "number(attribute.city)"),
        *("year(attribute.city)", "pow(2, 99)", "pow(-1, 0.5)", "round(1, 13)", "round(1, 0.5)"),
        *("1 if contains(amount, 'x') else 0", "days_between(today, attribute.none)", "5 % 0"),
    ],
)
def test_a_text_is_no_number(text: str) -> None:
    """And what no function can answer is nothing."""
    assert calculated(text, TEXTS.get) is None


@pytest.mark.parametrize(
    "text",
    [
        *("1 if amount else 2", "'a' + 1", "amount > 1", "1 if 1 < amount < 3 else 2"),
        *("1 if contains(1) else 2", "contains(attribute.city, 'a')", "default()", "pow(1)"),
        *("1 if amount in 5 else 2", "1 if amount in [1] else 2", "1 if amount is 5 else 2"),
    ],
)
def test_a_condition_is_no_number(text: str) -> None:
    with pytest.raises(FormulaError):
        parsed(text)


def test_what_is_compared_with_a_text_is_needed_as_no_number() -> None:
    text = "metadata.a if metadata.city == 'x' and (metadata.n + 1) > 2 else number(metadata.b)"
    assert names(text) == ("metadata.city", "metadata.n", "metadata.a", "metadata.b")
    assert number_names(text) == ("metadata.n", "metadata.a")


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
