"""What a batch changes in the counts of a program: members per tier, and moves per day. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tierline.ledger.member_aggregate import MemberAggregate
from tierline.model.events import Event

NO_TIER = ""  # the key under which members without a tier are counted

CountRow = tuple[int, str, int]  # program, tier, members more (or fewer)
MoveKey = tuple[int, int, str]
MoveRow = tuple[int, int, str, int]  # program, civil day, kind of event, moves more


def count_rows(aggregates: Iterable[MemberAggregate]) -> list[CountRow]:
    """Returns the net change of members per program and tier, in the order of these keys. Whoever
    becomes a member without a tier counts as well."""
    counts: Counter[tuple[int, str]] = Counter()
    for aggregate in aggregates:
        before, after = aggregate.first_standing, aggregate.standing
        if before.entries and before.tier == after.tier:
            continue
        counts[aggregate.number, after.tier or NO_TIER] += 1
        if before.entries:
            counts[aggregate.number, before.tier or NO_TIER] -= 1
    return [(*key, members) for key, members in sorted(counts.items()) if members]


def move_rows(aggregates: Iterable[MemberAggregate]) -> list[MoveRow]:
    """Returns the tier events per program, civil day in the project's time zone, and kind."""
    moves: Counter[MoveKey] = Counter()
    days: dict[tuple[int, int], int] = {}  # most of a night's events have few instants
    for aggregate in aggregates:
        number = aggregate.number
        for _, event in aggregate.events:
            if not isinstance(event, Event):
                continue
            at = number, event.at
            if at not in days:
                days[at] = aggregate.program.zone.day(event.at)
            moves[number, days[at], event.kind] += 1
    return [(*key, count) for key, count in sorted(moves.items())]
