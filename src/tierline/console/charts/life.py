"""A member's life as a chart: the tier as steps, the metric against the ladder's bounds, the
points, and what lies ahead, above one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from tierline.console.charts.scale import Scale, Tick, calendar_ticks, round_up, short
from tierline.engine.tracer import Station
from tierline.model.calendar import Zone

WIDTH: Final = 960
LEFT: Final = 92
RIGHT: Final = 946
ROW: Final = 26  # of a tier
ROWS_MAX: Final = 8
METRIC_HEIGHT: Final = 120
POINTS_HEIGHT: Final = 44
GAP: Final = 26
TICKS_MAX: Final = 8
NEAR: Final = 2  # a bound that is at most so many times the highest value is on the scale


class TierStep(Struct, frozen=True):
    """A stretch in one tier; `rank` counts from 0, the lowest. `ahead`: it has not come yet."""

    rank: int
    start: int
    end: int
    ahead: bool = False


class Mark(Struct, frozen=True):
    """Something at an instant: an override, an end, points that expire."""

    at: int
    kind: str
    text: str


class Life(Struct, frozen=True):
    """What is to be drawn."""

    tiers: Sequence[tuple[str, int | None]]  # name and lower bound of the metric, lowest first
    steps: Sequence[TierStep]
    stations: Sequence[Station]
    marks: Sequence[Mark]
    start: int
    end: int
    now: int
    at: int  # the instant that is looked at


class Bar(Struct, frozen=True):
    x: float
    y: float
    width: float
    rank: int
    ahead: bool


class Row(Struct, frozen=True):
    y: float
    name: str
    rank: int


class Bound(Struct, frozen=True):
    """Where a tier begins on the metric's scale."""

    y: float
    text: str
    rank: int


class PlacedMark(Struct, frozen=True):
    at: int
    x: float
    kind: str
    text: str


class Panel(Struct, frozen=True):
    """A value over time: its scale from 0 (at `bottom`) to `high` (at `top`), and its paths."""

    top: float
    bottom: float
    high: str
    line: str
    area: str

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


class LifeChart(Struct, frozen=True):
    """Places of all that is drawn, in a box of `width` by `height`."""

    width: int
    height: float
    left: int
    right: int
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    links: tuple[tuple[float, float, float], ...]  # upright lines between steps: x, y from, y to
    metric: Panel
    bounds: tuple[Bound, ...]
    points: Panel
    ticks: tuple[Tick, ...]
    axis: float
    now_x: float
    at_x: float | None
    marks: tuple[PlacedMark, ...]


def life_chart(life: Life, zone: Zone) -> LifeChart:
    x = Scale(life.start, life.end, LEFT, RIGHT)
    count = min(len(life.tiers), ROWS_MAX)
    rows = tuple(
        Row(4 + (count - 1 - rank) * ROW, name, rank)
        for rank, (name, _) in enumerate(life.tiers[:count])
    )
    bars = tuple(_bar(step, x, rows) for step in life.steps if step.rank < count)
    past = [station for station in life.stations if station.at <= life.now]
    top = 4 + count * ROW + GAP
    high = _high([s.metric for s in life.stations], [low for _, low in life.tiers])
    metric = Scale(0, high, top + METRIC_HEIGHT, top)
    most = round_up(max([*(station.balance for station in life.stations), 1]))
    points = Scale(0, most, metric.start + GAP + POINTS_HEIGHT, metric.start + GAP)
    at_x = x(life.at) if life.start <= life.at <= life.end and life.at != life.now else None
    return LifeChart(
        width=WIDTH, height=points.start + 30, left=LEFT, right=RIGHT,
        rows=rows, bars=bars, links=_links(bars),
        metric=_panel([(x(s.at), s.metric) for s in past], metric),
        bounds=_bounds(life.tiers, metric, high),
        points=_panel([(x(s.at), s.balance) for s in past], points),
        ticks=calendar_ticks(x, zone, TICKS_MAX), axis=points.start,
        now_x=x(life.now), at_x=at_x,
        marks=tuple(
            PlacedMark(mark.at, x(mark.at), mark.kind, mark.text)
            for mark in life.marks if life.start <= mark.at <= life.end
        ),
    )  # fmt: skip


def _panel(places: Sequence[tuple[float, int]], scale: Scale) -> Panel:
    """Steps: a value holds until the next one."""
    bottom, top = scale.start, scale.end
    line = area = ""
    if places:
        (x, value), *rest = places
        steps = "".join(f" H{at} V{scale(max(number, 0))}" for at, number in rest)
        line = f"M{x} {scale(max(value, 0))}{steps}"
        area = f"{line} V{bottom} H{x} Z"
    return Panel(top, bottom, short(int(scale.high)), line, area)


def _bar(step: TierStep, x: Scale, rows: Sequence[Row]) -> Bar:
    left, right = x(max(step.start, int(x.low))), x(min(step.end, int(x.high)))
    return Bar(left, rows[step.rank].y, max(round(right - left, 1), 2), step.rank, step.ahead)


def _links(bars: Sequence[Bar]) -> tuple[tuple[float, float, float], ...]:
    links = []
    for one, other in pairwise(bars):
        if one.y != other.y and abs(one.x + one.width - other.x) < 1:
            top, bottom = sorted((one.y, other.y))
            links.append((other.x, top + ROW / 2, bottom + ROW / 2))
    return tuple(links)


def _high(values: Sequence[int], lows: Sequence[int | None]) -> int:
    """The scale's end: all values, and the next bound where it is near them."""
    most = max([*values, 1])
    ahead = min((low for low in lows if low is not None and low > most), default=0)
    return round_up(max(most, ahead if ahead <= most * NEAR else 0) * 1.08)


def _bounds(tiers: Sequence[tuple[str, int | None]], metric: Scale, high: int) -> tuple[Bound, ...]:
    """Those that have room above each other."""
    bounds: list[Bound] = []
    for rank, (name, low) in enumerate(tiers):
        if low is None or not 0 < low <= high:
            continue
        y = metric(low)
        if not bounds or bounds[-1].y - y >= 13:
            bounds.append(Bound(y, f"{name} {short(low)}", rank))
    return tuple(bounds)
