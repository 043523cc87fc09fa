"""Texts about people are forgotten when they are old enough; numbers and rows stay."""

from __future__ import annotations

import json

from msgspec.structs import replace

from tests.delivery.world import QUICK, World
from tests.receiver import Receiver, Reply
from tierline.clock import wall
from tierline.delivery.text_retention import TextRetention
from tierline.endpoints.settings import SenderSettings
from tierline.store.catalog import audit
from tierline.store.event_log import EventLog

DAY_S = 86_400
KEPT = replace(QUICK, attempt_texts_kept_s=DAY_S, profiles_kept_s=2 * DAY_S, audit_kept_s=3 * DAY_S)


async def look(world: World, days: int, settings: SenderSettings = KEPT) -> None:
    """As if so many days had passed."""
    log = EventLog(world.database)
    try:
        texts = TextRetention(log, settings, lambda: wall() + days * DAY_S * 1000 + 1000)
        for shard in range(world.database.shards):
            await texts.look(shard)
            await texts.look(shard)
    finally:
        await log.close()


async def test_texts_go_at_their_time(world: World, receiver: Receiver) -> None:
    """First what webhooks said, then profiles in events, then lines of the audit log."""
    receiver.answer = lambda _: Reply(200, body=b"hello Ann")
    await world.endpoint(receiver.url)
    customers = [world.customer(n) for n in range(3)]
    async with world.sending():
        await world.happen(customers)
        await receiver.wait(3)
    pool = world.database.pool
    async with pool.acquire() as connection, connection.transaction():
        await audit.note(connection, None, "test.line", "x")
    rows = await pool.fetch("SELECT detail FROM attempt ORDER BY at, delivery")
    assert all(json.loads(row["detail"])["answer"]["body"] == "hello Ann" for row in rows)

    async def texts() -> tuple[int, int, int]:
        count = "SELECT count(*) FROM"
        return (
            await pool.fetchval(f"{count} attempt WHERE detail LIKE '%Ann%'"),
            await pool.fetchval(f"{count} event WHERE profile IS NOT NULL"),
            await pool.fetchval(f"{count} audit"),
        )

    _, _, lines = await texts()
    await look(world, 0)
    assert await texts() == (3, 3, lines)
    await look(world, 1)
    assert await texts() == (0, 3, lines)
    await look(world, 2)
    assert await texts() == (0, 0, lines)
    await look(world, 3)
    assert await texts() == (0, 0, 0)
    assert await pool.fetchval("SELECT count(*) FROM attempt WHERE status = 200") == 3
    assert await pool.fetchval("SELECT count(*) FROM event") == 3


async def test_what_is_not_set_is_kept(world: World, receiver: Receiver) -> None:
    """Profiles and the audit log for ever; of webhooks, what was said for a week."""
    await world.happen([world.customer(1)])
    await look(world, 400, SenderSettings())
    pool = world.database.pool
    assert await pool.fetchval("SELECT count(*) FROM event WHERE profile IS NOT NULL") == 1
    assert await pool.fetchval("SELECT count(*) FROM audit") > 0
    assert SenderSettings().attempt_texts_kept_s == 7 * DAY_S


async def test_sessions_that_have_ended_go(world: World) -> None:
    """Also where nobody signs in any more."""
    pool, now = world.database.pool, wall()
    await pool.execute(
        "INSERT INTO user_account (id, email, name, state, grants, created_at, updated_at)"
        " VALUES ('u', 'a@b', 'A', 'active', '{}', 0, 0)"
    )
    for name, seen in (("old", now - 9 * 3_600_000), ("new", now)):
        await pool.execute(
            "INSERT INTO session (hash, id, user_id, address, agent, created_at, seen_at,"
            " expires_at) VALUES ($1, $2, 'u', '', '', 0, $3, $4)",
            name.encode(), name, seen, now + 10 * DAY_S * 1000,
        )  # fmt: skip
    await look(world, 0)
    assert [row["id"] for row in await pool.fetch("SELECT id FROM session")] == ["new"]
