"""Findings about single values that stand in several places: texts, days, periods, expiry."""

from __future__ import annotations

from collections.abc import Iterator

from tierline.model import calendar
from tierline.model.calendar import Period
from tierline.rules.expiry import AfterPeriod, DayOfYear, Expiry
from tierline.rules.lint.finding import Finding

ID_CHARACTERS_MAX = 200


def text_findings(path: str, text: str) -> Iterator[Finding]:
    if not text.strip():
        yield Finding(path, "must not be empty")
    elif len(text) > ID_CHARACTERS_MAX:
        yield Finding(path, f"has {len(text)} characters, at most {ID_CHARACTERS_MAX} are allowed")
    elif any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in text):
        yield Finding(path, "must not hold control characters or lone surrogates")


def length_findings(path: str, length: Period, *, nothing: bool = False) -> Iterator[Finding]:
    months, days = calendar.parse_period(length)
    if (months, days) == (0, 0) and not nothing:
        yield Finding(path, "must be longer than nothing")
    if months + days // 30 > 1200:
        yield Finding(path, "must be at most a hundred years")


def day_of_year(path: str, day: str) -> Iterator[Finding]:
    try:
        calendar.parse_day(f"2000-{day}")
    except ValueError:
        yield Finding(path, f"{day!r} is no day of the year: expected MM-DD like 12-31")


def expiry_findings(path: str, expiry: Expiry) -> Iterator[Finding]:
    if isinstance(expiry, AfterPeriod):
        yield from length_findings(f"{path}.length", expiry.length, nothing=True)
        if expiry.round_to is not None and expiry.month is not None:
            yield Finding(f"{path}.month", "rounds as round_to does; give one of the two")
    elif isinstance(expiry, DayOfYear):
        yield from day_of_year(f"{path}.day", expiry.day)
