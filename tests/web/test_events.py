"""The pull feed: complete, resumable, gap-free, and honest when it cannot be."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Api, running
from tierline.errors import Invalid
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.web import event_feed
from tierline.web.event_feed import CursorDiverged, FeedCursor


async def page(api: Api, cursor: str | None = None, **fields: Any) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    after = "" if cursor is None else f"&after={cursor}"
    answered = await api.get(f"/api/events?{query}{after}")
    assert answered.status == 200, answered.body
    answer: dict[str, Any] = answered.json
    return answer


async def test_the_feed_tells_what_the_webhooks_tell(club: Api) -> None:
    """Kinds, tiers with their names, the customer as the shop calls them."""
    await club.earn("anna", 120)
    await club.earn("anna", 400)
    answer = await page(club)

    assert [
        (e["kind"], e["customer"], e["program"], e["tier_from"], e["tier_to"], e["seq"])
        for e in answer["events"]
    ] == [
        ("joined", "anna", "club", None, {"id": "silver", "name": "Silver"}, 1),
        ("upgraded", "anna", "club", {"id": "silver", "name": "Silver"},
         {"id": "gold", "name": "Gold"}, 2),
    ]  # fmt: skip


async def test_pages_join_without_gap_or_repetition(club: Api) -> None:
    """Over all shards, whatever the size of a page."""
    for i in range(23):
        await club.earn(f"c{i}", 100)
    seen: list[str] = []
    answer = await page(club, limit=4)
    while answer["events"]:
        seen += [event["customer"] for event in answer["events"]]
        answer = await page(club, answer["next"], limit=4)

    assert sorted(seen) == sorted(f"c{i}" for i in range(23))
    assert answer["more"] is False


async def test_a_cursor_goes_on_for_ever(club: Api) -> None:
    """What comes later is read from where the last page ended."""
    await club.earn("anna", 100)
    first = await page(club)
    nothing = await page(club, first["next"])
    await club.earn("ben", 100)
    second = await page(club, nothing["next"])

    assert nothing["events"] == []
    assert [event["customer"] for event in second["events"]] == ["ben"]


async def test_readers_beside_writers_miss_nothing(club: Api) -> None:
    """Pages are read while events are committed in both shards."""
    done = asyncio.Event()

    async def write(part: int) -> None:
        for i in range(30):
            await club.earn(f"c{part}-{i}", 100)

    async def read() -> list[str]:
        seen: list[str] = []
        cursor = None
        while True:
            last = done.is_set()
            answer = await page(club, cursor, limit=7)
            cursor = answer["next"]
            seen += [event["customer"] for event in answer["events"]]
            if last and not answer["events"]:
                return seen

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(part) for part in range(4)))
    done.set()
    seen = await reading

    assert sorted(seen) == sorted(f"c{part}-{i}" for part in range(4) for i in range(30))


async def test_a_long_poll_answers_when_something_happens(club: Api) -> None:
    """Not before, and not at its end."""
    start = (await page(club))["next"]
    waiting = asyncio.create_task(page(club, start, wait=15))
    await club.earn("anna", 100)
    answer = await asyncio.wait_for(waiting, 10)

    assert [event["customer"] for event in answer["events"]] == ["anna"]


async def test_a_stopping_server_lets_long_polls_go(database: Database, tmp_path: Path) -> None:
    """They are answered before it is gone, not cut off."""
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        api = await stack.enter_async_context(running(database, tmp_path))
        elsewhere = Api(session, api.process, api.key)
        waiting = asyncio.create_task(page(elsewhere, wait=60))
        while not api.process.commit_signal.waiting:
            await asyncio.sleep(0)
        await stack.aclose()
        answer = await waiting

    assert answer["events"] == []


async def test_the_feed_starts_at_an_instant(club: Api) -> None:
    """For consumers without a cursor."""
    await club.earn("anna", 100)
    first = (await page(club))["events"][0]
    await club.installation.database.pool.execute("SELECT pg_sleep(0.002)")
    await club.earn("ben", 100)
    second = (await page(club))["events"][1]
    at = second["recorded_at"]

    assert first["recorded_at"] < at
    assert [e["customer"] for e in (await page(club, since=at))["events"]] == ["ben"]
    late = await page(club, since="2199-01-01T00:00:00Z")
    assert late["events"] == []


async def test_a_cursor_of_a_restored_log_is_refused(club: Api) -> None:
    """The log was put back to an earlier state and went on differently."""
    await club.earn("anna", 100)
    answer = await page(club)
    pool = club.installation.database.pool
    await pool.execute("""UPDATE event SET id = 'evt_other'""")
    other = await club.get(f"/api/events?after={answer['next']}")
    await pool.execute("DELETE FROM event")
    await pool.execute("UPDATE shard_head SET head = 0")
    shorter = await club.get(f"/api/events?after={answer['next']}")

    assert other.problem == (410, "cursor_diverged", "after")
    assert shorter.problem == (410, "cursor_diverged", "after")


async def test_a_cursor_of_another_installation_is_refused(club: Api) -> None:
    """Its epoch is another."""
    shards = club.installation.database.shards
    box, project = club.installation.catalog.box, (await club.get("/api/project")).json["id"]
    theirs = FeedCursor((0,) * shards, (b"\0\0\0",) * shards).text("another epoch", box, project)
    answered = await club.get(f"/api/events?after={theirs}")

    assert answered.problem == (410, "cursor_diverged", "after")


async def test_a_cursor_below_what_is_kept_is_refused(club: Api) -> None:
    """Retention dropped what it had not read: an error, never a silent gap."""
    start = (await page(club))["next"]
    await club.earn("anna", 100)
    await club.installation.database.pool.execute("UPDATE shard_head SET log_start = head + 1")
    answered = await club.get(f"/api/events?after={start}")

    assert answered.problem == (410, "cursor_expired", "after")
    assert (await page(club))["events"] == []


async def test_what_is_no_cursor_is_said(club: Api) -> None:
    """With the field."""
    for wrong in ("abc", "AQ", "%00", "A" * 400):
        answered = await club.get(f"/api/events?after={wrong}")
        assert answered.problem[1] in ("invalid", "cursor_diverged"), answered.body
    both = await club.get("/api/events?after=x&since=2024-01-01T00:00:00Z")
    assert both.problem == (400, "invalid", "since")
    for query, path in (("limit=0", "limit"), ("limit=x", "limit"), ("wait=61", "wait"),
                        ("colour=red", "colour"), ("class=all", "class")):  # fmt: skip
        assert (await club.get(f"/api/events?{query}")).problem == (400, "invalid", path)


CURSOR = FeedCursor((0, 127, 128, 2**53), (b"abc", b"def", b"ghi", b"jkl"))
OLD, NEW = bytes(32), bytes([7]) * 32


def test_a_cursor_is_its_own_text() -> None:
    """Large offsets too; equal ones are equal, and none shows how much there is."""
    box, none = SecretBox(OLD), FeedCursor((0,) * 4, (b"\0\0\0",) * 4)
    text = CURSOR.text("e", box, "shop")

    assert event_feed.parse(text, "e", 4, box, "shop") == CURSOR
    assert text == CURSOR.text("e", box, "shop")
    assert len(text) == len(none.text("e", box, "shop"))
    assert b"jkl" not in base64.urlsafe_b64decode(text + "==")


def test_a_cursor_outlives_its_key() -> None:
    """A former key stands behind the one in use; where it is gone the consumer is told to begin
    again."""
    text = CURSOR.text("e", SecretBox(OLD), "shop")

    assert event_feed.parse(text, "e", 4, SecretBox(NEW, OLD), "shop") == CURSOR
    with pytest.raises(CursorDiverged):
        event_feed.parse(text, "e", 4, SecretBox(NEW), "shop")


def test_a_cursor_is_of_one_project() -> None:
    """Nobody reads on, or reads out, what another was given; a byte that was changed shows."""
    box = SecretBox(OLD)
    text = CURSOR.text("e", box, "shop")
    raw = bytearray(base64.urlsafe_b64decode(text + "=="))
    raw[-1] ^= 1
    for wrong, project in ((text, "other"), (base64.urlsafe_b64encode(raw).decode(), "shop")):
        with pytest.raises(Invalid):
            event_feed.parse(wrong, "e", 4, box, project)


def test_a_cursor_that_was_not_sealed_stays_valid() -> None:
    """As the first version printed it: the epoch's hash, then numbers of seven bits a byte."""
    pairs = b"\x00abc" + b"\x7fdef" + b"\x80\x01ghi" + b"\x80" * 7 + b"\x10jkl"
    epoch = hashlib.blake2b(b"e", digest_size=3).digest()
    text = base64.urlsafe_b64encode(b"\x01" + epoch + pairs).decode().rstrip("=")

    assert event_feed.parse(text, "e", 4, SecretBox(OLD), "shop") == CURSOR


async def test_operational_events_are_a_class_of_their_own(club: Api) -> None:
    """They need the scope of endpoints, not of customers."""
    await club.earn("anna", 100)
    made = await club.post("/api/keys", {"scopes": ["manage_endpoints"]})
    ops = await club.get("/api/events?class=ops", key=made.json["key"])
    tier = await club.get("/api/events", key=made.json["key"])

    assert ops.json["events"] == []
    assert tier.problem[:2] == (403, "forbidden")


def test_a_cursor_of_one_endless_number_is_no_cursor() -> None:
    """It is refused where it passes what an offset can be, not read to its end: that is slow."""
    text = base64.urlsafe_b64encode(b"\x01" + bytes(3) + b"\x80" * 45_000 + b"\x00abc").decode()
    with pytest.raises(Invalid):
        event_feed.parse(text, "e", 1, SecretBox(OLD), "shop")
