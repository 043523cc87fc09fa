"""Columns by day, each a stack of kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from tierline.console.charts.scale import Scale, Tick, round_up, short, short_day

WIDTH: Final = 520
HEIGHT: Final = 120
LEFT: Final = 34
TICKS: Final = 5


class Block(Struct, frozen=True):
    """A kind's part of a column."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    text: str


class ColumnChart(Struct, frozen=True):
    width: int
    height: int
    left: int
    blocks: tuple[Block, ...]
    ticks: tuple[Tick, ...]
    high: str


def column_chart(
    days: Sequence[str], counts: Mapping[str, Mapping[str, int]], kinds: Sequence[str]
) -> ColumnChart:
    """`counts` by day and kind; a day may lack. Days are written `2027-01-31`."""
    most = max((sum(of_day.values()) for of_day in counts.values()), default=0)
    y = Scale(0, round_up(max(most, 4)), HEIGHT, 6)
    step = (WIDTH - LEFT) / max(len(days), 1)
    blocks, ticks = [], []
    every = max(len(days) // TICKS, 1)
    for i, day in enumerate(days):
        x, base = round(LEFT + i * step + step * 0.14, 1), 0
        for kind in kinds:
            count = counts.get(day, {}).get(kind, 0)
            if count:
                top = y(base + count)
                height = round(max(y(base) - top, 1), 1)
                blocks.append(Block(x, top, round(step * 0.72, 1), height, kind, f"{count:,}"))
                base += count
        if i % every == 0:
            ticks.append(Tick(round(x + step * 0.36, 1), short_day(day)))
    return ColumnChart(WIDTH, HEIGHT + 24, LEFT, tuple(blocks), tuple(ticks), short(int(y.high)))
