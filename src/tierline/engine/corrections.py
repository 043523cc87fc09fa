"""Retroactive corrections: history as it would have been replaces what the rules granted.

Under the correction policy `retroactive`, a reversal or an activity of an earlier day plays the
member's history again, each entry when it really happened. What the replay grants is taken over,
and the difference that the world sees is announced now.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tierline.engine.bonuses import give_bonuses
from tierline.engine.checkpoints import last_checkpoint, resume_replay
from tierline.engine.entry_handlers import apply
from tierline.engine.member_state import HistoryNeeded, MemberState, begin
from tierline.engine.qualification import note_values
from tierline.engine.tier_terms import drop
from tierline.engine.timeline import conclude, fold, next_due, pass_time
from tierline.engine.tracer import Tracer
from tierline.engine.transitions import show
from tierline.model.entries import Entry, Part
from tierline.model.standing import Standing
from tierline.rules.metric import REVERSALS
from tierline.rules.program import Program
from tierline.rules.window import FROM_TERM


def corrects(state: MemberState, entry: Entry) -> bool:
    """Whether an entry changes the past: a reversal, or an activity of an earlier day. Of an
    exchange it is the entry that takes the other's place."""
    if state.version.policy.corrections != "retroactive" or entry.kind == "opening":
        return False
    exchange = entry.detail is not None and entry.detail.exchange
    if entry.kind in REVERSALS or exchange:
        return not exchange or entry.kind == "order"
    counts = bool(entry.points or entry.amount or entry.kind == "custom")
    return counts and state.zone.day(entry.occurred_at) < state.zone.day(entry.recorded_at)


def correct(state: MemberState, entries: Sequence[Entry]) -> None:
    """Applies the last of all the member's entries so far as a correction. Raises `HistoryNeeded`
    when the state has not seen them all."""
    if not state.whole:
        raise HistoryNeeded
    correction = entries[-1]
    note_values(state)
    replay = _replay(state, entries)
    state.counts_only = True
    apply(state, correction)
    state.counts_only = False
    if replay.joined_at is not None:
        _adopt(state, replay, correction)
    give_bonuses(state, correction)
    conclude(state, correction)


def correction_start(
    program: Program, standing: Standing, entry: Entry, entries: Sequence[Entry]
) -> int | None:
    """Returns the instant of the checkpoint behind which a retroactive correction did not reach;
    None: it reached all that it changes. `entry` was just recorded, `standing` is the member right
    after it, `entries` are all of theirs."""
    place = last_checkpoint(entries)
    if place is None or not corrects(begin(program, standing), entry):
        return None
    noted, origin = entries[place], entry.detail.origin if entry.detail else None
    if entry.n <= noted.n or entry.kind == "approve":
        return None
    behind = origin.n < noted.n if origin is not None else entry.occurred_at < noted.recorded_at
    return noted.recorded_at if behind else None


def _replay(state: MemberState, entries: Sequence[Entry]) -> MemberState:
    tracer = None if state.tracer is None else Tracer()
    replay = begin(state.program, Standing(), whole=True, tracer=tracer)
    replay.foresees = True  # what would have been told was not
    before = None
    noted = last_checkpoint(entries)
    if noted is None:
        history = in_order_of_happening(entries, state.at)
        replay.at = history[0].recorded_at
        replay.version = state.program.version(replay.at)
    else:
        # Nothing reaches behind a checkpoint: what happened before it happens there.
        since = resume_replay(replay, state, entries[noted])
        before = replay.term_boundary
        replay.due_at = next_due(replay)
        history = in_order_of_happening(entries[noted + 1 :], state.at, since)
    for entry in history:
        pass_time(replay, entry.recorded_at)
        replay.silent = entry.detail is not None and entry.detail.brings_no_bonus
        fold(replay, entry)
        if replay.silent:
            pass_time(replay, entry.recorded_at)
        replay.silent = False
    pass_time(replay, state.at)
    began = replay.term_boundary
    if began is not None and began != before:
        replay.term_boundary = (began[0], began[1], entries[-1].n)
    return replay


