"""Money on the wire: text with two decimals for an integer of minor units. Pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from tierline.ledger.orders.statement_parsing import AMOUNT_MAX
from tierline.model.validation import invalid
from tierline.vendors.loyaltylion.ladder import bound

Money = str | int | float
CHARACTERS_MAX = 40
_TEXT = re.compile(r"[0-9]*\.?[0-9]+|[0-9]+\.", re.ASCII)  # no exponent, no sign, nobody's digits


def minor(money: Money, field: str) -> int:
    """Returns "19.99", or the number 19.99, as 1999. More than two decimals are rounded half up,
    as shops send sums of taxes. Raises Invalid."""
    text = str(money).strip()
    is_plain = not isinstance(money, str) or _TEXT.fullmatch(text) is not None
    try:
        amount = Decimal(text if is_plain and len(text) <= CHARACTERS_MAX else "NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount * 100 <= AMOUNT_MAX:
        raise invalid(field, 'expected an amount like "19.99", of 0 or more')
    return int((amount * 200 + 1) // 2)


def text(minor_units: int) -> str:
    """1999 is "19.99"."""
    return bound(minor_units)
