"""Voucherify's points formulas, translated to ours.

The vendor's operands, functions and operators are those of
https://docs.voucherify.io/optimize/dynamic-formula-reference. Amounts are whole units of money
there, as the page's examples calculate, and minor units here. What the page says is not for earning
rules is refused by its name, and so are the metadata of single items, which no rule of ours reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from tierline.errors import Invalid
from tierline.model.validation import invalid
from tierline.rules import formula

ORDER_PAID: Final = "order.paid"
CHARACTERS_MAX: Final = 1_000
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_]+)'
    r"|(?P<sign>>=|<=|<>|!=|[-+*/%×÷><=();,]))"
)
_ITEM = {"PRICE": "price", "AMOUNT": "amount", "SUBTOTAL": "subtotal", "UNITS_QUANTITY": "quantity"}
_ORDER: Final[dict[str, str]] = {
    "ORDER_AMOUNT": "(order.total / 100)",
    "ORDER_ITEMS_QUANTITY": "order.lines",
    "ORDER_UNITS_QUANTITY": "order.quantity",
    **{
        f"{theirs}_ORDER_ITEM_{part}": f"order.{ours}_{name}"
        if name == "quantity"
        else f"(order.{ours}_{name} / 100)"
        for theirs, ours in (("CHEAPEST", "cheapest"), ("MOST_EXPENSIVE", "dearest"))
        for part, name in _ITEM.items()
    },
}
_DATES: Final = {"TODAY": "today", "NOW": "today", "CUSTOMER_BIRTHDATE": "attribute.birthdate"}
_METADATA: Final = {
    "ORDER_METADATA": "metadata",
    "CUSTOM_EVENT_METADATA": "metadata",
    "CUSTOMER_METADATA": "attribute",
}
_OF_NUMBERS: Final = {  # name: ours, fewest arguments, most
    "MIN": ("min", 1, 20),
    "MAX": ("max", 1, 20),
    "POW": ("pow", 2, 2),
    "DEFAULT_TO": ("default", 1, 20),
    "ROUND": ("round", 1, 2),
    "FLOOR": ("floor", 1, 2),
    "CEIL": ("ceil", 1, 2),
}
_OF_A_DATE: Final = {
    "DAY_OF_MONTH": "day_of_month({})",
    "MONTH": "month({})",
    "YEAR": "year({})",
    "DAYS_SINCE": "days_between({}, today)",
    "MONTHS_SINCE": "months_between({}, today)",
    "YEARS_SINCE": "years_between({}, today)",
    "DAYS_UNTIL": "days_between(today, {})",
    "MONTHS_UNTIL": "months_between(today, {})",
}
_SIGNS: Final = {"=": "==", "<>": "!=", "!=": "!=", ">": ">", "<": "<", ">=": ">=", "<=": "<="}
_OF_TEXTS: Final = {
    "is": "{} == {}",
    "isnot": "{} != {}",
    "contains": "contains({}, {})",
    "startswith": "starts_with({}, {})",
    "endswith": "ends_with({}, {})",
}
_OF_DATES: Final = {
    "dateis": "days_between({}, {}) == 0",
    "dateisnot": "days_between({}, {}) != 0",
    "isafter": "days_between({1}, {0}) > 0",
    "isbefore": "days_between({0}, {1}) > 0",
}
_AMONG: Final = {"inarray": "in", "notinarray": "not in"}
_MULTIPLY: Final = {"*": "*", "×": "*", "x": "*", "/": "/", "÷": "/", "%": "%"}


class Term(Struct, frozen=True):
    """A part of a formula in our words: a number, a text, metadata (which may be either), or a
    condition."""

    words: str
    sort: str


def translated(text: str, event: str, path: str) -> str:
    """Returns the formula in our words. Raises Invalid, naming what is wrong."""
    if len(text) > CHARACTERS_MAX:
        raise invalid(path, f"expected at most {CHARACTERS_MAX} characters")
    reader = _Reader(text, event, path)
    words = reader.number(reader.either())
    reader.end()
    try:
        formula.parsed(words)
    except formula.FormulaError as error:
        raise invalid(path, f"the formula {error}") from None
    return words


class _Reader:
    """Reads one formula from left to right; each method reads what its name says."""

    def __init__(self, text: str, event: str, path: str) -> None:
        self._event, self._path = event, path
        self._depth = 0
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._wrong(f"cannot read {text[place : place + 20].strip()!r}")
            self._tokens.append((str(match.lastgroup), str(match[str(match.lastgroup)])))
            place = match.end()

    def _wrong(self, what: str) -> Invalid:
        return invalid(self._path, what)

    def _peek(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _take(self, *words: str) -> str:
        if not self._tokens or (words and self._peek() not in words):
            next_ = repr(self._peek()) if self._tokens else "the end"
            raise self._wrong(f"expected {' or '.join(words) or 'a value'}, not {next_}")
        return self._tokens.pop(0)[1]

    def _word(self) -> str:
        """The next word as operators are told apart: `NOT_IN_ARRAY`, `isNot`."""
        sort, word = self._tokens[0] if self._tokens else ("", "")
        return word.replace("_", "").lower() if sort == "name" else ""

    def end(self) -> None:
        if self._tokens:
            raise self._wrong(f"expected the end, not {self._peek()!r}")

    # -- what a term is taken for ----------------------------------------------------------------

    def number(self, term: Term) -> str:
        if term.sort == "metadata":
            return f"number({term.words})"
        if term.sort != "number":
            raise self._wrong(f"expected a number where {term.words} stands")
        return term.words

    def condition(self, term: Term) -> str:
        if term.sort != "condition":
            raise self._wrong(f"expected a comparison where {term.words} stands")
        return term.words

    def _value(self, term: Term) -> str:
        if term.sort == "condition":
            raise self._wrong(f"expected a value where {term.words} stands")
        return term.words

    # -- operators, from the loosest to the tightest ---------------------------------------------

    def either(self) -> Term:
        self._depth += 1
        if self._depth > formula.DEPTH_MAX:
            raise self._wrong(f"is nested deeper than {formula.DEPTH_MAX}")
        term = self._joined("or", lambda: self._joined("and", self._negated))
        self._depth -= 1
        return term

    def _joined(self, word: str, read: Callable[[], Term]) -> Term:
        terms = [read()]
        while self._word() == word:
            self._take()
            terms.append(read())
        if len(terms) == 1:
            return terms[0]
        return Term(f"({f' {word} '.join(self.condition(each) for each in terms)})", "condition")

    def _negated(self) -> Term:
        if self._word() != "not":
            return self._compared()
        self._take()
        return Term(f"(not {self.condition(self._compared())})", "condition")

    def _compared(self) -> Term:
        left, word = self._sum(), self._word()
        if self._peek() in _SIGNS:
            sign = _SIGNS[self._take()]
            return self._by_sign(left, sign, self._sum())
        if word in _AMONG:
            self._take()
            return self._among(left, _AMONG[word])
        words = _OF_TEXTS.get(word) or _OF_DATES.get(word)
        if words is None:
            return left
        self._take()
        return Term(f"({words.format(self._value(left), self._value(self._sum()))})", "condition")

    def _by_sign(self, left: Term, sign: str, right: Term) -> Term:
        sides = [self._value(left), self._value(right)]
        if "number" in (left.sort, right.sort) and "text" not in (left.sort, right.sort):
            sides = [self.number(left), self.number(right)]
        return Term(f"({sides[0]} {sign} {sides[1]})", "condition")

    def _among(self, left: Term, word: str) -> Term:
        """The values stand in one text, between commas, or between brackets."""
        texts = [self._text()] if self._peek() != "(" else self._texts()
        texts = [part.strip() for text in texts for part in text.split(",")]
        values = [repr(text) for text in texts]
        values += [text for text in texts if re.fullmatch(r"\d+(\.\d+)?", text)]
        return Term(f"({self._value(left)} {word} ({', '.join(values)},))", "condition")

    def _texts(self) -> list[str]:
        self._take("(")
        texts = [self._tokens.pop(0)[1].strip('"')] if self._tokens else []
        while self._take(";", ",", ")") != ")":
            texts.append(self._take().strip('"'))
        return texts

    def _sum(self) -> Term:
        return self._chain({"+": "+", "-": "-"}, self._product)

    def _product(self) -> Term:
        return self._chain(_MULTIPLY, self._signed)

    def _chain(self, signs: dict[str, str], read: Callable[[], Term]) -> Term:
        term = read()
        while self._peek() in signs:
            sign = signs[self._take()]
            words = f"({self.number(term)} {sign} {self.number(read())})"
            term = Term(words, "number")
        return term

    def _signed(self) -> Term:
        if self._peek() != "-":
            return self._atom()
        self._take()
        return Term(f"-{self.number(self._atom())}", "number")

    # -- values ----------------------------------------------------------------------------------

    def _atom(self) -> Term:
        sort = self._tokens[0][0] if self._tokens else ""
        if sort == "text":
            return Term(repr(self._text()), "text")
        word = self._take()
        if sort == "number":
            return Term(word, "number")
        if word == "(":
            term = self.either()
            self._take(")")
            return Term(f"({term.words})", term.sort)
        if sort != "name":
            raise self._wrong(f"expected a value, not {word!r}")
        return self._named(word.upper())

    def _named(self, name: str) -> Term:
        if name in _ORDER:
            self._of_order(name)
            return Term(_ORDER[name], "number")
        if name in _DATES:
            return Term(_DATES[name], "text")
        if self._peek() != "(":
            raise self._wrong(f"{name} cannot be used here")
        self._take("(")
        term = self._called(name)
        self._take(")")
        return term

    def _called(self, name: str) -> Term:
        if name in _METADATA:
            if name == "ORDER_METADATA":
                self._of_order(name)
            return Term(f"{_METADATA[name]}[{self._text()!r}]", "metadata")
        if name in ("DATE", "DATE_TIME"):
            return Term(repr(self._text()), "text")
        if name in _OF_A_DATE:
            return Term(_OF_A_DATE[name].format(self._value(self.either())), "number")
        if name == "IF":
            test, _ = self.condition(self.either()), self._take(";")
            then, _ = self.number(self.either()), self._take(";")
            return Term(f"({then} if {test} else {self.number(self.either())})", "number")
        if name == "SWITCH":
            return self._switch()
        if name not in _OF_NUMBERS:
            raise self._wrong(f"{name} cannot be used here")
        ours, fewest, most = _OF_NUMBERS[name]
        numbers = [self.number(self.either())]
        while self._peek() == ";":
            self._take()
            numbers.append(self.number(self.either()))
        if not fewest <= len(numbers) <= most:
            raise self._wrong(f"{name} takes {fewest} to {most} values, not {len(numbers)}")
        return Term(f"{ours}({', '.join(numbers)})", "number")

    def _switch(self) -> Term:
        factor, words = self.either(), ""
        self._take(";")
        while self._peek().upper() == "SWITCH_CASE":
            self._take()
            self._take("(")
            test, _ = self._by_sign(factor, "==", self.either()), self._take(";")
            words += f"{self.number(self.either())} if {test.words} else "
            self._take(")")
            if self._peek() == ";":
                self._take()
        return Term(f"({words}{self.number(self.either())})", "number")

    def _of_order(self, name: str) -> None:
        if self._event != ORDER_PAID:
            raise self._wrong(f"{name} belongs to rules for {ORDER_PAID}")

    def _text(self) -> str:
        if not self._tokens or self._tokens[0][0] != "text":
            raise self._wrong('expected text in quotes, like "VIP"')
        return re.sub(r"\\(.)", r"\1", self._take()[1:-1])
