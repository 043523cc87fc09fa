"""The decision: one pure function for a request, a batch, a sweep, a preview and a replay.

    decide(program, standing, entries, at) -> Decision

Applies `entries` (in order, each after the time that passes before it) to `standing`, lets time
pass until `at`, and returns the standing afterwards and the events on the way. No clock, no I/O, no
randomness: equal arguments give equal results, and deciding in one go or in pieces gives the same
bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tierline.engine.checkpoints import fill, last_checkpoint, resume
from tierline.engine.corrections import correct, corrects
from tierline.engine.member_state import HistoryNeeded, MemberState, begin
from tierline.engine.timeline import fold, next_due, pass_time
from tierline.engine.tracer import Tracer
from tierline.model.entries import Entry
from tierline.model.events import Decision
from tierline.model.standing import Standing
from tierline.rules.policy import admits
from tierline.rules.program import Program

__all__ = ["HistoryNeeded", "decide", "expired_of", "follow", "trace", "uncounted"]


def decide(
    program: Program,
    standing: Standing,
    entries: Sequence[Entry],
    at: int,
    *,
    points: bool = False,
) -> Decision:
    """Returns what follows from the entries, and from time until `at`. `points`: with points
    events.

    Raises `HistoryNeeded` when the standing cannot answer (a retroactive correction, or new rules
    that count something never kept): decide again from `Standing()` with every entry of the
    member; events up to the standing's `seq` are then repeated and must be dropped.
    """
    state = begin(program, standing, whole=standing.entries == 0)
    if points:
        state.points_events = []
    follow(state, entries, at)
    events, points_events = tuple(state.events), tuple(state.points_events or ())
    return Decision(state.standing(), events, points_events, state.reminders)


def trace(
    program: Program, entries: Sequence[Entry], at: int, *, stops: Sequence[int] = ()
) -> tuple[MemberState, Tracer]:
    """Returns a member's state at an instant, by a whole history, and the notes of the way.
    `stops`: rising instants at which it is noted, too, where the member stands, from the last
    checkpoint on."""
    tracer = Tracer(stops=deque(stops))
    state = begin(program, Standing(), whole=True, tracer=tracer)
    follow(state, entries, at)
    return state, tracer


def expired_of(
    program: Program, entries: Sequence[Entry], entry: int, at: int
) -> dict[int | None, int]:
    """Returns how many of an entry's points have left by expiry and were not taken back since, by
    the instant at which they left, by all the member's entries up to an instant. Reversals ask for
    it when they are recorded."""
    _, tracer = trace(program, entries, at)
    return tracer.owners.expired.get(entry, {})


def uncounted(program: Program, standing: Standing, entry: Entry) -> str | None:
    """Returns why an entry that was just recorded counts for no metric, if its date is the cause.
    `standing` is the member right after it."""
    brought = entry.kind == "opening"  # and not here before it came
    if brought or standing.joined_at is None or entry.occurred_at >= entry.recorded_at:
        return None
    at, left_at = entry.occurred_at, standing.left_at
    facts = at, program.zone, standing.joined_at, left_at
    measures = [m for m in program.version(standing.at).totals.values() if m.metric.brings(entry)]
    if not measures or any(admits(measure, *facts) for measure in measures):
        return None
    if left_at is not None and at < left_at:
        return "It happened in a former membership."
    return "It happened before the membership began, from which the metric counts."


def follow(state: MemberState, entries: Sequence[Entry], at: int) -> None:
    """Takes a state through entries, each after the time that passes before it, and on to `at`."""
    if state.whole and entries:
        # Nothing was before the first entry: its instant picks the rules.
        state.at = entries[0].recorded_at
        state.version = state.program.version(state.at)
    first = 0
    if state.whole and (noted := last_checkpoint(entries)) is not None:
        _resume(state, entries, noted)
        first = noted + 1
    for i, entry in enumerate(entries[first:] if first else entries, first):
        if state.tracer is not None and state.tracer.stops:
            _stop(state, state.tracer, entry.recorded_at)
        detail = entry.detail
        if detail is not None:
            state.quiet = detail.elsewhere
        pass_time(state, entry.recorded_at)
        if detail is not None:
            state.silent = detail.brings_no_bonus
        if corrects(state, entry):
            correct(state, entries[: i + 1])
        else:
            fold(state, entry)
        if detail is not None:
            if detail.quiet:
                state.quiet = True  # nothing is announced that was true before it came
                pass_time(state, entry.recorded_at)
            state.quiet = state.silent = False
        if state.tracer is not None:
            points = state.balance, state.points_pending
            number = entry.n, entry.kind
            facts = state.lots, state.dates
            state.tracer.entry_applied(state.at, state.today, number, points, *facts)
    if state.tracer is not None and state.tracer.stops:
        _stop(state, state.tracer, at + 1)
    pass_time(state, at)


def _stop(state: MemberState, tracer: Tracer, before: int) -> None:
    """Notes where the member stands at the stops before an instant."""
    while tracer.stops and tracer.stops[0] < before:
        stop = tracer.stops.popleft()
        if stop >= state.at:
            pass_time(state, stop)
            tracer.stations.append(state.station())


def _resume(state: MemberState, entries: Sequence[Entry], noted: int) -> None:
    """Stands where a checkpoint says. What it did not keep, because the rules did not ask for it
    then, comes from the ledger before it."""
    versions = state.program.versions
    replays = any(version.rules.policy.corrections == "retroactive" for version in versions)
    tracer = Tracer() if replays or state.tracer is not None else None
    before = begin(state.program, Standing(), whole=True, tracer=tracer)
    at = resume(state, entries[noted])
    follow(before, entries[:noted], at)
    fill(state, before, entries[noted].n)
    state.due_at = next_due(state)
