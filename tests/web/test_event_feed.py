"""Pages of the feed over many shards: whole, in order, and no more read than answered."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import pytest

from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.store.event_log import EventLog, LogEvent, ShardRange
from tierline.web import event_feed
from tierline.web.event_feed import CursorDiverged, Reader, share

SHARDS = 64
BOX = SecretBox(bytes(32))
OURS, THEIRS = 1, 2  # projects
COLUMNS = (
    *("shard", "offset", "class", "project", "program", "customer", "id"),
    *("recorded_at", "body", "profile"),
)


class Log(EventLog):
    """A log to read and to append to, that counts what it reads."""

    rows = 0
    instant = 0

    async def append(self, shard: int, projects: list[int]) -> None:
        """An event of each of these projects, one after the other, all of one customer."""
        self.instant += 1
        (head, _), at = (await self.heads())[shard], self.instant
        await self.database.pool.copy_records_to_table(
            "event",
            records=[
                (shard, head + n, "tier", project, 1, shard, f"{shard}-{head + n}", at, "{}", "{}")
                for n, project in enumerate(projects, start=1)
            ],
            columns=COLUMNS,
        )
        await self.database.pool.execute(
            "UPDATE shard_head SET head = head + $2, recorded_at = $3 WHERE shard = $1",
            *(shard, len(projects), at),
        )

    async def slices_of(
        self, project: int, class_: str, ranges: Sequence[ShardRange]
    ) -> dict[int, list[LogEvent]]:
        slices = await super().slices_of(project, class_, ranges)
        self.rows += sum(len(events) for events in slices.values())
        return slices


@pytest.fixture
async def log(empty_url: str) -> AsyncIterator[Log]:
    """An empty log of many shards."""
    async with await Database.open(empty_url, shards=SHARDS) as database:
        log = Log(database)
        yield log
        await log.close()


def place(event: LogEvent) -> tuple[int, int]:
    """Where an event stands; `append` gave it its shard as its customer."""
    return event.customer, event.offset


async def read_all(log: Log, limit: int) -> list[LogEvent]:
    """Every page from the oldest event on, each from the text of the cursor before it."""
    cursor, events = await event_feed.start(log), []
    while True:
        text = cursor.text("epoch", BOX, "shop")
        cursor = event_feed.parse(text, "epoch", SHARDS, BOX, "shop")
        page = await Reader(log, OURS, "tier", cursor, own=False).read(limit)
        assert len(page.events) == limit or not page.more
        events += page.events
        cursor = page.cursor
        if not page.more:
            assert list(cursor.offsets) == [
                (await log.heads())[shard][0] for shard in range(SHARDS)
            ]
            return events


@pytest.mark.parametrize("limit", [1, 7, 64, 1000])
async def test_every_event_comes_once_in_its_shards_order(log: Log, limit: int) -> None:
    """Among many of another project, in full shards and in nearly empty ones."""
    draw, ours = random.Random(limit), 0
    for shard in range(SHARDS):
        mixed = [draw.choice([OURS, THEIRS, THEIRS]) for _ in range(draw.choice([0, 1, 5, 40]))]
        ours += mixed.count(OURS)
        if mixed:
            await log.append(shard, mixed)
    events = await read_all(log, limit)

    assert len({place(event) for event in events}) == len(events) == ours
    for shard in range(SHARDS):
        offsets = [event.offset for event in events if event.customer == shard]
        assert offsets == sorted(offsets)
    assert {event.project for event in events} == {OURS}
    assert log.rows == ours  # nothing was fetched and thrown away


async def test_a_page_is_in_the_order_of_recording(log: Log) -> None:
    """Over its shards, as they stand in one page."""
    for shard in (9, 3, 50, 3, 9):
        await log.append(shard, [OURS])
    page = await Reader(log, OURS, "tier", await event_feed.start(log), own=True).read(10)

    assert [event.customer for event in page.events] == [9, 3, 50, 3, 9]


async def test_a_shard_that_always_has_news_holds_up_no_other(log: Log) -> None:
    """Pages are small, and less is read than comes in."""
    await log.append(0, [OURS] * 100)
    await log.append(50, [OURS])
    reader = Reader(log, OURS, "tier", await event_feed.start(log), own=True)
    pages = 0
    while all(event.customer == 0 for event in (await reader.read(3)).events):
        await log.append(0, [OURS] * 4)
        pages += 1

    assert pages < 100


async def test_a_shard_is_checked_before_it_is_read(log: Log) -> None:
    """It was restored and went on differently; the first pages did not come to it."""
    for shard in range(SHARDS):
        await log.append(shard, [OURS] * 2)
    start = await event_feed.start(log)
    middle = (await Reader(log, OURS, "tier", start, own=True).read(SHARDS)).cursor
    await log.database.pool.execute("UPDATE event SET id = id || '-other'")
    with pytest.raises(CursorDiverged):
        await Reader(log, OURS, "tier", middle, own=False).read(SHARDS * 2)


async def test_a_cursor_right_below_the_logs_start_goes_on(log: Log) -> None:
    """What it had read last was dropped by retention: there is nothing to compare with."""
    await log.append(7, [OURS] * 3)
    start = await event_feed.start(log)
    middle = (await Reader(log, OURS, "tier", start, own=True).read(2)).cursor
    await log.database.pool.execute('DELETE FROM event WHERE shard = 7 AND "offset" <= 2')
    await log.database.pool.execute("UPDATE shard_head SET log_start = 3 WHERE shard = 7")
    page = await Reader(log, OURS, "tier", middle, own=False).read(2)

    assert [place(event) for event in page.events] == [(7, 3)]


def test_shards_share_a_page_equally() -> None:
    """What one cannot fill goes to the others; together they are asked for the page, no more."""
    assert share(9, {0: 100, 1: 100, 2: 100}, 1, 0) == {0: 3, 1: 3, 2: 3}
    assert share(10, {0: 100, 1: 2, 2: 100}, 1, 0) == {0: 4, 1: 2, 2: 4}
    assert share(100, {0: 5, 1: 5}, 32, 0) == {0: 5, 1: 5}
    draw = random.Random(1)
    for _ in range(500):
        limit, part_min = draw.randint(1, 300), draw.choice([1, 4, 32])
        room = {shard: draw.randint(1, 90) for shard in draw.sample(range(64), draw.randint(1, 64))}
        parts = share(limit, room, part_min, draw.randrange(64))
        assert sum(parts.values()) == min(limit, sum(room.values()))
        assert all(1 <= part <= room[shard] for shard, part in parts.items())


def test_small_parts_are_left_to_other_pages() -> None:
    """Each shard costs a look-up; another page begins with other shards."""
    room = dict.fromkeys(range(SHARDS), 1_000)

    assert sorted(share(100, room, 32, 0)) == [0, 1, 2, 3]
    assert sorted(share(100, room, 32, 62)) == [0, 1, 62, 63]
