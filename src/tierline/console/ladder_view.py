"""A program's tiers as pages show them: names, places in the ladder, and a shade for each."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tierline.rules.ladder import Range, Tier
from tierline.rules.program import Program

SHADES: Final = 8  # `tier-0` to `tier-7` of the style sheet


class TierView(Struct, frozen=True):
    """One tier. `low`: the lower bound of the policy's own metric, where it is that simple."""

    id: str
    name: str
    rank: int
    shade: int
    low: int | None
    high: int | None


class LadderView:
    """The tiers in force at an instant, lowest first; those that are gone have a name still."""

    def __init__(self, program: Program, at: int) -> None:
        version = program.version(at)
        tiers = version.rules.policy.tiers
        self.metric = version.rules.policy.metric
        self.tiers = tuple(
            TierView(tier.id, tier.name, rank, _shade(rank, len(tiers)), *_bounds(tier))
            for rank, tier in enumerate(tiers)
        )
        self.by_id = {tier.id: tier for tier in self.tiers}
        self._names = {t.id: t.name for v in program.versions for t in v.rules.policy.tiers}

    def shade(self, tier: str | None) -> str:
        """The class of a tier's colours."""
        view = self.by_id.get(tier or "")
        return "tier-none" if view is None else f"tier-{view.shade}"

    def name(self, tier: str | None) -> str:
        return "No tier" if tier is None else self._names.get(tier, tier)

    def rank(self, tier: str | None) -> int | None:
        view = self.by_id.get(tier or "")
        return None if view is None else view.rank


def _shade(rank: int, count: int) -> int:
    return rank if count <= SHADES else rank * (SHADES - 1) // (count - 1)


def _bounds(tier: Tier) -> tuple[int | None, int | None]:
    criterion = tier.criterion
    if not isinstance(criterion, Range) or criterion.metric is not None:
        return None, None
    return criterion.from_, criterion.to
