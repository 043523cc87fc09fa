"""The pull feed: the log of one project, page by page, from a cursor that the consumer keeps.

A cursor is a vector: for each shard the offset up to which everything was read, and three bytes of
the hash of the event that stands there; and the installation's epoch. So a cursor of a log that
was restored from a backup, or of another installation, is refused instead of leaving a gap.

Offsets count the events of all projects. So the vector is sealed for the project that reads, each
offset in as many bytes as any other; a caller sees the number of shards, and nothing else. Cursors
of version 1 were not sealed: they are read for ever, and no longer made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

from msgspec import Struct

from tierline.errors import Invalid, TierlineError
from tierline.model import ids
from tierline.store.catalog.secret_box import SecretBox, SecretKeyWrong
from tierline.store.event_log import EventLog, LogEvent, ShardRange

_VERSION = 2
_VERSION_OPEN = 1  # not sealed
_VERSION_CUSTOMER = 3  # of one customer's events
_OFFSET_BYTES = 7
_CHECK_BYTES = 3
_LATER: Final = 1 << 55  # and an instant: where a shard was away, its place is looked for later
PART_MIN: Final = 32  # events of a shard that are worth a look-up of their own
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


class FeedCursor(Struct, frozen=True):
    """For each shard: the offset up to which all was read, and the check of the event there."""

    offsets: tuple[int, ...]
    checks: tuple[bytes, ...]

    def text(self, epoch: str, box: SecretBox, project: str, customer: int | None = None) -> str:
        """`customer`: it is a place among this customer's events only."""
        plain = bytearray(_hash(epoch))
        for offset, check in zip(self.offsets, self.checks, strict=True):
            plain += offset.to_bytes(_OFFSET_BYTES, "big") + check
        version = _VERSION if customer is None else _VERSION_CUSTOMER
        raw = bytes([version]) + box.token(bytes(plain), _context(project, customer))
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Page(Struct, frozen=True):
    """What was read: events in the order of their recording, and where to go on. The cursor stays
    where it is in shards that are `away`: what comes after it there is read when they are back."""

    events: list[LogEvent]
    cursor: FeedCursor
    more: bool
    away: tuple[int, ...] = ()


def parse(
    text: str, epoch: str, shards: int, box: SecretBox, project: str, customer: int | None = None
) -> FeedCursor:
    """Raises Invalid for what is no cursor of this project's feed, or of this customer's events
    where one is given; CursorDiverged for another installation's, and for one whose key is gone."""
    version = _VERSION if customer is None else _VERSION_CUSTOMER
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if raw[:1] == bytes([version]):
            plain = box.read_token(raw[1:], _context(project, customer))
            pairs = _pairs(plain[_CHECK_BYTES:])
        elif raw[:1] == bytes([_VERSION_OPEN]) and customer is None:
            plain = raw[1:]
            pairs = _open_pairs(plain[_CHECK_BYTES:])
        else:
            raise ValueError(text)
    except SecretKeyWrong:
        raise CursorDiverged(path="after") from None
    except (binascii.Error, ValueError, IndexError):
        reason = "after: expected a cursor as `next` gave it, asked for alike."
        raise Invalid(path="after", reason=reason) from None
    if plain[:_CHECK_BYTES] != _hash(epoch) or len(pairs) != shards:
        raise CursorDiverged(path="after")
    return FeedCursor(tuple(offset for offset, _ in pairs), tuple(check for _, check in pairs))


def _context(project: str, customer: int | None) -> str:
    return f"feed cursor of {project}" + ("" if customer is None else f", customer {customer}")


def _pairs(plain: bytes) -> list[tuple[int, bytes]]:
    """Offset and check of each shard."""
    size = _OFFSET_BYTES + _CHECK_BYTES
    pieces = [plain[i : i + size] for i in range(0, len(plain), size)]
    return [(int.from_bytes(p[:_OFFSET_BYTES], "big"), p[_OFFSET_BYTES:]) for p in pieces]


async def start(log: EventLog, only: int | None = None) -> FeedCursor:
    """Before the oldest event that is kept; `only` in this shard, where no other is read."""
    heads = await log.heads()
    places = {s: heads[s][1] - 1 if s in heads else _LATER for s in _shards(log, only)}
    return await _begun(log, places)


