"""History as it should have been: what a retroactive correction plays again."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tierline.model.entries import Entry

REVERSALS = ("refund", "void")


def as_it_should_have_been(entries: Sequence[Entry]) -> list[Entry]:
    """Each entry when it really happened, and what was taken back never there."""
    taken: dict[int, tuple[int, int, bool]] = {}
    for entry in entries:
        origin = entry.detail.origin if entry.detail else None
        if entry.kind in REVERSALS and origin is not None:
            points, amount, last = taken.get(origin.n, (0, 0, False))
            taken[origin.n] = (points + entry.points, amount + entry.amount, last or origin.last)

    def arrived(entry: Entry) -> bool:
        """Brought along: it is here from its arrival on. The first enrolment opens the history."""
        return entry.kind in ("opening", "enrol") and entry is not entries[0]

    rest = [
        replace(
            entry,
            points=entry.points + taken.get(entry.n, (0, 0, False))[0],
            amount=entry.amount + taken.get(entry.n, (0, 0, False))[1],
            recorded_at=entry.recorded_at if arrived(entry) else entry.occurred_at,
        )
        for entry in entries
        if entry.kind not in REVERSALS and not taken.get(entry.n, (0, 0, False))[2]
    ]
    numbers = {entry.n for entry in rest}
    for i, entry in enumerate(rest):
        if entry.detail and entry.detail.implied and entry.n + 1 not in numbers:
            # The activity that enrolled them never was; the enrolment stays, and is judged.
            rest[i] = replace(entry, detail=replace(entry.detail, implied=False))
    return sorted(rest, key=lambda e: (e.recorded_at, e.n))
