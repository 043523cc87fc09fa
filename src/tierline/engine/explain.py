"""Why a member is where they are: the arithmetic of the decision, entry by entry.

Works from the ledger alone, so it answers for now, for any past instant, and for what was known
at a past instant. Everything it says is read off the same walk that decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tierline.engine import judge
from tierline.engine.calendar import format_day, format_instant
from tierline.engine.decide import decide, in_order_of_happening
from tierline.engine.ladder import Tier
from tierline.engine.metric import REVERSALS
from tierline.engine.model import Entry, Event, Override, Standing
from tierline.engine.policy import Program
from tierline.engine.walk import Walk, begin


class Counted(Struct, frozen=True):
    """One entry's part in a total."""

    entry: int
    kind: str
    day: str
    counts: int


class Total(Struct, frozen=True):
    """A metric in its window. `start` and `end` are civil days, `end` exclusive; None: unbounded.
    `carried` is what `counted` does not list: balances, and points that became active later."""

    metric: dict[str, Any]
    window: dict[str, Any]
    start: str | None
    end: str | None
    total: int
    counted: tuple[Counted, ...]
    carried: int


class Verdict(Struct, frozen=True):
    """One tier of the ladder, and whether its criterion holds now."""

    tier: str
    criterion: dict[str, Any]
    rule: str  # entry | retain | reentry | invitation
    holds: bool


class Term(Struct, frozen=True):
    """Where the dates of the held tier come from."""

    rule: dict[str, Any]
    started: str | None
    last_valid_day: str | None
    ends_at: str | None
    grace_until: str | None


class Explanation(Struct, frozen=True):
    at: str
    known_at: str
    version: int
    tier: str | None
    qualified: str | None
    held: str | None
    totals: dict[str, Total]
    ladder: tuple[Verdict, ...]
    term: Term | None
    waiting: tuple[str, str] | None
    overrides: tuple[Override, ...]
    last_event: Event | None


def standing_at(
    program: Program, entries: Sequence[Entry], at: int, known_at: int | None = None
) -> tuple[Standing, tuple[Event, ...], list[Entry]]:
    """A member at an instant, from the ledger.

    Without `known_at`: as it was then, by what was recorded until `at`. With it: as it would have
    been, by everything that is known at `known_at`, each entry taken when it really happened.
    """
    if known_at is None:
        known = [e for e in entries if e.recorded_at <= at]
    else:
        known = in_order_of_happening([e for e in entries if e.recorded_at <= known_at], at)
    decision = decide(program, Standing(), known, at)
    return decision.standing, decision.events, known


def explain(
    program: Program, entries: Sequence[Entry], at: int, known_at: int | None = None
) -> Explanation:
    """The arithmetic behind the tier at an instant; see `standing_at` for the two times."""
    standing, events, known = standing_at(program, entries, at, known_at)
    walk = begin(program, standing)
    best = judge.qualified(walk) if standing.joined_at is not None else -1
    tiers = walk.version.policy.tiers
    waiting = standing.waiting
    return Explanation(
        at=format_instant(at),
        known_at=format_instant(at if known_at is None else known_at),
        version=walk.version.number,
        tier=standing.tier,
        qualified=tiers[best].id if best >= 0 else None,
        held=standing.held,
        totals={name or "metric": _total(walk, name, known) for name in walk.version.measures},
        ladder=tuple(_verdict(walk, rank, tier) for rank, tier in enumerate(tiers)),
        term=_term(walk) if standing.held is not None else None,
        waiting=(waiting[0], format_instant(waiting[1])) if waiting else None,
        overrides=standing.overrides,
        last_event=events[-1] if events else None,
    )


def _total(walk: Walk, name: str | None, entries: Sequence[Entry]) -> Total:
    measure = walk.version.measures[name]
    today, anchors = walk.today, walk.anchors()
    span = measure.window.span(today, anchors)
    counted: list[Counted] = []
    if measure.metric.source != "balance":
        for entry in entries:
            origin = entry.detail.origin if entry.detail else None
            reversal = entry.kind in REVERSALS and origin is not None
            day = walk.zone.day(origin.occurred_at if reversal and origin else entry.occurred_at)
            bucket = measure.window.bucket(day)
            amount = (
                -measure.metric.takes(entry, origin)
                if reversal and origin
                else measure.metric.brings(entry)
            )
            if bucket is None or not amount:
                continue
            inside = measure.window.total(((bucket, amount),), today, anchors)
            if inside:
                counted.append(Counted(entry.n, entry.kind, format_day(day), inside))
    total = walk.value(name)
    return Total(
        metric=msgspec.to_builtins(measure.metric),
        window=msgspec.to_builtins(measure.window),
        start=format_day(span[0]) if span else None,
        end=format_day(span[1]) if span else None,
        total=total,
        counted=tuple(counted),
        carried=total - sum(c.counts for c in counted),
    )


def _verdict(walk: Walk, rank: int, tier: Tier) -> Verdict:
    facts = walk.facts()
    held = rank == walk.rank
    again = rank > walk.rank and tier.id in walk.reached and tier.reentry is not None
    rule, criterion = "entry", tier.criterion
    if held and tier.retain is not None:
        rule, criterion = "retain", tier.retain
    elif tier.hidden or tier.invitation:
        rule = "invitation"
    elif again and tier.reentry is not None:
        rule, criterion = "reentry", tier.reentry
    holds = tier.retained(facts) if held else tier.entered(facts, before=again)
    return Verdict(tier.id, msgspec.to_builtins(criterion), rule, holds)


def _term(walk: Walk) -> Term:
    start, end = walk.started_at, walk.ends_at
    return Term(
        rule=msgspec.to_builtins(judge.term_of(walk)),
        started=None if start is None else format_day(walk.zone.day(start)),
        last_valid_day=None if end is None else format_day(walk.zone.day(end - 1)),
        ends_at=None if end is None else format_instant(end),
        grace_until=None if walk.grace_until is None else format_instant(walk.grace_until),
    )
