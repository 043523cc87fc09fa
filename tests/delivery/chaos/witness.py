"""What the database knows at each change of an owner: a trigger writes it down, in the same
transaction, so that nothing is guessed afterwards.

From then on the new owner sends what is not settled there. So a repetition is excused by a change
of owner at which its event was unsettled, and by nothing else.
"""

from __future__ import annotations

import asyncpg
from msgspec import Struct, json

from tierline.store.database import Database

# A generation is raised by nothing but a take-over, a pause, a rewind or a deletion.
_WATCH = """
CREATE TABLE chaos_takeover (
    owner text, shard smallint, endpoint integer, generation bigint, mark bigint, done bytea,
    heads text
);
CREATE FUNCTION chaos_witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_takeover (owner, shard, endpoint, generation, mark, done, heads)
    SELECT coalesce(current_setting('chaos.process', true), ''),
           NEW.shard, NEW.endpoint, NEW.generation, NEW.mark, NEW.done,
           (SELECT coalesce(json_object_agg(key, head)::text, '{}') FROM lane
            WHERE shard = NEW.shard AND endpoint = NEW.endpoint AND run = 0);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_witness AFTER UPDATE ON cursor FOR EACH ROW
WHEN (OLD.generation <> NEW.generation AND NEW.run = 0) EXECUTE FUNCTION chaos_witness();
"""


class Takeover(Struct, frozen=True):
    """What was settled when `owner` began with a cursor, which raised it to `generation`."""

    generation: int
    owner: str
    mark: int
    done: bytes
    heads: dict[int, int]  # of lanes, by their key

    def settled(self, offset: int, key: int) -> bool:
        head = self.heads.get(key)
        if head is not None:
            return offset < head
        bit = offset - self.mark - 1
        if bit < 0:
            return True
        return bit < len(self.done) * 8 and bool(self.done[bit >> 3] >> (bit & 7) & 1)


async def watch(database: Database) -> None:
    await database.pool.execute(_WATCH)


async def takeovers(database: Database) -> dict[tuple[int, int], list[Takeover]]:
    """By shard and endpoint's number, in order of generations."""
    rows: list[asyncpg.Record] = await database.pool.fetch(
        "SELECT * FROM chaos_takeover ORDER BY shard, endpoint, generation"
    )
    results: dict[tuple[int, int], list[Takeover]] = {}
    for row in rows:
        heads = json.decode(row["heads"], type=dict[int, int])
        made = Takeover(row["generation"], row["owner"], row["mark"], row["done"], heads)
        results.setdefault((row["shard"], row["endpoint"]), []).append(made)
    return results
