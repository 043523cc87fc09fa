"""How far a copy is: remembered in the target page by page, and told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import asyncpg
import msgspec
from msgspec import Struct

from tierline.reshard.errors import CopyInterfered
from tierline.reshard.queries import ReshardSql as Sql
from tierline.reshard.tables import Key

Step = Literal["copy", "check"]


class Copying(Struct, frozen=True):
    """One table's progress: `share` of it is done, in rows of about equal cost."""

    step: Step
    table: str
    rows: int
    share: float


class Position(Struct, frozen=True, omit_defaults=True):
    """What was copied of one table and shard (of a log: of one group of shards)."""

    after: tuple[int | str, ...] = ()  # the last key; of a log: an offset per source shard
    heads: tuple[int, ...] = ()  # of a log: the new ones so far
    rows: int = 0
    ended: bool = False


class Positions:
    """The positions in one target. A page is written by `advance` first, in one transaction with
    its rows, so that it is written once however often a copy is interrupted."""

    def __init__(self, stored: Sequence[asyncpg.Record]) -> None:
        self._texts = {(row["shard"], row["name"]): row["position"] for row in stored}

    def get(self, shard: int, name: str) -> Position:
        text = self._texts.get((shard, name))
        return Position() if text is None else _decode(text)

    async def advance(
        self, connection: asyncpg.Connection, shard: int, name: str, to: Position
    ) -> None:
        """Inside the page's transaction. CopyInterfered where another copy moved it."""
        before = self._texts.get((shard, name), "")
        text = _encode(to).decode()
        if await connection.fetchval(Sql.advance, shard, name, text, before) is None:
            raise CopyInterfered

    def advanced(self, shard: int, name: str, to: Position) -> None:
        """The page is committed."""
        self._texts[shard, name] = _encode(to).decode()


class Tally:
    """Sums up what the shards report, for `told`."""

    def __init__(self, on_progress: Callable[[Copying], None], shards: int) -> None:
        self._on_progress = on_progress
        self._shards = shards
        self._parts: dict[tuple[Step, str], dict[int, tuple[int, float]]] = {}

    def report(
        self, step: Step, table: str, shard: int, rows: int, share: float, weight: int = 1
    ) -> None:
        """`rows` so far of a part of a table that is `weight` shards; `share` of it is done."""
        parts = self._parts.setdefault((step, table), {})
        parts[shard] = (rows, share * weight)
        done = sum(part[1] for part in parts.values()) / self._shards
        self._on_progress(Copying(step, table, sum(part[0] for part in parts.values()), done))

    def rows(self) -> dict[str, int]:
        """How many rows of each table were copied."""
        return {
            table: sum(rows for rows, _ in parts.values())
            for (step, table), parts in self._parts.items()
            if step == "copy"
        }


def share_of(key: Key, counter: int) -> float:
    """How far a page whose keys begin with a customer's id is, among ids up to a counter."""
    return min(1.0, (int(key[0]) >> 16) / counter) if counter else 1.0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Position).decode
