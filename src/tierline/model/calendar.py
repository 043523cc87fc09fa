"""Civil time, exactly: days, months, periods and their instants, in one time zone.

A civil day is an integer (days since 1970-01-01); an instant is an integer (milliseconds since
1970, UTC). Inside, everything is half open: a period is `[start, end)` and a term that is last
valid on day d ends at the first instant of day d + 1. Month arithmetic keeps the day and clamps it
to the month's last; the zone data is the pinned `tzdata` package, never the machine's.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

import whenever
from msgspec import Meta
from whenever import Date, Instant

Unit = Literal["day", "week", "month", "quarter", "half_year", "year"]
# ISO 8601, years, months, weeks and days only: terms are civil. `$` alone also matches before a
# line's end; \Z is unknown to the schema's readers.
Period = Annotated[
    str,
    Meta(
        pattern=r"^P(?=\d)(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$(?!\n)",
        max_length=20,
        description="a period like P12M (twelve months), P1Y, P2W or P30D",
    ),
]

DayOfTheYear = Annotated[
    str, Meta(pattern=r"^\d{2}-\d{2}$(?!\n)", description="a day of the year like 12-31")
]

CivilDay = Annotated[
    str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)", description="a day like 2026-12-31")
]

DAY_MS = 86_400_000
MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
_EPOCH = Date(1970, 1, 1)

# Only the pinned tzdata package: two machines must agree on when a day starts.
whenever.reset_tzpath([str(resources.files("tzdata") / "zoneinfo")])


@lru_cache(maxsize=65536)
def date_of(day: int) -> Date:
    return _EPOCH.add(days=day)


def day_number(date: Date) -> int:
    return int(date.since(_EPOCH, total="days"))


@lru_cache(maxsize=65536)
def parse_day(text: str) -> int:
    """`2024-02-29` as a civil day; ValueError when there is no such day."""
    return day_number(Date.parse_iso(text))


def format_day(day: int) -> str:
    return date_of(day).format_iso()


@lru_cache(maxsize=4096)
def weekday(day: int) -> int:
    """The day of the week: 1 = Monday to 7 = Sunday."""
    return (day + 3) % 7 + 1


def parse_period(text: str) -> tuple[int, int]:
    """`P1Y2M10D` as (months, days)."""
    months = days = 0
    number = ""
    for char in text[1:]:
        if char.isdigit():
            number += char
            continue
        count, number = int(number), ""
        if char in "YM":
            months += count * (12 if char == "Y" else 1)
        else:
            days += count * (7 if char == "W" else 1)
    return months, days


@lru_cache(maxsize=65536)
def add_months(day: int, months: int) -> int:
    """The same day of another month, or that month's last day where it has no such day."""
    return day_number(date_of(day).add(months=months))


def add_period(day: int, period: Period, times: int = 1) -> int:
    """`period` after `day`, `times` over: months first (from the original day), then days."""
    months, days = parse_period(period)
    return (add_months(day, months * times) if months else day) + days * times


@lru_cache(maxsize=65536)
def span(day: int, unit: Unit, offset_months: int = 0, offset_days: int = 0) -> tuple[int, int]:
    """The calendar period `[start, end)` that holds `day`.

    Weeks start on Monday. `offset_months`/`offset_days` move the start of the year, for a fiscal
    one: with unit "year" and offset_months 3 the years start on 1 April.
    """
    if unit == "day":
        return day, day + 1
    if unit == "week":
        start = day - (day + 3 - offset_days) % 7
        return start, start + 7
    months = MONTHS[unit]
    date = date_of(day - offset_days)
    index = date.year * 12 + date.month - 1 - offset_months
    first = index - index % months + offset_months
    return _month_start(first) + offset_days, _month_start(first + months) + offset_days


@lru_cache(maxsize=16384)
def _month_start(index: int) -> int:
    return day_number(Date(index // 12, index % 12 + 1, 1))


@lru_cache(maxsize=65536)
def cycle(day: int, anchor: int, period: Period) -> tuple[int, int]:
    """The `[start, end)` of the run of equal periods laid out from `anchor` that holds `day`.

    Each start is counted from the anchor itself, so a 31st does not drift to the 28th: an
    anniversary of Feb 29 turns on Feb 28 in other years. Days before the anchor have periods too.
    """
    months, days = parse_period(period)
    if not months:
        start = anchor + (day - anchor) // days * days
        return start, start + days
    guess = (day - anchor) // (months * 31 + days)
    while add_period(anchor, period, guess) > day:
        guess -= 1
    while add_period(anchor, period, guess + 1) <= day:
        guess += 1
    return add_period(anchor, period, guess), add_period(anchor, period, guess + 1)


class Zone:
    """A time zone: turns instants into civil days and days into their first instants."""

    def __init__(self, name: str) -> None:
        """ValueError (a `whenever.TimeZoneNotFoundError`) when there is no such zone."""
        self.name = name
        Instant.from_timestamp(0).to_tz(name)
        self._starts: dict[int, int] = {}
        # UTC day -> the civil days that it touches, as (first instant, day): a handful a zone.
        self._touched: dict[int, tuple[tuple[int, int], ...]] = {}

    def start(self, day: int) -> int:
        """The first instant of a civil day; where midnight is skipped, the first that exists."""
        start = self._starts.get(day)
        if start is None:
            if len(self._starts) > 20_000:
                self._starts.clear()
            moment = (
                date_of(day)
                .at(whenever.Time(12))
                .assume_tz(self.name, disambiguation="compatible")
                .start_of("day")
            )
            start = self._starts[day] = moment.timestamp(unit="millisecond")
        return start

    def day(self, instant: int) -> int:
        """The civil day that holds an instant."""
        utc_day = instant // DAY_MS
        touched = self._touched.get(utc_day)
        if touched is None:
            if len(self._touched) > 20_000:
                self._touched.clear()
            touched = self._touched[utc_day] = self._touch(utc_day * DAY_MS)
        for start, day in touched:
            if instant >= start:
                return day
        raise AssertionError(instant)

    def _touch(self, start: int) -> tuple[tuple[int, int], ...]:
        """The civil days of one UTC day, latest first."""
        first, last = (
            day_number(Instant.from_timestamp(at, unit="millisecond").to_tz(self.name).date())
            for at in (start, start + DAY_MS - 1)
        )
        return tuple((self.start(day), day) for day in range(last, first - 1, -1))


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    return Zone(name)


def parse_instant(text: str) -> int:
    """ISO 8601 with an offset or Z, truncated to milliseconds. ValueError for anything else."""
    try:
        return Instant.parse_iso(text).timestamp(unit="millisecond")
    except ValueError:
        return whenever.OffsetDateTime.parse_iso(text).timestamp(unit="millisecond")


@lru_cache(maxsize=4096)
def format_instant(instant: int) -> str:
    """`2024-03-19T00:02:13.529Z`: always milliseconds, always Z."""
    return Instant.from_timestamp(instant, unit="millisecond").format_iso(unit="millisecond")
