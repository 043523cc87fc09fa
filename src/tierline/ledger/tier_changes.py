"""What a batch changes in the counts of a program: members per tier, and moves per day. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tierline.ledger.member_aggregate import MemberAggregate
from tierline.model.events import Event

NO_TIER = ""  # the key under which members without a tier are counted

CountRow = tuple[int, str, int]  # program, tier, members more (or fewer)
MoveKey = tuple[int, int, str]
MoveRow = tuple[int, int, str, int]  # program, civil day, kind of event, moves more


def count_rows(aggregates: Iterable[MemberAggregate]) -> list[CountRow]:
    """Returns the net change of members per program and tier, in the order of these keys. Whoever
    becomes a member without a tier counts as well."""
    changes = Counter(
        [
            (a.number, a.first_standing.entries > 0, a.first_standing.tier, a.standing.tier)
            for a in aggregates
        ]
    )
    counts: Counter[tuple[int, str]] = Counter()
    for (number, was_member, before, after), members in changes.items():
        counts[number, after or NO_TIER] += members
        if was_member:
            counts[number, before or NO_TIER] -= members
    return [(*key, members) for key, members in sorted(counts.items()) if members]


def move_rows(aggregates: Sequence[MemberAggregate]) -> list[MoveRow]:
    """Returns the tier events per program, civil day in the project's time zone, and kind."""
    # By instants first: most of a night's events have few.
    instants = Counter(
        [
            (aggregate.number, event.at, event.kind)
            for aggregate in aggregates
            for _, event in aggregate.events
            if isinstance(event, Event)
        ]
    )
    if not instants:
        return []
    zones = {aggregate.number: aggregate.program.zone for aggregate in aggregates}
    moves: Counter[MoveKey] = Counter()
    for (number, at, kind), count in instants.items():
        moves[number, zones[number].day(at), kind] += count
    return [(*key, count) for key, count in sorted(moves.items())]
