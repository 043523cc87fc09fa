"""When an earning rule gives anything: from and until an instant, on which days of the week, at
which hours, or for a while again and again. All parts that are given must hold."""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta, Struct

from tierline.model import calendar
from tierline.model.calendar import Zone

Weekday = Annotated[int, Meta(ge=1, le=7)]  # 1 = Monday
HourOfDay = Annotated[
    str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$(?!\n)", description="an hour like 08:30")
]
Length = Annotated[
    str,
    Meta(
        pattern=r"^P(?=[\dT])(\d{1,4}D)?(T(?=\d)(\d{1,4}H)?(\d{1,5}M)?)?$(?!\n)",
        description="a length like PT1H, P2D or P1DT12H",
    ),
]
_PARTS: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", re.ASCII)
_MINUTE_MS: Final = 60_000


def length_ms(text: str) -> int:
    """Returns a length of days, hours and minutes in milliseconds; a day has 24 hours."""
    match = _PARTS.fullmatch(text)
    days, hours, minutes = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return ((days * 24 + hours) * 60 + minutes) * _MINUTE_MS


def minute_of(text: str) -> int:
    """Returns the minute of the day that `08:30` is."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class DailyHours(
    Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}, forbid_unknown_fields=True
):
    """From an hour to before another, in the project's time zone; over midnight where `to` is not
    later. `weekdays`: those on which it begins; none are all."""

    from_: HourOfDay
    to: HourOfDay
    weekdays: tuple[Weekday, ...] = ()

    def holds(self, minute: int, weekday: int) -> bool:
        start, end = minute_of(self.from_), minute_of(self.to)
        if start < end:
            return start <= minute < end and self._begins(weekday)
        if minute >= start:
            return self._begins(weekday)
        return minute < end and self._begins((weekday - 2) % 7 + 1)

    def _begins(self, weekday: int) -> bool:
        return not self.weekdays or weekday in self.weekdays


class Recurrence(Struct, frozen=True, forbid_unknown_fields=True):
    """For `duration` in every `interval`, counted from `starts_at`."""

    duration: Length
    interval: Length


class Validity(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a rule gives. `starts_at` and `ends_at` are instants, the second exclusive."""

    starts_at: str | None = None
    ends_at: str | None = None
    weekdays: tuple[Weekday, ...] = ()
    hours: tuple[DailyHours, ...] = ()
    recurrence: Recurrence | None = None

    def holds(self, at: int, zone: Zone) -> bool:
        start = None if self.starts_at is None else calendar.parse_instant(self.starts_at)
        if start is not None and at < start:
            return False
        if self.ends_at is not None and at >= calendar.parse_instant(self.ends_at):
            return False
        day = zone.day(at)
        weekday = calendar.weekday(day)
        if self.weekdays and weekday not in self.weekdays:
            return False
        minute = (at - zone.start(day)) // _MINUTE_MS
        if self.hours and not any(hours.holds(minute, weekday) for hours in self.hours):
            return False
        if self.recurrence is None or start is None:
            return True
        since = (at - start) % length_ms(self.recurrence.interval)
        return since < length_ms(self.recurrence.duration)
