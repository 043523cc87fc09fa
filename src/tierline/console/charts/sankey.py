"""Who goes from which tier to which, as ribbons whose width is the number of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

WIDTH: Final = 680
HEIGHT: Final = 300
LEFT: Final = 150
RIGHT: Final = 530
NODE: Final = 12
GAP: Final = 10
THIN: Final = 1.5  # of the narrowest ribbon


class Flow(Struct, frozen=True):
    """So many members, from a row on the left to one on the right; rows count from 0, the top."""

    start: int
    end: int
    members: int


class Node(Struct, frozen=True):
    x: float
    y: float
    height: float
    row: int
    text_y: float
    name: str
    members: int


class Ribbon(Struct, frozen=True):
    path: str
    row: int  # of its left end
    moves: bool
    text: str


class SankeyChart(Struct, frozen=True):
    width: int
    height: int
    left: tuple[Node, ...]
    right: tuple[Node, ...]
    ribbons: tuple[Ribbon, ...]
    node: int


def sankey(before: Sequence[str], after: Sequence[str], flows: Sequence[Flow]) -> SankeyChart:
    """`before` and `after` name the rows, the highest tier first."""
    total = sum(flow.members for flow in flows) or 1
    room = HEIGHT - GAP * (max(len(before), len(after)) - 1)
    unit = room / total
    left = _nodes(before, _sums(flows, "start"), unit, LEFT - NODE)
    right = _nodes(after, _sums(flows, "end"), unit, RIGHT)
    starts, ends = {n.row: n.y for n in left}, {n.row: n.y for n in right}
    ribbons = []
    for flow in sorted(flows, key=lambda flow: (flow.start, flow.end)):
        thickness = max(flow.members * unit, THIN)
        y0, y1 = starts[flow.start], ends[flow.end]
        starts[flow.start] += flow.members * unit
        ends[flow.end] += flow.members * unit
        moves = before[flow.start] != after[flow.end]
        text = f"{before[flow.start]} → {after[flow.end]}: {flow.members:,}"
        ribbons.append(Ribbon(_ribbon(y0, y1, thickness), flow.start, moves, text))
    return SankeyChart(WIDTH, HEIGHT + 16, left, right, tuple(ribbons), NODE)


def _sums(flows: Sequence[Flow], end: str) -> Mapping[int, int]:
    sums: dict[int, int] = {}
    for flow in flows:
        row = getattr(flow, end)
        sums[row] = sums.get(row, 0) + flow.members
    return sums


def _nodes(
    names: Sequence[str], sums: Mapping[int, int], unit: float, x: float
) -> tuple[Node, ...]:
    nodes, y = [], 4.0
    for row, name in enumerate(names):
        height = max(sums.get(row, 0) * unit, THIN)
        middle = round(y + height / 2 + 4, 1)
        nodes.append(Node(x, round(y, 1), round(height, 1), row, middle, name, sums.get(row, 0)))
        y += height + GAP
    return tuple(nodes)


def _ribbon(y0: float, y1: float, thickness: float) -> str:
    middle = (LEFT + RIGHT) / 2
    a, b, c, d = (round(y, 1) for y in (y0, y1, y1 + thickness, y0 + thickness))
    return (
        f"M{LEFT} {a} C{middle} {a} {middle} {b} {RIGHT} {b} "
        f"V{c} C{middle} {c} {middle} {d} {LEFT} {d} Z"
    )
