"""A member's life as a chart: the tier as steps, the metric against the ladder's bounds, the
points, and what lies ahead, above one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from tierline.analysis.trajectory import Station
from tierline.console.charts.scale import Scale, Tick, calendar_ticks, round_up, short
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
    x: float
    kind: str
    text: str


class LifeChart(Struct, frozen=True):
    """Places of all that is drawn, in a box of `width` by `height`."""

    width: int
    height: float
    left: int
    right: int
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    links: tuple[tuple[float, float, float], ...]  # upright lines between steps: x, y from, y to
    metric_top: float
    metric_bottom: float
    metric_line: str
    metric_area: str
    metric_high: str
    bounds: tuple[Bound, ...]
    points_top: float
    points_bottom: float
    points_area: str
    points_high: str
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
    metric_top = 4 + count * ROW + GAP
    metric_bottom = metric_top + METRIC_HEIGHT
    high = _high([s.metric for s in life.stations], [low for _, low in life.tiers])
    metric = Scale(0, high, metric_bottom, metric_top)
    points_top = metric_bottom + GAP
    points_bottom = points_top + POINTS_HEIGHT
    balances = [station.balance for station in life.stations]
    points = Scale(0, round_up(max([*balances, 1])), points_bottom, points_top)
    past = [station for station in life.stations if station.at <= life.now]
    line = _line([(x(s.at), metric(max(s.metric, 0))) for s in past])
    at_x = x(life.at) if life.start <= life.at <= life.end and life.at != life.now else None
    return LifeChart(
        width=WIDTH, height=points_bottom + 30, left=LEFT, right=RIGHT,
        rows=rows, bars=bars, links=_links(bars),
        metric_top=metric_top, metric_bottom=metric_bottom,
        metric_line=line, metric_area=_area(line, past, x, metric_bottom),
        metric_high=short(int(high)), bounds=_bounds(life.tiers, metric, high),
        points_top=points_top, points_bottom=points_bottom,
        points_area=_area(
            _line([(x(s.at), points(max(s.balance, 0))) for s in past]), past, x, points_bottom
        ),
        points_high=short(int(points.high)),
        ticks=calendar_ticks(x, zone, TICKS_MAX), axis=points_bottom,
        now_x=x(life.now), at_x=at_x,
        marks=tuple(
            PlacedMark(x(mark.at), mark.kind, mark.text)
            for mark in life.marks if life.start <= mark.at <= life.end
        ),
    )  # fmt: skip


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


def _line(places: Sequence[tuple[float, float]]) -> str:
    """A path in steps: a value holds until the next one."""
    if not places:
        return ""
    (x, y), *rest = places
    path = [f"M{x} {y}"]
    path += [f"H{x} V{y}" for x, y in rest]
    return " ".join(path)


def _area(line: str, stations: Sequence[Station], x: Scale, bottom: float) -> str:
    if not line:
        return ""
    return f"{line} V{bottom} H{x(stations[0].at)} Z"


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