async def since(
    log: EventLog, instant: int, sandbox: int | None, only: int | None = None
) -> FeedCursor:
    """Before the first event that was recorded at an instant or later; of a sandbox's tier events,
    before the first that took effect then."""
    absent, later = log.database.absent, _LATER + max(instant, 0)
    places = {
        shard: later if shard in absent else await log.before(shard, instant, sandbox)
        for shard in _shards(log, only)
    }
    return await _begun(log, places)


def _shards(log: EventLog, only: int | None) -> Iterable[int]:
    return range(log.shards) if only is None else [only]


async def _begun(log: EventLog, places: Mapping[int, int]) -> FeedCursor:
    """At these offsets, by shard; the others are none of the reader's."""
    checks = await _checks(log, list(places.items()))
    nowhere, shards = bytes(_CHECK_BYTES), range(log.shards)
    return FeedCursor(
        tuple(places.get(shard, 0) for shard in shards),
        tuple(checks.get(shard, nowhere) for shard in shards),
    )


class Reader:
    """Reads a project's events on from a cursor, page after page. A cursor that is not our `own`
    of this moment is checked against the log: each shard before it is first read, and those
    without news."""

    def __init__(
        self,
        log: EventLog,
        project: int,
        class_: str,
        cursor: FeedCursor,
        *,
        own: bool,
        sandbox: int | None = None,
    ) -> None:
        self._log = log
        self._sandbox = sandbox
        self._project = project
        self._class = class_
        self._cursor = cursor
        self._suspects = set() if own else set(range(log.shards))

    async def read(self, limit: int) -> Page:
        """The next events. Raises CursorDiverged or CursorExpired where the log does not go on from
        the cursor.

        Heads are read first: what is at or below a head is committed, so a shard without news moves
        up to it. Shards that have news share the page: what is read is answered. The cursor itself
        draws where to begin, so that no shard waits for ever for others that always have news. One
        that was away when the cursor was made begins now, at the instant that was asked for."""
        heads = await self._log.heads()
        offsets = list(self._cursor.offsets)
        for shard in [shard for shard in heads if offsets[shard] >= _LATER]:
            instant = offsets[shard] - _LATER
            offsets[shard] = await self._log.before(shard, instant, self._sandbox)
            self._suspects.discard(shard)
        behind = {shard: head for shard, (head, _) in heads.items() if head > offsets[shard]}
        if self._suspects:
            _require_kept({shard: offsets[shard] for shard in heads}, heads)
            # Below the log's start no event is left to compare with.
            comparable = {s for s in self._suspects if s in heads and offsets[s] >= heads[s][1]}
            self._suspects = comparable | (self._suspects - heads.keys())
            await self._check([shard for shard in comparable if shard not in behind])
        events: list[LogEvent] = []
        last: dict[int, LogEvent] = {}
        part_min = PART_MIN
        while behind and len(events) < limit:
            room = {shard: head - offsets[shard] for shard, head in behind.items()}
            first = hash(tuple(offsets)) % len(offsets)
            parts = share(limit - len(events), room, part_min, first)
            await self._check([shard for shard in parts if shard in self._suspects])
            ranges = [ShardRange(s, offsets[s], behind[s], parts[s]) for s in sorted(parts)]
            slices = await self._log.slices_of(self._project, self._class, ranges)
            for shard, _, head, part in ranges:
                next_events = slices[shard]
                events += next_events
                if next_events:
                    last[shard] = next_events[-1]
                offsets[shard] = next_events[-1].offset if len(next_events) == part else head
                if offsets[shard] == head:
                    del behind[shard]
            part_min = max(1, part_min // 2)  # most of them had nothing for this project
        events.sort(key=attrgetter("recorded_at"))  # stable: a shard's own order stays
        self._cursor = await self._moved(offsets, last)
        away = tuple(shard for shard in range(len(offsets)) if shard not in heads)
        return Page(events, self._cursor, bool(behind), away)

    async def _check(self, shards: Sequence[int]) -> None:
        """Raises CursorDiverged where another event stands at the cursor's offset."""
        if shards:
            offsets, checks = self._cursor.offsets, self._cursor.checks
            log_checks = await _checks(self._log, [(shard, offsets[shard]) for shard in shards])
            if any(log_checks[shard] != checks[shard] for shard in shards):
                raise CursorDiverged(path="after")
            self._suspects.difference_update(shards)

    async def _moved(self, offsets: list[int], last: dict[int, LogEvent]) -> FeedCursor:
        """The cursor at these offsets; `last`: by shard the last event that was read."""
        checks = list(self._cursor.checks)
        elsewhere = []
        for shard, offset in enumerate(offsets):
            if offset != self._cursor.offsets[shard]:
                event = last.get(shard)
                if event is not None and event.offset == offset:
                    checks[shard] = _hash(event.id)
                else:
                    elsewhere.append((shard, offset))
        for shard, check in (await _checks(self._log, elsewhere)).items():
            checks[shard] = check
        return FeedCursor(tuple(offsets), tuple(checks))


class CustomerReader:
    """Reads one customer's events on from a cursor. All of them lie in one shard."""

    def __init__(self, log: EventLog, class_: str, customer: int, cursor: FeedCursor) -> None:
        self._log = log
        self._class = class_
        self._customer = customer
        self._shard = ids.shard_of(ids.route_of_customer(customer), log.shards)
        self._cursor = cursor

    async def read(self, limit: int) -> Page:
        """As `Reader.read`. A page may hold fewer events than there are, for it looks at as many of
        all classes."""
        shard, offset = self._shard, self._cursor.offsets[self._shard]
        heads = await self._log.heads()
        self._log.database.absent.require(shard)
        heads = {shard: heads[shard]}
        checks = await _checks(self._log, [(shard, offset)])
        if offset >= heads[shard][1] and checks[shard] != self._cursor.checks[shard]:
            raise CursorDiverged(path="after")
        _require_kept({shard: offset}, heads)
        head = heads[shard][0]
        facts = (self._customer, offset + 1, head)
        rows = (await self._log.slice_of_customers(shard, [facts], limit))[self._customer]
        more = len(rows) == limit
        self._cursor = await _at(self._log, shard, rows[-1].offset if more else head, self._cursor)
        return Page([row for row in rows if row.class_ == self._class], self._cursor, more=more)


def share(limit: int, room: dict[int, int], part_min: int, first: int) -> dict[int, int]:
    """How many of `limit` events each shard is to give, by what it has at most (one or more).

    Equal parts: what one cannot fill goes to the others. Of parts below `part_min` there would be
    many, and each costs a look-up: so only some shards take part, from `first` on."""
    shards = sorted(room)
    start = bisect_left(shards, first)
    takers, most = [], 0
    for shard in shards[start:] + shards[:start]:
        if most >= limit:
            break
        takers.append(shard)
        most += min(room[shard], part_min)
    takers.sort(key=lambda shard: -room[shard])
    parts: dict[int, int] = {}
    while takers and limit:
        shard = takers.pop()
        parts[shard] = min(room[shard], -(-limit // (len(takers) + 1)))
        limit -= parts[shard]
    return parts


def _require_kept(offsets: Mapping[int, int], heads: dict[int, tuple[int, int]]) -> None:
    for shard, offset in offsets.items():
        head, log_start = heads[shard]
        if offset + 1 < log_start:
            raise CursorExpired(path="after")
        if offset > head:
            raise CursorDiverged(path="after")


async def _at(log: EventLog, shard: int, offset: int, cursor: FeedCursor) -> FeedCursor:
    """The same cursor, but for one shard."""
    offsets, checks = list(cursor.offsets), list(cursor.checks)
    offsets[shard] = offset
    checks[shard] = (await _checks(log, [(shard, offset)]))[shard]
    return FeedCursor(tuple(offsets), tuple(checks))


async def _checks(log: EventLog, places: Sequence[tuple[int, int]]) -> dict[int, bytes]:
    """Three bytes of the id of the event at each (shard, offset), by shard; zeros where none is
    kept."""
    places_there = [place for place in places if 0 < place[1] < _LATER]
    if log.database.absent.nodes:  # one by one, so that no other shard is asked
        slices = {shard: await log.at_offsets(shard, [offset]) for shard, offset in places_there}
        event_ids = {shard: events[0].id for shard, events in slices.items() if events}
    else:
        event_ids = await log.ids_at(places_there) if places_there else {}
    return {s: _hash(event_ids[s]) if s in event_ids else bytes(_CHECK_BYTES) for s, _ in places}


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_CHECK_BYTES).digest()


def _open_pairs(raw: bytes) -> list[tuple[int, bytes]]:
    """As `_pairs`, of a cursor of version 1: an offset has as many bytes as it needs."""
    pairs = []
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
        pairs.append((offset, check))
    return pairs
