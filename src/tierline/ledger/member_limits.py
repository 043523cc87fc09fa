"""How much one member may hold: a standing is read, walked and written as a whole.

Checked where drafts are made, before anything reaches the ledger. What comes back (refunds, voids)
is never refused for want of room, nor is what needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tierline.errors import TooMany
from tierline.model.encoding import packed_bytes
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing
from tierline.rules.earning import lot_expiry
from tierline.rules.program import Program

ATTRIBUTES_MAX: Final = 100
OVERRIDES_MAX: Final = 100  # that run or are to come
LOTS_MAX: Final = 5_000  # points that expire together; a program's rules make one a day
PENDING_MAX: Final = 2_000  # activities whose points wait
PENDING_BYTES_MAX: Final = 1_048_576  # of those, with their metadata

_RETURNS: Final = frozenset({"refund", "void"})


def check(program: Program, standing: Standing, entry: Entry, before: Sequence[Entry] = ()) -> None:
    """Raises TooMany when the member has no room for what an entry brings, and those of the same
    command before it."""
    detail = entry.detail
    if entry.kind == "attribute":
        count = _attributes_after(standing, (*before, entry))
        if count > len(standing.attributes):
            _fits(count, ATTRIBUTES_MAX, "attributes", "attributes")
    elif entry.kind == "override":
        _fits(len(standing.overrides) + 1, OVERRIDES_MAX, "overrides", "kind")
    elif entry.points > 0 and entry.kind not in _RETURNS:
        _check_points(program, standing, entry, detail)


def _attributes_after(standing: Standing, entries: Sequence[Entry]) -> int:
    names = set(standing.attributes)
    for entry in entries:
        if entry.detail is not None and entry.detail.attribute is not None:
            (names.discard if entry.detail.value is None else names.add)(entry.detail.attribute)
    return len(names)


def _check_points(
    program: Program, standing: Standing, entry: Entry, detail: Detail | None
) -> None:
    lots = len(standing.lots)
    if detail is not None and detail.lots:
        _fits(lots + len(detail.lots), LOTS_MAX, "lots of points", "lots")
    if detail is not None and detail.differing:
        pending = standing.pending
        _fits(
            len(pending) + len(detail.parts), PENDING_MAX, "activities with pending points", "kind"
        )
        _fits(lots + len(pending) + len(detail.parts), LOTS_MAX, "lots of points", "kind")
    if detail is not None and (detail.available_at or 0) > entry.recorded_at:
        pending = standing.pending
        _fits(len(pending) + 1, PENDING_MAX, "activities with pending points", "available_at")
        _fits(lots + len(pending) + 1, LOTS_MAX, "lots of points", "available_at")
        if detail.metadata and packed_bytes((pending, detail.metadata)) > PENDING_BYTES_MAX:
            raise TooMany(what="bytes of pending points", limit=PENDING_BYTES_MAX, path="metadata")
    elif lots >= LOTS_MAX:
        expires_at = lot_expiry(program, entry)
        if all(when != expires_at for when, _ in standing.lots):
            raise TooMany(what="lots of points", limit=LOTS_MAX, path="expires_at")


def _fits(held: int, most: int, what: str, path: str) -> None:
    if held > most:
        raise TooMany(what=what, limit=most, path=path)
