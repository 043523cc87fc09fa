"""What waits for an instant: when time next has work for a member, of whatever kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tierline.engine import tier_terms
from tierline.model import calendar

if TYPE_CHECKING:
    from tierline.engine.member_state import MemberState


def next_due(walk: MemberState) -> int | None:
    """The earliest of everything that waits for an instant."""
    ahead = [p.available_at for p in walk.pending if p.available_at is not None]
    if walk.lots and walk.lots[0][0] is not None:
        ahead.append(walk.lots[0][0])
    for override in walk.overrides:
        if override.starts_at > walk.at:
            ahead.append(override.starts_at)
        elif override.until is not None:
            ahead.append(override.until)
    change = walk.program.next_change(walk.at)
    if change is not None:
        ahead.append(change)
    walk.turn_at = None
    if walk.joined_at is not None and walk.hold_since is None:
        ahead.extend(_judgments(walk))
    return min(ahead) if ahead else None


def _judgments(walk: MemberState) -> Iterator[int]:
    if walk.waiting is not None:
        yield walk.waiting[1]
    end = walk.grace_until or walk.ends_at
    if end is not None:
        yield end
    if walk.version.turning and tier_terms.turn_matters(walk):
        turns = (walk.turn(measure) for measure in walk.version.turning)
        first = min((turn for turn in turns if turn is not None), default=None)
        walk.turn_at = None if first is None else walk.zone.start(first)
        if walk.turn_at is not None:
            yield walk.turn_at
    if walk.version.ages:
        yield from _ages(walk)


def _ages(walk: MemberState) -> list[int]:
    join = walk.anchors().join
    starts = (walk.zone.start(calendar.add_period(join, age)) for age in walk.version.ages)
    return [start for start in starts if start > walk.at]
