"""The decision: one pure function for a request, a batch, a sweep, a preview and a replay.

    decide(program, standing, entries, at) -> Decision

Folds `entries` (in order, each after the time that passes before it) into `standing`, lets time
pass until `at`, and answers with the standing afterwards and the events on the way. No clock, no
I/O, no randomness: equal arguments give equal answers, and deciding in one go or in pieces gives
the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tierline.engine.entry_handlers import apply
from tierline.engine.member_state import HistoryNeeded, MemberState, begin
from tierline.engine.tier_terms import drop
from tierline.model.entries import Entry
from tierline.model.events import Decision
from tierline.model.standing import Standing
from tierline.rules.metric import REVERSALS
from tierline.rules.program import Program

__all__ = ["HistoryNeeded", "decide", "in_order_of_happening"]


def decide(program: Program, standing: Standing, entries: Sequence[Entry], at: int) -> Decision:
    """What follows from the entries, and from time until `at`.

    Raises `HistoryNeeded` when the standing cannot answer (a retroactive correction, or new rules
    that count something never kept): decide again from `Standing()` with every entry of the
    member; events up to the standing's `seq` are then repeated and must be dropped.
    """
    walk = begin(program, standing, whole=standing.entries == 0)
    follow(walk, entries, at)
    return Decision(standing=walk.standing(), events=tuple(walk.events))


def follow(walk: MemberState, entries: Sequence[Entry], at: int) -> None:
    """Take a walk through entries, each after the time that passes before it, and on to `at`."""
    if walk.whole and entries:
        # Nothing was before the first entry: its instant picks the rules.
        walk.at = entries[0].recorded_at
        walk.version = walk.program.version(walk.at)
    for i, entry in enumerate(entries):
        walk.until(entry.recorded_at)
        if walk.version.policy.corrections == "retroactive" and _corrects(walk, entry):
            if not walk.whole:
                raise HistoryNeeded
            _correct(walk, entries[: i + 1], entry)
        else:
            apply(walk, entry)
        walk.took(entry)
    walk.until(at)


def _corrects(walk: MemberState, entry: Entry) -> bool:
    """Whether an entry changes the past: a reversal, or an activity of an earlier day."""
    if entry.kind in REVERSALS:
        return True
    if entry.kind == "opening":
        return False
    counted = bool(entry.points or entry.amount or entry.kind == "custom")
    return counted and walk.zone.day(entry.occurred_at) < walk.zone.day(entry.recorded_at)


def _correct(walk: MemberState, entries: Sequence[Entry], correction: Entry) -> None:
    """Retroactive: history as it would have been, each entry when it really happened, replaces
    what the rules granted; the difference that the world sees is announced now."""
    known = in_order_of_happening(entries, walk.at)
    ghost = walk.anew()
    ghost.at = known[0].recorded_at
    ghost.version = walk.program.version(ghost.at)
    for entry in known:
        ghost.until(entry.recorded_at)
        apply(ghost, entry)
    ghost.until(walk.at)
    walk.unjudged = True
    apply(walk, correction)
    walk.unjudged = False
    if ghost.joined_at is not None:
        _adopt(walk, ghost, correction)


def in_order_of_happening(entries: Sequence[Entry], until: int) -> list[Entry]:
    """Entries as if each had been recorded when it happened, and as if what was taken back had
    been that much smaller from the start.

    The first entry (the enrolment) stays the first; what happened after `until` is left out.
    """
    shrunk = {e.n: e for e in entries}
    for entry in entries:
        origin = entry.detail.origin if entry.detail else None
        if entry.kind not in REVERSALS or origin is None:
            continue
        del shrunk[entry.n]
        original = shrunk.get(origin.n)
        if original is not None:
            rest = original.points + entry.points, original.amount + entry.amount
            shrunk[origin.n] = replace(original, points=rest[0], amount=rest[1])
            if origin.last:
                del shrunk[origin.n]
    for entry in list(shrunk.values()):
        detail = entry.detail
        if detail is not None and detail.implied and entry.n + 1 not in shrunk:
            # Nothing is left of the activity that brought this enrolment: it stands for itself.
            shrunk[entry.n] = replace(entry, detail=replace(detail, implied=False))
    first = entries[0].n
    kept = sorted(shrunk.values(), key=lambda e: (e.n != first, _happened(e, first), e.n))
    known: list[Entry] = []
    clock = -(2**62)
    for entry in kept:
        clock = max(clock, _happened(entry, first))
        if clock <= until:
            known.append(replace(entry, recorded_at=clock))
    return known


def _happened(entry: Entry, first: int) -> int:
    """What was brought along, balances or a later enrolment with its tier, was not here before it
    came, whenever its owner joined."""
    came = entry.recorded_at
    stays = entry.kind in ("opening", "enrol") and entry.n != first
    return came if stays else min(entry.occurred_at, came)


def _adopt(walk: MemberState, ghost: MemberState, correction: Entry) -> None:
    walk.cause_entry = correction.n
    walk.quiet = correction.detail is not None and correction.detail.quiet
    if ghost.held is None:
        drop(walk)
    else:
        walk.held, walk.started_at = ghost.held, ghost.started_at
        walk.ends_at, walk.grace_until = ghost.ends_at, ghost.grace_until
        walk.told = ghost.told
    walk.waiting, walk.reached = ghost.waiting, ghost.reached
    walk.adopt_term_totals(ghost)
    walk.show("correction")
    walk.cause_entry, walk.quiet = None, False
    walk.due_at = walk.next_due()
