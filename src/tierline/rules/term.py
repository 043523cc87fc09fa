"""Terms: how long a granted tier is held. A new kind of term is one class here.

`end` answers with the first civil day on which the tier is no longer held (exclusive), or None
for a term without an end of its own. `window` is the qualification window that earned the tier.
`dated`: its start alone gives its end.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from tierline.model import calendar
from tierline.model.calendar import DayOfTheYear, Period, Unit
from tierline.rules.window import Anchors, Window

_LONGEST: dict[Unit, int] = {
    "day": 0, "week": 6, "month": 30, "quarter": 92, "half_year": 184, "year": 366
}  # fmt: skip


class Rounding(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Moves a last valid day to an edge of the calendar period that holds it.

    `month` (1-12) instead of a unit: to the end of the next month so numbered.
    """

    unit: Unit | None = None
    edge: Literal["start", "end"] = "end"
    month: Annotated[int, Meta(ge=1, le=12)] | None = None

    def last_day(self, day: int, not_before: int) -> int:
        if self.month is not None:
            date = calendar.date_of(day)
            ahead = (self.month - date.month) % 12
            return calendar.span(calendar.add_months(day, ahead), "month")[1] - 1
        if self.unit is None:
            return day
        start, end = calendar.span(day, self.unit)
        return end - 1 if self.edge == "end" else max(start, not_before)

    @property
    def reach(self) -> int:
        """By how many days, at most, it moves a day on."""
        return 366 if self.month is not None or self.unit is None else _LONGEST[self.unit]


class WhileQualified(Struct, frozen=True, tag="while_qualified", forbid_unknown_fields=True):
    """Held exactly as long as the metric qualifies."""

    dated: ClassVar[bool] = False

    def end(self, start: int, window: Window, anchors: Anchors) -> int | None:
        return None


class Forever(Struct, frozen=True, tag="forever", forbid_unknown_fields=True):
    """Held for good; only a higher tier or an override changes it."""

    dated: ClassVar[bool] = False

    def end(self, start: int, window: Window, anchors: Anchors) -> int | None:
        return None


class WindowEnd(
    Struct, frozen=True, tag="window_end", omit_defaults=True, forbid_unknown_fields=True
):
    """To the end of the window that earned it (`windows` 0), of the next (1), and so on; then
    `extend` further, then rounded. `start` is a day of the window that counts."""

    dated: ClassVar[bool] = True

    windows: Annotated[int, Meta(ge=0, le=12)] = 0
    extend: Period | None = None
    rounding: Rounding | None = None

    def end(self, start: int, window: Window, anchors: Anchors) -> int | None:
        span = window.span(start, anchors)
        for _ in range(self.windows):
            span = window.span(span[1], anchors) if span else None
        if span is None:
            return None
        last = calendar.add_period(span[1] - 1, self.extend) if self.extend else span[1] - 1
        return (self.rounding.last_day(last, start) if self.rounding else last) + 1

    def reach(self, window: Window) -> int:
        """By how many windows, at most, such a term outlasts the one that earned it."""
        if not window.closes or not (self.extend or self.rounding):
            return self.windows
        months, days = calendar.parse_period(self.extend or "P0D")
        further = months * 31 + days + (self.rounding.reach if self.rounding else 0)
        return self.windows + further // window.shortest + 1


class Duration(Struct, frozen=True, tag="duration", omit_defaults=True, forbid_unknown_fields=True):
    """`length` from the start, then rounded.

    Last valid day or first day without? `length` counts to the last valid day when `inclusive`
    (10 Nov + P3M is valid on 10 Feb), else it ends at local midnight of that day.
    `clock: drop` starts the length when the member no longer qualifies.
    """

    length: Period
    rounding: Rounding | None = None
    inclusive: bool = True
    clock: Literal["grant", "drop"] = "grant"

    @property
    def dated(self) -> bool:
        return self.clock == "grant"

    def end(self, start: int, window: Window, anchors: Anchors) -> int | None:
        return self.end_of(start, 1, start)

    def reach(self, window: Window) -> int:
        """By how many windows, at most, such a term outlasts the start of the first."""
        months, days = calendar.parse_period(self.length)
        length = months * 31 + days + (self.rounding.reach if self.rounding else 0)
        return length // window.shortest + 1

    def end_of(self, anchor: int, terms: int, start: int) -> int:
        """The end of the last of so many terms in a row, the first of which starts at `anchor`.
        That last one starts on `start`."""
        day = calendar.add_period(anchor, self.length, terms)
        last = day if self.inclusive else day - 1
        if self.rounding is not None:
            last = self.rounding.last_day(last, start)
        return last + 1


class Dates(Struct, frozen=True, tag="dates", forbid_unknown_fields=True):
    """Every tier ends at the end of the next of these days of the year (`MM-DD`, up to 20);
    a tier that starts on such a day ends with it. Feb 29 is Feb 28 in other years."""

    dated: ClassVar[bool] = True

    days: Annotated[
        tuple[DayOfTheYear, ...],
        Meta(min_length=1, max_length=20),
    ]

    def end(self, start: int, window: Window, anchors: Anchors) -> int | None:
        year = calendar.date_of(start).year
        return min(d for y in (year, year + 1) for d in self._in(y) if d >= start) + 1

    def reach(self, window: Window) -> int:
        """By how many windows, at most, such a term outlasts the start of the first."""
        return 366 // window.shortest + 1

    def _in(self, year: int) -> list[int]:
        # Counted from a leap year so that Feb 29 exists, then moved by whole years (clamped).
        return [
            calendar.add_months(calendar.parse_day(f"2000-{day}"), 12 * (year - 2000))
            for day in self.days
        ]


class AttributeDate(Struct, frozen=True, tag="attribute", forbid_unknown_fields=True):
    """To the end of the day that an attribute of the member names; no end while it names none."""

    dated: ClassVar[bool] = False

    name: str

    def end(self, start: int, window: Window, anchors: Anchors) -> int | None:
        day = anchors.day(f"attribute:{self.name}")
        return None if day is None or day < start else day + 1  # a past date ends nothing


Term = WhileQualified | Forever | WindowEnd | Duration | Dates | AttributeDate
