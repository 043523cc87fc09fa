"""A program's tiers in LoyaltyLion's words.

Bounds are text with two decimals: minor units / 100 whatever the currency, points and orders
included; a tier's upper bound is the next one's lower bound - 0.01, null at the top.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from tierline.rules.program import Rules, Version
from tierline.vendors.vendor import once_per_version

NAME = "loyaltylion"


class LionTier(Struct, frozen=True):
    """A tier as LoyaltyLion sees it. Bounds in minor units, points or orders; both inclusive."""

    id: int
    tier: str  # our id
    name: str
    number: int  # 1 is the first
    default: bool
    hidden: bool
    lower_bound: int
    upper_bound: int | None

    def event_object(self) -> dict[str, Any]:
        """As `previous_tier` and `new_tier`: without `position`."""
        return {
            "id": self.id,
            "name": self.name,
            "number": self.number,
            "default": self.default,
            "hidden": self.hidden,
            "lower_bound": bound(self.lower_bound),
            "upper_bound": None if self.upper_bound is None else bound(self.upper_bound),
        }

    def membership_object(self, position_base: int = 1) -> dict[str, Any]:
        """As `loyalty_tier_membership.loyalty_tier`. The vendor's pages disagree on `position`:
        1 for the first tier like `number`, or 0 where an endpoint asks for that."""
        rest = self.event_object()
        head = {key: rest.pop(key) for key in ("id", "name", "number")}
        return {**head, "position": self.number - 1 + position_base, **rest}


def bound(minor: int) -> str:
    """20001 is "200.01"."""
    return f"{minor // 100}.{minor % 100:02d}"


def tiers(version: Version, project: str, program: str) -> dict[str, LionTier]:
    """A version's tiers in LoyaltyLion's words by our ids, lowest first; a program that was made
    in other words has them too."""

    def make() -> dict[str, LionTier]:
        names = version.rules.presentations.get(NAME)
        if names:
            ladder: Iterable[LionTier] = msgspec.convert(names["tiers"], list[LionTier])
        else:
            ladder = _synthetic(version.rules, project, program)
        return {tier.tier: tier for tier in ladder}

    return once_per_version(version, "loyaltylion.tiers", make)


def tier_number(project: str, program: str, tier: str) -> int:
    """An integer id for a tier that has none: the same every time."""
    text = f"{project}\x00{program}\x00{tier}"
    digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def rule_number(project: str, program: str, rule: str) -> int:
    """An integer id for a rule: the same every time."""
    return tier_number(project, program, f"rule\x1f{rule}")


def _synthetic(rules: Rules, project: str, program: str) -> list[LionTier]:
    ladder = rules.policy.tiers
    lion = []
    for i, tier in enumerate(ladder):
        above = ladder[i + 1].from_ if i + 1 < len(ladder) else None
        upper = tier.to if tier.to is not None or above is None else above - 1
        lower = tier.from_ or 0
        lion.append(
            LionTier(
                id=int(tier.id)
                if plain_number(tier.id)
                else tier_number(project, program, tier.id),
                tier=tier.id,
                name=tier.name,
                number=i + 1,
                default=i == 0 and lower == 0,
                hidden=tier.hidden,
                lower_bound=lower,
                upper_bound=upper,
            )
        )
    return lion


def plain_number(text: str) -> bool:
    """Whether an id of ours can stand as LoyaltyLion's integer."""
    return text.isascii() and text.isdigit() and len(text) <= 15 and str(int(text)) == text
