"""Checkpoints: as of here the standing is this, whatever the ledger says of before.

The first code that reads the rules in another way notes a member's standing as a fact, so that
nothing past is decided again. A fold starts at the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import fields

from tierline.engine.member_state import MemberState
from tierline.engine.tracer import BalanceChange, Contribution, TermChange
from tierline.model.entries import Entry
from tierline.model.standing import EDITION, Carried, carried

_FIELDS = [field.name for field in fields(Carried)]


def last_checkpoint(entries: Sequence[Entry]) -> int | None:
    """Returns the place of the last one; None: there is none."""
    places = range(len(entries) - 1, -1, -1)
    return next((i for i in places if entries[i].kind == "checkpoint"), None)


def resume(state: MemberState, entry: Entry) -> int:
    """Puts a state where a checkpoint stands, and returns that instant."""
    assert entry.detail is not None
    assert entry.detail.standing is not None
    standing = carried(entry.detail.standing)
    for name in _FIELDS:
        setattr(state, name, getattr(standing, name))
    state.entries, state.edition = entry.n, EDITION
    state.version = state.program.version(state.at)
    state.sums = {key: dict(buckets) for key, buckets in standing.totals.items()}
    return state.at


def fill(state: MemberState, before: MemberState, entry: int) -> None:
    """Takes what the checkpoint did not keep from a state that saw the ledger before it."""
    tracked, first = state.version.totals, state.totals_from
    for key, buckets in before.sums.items():
        if key not in tracked:
            state.sums[key] = dict(buckets)
        elif first is not None:
            older = {day: amount for day, amount in buckets.items() if 0 != day < first}
            state.sums[key] = older | state.sums.get(key, {})
    if not state.version.remembers:
        state.reached = before.reached
    if state.tracer is not None and before.tracer is not None:
        _trace(state, before, entry)


def _trace(state: MemberState, before: MemberState, entry: int) -> None:
    tracer, earlier = state.tracer, before.tracer
    assert tracer is not None
    assert earlier is not None
    day = state.today
    for key, buckets in state.sums.items():
        for bucket, amount in buckets.items():
            note = Contribution(key, buckets, bucket, bucket or day, amount, entry)
            tracer.total_changed(note)
    tracer.balance, tracer.pending, tracer.dates = state.balance, state.points_pending, state.dates
    change = BalanceChange(day, "checkpoint", state.balance, state.points_pending, entry)
    tracer.balance_changes.append(change)
    if state.held is not None:
        tracer.term = TermChange(state.at, entry, None, state.ends_at)
    tracer.lots, tracer.lot_changes, tracer.moves = (
        earlier.lots,
        earlier.lot_changes,
        earlier.moves,
    )
    tracer.note_lots(state.at, entry, state.lots)
    tracer.owners = earlier.owners
    tracer.owners.settle(state.lots)
