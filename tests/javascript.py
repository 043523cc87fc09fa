"""What JavaScript makes of JSON: a small reference in Python, and the real thing in Node.

The reference shares nothing with the code under test: it looks for the shortest digits by trying
one to seventeen of them, and orders keys by ECMA-262's words.
"""

from __future__ import annotations

import base64
import json
import subprocess
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal, localcontext
from typing import Any, Self

_PROGRAM = """
require('readline').createInterface({input: process.stdin}).on('line', line => {
  const text = Buffer.from(line, 'base64').toString('utf8');
  process.stdout.write(Buffer.from(JSON.stringify(JSON.parse(text))).toString('base64') + '\\n');
});
"""


class Node:
    """One Node process that parses and prints JSON, text after text."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "-e", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def again(self, text: bytes) -> bytes:
        """`JSON.stringify(JSON.parse(text))`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(base64.b64encode(text) + b"\n")
        self._process.stdin.flush()
        return base64.b64decode(self._process.stdout.readline())


def again(text: bytes) -> bytes:
    """`JSON.stringify(JSON.parse(text))` by the reference."""
    return _text(json.loads(text)).encode()


def _text(value: Any) -> str:
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: _rank(item[0]))
        return "{" + ",".join(f"{_string(k)}:{_text(v)}" for k, v in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(float(value))
    return _string(value)


def _rank(key: str) -> int:
    is_index = key in {"0", key.lstrip("0")} and key.isascii() and key.isdigit()
    return int(key) if is_index and int(key) < 2**32 - 1 else 2**32


def _string(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(double: float) -> str:
    if double == 0:
        return "0"
    text = _shortest(double)
    mantissa, exponent = text.split("e")
    sign, digits = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    digits, e = digits.replace(".", ""), int(exponent)
    if -7 < e < 0:
        return f"{sign}0.{'0' * (-e - 1)}{digits}"
    if 0 <= e < 21:
        whole, rest = digits[: e + 1].ljust(e + 1, "0"), digits[e + 1 :]
        return f"{sign}{whole}.{rest}" if rest else sign + whole
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if e > 0 else '-'}{abs(e)}"


def _shortest(double: float) -> str:
    """The fewest digits that are read back as the same double; of several, the nearest to it,
    and of two as near the even one (ECMA-262 6.1.6.1.20, note 2)."""
    with localcontext(Context(prec=800)):  # a double has up to 767 digits
        return _nearest(double, Decimal(double))


def _nearest(double: float, whole: Decimal) -> str:
    for places in range(17):
        step = Decimal(1).scaleb(whole.adjusted() - places)
        near = [whole.quantize(step, rounding) for rounding in (ROUND_DOWN, ROUND_UP)]
        near = [guess for guess in near if float(guess) == double]
        if near:
            near.sort(key=lambda guess: (abs(guess - whole), guess.as_tuple().digits[-1] % 2))
            return f"{near[0]:.{places}e}"
    raise AssertionError(double)
