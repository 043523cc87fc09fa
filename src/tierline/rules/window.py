"""Windows: over which time a metric is counted. A new kind of window is one class here.

Each class answers the same questions about civil days: which total counts today, where today's
window starts and ends (None: it never turns), when it turns next, which day an amount is kept
under (None: it does not count at all), whether each day's total is kept (`by_day`), how such a
total is told from others (`mark`), and which kept days are past mattering (`floor`). `moves`: time
alone changes what it counts; `closes`: it is one of a row of periods, the last of which is judged
when it has closed; `shortest`: how many days such a period has at least; `since_join`: it begins
with the membership, and what happened before does not count. `carry_over`: what of one period
counts in the next, too (`carried`); a `total` is what was counted in the period itself.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from tierline.model import calendar
from tierline.model.calendar import Period, Unit

Buckets = tuple[tuple[int, int], ...]
_DAYS = {"day": 1, "week": 7}
_FIRST, _LAST = calendar.parse_day("1900-01-01"), calendar.parse_day("2200-01-01")
FROM_TERM = "@tier"  # marks totals that begin anew with each term of a tier
CARRY_BOUNDS_MAX = 100  # as many as a ladder has tiers


class Anchors(Struct, frozen=True, gc=False):
    """The civil days that windows may be laid out from."""

    join: int
    tier_start: int | None
    attributes: dict[str, str | int | bool]

    def day(self, anchor: str) -> int | None:
        """`join`, `tier_start`, a date, or `attribute:NAME`; None when it is not known."""
        if anchor == "join":
            return self.join
        if anchor == "tier_start":
            return self.tier_start
        if anchor.startswith("attribute:"):
            return _named_day(self.attributes.get(anchor[10:]))
        return calendar.parse_day(anchor)


def _named_day(value: str | int | bool | None) -> int | None:
    """The day that an attribute names, between the years 1900 and 2200, as instants are. Others
    (9999-12-31 for "never") name none."""
    try:
        day = calendar.parse_day(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return day if day is not None and _FIRST <= day < _LAST else None


class CarryOver(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a window that has closed brings into the one right after it: the surplus of what was
    counted in it over the highest bound in `above` that this reaches, up to `most`. Below every
    bound: nothing. What was brought into a window does not go on into a third."""

    above: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=CARRY_BOUNDS_MAX)
    ]
    most: Annotated[int, Meta(ge=1)] | None = None

    def surplus(self, total: int) -> int:
        """How much of a closed window's own total goes over."""
        reached = max((bound for bound in self.above if bound <= total), default=total)
        return total - reached if self.most is None else min(total - reached, self.most)


class Instant(Struct, frozen=True, tag="instant", forbid_unknown_fields=True):
    """No window: the metric as it is now (balances; anything else: over the whole membership)."""

    by_day: ClassVar[bool] = False
    moves: ClassVar[bool] = False
    closes: ClassVar[bool] = False
    shortest: ClassVar[int] = 1
    since_join: ClassVar[bool] = True
    carry_over: ClassVar[CarryOver | None] = None

    @property
    def mark(self) -> str:
        return "@all"

    def span(self, day: int, anchors: Anchors) -> tuple[int, int] | None:
        return None

    def total(self, buckets: Buckets, day: int, anchors: Anchors) -> int:
        return sum(amount for _, amount in buckets)

    def next_turn(self, buckets: Buckets, day: int, anchors: Anchors) -> int | None:
        return None

    def bucket(self, day: int) -> int | None:
        return 0

    def floor(self, day: int, anchors: Anchors, windows: int) -> int | None:
        return None


class Since(Struct, frozen=True, tag="since", omit_defaults=True, forbid_unknown_fields=True):
    """Everything from an anchor on: `join` (lifetime), `tier_start`, a date, or the day that an
    attribute names (nothing counts while it names none)."""

    anchor: Annotated[
        str,
        Meta(
            pattern=r"^(join|tier_start|attribute:.+|\d{4}-\d{2}-\d{2})$(?!\n)",
            description="`join`, `tier_start`, `attribute:NAME` or a date like 2024-03-19",
        ),
    ] = "join"

    moves: ClassVar[bool] = False
    closes: ClassVar[bool] = False
    shortest: ClassVar[int] = 1
    carry_over: ClassVar[CarryOver | None] = None

    @property
    def mark(self) -> str:
        if self.by_day:
            return ""
        return {"join": "@all", "tier_start": FROM_TERM}.get(self.anchor, f"@{self.anchor}")

    @property
    def since_join(self) -> bool:
        return self.anchor == "join"

    @property
    def by_day(self) -> bool:
        """An attribute may name another day tomorrow: then each day's total is kept."""
        return self.anchor.startswith("attribute:")

    def span(self, day: int, anchors: Anchors) -> tuple[int, int] | None:
        return None

    def total(self, buckets: Buckets, day: int, anchors: Anchors) -> int:
        if not self.by_day:
            return sum(amount for _, amount in buckets)
        start = anchors.day(self.anchor)
        return 0 if start is None else sum(a for d, a in buckets if d >= start)

    def next_turn(self, buckets: Buckets, day: int, anchors: Anchors) -> int | None:
        return None

    def bucket(self, day: int) -> int | None:
        # One bucket: nothing is older than the membership, and a new tier clears its own total.
        if self.anchor in ("join", "tier_start"):
            return 0
        if self.by_day:
            return day
        return 0 if day >= calendar.parse_day(self.anchor) else None

    def floor(self, day: int, anchors: Anchors, windows: int) -> int | None:
        return None


