"""The ladder drawn to scale: how far it is from tier to tier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log1p
from typing import Final

from msgspec import Struct

from tierline.console.charts.scale import Scale
from tierline.console.ladder_view import TierView

WIDTH: Final = 720
HEIGHT: Final = 34
LABEL: Final = 96  # pixels that a tier's name needs
STEEP: Final = 12  # where the highest bound is so many times the lowest, distances are logarithms


class Rung(Struct, frozen=True):
    """A tier's stretch of the metric."""

    x: float
    width: float
    shade: int
    name: str
    low: int


class LadderChart(Struct, frozen=True):
    width: int
    height: int
    rungs: tuple[Rung, ...]
    logarithmic: bool


def ladder_chart(tiers: Sequence[TierView]) -> LadderChart | None:
    """None where tiers are not bounds of one metric alone."""
    if len(tiers) < 2 or any(tier.low is None for tier in tiers[1:]):
        return None
    lows = [max(tier.low or 0, 0) for tier in tiers]
    if any(low >= high for low, high in pairwise(lows)):
        return None
    logarithmic = lows[-1] > STEEP * lows[1]
    places = [log1p(low) for low in lows] if logarithmic else [float(low) for low in lows]
    end = places[-1] + max((places[-1] - places[0]) * 0.28, 1e-9)
    scale = Scale(places[0], end, 0, WIDTH)
    ends = [*places[1:], end]
    rungs = tuple(
        Rung(scale(place), round(scale(to) - scale(place), 1), tier.shade, tier.name, tier.low or 0)
        for tier, place, to in zip(tiers, places, ends, strict=True)
    )
    return LadderChart(WIDTH, HEIGHT, rungs, logarithmic)
