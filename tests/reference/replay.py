"""History as it should have been: what a retroactive correction plays again."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tierline.model.entries import Entry

REVERSALS = ("refund", "void")


def as_it_should_have_been(entries: Sequence[Entry]) -> list[Entry]:
    """Each entry when it really happened, and what was taken back never there. What a checkpoint
    notes stays as it came: nothing reaches behind it, and what happened before it happens there."""
    places = [i for i, entry in enumerate(entries) if entry.kind == "checkpoint"]
    if not places:
        return _played_again(entries, entries[0].n, entries[0].occurred_at)
    place = places[-1]
    later = _played_again(entries[place + 1 :], 0, entries[place].recorded_at)
    return [*entries[: place + 1], *later]


def less_parts(entry: Entry, taken: int) -> Entry:
    """An entry of whose parts points were taken, one after another."""
    detail, parts = entry.detail, []
    if detail is None or not detail.parts or taken <= 0:
        return entry
    for part in detail.parts:
        gone = min(part.points, taken)
        taken -= gone
        parts.append(replace(part, points=part.points - gone))
    return replace(entry, detail=replace(detail, parts=tuple(parts)))


def _played_again(entries: Sequence[Entry], first: int, since: int) -> list[Entry]:
    """`first` is the number of the enrolment that opens the history, if it is among them; nothing
    happens before `since`."""
    numbers_here = {entry.n for entry in entries}
    taken: dict[int, tuple[int, int, bool]] = {}
    for entry in entries:
        origin = entry.detail.origin if entry.detail else None
        if entry.kind in REVERSALS and origin is not None and origin.n in numbers_here:
            points, amount, last = taken.get(origin.n, (0, 0, False))
            taken[origin.n] = (points + entry.points, amount + entry.amount, last or origin.last)

    def arrived(entry: Entry) -> bool:
        """Brought along: it is here from its arrival on. The first enrolment opens the history."""
        return entry.kind in ("opening", "enrol") and entry.n != first

    def happened(entry: Entry) -> int:
        return max(entry.occurred_at, since)

    def gone(entry: Entry) -> bool:
        """A reversal whose original is among them, or an original of which nothing is left."""
        origin = entry.detail.origin if entry.detail else None
        if entry.kind in REVERSALS:
            return origin is None or origin.n in numbers_here
        return taken.get(entry.n, (0, 0, False))[2]

    rest = [
        replace(
            less_parts(entry, -taken.get(entry.n, (0, 0, False))[0]),
            points=entry.points + taken.get(entry.n, (0, 0, False))[0],
            amount=entry.amount + taken.get(entry.n, (0, 0, False))[1],
            recorded_at=entry.recorded_at if arrived(entry) else happened(entry),
        )
        for entry in entries
        if not gone(entry)
    ]
    numbers = {entry.n for entry in rest}
    for i, entry in enumerate(rest):
        if entry.detail and entry.detail.implied and entry.n + 1 not in numbers:
            # The activity that enrolled them never was; the enrolment stays, and is judged.
            rest[i] = replace(entry, detail=replace(entry.detail, implied=False))
    return sorted(rest, key=lambda e: (e.recorded_at, e.n))
