"""Voucherify's points formulas: each example of its page, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tierline.errors import Invalid
from tierline.rules.formula import calculated
from tierline.vendors.voucherify.formulas import translated

# https://docs.voucherify.io/optimize/dynamic-formula-reference
FACTS: dict[str, Fraction | str] = {
    "order.total": Fraction(45_000),
    "order.lines": Fraction(5),
    "order.quantity": Fraction(7),
    "order.cheapest_price": Fraction(600),
    "order.dearest_quantity": Fraction(2),
    "metadata.day_of_week": Fraction(5),
    "metadata.number_of_store_visits": Fraction(4),
    "metadata.store_city": "New York",
    "attribute.customer_life_time_value": "75.55",
    "attribute.number_of_store_visits": Fraction(11),
    "attribute.tier": "VIP",
    "attribute.joined": "2026-01-31",
    "attribute.birthdate": "1990-05-17",
    "today": "2026-11-29",
}
VALUE = 'CUSTOMER_METADATA("customer_life_time_value")'


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('ORDER_METADATA("day_of_week") x 2', 10),
        ("ORDER_AMOUNT × 2 ÷ 9 * 3 / 3", 100),
        ("7 % 4", 3),
        ("IF(ORDER_AMOUNT > 500;ROUND(ORDER_AMOUNT * 1.5;0);ROUND(ORDER_AMOUNT;0))", 450),
        ("IF(ORDER_AMOUNT > 100;15;5)", 15),
        ("IF(ORDER_UNITS_QUANTITY > 5;FLOOR(ORDER_UNITS_QUANTITY / 3;0);1)", 2),
        ("IF(ORDER_ITEMS_QUANTITY > 4;IF(ORDER_AMOUNT > 200;25;15);10)", 25),
        ('(10 - ORDER_METADATA("number_of_store_visits"))', 6),
        ('POW(ORDER_METADATA("number_of_store_visits");2)', 16),
        ('IF(ORDER_METADATA("number_of_store_visits") > 5;10;3)', 3),
        ('DEFAULT_TO(CUSTOMER_METADATA("none") / 2;5)', 5),
        (f"ROUND({VALUE};1)", Fraction("75.6")),
        (f"ROUND({VALUE};0)", 76),
        (f"ROUND({VALUE};-1)", 80),
        (f"FLOOR({VALUE};1)", Fraction("75.5")),
        (f"FLOOR({VALUE};-1)", 70),
        ("CEIL(74.44;1)", Fraction("74.5")),
        ("CEIL(74.44;-1)", 80),
        (f"MIN({VALUE};10) + MAX(1;2;3)", 13),
        ('IF(CUSTOMER_METADATA("tier") is "VIP";25;10)', 25),
        ('IF(CUSTOMER_METADATA("tier") isNot "VIP";25;10)', 10),
        ('IF(CUSTOMER_METADATA("tier") = "VIP" AND NOT 1 > 2;25;10)', 25),
        ('IF(ORDER_METADATA("store_city") contains "York";1;2)', 1),
        ('IF(ORDER_METADATA("store_city") startsWith "York";1;2)', 2),
        ('IF(ORDER_METADATA("store_city") endsWith "York";1;2)', 1),
        ('IF(ORDER_METADATA("store_city") IN_ARRAY "Boston, New York";1;2)', 1),
        ('IF(ORDER_METADATA("store_city") NOT_IN_ARRAY ("Boston";"New York");1;2)', 2),
        ('IF(ORDER_METADATA("day_of_week") IN_ARRAY "4,5";1;2)', 1),
        (
            (
                'IF(CUSTOMER_METADATA("number_of_store_visits") > 10 '
                'AND ORDER_METADATA("day_of_week") = 5;20;3)'
            ),
            20,
        ),
        (
            (
                'IF(CUSTOMER_METADATA("number_of_store_visits") > 11 '
                'OR ORDER_METADATA("day_of_week") = 5;20;3)'
            ),
            20,
        ),
        (
            (
                'SWITCH(ORDER_METADATA("store_city");SWITCH_CASE("Boston";10) '
                'SWITCH_CASE("New York";15);5)'
            ),
            15,
        ),
        ('SWITCH(ORDER_METADATA("day_of_week");SWITCH_CASE(1;10);5)', 5),
        ("CHEAPEST_ORDER_ITEM_PRICE x 0.01 + 1", Fraction("1.06")),
        ("MOST_EXPENSIVE_ORDER_ITEM_UNITS_QUANTITY", 2),
        ("DAY_OF_MONTH(CUSTOMER_BIRTHDATE) + MONTH(TODAY) + YEAR(NOW)", 17 + 11 + 2026),
        ('DAYS_UNTIL(DATE("2026-12-25")) + MONTHS_UNTIL(DATE("2027-01-29"))', 26 + 2),
        ('MONTHS_SINCE(CUSTOMER_METADATA("joined")) + YEARS_SINCE(CUSTOMER_BIRTHDATE)', 9 + 36),
        ('DAYS_SINCE(DATE_TIME("2026-11-01T14:05:00.000Z"))', 28),
        ('IF(TODAY IS_AFTER DATE("2026-11-28");1;2)', 1),
        ('IF(TODAY IS_BEFORE DATE("2026-11-29");1;2)', 2),
        ('IF(TODAY DATE_IS DATE("2026-11-29") OR TODAY DATE_IS_NOT TODAY;1;2)', 1),
        ("-(1 + 2) - -3", 0),
    ],
)
def test_the_published_examples(text: str, result: Fraction) -> None:
    """Amounts are whole units of money; a metadata's type is what it is."""
    assert calculated(translated(text, "order.paid", "f"), FACTS.get) == result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a value, not the end"),
        ("1 +", "the end"),
        ("1 2", "expected the end"),
        ("(1", "expected )"),
        ("ORDER_AMOUNT > 5", "expected a number"),
        ("IF(5;1;2)", "expected a comparison"),
        ("IF(1 > 2;3)", "expected ;"),
        ("ROUND(1;2;3)", "1 to 2 values"),
        ("VOUCHER_START_DATE", "cannot be used here"),
        ('ORDER_ITEM_METADATA("Size")', "cannot be used here"),
        ('REDEEMABLE_METADATA("x")', "cannot be used here"),
        ("CUSTOMER_METADATA(5)", "text in quotes"),
        ('"VIP" + 1', "expected a number"),
        ("CUSTOMER_BIRTHDATE + 1", "expected a number"),
        ("1 ? 2", "cannot read"),
        ("(" * 40 + "1" + ")" * 40, "nested deeper"),
        ("1" * 1001, "at most 1000"),
        ("DATE(1)", "text in quotes"),
        ("IF(1 IN_ARRAY (;1;2)", "expected"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(Invalid, match="f: ") as refused:
        translated(text, "order.paid", "f")
    assert words in refused.value.sentence


def test_an_order_is_asked_for_its_numbers_alone_by_rules_for_orders() -> None:
    for text in ("ORDER_AMOUNT", 'ORDER_METADATA("x")'):
        with pytest.raises(Invalid, match=r"order\.paid"):
            translated(text, "page_view", "f")
    assert translated('CUSTOM_EVENT_METADATA("x") * 2', "page_view", "f")
