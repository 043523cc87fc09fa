"""Rows that follow from others, made anew in the target: counts, moves of a day, marks of lists.

All of it may be done again, as often as an interrupted copy goes on."""

from __future__ import annotations

from collections import Counter, defaultdict

from tierline.reshard.row_moves import Pair
from tierline.reshard.tables import Places
from tierline.store import last_changes, tier_counts
from tierline.store.column_encoding import columns
from tierline.store.last_changes import LastChangesSql
from tierline.store.tier_counts import TierCountsSql


async def derive(pair: Pair, places: Places, source_shards: int) -> None:
    """When all other rows are there."""
    for shard in range(places.shards):
        await tier_counts.recount(pair.target, shard)
    await _moves(pair, source_shards)
    await _last_changes(pair, places, source_shards)


async def _moves(pair: Pair, source_shards: int) -> None:
    """Moves of a day belong to no member: all of them stand in the first shard."""
    moves: Counter[tuple[int, int, str]] = Counter()
    for shard in range(source_shards):
        for row in await pair.source.fetch(TierCountsSql.all_moves, shard):
            moves[row["program"], row["day"], row["kind"]] += row["moves"]
    async with pair.target.transaction():
        await pair.target.execute(TierCountsSql.forget_moves, 0)
        rows = [(*key, count) for key, count in sorted(moves.items())]
        if rows:
            await pair.target.execute(TierCountsSql.add_moves, 0, *columns(rows, "iiti"))


async def _last_changes(pair: Pair, places: Places, source_shards: int) -> None:
    """What no list says yet is noted in the shards where it lives now, and no mark lies below an
    instant that was copied."""
    noted: dict[int, set[int]] = defaultdict(set)
    mark = 0
    for shard in range(source_shards):
        mark = max(mark, await pair.source.fetchval(LastChangesSql.mark, shard) or 0)
        for row in await pair.source.fetch(LastChangesSql.all_notes, shard):
            for customer in row["customers"]:
                noted[places.of_customer(customer)].add(customer)
    for shard in range(places.shards):
        async with pair.target.transaction():
            await pair.target.fetchval(LastChangesSql.hold_mark, shard)
            await pair.target.execute(LastChangesSql.raise_mark, shard, mark)
            if noted[shard]:
                await last_changes.note(pair.target, shard, noted[shard])
