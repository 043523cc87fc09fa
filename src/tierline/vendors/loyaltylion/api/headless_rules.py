"""Earning rules and the ledger, as the headless API shows them. Pure.

Only rules that shoppers know of are shown: custom ones, joining, birthdays and purchases, with a
fixed number of points or so many for each unit of money.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tierline.analysis.points_history import PointsMove
from tierline.model.calendar import format_instant
from tierline.rules.earning_rule import (
    Birthday,
    CustomEvent,
    EarningRule,
    FixedPoints,
    Joining,
    OrderPaid,
    PointsPer,
)
from tierline.rules.ladder import Earning
from tierline.rules.points import multiplied
from tierline.rules.program import Rules
from tierline.vendors.loyaltylion.ladder import LionTier, rule_number

Json = dict[str, Any]
HISTORY_MAX = 50  # actions of a customer that are shown
_MINOR = 100
_SIGNUP = "$signup"


def rule_kind(rule: EarningRule) -> str | None:
    """Returns the vendor's kind; None for a rule that it has no shape for."""
    match rule.trigger:
        case CustomEvent(name=name):
            return "join_program" if name == _SIGNUP else "custom"
        case Joining():
            return "join_program"
        case Birthday():
            return "birthday"
        case OrderPaid():
            return "purchase"
    return None


def rule_objects(rules: Rules, tiers: Iterable[LionTier], project: str, program: str) -> list[Json]:
    """Returns the rules of the configuration, each with a variant for every tier."""
    ladder = list(tiers)
    objects = []
    for rule in rules.points.rules:
        shape = _rule(rule, project, program)
        if shape is not None:
            variants = [_variant(rule, rules, tier) for tier in ladder]
            objects.append({**shape, "variants": variants})
    return objects


def available_rules(
    rules: Rules, tier: LionTier, project: str, program: str, moves: Sequence[PointsMove]
) -> list[Json]:
    """Returns the rules as they are for a customer in a tier."""
    objects = []
    for rule in rules.points.rules:
        shape = _rule(rule, project, program)
        if shape is not None and rule.active:
            gains = [move for move in moves if rule.id in _rules_of(move) and move.points > 0]
            context = {
                "last_completed_at": format_instant(gains[-1].at) if gains else None,
                "completion_count": len(gains),
                "completion_limit": {"state": "no_limit"},
            }
            variant = _variant(rule, rules, tier)
            objects.append({**shape, "variant": variant, "context": context})
    return objects


def _rule(rule: EarningRule, project: str, program: str) -> Json | None:
    kind = rule_kind(rule)
    if kind is None or not isinstance(rule.points, FixedPoints | PointsPer):
        return None
    shape: Json = {"id": rule_number(project, program, rule.id), "limit": None, "kind": kind}
    limit = rule.limit
    if limit is not None and limit.times is not None and limit.per != "half_year":
        interval = limit.per if limit.per in ("day", "week", "month", "year") else None
        shape["limit"] = {"count": limit.times, "interval": interval}
    if isinstance(rule.trigger, CustomEvent) and kind == "custom":
        shape["properties"] = {"name": rule.trigger.name}
    return shape


def _variant(rule: EarningRule, rules: Rules, tier: LionTier) -> Json:
    held = next((each.earning for each in rules.policy.tiers if each.id == tier.tier), None)
    earning: Earning | None = rule.tiers.get(tier.tier, held)
    how = rule.points
    unit = how.every // _MINOR or 1 if isinstance(how, PointsPer) and how.of == "amount" else None
    points = multiplied(how.points if isinstance(how, FixedPoints | PointsPer) else 0, earning)
    text = f"{points:,} points" if unit is None else f"{points:,} points per {unit}"
    return {
        "tier_id": tier.id,
        "title": rule.name or rule.id,
        "description": None,
        "enabled": rule.active,
        "result": {"kind": "points", "per_currency_unit": unit, "points": points},
        "result_short_text": text,
    }


def _rules_of(move: PointsMove) -> tuple[str, ...]:
    detail = None if move.entry is None else move.entry.detail
    parts = () if detail is None else detail.parts
    return (*(part.rule for part in parts), *((move.rule,) if move.rule else ()))


# The ledger --------------------------------------------------------------------------------------


def history_objects(
    moves: Sequence[PointsMove], rules: Rules, project: str, program: str
) -> list[Json]:
    """Returns what happened to the points, the newest first. What was taken back shows at the
    action that it took back."""
    taken: dict[int, int] = {}
    approved: set[int] = set()
    for move in moves:
        origin = (
            None if move.entry is None or move.entry.detail is None else move.entry.detail.origin
        )
        if origin is not None and move.kind == "points.reversed":
            taken[origin.n] = taken.get(origin.n, 0) + move.points
        if move.kind == "points.activated" and move.entry is not None:
            number = move.entry.n if origin is None else origin.n
            approved.add(number)
    actions = []
    for move in moves:
        action = _action(move, taken, approved, rules, project, program)
        if action is not None:
            actions.append(action)
    return actions[::-1][:HISTORY_MAX]


def _action(
    move: PointsMove,
    taken: dict[int, int],
    approved: set[int],
    rules: Rules,
    project: str,
    program: str,
) -> Json | None:
    entry, at = move.entry, format_instant(move.at)
    detail = None if entry is None else entry.detail
    shape: Json = {"date": at, "points": move.points, "points_text": f"{move.points:,} points"}
    if move.kind == "points.expired":
        return {"kind": "points_expired", "label": "Points expired", **shape}
    if move.kind == "points.adjusted":
        label = (None if detail is None else detail.reason) or "Adjustment"
        if move.points < 0:
            return {"kind": "points_removed", "label": label, **shape, "state": "applied"}
        whole = {"points_will_expire_at": None, "state": "approved"}
        return {"kind": "points_added", "label": label, **shape, **whole}
    if move.kind != "points.earned":
        return None
    names = _rules_of(move)
    rule = next((each for each in rules.points.rules if each.id in names), None)
    kind = None if rule is None else rule_kind(rule)
    number = rule_number(project, program, rule.id if rule else "activity")
    is_void = entry is not None and taken.get(entry.n, 0) <= -move.points
    waits = move.waits > 0 and (entry is None or entry.n not in approved)
    return {
        "kind": "earned_points_from_rule",
        "label": (rule.name or rule.id) if rule else (detail and detail.name) or "Purchase",
        **shape,
        "rule": {
            "id": number,
            "kind": kind or ("custom" if entry is None or entry.kind != "order" else "purchase"),
        },
        "points_will_approve_at": None,
        "points_will_expire_at": None,
        "state": "void" if is_void else "pending" if waits else "approved",
    }
