"""The last change of every customer, for lists that are walked in that order.

No index may stand on what an activity changes of a member, so the order is a projection. A batch
notes whom it changed, in its own transaction. `catch_up` gives the noted customers an instant, and
these rules hold:

- It holds the shard's mark while it works, so one at a time lists changes.
- The instant lies above the mark, and becomes the mark with the same commit.
- So what lies at or below a mark is final: a walk up to the lowest mark misses nobody, and whoever
  changes later is met again, above it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from tierline.store.column_encoding import integers
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

NOTES_MAX: Final = 100  # of one transaction: some thousand customers
FRESH_MS: Final = 1_000  # a mark that is no older need not be raised for a reader
TOKEN_BITS: Final = 63


class LastChangesSql(Queries, file="last_changes.sql"):
    """The statements of `sql/last_changes.sql`."""

    note: str
    any_unlisted: str
    hold_mark: str
    unlisted: str
    list_changes: str
    drop_listed: str
    raise_mark: str
    mark: str
    all_notes: str


Sql = LastChangesSql


def note_of(customers: Iterable[int]) -> tuple[int, str]:
    """Returns what `note` takes after the shard: a token, and these customers as one column."""
    return secrets.randbits(TOKEN_BITS), integers(sorted(set(customers)))


async def note(connection: Session, shard: int, customers: Iterable[int]) -> None:
    """Notes that customers changed, in the caller's transaction."""
    await connection.execute(Sql.note, shard, *note_of(customers))


async def catch_up(connection: Session, shard: int, now: int) -> bool:
    """Lists what is noted, up to a bound; returns whether there may be more. The mark rises to
    `now` at least."""
    async with connection.transaction():
        mark = await connection.fetchval(Sql.hold_mark, shard)
        rows = await connection.fetch(Sql.unlisted, shard, NOTES_MAX)
        at = max(now, mark + 1)
        if rows:
            customers = sorted({customer for row in rows for customer in row["customers"]})
            await connection.execute(Sql.list_changes, shard, customers, at)
            await connection.execute(Sql.drop_listed, shard, [row["token"] for row in rows])
        await connection.execute(Sql.raise_mark, shard, at)
    return len(rows) == NOTES_MAX


async def has_notes(connection: Session, shard: int) -> bool:
    """Whether `catch_up` has something to list."""
    return await connection.fetchval(Sql.any_unlisted, shard) is not None


async def mark(connection: Session, shards: int, now: int) -> int:
    """Returns the instant up to which the lists of all shards are final. What is noted is listed
    before, up to a bound, and all marks rise to the highest: so a caller meets what they have just
    changed. A mark may rise without looking, for whatever is listed later lies above it."""
    marks = []
    for shard in range(shards):
        upto = await connection.fetchval(Sql.mark, shard)
        if upto is None or await has_notes(connection, shard):
            await catch_up(connection, shard, now)
            upto = await connection.fetchval(Sql.mark, shard)
        marks.append(upto)
    highest = max(marks)
    if min(marks) == highest >= now - FRESH_MS:
        return int(highest)
    highest = max(highest, now)
    for shard, upto in enumerate(marks):
        if upto < highest:
            await connection.execute(Sql.raise_mark, shard, highest)
    return int(highest)
