"""When points expire: the last day on which they can be spent."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tierline.model import calendar
from tierline.model.calendar import DayOfTheYear, Period


class NoExpiry(Struct, frozen=True, tag="never", forbid_unknown_fields=True):
    """Points never expire."""

    def last_day(self, day: int) -> int | None:
        return None


class AfterPeriod(Struct, frozen=True, tag="after", omit_defaults=True, forbid_unknown_fields=True):
    """`length` after the activity's day, that day included; then to the end of `round_to`, or of
    the next month numbered `month` (1-12). Zero months: the end of the same day."""

    length: Period
    round_to: calendar.Unit | None = None
    month: Annotated[int, Meta(ge=1, le=12)] | None = None

    def last_day(self, day: int) -> int | None:
        last = calendar.add_period(day, self.length)
        if self.month is not None:
            ahead = (self.month - calendar.date_of(last).month) % 12
            return calendar.span(calendar.add_months(last, ahead), "month")[1] - 1
        return calendar.span(last, self.round_to)[1] - 1 if self.round_to else last


class DayOfYear(Struct, frozen=True, tag="day_of_year", forbid_unknown_fields=True):
    """The next such day of the year, `MM-DD`; points earned on it expire at its end."""

    day: DayOfTheYear

    def last_day(self, day: int) -> int | None:
        year = calendar.date_of(day).year
        leap = calendar.parse_day(f"2000-{self.day}")
        days = (calendar.add_months(leap, 12 * (y - 2000)) for y in (year, year + 1))
        return next(d for d in days if d >= day)


Expiry = NoExpiry | AfterPeriod | DayOfYear
