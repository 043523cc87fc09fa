"""LoyaltyLion's rules for earning, compiled to rules that the engine knows.

In: `{"kind": "purchase", "points", "per_currency_unit"?, "exclude"?, "variants"?}`, `join_program`,
`birthday` and `custom`, in the words of the headless API's configuration.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tierline.model.validation import invalid
from tierline.rules.earning_rule import (
    Birthday,
    CustomEvent,
    EarningRule,
    FixedPoints,
    Formula,
    HowMany,
    Joining,
    Limit,
    OrderPaid,
    PointsPer,
)
from tierline.rules.ladder import Earning

_MINOR = 100  # minor units of a unit of money
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Days = Annotated[int, Meta(ge=0, le=366)]


class RuleLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """So many times in a calendar interval; without one, ever."""

    count: Annotated[int, Meta(ge=1)]
    interval: Literal["day", "week", "month", "year"] | None = None


class RuleVariant(Struct, frozen=True, forbid_unknown_fields=True):
    """What a tier makes of a rule: other points, or nothing where it is not enabled."""

    tier_id: int | str
    points: Count | None = None
    enabled: bool = True


class PurchaseRule(
    Struct, frozen=True, tag_field="kind", tag="purchase", forbid_unknown_fields=True
):
    """Points for each whole unit of money that was paid, without what is excluded. Discounts are
    no part of what is paid; `include_discounts` adds them."""

    points: Annotated[int, Meta(ge=1, le=1_000_000)]
    per_currency_unit: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    exclude: tuple[Literal["shipping", "tax"], ...] = ()
    include_discounts: bool = False
    variants: tuple[RuleVariant, ...] = ()
    approval_days: Days | None = None


class JoinRule(
    Struct, frozen=True, tag_field="kind", tag="join_program", forbid_unknown_fields=True
):
    points: Count


class BirthdayRule(
    Struct, frozen=True, tag_field="kind", tag="birthday", forbid_unknown_fields=True
):
    points: Count
    variants: tuple[RuleVariant, ...] = ()


class CustomRule(Struct, frozen=True, tag_field="kind", tag="custom", forbid_unknown_fields=True):
    """Points for an activity of this name."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    points: Count
    limit: RuleLimit | None = None
    variants: tuple[RuleVariant, ...] = ()
    approval_days: Days | None = None


LionRule = PurchaseRule | JoinRule | BirthdayRule | CustomRule


def earning_rules(
    rules: tuple[LionRule, ...], tiers: dict[str, str], path: str
) -> tuple[EarningRule, ...]:
    """Returns our rules. `tiers`: our ids by the ids that variants may name. Raises Invalid."""
    compiled: dict[str, EarningRule] = {}
    for i, rule in enumerate(rules):
        ours = _compiled(rule, tiers, f"{path}[{i}]")
        if ours.id in compiled:
            raise invalid(f"{path}[{i}]", f"there is a rule {ours.id!r} already")
        compiled[ours.id] = ours
    return tuple(compiled.values())


def _compiled(rule: LionRule, tiers: dict[str, str], path: str) -> EarningRule:
    match rule:
        case PurchaseRule():
            return EarningRule(
                "purchase",
                OrderPaid(),
                _of_order(rule),
                name="Make a purchase",
                tiers=_variants(rule.variants, rule.points, tiers, path),
                pending_days=rule.approval_days,
            )
        case JoinRule(points=points):
            return EarningRule("join_program", Joining(), FixedPoints(points), "Join")
        case BirthdayRule(points=points):
            table = _variants(rule.variants, points, tiers, path)
            return EarningRule("birthday", Birthday(), FixedPoints(points), "Birthday", table)
        case CustomRule(name=name, points=points):
            limit = rule.limit
            return EarningRule(
                f"custom:{name}",
                CustomEvent(name),
                FixedPoints(points),
                name=name,
                tiers=_variants(rule.variants, points, tiers, path),
                limit=None if limit is None else Limit(times=limit.count, per=limit.interval),
                pending_days=rule.approval_days,
            )


def _of_order(rule: PurchaseRule) -> HowMany:
    every = rule.per_currency_unit * _MINOR
    if not rule.exclude and not rule.include_discounts:
        return PointsPer(every, rule.points)
    money = "amount" + "".join(f" - order.{part}" for part in dict.fromkeys(rule.exclude))
    if rule.include_discounts:
        money += " + order.discounts"
    return Formula(f"floor(({money}) / {every}) * {rule.points}")


def _variants(
    variants: tuple[RuleVariant, ...], points: int, tiers: dict[str, str], path: str
) -> dict[str, Earning]:
    table = {}
    for i, variant in enumerate(variants):
        where = f"{path}.variants[{i}]"
        tier = tiers.get(str(variant.tier_id))
        if tier is None:
            choices = ", ".join(tiers)
            raise invalid(f"{where}.tier_id", f"there is no such tier, known are {choices}")
        own_points = points if variant.points is None else variant.points
        percent, rest = divmod(100 * own_points, points or 1)
        if rest:
            raise invalid(f"{where}.points", f"expected whole percents of {points}")
        table[tier] = Earning(multiplier=percent if variant.enabled else 0)
    return table
