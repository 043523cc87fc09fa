"""The same work by hand: what PostgreSQL does in one set-based statement per batch.

Plain tables, no engine, no rules but thresholds in SQL: what nobody can undercut on this machine.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import asyncpg

from tierline.clock import wall

SCHEMA = """
DROP TABLE IF EXISTS floor_member, floor_entry, floor_event;
CREATE TABLE floor_member (id bigint PRIMARY KEY, balance bigint NOT NULL, tier integer NOT NULL,
    due_at bigint) WITH (fillfactor = 70);
CREATE TABLE floor_entry (member bigint, key text, points bigint, at bigint,
    PRIMARY KEY (member, key));
CREATE TABLE floor_event (id bigserial PRIMARY KEY, member bigint, body text);
"""
FILL = """
INSERT INTO floor_member
SELECT i, 7919 * i % 2000, 7919 * i % 2000 / 500, $2 FROM generate_series(0::bigint, $1 - 1) i
"""
BATCH = """
WITH sent AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS u (member, key)),
locked AS (
    SELECT m.id, m.balance, m.tier FROM floor_member m
    WHERE m.id = ANY($1) ORDER BY m.id FOR UPDATE
),
entered AS (
    INSERT INTO floor_entry SELECT member, key, 10, $3 FROM sent
    ON CONFLICT DO NOTHING RETURNING member
),
sums AS (SELECT member, 10 * count(*) AS points FROM entered GROUP BY member),
moved AS (
    UPDATE floor_member m
    SET balance = m.balance + s.points, tier = least((m.balance + s.points) / 500, 19)
    FROM sums s WHERE m.id = s.member
    RETURNING m.id, m.tier
)
INSERT INTO floor_event (member, body)
SELECT v.id, repeat('x', 300) FROM moved v JOIN locked l ON l.id = v.id WHERE v.tier <> l.tier
"""
SWEEP = """
WITH due AS (
    SELECT m.id FROM floor_member m WHERE m.due_at <= $1 AND m.id >= $2 AND m.id < $3
    ORDER BY m.id FOR UPDATE
),
moved AS (
    UPDATE floor_member m SET tier = 0, balance = 0, due_at = NULL FROM due
    WHERE m.id = due.id RETURNING m.id
)
INSERT INTO floor_event (member, body) SELECT id, repeat('x', 300) FROM moved
"""


async def activities(connection: asyncpg.Connection[Any], people: int, size: int) -> float:
    """Activities a second in durable batches of this size, on one connection."""
    await connection.execute(SCHEMA)
    await connection.execute(FILL, people, None, timeout=600)
    await connection.execute("VACUUM (ANALYZE) floor_member", timeout=600)
    statement = await connection.prepare(BATCH)
    batches = max(20, 40_000 // size)
    sent = [
        ([random.randrange(people) for _ in range(size)], [f"k{b}-{i}" for i in range(size)])
        for b in range(batches)
    ]
    began = time.perf_counter()
    for members, keys in sent:
        await statement.fetch(members, keys, wall())
    return batches * size / (time.perf_counter() - began)


async def one_by_one(url: str, people: int, connections: int, seconds: float) -> float:
    """Activities a second, each a statement and a commit of its own, on so many connections."""
    opened = [await asyncpg.connect(url) for _ in range(connections)]
    try:
        await opened[0].execute(SCHEMA)
        await opened[0].execute(FILL, people, None, timeout=600)
        await opened[0].execute("VACUUM (ANALYZE) floor_member", timeout=600)
        until = time.perf_counter() + seconds

        async def run(connection: asyncpg.Connection[Any], name: int) -> int:
            statement, done = await connection.prepare(BATCH), 0
            while time.perf_counter() < until:
                await statement.fetch([random.randrange(people)], [f"o{name}-{done}"], wall())
                done += 1
            return done

        began = time.perf_counter()
        done = await asyncio.gather(*(run(c, i) for i, c in enumerate(opened)))
        return sum(done) / (time.perf_counter() - began)
    finally:
        await drop(opened[0])
        for connection in opened:
            await connection.close()


async def sweep(connection: asyncpg.Connection[Any], people: int, size: int) -> float:
    """Members a second that are due, moved down and told of, in batches of this size."""
    await connection.execute(SCHEMA)
    await connection.execute(FILL, people, 1, timeout=600)
    await connection.execute("VACUUM (ANALYZE) floor_member", timeout=600)
    statement = await connection.prepare(SWEEP)
    began = time.perf_counter()
    for start in range(0, people, size):
        await statement.fetch(2, start, start + size)
    return people / (time.perf_counter() - began)


async def drop(connection: asyncpg.Connection[Any]) -> None:
    await connection.execute("DROP TABLE IF EXISTS floor_member, floor_entry, floor_event")
