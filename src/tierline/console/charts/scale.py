"""From values to places: linear scales, round steps, and the ticks of a calendar."""

from __future__ import annotations

from math import ceil
from typing import Final

from msgspec import Struct

from tierline.model.calendar import DAY_MS, Zone, add_months, date_of

_STEPS: Final = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_MONTH_STEPS: Final = (1, 3, 6, 12, 24, 60, 120)
_DAY_STEPS: Final = (1, 2, 7, 14)
_NAMES: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


class Scale(Struct, frozen=True):
    """Values from `low` to `high` at places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1
        return round(self.start + (value - self.low) / span * (self.end - self.start), 1)


class Tick(Struct, frozen=True):
    place: float
    text: str


def round_up(value: float) -> int:
    """The next round number."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= value:
                return ceil(step * power)
        power *= 10


def short(value: int) -> str:
    """`1.2k`, `3M`: where there is little room."""
    for size, mark in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= size:
            text = f"{value / size:.1f}".removesuffix(".0")
            return text + mark
    return str(value)


def short_day(day: str) -> str:
    """`2027-01-31` → `31 Jan`."""
    _, month, number = day.split("-")
    return f"{int(number)} {_NAMES[int(month) - 1]}"


def calendar_ticks(scale: Scale, zone: Zone, count_max: int) -> tuple[Tick, ...]:
    """At most so many days or months between the scale's instants, each at its midnight."""
    first, last = zone.day(int(scale.low)), zone.day(int(scale.high))
    for step in _DAY_STEPS:
        if (last - first) / step <= count_max:
            days = [day for day in range(first, last + 1) if (day - first) % step == 0]
            return _ticks(scale, zone, days, "day")
    months = (scale.high - scale.low) / DAY_MS / 30.4
    step = next((s for s in _MONTH_STEPS if months / s <= count_max), _MONTH_STEPS[-1])
    start = date_of(first)
    offset = (start.year * 12 + start.month - 1) % step
    day = add_months(first - start.day + 1, -offset)
    days = []
    while day <= last:
        days.append(day)
        day = add_months(day, step)
    return _ticks(scale, zone, days, "year" if step >= 12 else "month")


def _ticks(scale: Scale, zone: Zone, days: list[int], unit: str) -> tuple[Tick, ...]:
    ticks = []
    for day in days:
        at = zone.start(day)
        if not scale.low <= at <= scale.high:
            continue
        date = date_of(day)
        text = {
            "day": f"{date.day} {_NAMES[date.month - 1]}",
            "month": f"{_NAMES[date.month - 1]} {date.year}",
            "year": str(date.year),
        }[unit]
        ticks.append(Tick(scale(at), text))
    return tuple(ticks)