class Rolling(Struct, frozen=True, tag="rolling", forbid_unknown_fields=True):
    """The last `length`: an amount leaves at local midnight of its day + length, clamped."""

    by_day: ClassVar[bool] = True
    length: Period

    since_join: ClassVar[bool] = False
    moves: ClassVar[bool] = True
    closes: ClassVar[bool] = False
    shortest: ClassVar[int] = 1
    carry_over: ClassVar[CarryOver | None] = None

    @property
    def mark(self) -> str:
        return ""

    def span(self, day: int, anchors: Anchors) -> tuple[int, int] | None:
        return None

    def total(self, buckets: Buckets, day: int, anchors: Anchors) -> int:
        return sum(a for d, a in buckets if d <= day < calendar.add_period(d, self.length))

    def next_turn(self, buckets: Buckets, day: int, anchors: Anchors) -> int | None:
        leaving = (calendar.add_period(d, self.length) for d, _ in buckets)
        return min((turn for turn in leaving if turn > day), default=None)

    def bucket(self, day: int) -> int | None:
        return day

    def floor(self, day: int, anchors: Anchors, windows: int) -> int | None:
        # 28 days of slack: clamped months make "length before" and "length after" differ.
        return calendar.add_period(day, self.length, -1) - 28


class Calendar(Struct, frozen=True, tag="calendar", omit_defaults=True, forbid_unknown_fields=True):
    """Calendar periods; `offset_months`/`offset_days` move the year's start (a fiscal year)."""

    by_day: ClassVar[bool] = True
    unit: Unit
    offset_months: int = 0
    offset_days: int = 0
    carry_over: CarryOver | None = None

    since_join: ClassVar[bool] = False
    moves: ClassVar[bool] = True
    closes: ClassVar[bool] = True

    @property
    def mark(self) -> str:
        return ""

    def span(self, day: int, anchors: Anchors) -> tuple[int, int] | None:
        return calendar.span(day, self.unit, self.offset_months, self.offset_days)

    def total(self, buckets: Buckets, day: int, anchors: Anchors) -> int:
        start, end = calendar.span(day, self.unit, self.offset_months, self.offset_days)
        return sum(amount for d, amount in buckets if start <= d < end)

    def next_turn(self, buckets: Buckets, day: int, anchors: Anchors) -> int | None:
        return calendar.span(day, self.unit, self.offset_months, self.offset_days)[1]

    def bucket(self, day: int) -> int | None:
        return day

    def floor(self, day: int, anchors: Anchors, windows: int) -> int | None:
        return _windows_back(self, day, anchors, windows)

    @property
    def shortest(self) -> int:
        """How many days it has at least."""
        return calendar.MONTHS[self.unit] * 28 if self.unit in calendar.MONTHS else _DAYS[self.unit]


class Cycle(Struct, frozen=True, tag="cycle", omit_defaults=True, forbid_unknown_fields=True):
    """Equal periods from an anchor: enrolment anniversaries, membership years, fixed dates."""

    by_day: ClassVar[bool] = True
    length: Period
    anchor: str = "join"
    carry_over: CarryOver | None = None

    since_join: ClassVar[bool] = False
    moves: ClassVar[bool] = True
    closes: ClassVar[bool] = True

    @property
    def mark(self) -> str:
        return f"{FROM_TERM}-days" if self.anchor == "tier_start" else ""

    def span(self, day: int, anchors: Anchors) -> tuple[int, int] | None:
        anchor = anchors.day(self.anchor)
        return None if anchor is None else calendar.cycle(day, anchor, self.length)

    def total(self, buckets: Buckets, day: int, anchors: Anchors) -> int:
        span = self.span(day, anchors)
        return 0 if span is None else sum(a for d, a in buckets if span[0] <= d < span[1])

    def next_turn(self, buckets: Buckets, day: int, anchors: Anchors) -> int | None:
        span = self.span(day, anchors)
        return None if span is None else span[1]

    def bucket(self, day: int) -> int | None:
        return day

    def floor(self, day: int, anchors: Anchors, windows: int) -> int | None:
        if self.anchor == "tier_start" and anchors.tier_start is None:
            return day  # nothing is counted until a term starts, and then anew
        return _windows_back(self, day, anchors, windows)

    @property
    def shortest(self) -> int:
        """How many days it has at least."""
        months, days = calendar.parse_period(self.length)
        return months * 28 + days


Window = Instant | Since | Rolling | Calendar | Cycle


def carried(window: Window, buckets: Buckets, day: int, anchors: Anchors) -> int:
    """What the window before brought into the one that holds `day`."""
    span = window.span(day, anchors)
    if window.carry_over is None or span is None:
        return 0
    return window.carry_over.surplus(window.total(buckets, span[0] - 1, anchors))


def _windows_back(window: Window, day: int, anchors: Anchors, windows: int) -> int | None:
    """The start of the window `windows` before the one that holds `day`; and of the one before
    that, where it brings something over."""
    span = window.span(day, anchors)
    for _ in range(windows if window.carry_over is None else windows + 1):
        if span is None:
            return None
        span = window.span(span[0] - 1, anchors)
    return span[0] if span else None
