"""What lies ahead: what is needed for the next tier, what keeps this one, and what time will do.

The future without new activities is the same decision with a later instant: risks are not a
second rule, they are the events that `decide` would emit.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from tierline.engine import calendar, judge
from tierline.engine.decide import decide
from tierline.engine.ladder import Range, Tier
from tierline.engine.model import Event, Standing
from tierline.engine.policy import Program
from tierline.engine.walk import Walk, begin
from tierline.engine.window import Rolling

HORIZON_DAYS = 2 * 366  # how far ahead risks are looked for


class Current(Struct, frozen=True, kw_only=True):
    """The membership as it is. `expires_at` is exclusive; `last_valid_day` its civil reading."""

    tier: str | None
    since: int | None
    expires_at: int | None
    last_valid_day: str | None
    qualified_tier: str | None  # by today's totals alone
    held_tier: str | None  # by the rules, without overrides
    grace_until: int | None
    manual: bool
    balance: int
    pending: int
    metric: int  # the policy's own metric, in today's window


class Deferred(Struct, frozen=True):
    """A tier that is earned and begins later."""

    tier: str
    starts_at: int


class Risk(Struct, frozen=True):
    """What happens to the tier if nothing else does."""

    kind: str  # downgraded | left
    at: int
    tier: str | None  # the tier then


class Opportunity(Struct, frozen=True):
    """`needed` more of the metric reaches `tier`; true until `valid_until` (then the window
    turns or an amount leaves it). None needed: by other criteria."""

    tier: str
    needed: int | None
    valid_until: int | None


class Progress(Struct, frozen=True):
    current: Current
    deferred: tuple[Deferred, ...]
    to_next: Opportunity | None
    to_retain: int | None  # more of the metric until the term ends; None: nothing to lose
    risks: tuple[Risk, ...]
    opportunities: tuple[Opportunity, ...]
    forecast_tier: str | None  # right after the present term ends, if nothing happens
    next_expiry: tuple[int, int] | None  # points that expire next: (instant, points)


def progress(program: Program, standing: Standing, at: int) -> Progress:
    """The whole read model of a member at an instant not before the standing's own."""
    now = decide(program, standing, (), at).standing
    walk = begin(program, now)
    ahead = decide(program, now, (), at + HORIZON_DAYS * calendar.DAY_MS).events
    opportunities = tuple(_opportunities(walk))
    lot = next((lot for lot in now.lots if lot[0] is not None), None)
    return Progress(
        current=_current(walk, now),
        deferred=(Deferred(*now.waiting),) if now.waiting else (),
        to_next=opportunities[0] if opportunities else None,
        to_retain=_to_retain(walk),
        risks=tuple(_risks(ahead)),
        opportunities=opportunities,
        forecast_tier=_forecast_tier(program, now),
        next_expiry=(lot[0], lot[1]) if lot is not None and lot[0] is not None else None,
    )


def _current(walk: Walk, now: Standing) -> Current:
    view = walk.view()
    best = judge.qualified(walk) if now.joined_at is not None else -1
    return Current(
        tier=now.tier,
        since=now.since,
        expires_at=view.expires_at,
        last_valid_day=last_valid_day(walk.program, view.expires_at),
        qualified_tier=walk.version.policy.tiers[best].id if best >= 0 else None,
        held_tier=now.held,
        grace_until=now.grace_until,
        manual=view.manual,
        balance=view.balance,
        pending=view.pending,
        metric=walk.value(None),
    )


def last_valid_day(program: Program, expires_at: int | None) -> str | None:
    """The civil day in which the last valid instant lies."""
    return None if expires_at is None else calendar.format_day(program.zone.day(expires_at - 1))


def _risks(ahead: tuple[Event, ...]) -> Iterator[Risk]:
    for event in ahead:
        if event.kind in ("downgraded", "left"):
            yield Risk(event.kind, event.at, event.tier_to)


def _forecast_tier(program: Program, now: Standing) -> str | None:
    end = now.grace_until or now.ends_at
    return now.tier if end is None else decide(program, now, (), end).standing.tier


def _opportunities(walk: Walk) -> Iterator[Opportunity]:
    """Every higher tier that an activity can reach, nearest first."""
    if walk.joined_at is None:
        return
    shown = -1 if walk.tier is None else walk.version.rank.get(walk.tier, -1)
    facts = walk.facts()
    for tier in walk.version.policy.tiers[shown + 1 :]:
        if tier.hidden or tier.invitation:
            continue
        bounds = _bounds(tier, before=tier.id in walk.reached)
        if bounds is None:
            yield Opportunity(tier.id, None, None)
        else:
            needed = bounds.from_ - facts.values(bounds.metric)
            yield Opportunity(tier.id, max(needed, 0), _valid_until(walk))


def _bounds(tier: Tier, *, before: bool) -> Range | None:
    """The single range that decides about entering a tier, if it is that simple."""
    criterion = tier.reentry if before and tier.reentry is not None else tier.entry
    if criterion is None:
        return Range(tier.from_ or 0, tier.to)
    return criterion if isinstance(criterion, Range) else None


def _to_retain(walk: Walk) -> int | None:
    tier = walk.version.tier(walk.held)
    if tier is None or (walk.ends_at is None and walk.grace_until is None):
        return None
    keep = tier.retain if tier.retain is not None else (tier.entry or Range(tier.from_ or 0))
    if not isinstance(keep, Range):
        return None
    return max(keep.from_ - walk.value(keep.metric), 0)


def _valid_until(walk: Walk) -> int | None:
    """From when the totals of today are wrong, because the window moved on."""
    window = walk.version.policy.window
    span = window.span(walk.today, walk.anchors())
    if span is not None:
        return walk.zone.start(span[1])
    if isinstance(window, Rolling):
        turn = walk.turn(None)
        return None if turn is None else walk.zone.start(turn)
    return None
