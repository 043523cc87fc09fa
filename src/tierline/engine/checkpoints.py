"""Checkpoints: as of here the standing is this, whatever the ledger says of before.

The first code that reads the rules in another way notes a member's standing as a fact, so that
nothing past is decided again. A fold starts at the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import fields

from tierline.engine.member_state import MemberState
from tierline.engine.tracer import BalanceChange, CheckpointTotals, Contribution, TermChange, Tracer
from tierline.model.entries import Entry
from tierline.model.standing import EDITION, Carried, carried

_FIELDS = [field.name for field in fields(Carried)]


def last_checkpoint(entries: Sequence[Entry]) -> int | None:
    """Returns the place of the last one; None: there is none."""
    places = range(len(entries) - 1, -1, -1)
    return next((i for i in places if entries[i].kind == "checkpoint"), None)


def seq_of(entry: Entry) -> int:
    """Returns the number of the last event before a checkpoint."""
    assert entry.detail is not None
    assert entry.detail.standing is not None
    return carried(entry.detail.standing).seq


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
    if not state.version.counts_terms:
        state.term_boundary = before.term_boundary
    note(state, entry)
    if state.tracer is not None and before.tracer is not None:
        _carry_lots(state.tracer, before.tracer, state, entry)
    owners = None
    if before.tracer is not None:
        owners = before.tracer.owners.copied()
        owners.settle(state.lots)
    state.noted = CheckpointTotals(_copy(state.sums), state.reached, state.term_boundary, owners)


def _carry_lots(tracer: Tracer, earlier: Tracer, state: MemberState, entry: int) -> None:
    """Points came from where they came, and moved as they did; they are as many as is noted."""
    tracer.lots, tracer.lot_changes = earlier.lots, earlier.lot_changes
    # What was announced before, the log says; what was not, nothing else.
    tracer.moves = [move for move in earlier.moves if not move.announced]
    tracer.owners = earlier.owners
    tracer.note_lots(state.at, entry, state.lots)
    tracer.owners.settle(state.lots)


def resume_replay(replay: MemberState, state: MemberState, entry: Entry) -> int:
    """As `resume`, for a replay on behalf of a state that was filled there; all that it holds."""
    assert state.noted is not None
    since = resume(replay, entry)
    noted = state.noted
    replay.reached, replay.term_boundary = noted.reached, noted.term_boundary
    replay.sums = _copy(noted.sums)
    if noted.owners is not None:
        replay.tracer = replay.tracer or Tracer()
        replay.tracer.owners = noted.owners.copied()
    note(replay, entry.n)
    return since


def _copy(sums: dict[str, dict[int, int]]) -> dict[str, dict[int, int]]:
    return {key: dict(buckets) for key, buckets in sums.items()}


def note(state: MemberState, entry: int) -> None:
    """Lets a tracer know what a checkpoint brings."""
    tracer, day = state.tracer, state.today
    if tracer is None:
        return
    for key, buckets in state.sums.items():
        for bucket, amount in buckets.items():
            tracer.total_changed(Contribution(key, buckets, bucket, bucket or day, amount, entry))
    tracer.balance, tracer.pending, tracer.dates = state.balance, state.points_pending, state.dates
    change = BalanceChange(day, "checkpoint", state.balance, state.points_pending, entry)
    tracer.balance_changes.append(change)
    if state.held is not None:
        tracer.term = TermChange(state.at, entry, None, state.ends_at)