def as_it_happened(entries: Sequence[Entry], until: int) -> list[Entry]:
    """Returns entries as if all of them had been known in time, as far back as a checkpoint lets:
    what happened until an instant. A checkpoint that came later says nothing of it."""
    entries = [e for e in entries if e.kind != "checkpoint" or e.recorded_at <= until]
    place = last_checkpoint(entries)
    if place is None:
        return in_order_of_happening(entries, until)
    since = entries[place].recorded_at
    return [*entries[: place + 1], *in_order_of_happening(entries[place + 1 :], until, since)]


def in_order_of_happening(
    entries: Sequence[Entry], until: int, since: int | None = None
) -> list[Entry]:
    """Returns entries as if each had been recorded when it happened, and as if what was taken back
    had been that much smaller from the start.

    The first entry (the enrolment) stays the first, and what happened before it happens at its
    instant; so it is with `since`, the instant of a checkpoint that these entries follow. At one
    instant they go by their numbers. What happened after `until` is left out.
    """
    rest = {e.n: e for e in entries}
    for entry in entries:
        origin = entry.detail.origin if entry.detail else None
        if entry.kind not in REVERSALS or origin is None:
            continue
        original = rest.get(origin.n)
        if original is None and since is not None:
            continue  # it takes back what the checkpoint holds
        del rest[entry.n]
        if original is not None:
            points, amount = original.points + entry.points, original.amount + entry.amount
            rest[origin.n] = replace(original, points=points, amount=amount)
            if origin.parts:
                rest[origin.n] = _without(rest[origin.n], origin.parts)
            if origin.last:
                del rest[origin.n]
    for entry in list(rest.values()):
        detail = entry.detail
        if detail is not None and detail.implied and entry.n + 1 not in rest:
            # Nothing is left of the activity that brought this enrolment: it stands for itself.
            rest[entry.n] = replace(entry, detail=replace(detail, implied=False))
    first = entries[0].n if since is None else 0
    earliest = clock = _happened(entries[0], first) if since is None else since

    def place(entry: Entry) -> tuple[bool, int, int]:
        return entry.n != first, max(_happened(entry, first), earliest), entry.n

    ordered = sorted(rest.values(), key=place)
    history: list[Entry] = []
    for entry in ordered:
        clock = max(clock, _happened(entry, first))
        if clock <= until:
            history.append(replace(entry, recorded_at=clock))
    return history


def _without(entry: Entry, taken: Sequence[Part]) -> Entry:
    """An entry whose parts are smaller by what was taken of each."""
    assert entry.detail is not None
    gone = {part.rule: part.points for part in taken}
    parts = tuple(
        replace(part, points=part.points - gone.get(part.rule, 0)) for part in entry.detail.parts
    )
    return replace(entry, detail=replace(entry.detail, parts=parts))


def _happened(entry: Entry, first: int) -> int:
    """What was brought along, balances or a later enrolment with its tier, was not here before it
    came, whenever its owner joined."""
    stays = entry.kind in ("opening", "enrol") and entry.n != first
    return entry.recorded_at if stays else min(entry.occurred_at, entry.recorded_at)


def _adopt(state: MemberState, replay: MemberState, correction: Entry) -> None:
    state.cause_entry = correction.n
    state.quiet = correction.detail is not None and correction.detail.quiet
    if replay.held is None:
        drop(state)
    else:
        state.held, state.started_at = replay.held, replay.started_at
        state.ends_at, state.grace_until = replay.ends_at, replay.grace_until
        state.grace_announced, state.term_anchor = replay.grace_announced, replay.term_anchor
    if replay.waiting is not None and replay.waiting != state.waiting:
        state.waiting_anew = state.version.reminders is not None
    state.waiting, state.reached = replay.waiting, replay.reached
    _adopt_term_totals(state, replay)
    show(state, "correction")
    state.cause_entry, state.quiet = None, False


def _adopt_term_totals(state: MemberState, replay: MemberState) -> None:
    """Counts from the start of the term that the replay found."""
    state.term_boundary = replay.term_boundary
    for key in state.counters:
        if FROM_TERM in key:
            state.sums[key] = replay.sums.get(key, {})
    if state.tracer is not None and replay.tracer is not None:
        state.tracer.terms_replayed(replay.tracer)
