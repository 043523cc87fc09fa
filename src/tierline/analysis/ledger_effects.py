"""What a member's ledger did: to the lots of points, and to the tiers held.

Works from the whole ledger, as explanations do, and reads off the notes of the decision (`tracer`).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tierline.engine.checkpoints import last_checkpoint, seq_of
from tierline.engine.decide import trace
from tierline.engine.lot_owners import LotOwners, Shares
from tierline.engine.tracer import LotChange, MembershipChange, MovedEnd, Tracer
from tierline.model.entries import Entry
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.rules.points import Lots
from tierline.rules.program import Program


class EntryEffect(Struct, frozen=True):
    """What an entry did to the lots, and what time did to them after the entry before it."""

    lots: Lots  # (expiry, points more or fewer)
    meanwhile: tuple[tuple[int, Lots], ...]  # (instant, the same)


class LotShare(Struct, frozen=True):
    """Points of one entry in a lot. `entry` None: nobody knows whose they are."""

    entry: int | None
    points: int


class HeldLot(Struct, frozen=True):
    """Points that expire together; `expires_at` None: never."""

    expires_at: int | None
    points: int
    shares: tuple[LotShare, ...]


class TierPeriod(Struct, frozen=True):
    """A move, and until when the tier that it led to was held; None: to this day."""

    move: MembershipChange
    until: int | None


def entry_effects(program: Program, entries: Sequence[Entry], at: int) -> dict[int, EntryEffect]:
    """Returns by entry what it did to the lots; entries that did nothing are not there. What time
    did after the last entry until `at` stands under the entry that would be next."""
    _, tracer = trace(program, entries, at)
    numbers = [entry.n for entry in entries]
    starts = {entry.n: entry.recorded_at for entry in entries}
    by_entry: dict[int, Lots] = {}
    meanwhile: dict[int, list[tuple[int, Lots]]] = {}
    place = 0  # of the first entry that is not over when a change of time's happens
    for change in tracer.lot_changes:
        if change.entry is not None:
            by_entry[change.entry] = by_entry.get(change.entry, ()) + _difference(change)
            while place < len(numbers) and numbers[place] <= change.entry:
                place += 1
            continue
        while place < len(numbers) and starts[numbers[place]] < change.at:
            place += 1
        following = numbers[place] if place < len(numbers) else numbers[-1] + 1
        meanwhile.setdefault(following, []).append((change.at, _difference(change)))
    return {
        n: EntryEffect(by_entry.get(n, ()), tuple(meanwhile.get(n, ())))
        for n in sorted(by_entry.keys() | meanwhile.keys())
    }


def held_lots(
    program: Program, entries: Sequence[Entry], at: int
) -> tuple[Standing, tuple[HeldLot, ...]]:
    """Returns the standing at an instant, and its lots with the entries whose points they hold."""
    state, tracer = trace(program, entries, at)
    lots = tuple(
        HeldLot(expires_at, points, _shares(tracer.owners, expires_at, points))
        for expires_at, points in state.lots
    )
    return state.standing(), lots


def tier_periods(
    program: Program, entries: Sequence[Entry], at: int, former: Sequence[Event] = ()
) -> tuple[TierPeriod, ...]:
    """Returns every change of membership until an instant, oldest first. `former`: the member's
    events as the log has them, which tell what was announced before a checkpoint."""
    _, tracer = trace(program, entries, at)
    return periods_of(tracer, entries, former)


def tier_notes(
    program: Program, entries: Sequence[Entry], at: int
) -> tuple[tuple[TierPeriod, ...], tuple[MovedEnd, ...]]:
    """Returns `tier_periods`, and each time when a term's end moved by itself: a move or a renewal,
    which is announced, is none."""
    _, tracer = trace(program, entries, at)
    announced = {(move.event.at, move.event.entry) for move in tracer.moves}
    ends = [end for end in tracer.moved_ends if (end.at, end.entry) not in announced]
    return periods_of(tracer, entries), tuple(ends)


def periods_of(
    tracer: Tracer, entries: Sequence[Entry], former: Sequence[Event] = ()
) -> tuple[TierPeriod, ...]:
    """As `tier_periods`, from the notes of a decision."""
    moves = list(tracer.moves)
    place = last_checkpoint(entries)
    if place is not None:
        seq = seq_of(entries[place])
        before = [MembershipChange(event, True) for event in former if event.seq <= seq]
        moves = [*before, *moves]
        moves.sort(key=_instant)  # stable: what the fold says stays in its order
    periods: list[TierPeriod] = []
    until: int | None = None
    for move in reversed(moves):
        periods.append(TierPeriod(move, until))
        if move.event.kind != "prolonged":
            until = move.event.at
    return tuple(reversed(periods))


def _instant(move: MembershipChange) -> int:
    return move.event.at


def _difference(change: LotChange) -> Lots:
    before, after = dict(change.before), dict(change.after)
    expiries = [expires_at for expires_at, _ in change.before]
    expiries += [expires_at for expires_at, _ in change.after if expires_at not in before]
    return tuple(
        (expires_at, points)
        for expires_at in sorted(expiries, key=lambda x: (x is None, x or 0))
        if (points := after.get(expires_at, 0) - before.get(expires_at, 0))
    )


def _shares(owners: LotOwners, expires_at: int | None, points: int) -> tuple[LotShare, ...]:
    shares: Shares = owners.lots.get(expires_at, {})
    lines = [LotShare(n, count) for n, count in sorted(shares.items(), key=_age) if count]
    rest = points - sum(line.points for line in lines)
    return tuple(lines) if not rest else (LotShare(None, rest), *lines)


def _age(share: tuple[int | None, int]) -> int:
    return share[0] or 0
