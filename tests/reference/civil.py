"""Civil dates by the standard library alone: `datetime`, `zoneinfo`, and the pinned `tzdata`."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

# Only the tzdata package, never the machine's own files: both sides must mean the same zones.
zoneinfo.reset_tzpath(to=())

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
_PERIOD = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?$")


def millis(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment(instant: int) -> datetime:
    return EPOCH + timedelta(milliseconds=instant)


def iso(instant: int | None) -> str | None:
    if instant is None:
        return None
    return moment(instant).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % 1000:03d}Z"


@lru_cache(maxsize=4096)
def lengths(period: str) -> tuple[int, int]:
    """An ISO 8601 period as (months, days)."""
    match = _PERIOD.match(period)
    if match is None:
        raise ValueError(period)
    years, months, weeks, days = (int(g or 0) for g in match.groups())
    return years * 12 + months, weeks * 7 + days


def month_length(year: int, month: int) -> int:
    following = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
    return (following - date(year, month, 1)).days


@lru_cache(maxsize=65536)
def plus_months(day: date, months: int) -> date:
    """The same day of another month; that month's last day where it has no such day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, month_length(year, month)))


@lru_cache(maxsize=65536)
def plus(day: date, period: str, times: int = 1) -> date:
    months, days = lengths(period)
    return plus_months(day, months * times) + timedelta(days=days * times)


@lru_cache(maxsize=65536)
def span(day: date, unit: str, offset_months: int = 0, offset_days: int = 0) -> tuple[date, date]:
    """The calendar period that holds a day: its first day, and the first day after it."""
    if unit == "day":
        return day, day + ONE_DAY
    if unit == "week":
        first = day - timedelta(days=(day.weekday() - offset_days) % 7)
        return first, first + timedelta(days=7)
    length = MONTHS[unit]
    # Walk the boundaries one after another, from one that is before the day for certain.
    first = plus_months(date(day.year - 2, 1, 1), offset_months)
    while plus_months(first, length) + timedelta(days=offset_days) <= day:
        first = plus_months(first, length)
    return (
        first + timedelta(days=offset_days),
        plus_months(first, length) + timedelta(days=offset_days),
    )


@lru_cache(maxsize=65536)
def cycle(day: date, anchor: date, period: str) -> tuple[date, date]:
    """The one of equal periods laid out from an anchor, each counted from the anchor itself."""
    months, days = lengths(period)
    turn = (day - anchor).days // (months * 31 + days or 1) - 2
    while plus(anchor, period, turn + 1) <= day:
        turn += 1
    return plus(anchor, period, turn), plus(anchor, period, turn + 1)


@lru_cache(maxsize=65536)
def yearly(month_day: str, year: int) -> date:
    """`02-29` in a year; Feb 28 where there is no Feb 29."""
    month, day = (int(part) for part in month_day.split("-"))
    return date(year, month, min(day, month_length(year, month)))


@lru_cache(maxsize=256)
def zone(name: str) -> Zone:
    return Zone(name)


class Zone:
    """Days and their first instants. A day, once begun, lasts until the next one begins: where
    clocks go back across midnight, the hour that is repeated belongs to the day already begun."""

    def __init__(self, name: str) -> None:
        self.info = zoneinfo.ZoneInfo(name)
        self._starts: dict[date, int] = {}
        self._days: dict[int, date] = {}

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self.info).replace(tzinfo=None)

    def start(self, day: date) -> int:
        """The first instant whose local date is `day` or later."""
        if day not in self._starts:
            self._starts[day] = self._find(day)
        return self._starts[day]

    def _find(self, day: date) -> int:
        midnight = datetime.combine(day, time())
        guess = midnight.replace(tzinfo=self.info, fold=0).astimezone(UTC)
        if self._local(guess) == midnight:
            return millis(guess)
        # Midnight does not exist: the first instant after the clocks were put forward.
        low, high = guess - timedelta(days=2), guess + ONE_DAY
        while high - low > timedelta(milliseconds=1):
            middle = low + (high - low) // 2
            if self._local(middle).date() >= day:
                high = middle
            else:
                low = middle
        return millis(high.replace(microsecond=high.microsecond // 1000 * 1000))

    def day(self, instant: int) -> date:
        if instant not in self._days:
            if len(self._days) > 100_000:
                self._days.clear()  # a long run asks for millions
            day = self._local(moment(instant)).date()
            begun = self.start(day + ONE_DAY) <= instant
            self._days[instant] = day + ONE_DAY if begun else day
        return self._days[instant]

    def parse(self, text: str) -> int:
        """`2024-03-10 09:00`, local, or with an offset or Z; a bare date is its first instant."""
        text = text.strip()
        if len(text) == 10:
            return self.start(date.fromisoformat(text))
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            if at.time() == time():
                return self.start(at.date())
            at = at.replace(tzinfo=self.info)
        return millis(at)

    def show(self, instant: int | None) -> str:
        """Local time as scenarios write it."""
        if instant is None:
            return "never"
        local = moment(instant).astimezone(self.info)
        text = local.strftime("%Y-%m-%d %H:%M")
        if instant % 60000:
            text += f":{local.second:02d}" + (f".{instant % 1000:03d}" if instant % 1000 else "")
        return text
