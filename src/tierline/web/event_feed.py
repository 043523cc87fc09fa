"""The pull feed: the log of one project, page by page, from a cursor that the consumer keeps.

A cursor is a vector: for each shard the offset up to which everything was read, and three bytes of
the hash of the event that stands there; and the installation's epoch. So a cursor of a log that
was restored from a backup, or of another installation, is refused instead of leaving a gap.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

from msgspec import Struct

from tierline.errors import Invalid, TierlineError
from tierline.store.event_log import EventLog, LogEvent

_VERSION = 1
_CHECK_BYTES = 3
_SHIFT_MAX = 63  # bits of an offset


class CursorDiverged(TierlineError):
    """The cursor is of another log: the installation was restored or copied. Start again with
    `since=` an instant before the restore, and drop what you have seen by its id."""

    code = "cursor_diverged"
    status = 410


class CursorExpired(TierlineError):
    """Events after the cursor were dropped by retention. Start again with `since=` an instant, or
    without a cursor, and fill the gap from the members themselves."""

    code = "cursor_expired"
    status = 410


class Cursor(Struct, frozen=True):
    """For each shard: the offset up to which all was read, and the check of the event there."""

    offsets: tuple[int, ...]
    checks: tuple[bytes, ...]

    def text(self, epoch: str) -> str:
        raw = bytearray([_VERSION])
        raw += _hash(epoch)
        for offset, check in zip(self.offsets, self.checks, strict=True):
            raw += _varint(offset) + check
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Page(Struct, frozen=True):
    """What was read: events in the order of their recording, and where to go on."""

    events: list[LogEvent]
    cursor: Cursor
    more: bool


def parse(text: str, epoch: str, shards: int) -> Cursor:
    """Raises Invalid for what is no cursor, CursorDiverged for another installation's."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if raw[:1] != bytes([_VERSION]):
            raise ValueError(text)
        offsets, checks = _read(raw[1 + _CHECK_BYTES :])
    except (binascii.Error, ValueError, IndexError):
        reason = "after: expected a cursor as `next` gave it."
        raise Invalid(path="after", reason=reason) from None
    if raw[1 : 1 + _CHECK_BYTES] != _hash(epoch) or len(offsets) != shards:
        raise CursorDiverged(path="after")
    return Cursor(offsets, checks)


async def start(log: EventLog) -> Cursor:
    """Before the oldest event that is kept."""
    heads = await log.heads()
    return await _at(log, [heads[shard][1] - 1 for shard in range(log.shards)])


async def since(log: EventLog, instant: int) -> Cursor:
    """Before the first event that was recorded at an instant or later."""
    return await _at(log, [await log.before(shard, instant) for shard in range(log.shards)])


async def verify(log: EventLog, cursor: Cursor) -> None:
    """Raises CursorDiverged or CursorExpired where the log does not go on from this cursor."""
    heads = await log.heads()
    for shard, (offset, check) in enumerate(zip(cursor.offsets, cursor.checks, strict=True)):
        head, log_start = heads[shard]
        if offset + 1 < log_start:
            raise CursorExpired(path="after")
        if offset > head or (offset >= log_start and await _check(log, shard, offset) != check):
            raise CursorDiverged(path="after")


async def read(
    log: EventLog, project: int, classes: Sequence[str], cursor: Cursor, limit: int
) -> Page:
    """The next events of a project. Heads are read first: what is at or below a head is committed,
    so a shard without news moves up to it."""
    heads = await log.heads()
    found: list[tuple[int, int, LogEvent]] = []
    reached: dict[int, int] = {}
    for shard, offset in enumerate(cursor.offsets):
        head = heads[shard][0]
        if head <= offset:
            continue
        events, bound = await log.slice_of(shard, project, classes, offset, head, limit)
        reached[shard] = bound
        found += [(event.recorded_at, shard, event) for event in events]
    found.sort(key=lambda entry: (entry[0], entry[1], entry[2].offset))
    taken, left = found[:limit], found[limit:]
    for _, shard, event in reversed(left):
        reached[shard] = event.offset - 1
    events = [event for _, _, event in taken]
    moved = await _moved(log, cursor, reached, {(s, e.offset): e.id for _, s, e in taken})
    more = bool(left) or any(reached[shard] < heads[shard][0] for shard in reached)
    return Page(events, moved, more)


async def _moved(
    log: EventLog, cursor: Cursor, reached: dict[int, int], ids: dict[tuple[int, int], str]
) -> Cursor:
    offsets, checks = list(cursor.offsets), list(cursor.checks)
    for shard, offset in reached.items():
        if offset != offsets[shard]:
            offsets[shard] = offset
            held = ids.get((shard, offset))
            checks[shard] = await _check(log, shard, offset) if held is None else _hash(held)
    return Cursor(tuple(offsets), tuple(checks))


async def _at(log: EventLog, offsets: list[int]) -> Cursor:
    checks = [await _check(log, shard, offset) for shard, offset in enumerate(offsets)]
    return Cursor(tuple(offsets), tuple(checks))


async def _check(log: EventLog, shard: int, offset: int) -> bytes:
    """Three bytes of the id of the event at an offset; zeros where none is kept."""
    found = await log.at_offsets(shard, [offset]) if offset > 0 else []
    return _hash(found[0].id) if found else bytes(_CHECK_BYTES)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_CHECK_BYTES).digest()


def _varint(number: int) -> bytes:
    raw = bytearray()
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    raw.append(number)
    return bytes(raw)


def _read(raw: bytes) -> tuple[tuple[int, ...], tuple[bytes, ...]]:
    """Pairs of offset and check, to the end."""
    offsets, checks = [], []
    position = 0
    while position < len(raw):
        offset = shift = 0
        while True:
            byte = raw[position]
            position += 1
            offset |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift > _SHIFT_MAX:  # or one long number would cost its square
                raise ValueError(raw)
        check = raw[position : position + _CHECK_BYTES]
        if len(check) != _CHECK_BYTES or offset >= 2**63:
            raise ValueError(raw)
        position += _CHECK_BYTES
        offsets.append(offset)
        checks.append(check)
    return tuple(offsets), tuple(checks)
